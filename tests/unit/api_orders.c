/* Orders: keyslots of a volume that is open, changed by whoever can open a slot. */
#include "unit/api_fixture.h"
#include "unit/api_kinds.h"

static nacre_credential *raw_key(uint8_t byte) {
  uint8_t key[32];
  nacre_credential *cred;
  memset(key, byte, sizeof key);
  ok(nacre_credential_raw_key(key, &cred));
  return cred;
}

struct made {
  uint8_t bytes[NACRE_SLOT_ORDER_MAX_BYTES];
  size_t len;
};

static enum nacre_err make(struct api *a, const nacre_credential *opener, const struct nacre_slot_order *order,
                           struct made *m) {
  nacre_header *header = NULL;
  enum nacre_err err = nacre_header_unlock(&a->target, opener, NULL, &header);
  if (err == NACRE_OK)
    err = nacre_header_order(header, order, m->bytes, &m->len);
  nacre_header_free(header);
  return err;
}

static enum nacre_err apply(struct api *a, const struct made *m, uint32_t *index) {
  return nacre_slot_order_apply(a->vol, m->bytes, m->len, index);
}

static void test_add_change_remove(void **state) {
  struct api *a = *state;
  nacre_credential *second = raw_key(2), *third = raw_key(3);
  struct nacre_slot_order order = {
      .struct_size = sizeof order, .what = NACRE_SLOT_ADD, .cred = second, .name = "two"};
  struct nacre_slot_info infos[4] = {{.struct_size = sizeof infos[0]}};
  struct nacre_volume_info info = {.struct_size = sizeof info};
  struct nacre_header_info seen = {.struct_size = sizeof seen};
  nacre_header *header = NULL;
  size_t count = 4;
  uint32_t index = 9;
  struct made m;
  ok(make(a, a->cred, &order, &m));
  ok(apply(a, &m, &index));
  assert_int_equal(index, 1);
  ok(nacre_slot_test(&a->target, second, NULL, &index));
  assert_int_equal(apply(a, &m, &index), NACRE_ERR_IN_USE); /* once is enough */

  order = (struct nacre_slot_order){.struct_size = sizeof order, .what = NACRE_SLOT_CHANGE, .slot = 1, .cred = third};
  ok(make(a, second, &order, &m));
  ok(apply(a, &m, &index));
  assert_int_equal(nacre_slot_test(&a->target, second, NULL, &index), NACRE_ERR_CREDENTIAL);
  ok(nacre_header_unlock(&a->target, third, NULL, &header));
  ok(nacre_header_list(header, infos, &count));
  ok(nacre_header_get_info(header, &seen));
  assert_int_equal(count, 2);
  assert_int_equal(seen.slot, 1);
  assert_string_equal(infos[1].name, "two");
  ok(nacre_volume_get_info(a->vol, &info));
  assert_memory_equal(info.fingerprint, seen.fingerprint, 32);
  assert_memory_equal(info.volume_id, seen.volume_id, 16);
  nacre_header_free(header);

  order = (struct nacre_slot_order){.struct_size = sizeof order, .what = NACRE_SLOT_REMOVE, .slot = 0};
  ok(make(a, third, &order, &m));
  ok(apply(a, &m, &index));
  assert_int_equal(nacre_slot_test(&a->target, a->cred, NULL, &index), NACRE_ERR_CREDENTIAL);
  order.slot = 1;
  ok(make(a, third, &order, &m));
  assert_int_equal(apply(a, &m, &index), NACRE_ERR_WEAK);
  ok(nacre_slot_test(&a->target, third, NULL, &index));
  order.slot = 5;
  ok(make(a, third, &order, &m));
  assert_int_equal(apply(a, &m, &index), NACRE_ERR_NOT_FOUND);
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, NULL, third, &a->vol));
  nacre_credential_free(second);
  nacre_credential_free(third);
}

static void order_of(struct api *a, const nacre_credential *by, const struct nacre_slot_order *order,
                     uint32_t *index) {
  struct made m;
  ok(make(a, by, order, &m));
  ok(apply(a, &m, index));
}

/* Each kind in a slot of a volume that stays open: added, listed, opening, making orders, changed, removed, refused.
 */
