/* Steps on a volume and on the plain filesystem beside it, both as the input says: they must always agree. */
#include "fuzz/feed.h"
#include "model/run.h"

#define STEPS_MAX 64u

/* Small, so that all of a volume's life fits a few steps: growth, a full container, deletion. */
static const struct config configs[] = {
    {.name = "small",
     .chunk_bytes = 4096,
     .size_bytes = 24u << 20,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 256u << 10,
     .large_percent = 10,
     .nodes_max = 60,
     .fills = true},
    {.name = "large chunks",
     .chunk_bytes = 65536,
     .size_bytes = 24u << 20,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 2u << 20,
     .large_percent = 30,
     .nodes_max = 60,
     .fills = true},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  struct run *r = run_new(&configs[data[0] % 2], data[0]);
  r->script = data + 1;
  r->script_left = size - 1;
  for (r->step = 0; r->step < STEPS_MAX && r->script_left > 0; r->step++)
    run_step(r);
  run_finish(r);
  run_free(r);
  return 0;
}
