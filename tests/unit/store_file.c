#include "base/bytes.h"
#include "base/err.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
  char folder[64];
  char path[96];
};

static int make_place(void **state) {
  struct place *p = calloc(1, sizeof *p);
  (void)snprintf(p->folder, sizeof p->folder, "/tmp/nacre-store-XXXXXX");
  if (mkdtemp(p->folder) == NULL) {
    free(p);
    return -1;
  }
  (void)snprintf(p->path, sizeof p->path, "%s/container", p->folder);
  *state = p;
  return 0;
}

static int remove_place(void **state) {
  struct place *p = *state;
  (void)unlink(p->path);
  int result = rmdir(p->folder);
  free(p);
  return result;
}

static struct store create(const struct place *p) {
  struct store s;
  assert_int_equal(file_store_open(p->path, FILE_STORE_CREATE, &s), NACRE_OK);
  return s;
}

static bool in_use(const struct place *p) {
  bool yes;
  assert_int_equal(file_store_in_use(p->path, &yes), NACRE_OK);
  return yes;
}

static void test_creates_0600_and_grows(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  struct stat st;
  uint64_t size;
  assert_int_equal(stat(p->path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(store_resize(&s, 3u << 20), NACRE_OK);
  assert_int_equal(store_size(&s, &size), NACRE_OK);
  assert_true(size == 3u << 20);
  assert_int_equal(stat(p->path, &st), 0);
  assert_true(st.st_blocks * 512 >= 3 << 20); /* really there */
  assert_int_equal(store_resize(&s, 1u << 20), NACRE_OK);
  assert_int_equal(store_size(&s, &size), NACRE_OK);
  assert_true(size == 1u << 20);
  assert_int_equal(store_resize(&s, UINT64_MAX), NACRE_ERR_NO_SPACE);
  store_close(&s);
}

static void test_reads_back_what_was_written(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  static uint8_t buf[100000], back[100000];
  memset(buf, 3, sizeof buf);
  assert_int_equal(store_resize(&s, 1u << 20), NACRE_OK);
  assert_int_equal(store_write(&s, buf, sizeof buf, 12345), NACRE_OK);
  assert_int_equal(store_sync(&s), NACRE_OK);
  store_close(&s);
  assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY, &s), NACRE_OK);
  assert_int_equal(store_read(&s, back, sizeof back, 12345), NACRE_OK);
  assert_memory_equal(buf, back, sizeof buf);
  assert_int_equal(store_write(&s, buf, 1, 0), NACRE_ERR_READ_ONLY);
  assert_int_equal(store_resize(&s, 2u << 20), NACRE_ERR_READ_ONLY);
  store_close(&s);
}

static void test_reading_past_the_end_says_where_it_is(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  uint8_t buf[100];
  assert_int_equal(store_resize(&s, 4096), NACRE_OK);
  assert_int_equal(store_read(&s, buf, 100, 4000), NACRE_ERR_IO);
  assert_string_equal(err_message(), "the container ends at 4096, before 4100");
  assert_int_equal(store_read(&s, buf, 100, INT64_MAX), NACRE_ERR_IO);
  assert_int_equal(store_read(&s, buf, 100, UINT64_MAX), NACRE_ERR_IO);
  store_close(&s);
}

static void test_discard_makes_a_hole(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  static uint8_t buf[65536];
  memset(buf, 1, sizeof buf);
  assert_int_equal(store_resize(&s, sizeof buf), NACRE_OK);
  assert_int_equal(store_write(&s, buf, sizeof buf, 0), NACRE_OK);
  if (s.ops.discard(s.ctx, 0, sizeof buf) == 0) {
    assert_int_equal(store_read(&s, buf, sizeof buf, 0), NACRE_OK);
    assert_true(bytes_all_zero(buf, sizeof buf));
  }
  assert_int_not_equal(s.ops.discard(s.ctx, INT64_MAX, 4096), 0);
  store_close(&s);
}

