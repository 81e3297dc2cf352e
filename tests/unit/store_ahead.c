/* What is written goes on its way to the medium early, and whoever writes never waits for that. */
#include "base/bytes.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB (1u << 20)
#define MEDIUM_BEHIND_MIB 100u

/* The medium, which is behind while `held`. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool held;
  unsigned calls;
  uint64_t from, to; /* of all that was asked for */
  pthread_t caller;
  cpu_set_t caller_cores;
} medium = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int __wrap_sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags);
int __wrap_sync_file_range(int fd, off64_t offset, off64_t len, unsigned flags) {
  assert_true(fcntl(fd, F_GETFD) >= 0);
  assert_int_equal(flags, SYNC_FILE_RANGE_WRITE);
  pthread_mutex_lock(&medium.lock);
  if (medium.calls == 0)
    medium.from = UINT64_MAX;
  medium.calls++;
  medium.from = u64_min(medium.from, (uint64_t)offset);
  medium.to = u64_max(medium.to, (uint64_t)(offset + len));
  medium.caller = pthread_self();
  assert_int_equal(sched_getaffinity(0, sizeof medium.caller_cores, &medium.caller_cores), 0);
  pthread_cond_broadcast(&medium.changed);
  while (medium.held)
    pthread_cond_wait(&medium.changed, &medium.lock);
  pthread_mutex_unlock(&medium.lock);
  errno = EIO;
  return -1;
}

static void medium_set(bool held) {
  pthread_mutex_lock(&medium.lock);
  medium.held = held;
  pthread_cond_broadcast(&medium.changed);
  pthread_mutex_unlock(&medium.lock);
}

static unsigned wait_for_calls(unsigned calls) {
  pthread_mutex_lock(&medium.lock);
  while (medium.calls < calls)
    pthread_cond_wait(&medium.changed, &medium.lock);
  unsigned now = medium.calls;
  pthread_mutex_unlock(&medium.lock);
  return now;
}

static int make_container(void **state) {
  static char path[] = "/tmp/nacre-ahead-XXXXXX";
  static struct store s;
  snprintf(path, sizeof path, "/tmp/nacre-ahead-XXXXXX");
  int fd = mkstemp(path);
  if (fd < 0 || file_store_from_fd(fd, 0, &s) != NACRE_OK)
    return -1;
  close(fd);
  unlink(path);
  medium.held = false;
  medium.calls = 0;
  medium.from = medium.to = 0;
  *state = &s;
  return 0;
}

static void write_mib(struct store *s, unsigned from, unsigned count) {
  static uint8_t piece[MIB];
  for (unsigned i = from; i < from + count; i++)
    assert_int_equal(store_write(s, piece, sizeof piece, (uint64_t)i * MIB), NACRE_OK);
}

static void test_a_little_is_left_to_the_sync(void **state) {
  struct store *s = *state;
  write_mib(s, 0, 7);
  assert_int_equal(store_sync(s), NACRE_OK);
  store_close(s);
  assert_int_equal(medium.calls, 0);
}

static void test_much_is_begun_and_its_place_is_told(void **state) {
  struct store *s = *state;
  write_mib(s, 20, 4);
  write_mib(s, 10, 4);
  assert_int_equal(wait_for_calls(1), 1);
  assert_false(pthread_equal(medium.caller, pthread_self()));
  assert_int_equal(medium.from, 10 * MIB);
  assert_int_equal(medium.to, 24 * MIB);
  write_mib(s, 100, 8);
  wait_for_calls(2);
  assert_int_equal(medium.to, 108 * MIB);
  /* Its errors are the sync's to tell. */
  assert_int_equal(store_sync(s), NACRE_OK);
  store_close(s);
}

static void test_who_writes_never_waits_for_a_medium_that_is_behind(void **state) {
  struct store *s = *state;
  medium_set(true);
  write_mib(s, 0, 8);
  wait_for_calls(1);
  write_mib(s, 8, MEDIUM_BEHIND_MIB);
  assert_int_equal(wait_for_calls(1), 1);
  medium_set(false);
  /* All that came meanwhile is one request. */
  assert_int_equal(wait_for_calls(2), 2);
  assert_int_equal(medium.to, (8 + MEDIUM_BEHIND_MIB) * MIB);
  store_close(s);
}

static void *write_bound(void *arg) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)sched_getcpu(), &one);
  assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
  write_mib(arg, 0, 8);
  return NULL;
}

/* Though who writes is bound to a core, as a receiver of a mount may be for the moment. */
static void test_its_thread_runs_where_the_process_may(void **state) {
  struct store *s = *state;
  pthread_t writer;
  cpu_set_t all;
  assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
  assert_int_equal(pthread_create(&writer, NULL, write_bound, s), 0);
  pthread_join(writer, NULL);
  wait_for_calls(1);
  assert_true(CPU_EQUAL(&medium.caller_cores, &all));
  store_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_a_little_is_left_to_the_sync, make_container),
      cmocka_unit_test_setup(test_much_is_begun_and_its_place_is_told, make_container),
      cmocka_unit_test_setup(test_who_writes_never_waits_for_a_medium_that_is_behind, make_container),
      cmocka_unit_test_setup(test_its_thread_runs_where_the_process_may, make_container),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
