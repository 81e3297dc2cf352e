#include "kdf_options.h"

#include <stdio.h>
#include <string.h>

#include "report.h"
#include "size.h"

/* RFC 9106's second recommendation, which is for whoever has little memory: 64 MiB, three passes, four lanes. What
 * writes less is called low. */
#define LOW_MEMORY_BYTES (64ull << 20)
#define LOW_WORK_BYTES (3 * LOW_MEMORY_BYTES)

const struct option_spec kdf_specs[] = {
    {"kdf-profile", 0, OPTION_TEXT, offsetof(struct kdf_options, profile), "WHERE",
     "what it is opened on: phone (64M at most), laptop (256M) or server (1G)"},
    {"kdf-memory", 0, OPTION_SIZE, offsetof(struct kdf_options, memory_bytes), "SIZE",
     "memory that each guess takes (256M, or a quarter of the RAM)"},
    {"kdf-passes", 0, OPTION_NUMBER, offsetof(struct kdf_options, passes), "N",
     "passes over that memory (as many as take a second here)"},
    {"kdf-lanes", 0, OPTION_NUMBER, offsetof(struct kdf_options, lanes), "N", "parallel lanes (4)"},
    {"weak-ok", 0, OPTION_FLAG, offsetof(struct kdf_options, weak_ok), NULL, "accept a weak passphrase"},
    {0}};

/* A phone often opens what a faster machine made: RFC 9106's passes at least, and not so many as take long there. The
 * memory is the most; how much of it there is, is measured like the passes. */
static const struct profile {
  const char *name;
  struct nacre_kdf_aim aim;
} profiles[] = {
    {"phone",
     {.struct_size = sizeof(struct nacre_kdf_aim),
      .memory_max_bytes = 64ull << 20,
      .passes_min = 3,
      .target_ms = 250}},
    {"laptop", {.struct_size = sizeof(struct nacre_kdf_aim), .memory_max_bytes = 256ull << 20, .target_ms = 1000}},
    {"server", {.struct_size = sizeof(struct nacre_kdf_aim), .memory_max_bytes = 1ull << 30, .target_ms = 1000}}};

static const struct profile *find_profile(const char *name) {
  for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++)
    if (strcmp(name, profiles[i].name) == 0)
      return &profiles[i];
  return NULL;
}

/* What was picked, and why. */
static void note_choice(const struct profile *profile, const struct kdf_options *options,
                        const struct nacre_kdf_cost *cost, uint64_t had_bytes) {
  char memory[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES], had[SIZE_TEXT_BYTES];
  char why[128] = "as given", passes[64] = "as given";
  (void)size_text(profile->aim.memory_max_bytes, most);
  (void)size_text(had_bytes, had);
  if (options->memory_bytes == 0 && cost->memory_bytes == profile->aim.memory_max_bytes)
    (void)snprintf(why, sizeof why, "the profile's");
  else if (options->memory_bytes == 0 && cost->memory_bytes == NACRE_KDF_MEMORY_MIN_BYTES)
    (void)snprintf(why, sizeof why, "the floor, since %s can be had here; the profile has %s", had, most);
  else if (options->memory_bytes == 0)
    (void)snprintf(why, sizeof why, "a quarter at most of the %s that can be had here; the profile has %s", had,
                   most);
  if (options->passes == 0)
    (void)snprintf(passes, sizeof passes,
                   cost->passes == profile->aim.passes_min ? "the profile's least" : "about %u ms here",
                   (unsigned)profile->aim.target_ms);
  report_note(NULL, "--kdf-profile %s: %s (%s), %u pass%s (%s), %u lanes", profile->name,
              size_text(cost->memory_bytes, memory), why, (unsigned)cost->passes, cost->passes == 1 ? "" : "es",
              passes, (unsigned)cost->lanes);
}

static int choose(const struct profile *profile, const struct kdf_options *options, struct nacre_kdf_cost *cost) {
  uint64_t had = 0;
  const enum nacre_err err = nacre_kdf_choose(&profile->aim, cost, &had);
  if (err != NACRE_OK)
    return report_library(NULL, err);
  note_choice(profile, options, cost, had);
  return EXIT_DONE;
}

int kdf_options_cost(const struct kdf_options *options, struct nacre_kdf_cost *cost) {
  if (options->memory_bytes != 0 && options->memory_bytes < NACRE_KDF_MEMORY_MIN_BYTES)
    return report_error(EXIT_USAGE, NULL, "--kdf-memory is below the floor; give %lluM or more",
                        (unsigned long long)(NACRE_KDF_MEMORY_MIN_BYTES >> 20));
  const struct profile *profile = options->profile != NULL ? find_profile(options->profile) : NULL;
  if (options->profile != NULL && profile == NULL)
    return report_error(EXIT_USAGE, NULL, "unknown --kdf-profile '%s'; there are phone, laptop and server",
                        options->profile);
  *cost = (struct nacre_kdf_cost){
      .memory_bytes = options->memory_bytes, .passes = (uint32_t)options->passes, .lanes = (uint32_t)options->lanes};
  return profile != NULL ? choose(profile, options, cost) : EXIT_DONE;
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
