/* A volume that is as full as frees can leave it, with a record in its intent log: the replay finds the room that the
 * record's chunks had. */
#include "fs_volume.h"
#include "tree/core.h"

#define CHUNK 16384u
#define FILES 1200u
#define NAME_BYTES 16u

static uint8_t bytes[1u << 20];

static struct fs_file *make(struct volume *v, const char *name, uint64_t *ino) {
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_create(v->fs, 1, name, strlen(name), 0600, NACRE_O_READ | NACRE_O_WRITE, &root_caller, &attr, &file));
  fs_unpin(v->fs, attr.ino, 1);
  *ino = attr.ino;
  return file;
}

/* What is left for who frees. */
static int64_t slack(struct volume *v) {
  struct engine *e = v->e;
  const uint64_t besides = space_keep_units(e, alloc_units_end(&e->alloc)) / 4 + space_dirty_units(e);
  return (int64_t)(e->alloc.free_clusters * e->alloc.cluster_units) - (int64_t)alloc_reserved(&e->alloc) -
         (int64_t)besides;
}

static void make_small_files(struct volume *v) {
  char name[NAME_BYTES], link[NAME_BYTES];
  struct nacre_attr attr;
  for (unsigned i = 0; i < FILES; i++) {
    uint64_t ino;
    (void)snprintf(name, sizeof name, "s%u", i);
    (void)snprintf(link, sizeof link, "l%u", i);
    struct fs_file *file = make(v, name, &ino);
    ok(fs_write(file, bytes, 2900, 0));
    ok(fs_link(v->fs, ino, 1, link, strlen(link), &attr));
    fs_unpin(v->fs, ino, 1);
    fs_close(file);
  }
}

static void fill_up(struct volume *v, unsigned chunks_less) {
  uint64_t ino;
  struct nacre_attr attr;
  struct fs_file *hog = make(v, "hog", &ino);
  enum nacre_err err = NACRE_OK;
  for (uint64_t at = 0; err == NACRE_OK; at += 65536)
    err = fs_write(hog, bytes, 65536, at);
  assert_int_equal(err, NACRE_ERR_NO_SPACE);
  ok(fs_sync(v->fs));
  ok(fs_fstat(hog, &attr));
  ok(fs_ftruncate(hog, attr.size_bytes - (uint64_t)chunks_less * CHUNK));
  for (unsigned i = 0; i < SPACE_RELIEF_COMMITS + 1; i++)
    ok(committer_commit_anyway(v->e));
  fs_close(hog);
}

/* Names go that free nothing as yet, each in a leaf of its own, until hardly anything is left to do that with. */
static void use_up_slack(struct volume *v) {
  char name[NAME_BYTES];
  for (unsigned i = 0; slack(v) >= 24 && i < FILES; i += 7) {
    (void)snprintf(name, sizeof name, "l%u", i);
    ok(fs_unlink(v->fs, 1, name, strlen(name)));
  }
}

static void test_room(void **state) {
  (void)state;
  unsigned replayed = 0;
  for (unsigned chunks_less = 0; chunks_less < 5; chunks_less++) {
    struct volume v;
    uint64_t ino;
    uint8_t byte;
    size_t done;
    memset(bytes, 7, sizeof bytes);
    volume_make(&v, 40 * MIB, 0, 8 * MIB, CHUNK);
    make_small_files(&v);
    struct fs_file *file = make(&v, "file", &ino);
    ok(fs_write(file, bytes, 200000, 0));
    ok(fs_sync(v.fs));
    fill_up(&v, chunks_less);
    if (fs_write(file, "x", 1, 0) == NACRE_OK) {
      use_up_slack(&v);
      ok(fs_fsync(file));
    }
    fs_close(file);
    bool has_log = v.e->intent.number > 0;
    volume_crash(&v);
    assert_int_equal(v.replays, has_log);
    replayed += has_log;
    ok(fs_open(v.fs, ino, NACRE_O_READ, &file));
    ok(fs_read(file, &byte, 1, 0, &done));
    assert_int_equal(byte, has_log ? 'x' : 7);
    fs_close(file);
    ok(fs_sync(v.fs));
    volume_check(&v);
    volume_end(&v);
  }
  assert_true(replayed > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_room)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
