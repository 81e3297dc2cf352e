#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/aead.h"
#include "format/header.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdlib.h>

#define SEALED_OFFSET 233472u
#define SEALED_END (SEALED_OFFSET + 4096u)
#define MAC_OFFSET (FORMAT_HEADER_BYTES - 32u)

struct fixture {
  struct header h;
  struct header_sealed *sealed, *opened;
  uint8_t master_key[32];
  uint8_t *raw;
};

static int make_fixture(void **state) {
  if (env_start() != NACRE_OK)
    return -1;
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  f->raw = malloc(FORMAT_HEADER_BYTES);
  f->sealed = secmem_alloc(sizeof *f->sealed);
  f->opened = secmem_alloc(sizeof *f->opened);
  env_random(f->master_key, sizeof f->master_key);
  env_random(f->h.volume_id, sizeof f->h.volume_id);
  f->h.version = FORMAT_VERSION;
  f->h.cipher = NACRE_CIPHER_XCHACHA20_POLY1305;
  f->h.sequence = 7;
  strcpy(f->h.label, "holiday pictures");
  struct keyslot *slot = &f->h.slots[3];
  env_random(slot, sizeof *slot);
  slot->kind = NACRE_SLOT_PASSPHRASE;
  slot->cost = (struct nacre_kdf_cost){.memory_bytes = 64u << 20, .passes = 3, .lanes = 4};
  slot->body_len = 0;
  slot = &f->h.slots[4];
  env_random(slot, sizeof *slot);
  slot->kind = NACRE_SLOT_UNATTENDED;
  slot->cost = (struct nacre_kdf_cost){0};
  slot->body_len = 1000;
  slot = &f->h.slots[30];
  env_random(slot, sizeof *slot);
  slot->kind = NACRE_SLOT_ESCROW;
  slot->cost = (struct nacre_kdf_cost){0};
  slot->body_len = FORMAT_SLOT_BODY_MAX_BYTES;
  slot = &f->h.slots[31];
  env_random(slot, sizeof *slot);
  slot->kind = NACRE_SLOT_RAW_KEY;
  slot->cost = (struct nacre_kdf_cost){0};
  slot->body_len = 0;

  env_random(f->sealed->identity_secret, sizeof f->sealed->identity_secret);
  f->sealed->current_epoch = 2;
  f->sealed->epochs[0].epoch = 2;
  f->sealed->epochs[5].epoch = 1;
  f->sealed->epochs[0].cipher = f->h.cipher;
  f->sealed->epochs[5].cipher = NACRE_CIPHER_AEGIS_256;
  env_random(f->sealed->epochs[0].volume_key, 32);
  env_random(f->sealed->epochs[5].volume_key, 32);
  env_random(f->sealed->slots[3].public_key, 32);
  f->sealed->slots[3].created_s = -5;
  strcpy(f->sealed->slots[3].name, "laptop");
  return header_encode(&f->h, f->sealed, f->master_key, f->raw) == NACRE_OK ? 0 : -1;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  secmem_free(f->sealed);
  secmem_free(f->opened);
  free(f->raw);
  free(f);
  return 0;
}

static void assert_slots_equal(const struct keyslot *a, const struct keyslot *b) {
  assert_int_equal(a->kind, b->kind);
  assert_true(a->cost.memory_bytes == b->cost.memory_bytes);
  assert_int_equal(a->cost.passes, b->cost.passes);
  assert_int_equal(a->cost.lanes, b->cost.lanes);
  assert_memory_equal(a->salt, b->salt, sizeof a->salt);
  assert_memory_equal(a->commitment, b->commitment, sizeof a->commitment);
  assert_memory_equal(a->wrap_nonce, b->wrap_nonce, sizeof a->wrap_nonce);
  assert_memory_equal(a->wrapped_secret, b->wrapped_secret, sizeof a->wrapped_secret);
  assert_memory_equal(a->sealed_master, b->sealed_master, sizeof a->sealed_master);
  assert_int_equal(a->body_len, b->body_len);
  assert_memory_equal(a->body, b->body, b->body_len);
}

