#include "fs/acl.h"

#include "base/bytes.h"
#include "base/err.h"

#define ACL_VERSION 2u

enum tag {
  TAG_OWNER = 0x01,
  TAG_USER = 0x02,
  TAG_GROUP_OWNER = 0x04,
  TAG_GROUP = 0x08,
  TAG_MASK = 0x10,
  TAG_OTHER = 0x20
};

static enum nacre_err invalid(void) {
  return err_set(NACRE_ERR_ARGUMENT, "not a valid access control list");
}

/* Tags ascend; only named users and groups repeat. */
static bool order_is_valid(const struct acl *acl) {
  unsigned seen = 0;
  for (unsigned i = 0; i < acl->count; i++) {
    unsigned tag = acl->entries[i].tag;
    bool known = tag == TAG_OWNER || tag == TAG_USER || tag == TAG_GROUP_OWNER || tag == TAG_GROUP ||
                 tag == TAG_MASK || tag == TAG_OTHER;
    bool repeats = (tag == TAG_USER || tag == TAG_GROUP) && (seen & tag);
    if (!known || (!repeats && seen >= tag) || acl->entries[i].perm > 7)
      return false;
    seen |= tag;
  }
  const unsigned needed = TAG_OWNER | TAG_GROUP_OWNER | TAG_OTHER;
  bool named = (seen & (TAG_USER | TAG_GROUP)) != 0;
  return (seen & needed) == needed && (!named || (seen & TAG_MASK));
}

enum nacre_err acl_decode(const uint8_t *value, size_t len, struct acl *acl) {
  acl->count = 0;
  if (len < 4 || (len - 4) % 8 != 0)
    return invalid();
  if (le32_get(value) != ACL_VERSION)
    return err_set(NACRE_ERR_UNSUPPORTED, "an access control list of an unknown version");
  size_t count = (len - 4) / 8;
  if (count > ACL_ENTRIES_MAX)
    return err_set(NACRE_ERR_TOO_LARGE, "an access control list with too many entries");
  for (size_t i = 0; i < count; i++) {
    const uint8_t *p = value + 4 + i * 8;
    acl->entries[i] = (struct acl_entry){.tag = le16_get(p), .perm = le16_get(p + 2), .id = le32_get(p + 4)};
  }
  acl->count = (unsigned)count;
  return count == 0 || order_is_valid(acl) ? NACRE_OK : invalid();
}

size_t acl_encode(const struct acl *acl, uint8_t out[ACL_VALUE_MAX_BYTES]) {
  le32_put(out, ACL_VERSION);
  for (unsigned i = 0; i < acl->count; i++) {
    uint8_t *p = out + 4 + (size_t)i * 8;
    le16_put(p, acl->entries[i].tag);
    le16_put(p + 2, acl->entries[i].perm);
    le32_put(p + 4, acl->entries[i].id);
  }
  return 4 + (size_t)acl->count * 8;
}

static struct acl_entry *find(struct acl *acl, unsigned tag) {
  for (unsigned i = 0; i < acl->count; i++) {
    if (acl->entries[i].tag == tag)
      return &acl->entries[i];
  }
  return NULL;
}

/* The entry that the mode's group bits stand for. */
static struct acl_entry *find_group_bits(struct acl *acl) {
  struct acl_entry *mask = find(acl, TAG_MASK);
  return mask != NULL ? mask : find(acl, TAG_GROUP_OWNER);
}

bool acl_to_mode(const struct acl *acl, uint32_t *bits) {
  bool same = true;
  uint32_t mask = 8;
  *bits = 0;
  for (unsigned i = 0; i < acl->count; i++) {
    const struct acl_entry *e = &acl->entries[i];
    if (e->tag == TAG_OWNER)
      *bits |= (uint32_t)e->perm << 6;
    else if (e->tag == TAG_GROUP_OWNER)
      *bits |= (uint32_t)e->perm << 3;
    else if (e->tag == TAG_OTHER)
      *bits |= e->perm;
    else
      same = false;
    if (e->tag == TAG_MASK)
      mask = e->perm;
  }
  if (mask <= 7)
    *bits = (*bits & 0707u) | mask << 3;
  return same;
}

static void set_perm(struct acl_entry *e, uint32_t perm) {
  if (e != NULL)
    e->perm = (uint16_t)(perm & 7);
}

void acl_set_mode(struct acl *acl, uint32_t mode) {
  set_perm(find(acl, TAG_OWNER), mode >> 6);
  set_perm(find_group_bits(acl), mode >> 3);
  set_perm(find(acl, TAG_OTHER), mode);
}

static void limit(struct acl_entry *e, uint32_t *mode, unsigned shift) {
  if (e == NULL)
    return;
  e->perm = (uint16_t)(e->perm & (*mode >> shift & 7));
  *mode &= ~(7u << shift) | (uint32_t)e->perm << shift;
}

void acl_inherit(struct acl *acl, uint32_t *mode) {
  limit(find(acl, TAG_OWNER), mode, 6);
  limit(find_group_bits(acl), mode, 3);
  limit(find(acl, TAG_OTHER), mode, 0);
}
