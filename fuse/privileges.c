#include "fuse/privileges.h"

#include "fuse/notify.h"

#include <sys/stat.h>

static const char capability_name[] = "security.capability";

/* Root keeps the bits, as one who has CAP_FSETID does, and loses the capability as everyone does. */
static enum nacre_err clear(struct mount *m, fuse_ino_t ino, bool by_root, bool has_capability,
                            struct nacre_attr *attr) {
  if (!by_root)
    return nacre_inode_setattr(m->vol, ino, attr, NACRE_SET_KILL_PRIV);
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
    err = clear(m, inode->ino, fuse_req_ctx(req)->uid == 0, has_capability, &attr);
  notify_attributes(m, inode->ino);
  return err;
}
