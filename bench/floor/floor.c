/* floor [--tuned] SOURCE MOUNTPOINT: stays in the foreground. Without --tuned it has the settings of passthrough_ll,
 * the example that comes with libfuse, with its cache=always; with it, those of Nacre's mounts. */
#include "floor/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOCK_CACHE_S 86400.0
#define TUNED_CACHE_S 3600.0
#define TUNED_MAX_IO_BYTES (1u << 20)
#define TUNED_MAX_BACKGROUND 64
#define DESCRIPTORS_WANTED (1 << 20)

static struct floor state = {.cache_s = STOCK_CACHE_S, .lock = PTHREAD_MUTEX_INITIALIZER};

static void tune(void *userdata, struct fuse_conn_info *conn) {
  (void)userdata;
  if (!state.tuned)
    return;
  conn->max_write = conn->max_read = TUNED_MAX_IO_BYTES;
  conn->max_background = TUNED_MAX_BACKGROUND;
  conn->want |= conn->capable & (FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO);
  conn->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
}

/* Each inode that the kernel knows costs a descriptor. Who may not raise the hard limit, which root in a container
 * may not, takes all of it. Returns the limit. */
static int raise_descriptors(void) {
  struct rlimit limit = {.rlim_cur = DESCRIPTORS_WANTED, .rlim_max = DESCRIPTORS_WANTED};
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
    return DESCRIPTORS_WANTED;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return DESCRIPTORS_WANTED;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max < DESCRIPTORS_WANTED ? (int)limit.rlim_max : DESCRIPTORS_WANTED;
}

static int serve(const char *mount_point) {
  struct fuse_lowlevel_ops operations = {.init = tune};
  char name[] = "floor", option[] = "-o", tuned[] = "fsname=floor,default_permissions,max_read=1048576";
  char stock[] = "fsname=floor,default_permissions";
  char *words[] = {name, option, state.tuned ? tuned : stock};
  struct fuse_args args = FUSE_ARGS_INIT(3, words);
  floor_names_operations(&operations);
  floor_files_operations(&operations, state.tuned);
  struct fuse_session *session = fuse_session_new(&args, &operations, sizeof operations, &state);
  fuse_opt_free_args(&args);
  if (session == NULL)
    return 1;
  int result = 1;
  if (fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, mount_point) == 0) {
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_clone_fd(config, state.tuned);
    result = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    fuse_session_unmount(session);
  }
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return result;
}

int main(int argc, char **argv) {
  state.tuned = argc > 1 && strcmp(argv[1], "--tuned") == 0;
  if (argc != (state.tuned ? 4 : 3))
    return fprintf(stderr, "floor [--tuned] SOURCE MOUNTPOINT\n"), 2;
  if (state.tuned)
    state.cache_s = state.absent_s = TUNED_CACHE_S;
  state.descriptors_max = raise_descriptors();
  umask(0);
  state.root.fd = open(argv[argc - 2], O_PATH | O_DIRECTORY | O_CLOEXEC);
  state.store = open(argv[argc - 2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (state.root.fd < 0 || state.store < 0)
    return fprintf(stderr, "floor: %s: %s\n", argv[argc - 2], strerror(errno)), 1;
  return serve(argv[argc - 1]);
}
