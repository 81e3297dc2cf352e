/* What ties inodes together: every name leads to an inode of its type, every inode has as many names as it counts,
 * folders hang on the root without a circle, and what has no name is on the list of orphans. */
#include "base/bytes.h"
#include "base/err.h"
#include "ops/check_state.h"

#include <dirent.h>
#include <stdlib.h>

#define ROOM_MIN 1024u
#define PATH_DEPTH_MAX 512u

/* ---- The table: open addressing, at most two thirds full ---- */

static struct check_link *place_of(const struct check_links *links, uint64_t ino) {
  size_t mask = links->room - 1;
  size_t at = (size_t)((ino * 0x9e3779b97f4a7c15ull) >> 20) & mask;
  while (links->slots[at].ino != 0 && links->slots[at].ino != ino)
    at = (at + 1) & mask;
  return &links->slots[at];
}

static enum nacre_err grow(struct check_links *links) {
  struct check_links more = {.room = links->room ? links->room * 2 : ROOM_MIN, .used = links->used};
  more.slots = calloc(more.room, sizeof *more.slots);
  if (!more.slots)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < links->room; i++)
    if (links->slots[i].ino != 0)
      *place_of(&more, links->slots[i].ino) = links->slots[i];
  free(links->slots);
  *links = more;
  return NACRE_OK;
}

enum nacre_err check_link_at(struct check *c, uint64_t ino, struct check_link **out) {
  struct check_links *links = &c->links;
  if (links->used >= links->room / 3 * 2)
    ERR_TRY(grow(links));
  struct check_link *link = place_of(links, ino);
  if (link->ino == 0) {
    link->ino = ino;
    links->used++;
  }
  *out = link;
  return NACRE_OK;
}

static struct check_link *find(const struct check *c, uint64_t ino) {
  if (c->links.room == 0)
    return NULL;
  struct check_link *link = place_of(&c->links, ino);
  return link->ino == ino && ino != 0 ? link : NULL;
}

enum nacre_err check_link_name(struct check *c, uint64_t folder, uint64_t ino, uint8_t type) {
  struct check_link *link = NULL;
  ERR_TRY(check_link_at(c, ino, &link));
  link->names_differ |= link->names > 0 && link->named_type != type;
  if (link->names == 0)
    link->named_in = folder;
  link->named_type = type;
  if (link->names < UINT32_MAX)
    link->names++;
  return NACRE_OK;
}

/* ---- The end ---- */

/* Walk up from a folder until the root, or one that is known to reach it. A circle comes back to this very walk. */
static void check_connected(struct check *c, struct check_link *folder, uint32_t visit) {
  struct check_link *at = folder;
  while (at->ino != NACRE_ROOT_INO && !at->reaches_root) {
    if (at->visit == visit) {
      check_problem(c, folder->ino, "the folder lies in a circle of folders");
      return;
    }
    at->visit = visit;
    at = find(c, at->parent);
    if (!at || at->type != DT_DIR || (at->nlink == 0 && at->orphan)) {
      check_problem(c, folder->ino, "the folder does not hang on the root");
      return;
    }
  }
  for (at = folder; at && at->ino != NACRE_ROOT_INO && !at->reaches_root; at = find(c, at->parent))
    at->reaches_root = true;
}

static void check_folder_link(struct check *c, const struct check_link *link) {
  if (link->ino == NACRE_ROOT_INO) {
    if (link->names != 0 || link->parent != NACRE_ROOT_INO || link->nlink < 2)
      check_problem(c, link->ino, "the root folder lies in another one, or was removed");
    return;
  }
  if (link->nlink == 0 ? link->names != 0 : link->names != 1)
    check_problem(c, link->ino, "the folder has %u names", link->names);
  if (link->names > 0 && link->named_in != link->parent)
    check_problem(c, link->ino, "the folder names another parent than the one that it is in");
}

static void check_link(struct check *c, const struct check_link *link) {
  if (link->type == 0) {
    check_problem(c, link->ino, link->names > 0 ? "a name leads to no inode" : "an orphan that does not exist");
    return;
  }
  if (link->names > 0 && (link->names_differ || link->named_type != link->type))
    check_problem(c, link->ino, "a name says another type than the inode");
  if ((link->nlink == 0) != link->orphan)
    check_problem(c, link->ino, link->orphan ? "is on the list of orphans and has names" : "has no name");
  if (link->type == DT_DIR)
    check_folder_link(c, link);
  else if (link->nlink != link->names)
    check_problem(c, link->ino, "counts %u links and has %u names", link->nlink, link->names);
}

void check_links_end(struct check *c) {
  uint32_t visit = 0;
  if (!find(c, NACRE_ROOT_INO))
    check_problem(c, 0, "there is no root folder");
  for (size_t i = 0; i < c->links.room; i++) {
    struct check_link *link = &c->links.slots[i];
    if (link->ino == 0)
      continue;
    check_link(c, link);
    if (link->type == DT_DIR && link->nlink != 0)
      check_connected(c, link, ++visit);
  }
}

/* ---- Paths ---- */

struct name_search {
  uint64_t ino;
  char name[FORMAT_NAME_MAX_BYTES + 1];
  bool found;
};

static bool look_for_name(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct name_search *s = arg;
  struct record_dirents bucket;
  (void)key;
  if (record_dirents_decode(value, len, &bucket) != NACRE_OK)
    return true;
  for (unsigned i = 0; i < bucket.count && !s->found; i++) {
    if (bucket.entries[i].ino != s->ino)
      continue;
    memcpy(s->name, bucket.entries[i].name, bucket.entries[i].name_len);
    s->name[bucket.entries[i].name_len] = 0;
    s->found = true;
  }
  return !s->found;
}

/* Put "/name" before the path. */
static bool prepend(char **path, const char *name) {
  size_t name_len = strlen(name), path_len = *path ? strlen(*path) : 0;
  char *longer = malloc(name_len + path_len + 2);
  if (!longer)
    return false;
  longer[0] = '/';
  memcpy(longer + 1, name, name_len);
  if (*path)
    memcpy(longer + 1 + name_len, *path, path_len);
  longer[1 + name_len + path_len] = 0;
  free(*path);
  *path = longer;
  return true;
}

char *check_path(struct check *c, uint64_t ino) {
  char *path = NULL;
  for (unsigned depth = 0; ino != NACRE_ROOT_INO; depth++) {
    const struct check_link *link = find(c, ino);
    if (!link || link->named_in == 0 || depth == PATH_DEPTH_MAX)
      goto unknown;
    struct name_search s = {.ino = ino};
    const struct key from = key_make(link->named_in, FORMAT_RECORD_DIRENT, 0);
    const struct key to = key_make(link->named_in, FORMAT_RECORD_DIRENT, UINT64_MAX);
    if (tree_scan(c->engine, &from, &to, look_for_name, &s) != NACRE_OK || !s.found || !prepend(&path, s.name))
      goto unknown;
    ino = link->named_in;
  }
  if (!path && !prepend(&path, ""))
    goto unknown;
  return path;
unknown:
  free(path);
  return NULL;
}
