#include "fuse/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In memory that both processes share. */
struct errand {
  const char *path;
  dev_t device;
  int error;
};

/* Other threads may hold any lock at the moment of the fork: an errand makes system calls and nothing else. */
typedef void (*errand_fn)(struct errand *errand);

static void errand_stat(struct errand *errand) {
  struct stat st;
  errand->error = stat(errand->path, &st) == 0 ? 0 : errno;
  if (errand->error == 0)
    errand->device = st.st_dev;
}

static void errand_sync(struct errand *errand) {
  struct stat st;
  const int fd = open(errand->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  errand->error = 0;
  if (fd < 0 || fstat(fd, &st) != 0 || (st.st_dev == errand->device && syncfs(fd) != 0))
    errand->error = errno;
}

static void errand_unmount(struct errand *errand) {
  errand->error = umount2(errand->path, UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
}

static int run(errand_fn errand_run, struct errand *shared) {
  const pid_t child = fork();
  if (child < 0)
    return errno;
  if (child == 0) {
    (void)close_range(STDERR_FILENO + 1, ~0u, 0);
    errand_run(shared);
    _exit(0);
  }
  /* Its exit status tells nothing that `shared` doesn't, nor can it always be had. */
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
    continue;
  return shared->error;
}

static int errand(errand_fn errand_run, const char *path, dev_t *device) {
  struct errand *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return errno;
  *shared = (struct errand){.path = path, .device = *device, .error = ECHILD};
  const int error = run(errand_run, shared);
  *device = shared->device;
  (void)munmap(shared, sizeof *shared);
  return error;
}

int aside_stat(const char *path, dev_t *device) {
  *device = 0;
  return errand(errand_stat, path, device);
}

int aside_sync(const char *path, dev_t device) {
  return errand(errand_sync, path, &device);
}

int aside_unmount(const char *path) {
  dev_t none = 0;
  return errand(errand_unmount, path, &none);
}
