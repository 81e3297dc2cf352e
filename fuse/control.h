/*
 * The control socket: how `status`, `sync`, `umount`, `verify`, `rekey` and `key` reach the process that serves a
 * mount.
 *
 * One Unix socket for each mount, in /run/nacre for root, $XDG_RUNTIME_DIR/nacre or /tmp/nacre-UID otherwise, each
 * 0700 and its user's. A request is one line, and so is its reply; fields are key=value with bytes outside the
 * printable range, '%' and '=' as %XX, since paths are bytes.
 *
 *   status        ok volume=.. dir=.. pid=.. since=.. generation=.. dirty=.. used=.. free=.. read_only=0 failed=0
 *                 failure=.. volume_read_only=0 device=MAJOR:MINOR; while a rotation is under way, before the device,
 *                 rekey=1 (2: and going on) rekey_done=.. rekey_total=.. (bytes), and where it stopped
 *                 rekey_why=..
 *   sync          ok, once everything is durable
 *   umount        ok, once it is unmounted and committed; the connection then closes when the process has ended and
 *                 the container is free
 *   umount lazy   the same, detaching a busy mount too
 *   gone          as umount, where the caller has unmounted it already; NACRE_ERR_IN_USE where it is still mounted
 *                 somewhere, which stays so
 *   verify        before the reply any number of lines "progress done=.. total=.. what=.." (bytes) and
 *                 "problem text=.. path=..", the path only where it is known; then
 *                 ok nodes=.. chunks=.. inodes=.. directories=.. files=.. data=.. metadata=.. problems=..
 *   rekey slots_only=0 cipher=0 drop=0 rate=0
 *                 as nacre_rekey, with the numbers of its options; lines "progress ..", then
 *                 ok resumed=0 epoch=.. rewritten=.. wiped=..
 *   key order=HEX carries out an order of nacre_header_order: ok slot=.., durable
 *   any           error CODE MESSAGE, CODE being a nacre_err; NACRE_ERR_ARGUMENT for a request that this process
 *                 does not know, being of another version, so that it can't be asked
 *
 * A verify or rekey ends early when its connection is closed, when its peer doesn't read for some seconds, or by a
 * umount. One of each runs at a time; a second is NACRE_ERR_IN_USE. A sync waits for a verify.
 */
#ifndef NACRE_FUSE_CONTROL_H
#define NACRE_FUSE_CONTROL_H

#include <nacre.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct control_mount {
  char *socket_path;
  char *volume; /* absolute path of the container */
  char *dir;    /* absolute path of the mount point */
  char *device; /* its filesystem's, "MAJOR:MINOR"; "" where the process doesn't say */
  pid_t pid;
  uid_t uid;       /* whose process it is */
  int64_t since_s; /* seconds since 1970 */
  uint64_t generation;
  uint64_t dirty_bytes;
  uint64_t used_bytes, free_bytes;
  bool read_only;
  bool volume_read_only; /* no remount makes it writable */
  bool failed;
  char *failure; /* "" or why it failed */
  bool rekeying; /* a rotation of its keys is under way; so far: */
  uint64_t rekey_done_bytes, rekey_total_bytes;
  char *rekey_stopped; /* NULL: it is going on; else why it is not, or "" */
};

/* All mounts of this user that answer; for root those of every user. *list is NULL and *count 0 where there is none;
 * *silent counts the processes that are there and don't answer (stopped, or stuck in storage that is). Sockets that a
 * killed process left behind are removed. */
NACRE_MUST_USE enum nacre_err control_list(struct control_mount **list, size_t *count, size_t *silent);
void control_list_free(struct control_mount *list, size_t count);

/* Whether `path` names this mount, by its folder or its container. */
bool control_matches(const struct control_mount *mount, const char *path);

/* Send one of the requests above ("sync", "umount", "umount lazy", "gone") and wait for the end of it. `message` gets
 * one line on failure. NACRE_ERR_IN_USE: the mount is busy. NACRE_ERR_NOT_FOUND: its process has gone meanwhile. */
NACRE_MUST_USE enum nacre_err control_call(const struct control_mount *mount, const char *request, char *message,
                                           size_t message_size);

/* Check the mounted volume as nacre_verify does, with what that takes, and what it returns where the check came to
 * its end. `message` gets one line on failure. To break it off, end the process. */
NACRE_MUST_USE enum nacre_err control_verify(const struct control_mount *mount, struct nacre_verify_report *report,
                                             nacre_problem_fn problem, nacre_progress_fn progress, void *arg,
                                             char *message, size_t message_size);

/* Have an order for the volume's keyslots carried out. *index: the slot. NACRE_ERR_IN_USE where they were changed
 * since it was made, or while a check keeps changes waiting. */
NACRE_MUST_USE enum nacre_err control_key(const struct control_mount *mount, const uint8_t *order, size_t len,
                                          uint32_t *index, char *message, size_t message_size);

/* Rotate the mounted volume's keys as nacre_rekey does; of the options, progress and cancel are not heeded. To break
 * it off, end the process. */
NACRE_MUST_USE enum nacre_err control_rekey(const struct control_mount *mount,
                                            const struct nacre_rekey_options *options,
                                            struct nacre_rekey_report *report, nacre_progress_fn progress, void *arg,
                                            char *message, size_t message_size);

#endif
