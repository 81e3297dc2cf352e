/* umount.nacre and umount.fuse.nacre: what umount(8) starts for a mount of ours, so that it returns when the
 * container is free and not while the last commit is still being written. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "helper_codes.h"
#include "report.h"
#include "umounting.h"

/* Where umount(8) was told to work in another mount namespace, it starts its helper in its own. */
static int enter_namespace(const char *path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return report_errno(path, "cannot open the namespace", errno);
  const int error = setns(fd, CLONE_NEWNS) == 0 ? 0 : errno;
  (void)close(fd);
  return error == 0 ? EXIT_DONE : report_errno(path, "cannot enter the namespace", error);
}

/* As umount(8) calls its helpers: DIR [-flnrv] [-t type] [-N namespace]. */
static int parse_flags(int argc, char **argv, struct umounting_flags *flags, const char **mount_namespace) {
  optind = 2;
  opterr = 0;
  for (;;) {
    const int letter = getopt(argc, argv, "flnrvt:N:");
    switch (letter) {
    case -1:
      return optind == argc ? EXIT_DONE : EXIT_USAGE;
    case 'f':
      flags->force = true;
      break;
    case 'l':
      flags->lazy = true;
      break;
    case 'r':
      flags->read_only = true;
      break;
    case 'N':
      *mount_namespace = optarg;
      break;
    case '?':
      return EXIT_USAGE;
    default: /* nothing to be done differently */
      break;
    }
  }
}

int umount_helper_run(int argc, char **argv) {
  struct umounting_flags flags = {0};
  const char *mount_namespace = NULL;
  if (argc < 2 || argv[1][0] == '-' || parse_flags(argc, argv, &flags, &mount_namespace) != EXIT_DONE)
    return helper_exit_code(report_error(EXIT_USAGE, NULL, "usage: umount.nacre DIR [-flnrv] [-N namespace]"));
  int code = mount_namespace != NULL ? enter_namespace(mount_namespace) : EXIT_DONE;
  if (code == EXIT_DONE)
    code = umounting_take_away(argv[1], &flags);
  return helper_exit_code(code);
}