/* A length that runs out of the slot, a body of a kind that has none, none of a kind that has one. */
static void test_bad_bodies(void **state) {
  struct fixture *f = *state;
  static const struct {
    unsigned slot;
    uint32_t len;
    enum nacre_err err;
  } cases[] = {{3, 1, NACRE_ERR_DAMAGED},
               {31, 1, NACRE_ERR_DAMAGED},
               {4, 0, NACRE_ERR_DAMAGED},
               {4, 1, NACRE_OK},
               {4, FORMAT_SLOT_BODY_MAX_BYTES, NACRE_OK},
               {4, FORMAT_SLOT_BODY_MAX_BYTES + 1, NACRE_ERR_DAMAGED},
               {30, UINT32_MAX, NACRE_ERR_DAMAGED},
               {5, UINT32_MAX, NACRE_OK}}; /* empty: random bytes */
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct header back;
    uint8_t *field = f->raw + 4096 + (size_t)cases[i].slot * 7168 + 216;
    uint32_t was = le32_get(field);
    le32_put(field, cases[i].len);
    assert_int_equal(header_decode(f->raw, &back), cases[i].err);
    le32_put(field, was);
  }
}

static void test_round_trip(void **state) {
  struct fixture *f = *state;
  struct header back;
  assert_int_equal(header_decode(f->raw, &back), NACRE_OK);
  assert_int_equal(back.version, f->h.version);
  assert_int_equal(back.cipher, f->h.cipher);
  assert_true(back.sequence == 7 && back.incompat == 0);
  assert_memory_equal(back.volume_id, f->h.volume_id, 16);
  assert_string_equal(back.label, "holiday pictures");
  for (size_t i = 0; i < FORMAT_SLOTS; i++) {
    if (f->h.slots[i].kind == NACRE_SLOT_EMPTY)
      assert_int_equal(back.slots[i].kind, NACRE_SLOT_EMPTY);
    else
      assert_slots_equal(&back.slots[i], &f->h.slots[i]);
  }
  assert_int_equal(header_open_sealed(f->raw, f->master_key, f->opened), NACRE_OK);
  assert_memory_equal(f->opened->identity_secret, f->sealed->identity_secret, 32);
  assert_int_equal(f->opened->current_epoch, 2);
  assert_int_equal(f->opened->epochs[5].epoch, 1);
  assert_memory_equal(f->opened->epochs[0].volume_key, f->sealed->epochs[0].volume_key, 32);
  assert_memory_equal(f->opened->epochs[5].volume_key, f->sealed->epochs[5].volume_key, 32);
  assert_memory_equal(f->opened->slots[3].public_key, f->sealed->slots[3].public_key, 32);
  assert_true(f->opened->slots[3].created_s == -5);
  assert_string_equal(f->opened->slots[3].name, "laptop");
}

/* The places that docs/format.md gives. */
static void test_documented_offsets(void **state) {
  struct fixture *f = *state;
  const uint8_t *entry = f->raw + 112 + 3 * 24, *area = f->raw + 4096 + 3 * 7168;
  assert_memory_equal(f->raw, "nacre\r\n\x1a", 8);
  assert_int_equal(le32_get(f->raw + 8), FORMAT_VERSION);
  assert_int_equal(le32_get(f->raw + 12), NACRE_CIPHER_XCHACHA20_POLY1305);
  assert_memory_equal(f->raw + 16, f->h.volume_id, 16);
  assert_true(le64_get(f->raw + 40) == 7);
  assert_string_equal((const char *)f->raw + 48, "holiday pictures");
  assert_int_equal(le32_get(entry), NACRE_SLOT_PASSPHRASE);
  assert_int_equal(le32_get(entry + 4), 4);
  assert_int_equal(le32_get(entry + 8), 3);
  assert_true(le64_get(entry + 16) == 64u << 20);
  assert_true(bytes_all_zero(f->raw + 880, 4096 - 880));
  assert_memory_equal(area, f->h.slots[3].salt, 32);
  assert_memory_equal(area + 32, f->h.slots[3].commitment, 32);
  assert_memory_equal(area + 64, f->h.slots[3].wrap_nonce, 24);
  assert_memory_equal(area + 88, f->h.slots[3].wrapped_secret, 48);
  assert_memory_equal(area + 136, f->h.slots[3].sealed_master, 80);
  assert_int_equal(le32_get(area + 216), 0);
  assert_int_equal(le32_get(area + 7168 + 216), 1000);
  assert_memory_equal(area + 7168 + 220, f->h.slots[4].body, 1000);
}

