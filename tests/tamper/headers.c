/* Two header copies that are both authentic, of which one does not go with the content: the twin of a change of the
 * keyslots that was cut, with the sequence that the next change took too, or the header of another volume that the
 * same credential opens. The volume opens as with its own copy alone, for nobody else, and makes the other anew. */
#include "support/disk.h"
#include "support/dump.h"
#include "support/prng.h"
#include "support/report.h"
#include "support/vault.h"

#include <string.h>

#define SIZE_BYTES (24u << 20)
#define GROUP_1_OFFSET (16u << 20)
#define HEADER_BYTES (256u << 10)
#define KEYS 5u
#define CHANGES 4u

struct headers {
  nacre_credential *keys[KEYS]; /* the last one opens nothing */
  struct disk before, disk;
  struct disk after[CHANGES]; /* `before` with one change of its keyslots */
  unsigned opens[CHANGES];    /* which keys do then: a bit each */
  unsigned long cases, tried; /* derivations */
};

static struct vault vault_of(struct headers *h, struct disk *disk, unsigned key) {
  return (struct vault){.ops = &disk_ops, .ctx = disk, .cred = h->keys[key]};
}

static void count_tries(void *arg, const char *phase, uint64_t done, uint64_t total) {
  struct headers *h = arg;
  (void)done;
  (void)total;
  h->tried += strcmp(phase, "keyslots") == 0;
}

/* The volume's to free. */
static bool give_key(void *arg, int attempt, nacre_credential **out) {
  const unsigned *key = arg;
  (void)attempt;
  *out = vault_key((uint8_t)(*key + 1));
  return true;
}

/* Who only reads is asked for the key, which is needed for both copies. */
static enum nacre_err open_with(struct headers *h, struct disk *disk, unsigned key, bool read_only,
                                nacre_volume **out) {
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = disk};
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .read_only = read_only,
                                             .memory_bytes = 8u << 20,
                                             .commit_interval_ms = 3600000,
                                             .ask = give_key,
                                             .ask_arg = &key,
                                             .ask_attempts = 1,
                                             .progress = count_tries,
                                             .progress_arg = h};
  h->tried = 0;
  *out = NULL;
  return nacre_volume_open(&target, &options, read_only ? NULL : h->keys[key], out);
}

/* ---- Making ---- */

static void make_volume(struct headers *h, struct disk *disk, const char *name, unsigned changes) {
  const struct vault vault = vault_of(h, disk, 0);
  nacre_volume *vol;
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(nacre_mkdir(vol, name, 0700, NULL), "making a folder");
  for (unsigned i = 0; i < changes; i++)
    report_must(nacre_slot_change(vol, 0, h->keys[0], NULL, NULL), "changing a slot");
  report_must(nacre_volume_close(vol), "closing it");
}

/* Key 1 comes; key 0 becomes key 2; or key 3, which was there, goes; or nothing changes but the bytes. */
static void change(struct headers *h, unsigned which, nacre_volume *vol) {
  uint32_t slot;
  if (which == 0)
    report_must(nacre_slot_add(vol, h->keys[1], NULL, NULL, &slot), "adding a slot");
  else if (which == 1)
    report_must(nacre_slot_change(vol, 0, h->keys[2], NULL, NULL), "changing a slot");
  else if (which == 2)
    report_must(nacre_slot_remove(vol, 1, false), "removing a slot");
  else
    report_must(nacre_slot_change(vol, 0, h->keys[0], NULL, NULL), "changing a slot to itself");
}

static void make(struct headers *h) {
  static const unsigned opens[CHANGES] = {1 | 2 | 8, 4 | 8, 1, 1 | 8};
  const struct vault vault = vault_of(h, &h->before, 0);
  nacre_volume *vol;
  uint32_t slot;
  make_volume(h, &h->before, "ours", 0);
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(nacre_slot_add(vol, h->keys[3], NULL, NULL, &slot), "adding a slot");
  report_must(nacre_volume_close(vol), "closing it");
  for (unsigned which = 0; which < CHANGES; which++) {
    struct disk *disk = &h->after[which];
    const struct vault changed = vault_of(h, disk, 0);
    disk_init(disk, SIZE_BYTES);
    disk_copy(&h->before, disk);
    report_must(vault_open(&changed, false, &vol), "opening it");
    change(h, which, vol);
    report_must(nacre_volume_close(vol), "closing it");
    h->opens[which] = opens[which];
  }
}

