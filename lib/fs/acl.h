/* POSIX access control lists as Linux keeps them in extended attributes: version 2, entries of tag, permissions, id.
 * Pure computations, no I/O. Internal to lib/fs. */
#ifndef NACRE_FS_ACL_H
#define NACRE_FS_ACL_H

#include <nacre.h>

#define ACL_ENTRIES_MAX 500u
#define ACL_VALUE_MAX_BYTES (4u + ACL_ENTRIES_MAX * 8u)
#define ACL_NAME_ACCESS "system.posix_acl_access"
#define ACL_NAME_DEFAULT "system.posix_acl_default"

struct acl_entry {
  uint16_t tag;
  uint16_t perm;
  uint32_t id;
};
/* Invariant of one that was decoded: empty, or one entry each for owner, group and others, in the order that Linux
 * demands, and a mask where named users or groups exist. */
struct acl {
  unsigned count;
  struct acl_entry entries[ACL_ENTRIES_MAX];
};

/* NACRE_ERR_ARGUMENT where it makes no sense, NACRE_ERR_TOO_LARGE, NACRE_ERR_UNSUPPORTED for another version. */
NACRE_MUST_USE enum nacre_err acl_decode(const uint8_t *value, size_t len, struct acl *acl);
size_t acl_encode(const struct acl *acl, uint8_t out[ACL_VALUE_MAX_BYTES]);
/* The nine permission bits that it stands for. True if they say all that it says. */
bool acl_to_mode(const struct acl *acl, uint32_t *bits);
/* chmod: owner, mask (or group, where there is none) and others follow the mode. */
void acl_set_mode(struct acl *acl, uint32_t mode);
/* A folder's default list becomes a new object's access list: each limits the other. */
void acl_inherit(struct acl *acl, uint32_t *mode);

#endif
