/* Many small files, each thread's in a folder of its own. */
#include "load/load.h"
#include "load/pattern.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FILES 1000u
#define PATH_BYTES 4096u

static uint64_t own_count(const struct load *load) {
  return load->count / load->jobs;
}

static void folder_path(const struct load *load, uint64_t job, uint64_t i, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s/job%u/folder%03u", load->path, (unsigned)job, (unsigned)(i / FOLDER_FILES));
}

static void file_path(const struct load *load, uint64_t job, uint64_t i, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s/job%u/folder%03u/file%06u", load->path, (unsigned)job, (unsigned)(i / FOLDER_FILES),
           (unsigned)i);
}

static void create_own(const struct load *load, uint64_t job) {
  uint8_t block[PATTERN_BLOCK_BYTES];
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/job%u", load->path, (unsigned)job);
  if (mkdir(path, 0700) != 0)
    load_fail("mkdir", path);
  for (uint64_t i = 0; i < own_count(load); i++) {
    folder_path(load, job, i, path);
    if (i % FOLDER_FILES == 0 && mkdir(path, 0700) != 0)
      load_fail("mkdir", path);
    file_path(load, job, i, path);
    pattern_fill(block, job, i, 1, 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, block, sizeof block) != sizeof block || close(fd) != 0)
      load_fail("create", path);
  }
}

void small_create(const struct load *load, struct load_report *report) {
  if (mkdir(load->path, 0700) != 0)
    load_fail("mkdir", load->path);
  report->seconds = load_parallel(load, create_own);
  report->count = own_count(load) * load->jobs;
}

static uint64_t stat_folder(const char *path) {
  uint64_t found = 0;
  DIR *folder = opendir(path);
  if (folder == NULL)
    load_fail("opendir", path);
  for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    struct stat st;
    if (entry->d_name[0] == '.')
      continue;
    if (fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_size != PATTERN_BLOCK_BYTES)
      load_fail("stat", path);
    found++;
  }
  closedir(folder);
  return found;
}

static void stat_own(const struct load *load, uint64_t job) {
  char path[PATH_BYTES];
  uint64_t found = 0;
  for (uint64_t i = 0; i < own_count(load); i += FOLDER_FILES) {
    folder_path(load, job, i, path);
    found += stat_folder(path);
  }
  errno = 0;
  if (found != own_count(load))
    load_fail("number of files", load->path);
}

void small_stat(const struct load *load, struct load_report *report) {
  report->seconds = load_parallel(load, stat_own);
  report->count = own_count(load) * load->jobs;
}

static void read_own(const struct load *load, uint64_t job) {
  uint8_t block[PATTERN_BLOCK_BYTES];
  char path[PATH_BYTES];
  for (uint64_t i = 0; i < own_count(load); i++) {
    file_path(load, job, i, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      load_fail("open", path);
    errno = 0;
    if (read(fd, block, sizeof block) != sizeof block || !pattern_holds(block, job, i, 0))
      load_fail("read", path);
    close(fd);
  }
}

void small_read(const struct load *load, struct load_report *report) {
  report->seconds = load_parallel(load, read_own);
  report->count = own_count(load) * load->jobs;
}

static void delete_own(const struct load *load, uint64_t job) {
  char path[PATH_BYTES];
  for (uint64_t i = 0; i < own_count(load); i++) {
    file_path(load, job, i, path);
    if (unlink(path) != 0)
      load_fail("unlink", path);
    folder_path(load, job, i, path);
    if ((i % FOLDER_FILES == FOLDER_FILES - 1 || i + 1 == own_count(load)) && rmdir(path) != 0)
      load_fail("rmdir", path);
  }
}

void small_delete(const struct load *load, struct load_report *report) {
  report->seconds = load_parallel(load, delete_own);
  report->count = own_count(load) * load->jobs;
}
