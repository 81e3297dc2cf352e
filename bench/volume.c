/* What the size of a volume costs: one filled with the metadata of files of 1 MiB (--chunks-a-file: of other sizes),
 * whose data is never written, so that the container is sparse. Opening it, finding, changing and committing a
 * record, a checkpoint of its map, memory, by its size. --holes: half of each file's room is given back, so that free
 * space is in as many pieces as files. */
#include "base/env.h"
#include "engine_keys.h"
#include "measure.h"
#include "tree/core.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK_BYTES 16384u
#define INODE_BYTES 100u
#define NAME_BYTES 60u
#define FILE_RECORDS 3u
#define PROBES 2000u
#define COMMITS 50u
#define CACHE_BYTES (64u << 20)
#define GIB (1ull << 30)
#define RESULTS_MAX 12u

static char path[4096];
static uint32_t file_chunks = 64;
static bool holes;

static uint64_t files_of(uint64_t gib) {
  return gib * (GIB / CHUNK_BYTES) / file_chunks;
}

struct volume {
  struct store store;
  struct workers *workers;
  struct engine *e;
};

/* In place of the file store's, which takes all the room that a container grows by. */
static int resize_sparse(void *ctx, uint64_t size) {
  (void)ctx;
  return truncate(path, (off_t)size) == 0 ? 0 : errno;
}

static void open_store(unsigned flags, struct store *store) {
  MEASURE_OK(file_store_open(path, flags, store));
  store->ops.resize = resize_sparse;
}

static void open_volume(struct volume *v) {
  struct engine_keys keys = engine_measured_keys();
  struct engine_options options = {.memory_bytes = CACHE_BYTES, .header_sequence = 1};
  open_store(0, &v->store);
  MEASURE_OK(workers_new(env_cores(), &v->workers));
  MEASURE_OK(engine_open(&v->store, &keys, v->workers, &options, &v->e));
}

static void close_volume(struct volume *v) {
  engine_close(v->e);
  workers_free(v->workers);
  store_close(&v->store);
}

static void create_volume(uint64_t gib) {
  struct store store;
  struct engine_keys keys = engine_measured_keys();
  struct engine_geometry g = {
      .size_limit_bytes = gib * (GIB + GIB / 32) + GIB, .chunk_bytes = CHUNK_BYTES, .header_sequence = 1};
  open_store(FILE_STORE_CREATE, &store);
  MEASURE_OK(store_resize(&store, 64u << 20));
  MEASURE_OK(engine_create(&store, &keys, &g));
  store_close(&store);
}

static struct key inode_key(uint64_t number) {
  return key_make(number + 16, FORMAT_RECORD_INODE, 0);
}

static struct key extent_key(uint64_t number) {
  return key_make(number + 16, FORMAT_RECORD_EXTENT, 0);
}

static struct key name_key(uint64_t number) {
  return key_make(1 + number / 1000 % 15, FORMAT_RECORD_DIRENT, (number + 1) * 0x9e3779b97f4a7c15ull);
}

/* A name in one of the folders of 1000, an inode, and an extent that has its room but no data. */
static void add_file(struct engine *e, uint64_t number) {
  uint8_t value[EXTENT_VALUE_MAX_BYTES] = {FORMAT_RECORD_VERSION};
  uint64_t units = file_chunks * CHUNK_BYTES / FORMAT_UNIT_BYTES;
  uint64_t reserved = units + engine_metadata_units(FILE_RECORDS);
  struct extent x = {.chunk_bytes = CHUNK_BYTES, .count = file_chunks, .last_bytes = CHUNK_BYTES, .epoch = 1};
  struct key inode = inode_key(number), extent = extent_key(number), name = name_key(number);
  struct txn txn;
  struct run run;
  MEASURE_OK(space_reserve(e, reserved));
  MEASURE_OK(txn_begin(e, TXN_FLUSH, FILE_RECORDS, &txn));
  MEASURE_OK(alloc_take(&e->alloc, ALLOC_LONG, units, units, CHUNK_BYTES / FORMAT_UNIT_BYTES, &run));
  x.unit = run.unit;
  x.birth = x.alloc = txn.generation;
  for (unsigned i = 0; i < sizeof x.tags; i++)
    ((uint8_t *)x.tags)[i] = (uint8_t)(number * 31 + i * 7);
  MEASURE_OK(tree_put(&txn, &name, value, NAME_BYTES));
  MEASURE_OK(tree_put(&txn, &inode, value, INODE_BYTES));
  MEASURE_OK(tree_put(&txn, &extent, value, extent_encode(&x, value)));
  txn_end(&txn);
  space_release(e, reserved);
}

