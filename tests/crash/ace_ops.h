/* The operations of which exhaustive crash tests make their sequences: few files, each kind of change. */
#ifndef NACRE_TESTS_CRASH_ACE_OPS_H
#define NACRE_TESTS_CRASH_ACE_OPS_H

#include "support/shadow.h"

#define ACE_CHUNK_BYTES 4096u
#define ACE_LENGTH_MAX 3u

/* A volume, what it ought to hold, and a file that was unlinked while it was open. */
struct ace {
  nacre_volume *vol;
  struct shadow shadow;
  nacre_file *kept[ACE_LENGTH_MAX];
  unsigned kept_count;
};

unsigned ace_op_count(void);
const char *ace_op_name(unsigned op);
/* Whether an error-free call makes everything before it durable. */
bool ace_op_is_sync(unsigned op);
/* Whether the names that it needs are there, and those that it makes are not. */
bool ace_op_is_possible(struct shadow *shadow, unsigned op);
/* Change the volume and the shadow; or the shadow alone. */
void ace_op_run(struct ace *a, unsigned op);
void ace_op_model(struct shadow *shadow, unsigned op);

/* The few files that are there at first, in an empty volume whose root folder has mode 0755; and in its shadow. */
void ace_populate(nacre_volume *vol);
void ace_populate_shadow(struct shadow *shadow);
void ace_close_kept(struct ace *a);

#endif
