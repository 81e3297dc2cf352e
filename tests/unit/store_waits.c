/* Who wants to know is told before a read waits for the medium, and what is read is right whatever was in memory. */
#include "base/bytes.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONTAINER_BYTES 65536u
#define SCRIPT_MAX 4u

/* What the system says to one reading that must not wait: so many bytes are in memory, or an error. */
struct said {
  size_t bytes;
  int errnum;
};

static struct {
  struct said script[SCRIPT_MAX];
  unsigned asked, told;
} system_;

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  assert_int_equal(count, 1);
  assert_int_equal(flags, RWF_NOWAIT);
  assert_true(system_.asked < SCRIPT_MAX);
  const struct said *said = &system_.script[system_.asked++];
  if (said->errnum != 0) {
    errno = said->errnum;
    return -1;
  }
  assert_true(said->bytes <= parts[0].iov_len);
  return pread(fd, parts[0].iov_base, said->bytes, offset);
}

static void on_wait(void *arg) {
  assert_ptr_equal(arg, &system_);
  system_.told++;
}

struct place {
  char folder[64], path[96];
  struct store store;
  uint8_t content[CONTAINER_BYTES], found[CONTAINER_BYTES];
};

static int open_place(void **state) {
  struct place *p = calloc(1, sizeof *p);
  if (p == NULL)
    return -1;
  *state = p;
  (void)snprintf(p->folder, sizeof p->folder, "/tmp/nacre-waits-XXXXXX");
  if (mkdtemp(p->folder) == NULL)
    return -1;
  (void)snprintf(p->path, sizeof p->path, "%s/container", p->folder);
  for (size_t i = 0; i < sizeof p->content; i++)
    p->content[i] = (uint8_t)(i * 31 + i / 256);
  if (file_store_open(p->path, FILE_STORE_CREATE, &p->store) != NACRE_OK)
    return -1;
  memset(&system_, 0, sizeof system_);
  return store_write(&p->store, p->content, sizeof p->content, 0) == NACRE_OK ? 0 : -1;
}

static int close_place(void **state) {
  struct place *p = *state;
  store_close(&p->store);
  (void)unlink(p->path);
  int result = rmdir(p->folder);
  free(p);
  return result;
}

static void expect_content(struct place *p) {
  memset(p->found, 0, sizeof p->found);
  assert_int_equal(store_read(&p->store, p->found, sizeof p->found, 0), NACRE_OK);
  assert_memory_equal(p->found, p->content, sizeof p->found);
}

static void test_asks_nothing_for_nobody(void **state) {
  expect_content(*state);
  assert_int_equal(system_.asked, 0);
}

static void test_what_is_in_memory_is_no_wait(void **state) {
  struct place *p = *state;
  store_on_wait(&p->store, on_wait, &system_);
  system_.script[0] = (struct said){.bytes = 1000};
  system_.script[1] = (struct said){.bytes = CONTAINER_BYTES - 1000};
  expect_content(p);
  assert_int_equal(system_.asked, 2);
  assert_int_equal(system_.told, 0);
}

static void test_a_wait_is_told_once_a_read(void **state) {
  struct place *p = *state;
  store_on_wait(&p->store, on_wait, &system_);
  for (unsigned i = 0; i < 2; i++)
    system_.script[i] = (struct said){.errnum = EAGAIN};
  expect_content(p);
  assert_int_equal(system_.told, 1);
  expect_content(p);
  assert_int_equal(system_.told, 2);
}

static void test_a_part_in_memory_then_a_wait(void **state) {
  struct place *p = *state;
  store_on_wait(&p->store, on_wait, &system_);
  system_.script[0] = (struct said){.bytes = 4096};
  system_.script[1] = (struct said){.errnum = EAGAIN};
  expect_content(p);
  assert_int_equal(system_.asked, 2);
  assert_int_equal(system_.told, 1);
}

/* Linux 5.9 and 5.10 say so of what is not in memory. */
static void test_nothing_in_memory_is_not_the_end(void **state) {
  struct place *p = *state;
  store_on_wait(&p->store, on_wait, &system_);
  system_.script[0] = (struct said){.bytes = 0};
  expect_content(p);
  assert_int_equal(system_.told, 1);
}

static void test_a_system_that_cannot_tell_is_asked_once(void **state) {
  static const int cannot[] = {EOPNOTSUPP, EINVAL, ENOSYS};
  struct place *p = *state;
  store_on_wait(&p->store, on_wait, &system_);
  for (unsigned i = 0; i < sizeof cannot / sizeof cannot[0]; i++) {
    struct store other;
    assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &other), NACRE_OK);
    store_on_wait(&other, on_wait, &system_);
    system_.asked = 0;
    system_.script[0] = (struct said){.errnum = cannot[i]};
    for (unsigned again = 0; again < 2; again++) {
      memset(p->found, 0, sizeof p->found);
      assert_int_equal(store_read(&other, p->found, sizeof p->found, 0), NACRE_OK);
      assert_memory_equal(p->found, p->content, sizeof p->found);
    }
    assert_int_equal(system_.asked, 1);
    store_close(&other);
  }
  assert_int_equal(system_.told, 0);
}

