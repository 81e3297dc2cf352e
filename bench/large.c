/* Large things through the public interface: a folder of a million names, a file of a million extents, a sparse file
 * of a TiB. How long each step takes, how much memory the process has at most meanwhile, and how long another thread,
 * which makes and looks at small files all the time, has to wait for one call at the longest. */
#include "measure.h"

#include <fcntl.h>
#include <nacre.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 4096u
#define FOREST_FILES 64u
#define LISTERS 4u
#define READS 20000u
#define SPARSE_PIECES 10000u
#define MIB (1ull << 20)
#define TIB (1ull << 40)

static char path[4096];
static nacre_credential *cred;
static nacre_volume *vol;
static uint64_t memory_mib;

static void must(enum nacre_err err, const char *what) {
  if (err == NACRE_OK)
    return;
  fprintf(stderr, "%s: %s\n", what, nacre_last_error());
  exit(1);
}

static void make_volume(void) {
  struct nacre_target target = {.struct_size = sizeof target, .path = path};
  struct nacre_create_options options = {
      .struct_size = sizeof options, .size_bytes = 64ull << 30, .chunk_bytes = PIECE_BYTES, .force = true};
  must(nacre_create(&target, &options, cred), "create");
}

static void open_volume(void) {
  struct nacre_target target = {.struct_size = sizeof target, .path = path};
  struct nacre_open_options options = {
      .struct_size = sizeof options, .threads = -1, .memory_bytes = memory_mib * MIB};
  must(nacre_volume_open(&target, &options, cred, &vol), "open");
}

static void close_volume(void) {
  must(nacre_volume_close(vol), "close");
}

static void forget(void) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  MEASURE_OK(fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0);
  close(fd);
}

/* ---- Somebody else ---- */

static atomic_bool other_stops;
static atomic_ullong other_longest_ns;
static pthread_t other;

static void other_call(unsigned i) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  char name[32];
  nacre_file *file;
  snprintf(name, sizeof name, "other/%u", i % FOREST_FILES);
  if (i % (2 * FOREST_FILES) < FOREST_FILES) {
    must(nacre_open(vol, name, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "other's open");
    must(nacre_write(file, name, sizeof name, 0), "other's write");
    nacre_close(file);
  } else {
    must(nacre_stat(vol, name, &attr), "other's stat");
    must(nacre_unlink(vol, name), "other's unlink");
  }
}

static void *other_main(void *arg) {
  (void)arg;
  for (unsigned i = 0; !atomic_load(&other_stops); i++) {
    double begin = measure_now_s();
    other_call(i);
    unsigned long long ns = (unsigned long long)((measure_now_s() - begin) * 1e9);
    if (ns > atomic_load(&other_longest_ns))
      atomic_store(&other_longest_ns, ns);
    usleep(200);
  }
  return NULL;
}

static void other_begin(void) {
  if (nacre_mkdir(vol, "other", 0700, NULL) != NACRE_OK)
    must(nacre_stat(vol, "other", &(struct nacre_attr){.struct_size = sizeof(struct nacre_attr)}), "other's folder");
  atomic_store(&other_stops, false);
  MEASURE_OK(pthread_create(&other, NULL, other_main, NULL));
}

static void other_end(void) {
  atomic_store(&other_stops, true);
  pthread_join(other, NULL);
}

/* ---- Steps ---- */

static double step_begin(void) {
  measure_peak_forget();
  atomic_store(&other_longest_ns, 0);
  return measure_now_s();
}

static void step_end(const char *what, double begin, uint64_t count) {
  char name[96];
  double seconds = measure_now_s() - begin, value = seconds * 1e3;
  snprintf(name, sizeof name, "%s", what);
  measure_add(name, "ms", &value, 1);
  if (count > 0) {
    value = seconds * 1e6 / (double)count;
    snprintf(name, sizeof name, "%s: each", what);
    measure_add(name, "us", &value, 1);
  }
  value = measure_peak_mib();
  snprintf(name, sizeof name, "%s: memory", what);
  measure_add(name, "MiB", &value, 1);
  value = (double)atomic_load(&other_longest_ns) / 1e6;
  snprintf(name, sizeof name, "%s: another waited", what);
  if (value > 0)
    measure_add(name, "ms", &value, 1);
}

static void reopen(const char *what) {
  double begin = step_begin();
  close_volume();
  step_end("close", begin, 0);
  forget();
  begin = step_begin();
  open_volume();
  step_end(what, begin, 0);
}

/* ---- A folder of many names ---- */

static void name_of(uint64_t i, char name[64]) {
  snprintf(name, 64, "folder/a name of some length %08llu", (unsigned long long)i);
}

