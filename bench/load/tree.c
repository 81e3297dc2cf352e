/* A tree of folders and files of any kind: everything read, and a sum of it that does not depend on the order. */
#include "load/load.h"
#include "measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (1u << 17)
#define FACTOR 0x9e3779b97f4a7c15ull

struct walk {
  struct load_report *report;
  uint8_t *buffer;
};

static uint64_t add_bytes(uint64_t sum, const uint8_t *bytes, size_t len) {
  size_t i = 0;
  for (; i + 8 <= len; i += 8) {
    uint64_t word;
    memcpy(&word, bytes + i, 8);
    sum = (sum ^ word) * FACTOR;
    sum ^= sum >> 32;
  }
  for (; i < len; i++)
    sum = (sum ^ bytes[i]) * FACTOR;
  return sum;
}

static void read_file(struct walk *w, int folder, const char *name, uint64_t sum) {
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    load_fail("open", name);
  for (ssize_t n = 1; n > 0;) {
    n = read(fd, w->buffer, BUFFER_BYTES);
    if (n < 0)
      load_fail("read", name);
    w->report->bytes += (uint64_t)n;
    sum = add_bytes(sum, w->buffer, (size_t)n);
  }
  w->report->sum += sum;
  close(fd);
}

/* As deep as the trees that the bench itself makes. */
// NOLINTNEXTLINE(misc-no-recursion)
static void read_folder(struct walk *w, int at, const char *path, uint64_t sum) {
  int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd < 0 ? NULL : fdopendir(fd);
  if (folder == NULL)
    load_fail("open folder", path);
  for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
    struct stat st;
    const char *name = entry->d_name;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
      continue;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      load_fail("stat", name);
    uint64_t own = add_bytes(sum, (const uint8_t *)name, strlen(name) + 1);
    w->report->count++;
    if (S_ISDIR(st.st_mode))
      read_folder(w, fd, name, own);
    else
      read_file(w, fd, name, own);
  }
  closedir(folder);
}

void tree_read(const struct load *load, struct load_report *report) {
  struct walk walk = {.report = report, .buffer = malloc(BUFFER_BYTES)};
  if (walk.buffer == NULL)
    load_fail("memory", "");
  double begin = measure_now_s();
  read_folder(&walk, AT_FDCWD, load->path, 0);
  report->seconds = measure_now_s() - begin;
  free(walk.buffer);
}