static void test_each_kind(void **state) {
  struct api *a = *state;
  for (int kind = 1; kind <= KINDS; kind++) {
    nacre_credential *first = maker(kind, 1), *second = maker(kind, 2);
    nacre_credential *opens = opener(kind, 1), *later = opener(kind, 2);
    struct nacre_slot_order order = {
        .struct_size = sizeof order, .what = NACRE_SLOT_ADD, .cred = first, .kdf = &cheap, .name = "of a kind"};
    struct nacre_slot_info infos[2] = {{.struct_size = sizeof infos[0]}};
    uint32_t slot = 99, opened = 99;
    size_t count = 2;
    int64_t made_s;
    order_of(a, a->cred, &order, &slot);
    assert_int_equal(slot, 1);
    ok(nacre_slot_list(a->vol, infos, &count));
    assert_int_equal(count, 2);
    assert_int_equal(infos[1].kind, kind);
    assert_string_equal(infos[1].name, "of a kind");
    made_s = infos[1].created_s;
    assert_true(made_s > 0);
    ok(nacre_slot_test(&a->target, opens, NULL, &opened));
    assert_int_equal(opened, 1);
    /* By its own credential: another name, and nothing else. */
    order = (struct nacre_slot_order){
        .struct_size = sizeof order, .what = NACRE_SLOT_RENAME, .slot = 1, .name = "renamed"};
    order_of(a, opens, &order, &slot);
    ok(nacre_slot_list(a->vol, infos, &count));
    assert_string_equal(infos[1].name, "renamed");
    assert_int_equal(infos[1].created_s, made_s);
    assert_int_equal(infos[1].kind, kind);
    order = (struct nacre_slot_order){
        .struct_size = sizeof order, .what = NACRE_SLOT_CHANGE, .slot = 1, .cred = second, .kdf = &cheap};
    order_of(a, opens, &order, &slot);
    if (kind != NACRE_SLOT_ESCROW) /* whose recipient is the same */
      assert_int_equal(nacre_slot_test(&a->target, opens, NULL, &opened), NACRE_ERR_CREDENTIAL);
    ok(nacre_slot_test(&a->target, later, NULL, &opened));
    ok(nacre_slot_list(a->vol, infos, &count));
    assert_string_equal(infos[1].name, "renamed");
    order = (struct nacre_slot_order){.struct_size = sizeof order, .what = NACRE_SLOT_REMOVE, .slot = 1};
    order_of(a, later, &order, &slot);
    assert_int_equal(nacre_slot_test(&a->target, later, NULL, &opened), NACRE_ERR_CREDENTIAL);
    ok(nacre_slot_test(&a->target, a->cred, NULL, &opened));
    nacre_credential_free(first);
    nacre_credential_free(second);
    nacre_credential_free(opens);
    nacre_credential_free(later);
  }
}

static void test_full_of_all_kinds(void **state) {
  struct api *a = *state;
  struct nacre_slot_order order = {.struct_size = sizeof order, .what = NACRE_SLOT_ADD, .kdf = &cheap};
  nacre_header *header = NULL;
  struct made m;
  uint32_t slot;
  ok(nacre_header_unlock(&a->target, a->cred, NULL, &header));
  for (uint8_t i = 1; i <= NACRE_SLOTS_MAX; i++) {
    nacre_credential *cred = maker(i % KINDS + 1, i);
    order.cred = cred;
    ok(nacre_header_order(header, &order, m.bytes, &m.len));
    assert_int_equal(apply(a, &m, &slot), i < NACRE_SLOTS_MAX ? NACRE_OK : NACRE_ERR_TOO_LARGE);
    assert_true(i == NACRE_SLOTS_MAX || slot == i);
    nacre_credential_free(cred);
  }
  for (uint8_t i = 1; i < NACRE_SLOTS_MAX; i++) {
    nacre_credential *cred = opener(i % KINDS + 1, i);
    ok(nacre_slot_test(&a->target, cred, NULL, &slot));
    assert_true(slot == i || i % KINDS + 1 == NACRE_SLOT_ESCROW);
    nacre_credential_free(cred);
  }
  nacre_header_free(header);
}

static void test_names(void **state) {
  struct api *a = *state;
  nacre_credential *second = raw_key(2);
  struct nacre_slot_info infos[2] = {{.struct_size = sizeof infos[0]}};
  char longest[65];
  size_t count = 2;
  uint32_t slot;
  memset(longest, 'x', 64);
  longest[64] = '\0';
  ok(nacre_slot_add(a->vol, second, NULL, "one", &slot));
  assert_int_equal(nacre_slot_rename(a->vol, 1, longest), NACRE_ERR_NAME_TOO_LONG);
  assert_int_equal(nacre_slot_change(a->vol, 1, second, NULL, longest), NACRE_ERR_NAME_TOO_LONG);
  ok(nacre_slot_rename(a->vol, 1, longest + 1));
  ok(nacre_slot_list(a->vol, infos, &count));
  assert_string_equal(infos[1].name, longest + 1);
  ok(nacre_slot_change(a->vol, 1, second, NULL, "two"));
  ok(nacre_slot_list(a->vol, infos, &count));
  assert_string_equal(infos[1].name, "two"); /* and nothing of the longer one */
  ok(nacre_slot_rename(a->vol, 1, NULL));
  ok(nacre_slot_list(a->vol, infos, &count));
  assert_string_equal(infos[1].name, "");
  ok(nacre_slot_test(&a->target, second, NULL, &slot));
  assert_int_equal(nacre_slot_rename(a->vol, 2, "none there"), NACRE_ERR_NOT_FOUND);
  assert_int_equal(nacre_slot_rename(a->vol, NACRE_SLOTS_MAX, "x"), NACRE_ERR_ARGUMENT);
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, NULL, second, &a->vol));
  nacre_credential_free(second);
}