static void test_every_writing_draws_new_bytes(void **state) {
  struct fixture *f = *state;
  uint8_t *again = malloc(FORMAT_HEADER_BYTES);
  assert_int_equal(header_encode(&f->h, f->sealed, f->master_key, again), NACRE_OK);
  assert_memory_equal(again, f->raw, 4096);
  assert_memory_not_equal(again + 4096, f->raw + 4096, 4096);                                 /* an empty slot */
  assert_memory_not_equal(again + 4096 + 3 * 7168 + 220, f->raw + 4096 + 3 * 7168 + 220, 64); /* behind a used one */
  assert_memory_not_equal(again + SEALED_OFFSET, f->raw + SEALED_OFFSET, 24);
  assert_memory_not_equal(again + SEALED_END, f->raw + SEALED_END, 64);
  free(again);
}

static void test_a_wrong_master_key_opens_nothing(void **state) {
  struct fixture *f = *state;
  f->master_key[31] ^= 1;
  assert_int_equal(header_open_sealed(f->raw, f->master_key, f->opened), NACRE_ERR_DAMAGED);
  assert_true(bytes_all_zero(f->opened->identity_secret, 32));
}

/* All of the public part, the sealed part's start and the MAC; a sample of the rest. Whatever decode makes of the
 * bytes, the MAC doesn't let them pass. */
static void test_every_flip_is_noticed(void **state) {
  struct fixture *f = *state;
  struct header back;
  for (size_t at = 0; at < FORMAT_HEADER_BYTES; at++) {
    bool dense = at < 1000 || (at >= SEALED_OFFSET && at < SEALED_OFFSET + 60) || at >= MAC_OFFSET;
    if (!dense && at % 997 != 0)
      continue;
    f->raw[at] ^= (uint8_t)(1u << at % 8);
    enum nacre_err err = header_decode(f->raw, &back);
    assert_true(err != NACRE_ERR_NOT_VOLUME || at < 8);
    assert_int_equal(header_open_sealed(f->raw, f->master_key, f->opened), NACRE_ERR_DAMAGED);
    f->raw[at] ^= (uint8_t)(1u << at % 8);
  }
  assert_int_equal(header_open_sealed(f->raw, f->master_key, f->opened), NACRE_OK);
}

static void test_decode_survives_random_bytes(void **state) {
  struct fixture *f = *state;
  struct header back;
  uint8_t public_part[1000];
  memcpy(public_part, f->raw, sizeof public_part);
  for (unsigned i = 0; i < 20000; i++) {
    uint32_t r[3];
    env_random(r, sizeof r);
    memcpy(f->raw, public_part, sizeof public_part);
    for (unsigned j = 0; j < 1 + i % 4; j++)
      f->raw[8 + (r[0] >> (8 * j)) % 880] = (uint8_t)(r[1] >> (8 * j));
    enum nacre_err err = header_decode(f->raw, &back);
    assert_true(err == NACRE_OK || err == NACRE_ERR_DAMAGED || err == NACRE_ERR_UNSUPPORTED);
    if (err != NACRE_OK)
      continue;
    assert_true(memchr(back.label, 0, sizeof back.label) != NULL);
    assert_true(aead_name(back.cipher) != NULL);
    for (size_t k = 0; k < FORMAT_SLOTS; k++)
      assert_true(back.slots[k].kind <= NACRE_SLOT_FIDO2);
  }
}

static void test_what_is_not_ours_or_too_new(void **state) {
  struct fixture *f = *state;
  struct header back;
  f->raw[0] = 'N';
  assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_NOT_VOLUME);
  memcpy(f->raw, FORMAT_MAGIC, 8);
  le32_put(f->raw + 8, FORMAT_VERSION + 1);
  assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_UNSUPPORTED);
  assert_int_equal(back.version, FORMAT_VERSION + 1);
  assert_memory_equal(back.volume_id, f->h.volume_id, 16);
  le32_put(f->raw + 8, FORMAT_VERSION);
  le32_put(f->raw + 12, 9);
  assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_UNSUPPORTED);
  assert_int_equal((int)back.cipher, 9);
  le32_put(f->raw + 12, NACRE_CIPHER_AUTO); /* never on disk: there is no "auto" or null cipher */
  assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_UNSUPPORTED);
  le32_put(f->raw + 12, NACRE_CIPHER_AES_256_GCM);
  le64_put(f->raw + 32, 1ull << 63);
  assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_UNSUPPORTED);
}

