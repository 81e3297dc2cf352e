/* Make a golden volume: `make CIPHER CONTAINER MANIFEST`. Clock and random numbers are fixed, so that the same
 * program makes the same bytes again, and a change of them is a change of the format or of what the library writes.
 */
#include "golden/golden.h"

#include "base/env.h"
#include "support/report.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t draws, moments;
static bool fixed;

/* ---- Random numbers and time that are none ---- */

static const char *fake_name(void) {
  return "golden";
}

static void fake_buf(void *const buf, const size_t len) {
  uint8_t seed[randombytes_SEEDBYTES] = {0};
  uint8_t *bytes = buf;
  if (fixed) {
    for (size_t i = 0; i < len; i++)
      bytes[i] = (uint8_t)i;
    return;
  }
  draws++;
  memcpy(seed, &draws, sizeof draws);
  randombytes_buf_deterministic(buf, len, seed);
}

static uint32_t fake_random(void) {
  uint32_t number;
  fake_buf(&number, sizeof number);
  return number;
}

static struct randombytes_implementation fake = {
    .implementation_name = fake_name, .random = fake_random, .buf = fake_buf};

static void fix_random(bool on) {
  fixed = on;
}

static struct nacre_time fake_clock(void) {
  moments++;
  return (struct nacre_time){.s = 1767225600 + (int64_t)(moments / 1000), .ns = (uint32_t)(moments % 1000 * 1000001)};
}

/* ---- Making ---- */

static enum nacre_cipher cipher_of(const char *name) {
  for (int cipher = NACRE_CIPHER_AES_256_GCM; cipher <= NACRE_CIPHER_AEGIS_256; cipher++)
    if (strcmp(nacre_cipher_name((enum nacre_cipher)cipher), name) == 0)
      return (enum nacre_cipher)cipher;
  report_fail("no cipher %s", name);
}

static void create(struct disk *disk, enum nacre_cipher cipher) {
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = disk};
  const struct nacre_create_options options = {.struct_size = sizeof options,
                                               .size_bytes = GOLDEN_LIMIT_BYTES,
                                               .cipher = cipher,
                                               .chunk_bytes = GOLDEN_CHUNK_BYTES,
                                               .kdf = {NACRE_KDF_MEMORY_MIN_BYTES, 1, 1},
                                               .label = "golden",
                                               .slot_name = "first",
                                               .root_uid = 1000,
                                               .root_gid = 100,
                                               .root_mode = 0755};
  nacre_credential *cred = golden_credential(0);
  report_must(nacre_create(&target, &options, cred), "creating");
  nacre_credential_free(cred);
}

static nacre_volume *open_volume(struct disk *disk) {
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = disk};
  const struct nacre_open_options options = {.struct_size = sizeof options};
  nacre_credential *cred = golden_credential(0);
  nacre_volume *vol;
  report_must(nacre_volume_open(&target, &options, cred, &vol), "opening");
  nacre_credential_free(cred);
  return vol;
}

static void add_slots(nacre_volume *vol) {
  const struct nacre_kdf_cost cost = {NACRE_KDF_MEMORY_MIN_BYTES + 4096, 2, 3};
  static const char longest[] = "a name of 63 bytes, which is the longest that a slot's can be..";
  uint32_t index;
  for (unsigned slot = 1; slot < GOLDEN_SLOTS; slot++) {
    nacre_credential *cred = golden_maker(slot);
    report_must(nacre_slot_add(vol, cred, &cost, slot == 1 ? longest : NULL, &index), "adding a slot");
    if (slot == 2) { /* which leaves an empty one in the end, and a gap meanwhile */
      report_must(nacre_slot_add(vol, cred, &cost, "to be removed", &index), "adding a slot");
      report_must(nacre_slot_remove(vol, index, false), "removing a slot");
    }
    nacre_credential_free(cred);
  }
}

/* An orphan of two extents with an attribute, as it stands while a file is open that has lost its name. */
static nacre_file *make_orphan(nacre_volume *vol) {
  static const char data[20000] = "orphan";
  nacre_file *file;
  report_must(nacre_open(vol, "orphan", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "an orphan");
  report_must(nacre_setxattr(vol, "orphan", "user.orphan", "yes", 3, 0), "an orphan's attribute");
  report_must(nacre_write(file, data, sizeof data, 0), "an orphan");
  report_must(nacre_unlink(vol, "orphan"), "an orphan");
  return file;
}

static void save(const char *path, const void *bytes, size_t len) {
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
    report_fail("cannot write %s", path);
}

int main(int argc, char **argv) {
  struct disk disk;
  if (argc != 4)
    return 2;
  if (randombytes_set_implementation(&fake) != 0)
    report_fail("libsodium takes no random numbers");
  env_set_clock(fake_clock);
  enum nacre_cipher cipher = cipher_of(argv[1]);
  if (!nacre_cipher_available(cipher)) {
    printf("skip - %s: not in this build\n", argv[1]);
    return 77;
  }
  disk_init(&disk, GOLDEN_LIMIT_BYTES);
  create(&disk, cipher);
  nacre_volume *vol = open_volume(&disk);
  add_slots(vol);
  report_must(nacre_volume_close(vol), "closing"); /* the next opening is another branch of the lineage */
  vol = open_volume(&disk);
  golden_fill(vol, fix_random);
  nacre_file *orphan = make_orphan(vol);
  report_must(nacre_volume_sync(vol), "the last commit");
  char *list = golden_list(vol);
  save(argv[2], disk.bytes, disk.size_bytes);
  save(argv[3], list, strlen(list));
  free(list);
  nacre_close(orphan);
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&disk);
  return 0;
}
