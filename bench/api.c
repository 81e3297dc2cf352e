/* Files through the public interface, on a container in a file, with no mount between. */
#include "measure.h"

#include <nacre.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)
#define SMALL_BYTES 4096u
#define ROUNDS_MAX 9u

static char path[4096];
static nacre_credential *cred;

static void must(enum nacre_err err, const char *what) {
  if (err == NACRE_OK)
    return;
  fprintf(stderr, "%s: %s\n", what, nacre_last_error());
  exit(1);
}

static nacre_volume *open_volume(void) {
  struct nacre_target target = {.struct_size = sizeof target, .path = path};
  struct nacre_open_options options = {.struct_size = sizeof options, .threads = -1};
  nacre_volume *vol;
  must(nacre_volume_open(&target, &options, cred, &vol), "open");
  return vol;
}

static void create_volume(void) {
  struct nacre_target target = {.struct_size = sizeof target, .path = path};
  struct nacre_create_options options = {.struct_size = sizeof options, .size_bytes = 64ull << 30, .force = true};
  must(nacre_create(&target, &options, cred), "create");
}

/* ---- One large file ---- */

enum large { LARGE_WRITE, LARGE_READ, LARGE_REWRITE, LARGE_STEPS };

static double write_large(nacre_volume *vol, uint64_t bytes, uint8_t *piece) {
  nacre_file *file;
  double start = measure_now_s();
  must(nacre_open(vol, "large", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "create file");
  for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
    memcpy(piece, &at, sizeof at);
    must(nacre_write(file, piece, PIECE_BYTES, at), "write");
  }
  must(nacre_fsync(file), "fsync");
  nacre_close(file);
  return measure_now_s() - start;
}

static double read_large(nacre_volume *vol, uint64_t bytes, uint8_t *piece) {
  nacre_file *file;
  size_t done;
  double start = measure_now_s();
  must(nacre_open(vol, "large", NACRE_O_READ, 0, NULL, &file), "open file");
  for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
    must(nacre_read(file, piece, PIECE_BYTES, at, &done), "read");
    MEASURE_OK(memcmp(piece, &at, sizeof at));
  }
  nacre_close(file);
  return measure_now_s() - start;
}

static void round_large(uint64_t bytes, double seconds[LARGE_STEPS]) {
  uint8_t *piece = malloc(PIECE_BYTES);
  MEASURE_OK(piece == NULL);
  memset(piece, 0x5a, PIECE_BYTES);
  create_volume();
  nacre_volume *vol = open_volume();
  seconds[LARGE_WRITE] = write_large(vol, bytes, piece);
  must(nacre_volume_close(vol), "close");
  vol = open_volume();
  seconds[LARGE_READ] = read_large(vol, bytes, piece);
  seconds[LARGE_REWRITE] = write_large(vol, bytes, piece);
  must(nacre_volume_close(vol), "close");
  free(piece);
}

/* ---- Many small files ---- */

enum small { SMALL_CREATE, SMALL_READ, SMALL_STAT, SMALL_DELETE, SMALL_STEPS };

static void name_of(unsigned i, char name[48]) {
  snprintf(name, 48, "folder%u/file%u", i / 1000, i);
}