static void remove_file(struct engine *e, uint64_t number) {
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
  size_t len;
  struct extent x;
  struct txn txn;
  struct key inode = inode_key(number), extent = extent_key(number), name = name_key(number);
  MEASURE_OK(tree_get(e, &extent, value, sizeof value, &len));
  MEASURE_OK(extent_decode(value, len, engine_units_end(e), &x));
  MEASURE_OK(txn_begin(e, TXN_FREEING, FILE_RECORDS, &txn));
  MEASURE_OK(tree_delete(&txn, &name));
  MEASURE_OK(tree_delete(&txn, &inode));
  MEASURE_OK(tree_delete(&txn, &extent));
  data_free(&txn, &x);
  txn_end(&txn);
}

static double find_some(struct engine *e, uint64_t files, uint64_t seed) {
  uint8_t value[INODE_BYTES];
  size_t len;
  double begin = measure_now_s();
  for (uint64_t i = 0; i < PROBES; i++) {
    struct key key = inode_key(((seed + i) * 0x9e3779b97f4a7c15ull % files) & ~1ull);
    MEASURE_OK(tree_get(e, &key, value, sizeof value, &len));
  }
  return (measure_now_s() - begin) / PROBES * 1e6;
}

static double change_some(struct engine *e, uint64_t files) {
  uint8_t value[INODE_BYTES] = {FORMAT_RECORD_VERSION, 1};
  double begin = measure_now_s();
  for (uint64_t i = 0; i < COMMITS; i++) {
    struct key key = inode_key((i + 7) * 0x9e3779b97f4a7c15ull % files);
    struct txn txn;
    MEASURE_OK(txn_begin(e, TXN_NORMAL, 1, &txn));
    MEASURE_OK(tree_put(&txn, &key, value, sizeof value));
    txn_end(&txn);
    MEASURE_OK(engine_commit(e));
  }
  return (measure_now_s() - begin) / COMMITS * 1e3;
}

/* MiB that this process has now. */
static double resident_mib(void) {
  char line[128] = "";
  FILE *statm = fopen("/proc/self/statm", "re");
  MEASURE_OK(statm == NULL || fgets(line, sizeof line, statm) == NULL);
  fclose(statm);
  unsigned long long pages = strtoull(strchr(line, ' '), NULL, 10);
  return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void forget(void) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  MEASURE_OK(fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0);
  close(fd);
}

/* In a process of its own, so that the memory of one step is not that of another. */
static void apart(void (*step)(uint64_t gib, double *out), uint64_t gib, double out[RESULTS_MAX]) {
  int ends[2], status;
  fflush(stdout);
  MEASURE_OK(pipe(ends));
  pid_t child = fork();
  MEASURE_OK(child < 0);
  if (child == 0) {
    double found[RESULTS_MAX] = {0};
    MEASURE_OK(env_start());
    step(gib, found);
    _exit(write(ends[1], found, sizeof found) == sizeof found ? 0 : 1);
  }
  close(ends[1]);
  MEASURE_OK(read(ends[0], out, RESULTS_MAX * sizeof *out) != RESULTS_MAX * sizeof *out);
  MEASURE_OK(waitpid(child, &status, 0) != child || status != 0);
  close(ends[0]);
}

