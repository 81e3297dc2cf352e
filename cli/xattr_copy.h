/* Extended attributes and ACLs, from the host into a volume and back. */
#ifndef NACRE_CLI_XATTR_COPY_H
#define NACRE_CLI_XATTR_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

/* An object of the host: by descriptor where there is one (fd >= 0), otherwise by a path whose last component is
 * not followed. */
struct host_object {
  int fd;
  const char *path;
};

#define XATTR_ACCESS_ACL "system.posix_acl_access"
#define XATTR_DEFAULT_ACL "system.posix_acl_default"

/* Copy what the volume can hold. *left_out counts those that could not be read or do not fit. */
enum nacre_err xattr_put(nacre_volume *vol, uint64_t ino, const struct host_object *from, unsigned long *left_out);
/* Copy what the host takes; security.capability only with `special`. *left_out counts what the host refused,
 * security.* and trusted.* not counted: those are root's. */
enum nacre_err xattr_get(nacre_volume *vol, uint64_t ino, const struct host_object *to, bool special,
                         unsigned long *left_out);

/* An ACL that a new object got from its folder, where the original has none, is taken away. */
bool xattr_host_inherits(int dir);
void xattr_host_drop_inherited(const struct host_object *object, bool is_dir);
bool xattr_volume_inherits(nacre_volume *vol, uint64_t dir);
void xattr_volume_drop_inherited(nacre_volume *vol, uint64_t ino, bool is_dir);

#endif
