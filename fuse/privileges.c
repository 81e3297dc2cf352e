#include "fuse/privileges.h"

#include "fuse/notify.h"

#include <stdlib.h>
#include <sys/stat.h>

/* More groups than a process can have. */
#define GROUPS_MAX 65536

static const char capability_name[] = "security.capability";

bool privileges_has_group(const struct mount *m, fuse_req_t req, gid_t gid) {
  if (m->options->owner_me || fuse_req_ctx(req)->gid == gid)
    return true;
  int count = fuse_req_getgroups(req, 0, NULL);
  if (count <= 0 || count > GROUPS_MAX)
    return false;
  gid_t *groups = malloc((size_t)count * sizeof *groups);
  if (groups == NULL)
    return false;
  int filled = fuse_req_getgroups(req, count, groups);
  bool found = false;
  for (int i = 0; i < filled && i < count && !found; i++)
    found = groups[i] == gid;
  free(groups);
  return found;
}

/* A setgid bit on a file that its group may not run once asked for mandatory locks, so members keep it. */
unsigned privileges_to_kill(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr) {
  bool keeps = (attr->mode & (S_ISGID | S_IXGRP)) != S_ISGID || privileges_has_group(m, req, attr->gid);
  return NACRE_SET_KILL_PRIV | (keeps ? 0u : NACRE_SET_KILL_SETGID);
}

/* Root keeps the bits, as one who has CAP_FSETID does, and loses the capability as everyone does. */
static enum nacre_err clear(struct mount *m, fuse_req_t req, fuse_ino_t ino, bool has_capability,
                            struct nacre_attr *attr) {
  if (fuse_req_ctx(req)->uid != 0)
    return nacre_inode_setattr(m->vol, ino, attr, privileges_to_kill(m, req, attr));
  if (!has_capability)
    return NACRE_OK;
  enum nacre_err err = nacre_inode_removexattr(m->vol, ino, capability_name);
  return err == NACRE_ERR_NO_ATTRIBUTE ? NACRE_OK : err;
}

enum nacre_err privileges_drop(struct mount *m, fuse_req_t req, struct opened_inode *inode) {
  if (atomic_load_explicit(&inode->plain, memory_order_acquire))
    return NACRE_OK;
  /* Set before the look, so that a change of the attributes in between unsets it again. */
  atomic_store(&inode->plain, true);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  size_t len_bytes = 0;
  enum nacre_err err = nacre_inode_getattr(m->vol, inode->ino, &attr);
  bool has_capability =
      err == NACRE_OK && nacre_inode_getxattr(m->vol, inode->ino, capability_name, NULL, 0, &len_bytes) == NACRE_OK;
  bool has_bits = err == NACRE_OK && (attr.mode & (S_ISUID | S_ISGID)) != 0;
  if (err == NACRE_OK && !has_bits && !has_capability)
    return NACRE_OK;

  atomic_store(&inode->plain, false);
  if (err == NACRE_OK)
    err = clear(m, req, inode->ino, has_capability, &attr);
  notify_attributes(m, inode->ino);
  return err;
}