static void test_what_is_no_container_is_refused(void **state) {
  const struct place *p = *state;
  struct store s;
  bool yes;
  char below[128];
  assert_int_equal(file_store_open(p->path, 0, &s), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(file_store_in_use(p->path, &yes), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(file_store_open(p->folder, 0, &s), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(file_store_open(p->folder, FILE_STORE_READ_ONLY, &s), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(file_store_open("/dev/null", 0, &s), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(mkfifo(p->path, 0600), 0);
  assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY, &s), NACRE_ERR_NOT_VOLUME); /* and no hanging */
  assert_int_equal(unlink(p->path), 0);
  (void)snprintf(below, sizeof below, "%s/none/container", p->folder);
  assert_int_equal(file_store_open(below, FILE_STORE_CREATE, &s), NACRE_ERR_NOT_VOLUME);
  assert_null(s.ops.read);
}

/* ---- Locks ---- */

static void test_one_writer_in_a_process(void **state) {
  const struct place *p = *state;
  struct store s = create(p), other;
  assert_true(in_use(p));
  assert_int_equal(file_store_open(p->path, 0, &other), NACRE_ERR_IN_USE);
  assert_int_equal(file_store_open(p->path, FILE_STORE_CREATE, &other), NACRE_ERR_IN_USE);
  assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY, &other), NACRE_ERR_IN_USE);
  assert_int_equal(file_store_open(p->path, FILE_STORE_NO_LOCK | FILE_STORE_READ_ONLY, &other), NACRE_OK);
  store_close(&other);
  assert_true(in_use(p)); /* closing another descriptor lost nothing */
  assert_int_equal(file_store_open(p->path, 0, &other), NACRE_ERR_IN_USE);
  store_close(&s);
  assert_false(in_use(p));
  assert_int_equal(file_store_open(p->path, 0, &other), NACRE_OK);
  store_close(&other);
}

static void test_many_readers_in_a_process(void **state) {
  const struct place *p = *state;
  struct store a = create(p), b, c;
  store_close(&a);
  assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY, &a), NACRE_OK);
  assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY, &b), NACRE_OK);
  assert_int_equal(file_store_open(p->path, 0, &c), NACRE_ERR_IN_USE);
  store_close(&a);
  assert_true(in_use(p));
  assert_int_equal(file_store_open(p->path, 0, &c), NACRE_ERR_IN_USE);
  store_close(&b);
  assert_int_equal(file_store_open(p->path, 0, &c), NACRE_OK);
  store_close(&c);
}

static void test_duplicates_of_a_descriptor_conflict(void **state) {
  const struct place *p = *state;
  struct store a, b;
  int fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(file_store_from_fd(fd, 0, &a), NACRE_OK);
  assert_int_equal(file_store_from_fd(fd, 0, &b), NACRE_ERR_IN_USE);
  assert_int_equal(file_store_open(p->path, 0, &b), NACRE_ERR_IN_USE);
  store_close(&a);
  assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC); /* the caller's is open still, and holds no lock */
  assert_int_equal(file_store_open(p->path, 0, &b), NACRE_OK);
  store_close(&b);
  /* Two readers on one: the first to go leaves the other its lock. */
  assert_int_equal(file_store_from_fd(fd, FILE_STORE_READ_ONLY, &a), NACRE_OK);
  assert_int_equal(file_store_from_fd(fd, FILE_STORE_READ_ONLY, &b), NACRE_OK);
  store_close(&a);
  assert_true(in_use(p));
  store_close(&b);
  assert_false(in_use(p));
  close(fd);
}

