#include "strength.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <zxcvbn.h>

/* zxcvbn's time grows with the square of the length and more; past this many bytes nothing is weak but repetition,
 * which shows in the first of them. */
#define STRENGTH_MEASURED_BYTES 128
/* Past this nothing is told apart, and a double still holds the power. */
#define STRENGTH_BITS_MAX 1000

/* The attacker that a cost is stated for. */
#define STRENGTH_ATTACKER_CORES 1000.0

static double two_to(double bits) {
  const int whole = bits < STRENGTH_BITS_MAX ? (int)bits : STRENGTH_BITS_MAX;
  double value = 1;
  for (int i = 0; i < whole; i++)
    value *= 2;
  return value * (1 + (bits - whole)); /* linear between powers: near enough for an estimate */
}

static int score_of(double guesses) {
  if (guesses < 1e3)
    return 0;
  if (guesses < 1e6)
    return 1;
  if (guesses < 1e8)
    return 2;
  return guesses < 1e10 ? 3 : 4;
}

static const char *reason_text(int type) {
  switch (type & ~MULTIPLE_MATCH) {
  case DICTIONARY_MATCH:
    return "it is made of common words or passwords";
  case DICT_LEET_MATCH:
    return "it is made of common words with letters swapped for digits or signs";
  case USER_MATCH:
  case USER_LEET_MATCH:
    return "it contains a name that goes with this volume or its owner";
  case REPEATS_MATCH:
    return "it repeats characters";
  case SEQUENCE_MATCH:
    return "it contains a sequence such as abc or 6543";
  case SPATIAL_MATCH:
    return "it contains neighbouring keys of the keyboard";
  case DATE_MATCH:
  case YEAR_MATCH:
    return "it contains a date";
  default:
    return "it is too short";
  }
}

/* The kind of weakness that covers most of the passphrase. */
static const char *main_reason(const ZxcMatch_t *matches) {
  int covered[MULTIPLE_MATCH] = {0};
  int most = BRUTE_MATCH;
  for (const ZxcMatch_t *match = matches; match != NULL; match = match->Next) {
    const int type = (int)match->Type & ~MULTIPLE_MATCH;
    if (type < 0 || type >= MULTIPLE_MATCH)
      continue;
    covered[type] += match->Length;
    if (covered[type] > covered[most])
      most = type;
  }
  return reason_text(most);
}

void strength_measure(const struct secret *passphrase, const char *known[], struct strength *out) {
  struct secret text;
  *out = (struct strength){.reason = "it could not be measured"};
  if (!secret_alloc(&text, STRENGTH_MEASURED_BYTES))
    return;
  text.len = passphrase->len < STRENGTH_MEASURED_BYTES ? passphrase->len : STRENGTH_MEASURED_BYTES;
  for (size_t i = 0; i < text.len; i++) {
    text.bytes[i] = passphrase->bytes[i];
    if (text.bytes[i] == '\0') /* it would end the text */
      text.bytes[i] = ' ';
  }
  text.bytes[text.len] = '\0';

  ZxcMatch_t *matches = NULL;
  const double bits = ZxcvbnMatch(text.bytes, known, &matches);
  out->guesses = two_to(bits);
  out->score = score_of(out->guesses);
  out->reason = main_reason(matches);
  ZxcvbnFreeInfo(matches);
  secret_free(&text);
}

static void duration_text(double seconds, char *text, size_t size) {
  static const struct {
    double seconds;
    const char *name;
  } units[] = {{365.25 * 86400, "years"}, {86400, "days"}, {3600, "hours"}, {60, "minutes"}, {1, "seconds"}};
  for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
    if (seconds >= 2 * units[i].seconds) {
      (void)snprintf(text, size, "about %.0f %s", seconds / units[i].seconds, units[i].name);
      return;
    }
  }
  (void)snprintf(text, size, "a second or two");
}

void strength_cost_text(const struct strength *strength, const struct nacre_kdf_cost *kdf,
                        char text[STRENGTH_COST_BYTES]) {
  struct nacre_kdf_cost cost = *kdf;
  double ms = 0;
  if (nacre_bench_kdf(&cost, &ms) != NACRE_OK) {
    (void)snprintf(text, STRENGTH_COST_BYTES, "it takes about %.0e guesses", strength->guesses);
    return;
  }
  /* The lanes run side by side here, as far as there are cores; the attacker pays for each. */
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  const double used = cores > 0 && (double)cores < cost.lanes ? (double)cores : (double)cost.lanes;
  char time[64];
  duration_text(strength->guesses * (ms / 1000) * used / STRENGTH_ATTACKER_CORES, time, sizeof time);
  (void)snprintf(text, STRENGTH_COST_BYTES,
                 "guessing it takes %s with %.0f cores like this machine's (%.2g guesses of %.2g s)", time,
                 STRENGTH_ATTACKER_CORES, strength->guesses, ms / 1000);
}
