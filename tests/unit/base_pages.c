/* Pages: pieces don't overlap, keep what is written to them, and what is freed goes back to the system. */
#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka.h needs the three above
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 2000u
#define ROUNDS 20000u
#define THREADS 4u
#define MIB ((size_t)1 << 20)

struct piece {
  uint8_t *at;
  size_t bytes;
  uint8_t mark;
};

static struct pages *make(void) {
  struct pages *p;
  assert_int_equal(pages_new(&p), NACRE_OK);
  return p;
}

static void piece_take(struct pages *p, struct piece *piece, unsigned number) {
  piece->bytes = 1 + number * 2654435761u % PAGES_MOST_BYTES;
  piece->mark = (uint8_t)(number % 251 + 1);
  piece->at = pages_take(p, piece->bytes);
  assert_non_null(piece->at);
  assert_int_equal((uintptr_t)piece->at % PAGES_BYTES, 0);
  memset(piece->at, piece->mark, piece->bytes);
}

static void piece_give(struct pages *p, struct piece *piece) {
  // Each byte is the mark: the first is, and each is as the one before it.
  if (piece->at[0] != piece->mark || memcmp(piece->at, piece->at + 1, piece->bytes - 1) != 0)
    fail_msg("a piece was changed by another");
  pages_give(p, piece->at, piece->bytes);
  piece->at = NULL;
}

static void exercise(struct pages *p, unsigned seed) {
  struct piece *pieces = calloc(PIECES, sizeof *pieces);
  uint64_t random = seed;
  assert_non_null(pieces);
  for (unsigned i = 0; i < ROUNDS; i++) {
    random = random * 6364136223846793005ull + 1442695040888963407ull;
    struct piece *piece = &pieces[(random >> 33) % (PIECES / 8)];
    if (piece->at == NULL)
      piece_take(p, piece, (unsigned)(random >> 40));
    else
      piece_give(p, piece);
  }
  for (unsigned i = 0; i < PIECES; i++) {
    if (pieces[i].at != NULL)
      piece_give(p, &pieces[i]);
  }
  free(pieces);
}

static void test_pieces_keep_apart(void **state) {
  (void)state;
  struct pages *p = make();
  exercise(p, 1);
  pages_end(p);
}

static void *exercise_thread(void *arg) {
  exercise(arg, (unsigned)(uintptr_t)&arg);
  return NULL;
}

static void test_threads(void **state) {
  (void)state;
  struct pages *p = make();
  pthread_t threads[THREADS];
  for (unsigned i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, exercise_thread, p), 0);
  for (unsigned i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  pages_end(p);
}

/* With the address sanitizer the heap has the pages. */
static bool pages_are_the_heaps(void) {
  struct pages *p = make();
  struct piece piece;
  piece_take(p, &piece, 1);
  const bool none = pages_resident_bytes(p) == 0;
  piece_give(p, &piece);
  pages_end(p);
  return none;
}

/* All but every tenth, so that no region is empty: what is held follows what is used. */
static void test_gives_back(void **state) {
  (void)state;
  if (pages_are_the_heaps())
    skip();
  struct pages *p = make();
  struct piece *pieces = calloc(PIECES, sizeof *pieces);
  size_t all = 0, rest = 0;
  assert_non_null(pieces);
  for (unsigned i = 0; i < PIECES; i++) {
    piece_take(p, &pieces[i], i);
    all += pages_bytes(pieces[i].bytes);
    rest += i % 10 == 0 ? pages_bytes(pieces[i].bytes) : 0;
  }
  assert_true(pages_resident_bytes(p) >= all);
  assert_true(pages_resident_bytes(p) < all + all / 8);
  for (unsigned i = 0; i < PIECES; i++) {
    if (i % 10 != 0)
      piece_give(p, &pieces[i]);
  }
  assert_true(pages_resident_bytes(p) >= rest);
  assert_true(pages_resident_bytes(p) < rest + rest / 4 + 2 * MIB);
  for (unsigned i = 0; i < PIECES; i++) {
    if (pieces[i].at != NULL)
      piece_give(p, &pieces[i]);
  }
  assert_true(pages_resident_bytes(p) <= 2 * MIB);
  free(pieces);
  pages_end(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_pieces_keep_apart),
      cmocka_unit_test(test_threads),
      cmocka_unit_test(test_gives_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