/* Whoever can't open the volume makes none, and none can be altered or carried over. */
static void test_forgeries(void **state) {
  struct api *a = *state;
  nacre_credential *second = raw_key(2);
  const struct nacre_slot_order order = {.struct_size = sizeof order, .what = NACRE_SLOT_ADD, .cred = second};
  uint32_t index;
  struct made m, other;
  struct api *b = NULL;
  assert_int_equal(make(a, second, &order, &m), NACRE_ERR_CREDENTIAL);
  ok(make(a, a->cred, &order, &m));
  for (size_t at = 0; at < m.len; at++) {
    m.bytes[at] ^= 0x10;
    enum nacre_err err = apply(a, &m, &index);
    assert_true(err == NACRE_ERR_CREDENTIAL || (at < 16 && err == NACRE_ERR_ARGUMENT));
    m.bytes[at] ^= 0x10;
  }
  for (size_t len = 0; len < m.len; len += 100)
    assert_int_equal(nacre_slot_order_apply(a->vol, m.bytes, len, &index), NACRE_ERR_ARGUMENT);
  assert_int_equal(api_make((void **)&b), 0); /* another volume under the same credential */
  ok(make(b, b->cred, &order, &other));
  assert_int_equal(apply(a, &other, &index), NACRE_ERR_CREDENTIAL);
  (void)api_free((void **)&b);
  assert_int_equal(nacre_slot_test(&a->target, second, NULL, &index), NACRE_ERR_CREDENTIAL);
  ok(apply(a, &m, &index)); /* as it was */
  nacre_credential_free(second);
}

static void test_made_before_a_change(void **state) {
  struct api *a = *state;
  nacre_credential *second = raw_key(2), *third = raw_key(3);
  const struct nacre_slot_order order = {.struct_size = sizeof order, .what = NACRE_SLOT_ADD, .cred = second};
  uint32_t index;
  struct made m;
  ok(make(a, a->cred, &order, &m));
  ok(nacre_slot_add(a->vol, third, NULL, NULL, &index));
  assert_int_equal(apply(a, &m, &index), NACRE_ERR_IN_USE);
  ok(make(a, a->cred, &order, &m));
  const struct nacre_rekey_options options = {.struct_size = sizeof options, .slots_only = true};
  ok(nacre_rekey(a->vol, &options, NULL));
  assert_int_equal(apply(a, &m, &index), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_slot_test(&a->target, second, NULL, &index), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(second);
  nacre_credential_free(third);
}

static void count_call(void *arg, const char *what, uint64_t done, uint64_t total) {
  (void)done;
  (void)total;
  *(unsigned *)arg += strcmp(what, "keyslots") == 0;
}

/* All that a header is asked comes from one derivation. */
static void test_unlocked_once(void **state) {
  struct api *a = *state;
  nacre_credential *second = raw_key(2), *third = raw_key(3);
  unsigned tried = 0;
  const struct nacre_unlock_options options = {
      .struct_size = sizeof options, .progress = count_call, .progress_arg = &tried};
  struct nacre_slot_order order = {.struct_size = sizeof order, .what = NACRE_SLOT_ADD, .cred = second};
  struct nacre_slot_info infos[4] = {{.struct_size = sizeof infos[0]}};
  uint8_t *copy = malloc(NACRE_HEADER_BYTES), *backup = malloc(NACRE_HEADER_BYTES);
  nacre_header *header = NULL;
  size_t count = 4;
  uint32_t index;
  struct made m;
  ok(nacre_header_unlock(&a->target, a->cred, &options, &header));
  ok(nacre_header_copy(header, copy));
  ok(nacre_header_backup(&a->target, a->cred, NULL, backup));
  assert_memory_equal(copy, backup, NACRE_HEADER_BYTES);
  ok(nacre_header_order(header, &order, m.bytes, &m.len));
  ok(apply(a, &m, &index));
  /* Its own change, and another's, are in the header that the next order is made from. */
  ok(nacre_slot_add(a->vol, third, NULL, NULL, &index));
  order = (struct nacre_slot_order){.struct_size = sizeof order, .what = NACRE_SLOT_REMOVE, .slot = 1};
  ok(nacre_header_order(header, &order, m.bytes, &m.len));
  ok(apply(a, &m, &index));
  ok(nacre_header_order(header, &order, m.bytes, &m.len));
  ok(nacre_header_list(header, infos, &count));
  assert_int_equal(count, 2);
  assert_int_equal(infos[1].index, 2);
  assert_int_equal(tried, 1);
  /* What unlocked it is gone: nothing comes of it any more. */
  ok(nacre_slot_remove(a->vol, 0, false));
  order.slot = 2;
  assert_int_equal(nacre_header_order(header, &order, m.bytes, &m.len), NACRE_ERR_IN_USE);
  nacre_header_free(header);
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, NULL, third, &a->vol));
  ok(nacre_header_unlock(&a->target, third, NULL, &header));
  const struct nacre_rekey_options anew = {.struct_size = sizeof anew, .slots_only = true};
  ok(nacre_rekey(a->vol, &anew, NULL));
  assert_int_equal(nacre_header_order(header, &order, m.bytes, &m.len), NACRE_ERR_IN_USE);
  nacre_header_free(header);
  free(copy);
  free(backup);
  nacre_credential_free(second);
  nacre_credential_free(third);
}

