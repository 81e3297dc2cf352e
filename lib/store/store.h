/* Where a container's bytes live: a table of callbacks (struct nacre_store_ops) with full-length, bounds-checked
 * calls over it. Decorators for tests (crash, fault, record) are stores too. */
#ifndef NACRE_STORE_STORE_H
#define NACRE_STORE_STORE_H

#include <nacre.h>

/* What only the host's own storage can do, for who destroys what it held. */
struct store_medium_ops {
  /* Have the medium make every copy that it has of these bytes unreadable. 0 or a positive errno. */
  int (*purge)(void *ctx, uint64_t offset, uint64_t len);
  /* Drop what the system keeps of the container in memory, so that what is read next comes from the medium. */
  void (*forget)(void *ctx);
  /* What store_read_at_once does: EAGAIN for what is not there. Or 0, or a positive errno. */
  int (*read_at_once)(void *ctx, void *buf, size_t len, uint64_t offset);
  /* What store_on_wait does. */
  void (*on_wait)(void *ctx, void (*waiting)(void *arg), void *arg);
};

struct store {
  struct nacre_store_ops ops;
  void *ctx;
  bool read_only;
  const struct store_medium_ops *medium; /* NULL where nothing is known of what is beneath */
};

/* Errors become NACRE_ERR_IO (ENOSPC, EDQUOT and EFBIG: NACRE_ERR_NO_SPACE; EROFS: NACRE_ERR_READ_ONLY). */
NACRE_MUST_USE enum nacre_err store_read(struct store *s, void *buf, size_t len, uint64_t offset);
/* The same if that needs no waiting for the medium, as far as can be told. *there: it did not. Else it has begun to
 * be fetched, where the system does that, so that many calls and then the readings wait for all of it at once, and
 * buf holds anything. */
NACRE_MUST_USE enum nacre_err store_read_at_once(struct store *s, void *buf, size_t len, uint64_t offset,
                                                 bool *there);
NACRE_MUST_USE enum nacre_err store_write(struct store *s, const void *buf, size_t len, uint64_t offset);
NACRE_MUST_USE enum nacre_err store_sync(struct store *s);
/* The same also where it is open read-only, of what another process has written. */
NACRE_MUST_USE enum nacre_err store_sync_others(struct store *s);
NACRE_MUST_USE enum nacre_err store_size(struct store *s, uint64_t *size);
NACRE_MUST_USE enum nacre_err store_resize(struct store *s, uint64_t size);
/* NACRE_ERR_UNSUPPORTED where the store knows of no such thing. What was there reads as anything afterwards. */
NACRE_MUST_USE enum nacre_err store_discard(struct store *s, uint64_t offset, uint64_t len);
/* Discard in such a way that the medium keeps no copy: NACRE_ERR_UNSUPPORTED for most. */
NACRE_MUST_USE enum nacre_err store_purge(struct store *s, uint64_t offset, uint64_t len);
/* Before reading back what was synced. */
void store_forget(struct store *s);
/* From now on call `waiting` in the thread of a read that has to wait for the medium, where that can be told. Before
 * others use the store. */
void store_on_wait(struct store *s, void (*waiting)(void *arg), void *arg);
void store_close(struct store *s);
bool store_can_resize(const struct store *s);

/* An app's own store. */
NACRE_MUST_USE enum nacre_err store_from_ops(const struct nacre_store_ops *ops, void *ctx, struct store *out);

/* A regular file or block device. FILE_STORE_CREATE makes the file (0600, and syncs its folder). Unless read-only it
 * is locked exclusively (else shared), against other processes and this one: NACRE_ERR_IN_USE. A device is opened
 * O_EXCL too. resize of a file really allocates (fallocate; where the filesystem has none, writes zeroes or
 * truncates), shrinking truncates. A file whose name vanished is still synced and closed cleanly. */
enum file_store_flags { FILE_STORE_READ_ONLY = 1, FILE_STORE_CREATE = 2, FILE_STORE_NO_LOCK = 4 };
NACRE_MUST_USE enum nacre_err file_store_open(const char *path, unsigned flags, struct store *out);
/* The descriptor is duplicated. */
NACRE_MUST_USE enum nacre_err file_store_from_fd(int fd, unsigned flags, struct store *out);
/* Whether another process (or handle) holds the container's lock. */
NACRE_MUST_USE enum nacre_err file_store_in_use(const char *path, bool *in_use);

/* In memory, growable to limit_bytes. For tests and for apps. */
NACRE_MUST_USE enum nacre_err memory_store_new(uint64_t size, uint64_t limit, struct store *out);

/* Bytes of a container that lie in another store. */
struct split_part {
  uint64_t offset, len;
  uint64_t aside_offset;
};
/* One container from two stores, which it takes over, also when it fails: `parts`, in order and at most two, lie in
 * `aside`, the rest, and its size, is the body's. What `aside` is too short for reads as zeroes; it grows when
 * written to. */
NACRE_MUST_USE enum nacre_err split_store_new(struct store *body, struct store *aside, const struct split_part *parts,
                                              size_t count, struct store *out);
/* The two of such a store, or false. */
bool split_store_parts(const struct store *store, struct store **body, struct store **aside);

#endif
