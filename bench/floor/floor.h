/* A FUSE filesystem without any cryptography: each request becomes the same call on a folder below. It is what a
 * filesystem in user space can't be faster than, or, where it does less per request than this, hardly. */
#ifndef NACRE_BENCH_FLOOR_H
#define NACRE_BENCH_FLOOR_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct floor_inode {
  int fd;                     /* O_PATH; -1: `handle` instead, where descriptors are short */
  struct file_handle *handle; /* by which root opens it */
  dev_t dev;
  ino_t ino;
  uint64_t lookups; /* that the kernel has not forgotten; under floor.lock */
  struct floor_inode *next;
};

#define FLOOR_BUCKETS (1u << 16)

struct floor {
  struct floor_inode root;
  int store; /* the root, open for reading, which opening by a handle asks for */
  int descriptors_max;
  bool tuned;
  double cache_s, absent_s; /* of names and attributes, and of names that are not there */
  pthread_mutex_t lock;
  struct floor_inode *buckets[FLOOR_BUCKETS];
};

static inline struct floor *floor_of(fuse_req_t req) {
  return fuse_req_userdata(req);
}

/* Of the kernel's number. */
struct floor_inode *floor_inode_of(struct floor *f, fuse_ino_t ino);
/* Its descriptor, for the request at hand; -1 with errno. */
int floor_fd_of(const struct floor *f, const struct floor_inode *inode);
/* Looks up a name and counts that the kernel knows it; an error number. */
int floor_find(struct floor *f, fuse_ino_t parent, const char *name, struct fuse_entry_param *entry);
void floor_forget(struct floor *f, fuse_ino_t ino, uint64_t lookups);
/* A path that opens what `inode` is. */
#define FLOOR_PATH_BYTES 32
void floor_proc_path(const struct floor *f, const struct floor_inode *inode, char path[FLOOR_PATH_BYTES]);
/* Answers with the entry, or the errno of a call that returned `result`. */
void floor_reply_made(fuse_req_t req, int result, fuse_ino_t parent, const char *name);

void floor_names_operations(struct fuse_lowlevel_ops *ops);
void floor_files_operations(struct fuse_lowlevel_ops *ops, bool tuned);

#endif
