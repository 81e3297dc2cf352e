/* Long work at a bounded share of the machine. */
#ifndef NACRE_OPS_PACE_H
#define NACRE_OPS_PACE_H

#include "ops/cancel.h"

struct pace {
  uint64_t rate_bytes; /* a second; 0: as fast as it goes */
  const struct nacre_cancel *cancel;
  uint64_t due_ms; /* when as much as was done may have been */
};

/* So many bytes more were done: wait until that is no more than the rate allows. NACRE_ERR_CANCELLED. */
NACRE_MUST_USE enum nacre_err pace_keep(struct pace *p, uint64_t bytes);

#endif