static void add(uint64_t gib, const char *step, const char *unit, double value) {
  char what[96];
  snprintf(what, sizeof what, "%4llu GiB: %s", (unsigned long long)gib, step);
  measure_add(what, unit, &value, 1);
}

static void fill(uint64_t gib, double *out) {
  struct volume v = {0};
  struct stat st;
  uint64_t files = files_of(gib);
  create_volume(gib);
  open_volume(&v);
  double begin = measure_now_s();
  for (uint64_t i = 0; i < files; i++)
    add_file(v.e, i);
  MEASURE_OK(engine_commit(v.e));
  out[0] = (measure_now_s() - begin) / (double)files * 1e6;
  begin = measure_now_s();
  for (uint64_t i = 1; holes && i < files; i += 2)
    remove_file(v.e, i);
  MEASURE_OK(engine_commit(v.e));
  const uint64_t removed = files / 2;
  out[2] = (measure_now_s() - begin) / (double)removed * 1e6;
  close_volume(&v);
  MEASURE_OK(stat(path, &st));
  out[1] = (double)st.st_blocks / 2048;
  forget();
}

static void use(uint64_t gib, double *out) {
  struct volume v = {0};
  double before = resident_mib(), begin = measure_now_s();
  open_volume(&v);
  out[0] = (measure_now_s() - begin) * 1e3;
  out[1] = resident_mib() - before;
  out[6] = measure_peak_mib() - before;
  out[2] = find_some(v.e, files_of(gib), 1);
  out[3] = find_some(v.e, files_of(gib), 1);
  out[4] = change_some(v.e, files_of(gib));
  out[5] = resident_mib() - before;
  committer_want_checkpoint(v.e);
  measure_peak_forget();
  begin = measure_now_s();
  MEASURE_OK(committer_commit_anyway(v.e));
  out[7] = (measure_now_s() - begin) * 1e3;
  out[8] = measure_peak_mib() - before;
  close_volume(&v);
}

static void measure_gib(uint64_t gib) {
  double filled[RESULTS_MAX], used[RESULTS_MAX];
  apart(fill, gib, filled);
  apart(use, gib, used);
  unlink(path);
  add(gib, "add a file of 1 MiB", "us", filled[0]);
  if (holes)
    add(gib, "remove every other file", "us", filled[2]);
  add(gib, "metadata in all", "MiB", filled[1]);
  add(gib, "open, cold, key derivation apart", "ms", used[0]);
  add(gib, "memory when open", "MiB", used[1]);
  add(gib, "find a record, cold at first", "us", used[2]);
  add(gib, "the same records again", "us", used[3]);
  add(gib, "change a record and commit", "ms", used[4]);
  add(gib, "memory after that", "MiB", used[5]);
  add(gib, "commit with a checkpoint", "ms", used[7]);
  add(gib, "memory while opening, at most", "MiB", used[6]);
  add(gib, "memory during a checkpoint, at most", "MiB", used[8]);
}

int main(int argc, char **argv) {
  const char *folder = getenv("NACRE_BENCH_DIR");
  uint64_t least = measure_option(argc, argv, "least-gib", 1);
  uint64_t most = measure_option(argc, argv, "most-gib", 1000);
  file_chunks = (uint32_t)measure_option(argc, argv, "chunks-a-file", file_chunks);
  holes = measure_option(argc, argv, "holes", 0) != 0;
  if (file_chunks < 1 || file_chunks > FORMAT_EXTENT_CHUNKS_MAX)
    file_chunks = FORMAT_EXTENT_CHUNKS_MAX;
  snprintf(path, sizeof path, "%s/nacre-bench-volume-%d", folder != NULL ? folder : "/var/tmp", (int)getpid());
  measure_begin("volume");
  for (uint64_t gib = least > 0 ? least : 1; gib <= most; gib *= 10)
    measure_gib(gib);
  measure_end();
  return 0;
}
