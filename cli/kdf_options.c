#include "kdf_options.h"

#include "report.h"

const struct option_spec kdf_specs[] = {
    {"kdf-memory", 0, OPTION_SIZE, offsetof(struct kdf_options, memory_bytes), "SIZE",
     "memory that each guess takes (256M, or a quarter of the RAM)"},
    {"kdf-passes", 0, OPTION_NUMBER, offsetof(struct kdf_options, passes), "N",
     "passes over that memory (as many as take a second here)"},
    {"kdf-lanes", 0, OPTION_NUMBER, offsetof(struct kdf_options, lanes), "N", "parallel lanes (4)"},
    {"weak-ok", 0, OPTION_FLAG, offsetof(struct kdf_options, weak_ok), NULL, "accept a weak passphrase"},
    {0}};

int kdf_options_cost(const struct kdf_options *options, struct nacre_kdf_cost *cost) {
  if (options->memory_bytes != 0 && options->memory_bytes < NACRE_KDF_MEMORY_MIN_BYTES)
    return report_error(EXIT_USAGE, NULL, "--kdf-memory is below the floor; give %lluM or more",
                        (unsigned long long)(NACRE_KDF_MEMORY_MIN_BYTES >> 20));
  *cost = (struct nacre_kdf_cost){
      .memory_bytes = options->memory_bytes, .passes = (uint32_t)options->passes, .lanes = (uint32_t)options->lanes};
  return EXIT_DONE;
}
