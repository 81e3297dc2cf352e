/* What can be read of every regular file, chunk by chunk, and what changes to one should make of it. */
#ifndef NACRE_TESTS_TAMPER_CONTENTS_H
#define NACRE_TESTS_TAMPER_CONTENTS_H

#include "support/dump.h"

#define CONTENTS_CHUNK_BYTES 4096u

/* Invariant: bytes and damaged have room for CONTENTS_MAX_BYTES; past the size bytes are zero. */
#define CONTENTS_MAX_BYTES 65536u
#define CONTENTS_MAX_CHUNKS (CONTENTS_MAX_BYTES / CONTENTS_CHUNK_BYTES)
struct content {
  char path[DUMP_PATH_BYTES];
  uint32_t nlink;
  uint64_t size;
  uint8_t *bytes;
  bool damaged[CONTENTS_MAX_CHUNKS];
  bool new_hole[CONTENTS_MAX_CHUNKS]; /* a damaged leaf can't show that there is no record, so it may be refused */
};
struct contents {
  struct content *files;
  size_t count;
};

/* Of all files in the dump whose inodes can be read. */
void contents_read(nacre_volume *vol, const struct dump *d, struct contents *out);
void contents_free(struct contents *c);
struct content *contents_find(struct contents *c, const char *path);
void content_copy(const struct content *from, struct content *to);
void content_free(struct content *c);
/* What a write, or another size, makes of it. False where that takes bytes of a damaged chunk. */
bool content_write(struct content *c, const uint8_t *bytes, size_t len, uint64_t at);
bool content_resize(struct content *c, uint64_t size);
/* Where `found` is not as expected, nor, chunk by chunk, as `old` if that is not NULL: what differs. */
const char *content_difference(const struct content *expected, const struct content *old,
                               const struct content *found);

#endif