/* A slot that is named is tried, and no other. */
static void test_the_slot_that_is_named(void **state) {
  struct api *a = *state;
  nacre_credential *second = raw_key(2);
  struct nacre_unlock_options options = {.struct_size = sizeof options, .use_slot = true, .slot = 1};
  uint8_t *copy = malloc(NACRE_HEADER_BYTES);
  nacre_header *header = NULL;
  uint32_t index = 9;
  ok(nacre_slot_add(a->vol, second, NULL, NULL, &index));
  assert_int_equal(nacre_slot_test(&a->target, a->cred, &options, &index), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_header_unlock(&a->target, a->cred, &options, &header), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_header_backup(&a->target, a->cred, &options, copy), NACRE_ERR_CREDENTIAL);
  ok(nacre_slot_test(&a->target, second, &options, &index));
  assert_int_equal(index, 1);
  ok(nacre_header_backup(&a->target, second, &options, copy));
  options.slot = 7;
  assert_int_equal(nacre_slot_test(&a->target, second, &options, &index), NACRE_ERR_CREDENTIAL);
  options.slot = -1;
  assert_int_equal(nacre_slot_test(&a->target, second, &options, &index), NACRE_ERR_ARGUMENT);
  options.slot = NACRE_SLOTS_MAX;
  assert_int_equal(nacre_slot_test(&a->target, second, &options, &index), NACRE_ERR_ARGUMENT);
  options = (struct nacre_unlock_options){.struct_size = sizeof options};
  ok(nacre_cancel_new(&options.cancel));
  nacre_cancel_fire(options.cancel);
  assert_int_equal(nacre_slot_test(&a->target, second, &options, &index), NACRE_ERR_CANCELLED);
  assert_int_equal(nacre_header_backup(&a->target, second, &options, copy), NACRE_ERR_CANCELLED);
  nacre_cancel_free(options.cancel);
  assert_null(header);
  free(copy);
  nacre_credential_free(second);
}

static void test_misuse(void **state) {
  struct api *a = *state;
  struct nacre_slot_order order = {.struct_size = sizeof order, .what = NACRE_SLOT_ADD};
  struct made m = {.len = 10};
  assert_int_equal(make(a, a->cred, &order, &m), NACRE_ERR_ARGUMENT);
  assert_int_equal(make(a, NULL, &order, &m), NACRE_ERR_ARGUMENT);
  order.what = (enum nacre_slot_change)7;
  assert_int_equal(make(a, a->cred, &order, &m), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_order_apply(a->vol, NULL, 10, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_order_apply(NULL, m.bytes, 10, NULL), NACRE_ERR_ARGUMENT);
  nacre_header *header = NULL;
  assert_int_equal(nacre_header_unlock(&a->target, NULL, NULL, &header), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_unlock(&a->target, a->cred, NULL, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_unlock(NULL, a->cred, NULL, &header), NACRE_ERR_ARGUMENT);
  ok(nacre_header_unlock(&a->target, a->cred, NULL, &header));
  size_t count = 1;
  order.cred = a->cred;
  assert_int_equal(nacre_header_order(header, &order, NULL, &m.len), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_order(header, NULL, m.bytes, &m.len), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_order(NULL, &order, m.bytes, &m.len), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_list(header, NULL, &count), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_get_info(header, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_get_info(NULL, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_header_copy(header, NULL), NACRE_ERR_ARGUMENT);
  nacre_header_free(header);
  nacre_header_free(NULL);
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_add_change_remove),
      WITH_VOLUME(test_each_kind),
      WITH_VOLUME(test_full_of_all_kinds),
      WITH_VOLUME(test_names),
      WITH_VOLUME(test_forgeries),
      WITH_VOLUME(test_made_before_a_change),
      WITH_VOLUME(test_unlocked_once),
      WITH_VOLUME(test_the_slot_that_is_named),
      WITH_VOLUME(test_misuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