/* ---- Looking ---- */

static void put_header(struct headers *h, const struct disk *from, unsigned from_copy, unsigned copy) {
  if (disk_write(&h->disk, from->bytes + from_copy * (size_t)GROUP_1_OFFSET, HEADER_BYTES,
                 copy * (uint64_t)GROUP_1_OFFSET) != 0)
    report_fail("the test writes past the end");
}

static void check_opened(nacre_volume *vol) {
  char message[DUMP_MESSAGE_BYTES];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  report_must(nacre_lstat(vol, "ours", &attr), "looking at its folder");
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify: %s", message);
}

/* Who may open it does, whichever copy he meets first, and nobody else; each on what there was. */
static void check_keys(struct headers *h, unsigned opens) {
  for (unsigned key = 0; key < KEYS; key++)
    for (unsigned read_only = 0; read_only < 2; read_only++) {
      size_t level = disk_level(&h->disk);
      nacre_volume *vol;
      enum nacre_err err = open_with(h, &h->disk, key, read_only != 0, &vol);
      if ((err == NACRE_OK) != (opens >> key & 1))
        report_fail("key %u is answered with: %s (%s)", key, nacre_last_error(), nacre_strerror(err));
      if (err != NACRE_OK && err != NACRE_ERR_CREDENTIAL && err != NACRE_ERR_ROLLED_BACK)
        report_fail("key %u is refused as: %s", key, nacre_strerror(err));
      if (err != NACRE_OK && disk_level(&h->disk) != level)
        report_fail("key %u is refused, and something was written", key);
      if (err == NACRE_OK) {
        check_opened(vol);
        nacre_volume_abandon(vol);
      }
      disk_rewind_to(&h->disk, level);
    }
}

/* Both copies are as one after an opening that writes, and after a change; either is enough then. */
static void check_writing(struct headers *h, unsigned key) {
  static uint8_t noise[HEADER_BYTES];
  nacre_volume *vol;
  uint32_t slot;
  for (unsigned changes = 0; changes < 2; changes++) {
    report_must(open_with(h, &h->disk, key, false, &vol), "opening it to write");
    if (changes > 0)
      report_must(nacre_slot_add(vol, h->keys[4], NULL, NULL, &slot), "adding a slot");
    report_must(nacre_volume_close(vol), "closing it");
    if (memcmp(h->disk.bytes, h->disk.bytes + GROUP_1_OFFSET, HEADER_BYTES) != 0)
      report_fail("the copies differ still (%u changes)", changes);
  }
  for (unsigned copy = 0; copy < 2; copy++) {
    size_t level = disk_level(&h->disk);
    (void)disk_write(&h->disk, noise, sizeof noise, copy * (uint64_t)GROUP_1_OFFSET);
    for (unsigned k = 0; k < KEYS; k += 4) {
      if (k == 0 && key != 0)
        continue;
      report_must(open_with(h, &h->disk, k, true, &vol), "opening it with one copy");
      check_opened(vol);
      nacre_volume_abandon(vol);
    }
    disk_rewind_to(&h->disk, level);
  }
}

static unsigned first_of(unsigned keys) {
  unsigned key = 0;
  while (!(keys >> key & 1))
    key++;
  return key;
}

static void check(struct headers *h, unsigned opens) {
  report_watchdog(30);
  check_keys(h, opens);
  check_writing(h, first_of(opens));
  disk_rewind(&h->disk);
  h->cases++;
}

/* ---- Cases ---- */

