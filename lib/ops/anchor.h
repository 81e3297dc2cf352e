/* The anchor: what is remembered of a volume outside its container, so that an older state of the whole is noticed.
 *
 * It holds two points. `latest` trails the durable commits: at the opening, every 30 seconds, at a clean close.
 * `settled` follows it by two minutes at least, and is equal to it at the opening and after a clean close. A volume
 * that contains latest is as it should be. One that contains settled alone has lost no more than the last minutes of
 * an opening that was cut off: a medium that lies about its flush does that, so it is told and let pass. All else is
 * refused, unless the caller accepts it. */
#ifndef NACRE_OPS_ANCHOR_H
#define NACRE_OPS_ANCHOR_H

#include "tree/lineage.h"

#include <pthread.h>

/* Invariants: after admission, anchor.latest is a point that the open volume contains, or (read-only) what was
 * loaded. Calls of ops are made with the lock held, so one at a time. */
struct anchor {
  const struct nacre_anchor_ops *ops; /* NULL: none is kept */
  void *ctx;
  bool accept;
  bool asked;   /* for admission: the engine has found a commit that goes with the header */
  uint8_t *key; /* seals what is remembered; NULL before the volume's identity is known */
  uint8_t fingerprint[32];
  pthread_mutex_t lock; /* over what follows */
  struct lineage_anchor anchor;
  struct lineage_point next_settled; /* becomes settled in its turn */
  uint64_t next_settled_ms, stored_ms;
  bool stored_is_current; /* what ops hold is `anchor` */
  struct nacre_anchor_report report;
};

void anchor_start(struct anchor *a, const struct nacre_anchor_ops *ops, void *ctx, bool accept);
NACRE_MUST_USE enum nacre_err anchor_identify(struct anchor *a, const uint8_t identity_secret[32],
                                              const uint8_t fingerprint[32]);
void anchor_end(struct anchor *a);

/* For engine_options: `arg` is the anchor. admit gives NACRE_ERR_ROLLED_BACK. */
NACRE_MUST_USE enum nacre_err anchor_admit(void *arg, struct engine *e);
void anchor_committed(void *arg, struct engine *e);
/* After an older state was let pass: whoever goes on from it makes it a branch of its own at once, so that no other
 * old state can take its place. */
bool anchor_went_back(const struct anchor *a);
/* The volume is open. */
void anchor_opened(struct anchor *a, struct engine *e);
/* All is committed, and nothing more will be. */
void anchor_closing(struct anchor *a, struct engine *e);
void anchor_get_report(struct anchor *a, struct nacre_anchor_report *out);

#endif
