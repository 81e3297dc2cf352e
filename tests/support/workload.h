/* Random changes of a volume by seed, and of the shadow beside it. */
#ifndef NACRE_TESTS_SUPPORT_WORKLOAD_H
#define NACRE_TESTS_SUPPORT_WORKLOAD_H

#include "support/prng.h"
#include "support/shadow.h"

#define WORKLOAD_HANDLES 3u
#define WORKLOAD_NOISE_BYTES (1u << 20)

struct workload_handle {
  nacre_file *file;
  unsigned node;
};

struct workload {
  nacre_volume *vol;
  struct shadow shadow;
  struct prng prng;
  uint8_t *noise;
  size_t write_max_bytes, file_max_bytes;
  struct workload_handle handles[WORKLOAD_HANDLES];
  const char *step;     /* name of the last one */
  uint64_t changed_ino; /* whose content the last step changed, which a failure may leave half done; 0: none */
};

/* For an empty volume whose root folder has mode 0755. The caller sets vol. */
void workload_init(struct workload *w, uint64_t seed);
/* Make a large file "fill" that no step touches: then the container must grow soon. */
void workload_fill(struct workload *w, nacre_volume *vol, size_t len);
/* The shadow's side of that, for a volume that has it. */
void workload_filled(struct workload *w, size_t len);
/* Closes what handles are open. The volume stays. */
void workload_close_handles(struct workload *w);
void workload_free(struct workload *w);
/* One change. The shadow takes it as done, whatever the volume answers; handles that could not be opened are not
 * kept. */
enum nacre_err workload_step(struct workload *w);
/* Make everything durable: by fsync of some file, or of the volume. */
enum nacre_err workload_sync(struct workload *w);

#endif
