#include "base/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka.h needs the three above
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define MANY 1000u

static const unsigned thread_counts[] = {0, 1, 3};

static struct workers *make(unsigned threads) {
  struct workers *w;
  assert_int_equal(workers_new(threads, &w), NACRE_OK);
  assert_int_equal(workers_count(w), threads);
  return w;
}

static void count_one(void *arg) {
  atomic_uint *count = arg;
  atomic_fetch_add(count, 1);
}

/* Far more than the queue holds. */
static void test_every_job_runs_once(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    atomic_uint count = 0;
    struct workers *w = make(thread_counts[i]);
    for (unsigned j = 0; j < MANY; j++)
      workers_submit(w, count_one, &count);
    workers_free(w);
    assert_int_equal(atomic_load(&count), MANY);
  }
}

static void mark_one(void *arg, size_t index) {
  atomic_uint *marks = arg;
  atomic_fetch_add(&marks[index], 1);
}

static void test_each_index_runs_once(void **state) {
  (void)state;
  static atomic_uint marks[MANY];
  for (size_t i = 0; i < 3; i++) {
    struct workers *w = make(thread_counts[i]);
    for (size_t count = 0; count <= MANY; count = count * 3 + 1) {
      for (size_t j = 0; j < MANY; j++)
        atomic_store(&marks[j], 0);
      workers_each(w, count, mark_one, marks);
      for (size_t j = 0; j < MANY; j++)
        assert_int_equal(atomic_load(&marks[j]), j < count ? 1 : 0);
    }
    workers_free(w);
  }
}

struct nest {
  struct workers *w;
  atomic_uint done;
};

static void inner(void *arg, size_t index) {
  (void)index;
  struct nest *n = arg;
  atomic_fetch_add(&n->done, 1);
}

static void outer(void *arg, size_t index) {
  (void)index;
  struct nest *n = arg;
  workers_each(n->w, 20, inner, n);
}

static void outer_job(void *arg) {
  outer(arg, 0);
}

/* All threads inside an each of their own at once: none may wait for another. */
static void test_each_inside_each_and_jobs(void **state) {
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct nest n = {.w = make(thread_counts[i])};
    for (unsigned j = 0; j < 50; j++)
      workers_submit(n.w, outer_job, &n);
    workers_each(n.w, 50, outer, &n);
    workers_free(n.w);
    assert_int_equal(atomic_load(&n.done), 2000);
  }
}

static void *each_from_thread(void *arg) {
  for (unsigned i = 0; i < 100; i++)
    outer(arg, 0);
  return NULL;
}

static void test_several_callers(void **state) {
  (void)state;
  struct nest n = {.w = make(3)};
  pthread_t threads[4];
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, each_from_thread, &n), 0);
  for (size_t i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  workers_free(n.w);
  assert_int_equal(atomic_load(&n.done), 8000);
}

struct meeting {
  atomic_uint there;
};

/* Returns only when all four are inside at once: so the workers do take part. */
static void meet(void *arg, size_t index) {
  (void)index;
  struct meeting *m = arg;
  atomic_fetch_add(&m->there, 1);
  while (atomic_load(&m->there) < 4)
    sched_yield();
}

static void test_workers_take_part(void **state) {
  (void)state;
  struct workers *w = make(3);
  struct meeting m = {0};
  workers_each(w, 4, meet, &m);
  assert_int_equal(atomic_load(&m.there), 4);
  workers_free(w);
}

static void look_at_signals(void *arg, size_t index) {
  (void)index;
  sigset_t *masks = arg;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  if (sigismember(&mask, SIGINT))
    *masks = mask;
}

static void test_workers_block_signals(void **state) {
  (void)state;
  struct workers *w = make(1);
  sigset_t mask, own;
  sigemptyset(&mask);
  /* Until the worker got one. */
  while (!sigismember(&mask, SIGINT))
    workers_each(w, 100, look_at_signals, &mask);
  assert_true(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGUSR1));
  pthread_sigmask(SIG_SETMASK, NULL, &own);
  assert_false(sigismember(&own, SIGINT) || sigismember(&own, SIGTERM));
  workers_free(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_job_runs_once),       cmocka_unit_test(test_each_index_runs_once),
      cmocka_unit_test(test_each_inside_each_and_jobs), cmocka_unit_test(test_several_callers),
      cmocka_unit_test(test_workers_take_part),         cmocka_unit_test(test_workers_block_signals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
