/* Every sealed block that an open volume's newest commit is made of, with what its parent says of it. */
#ifndef NACRE_TESTS_TAMPER_ANATOMY_H
#define NACRE_TESTS_TAMPER_ANATOMY_H

#include "format/ptr.h"

#include <nacre.h>

/* A data chunk's extent is made a pointer: unit, length, epoch, birth, nonce and tag mean the same there. */
struct piece {
  enum format_kind kind;
  uint8_t level;
  struct ptr ptr;
};

struct anatomy {
  struct piece *pieces;
  size_t count;
};

/* The volume is open read-only. */
void anatomy_take(nacre_volume *vol, struct anatomy *out);
void anatomy_free(struct anatomy *a);
/* "node", "data", ... */
const char *anatomy_kind_name(enum format_kind kind);

#endif
