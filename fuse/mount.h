/*
 * The mount: what the command line calls to put an open volume into the file tree and to serve it.
 *
 * Order of a background mount: options, mount_check (before a passphrase is asked for), fork, open the volume in the
 * child, mount_run, nacre_volume_close. The library refuses its handles across fork, so the fork comes first.
 */
#ifndef NACRE_FUSE_MOUNT_H
#define NACRE_FUSE_MOUNT_H

#include <nacre.h>

#include <stdbool.h>
#include <stddef.h>

enum mount_atime { MOUNT_ATIME_RELATIVE = 0, MOUNT_ATIME_NEVER = 1, MOUNT_ATIME_STRICT = 2 };

#define MOUNT_FSNAME_MAX_BYTES 4096

/* Zero is the default of each. */
struct mount_options {
  const char *volume_path; /* absolute; shown by `status` and, unless fsname is set, by mount(8). Set by the caller */
  unsigned idle_s;         /* unmount after that long without a request and without an open file; 0: never */
  bool read_only;
  bool allow_other;  /* others than the mounter may enter (modes and ACLs always apply) */
  bool allow_root;   /* the mounter and root may */
  bool nonempty;     /* mount over a folder that has something in it */
  bool owner_me;     /* everything appears as the mounter's; new objects are stored with the mounter's ids */
  bool writeback;    /* let the kernel hold small writes back */
  bool auto_unmount; /* fusermount3 unmounts if this process dies */
  bool suid, dev;    /* honour setuid bits, device nodes: root only */
  bool noexec, sync, dirsync;
  enum mount_atime atime;
  bool no_folder_atime; /* nodiratime */
  unsigned max_threads; /* receivers; 0: chosen by the number of cores */
  char fsname[MOUNT_FSNAME_MAX_BYTES];
};

/* Take what follows -o: one option or several with commas between. 0, or -1 with one line in `why` that names the
 * option that is unknown or makes no sense; `o` may then be changed in part. */
NACRE_MUST_USE int mount_parse_option(struct mount_options *o, const char *opt, char *why, size_t why_size);

/* What can be said before the volume is open: that the mount point is a folder, empty or `nonempty`, that /dev/fuse
 * is there and that this user may ask for these options. NACRE_ERR_UNSUPPORTED without FUSE, NACRE_ERR_NOT_FOUND,
 * _NOT_DIRECTORY, _NOT_EMPTY, _IN_USE (a dead mount is still there), _PERMISSION otherwise; `why` is one line. */
NACRE_MUST_USE enum nacre_err mount_check(const char *mountpoint, const struct mount_options *o, char *why,
                                          size_t why_size);

/* Called once, from any thread: NACRE_OK as soon as the mount answers, or what hindered it. */
typedef void (*mount_ready_fn)(void *arg, enum nacre_err err, const char *message);

/* To be the `waiting` of the volume's nacre_open_options: another thread receives while one waits for the medium. */
void mount_waiting(void *unused);

/* Mount, call `ready`, serve until the mount is gone (umount, `nacre umount`, SIGTERM, SIGINT, SIGHUP, idleness),
 * then close every file, commit and return the commit's result. Only one at a time in a process: it takes SIGTERM,
 * SIGINT, SIGHUP and SIGUSR1, ignores SIGPIPE, and puts them back at the end. The volume stays the caller's.
 * If it fails before the mount answers, `ready` has said why and the same error is returned. */
NACRE_MUST_USE enum nacre_err mount_run(nacre_volume *vol, const char *mountpoint, const struct mount_options *o,
                                        mount_ready_fn ready, void *arg);

#endif
