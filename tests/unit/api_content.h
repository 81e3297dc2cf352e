/* What the tests of rotation share: content to look for, and short forms of what they do. */
#ifndef NACRE_TESTS_UNIT_API_CONTENT_H
#define NACRE_TESTS_UNIT_API_CONTENT_H

#include "unit/api_fixture.h"

#include <stdio.h>

#define FILE_BYTES ((5u << 20) + 777u)
#define SMALL_FILES 60u

static inline void fill(uint8_t *bytes, size_t len, uint32_t seed) {
  for (size_t i = 0; i < len; i++) {
    seed = seed * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(seed >> 24);
  }
}

static inline void write_file(nacre_volume *vol, const char *path, size_t len, uint32_t seed) {
  uint8_t *bytes = malloc(len + 1);
  nacre_file *file;
  fill(bytes, len, seed);
  ok(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file));
  ok(nacre_write(file, bytes, len, 0));
  nacre_close(file);
  free(bytes);
}

static inline void check_file(nacre_volume *vol, const char *path, size_t len, uint32_t seed) {
  uint8_t *expected = malloc(len + 1), *found = malloc(len + 1);
  nacre_file *file;
  size_t done;
  fill(expected, len, seed);
  ok(nacre_open(vol, path, NACRE_O_READ, 0, NULL, &file));
  ok(nacre_read(file, found, len + 1, 0, &done));
  assert_int_equal(done, len);
  assert_memory_equal(found, expected, len);
  nacre_close(file);
  free(expected);
  free(found);
}

static inline void small_name(char name[16], unsigned i) {
  (void)snprintf(name, 16, "small%u", i);
}

static inline void make_content(nacre_volume *vol) {
  char name[16];
  uint8_t value[50000];
  write_file(vol, "large", FILE_BYTES, 1);
  for (unsigned i = 0; i < SMALL_FILES; i++) {
    small_name(name, i);
    write_file(vol, name, 37 * i * i, i);
  }
  fill(value, sizeof value, 5);
  ok(nacre_setxattr(vol, "large", "user.big", value, sizeof value, 0));
  ok(nacre_symlink(vol, "large", "link", NULL));
}

static inline void check_content(nacre_volume *vol) {
  char name[16], target[16];
  uint8_t expected[50000], value[50000];
  size_t len;
  check_file(vol, "large", FILE_BYTES, 1);
  for (unsigned i = 0; i < SMALL_FILES; i++) {
    small_name(name, i);
    check_file(vol, name, 37 * i * i, i);
  }
  fill(expected, sizeof expected, 5);
  ok(nacre_getxattr(vol, "large", "user.big", value, sizeof value, &len));
  assert_int_equal(len, sizeof value);
  assert_memory_equal(value, expected, len);
  ok(nacre_readlink(vol, "link", target, sizeof target));
  assert_string_equal(target, "large");
  struct nacre_verify_report report = {.struct_size = sizeof report};
  ok(nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL));
}

static inline struct nacre_rekey_status status_of(nacre_volume *vol) {
  struct nacre_rekey_status status = {.struct_size = sizeof status};
  ok(nacre_rekey_get_status(vol, &status));
  return status;
}

static inline enum nacre_err rekey(nacre_volume *vol, enum nacre_cipher cipher) {
  const struct nacre_rekey_options options = {.struct_size = sizeof options, .cipher = cipher};
  return nacre_rekey(vol, &options, NULL);
}

static inline enum nacre_err reopen(struct api *a, const nacre_credential *cred) {
  ok(nacre_volume_close(a->vol));
  a->vol = NULL;
  return nacre_volume_open(&a->target, NULL, cred, &a->vol);
}

static inline void read_at(struct api *a, uint64_t offset, uint8_t *to, size_t len) {
  assert_int_equal(a->ops.read(a->target.ctx, to, len, offset), 0);
}

static inline void put_at(struct api *a, uint64_t offset, const uint8_t *from, size_t len) {
  assert_int_equal(a->ops.write(a->target.ctx, from, len, offset), 0);
}

/* ---- Breaking off ---- */

struct stopper {
  nacre_cancel *cancel;
  const char *what; /* NULL: whichever is told of */
  unsigned calls, at;
};

static inline void stop_at(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct stopper *s = arg;
  assert_true(strcmp(what, "rekey") == 0 || strcmp(what, "wipe") == 0);
  assert_true(total > 0 && (done > 0 || strcmp(what, "wipe") == 0));
  if (s->what != NULL && strcmp(s->what, what) != 0)
    return;
  if (++s->calls == s->at)
    nacre_cancel_fire(s->cancel);
}

static inline enum nacre_err rekey_stopped(nacre_volume *vol, const char *what, unsigned at) {
  struct stopper s = {.what = what, .at = at};
  ok(nacre_cancel_new(&s.cancel));
  const struct nacre_rekey_options options = {
      .struct_size = sizeof options, .progress = stop_at, .progress_arg = &s, .cancel = s.cancel};
  enum nacre_err err = nacre_rekey(vol, &options, NULL);
  nacre_cancel_free(s.cancel);
  return err;
}

#endif
