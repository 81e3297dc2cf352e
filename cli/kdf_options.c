#include "kdf_options.h"

#include <string.h>

#include "report.h"

/* RFC 9106's second recommendation, which is for whoever has little memory: 64 MiB, three passes, four lanes. What
 * writes less is called low. */
#define LOW_MEMORY_BYTES (64ull << 20)
#define LOW_WORK_BYTES (3 * LOW_MEMORY_BYTES)

const struct option_spec kdf_specs[] = {
    {"kdf-profile", 0, OPTION_TEXT, offsetof(struct kdf_options, profile), "WHERE",
     "what it is opened on: phone (64M), laptop (256M) or server (1G)"},
    {"kdf-memory", 0, OPTION_SIZE, offsetof(struct kdf_options, memory_bytes), "SIZE",
     "memory that each guess takes (256M, or a quarter of the RAM)"},
    {"kdf-passes", 0, OPTION_NUMBER, offsetof(struct kdf_options, passes), "N",
     "passes over that memory (as many as take a second here)"},
    {"kdf-lanes", 0, OPTION_NUMBER, offsetof(struct kdf_options, lanes), "N", "parallel lanes (4)"},
    {"weak-ok", 0, OPTION_FLAG, offsetof(struct kdf_options, weak_ok), NULL, "accept a weak passphrase"},
    {0}};

/* The passes of a phone are fixed, since what makes the slot is often faster than what opens it; the others are as
 * many as take a second here. */
static const struct {
  const char *name;
  struct nacre_kdf_cost cost;
} profiles[] = {{"phone", {.memory_bytes = 64ull << 20, .passes = 3, .lanes = 4}},
                {"laptop", {.memory_bytes = 256ull << 20, .lanes = 4}},
                {"server", {.memory_bytes = 1ull << 30, .lanes = 4}}};

static int take_profile(const char *name, struct nacre_kdf_cost *cost) {
  *cost = (struct nacre_kdf_cost){0};
  if (name == NULL)
    return EXIT_DONE;
  for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
    if (strcmp(name, profiles[i].name) != 0)
      continue;
    *cost = profiles[i].cost;
    return EXIT_DONE;
  }
  return report_error(EXIT_USAGE, NULL, "unknown --kdf-profile '%s'; there are phone, laptop and server", name);
}

int kdf_options_cost(const struct kdf_options *options, struct nacre_kdf_cost *cost) {
  if (options->memory_bytes != 0 && options->memory_bytes < NACRE_KDF_MEMORY_MIN_BYTES)
    return report_error(EXIT_USAGE, NULL, "--kdf-memory is below the floor; give %lluM or more",
                        (unsigned long long)(NACRE_KDF_MEMORY_MIN_BYTES >> 20));
  const int code = take_profile(options->profile, cost);
  if (options->memory_bytes != 0)
    cost->memory_bytes = options->memory_bytes;
  if (options->passes != 0)
    cost->passes = (uint32_t)options->passes;
  if (options->lanes != 0)
    cost->lanes = (uint32_t)options->lanes;
  return code;
}

bool kdf_options_given(const struct kdf_options *options) {
  return options->profile != NULL || options->memory_bytes != 0 || options->passes != 0 || options->lanes != 0;
}

bool kdf_is_low(const struct nacre_kdf_cost *cost) {
  if (cost->memory_bytes == 0)
    return false;
  if (cost->memory_bytes >= LOW_WORK_BYTES)
    return false;
  return cost->memory_bytes < LOW_MEMORY_BYTES || cost->memory_bytes * cost->passes < LOW_WORK_BYTES;
}
