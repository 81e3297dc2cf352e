#include "golden/golden.h"

#include "support/report.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define BLOCK_BYTES 4096u
#define PATH_BYTES 8192u
#define VALUE_BYTES 65536u
#define PIECE_BYTES 4000u

struct text {
  char *bytes;
  size_t len, cap;
};

struct paths {
  char **all;
  size_t count;
};

struct line {
  char *text;
  int path_len;
  uint64_t ino, generation;
};

struct lines {
  struct line *all;
  size_t count;
};

struct names {
  char (*all)[NACRE_NAME_MAX_BYTES + 1];
  size_t count;
};

static void *must_realloc(void *p, size_t bytes) {
  p = realloc(p, bytes);
  if (p == NULL)
    report_fail("out of memory");
  return p;
}

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...) {
  char part[PATH_BYTES];
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(part, sizeof part, fmt, args);
  va_end(args);
  if (t->len + (size_t)len + 1 > t->cap) {
    t->cap = 2 * t->cap + (size_t)len + 1;
    t->bytes = must_realloc(t->bytes, t->cap);
  }
  memcpy(t->bytes + t->len, part, (size_t)len + 1);
  t->len += (size_t)len;
}

/* \xHH for what is no printable character, blank and backslash. */
static void say_escaped(struct text *t, const char *bytes) {
  for (const unsigned char *p = (const unsigned char *)bytes; *p != '\0'; p++)
    say(t, *p > 0x20 && *p < 0x7f && *p != '\\' ? "%c" : "\\x%02x", *p);
}

static void say_hex(struct text *t, const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++)
    say(t, "%02x", bytes[i]);
}

static const char *type_name(uint32_t mode) {
  switch (mode & S_IFMT) {
  case S_IFREG:
    return "file";
  case S_IFDIR:
    return "folder";
  case S_IFLNK:
    return "link";
  case S_IFCHR:
    return "char";
  case S_IFBLK:
    return "block";
  case S_IFIFO:
    return "fifo";
  default:
    return "socket";
  }
}