static void create_small(nacre_volume *vol, unsigned count, const uint8_t *bytes) {
  char name[48];
  for (unsigned i = 0; i < count; i++) {
    nacre_file *file;
    if (i % 1000 == 0) {
      snprintf(name, sizeof name, "folder%u", i / 1000);
      must(nacre_mkdir(vol, name, 0700, NULL), "mkdir");
    }
    name_of(i, name);
    must(nacre_open(vol, name, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "create file");
    must(nacre_write(file, bytes, SMALL_BYTES, 0), "write");
    nacre_close(file);
  }
  must(nacre_volume_sync(vol), "sync");
}

static void read_small(nacre_volume *vol, unsigned count) {
  char name[48];
  uint8_t bytes[SMALL_BYTES];
  for (unsigned i = 0; i < count; i++) {
    nacre_file *file;
    size_t done;
    name_of(i, name);
    must(nacre_open(vol, name, NACRE_O_READ, 0, NULL, &file), "open file");
    must(nacre_read(file, bytes, sizeof bytes, 0, &done), "read");
    MEASURE_OK(done != sizeof bytes);
    nacre_close(file);
  }
}

static void stat_small(nacre_volume *vol, unsigned count) {
  char name[48];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  for (unsigned i = 0; i < count; i++) {
    name_of(i, name);
    must(nacre_stat(vol, name, &attr), "stat");
  }
}

static void delete_small(nacre_volume *vol, unsigned count) {
  char name[48];
  for (unsigned i = 0; i < count; i++) {
    name_of(i, name);
    must(nacre_unlink(vol, name), "unlink");
  }
  must(nacre_volume_sync(vol), "sync");
}

static void round_small(unsigned count, double seconds[SMALL_STEPS]) {
  static const uint8_t bytes[SMALL_BYTES] = {1};
  double t[SMALL_STEPS + 1];
  create_volume();
  nacre_volume *vol = open_volume();
  t[0] = measure_now_s();
  create_small(vol, count, bytes);
  seconds[SMALL_CREATE] = measure_now_s() - t[0];
  must(nacre_volume_close(vol), "close");
  vol = open_volume();
  t[1] = measure_now_s();
  read_small(vol, count);
  t[2] = measure_now_s();
  stat_small(vol, count);
  t[3] = measure_now_s();
  delete_small(vol, count);
  t[4] = measure_now_s();
  for (unsigned i = SMALL_READ; i < SMALL_STEPS; i++)
    seconds[i] = t[i + 1] - t[i];
  must(nacre_volume_close(vol), "close");
}

/* ---- One folder of many names ---- */

enum folder { FOLDER_FILL, FOLDER_OPEN, FOLDER_LOOK, FOLDER_LIST, FOLDER_STEPS };

#define FOLDER_LOOKS 10000u

static void name_in_folder(unsigned i, char name[48]) {
  snprintf(name, 48, "folder/a name of some length %08u", i);
}

static void fill_folder(nacre_volume *vol, unsigned count) {
  char name[48];
  must(nacre_mkdir(vol, "folder", 0700, NULL), "mkdir");
  for (unsigned i = 0; i < count; i++) {
    nacre_file *file;
    name_in_folder(i, name);
    must(nacre_open(vol, name, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "create file");
    nacre_close(file);
  }
  must(nacre_volume_sync(vol), "sync");
}

/* In an order that has nothing to do with the one they were made in. */
static void look_in_folder(nacre_volume *vol, unsigned count) {
  char name[48];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  for (uint64_t i = 0; i < FOLDER_LOOKS; i++) {
    name_in_folder((unsigned)(i * 2654435761u % count), name);
    must(nacre_stat(vol, name, &attr), "stat");
  }
}

static bool count_entry(void *arg, const struct nacre_dirent *entry) {
  unsigned *count = arg;
  (void)entry;
  (*count)++;
  return true;
}

static void list_folder(nacre_volume *vol, unsigned count) {
  unsigned found = 0;
  nacre_dir *dir;
  must(nacre_opendir(vol, "folder", &dir), "opendir");
  must(nacre_readdir(dir, 0, true, count_entry, &found), "readdir");
  nacre_closedir(dir);
  MEASURE_OK(found < count);
}

static void round_folder(unsigned count, double seconds[FOLDER_STEPS]) {
  create_volume();
  nacre_volume *vol = open_volume();
  double start = measure_now_s();
  fill_folder(vol, count);
  seconds[FOLDER_FILL] = measure_now_s() - start;
  must(nacre_volume_close(vol), "close");
  start = measure_now_s();
  vol = open_volume();
  seconds[FOLDER_OPEN] = measure_now_s() - start;
  start = measure_now_s();
  look_in_folder(vol, count);
  seconds[FOLDER_LOOK] = (measure_now_s() - start) / FOLDER_LOOKS;
  start = measure_now_s();
  list_folder(vol, count);
  seconds[FOLDER_LIST] = measure_now_s() - start;
  must(nacre_volume_close(vol), "close");
}

static void measure_folder(unsigned count, unsigned rounds) {
  static const char *const names[] = {"fill and sync", "open the volume", "look up one of them, cold", "list"};
  static const char *const units[] = {"s", "ms", "us", "ms"};
  static const double scale[] = {1, 1e3, 1e6, 1e3};
  double found[ROUNDS_MAX][FOLDER_STEPS], values[ROUNDS_MAX];
  for (unsigned r = 0; r < rounds; r++)
    round_folder(count, found[r]);
  for (unsigned s = 0; s < FOLDER_STEPS; s++) {
    char name[64];
    snprintf(name, sizeof name, "folder of %u names: %s", count, names[s]);
    for (unsigned r = 0; r < rounds; r++)
      values[r] = found[r][s] * scale[s];
    measure_add(name, units[s], values, rounds);
  }
}

static void measure_files(uint64_t large_bytes, unsigned count, unsigned rounds) {
  static const char *const large_names[] = {"large file: write in order, then fsync",
                                            "large file: read in order, cold",
                                            "large file: overwrite in order, then fsync"};
  static const char *const small_names[] = {"files of 4 KiB: create and write, then sync",
                                            "files of 4 KiB: read, cold", "files of 4 KiB: stat",
                                            "files of 4 KiB: delete, then sync"};
  double large[ROUNDS_MAX][LARGE_STEPS], small[ROUNDS_MAX][SMALL_STEPS], values[ROUNDS_MAX];
  for (unsigned r = 0; r < rounds; r++) {
    round_large(large_bytes, large[r]);
    round_small(count, small[r]);
  }
  for (unsigned s = 0; s < LARGE_STEPS; s++) {
    for (unsigned r = 0; r < rounds; r++)
      values[r] = (double)large_bytes / large[r][s] / (1 << 20);
    measure_add(large_names[s], "MiB/s", values, rounds);
  }
  for (unsigned s = 0; s < SMALL_STEPS; s++) {
    for (unsigned r = 0; r < rounds; r++)
      values[r] = count / small[r][s];
    measure_add(small_names[s], "files/s", values, rounds);
  }
}

int main(int argc, char **argv) {
  static const uint8_t key[32] = {1};
  const char *folder = getenv("NACRE_BENCH_DIR");
  uint64_t rounds = measure_option(argc, argv, "rounds", 3);
  uint64_t large_mib = measure_option(argc, argv, "large-mib", 1024);
  uint64_t files = measure_option(argc, argv, "files", 20000);
  uint64_t names = measure_option(argc, argv, "names", 100000);
  if (rounds < 1 || rounds > ROUNDS_MAX)
    rounds = ROUNDS_MAX;
  snprintf(path, sizeof path, "%s/nacre-bench-%d.nacre", folder ? folder : "/var/tmp", (int)getpid());
  must(nacre_credential_raw_key(key, &cred), "credential");
  measure_begin("api");
  measure_files(large_mib << 20, (unsigned)files, (unsigned)rounds);
  measure_folder((unsigned)names, (unsigned)rounds);
  measure_end();
  nacre_credential_free(cred);
  (void)unlink(path);
  return 0;
}
