#include "fuse/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka.h needs the three above
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK 32u
#define NOBODY ((pid_t)0)

/* The cores that these tests may use: a first and a last one, which is another where there are two. */
static cpu_set_t home;
static int first = -1, last = -1;

/* A process that waits on that core. */
static pid_t client_on(int core) {
  int ready[2];
  char byte;
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    cpu_set_t there;
    CPU_ZERO(&there);
    CPU_SET((size_t)core, &there);
    if (sched_setaffinity(0, sizeof there, &there) != 0 || write(ready[1], "", 1) != 1)
      _exit(1);
    for (;;)
      pause();
  }
  close(ready[1]);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  return child;
}

static void client_end(pid_t client) {
  assert_int_equal(kill(client, SIGKILL), 0);
  assert_int_equal(waitpid(client, NULL, 0), client);
}

static void client_move(pid_t client, int core) {
  cpu_set_t there;
  CPU_ZERO(&there);
  CPU_SET((size_t)core, &there);
  assert_int_equal(sched_setaffinity(client, sizeof there, &there), 0);
  /* It is there once it has run there. */
  assert_int_equal(kill(client, SIGSTOP), 0);
  assert_int_equal(waitpid(client, NULL, WUNTRACED), client);
  assert_int_equal(kill(client, SIGCONT), 0);
}

static void serve(struct near *n, pid_t client, unsigned requests) {
  for (unsigned i = 0; i < requests; i++)
    near_request(n, client);
}

static void expect_free(void) {
  cpu_set_t now;
  assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
  assert_true(CPU_EQUAL(&now, &home));
}

static void expect_on(int core) {
  cpu_set_t now;
  assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
  assert_int_equal(CPU_COUNT(&now), 1);
  assert_true(CPU_ISSET((size_t)core, &now));
}

static int find_cores(void **state) {
  (void)state;
  if (sched_getaffinity(0, sizeof home, &home) != 0)
    return -1;
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET((size_t)core, &home))
      continue;
    first = first < 0 ? core : first;
    last = core;
  }
  return 0;
}

static int go_home(void **state) {
  (void)state;
  return sched_setaffinity(0, sizeof home, &home);
}

static void test_binds_to_the_core_of_its_only_client(void **state) {
  (void)state;
  struct near n = {0};
  pid_t client = client_on(last);
  serve(&n, client, LOOK - 1);
  expect_free();
  serve(&n, NOBODY, 1);
  serve(&n, client, 1);
  expect_on(last);
  serve(&n, client, 10 * LOOK);
  expect_on(last);
  near_free(&n);
  expect_free();
  serve(&n, client, LOOK - 1);
  expect_free();
  client_end(client);
}

static void test_another_client_frees_it(void **state) {
  (void)state;
  struct near n = {0};
  pid_t client = client_on(first), other = client_on(last);
  serve(&n, client, LOOK);
  expect_on(first);
  serve(&n, NOBODY, 3 * LOOK);
  expect_on(first);
  serve(&n, other, 1);
  expect_free();
  for (unsigned i = 0; i < 2 * LOOK; i++) {
    serve(&n, client, 1);
    serve(&n, other, 1);
  }
  expect_free();
  client_end(client);
  client_end(other);
}

static void test_follows_a_client_and_gives_up_one_that_flees(void **state) {
  (void)state;
  if (first == last)
    skip();
  struct near n = {0};
  pid_t client = client_on(first);
  serve(&n, client, LOOK);
  expect_on(first);
  client_move(client, last);
  serve(&n, client, LOOK);
  expect_on(last);
  serve(&n, client, LOOK);
  for (unsigned i = 0; i < 3; i++) {
    client_move(client, i % 2 == 0 ? first : last);
    serve(&n, client, LOOK);
    expect_on(i % 2 == 0 ? first : last);
  }
  client_move(client, last);
  serve(&n, client, LOOK);
  expect_free();
  serve(&n, client, 10 * LOOK);
  expect_free();
  client_end(client);
}

static void test_leaves_alone_whom_it_cannot_follow(void **state) {
  (void)state;
  struct near n = {0};
  pid_t gone = client_on(first);
  client_end(gone);
  serve(&n, gone, 20 * LOOK);
  serve(&n, -1, LOOK);
  expect_free();
  if (first == last)
    skip();
  /* On a core that is not ours. */
  pid_t client = client_on(last);
  cpu_set_t there;
  CPU_ZERO(&there);
  CPU_SET((size_t)first, &there);
  assert_int_equal(sched_setaffinity(0, sizeof there, &there), 0);
  serve(&n, client, LOOK);
  near_free(&n);
  expect_on(first);
  client_end(client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_binds_to_the_core_of_its_only_client, go_home),
      cmocka_unit_test_teardown(test_another_client_frees_it, go_home),
      cmocka_unit_test_teardown(test_follows_a_client_and_gives_up_one_that_flees, go_home),
      cmocka_unit_test_teardown(test_leaves_alone_whom_it_cannot_follow, go_home),
  };
  return cmocka_run_group_tests(tests, find_cores, NULL);
}
