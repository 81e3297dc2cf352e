/* A thread that rotates a volume's keys again and again. */
#ifndef NACRE_TESTS_MODEL_ROTATOR_H
#define NACRE_TESTS_MODEL_ROTATOR_H

#include <nacre.h>
#include <pthread.h>
#include <stdbool.h>

struct rotator {
  nacre_volume *vol;
  nacre_cancel *cancel;
  pthread_t thread;
  bool running;
  bool may_be_full;
  unsigned long rotations, resumed; /* that came to their end; those of them that another one had begun */
  enum nacre_err err;               /* why it ended, if not because it was told to */
  char message[200];
};

void rotator_start(struct rotator *r, nacre_volume *vol, bool may_be_full);
/* Wherever it is. NACRE_OK, or what it has met. */
enum nacre_err rotator_stop(struct rotator *r);

#endif