static void test_descriptors_that_can_t_serve(void **state) {
  const struct place *p = *state;
  struct store s = create(p), other;
  store_close(&s);
  static const struct {
    int mode;
    unsigned flags;
  } cases[] = {
      {O_RDONLY, 0},          {O_WRONLY, FILE_STORE_READ_ONLY}, {O_WRONLY, 0}, {O_PATH, FILE_STORE_READ_ONLY},
      {O_RDWR | O_APPEND, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int fd = open(p->path, cases[i].mode | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(file_store_from_fd(fd, cases[i].flags, &other), NACRE_ERR_ARGUMENT);
    close(fd);
  }
  assert_int_equal(file_store_from_fd(-1, 0, &other), NACRE_ERR_ARGUMENT);
}

/* Runs `fn` in a child and gives what it returned. */
static int in_child(int (*fn)(const struct place *p), const struct place *p) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    _exit(fn(p));
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int child_writes(const struct place *p) {
  struct store s;
  return (int)file_store_open(p->path, 0, &s);
}

static int child_reads(const struct place *p) {
  struct store s;
  return (int)file_store_open(p->path, FILE_STORE_READ_ONLY, &s);
}

static int child_asks(const struct place *p) {
  bool yes = false;
  return file_store_in_use(p->path, &yes) == NACRE_OK && yes;
}

static void test_other_processes_are_kept_out(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  assert_int_equal(in_child(child_writes, p), NACRE_ERR_IN_USE);
  assert_int_equal(in_child(child_reads, p), NACRE_ERR_IN_USE);
  assert_int_equal(in_child(child_asks, p), 1);
  store_close(&s);
  assert_int_equal(in_child(child_asks, p), 0);
  assert_int_equal(in_child(child_writes, p), NACRE_OK);
  assert_int_equal(file_store_open(p->path, FILE_STORE_READ_ONLY, &s), NACRE_OK);
  assert_int_equal(in_child(child_reads, p), NACRE_OK);
  assert_int_equal(in_child(child_writes, p), NACRE_ERR_IN_USE);
  store_close(&s);
}

static struct store inherited;

static int child_closes(const struct place *p) {
  (void)p;
  store_close(&inherited);
  return 0;
}

/* A child that closes what it inherited doesn't unlock its parent's container. */
static void test_a_child_does_not_unlock(void **state) {
  const struct place *p = *state;
  inherited = create(p);
  assert_int_equal(in_child(child_closes, p), 0);
  assert_int_equal(in_child(child_writes, p), NACRE_ERR_IN_USE);
  store_close(&inherited);
}

static void test_a_killed_holder_leaves_no_lock(void **state) {
  const struct place *p = *state;
  int ready[2];
  assert_int_equal(pipe(ready), 0);
  struct store s = create(p);
  store_close(&s);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    uint8_t ok = (uint8_t)file_store_open(p->path, 0, &s);
    if (write(ready[1], &ok, 1) == 1)
      pause();
    _exit(1);
  }
  uint8_t code;
  assert_int_equal(read(ready[0], &code, 1), 1);
  assert_int_equal(code, NACRE_OK);
  assert_int_equal(file_store_open(p->path, 0, &s), NACRE_ERR_IN_USE);
  assert_int_equal(kill(pid, SIGKILL), 0);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  assert_int_equal(file_store_open(p->path, 0, &s), NACRE_OK);
  store_close(&s);
  close(ready[0]);
  close(ready[1]);
}

/* ---- A host without room ---- */

static int child_grows_past_limit(const struct place *p) {
  struct store s;
  uint64_t size = 1;
  struct rlimit limit = {.rlim_cur = 1u << 20, .rlim_max = 1u << 20};
  (void)signal(SIGXFSZ, SIG_IGN);
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || file_store_open(p->path, 0, &s) != NACRE_OK)
    return 100;
  enum nacre_err err = store_resize(&s, 2u << 20);
  if (store_size(&s, &size) != NACRE_OK || size != 4096)
    return 101;
  return (int)err;
}

static void test_a_limit_on_file_size_is_no_space(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  assert_int_equal(store_resize(&s, 4096), NACRE_OK);
  store_close(&s);
  assert_int_equal(in_child(child_grows_past_limit, p), NACRE_ERR_NO_SPACE);
}

static void test_an_unlinked_container_still_works(void **state) {
  const struct place *p = *state;
  struct store s = create(p);
  uint8_t byte = 1;
  assert_int_equal(store_resize(&s, 4096), NACRE_OK);
  assert_int_equal(unlink(p->path), 0);
  assert_int_equal(store_write(&s, &byte, 1, 0), NACRE_OK);
  assert_int_equal(store_sync(&s), NACRE_OK);
  store_close(&s);
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void) {
  const struct CMUnitTest tests[] = {
      PLACED(test_creates_0600_and_grows),
      PLACED(test_reads_back_what_was_written),
      PLACED(test_reading_past_the_end_says_where_it_is),
      PLACED(test_discard_makes_a_hole),
      PLACED(test_what_is_no_container_is_refused),
      PLACED(test_one_writer_in_a_process),
      PLACED(test_many_readers_in_a_process),
      PLACED(test_duplicates_of_a_descriptor_conflict),
      PLACED(test_descriptors_that_can_t_serve),
      PLACED(test_other_processes_are_kept_out),
      PLACED(test_a_child_does_not_unlock),
      PLACED(test_a_killed_holder_leaves_no_lock),
      PLACED(test_a_limit_on_file_size_is_no_space),
      PLACED(test_an_unlinked_container_still_works),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
