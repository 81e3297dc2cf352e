#include "audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kdf_options.h"
#include "size.h"
#include "slots.h"

/* What a guess costs: the bytes that it moves through memory, times the least that an attacker pays to move a byte.
 *
 * Bytes: the first pass of Argon2 writes each KiB and reads one elsewhere for it, each further pass reads also what
 * it overwrites (RFC 9106, 3.2): memory * (3 * passes - 1). The block before stays in the core. The same count is
 * Thomas's ("Minimum password settings", tobtu.com, 2022). Guessing is bound by just that: at 64 MiB and 3 passes,
 * 512 MiB moved, hashcat's authors of that mode had 1,667 guesses/s of an RTX 4090 (hashcat, pull request 4284, July
 * 2025), 895 of its 1,008 GB/s; at 16 MiB John the Ripper had 11,434/s of an RTX 5090 (openwall/john, pull request
 * 5382, July 2025), 1,535 of 1,792 GB/s. With much more memory a card holds few guesses at once, and does worse.
 *
 * Price: in March 2026 an RTX 4090 was rented for $0.34 an hour, for $0.22 where it may be taken back, by single
 * owners from $0.15 (Deploybase, "RTX 4090 cloud"); in May from $0.31 (Fairlane, "Vast.ai"). Its whole bandwidth for
 * $0.15 an hour is 2.4 * 10^16 bytes for $1; at $0.34 it is 1.1, an RTX 5090 for $0.69 0.9, an H100 for $1.99 0.6.
 * Bought for $1,600 and used up in three years, at 450 W and $0.12/kWh, it costs $0.115 an hour: 3.2. 2.5 is taken:
 * about 2.6 times cheaper than what hashcat does on a card for $0.34.
 *
 * Not in it: hardware made for it, and trading memory for computing, which takes at best 1.3 from memory times time,
 * or 2.1 with one pass (RFC 9106, 7.2). */
#define USD_PER_BYTE 4e-17 /* 1 / (2.5 * 10^16) */

const char audit_model_text[] =
    "What guessing costs is an estimate: each guess moves the memory of the key derivation, 3 times for each "
    "pass less 1, an attacker pays 1 US dollar to move 2.5 * 10^16 bytes (the cheapest graphics cards to rent in "
    "2026, at full speed), and finds the passphrase after half of all guesses. Hardware made for it would be "
    "cheaper by some factor, and prices fall. Six words drawn by dice from a list of 7,776 have 77 bits; what "
    "people make up seldom has 40.";