/* docs/format.md, section 4: what is sealed of empty slots and unused epochs is zero. */
static void test_unused_entries_are_zero(void **state) {
  struct fixture *f = *state;
  uint8_t *spoilt[] = {&f->sealed->epochs[3].volume_key[31], &f->sealed->slots[5].public_key[0],
                       (uint8_t *)&f->sealed->slots[5].created_s, (uint8_t *)&f->sealed->slots[29].name[0]};
  for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
    *spoilt[i] = 1;
    assert_int_equal(header_encode(&f->h, f->sealed, f->master_key, f->raw), NACRE_OK);
    assert_int_equal(header_open_sealed(f->raw, f->master_key, f->opened), NACRE_ERR_DAMAGED);
    *spoilt[i] = 0;
  }
  assert_int_equal(header_encode(&f->h, f->sealed, f->master_key, f->raw), NACRE_OK);
  assert_int_equal(header_open_sealed(f->raw, f->master_key, f->opened), NACRE_OK);
}

static void test_contradictions_are_damage(void **state) {
  struct fixture *f = *state;
  static const struct {
    size_t at;
    uint8_t value;
  } cases[] = {
      {40, 0},                 /* sequence 0 */
      {112, 9},                /* a slot of unknown kind */
      {112 + 3 * 24 + 3, 1},   /* the same, a big number */
      {112 + 4, 1},            /* costs of an empty slot */
      {112 + 31 * 24 + 8, 1},  /* passes of a raw key */
      {112 + 31 * 24 + 16, 1}, /* memory of a raw key */
      {112 + 12, 1},           /* reserved */
      {4095, 1},               /* reserved */
      {48 + 20, 'x'},          /* behind the label's end */
  };
  struct header back;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t was = f->raw[cases[i].at];
    f->raw[cases[i].at] = cases[i].value;
    assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_DAMAGED);
    f->raw[cases[i].at] = was;
  }
  memset(f->raw + 48, 'x', FORMAT_LABEL_BYTES);
  assert_int_equal(header_decode(f->raw, &back), NACRE_ERR_DAMAGED);
}

static void test_subkeys(void **state) {
  struct fixture *f = *state;
  uint8_t node[32], other[32];
  const struct header_epoch *epoch = &f->sealed->epochs[0];
  struct header_epoch changed = *epoch;
  header_volume_subkey(f->sealed, epoch, "node", node);
  header_volume_subkey(f->sealed, epoch, "node", other);
  assert_memory_equal(node, other, 32);
  header_volume_subkey(f->sealed, epoch, "data", other);
  assert_memory_not_equal(node, other, 32);
  changed.cipher++;
  header_volume_subkey(f->sealed, &changed, "node", other);
  assert_memory_not_equal(node, other, 32);
  changed = *epoch;
  changed.epoch++;
  header_volume_subkey(f->sealed, &changed, "node", other);
  assert_memory_not_equal(node, other, 32);
  uint8_t print[32];
  header_fingerprint(f->sealed, print);
  f->sealed->identity_secret[0] ^= 1;
  header_volume_subkey(f->sealed, epoch, "node", other);
  assert_memory_not_equal(node, other, 32);
  header_fingerprint(f->sealed, other);
  assert_memory_not_equal(print, other, 32);
}

#define WITH_HEADER(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_HEADER(test_round_trip),
      WITH_HEADER(test_documented_offsets),
      WITH_HEADER(test_bad_bodies),
      WITH_HEADER(test_every_writing_draws_new_bytes),
      WITH_HEADER(test_a_wrong_master_key_opens_nothing),
      WITH_HEADER(test_every_flip_is_noticed),
      WITH_HEADER(test_decode_survives_random_bytes),
      WITH_HEADER(test_what_is_not_ours_or_too_new),
      WITH_HEADER(test_contradictions_are_damage),
      WITH_HEADER(test_unused_entries_are_zero),
      WITH_HEADER(test_subkeys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
