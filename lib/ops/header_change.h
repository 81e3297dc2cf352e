/* A change of an open volume's header: copies that take the place of the volume's when both header copies, and a
 * superblock that refuses every older header, are durable.
 *
 * begin, then edit header and sealed (and master_key where a new one is wanted), then commit, all under the volume's
 * change_lock; free in any case. */
#ifndef NACRE_OPS_HEADER_CHANGE_H
#define NACRE_OPS_HEADER_CHANGE_H

#include "ops/volume.h"

struct header_change {
  struct header *header;
  struct header_sealed *sealed;
  uint8_t *master_key; /* 32 bytes of secmem: what the new header will be sealed under */
  uint8_t *raw;
  bool new_epochs; /* the table of epochs, or which one is current, changes: the engine is given the keys anew */
};

/* NACRE_ERR_READ_ONLY where the volume is, or where an earlier change failed. */
NACRE_MUST_USE enum nacre_err header_change_begin(struct volume *v, struct header_change *c);
/* A failure once the first byte is written ends all changes of this opening: nobody knows what the copies hold, until
 * the next opening reads what is there and makes them agree. */
NACRE_MUST_USE enum nacre_err header_change_commit(struct volume *v, struct header_change *c);
void header_change_free(struct header_change *c);

#endif