/* Over the blocks that are not all zero, each with its number before it. */
static void say_content(struct text *t, nacre_volume *vol, const char *path, uint64_t size) {
  nacre_file *file;
  uint64_t at = 0;
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  report_must(nacre_open(vol, path, NACRE_O_READ, 0, NULL, &file), "opening a file");
  while (at < size && nacre_seek_data(file, at, &at) == NACRE_OK) {
    uint8_t block[8 + BLOCK_BYTES] = {0};
    size_t done;
    at -= at % BLOCK_BYTES;
    for (unsigned i = 0; i < 8; i++)
      block[i] = (uint8_t)(at / BLOCK_BYTES >> 8 * i);
    report_must(nacre_read(file, block + 8, BLOCK_BYTES, at, &done), "reading a file");
    if (!sodium_is_zero(block + 8, BLOCK_BYTES))
      crypto_hash_sha256_update(&state, block, sizeof block);
    at += BLOCK_BYTES;
  }
  nacre_close(file);
  uint8_t hash[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(&state, hash);
  say(t, " content=");
  say_hex(t, hash, sizeof hash);
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void say_attributes(struct text *t, nacre_volume *vol, const char *path) {
  char *list = must_realloc(NULL, 2 * VALUE_BYTES);
  const char *names[64] = {NULL};
  size_t len, count = 0;
  report_must(nacre_listxattr(vol, path, list, VALUE_BYTES, &len), "listing attributes");
  for (const char *p = list; p < list + len && count < 64; p += strlen(p) + 1)
    names[count++] = p;
  qsort(names, count, sizeof names[0], by_bytes);
  uint8_t *value = (uint8_t *)list + VALUE_BYTES;
  for (size_t i = 0; i < count; i++) {
    uint8_t hash[crypto_hash_sha256_BYTES];
    report_must(nacre_getxattr(vol, path, names[i], value, VALUE_BYTES, &len), "reading an attribute");
    crypto_hash_sha256(hash, value, len);
    say(t, " attribute=");
    say_escaped(t, names[i]);
    say(t, ":%zu:", len);
    say_hex(t, hash, sizeof hash);
  }
  free(list);
}

static void say_time(struct text *t, const char *name, struct nacre_time time) {
  say(t, " %s=%" PRId64 ".%09" PRIu32, name, time.s, time.ns);
}

static struct line line_of(nacre_volume *vol, const char *path, const struct nacre_attr *a) {
  struct text t = {0};
  say(&t, "%s", *path == '\0' ? "/" : "");
  say_escaped(&t, path);
  int path_len = (int)t.len;
  say(&t, " %s %04" PRIo32 " %" PRIu32 ":%" PRIu32 " links=%" PRIu32, type_name(a->mode), a->mode & 07777, a->uid,
      a->gid, a->nlink);
  say(&t, " size=%" PRIu64 " inode=%" PRIu64 ".%" PRIu64, a->size_bytes, a->ino, a->generation);
  say_time(&t, "atime", a->atime);
  say_time(&t, "mtime", a->mtime);
  say_time(&t, "ctime", a->ctime);
  say_time(&t, "btime", a->btime);
  if (S_ISCHR(a->mode) || S_ISBLK(a->mode))
    say(&t, " device=%u:%u", major(a->rdev), minor(a->rdev));
  if (S_ISLNK(a->mode)) {
    char target[BLOCK_BYTES];
    report_must(nacre_readlink(vol, path, target, sizeof target), "reading a link");
    say(&t, " target=");
    say_escaped(&t, target);
  }
  if (S_ISREG(a->mode))
    say_content(&t, vol, path, a->size_bytes);
  say_attributes(&t, vol, path);
  return (struct line){.text = t.bytes, .path_len = path_len, .ino = a->ino, .generation = a->generation};
}

static bool take_name(void *arg, const struct nacre_dirent *entry) {
  struct names *names = arg;
  if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
    return true;
  names->all = must_realloc(names->all, (names->count + 1) * sizeof *names->all);
  (void)snprintf(names->all[names->count++], sizeof *names->all, "%s", entry->name);
  return true;
}

static void push_path(struct paths *paths, char *path) {
  paths->all = must_realloc(paths->all, (paths->count + 1) * sizeof *paths->all);
  paths->all[paths->count++] = path;
}

static void push_line(struct lines *lines, struct line line) {
  lines->all = must_realloc(lines->all, (lines->count + 1) * sizeof *lines->all);
  lines->all[lines->count++] = line;
}

static void list_folder(nacre_volume *vol, const char *folder, struct paths *todo, struct lines *lines) {
  struct names names = {0};
  nacre_dir *dir;
  report_must(nacre_opendir(vol, folder, &dir), "opening a folder");
  report_must(nacre_readdir(dir, 0, false, take_name, &names), "reading a folder");
  nacre_closedir(dir);
  for (size_t i = 0; i < names.count; i++) {
    struct nacre_attr attr = {.struct_size = sizeof attr};
    char *path = must_realloc(NULL, PATH_BYTES);
    (void)snprintf(path, PATH_BYTES, "%s/%s", folder, names.all[i]);
    report_must(nacre_lstat(vol, path, &attr), "looking at a name");
    push_line(lines, line_of(vol, path, &attr));
    if (S_ISDIR(attr.mode))
      push_path(todo, path);
    else
      free(path);
  }
  free(names.all);
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const struct line *)a)->text, ((const struct line *)b)->text);
}

/* In full, or for a further name of an inode just which one. */
static void say_line(struct text *t, const struct lines *lines, size_t at) {
  const struct line *line = &lines->all[at];
  for (size_t i = 0; i < at; i++)
    if (lines->all[i].ino == line->ino) {
      say(t, "%.*s inode=%" PRIu64 ".%" PRIu64 "\n", line->path_len, line->text, line->ino, line->generation);
      return;
    }
  for (const char *p = line->text; *p != '\0'; p += strnlen(p, PIECE_BYTES))
    say(t, "%.*s", (int)strnlen(p, PIECE_BYTES), p);
  say(t, "\n");
}

char *golden_list(nacre_volume *vol) {
  struct paths todo = {0};
  struct lines lines = {0};
  struct nacre_attr root = {.struct_size = sizeof root};
  report_must(nacre_lstat(vol, "", &root), "looking at the root");
  push_line(&lines, line_of(vol, "", &root));
  push_path(&todo, calloc(1, 1));
  while (todo.count > 0) {
    char *folder = todo.all[--todo.count];
    list_folder(vol, folder, &todo, &lines);
    free(folder);
  }
  qsort(lines.all, lines.count, sizeof *lines.all, by_path);
  struct text all = {0};
  for (size_t i = 0; i < lines.count; i++)
    say_line(&all, &lines, i);
  for (size_t i = 0; i < lines.count; i++)
    free(lines.all[i].text);
  free(lines.all);
  free(todo.all);
  return all.bytes;
}
