/* The filesystem: inodes, folders, file data and attributes as records of the engine's tree. One object model behind
 * the path calls and the inode calls of nacre.h.
 *
 * Threads: every call may run in any number of threads at once, except fs_new, fs_free, fs_make_root and fs_recover,
 * and except fs_close beside another use of the same handle.
 * Pins: an inode that a call returns in *attr from lookup, create, tmpfile, mkdir, mknod, symlink, link, or readdir
 * with attributes carries one pin; fs_unpin gives pins back. The root never needs one. Names are checked here
 * (length, NUL, '/', "." and ".."); permissions are not: that is the front end's part. Data written is buffered, with
 * its space reserved, and reaches the store through background jobs and through the engine's commits, which fs_new
 * hooks into. Everything that is in memory when a commit freezes is part of it. */
#ifndef NACRE_FS_FS_H
#define NACRE_FS_FS_H

#include "tree/engine.h"

struct fs;
struct fs_file;

/* ---- Life ---- */

/* Registers the engine's flush hook. Engine and workers stay the caller's and must outlive it. memory_bytes bounds
 * buffered data and cached inodes. Works on a tree without a root folder (then only fs_make_root is of use). */
NACRE_MUST_USE enum nacre_err fs_new(struct engine *e, struct workers *w, uint64_t memory_bytes, struct fs **out);
/* Forgets what was not committed; unhooks. All files must be closed, and no job of it may be left: it waits. Call
 * before engine_close and before workers_free. */
void fs_free(struct fs *fs);
/* Put the root folder into an empty tree. mode: permission bits. The caller commits. */
NACRE_MUST_USE enum nacre_err fs_make_root(struct fs *fs, uint32_t uid, uint32_t gid, uint32_t mode);
/* Take up what the engine found in the intent log, if anything. Right after fs_new, before any other use; also where
 * the volume is open read-only. On an error nothing may be used. */
NACRE_MUST_USE enum nacre_err fs_replay(struct fs *fs);
/* Delete what was unlinked but still in use when the volume was last open. For read-write opens, before any other
 * use.
 */
NACRE_MUST_USE enum nacre_err fs_recover(struct fs *fs);

#define FS_MOVE_BYTES (2u << 20)
struct fs_move {
  uint8_t *buf;        /* FS_MOVE_BYTES of room for what an extent says */
  uint32_t most_bytes; /* to move at once, and so to have room for; a chunk at least */
  bool no_room;        /* out: NACRE_ERR_NO_SPACE was for want of that; with less it may go */
  bool unreadable;     /* out: the error is of what was to be moved, which cannot be read */
};
/* Write the extent of an older epoch that begins at the record `key`, if one does, anew under the current epoch.
 * *units: how much was written, on errors too. */
NACRE_MUST_USE enum nacre_err fs_move_extent(struct fs *fs, const struct key *key, struct fs_move *request,
                                             uint64_t *units);

/* Make everything done so far durable. */
NACRE_MUST_USE enum nacre_err fs_sync(struct fs *fs);
/* The same, by a record of the intent log where that will do. */
NACRE_MUST_USE enum nacre_err fs_sync_lightly(struct fs *fs);
/* Why buffered data was given up (see flush_batch.c) since this was asked last, if any was. A handle's fsync tells of
 * its file's besides: this is for who asks for the whole volume. */
NACRE_MUST_USE enum nacre_err fs_take_loss(struct fs *fs);
/* out->struct_size is left alone. */
void fs_statfs(struct fs *fs, struct nacre_statfs *out);
/* Buffered data not yet written, and all that is held by buffers and cached inodes. */
uint64_t fs_dirty_bytes(struct fs *fs);
uint64_t fs_memory_bytes(struct fs *fs);

/* ---- Inodes. attr->struct_size is left alone in every call; all the other fields are filled. ---- */

NACRE_MUST_USE enum nacre_err fs_lookup(struct fs *fs, uint64_t dir, const char *name, size_t name_len,
                                        struct nacre_attr *attr);
void fs_unpin(struct fs *fs, uint64_t ino, uint64_t pins);
/* Without a pin. */
NACRE_MUST_USE enum nacre_err fs_getattr(struct fs *fs, uint64_t ino, struct nacre_attr *attr);
/* Sets what `set` (NACRE_SET_*) names from *attr and returns the result in *attr. */
NACRE_MUST_USE enum nacre_err fs_setattr(struct fs *fs, uint64_t ino, struct nacre_attr *attr, unsigned set);
/* The folder that holds this one; the root holds itself. */
NACRE_MUST_USE enum nacre_err fs_parent(struct fs *fs, uint64_t dir, uint64_t *parent);

/* flags: NACRE_O_*. attr and its pin in each of these; attr may be NULL, then there is no pin. */
NACRE_MUST_USE enum nacre_err fs_create(struct fs *fs, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                                        unsigned flags, const struct nacre_caller *caller, struct nacre_attr *attr,
                                        struct fs_file **out);
