#include "fuse/notify.h"
#include "fuse/opened.h"
#include "fuse/privileges.h"
#include "fuse/reply.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char access_acl_name[] = "system.posix_acl_access";
static const char default_acl_name[] = "system.posix_acl_default";
static const char trusted_prefix[] = "trusted.";

void xattrs_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
  struct mount *m = session_of(req);
  char *buf = reply_thread_buffer();
  if (buf == NULL) {
    fuse_reply_err(req, ENOMEM);
    return;
  }
  if (size > SESSION_MAX_IO_BYTES)
    size = SESSION_MAX_IO_BYTES;
  size_t len = 0;
  enum nacre_err err = nacre_inode_getxattr(m->vol, ino, name, buf, size, &len);
  if (err != NACRE_OK)
    reply_result(req, err);
  else if (size == 0)
    fuse_reply_xattr(req, len);
  else
    fuse_reply_buf(req, buf, len);
}

/* Only root sees trusted attributes, and the kernel does not filter a FUSE filesystem's list. */
static size_t hide_trusted(char *names, size_t len) {
  size_t kept = 0;
  for (size_t at = 0; at < len;) {
    size_t step = strnlen(names + at, len - at) + 1;
    if (step > len - at)
      break;
    if (strncmp(names + at, trusted_prefix, sizeof trusted_prefix - 1) != 0) {
      memmove(names + kept, names + at, step);
      kept += step;
    }
    at += step;
  }
  return kept;
}

void xattrs_list(fuse_req_t req, fuse_ino_t ino, size_t size) {
  struct mount *m = session_of(req);
  char *buf = reply_thread_buffer();
  if (buf == NULL) {
    fuse_reply_err(req, ENOMEM);
    return;
  }
  size_t len = 0;
  enum nacre_err err = nacre_inode_listxattr(m->vol, ino, buf, SESSION_MAX_IO_BYTES, &len);
  if (err == NACRE_OK && fuse_req_ctx(req)->uid != 0)
    len = hide_trusted(buf, len);
  if (err != NACRE_OK)
    reply_result(req, err);
  else if (size == 0)
    fuse_reply_xattr(req, len);
  else if (len > size)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, buf, len);
}

/* An access ACL changes the mode, so the setgid bit goes by chmod's rule: only a member of the file's group keeps it.
 */
static enum nacre_err drop_foreign_setgid(struct mount *m, fuse_req_t req, fuse_ino_t ino) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = nacre_inode_getattr(m->vol, ino, &attr);
  if (err != NACRE_OK || (attr.mode & S_ISGID) == 0 || fuse_req_ctx(req)->uid == 0)
    return err;
  if (privileges_has_group(m, req, attr.gid))
    return NACRE_OK;
  attr.mode &= ~(uint32_t)S_ISGID;
  return nacre_inode_setattr(m->vol, ino, &attr, NACRE_SET_MODE);
}

void xattrs_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags) {
  struct mount *m = session_of(req);
  unsigned how = 0;
  if ((flags & XATTR_CREATE) != 0)
    how |= NACRE_XATTR_CREATE;
  if ((flags & XATTR_REPLACE) != 0)
    how |= NACRE_XATTR_REPLACE;
  enum nacre_err err = nacre_inode_setxattr(m->vol, ino, name, value, size, how);
  if (err == NACRE_OK && strcmp(name, access_acl_name) == 0)
    err = drop_foreign_setgid(m, req, ino);
  notify_attributes(m, ino);
  opened_attributes_changed(m->opened, ino);
  /* Too much for an attribute is not too much for a file. */
  if (err == NACRE_ERR_TOO_LARGE)
    fuse_reply_err(req, E2BIG);
  else
    reply_result(req, err);
}

void xattrs_remove(fuse_req_t req, fuse_ino_t ino, const char *name) {
  struct mount *m = session_of(req);
  enum nacre_err err = nacre_inode_removexattr(m->vol, ino, name);
  /* That there is no ACL left is all that is asked, as on every other filesystem. */
  if (err == NACRE_ERR_NO_ATTRIBUTE && (strcmp(name, access_acl_name) == 0 || strcmp(name, default_acl_name) == 0))
    err = NACRE_OK;
  notify_attributes(m, ino);
  opened_attributes_changed(m->opened, ino);
  reply_result(req, err);
}