const int audit_guess_bits[AUDIT_GUESSES] = {30, 40, 50, 60};
#define AUDIT_JUDGED_GUESS 1 /* 40 bits */
/* Up to the end of the second header copy and the superblocks behind it: docs/format.md. */
#define CONTAINER_MIN_BYTES ((16ull << 20) + (512ull << 10))
/* Below it, guessing what people make up is worth anybody's while. */
#define AUDIT_RISKY_USD 1000.0
static void add_reason(struct audit_volume *volume, enum audit_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add_reason(struct audit_volume *volume, enum audit_verdict verdict, const char *format, ...) {
  if (verdict > volume->verdict)
    volume->verdict = verdict;
  if (volume->reason_count == AUDIT_REASONS_MAX)
    return;
  va_list args;
  va_start(args, format);
  (void)vsnprintf(volume->reasons[volume->reason_count++], AUDIT_REASON_BYTES, format, args);
  va_end(args);
}

static double guess_usd(const struct nacre_kdf_cost *kdf, int bits) {
  double guesses = 0.5;
  for (int i = 0; i < bits; i++)
    guesses *= 2;
  /* A record may say 0 passes. */
  const double moves = kdf->passes > 0 ? 3.0 * kdf->passes - 1 : 0;
  return guesses * moves * (double)kdf->memory_bytes * USD_PER_BYTE;
}

/* A key file has to be had, so that a passphrase alone is what is guessed. */
static void judge_guessing(struct audit_volume *volume) {
  for (int slot = 0; slot < NACRE_SLOTS_MAX; slot++) {
    const struct nacre_public_slot *s = &volume->seen.info.slots[slot];
    if (s->kind != NACRE_SLOT_PASSPHRASE)
      continue;
    for (int i = 0; i < AUDIT_GUESSES; i++) {
      const double usd = guess_usd(&s->kdf, audit_guess_bits[i]);
      if (!volume->guessable || usd < volume->guess_usd[i])
        volume->guess_usd[i] = usd;
    }
    volume->guessable = true;
    char usd[AUDIT_USD_BYTES], text[SLOT_TEXT_BYTES];
    const double price = guess_usd(&s->kdf, audit_guess_bits[AUDIT_JUDGED_GUESS]);
    if (price < AUDIT_RISKY_USD)
      add_reason(volume, AUDIT_AT_RISK, "slot %d: guessing a passphrase of %d bits costs %s; raise its cost (%s)",
                 slot, audit_guess_bits[AUDIT_JUDGED_GUESS], audit_usd_text(price, usd),
                 slot_text(s->kind, &s->kdf, text));
    else if (kdf_is_low(&s->kdf))
      add_reason(volume, AUDIT_WEAK, "slot %d: %s is less than the 64 MiB and 3 passes that are recommended today",
                 slot, slot_text(s->kind, &s->kdf, text));
  }
}

static bool has_kind(const struct audit_volume *volume, enum nacre_slot_kind kind) {
  for (int slot = 0; slot < NACRE_SLOTS_MAX; slot++)
    if (volume->seen.info.slots[slot].kind == kind)
      return true;
  return false;
}

static bool has_any(const struct audit_volume *volume) {
  for (int slot = 0; slot < NACRE_SLOTS_MAX; slot++)
    if (volume->seen.info.slots[slot].kind != NACRE_SLOT_EMPTY)
      return true;
  return false;
}

static void judge_volume(struct audit_volume *volume) {
  volume->recovery = has_kind(volume, NACRE_SLOT_RECOVERY);
  volume->escrow = has_kind(volume, NACRE_SLOT_ESCROW);
  if (volume->seen.problem[0] != '\0') {
    add_reason(volume, AUDIT_AT_RISK, "its header can't be used: %s", volume->seen.problem);
    return;
  }
  if (volume->seen.origin == PUBLIC_BACKUP)
    add_reason(volume, AUDIT_WEAK,
               "a backup of a header: with the volume, it opens by the credentials of its time, also "
               "by those removed since");
  const bool cut = volume->seen.origin == PUBLIC_CONTAINER && volume->seen.info.container_bytes < CONTAINER_MIN_BYTES;
  if (cut)
    add_reason(volume, AUDIT_AT_RISK, "it is cut short: what is left can't be opened");
  if (volume->seen.origin != PUBLIC_BACKUP && !cut && volume->seen.info.header_copies_valid < 2)
    add_reason(volume, AUDIT_AT_RISK,
               "one of the two copies of its header is destroyed; opening it once for writing "
               "mends that");
  if (volume->seen.info.header_copies_valid == 2 && !volume->seen.info.header_copies_equal)
    add_reason(volume, AUDIT_AT_RISK,
               "the two copies of its header differ: one is damaged, or a change broke off%s; opening it once for "
               "writing mends that",
               volume->seen.info.in_use ? ", or is being made right now" : "");
  if (!has_any(volume))
    add_reason(volume, AUDIT_AT_RISK, "it has no credential: nobody can open it");
  judge_guessing(volume);
  if (volume->seen.origin != PUBLIC_BACKUP && !volume->recovery && !volume->escrow)
    add_reason(volume, AUDIT_WEAK,
               "neither a recovery key nor an escrow recipient: a forgotten passphrase or a lost key "
               "is the end of it");
}

/* Two records of one path are of one place. */
static bool is_copy(const struct audit_volume *a, const struct audit_volume *b) {
  const char *one = a->record ? a->name : a->path, *other = b->record ? b->name : b->path;
  return a->seen.origin == PUBLIC_CONTAINER && b->seen.origin == PUBLIC_CONTAINER && public_view_has_id(&a->seen) &&
         memcmp(a->seen.info.volume_id, b->seen.info.volume_id, sizeof a->seen.info.volume_id) == 0 && one != NULL &&
         other != NULL && strcmp(one, other) != 0;
}

/* A copy is not reached by what is done to the other one's credentials. */
static void judge_copies(struct audit *audit) {
  for (size_t i = 0; i < audit->count; i++) {
    struct audit_volume *volume = &audit->list[i];
    size_t copies = 0;
    for (size_t j = 0; j < audit->count; j++)
      copies += is_copy(volume, &audit->list[j]);
    if (copies > 0)
      add_reason(volume, AUDIT_WEAK,
                 "the same volume is at %zu other place%s: a credential that is removed from one "
                 "still opens the others",
                 copies, copies == 1 ? "" : "s");
  }
}

static int by_path(const void *a, const void *b) {
  const struct audit_volume *left = a, *right = b;
  return strcmp(left->path, right->path);
}

void audit_judge(struct audit *audit) {
  if (audit->count > 0)
    qsort(audit->list, audit->count, sizeof audit->list[0], by_path);
  size_t kept = 0;
  for (size_t i = 0; i < audit->count; i++) {
    struct audit_volume *volume = &audit->list[i];
    /* Named twice, also by a folder and one beneath it. */
    if (kept > 0 && strcmp(audit->list[kept - 1].path, volume->path) == 0) {
      free(volume->path);
      free(volume->name);
      public_view_free(&volume->seen);
      continue;
    }
    judge_volume(volume);
    if (kept != i)
      audit->list[kept] = *volume;
    kept++;
  }
  audit->count = kept;
  judge_copies(audit);
}

/* ---- Words ---- */

const char *audit_verdict_text(enum audit_verdict verdict) {
  static const char *const texts[] = {"good", "weak", "at risk"};
  return texts[verdict];
}

const char *audit_usd_text(double usd, char text[AUDIT_USD_BYTES]) {
  static const char *const names[] = {"", " thousand", " million", " billion", " trillion"};
  size_t name = 0;
  while (usd >= 1000 && name + 1 < sizeof names / sizeof names[0]) {
    usd /= 1000;
    name++;
  }
  if (usd >= 1000)
    (void)snprintf(text, AUDIT_USD_BYTES, "more than there is");
  else if (usd < 1)
    (void)snprintf(text, AUDIT_USD_BYTES, "less than $1");
  else
    (void)snprintf(text, AUDIT_USD_BYTES, "$%.*f%s", usd < 10 ? 1 : 0, usd, names[name]);
  return text;
}