static void test_twins(struct headers *h) {
  for (unsigned real = 0; real < CHANGES; real++)
    for (unsigned twin = 0; twin < CHANGES; twin++)
      for (unsigned copy = 0; copy < 2; copy++) {
        if (real == twin)
          continue;
        report_at("copy %u is the twin of change %u, the content goes with change %u", copy, twin, real);
        disk_copy(&h->after[real], &h->disk);
        disk_mark(&h->disk);
        put_header(h, &h->after[twin], copy, copy);
        check(h, h->opens[real]);
      }
  report_ok("%lu twins: the copy that the superblock names opens, for its keys alone, and the other becomes it",
            h->cases);
}

/* Its sequence is lower, equal and higher. */
static void test_strangers(struct headers *h) {
  h->cases = 0;
  for (unsigned changes = 0; changes < 4; changes++) {
    struct disk other;
    disk_init(&other, SIZE_BYTES);
    make_volume(h, &other, "theirs", changes);
    for (unsigned copy = 0; copy < 2; copy++) {
      report_at("copy %u is another volume's, %u changes old", copy, changes);
      disk_copy(&h->before, &h->disk);
      disk_mark(&h->disk);
      put_header(h, &other, copy, copy);
      check(h, 1 | 8);
    }
    disk_free(&other);
  }
  report_ok("%lu headers of another volume with the same key: this one opens, and has its own header again",
            h->cases);
}

/* Where the second try can't help, none is made, and what was wrong at first is said. */
static void test_no_help(struct headers *h) {
  nacre_volume *vol;
  report_at("no superblock, and a bit of a copy flipped");
  disk_copy(&h->before, &h->disk);
  report_must(open_with(h, &h->disk, 0, true, &vol), "opening it as it is");
  unsigned long usual = h->tried;
  nacre_volume_abandon(vol);
  disk_mark(&h->disk);
  for (unsigned slot = 0; slot < 8; slot++)
    memset(h->disk.bytes + slot % 2 * (size_t)GROUP_1_OFFSET + HEADER_BYTES + slot / 2 * ((size_t)64 << 10), 0, 4096);
  h->disk.bytes[GROUP_1_OFFSET + 200000] ^= 1;
  if (open_with(h, &h->disk, 0, false, &vol) != NACRE_ERR_DAMAGED || !strstr(nacre_last_error(), "superblock"))
    report_fail("it is answered with: %s", nacre_last_error());
  if (h->tried != usual)
    report_fail("%lu slots were tried, not %lu", h->tried, usual);
  report_at("twins, and the superblock names neither");
  disk_copy(&h->after[0], &h->disk);
  put_header(h, &h->after[2], 0, 0);
  put_header(h, &h->after[3], 1, 1);
  if (open_with(h, &h->disk, 0, false, &vol) != NACRE_ERR_ROLLED_BACK)
    report_fail("it is answered with: %s", nacre_last_error());
  report_at("both copies are older than the superblock demands");
  disk_copy(&h->after[0], &h->disk);
  put_header(h, &h->before, 0, 0);
  put_header(h, &h->before, 1, 1);
  if (open_with(h, &h->disk, 0, false, &vol) != NACRE_ERR_ROLLED_BACK)
    report_fail("it is answered with: %s", nacre_last_error());
  report_ok("where neither copy helps, the first one's error is told, and nothing is derived twice");
}

int main(void) {
  static struct headers h;
  vault_setup();
  for (uint8_t i = 0; i < KEYS; i++)
    h.keys[i] = vault_key((uint8_t)(i + 1));
  disk_init(&h.before, SIZE_BYTES);
  disk_init(&h.disk, SIZE_BYTES);
  make(&h);
  test_twins(&h);
  test_strangers(&h);
  test_no_help(&h);
  for (unsigned i = 0; i < CHANGES; i++)
    disk_free(&h.after[i]);
  disk_free(&h.before);
  disk_free(&h.disk);
  for (unsigned i = 0; i < KEYS; i++)
    nacre_credential_free(h.keys[i]);
  return 0;
}
