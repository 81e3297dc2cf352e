#include "paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the last component starts and ends. */
static void last_component(const char *path, size_t *start, size_t *end) {
  *end = strlen(path);
  while (*end > 0 && path[*end - 1] == '/')
    --*end;
  *start = *end;
  while (*start > 0 && path[*start - 1] != '/')
    --*start;
}

char *path_base(const char *path) {
  size_t start, end;
  last_component(path, &start, &end);
  const char *name = path + start;
  const size_t len = end - start;
  if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
    return strdup("");
  return strndup(name, len);
}

char *path_parent(const char *path) {
  size_t start, end;
  last_component(path, &start, &end);
  return strndup(path, start);
}

char *path_join(const char *dir, const char *name) {
  const size_t len = strlen(dir);
  char *joined = NULL;
  if (asprintf(&joined, "%s%s%s", dir, len > 0 && dir[len - 1] != '/' ? "/" : "", name) < 0)
    return NULL;
  return joined;
}