static void test_an_error_is_found_by_the_read_that_waits(void **state) {
  struct place *p = *state;
  store_on_wait(&p->store, on_wait, &system_);
  system_.script[0] = (struct said){.errnum = EIO};
  system_.script[1] = (struct said){.errnum = EINTR};
  expect_content(p);
  expect_content(p);
  assert_int_equal(system_.asked, 2);
  system_.script[2] = (struct said){.bytes = 0};
  assert_int_equal(store_read(&p->store, p->found, 2, CONTAINER_BYTES - 1), NACRE_ERR_IO);
}

static void test_both_of_a_split_store(void **state) {
  struct place *p = *state;
  const struct split_part part = {.offset = 4096, .len = 4096};
  char path[112];
  struct store aside;
  (void)snprintf(path, sizeof path, "%s.aside", p->path);
  assert_int_equal(file_store_open(path, FILE_STORE_CREATE, &aside), NACRE_OK);
  (void)unlink(path);
  assert_int_equal(store_write(&aside, p->content + 4096, 4096, 0), NACRE_OK);
  struct store body = p->store;
  assert_int_equal(split_store_new(&body, &aside, &part, 1, &p->store), NACRE_OK);
  store_on_wait(&p->store, on_wait, &system_);
  for (unsigned i = 0; i < 3; i++)
    system_.script[i] = (struct said){.errnum = EAGAIN};
  expect_content(p);
  assert_int_equal(system_.told, 3);
}

/* ---- At once or not at all ---- */

static bool read_at_once(struct store *s, struct place *p, size_t len, uint64_t offset) {
  bool there;
  memset(p->found, 0, sizeof p->found);
  assert_int_equal(store_read_at_once(s, p->found, len, offset, &there), NACRE_OK);
  if (there)
    assert_memory_equal(p->found, p->content + offset, len);
  return there;
}

static void test_at_once_or_not_at_all(void **state) {
  struct place *p = *state;
  system_.script[0] = (struct said){.bytes = 1000};
  system_.script[1] = (struct said){.bytes = 7192};
  assert_true(read_at_once(&p->store, p, 8192, 4096));
  assert_int_equal(system_.asked, 2);
  system_.asked = 0;
  system_.script[0] = (struct said){.errnum = EAGAIN};
  assert_false(read_at_once(&p->store, p, 8192, 4096));
  system_.asked = 0;
  system_.script[0] = (struct said){.bytes = 4096};
  system_.script[1] = (struct said){.errnum = EAGAIN};
  assert_false(read_at_once(&p->store, p, 8192, 4096));
  /* The reading that waits tells of it, not this one. */
  store_on_wait(&p->store, on_wait, &system_);
  system_.asked = 0;
  assert_false(read_at_once(&p->store, p, CONTAINER_BYTES, 0));
  assert_int_equal(system_.told, 0);
}

static void test_where_nobody_can_tell_it_is_read(void **state) {
  struct place *p = *state;
  struct store memory;
  system_.script[0] = (struct said){.errnum = EOPNOTSUPP};
  for (unsigned i = 0; i < 2; i++)
    assert_true(read_at_once(&p->store, p, CONTAINER_BYTES, 0));
  assert_int_equal(system_.asked, 1);
  bool there;
  assert_int_equal(store_read_at_once(&p->store, p->found, 2, CONTAINER_BYTES - 1, &there), NACRE_ERR_IO);
  assert_int_equal(memory_store_new(CONTAINER_BYTES, CONTAINER_BYTES, &memory), NACRE_OK);
  assert_int_equal(store_write(&memory, p->content, CONTAINER_BYTES, 0), NACRE_OK);
  assert_true(read_at_once(&memory, p, CONTAINER_BYTES, 0));
  store_close(&memory);
}

static void test_at_once_from_a_split_store(void **state) {
  struct place *p = *state;
  const struct split_part part = {.offset = 4096, .len = 4096};
  struct store aside, body = p->store;
  assert_int_equal(memory_store_new(4096, 4096, &aside), NACRE_OK);
  assert_int_equal(store_write(&aside, p->content + 4096, 4096, 0), NACRE_OK);
  assert_int_equal(split_store_new(&body, &aside, &part, 1, &p->store), NACRE_OK);
  system_.script[0] = (struct said){.errnum = EAGAIN};
  assert_false(read_at_once(&p->store, p, 4096, 8192));
  assert_int_equal(system_.asked, 1);
  assert_true(read_at_once(&p->store, p, 4096, 4096));
  assert_true(read_at_once(&p->store, p, 12288, 0));
  assert_int_equal(system_.asked, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_asks_nothing_for_nobody, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_what_is_in_memory_is_no_wait, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_a_wait_is_told_once_a_read, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_a_part_in_memory_then_a_wait, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_nothing_in_memory_is_not_the_end, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_a_system_that_cannot_tell_is_asked_once, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_an_error_is_found_by_the_read_that_waits, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_both_of_a_split_store, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_at_once_or_not_at_all, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_where_nobody_can_tell_it_is_read, open_place, close_place),
      cmocka_unit_test_setup_teardown(test_at_once_from_a_split_store, open_place, close_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
