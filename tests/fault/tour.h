/* Tours through the interface: each call of it made once or more, for its own sake. */
#ifndef NACRE_TESTS_FAULT_TOUR_H
#define NACRE_TESTS_FAULT_TOUR_H

#include <nacre.h>

#define TOUR_SIZE_BYTES (32u << 20)

struct tour {
  struct nacre_target target;
  nacre_credential *cred, *other;
  nacre_volume *vol; /* open where the tour says so */
  unsigned long hits;
};

struct tour_kind {
  const char *name;
  void (*run)(struct tour *t);
  bool opened;  /* the volume is opened before the first call may fail, and closed behind the last */
  bool creates; /* it makes the volume, so that there may be none */
};
/* Those of tours_header.c. */
void tour_header(struct tour *t);
void tour_erase(struct tour *t);
extern const struct tour_kind tours[];
extern const size_t tours_count;

/* Judge one call's answer; true where it succeeded. */
bool tour_judge(struct tour *t, enum nacre_err err, const char *call);
#define TRY(call) tour_judge(t, (call), #call)

#endif
