/* Everything that a volume shows, in a form that can be compared: a line a name, sorted. */
#ifndef NACRE_TESTS_SUPPORT_DUMP_H
#define NACRE_TESTS_SUPPORT_DUMP_H

#include <nacre.h>

#define DUMP_PATH_BYTES 96u
#define DUMP_MESSAGE_BYTES 512u

/* What could not be read. */
enum dump_failed {
  DUMP_FAILED_ATTR = 1,
  DUMP_FAILED_CONTENT = 2,
  DUMP_FAILED_XATTRS = 4,
  DUMP_FAILED_TARGET = 8,
  DUMP_FAILED_LIST = 16
};

struct dump_line {
  char path[DUMP_PATH_BYTES];
  struct nacre_attr attr;
  uint64_t content, xattrs, target; /* hashes */
  unsigned failed;
};

struct dump {
  struct dump_line *lines;
  size_t count, cap;
};

/* Walk the volume. What gives an error is marked so; the first such error is returned. */
enum nacre_err dump_volume(nacre_volume *vol, struct dump *out);
void dump_free(struct dump *d);
struct dump_line *dump_add(struct dump *d, const char *path);
void dump_sort(struct dump *d);
struct dump_line *dump_find(const struct dump *d, const char *path);
/* One attribute's part of dump_line.xattrs, which is their sum. */
uint64_t dump_xattr(const char *name, const void *value, size_t len);

struct dump_tolerance {
  bool failures;   /* what is marked as not read may be anything, also names in a folder that was not listed */
  bool guessed;    /* nobody looked at what is expected: times, sizes of folders, numbers of new inodes */
  uint64_t except; /* an inode whose size and content may differ; 0: none */
};
/* Whether they say the same; where not, message has the first difference. */
bool dump_equal(const struct dump *expected, const struct dump *actual, const struct dump_tolerance *tolerance,
                char message[DUMP_MESSAGE_BYTES]);

#endif
