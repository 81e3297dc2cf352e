#include "api/path.h"

#include "base/bytes.h"
#include "base/err.h"

#include <stdlib.h>
#include <sys/stat.h>

/* What is still to be walked: the caller's text at first, then a buffer that a link's target begins. */
struct rest {
  char *owned;
  const char *at;
  unsigned links;
};

uint64_t path_folder(const struct path *p) {
  return p->depth > 0 ? p->folders[p->depth - 1] : NACRE_ROOT_INO;
}

static void drop_folders(struct path *p, size_t keep) {
  while (p->depth > keep)
    fs_unpin(p->fs, p->folders[--p->depth], 1);
}

/* Takes over the pin of the folder. */
static enum nacre_err push_folder(struct path *p, uint64_t ino) {
  if (p->depth == p->room) {
    size_t room = p->room ? p->room * 2 : 16;
    uint64_t *folders = realloc(p->folders, room * sizeof *folders);
    if (!folders) {
      fs_unpin(p->fs, ino, 1);
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
    }
    p->folders = folders;
    p->room = room;
  }
  p->folders[p->depth++] = ino;
  return NACRE_OK;
}

/* Put a link's target before the rest. */
static enum nacre_err follow_link(struct path *p, uint64_t ino, struct rest *rest) {
  if (++rest->links > PATH_LINKS_MAX)
    return err_set(NACRE_ERR_LOOP, "more than %u symbolic links in a path", PATH_LINKS_MAX);
  char target[FORMAT_SYMLINK_MAX_BYTES + 1];
  ERR_TRY(fs_readlink(p->fs, ino, target, sizeof target));
  size_t target_len = strlen(target), left = strlen(rest->at);
  char *joined = malloc(target_len + left + 1);
  if (!joined)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  memcpy(joined, target, target_len);
  memcpy(joined + target_len, rest->at, left);
  joined[target_len + left] = 0;
  if (target[0] == '/')
    drop_folders(p, 0);
  free(rest->owned);
  rest->owned = joined;
  rest->at = joined;
  return NACRE_OK;
}

/* The path names the folder that the walk stands in: the root, or by "." or ".." at its end. */
static enum nacre_err end_in_folder(struct path *p) {
  p->found = true;
  p->name_len = 0;
  p->name[0] = 0;
  return fs_getattr(p->fs, path_folder(p), &p->attr);
}

/* One name that is neither "." nor "..". `last`: nothing but slashes follows it. */
static enum nacre_err step(struct path *p, bool last, enum path_follow follow, struct rest *rest, bool *ended) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = fs_lookup(p->fs, path_folder(p), p->name, p->name_len, &attr);
  *ended = last;
  if (err == NACRE_ERR_NOT_FOUND && last) {
    err_clear();
    return NACRE_OK;
  }
  ERR_TRY(err);
  if (S_ISLNK(attr.mode) && (!last || follow == PATH_FOLLOW || p->trailing_slash)) {
    err = follow_link(p, attr.ino, rest);
    fs_unpin(p->fs, attr.ino, 1);
    *ended = false;
    return err;
  }
  bool folder = S_ISDIR(attr.mode);
  if (!last && folder)
    return push_folder(p, attr.ino);
  if (!folder && (!last || p->trailing_slash)) {
    fs_unpin(p->fs, attr.ino, 1);
    return err_set(NACRE_ERR_NOT_DIRECTORY, "a name in the path is no folder");
  }
  p->found = true;
  p->pinned = true;
  p->attr = attr;
  return NACRE_OK;
}

static enum nacre_err walk(struct path *p, enum path_follow follow, struct rest *rest) {
  for (;;) {
    const char *name = rest->at + strspn(rest->at, "/");
    size_t len = strcspn(name, "/");
    if (len == 0)
      return end_in_folder(p);
    rest->at = name + len;
    if (len == 1 && name[0] == '.')
      continue;
    if (len == 2 && name[0] == '.' && name[1] == '.') {
      drop_folders(p, p->depth > 0 ? p->depth - 1 : 0);
      continue;
    }
    if (len > FORMAT_NAME_MAX_BYTES)
      return err_set(NACRE_ERR_NAME_TOO_LONG, "a name has at most %u bytes", FORMAT_NAME_MAX_BYTES);
    memcpy(p->name, name, len);
    p->name[len] = 0;
    p->name_len = len;
    size_t slashes = strspn(rest->at, "/");
    bool last = rest->at[slashes] == 0, ended = false;
    p->trailing_slash = last && slashes > 0;
    ERR_TRY(step(p, last, follow, rest, &ended));
    if (ended)
      return NACRE_OK;
  }
}

enum nacre_err path_walk(struct fs *fs, const char *path, enum path_follow follow, struct path *p) {
  memset(p, 0, sizeof *p);
  p->fs = fs;
  p->attr.struct_size = sizeof p->attr;
  if (!path)
    return err_set(NACRE_ERR_ARGUMENT, "a path is missing");
  struct rest rest = {.at = path};
  enum nacre_err err = walk(p, follow, &rest);
  free(rest.owned);
  return err;
}

enum nacre_err path_find(struct fs *fs, const char *path, enum path_follow follow, struct path *p) {
  ERR_TRY(path_walk(fs, path, follow, p));
  return p->found ? NACRE_OK : err_set(NACRE_ERR_NOT_FOUND, "no such file or folder");
}

void path_free(struct path *p) {
  if (p->pinned)
    fs_unpin(p->fs, p->attr.ino, 1);
  drop_folders(p, 0);
  free(p->folders);
  memset(p, 0, sizeof *p);
}