static void fill_folder(uint64_t from, uint64_t to) {
  char name[64];
  for (uint64_t i = from; i < to; i++) {
    nacre_file *file;
    name_of(i, name);
    must(nacre_open(vol, name, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "create file");
    nacre_close(file);
  }
}

struct listing {
  pthread_t thread;
  bool with_attr;
  uint64_t found;
};

static bool count_entry(void *arg, const struct nacre_dirent *entry) {
  struct listing *l = arg;
  l->found++;
  if (entry->attr != NULL)
    nacre_inode_unpin(vol, entry->ino, 1);
  return true;
}

static void *list_main(void *arg) {
  struct listing *l = arg;
  nacre_dir *dir;
  must(nacre_opendir(vol, "folder", &dir), "opendir");
  must(nacre_readdir(dir, 0, l->with_attr, count_entry, l), "readdir");
  nacre_closedir(dir);
  return NULL;
}

static void list_folder(const char *what, uint64_t count, unsigned listers, bool with_attr) {
  struct listing l[LISTERS];
  double begin = step_begin();
  for (unsigned i = 0; i < listers; i++) {
    l[i] = (struct listing){.with_attr = with_attr};
    MEASURE_OK(pthread_create(&l[i].thread, NULL, list_main, &l[i]));
  }
  for (unsigned i = 0; i < listers; i++) {
    pthread_join(l[i].thread, NULL);
    MEASURE_OK(l[i].found != count + 2);
  }
  step_end(what, begin, count);
}

static void measure_names(uint64_t count) {
  char name[64];
  make_volume();
  open_volume();
  must(nacre_mkdir(vol, "folder", 0700, NULL), "mkdir");
  other_begin();
  double begin = step_begin();
  fill_folder(0, count / 10);
  step_end("names: make the first tenth", begin, count / 10);
  fill_folder(count / 10, count - count / 10);
  begin = step_begin();
  fill_folder(count - count / 10, count);
  step_end("names: make the last tenth", begin, count / 10);
  other_end();
  reopen("names: open");
  list_folder("names: list, cold", count, 1, false);
  list_folder("names: list again", count, 1, false);
  list_folder("names: list, four at once", count, LISTERS, false);
  list_folder("names: list with attributes", count, 1, true);
  other_begin();
  begin = step_begin();
  for (uint64_t i = 0; i < count; i++) {
    name_of(i, name);
    must(nacre_unlink(vol, name), "unlink");
  }
  step_end("names: remove all", begin, count);
  must(nacre_rmdir(vol, "folder"), "rmdir");
  other_end();
  close_volume();
}

/* ---- A file of many extents ---- */

static void fill_piece(uint8_t piece[PIECE_BYTES], uint64_t index) {
  for (unsigned i = 0; i < PIECE_BYTES; i += 8)
    memcpy(piece + i, &index, sizeof index);
}

static void check_piece(const uint8_t piece[PIECE_BYTES], uint64_t index) {
  uint64_t first, last;
  memcpy(&first, piece, sizeof first);
  memcpy(&last, piece + PIECE_BYTES - 8, sizeof last);
  MEASURE_OK(first != index || last != index);
}

static void write_piece(nacre_file *file, uint64_t index) {
  uint8_t piece[PIECE_BYTES];
  fill_piece(piece, index);
  must(nacre_write(file, piece, PIECE_BYTES, index * PIECE_BYTES), "write");
}

static void read_piece(nacre_file *file, uint64_t index) {
  uint8_t piece[PIECE_BYTES];
  size_t done;
  must(nacre_read(file, piece, PIECE_BYTES, index * PIECE_BYTES, &done), "read");
  MEASURE_OK(done != PIECE_BYTES);
  check_piece(piece, index);
}

static nacre_file *open_file(unsigned flags) {
  nacre_file *file;
  must(nacre_open(vol, "large", flags, 0600, NULL, &file), "open file");
  return file;
}

/* Every other chunk, so that no two make one extent. */
static void write_extents(uint64_t count) {
  nacre_file *file = open_file(NACRE_O_WRITE | NACRE_O_CREATE);
  double begin = step_begin();
  for (uint64_t i = 0; i < count / 10; i++)
    write_piece(file, 2 * i + 1);
  must(nacre_fsync(file), "fsync");
  step_end("extents: write the first tenth, fsync", begin, count / 10);
  for (uint64_t i = count / 10; i < count - count / 10; i++)
    write_piece(file, 2 * i + 1);
  begin = step_begin();
  for (uint64_t i = count - count / 10; i < count; i++)
    write_piece(file, 2 * i + 1);
  must(nacre_fsync(file), "fsync");
  step_end("extents: write the last tenth, fsync", begin, count / 10);
  nacre_close(file);
}

static void read_extents(uint64_t count) {
  nacre_file *file = open_file(NACRE_O_READ);
  double begin = step_begin();
  for (uint64_t i = 0; i < READS; i++)
    read_piece(file, i * 0x9e3779b97f4a7c15ull % count * 2 + 1);
  step_end("extents: read one at random, cold", begin, READS);
  uint8_t *bytes = malloc(MIB);
  size_t done;
  MEASURE_OK(bytes == NULL);
  begin = step_begin();
  for (uint64_t at = 0; at < count * 2 * PIECE_BYTES; at += done) {
    must(nacre_read(file, bytes, MIB, at, &done), "read");
    check_piece(bytes, 0);
    check_piece(bytes + PIECE_BYTES, at / PIECE_BYTES + 1);
  }
  step_end("extents: read all, holes too", begin, count);
  free(bytes);
  nacre_close(file);
}

static void change_extents(uint64_t count) {
  nacre_file *file = open_file(NACRE_O_WRITE);
  double begin = step_begin();
  for (uint64_t i = 0; i < READS; i++)
    write_piece(file, i * 0x9e3779b97f4a7c15ull % count * 2 + 1);
  must(nacre_fsync(file), "fsync");
  step_end("extents: overwrite one at random, fsync at the end", begin, READS);
  begin = step_begin();
  must(nacre_ftruncate(file, count * PIECE_BYTES), "truncate");
  step_end("extents: truncate to half", begin, count / 2);
  nacre_close(file);
}

static void measure_extents(uint64_t count) {
  make_volume();
  open_volume();
  other_begin();
  write_extents(count);
  other_end();
  reopen("extents: open");
  read_extents(count);
  other_begin();
  change_extents(count);
  double begin = step_begin();
  must(nacre_unlink(vol, "large"), "unlink");
  step_end("extents: unlink, half of them left", begin, count / 2);
  begin = step_begin();
  must(nacre_volume_sync(vol), "sync");
  step_end("extents: commit after that", begin, 0);
  other_end();
  close_volume();
}

/* ---- A sparse file ---- */

static uint64_t sparse_piece(uint64_t i) {
  return i == 0 ? TIB / PIECE_BYTES - 1 : i * (TIB / PIECE_BYTES / SPARSE_PIECES);
}

static void find_holes(nacre_file *file) {
  uint64_t at = 0, data = 0, end;
  double begin = step_begin();
  while (nacre_seek_data(file, at, &at) == NACRE_OK) {
    must(nacre_seek_hole(file, at, &end), "seek");
    data += end - at;
    at = end;
  }
  MEASURE_OK(data != (uint64_t)SPARSE_PIECES * PIECE_BYTES);
  step_end("sparse: find data and holes", begin, SPARSE_PIECES);
}

static void measure_sparse(void) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  make_volume();
  open_volume();
  nacre_file *file = open_file(NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE);
  other_begin();
  double begin = step_begin();
  must(nacre_ftruncate(file, TIB), "truncate");
  step_end("sparse: truncate to a TiB", begin, 0);
  begin = step_begin();
  for (uint64_t i = 0; i < SPARSE_PIECES; i++)
    write_piece(file, sparse_piece(i));
  must(nacre_fsync(file), "fsync");
  step_end("sparse: write scattered pieces, fsync", begin, SPARSE_PIECES);
  must(nacre_fstat(file, &attr), "stat");
  MEASURE_OK(attr.size_bytes != TIB || attr.allocated_bytes != (uint64_t)SPARSE_PIECES * PIECE_BYTES);
  find_holes(file);
  begin = step_begin();
  for (uint64_t i = 0; i < SPARSE_PIECES; i++)
    read_piece(file, sparse_piece(i));
  step_end("sparse: read them", begin, SPARSE_PIECES);
  begin = step_begin();
  must(nacre_fallocate(file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, TIB / 4, TIB / 2), "punch");
  step_end("sparse: punch half a TiB", begin, SPARSE_PIECES / 2);
  begin = step_begin();
  must(nacre_ftruncate(file, PIECE_BYTES), "truncate");
  step_end("sparse: truncate to a chunk", begin, SPARSE_PIECES / 2);
  must(nacre_fstat(file, &attr), "stat");
  MEASURE_OK(attr.size_bytes != PIECE_BYTES || attr.allocated_bytes != 0);
  other_end();
  nacre_close(file);
  close_volume();
}

int main(int argc, char **argv) {
  static const uint8_t key[32] = {1};
  const char *folder = getenv("NACRE_BENCH_DIR");
  uint64_t names = measure_option(argc, argv, "names", 1000000);
  uint64_t extents = measure_option(argc, argv, "extents", 1000000);
  memory_mib = measure_option(argc, argv, "memory-mib", 64);
  snprintf(path, sizeof path, "%s/nacre-bench-large-%d", folder != NULL ? folder : "/var/tmp", (int)getpid());
  must(nacre_credential_raw_key(key, &cred), "credential");
  measure_begin("large");
  measure_sparse();
  if (names > 0)
    measure_names(names);
  if (extents > 0)
    measure_extents(extents);
  measure_end();
  nacre_credential_free(cred);
  (void)unlink(path);
  return 0;
}