NACRE_MUST_USE enum nacre_err fs_tmpfile(struct fs *fs, uint64_t dir, uint32_t mode, unsigned flags,
                                         const struct nacre_caller *caller, struct nacre_attr *attr,
                                         struct fs_file **out);
NACRE_MUST_USE enum nacre_err fs_mkdir(struct fs *fs, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                                       const struct nacre_caller *caller, struct nacre_attr *attr);
NACRE_MUST_USE enum nacre_err fs_mknod(struct fs *fs, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                                       uint64_t rdev, const struct nacre_caller *caller, struct nacre_attr *attr);
/* target: NUL-terminated, 1 to FORMAT_SYMLINK_MAX_BYTES bytes. */
NACRE_MUST_USE enum nacre_err fs_symlink(struct fs *fs, uint64_t dir, const char *name, size_t name_len,
                                         const char *target, const struct nacre_caller *caller,
                                         struct nacre_attr *attr);
NACRE_MUST_USE enum nacre_err fs_link(struct fs *fs, uint64_t ino, uint64_t dir, const char *name, size_t name_len,
                                      struct nacre_attr *attr);

/* NUL-terminated; NACRE_ERR_RANGE where it does not fit; NACRE_ERR_ARGUMENT where ino is no link. */
NACRE_MUST_USE enum nacre_err fs_readlink(struct fs *fs, uint64_t ino, char *buf, size_t size_bytes);
NACRE_MUST_USE enum nacre_err fs_unlink(struct fs *fs, uint64_t dir, const char *name, size_t name_len);
NACRE_MUST_USE enum nacre_err fs_rmdir(struct fs *fs, uint64_t dir, const char *name, size_t name_len);
/* flags: NACRE_RENAME_*. A folder moved beneath itself is NACRE_ERR_ARGUMENT. */
NACRE_MUST_USE enum nacre_err fs_rename(struct fs *fs, uint64_t from_dir, const char *from, size_t from_len,
                                        uint64_t to_dir, const char *to, size_t to_len, unsigned flags);

/* As nacre_readdir, by inode: there is no open state of a folder. */
NACRE_MUST_USE enum nacre_err fs_readdir(struct fs *fs, uint64_t dir, uint64_t offset, bool with_attr,
                                         nacre_dirent_fn fn, void *arg);
/* NACRE_ERR_NOT_DIRECTORY, NACRE_ERR_NOT_FOUND. For opendir. */
NACRE_MUST_USE enum nacre_err fs_check_dir(struct fs *fs, uint64_t ino);

/* ---- Files. A handle keeps its inode usable, pinned or not. ---- */

/* flags: NACRE_O_READ, WRITE, APPEND, TRUNCATE. NACRE_ERR_IS_DIRECTORY; NACRE_ERR_ARGUMENT for what is no regular
 * file.
 */
NACRE_MUST_USE enum nacre_err fs_open(struct fs *fs, uint64_t ino, unsigned flags, struct fs_file **out);
void fs_close(struct fs_file *file);
uint64_t fs_file_ino(const struct fs_file *file);
/* Short only at the end of the file. *done is set on errors too. */
NACRE_MUST_USE enum nacre_err fs_read(struct fs_file *file, void *buf, size_t len, uint64_t offset, size_t *done);
/* All or an error, of which a part may have been written. */
NACRE_MUST_USE enum nacre_err fs_write(struct fs_file *file, const void *buf, size_t len, uint64_t offset);
NACRE_MUST_USE enum nacre_err fs_fallocate(struct fs_file *file, unsigned mode, uint64_t offset, uint64_t len);
NACRE_MUST_USE enum nacre_err fs_seek_data(struct fs_file *file, uint64_t offset, uint64_t *found);
NACRE_MUST_USE enum nacre_err fs_seek_hole(struct fs_file *file, uint64_t offset, uint64_t *found);
NACRE_MUST_USE enum nacre_err fs_fstat(struct fs_file *file, struct nacre_attr *attr);
NACRE_MUST_USE enum nacre_err fs_ftruncate(struct fs_file *file, uint64_t size_bytes);
NACRE_MUST_USE enum nacre_err fs_fsync(struct fs_file *file);
/* An error of write-behind that no call on this handle has reported yet, then forgets it. */
NACRE_MUST_USE enum nacre_err fs_file_error(struct fs_file *file);

/* ---- Extended attributes. name is NUL-terminated. As nacre_inode_*xattr. ---- */

NACRE_MUST_USE enum nacre_err fs_getxattr(struct fs *fs, uint64_t ino, const char *name, void *buf, size_t size_bytes,
                                          size_t *len);
NACRE_MUST_USE enum nacre_err fs_setxattr(struct fs *fs, uint64_t ino, const char *name, const void *value,
                                          size_t len, unsigned flags);
NACRE_MUST_USE enum nacre_err fs_listxattr(struct fs *fs, uint64_t ino, char *buf, size_t size_bytes, size_t *len);
NACRE_MUST_USE enum nacre_err fs_removexattr(struct fs *fs, uint64_t ino, const char *name);

#endif
