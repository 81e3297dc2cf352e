/* What else a volume goes through than reading and writing: it is made, gets and loses keys, is opened after a crash,
 * gives the host space back when it is closed. Each on a store that may fail, and what must be there afterwards. */
#ifndef NACRE_TESTS_FAULT_SCENES_H
#define NACRE_TESTS_FAULT_SCENES_H

#include "support/faulty.h"
#include "support/vault.h"

#define SCENE_SIZE_BYTES (48u << 20)
#define SCENE_KEYS 4u

struct stage {
  struct disk disk, medium;
  struct faulty faulty;
  nacre_credential *keys[SCENE_KEYS]; /* the last one is in no slot */
  /* How far the scene came, for its check. */
  unsigned opens_before,
      opens_after; /* which keys open: when the last change began, and when it ended or would have */
  bool synced;     /* the volume had said so */
  bool lasting;    /* what failed did so for ever */
};

struct scene {
  const char *name;
  /* On the sound disk, which is empty. */
  void (*prepare)(struct stage *s);
  /* On the faulty store, up to the first error, which it gives. */
  enum nacre_err (*run)(struct stage *s);
  /* On the sound disk again. */
  void (*check)(struct stage *s, enum nacre_err told);
  /* Some of what it writes is no data, and is written again where that failed once. */
  bool tries_again;
};

extern const struct scene scenes[];
extern const unsigned scene_count;

#endif
