/* What threads wait for in the library: the common calls of a mount, by 1, 2, 4 and 16 threads at once, with how
 * often and how long each lock was waited on and held, and what a lock's holding limits any number of cores to. */
#include "../measure.h"
#include "record.h"

#include <nacre.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 16u
#define PIECE_BYTES 4096u
#define FILE_BYTES (16u << 20)
#define NAMES 1000u
#define SHOWN_MAX 12u

static char path[4096];
static nacre_credential *cred;
static nacre_volume *vol;
static atomic_bool go, stop;

struct hand {
  unsigned number;
  uint64_t random, done;
  uint64_t own_ino; /* a folder */
  uint64_t made;
  nacre_file *own, *shared; /* files of FILE_BYTES */
  nacre_dir *list;
  uint8_t piece[PIECE_BYTES];
};

static uint64_t shared_ino;
static struct hand hands[THREADS_MAX];

static void must(enum nacre_err err, const char *what) {
  if (err == NACRE_OK)
    return;
  fprintf(stderr, "%s: %s\n", what, nacre_last_error());
  exit(1);
}

static uint64_t next_random(struct hand *h) {
  h->random = h->random * 6364136223846793005ull + 1442695040888963407ull;
  return h->random >> 33;
}

/* ---- What is done ---- */

static void read_piece(struct hand *h, nacre_file *file, uint64_t piece) {
  size_t done;
  must(nacre_read(file, h->piece, PIECE_BYTES, piece % (FILE_BYTES / PIECE_BYTES) * PIECE_BYTES, &done), "read");
  MEASURE_OK(done != PIECE_BYTES);
}

static void read_in_order(struct hand *h) {
  read_piece(h, h->own, h->done);
}

static void read_own(struct hand *h) {
  read_piece(h, h->own, next_random(h));
}

static void read_shared(struct hand *h) {
  read_piece(h, h->shared, next_random(h));
}

static void write_own(struct hand *h) {
  uint64_t piece = next_random(h) % (FILE_BYTES / PIECE_BYTES);
  must(nacre_write(h->own, h->piece, PIECE_BYTES, piece * PIECE_BYTES), "write");
}

static void write_and_fsync(struct hand *h) {
  write_own(h);
  must(nacre_fsync(h->own), "fsync");
}

static void create(struct hand *h, uint64_t folder) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  char name[48];
  nacre_file *file;
  int len = snprintf(name, sizeof name, "new %u %llu", h->number, (unsigned long long)h->made++);
  must(nacre_inode_create(vol, folder, name, (size_t)len, 0600, NACRE_O_WRITE, NULL, &attr, &file), "create");
  must(nacre_write(file, h->piece, PIECE_BYTES, 0), "write");
  nacre_close(file);
  nacre_inode_unpin(vol, attr.ino, 1);
}

static void create_own(struct hand *h) {
  create(h, h->own_ino);
}

static void create_shared(struct hand *h) {
  create(h, shared_ino);
}

static void look(struct hand *h, uint64_t folder) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  char name[48];
  int len = snprintf(name, sizeof name, "name %u", (unsigned)(next_random(h) % NAMES));
  must(nacre_inode_lookup(vol, folder, name, (size_t)len, &attr), "lookup");
  must(nacre_inode_getattr(vol, attr.ino, &attr), "getattr");
  nacre_inode_unpin(vol, attr.ino, 1);
}

static void look_own(struct hand *h) {
  look(h, h->own_ino);
}

static void look_shared(struct hand *h) {
  look(h, shared_ino);
}

static bool list_one(void *arg, const struct nacre_dirent *entry) {
  (void)arg;
  if (entry->attr != NULL)
    nacre_inode_unpin(vol, entry->ino, 1);
  return true;
}

static void list_shared(struct hand *h) {
  must(nacre_readdir(h->list, 0, true, list_one, h), "readdir");
}

static const struct load {
  const char *name;
  void (*step)(struct hand *h);
} loads[] = {
    {"read 4 KiB in order, own files", read_in_order},   {"read 4 KiB at random, own files", read_own},
    {"read 4 KiB at random, one file", read_shared},     {"look up and getattr, own folders", look_own},
    {"look up and getattr, one folder", look_shared},    {"list 1000 names with attributes", list_shared},
    {"write 4 KiB at random, own files", write_own},     {"write 4 KiB and fsync, own files", write_and_fsync},
    {"create and write 4 KiB, own folders", create_own}, {"create and write 4 KiB, one folder", create_shared},
};
#define LOADS (sizeof loads / sizeof loads[0])

/* ---- What it is done to ---- */

static void fill_folder(const char *folder, uint64_t *ino) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  char name[64];
  must(nacre_mkdir(vol, folder, 0700, NULL), "mkdir");
  for (unsigned i = 0; i < NAMES; i++) {
    snprintf(name, sizeof name, "%s/name %u", folder, i);
    must(nacre_mknod(vol, name, 0100600, 0, NULL), "mknod");
  }
  must(nacre_stat(vol, folder, &attr), "stat");
  *ino = attr.ino;
}

static void fill_file(const char *name) {
  static uint8_t bytes[1u << 20];
  nacre_file *file;
  memset(bytes, 0x5a, sizeof bytes);
  must(nacre_open(vol, name, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "create file");
  for (uint64_t at = 0; at < FILE_BYTES; at += sizeof bytes)
    must(nacre_write(file, bytes, sizeof bytes, at), "write");
  nacre_close(file);
}

static void open_all(void) {
  struct nacre_target target = {.struct_size = sizeof target, .path = path};
  struct nacre_open_options options = {.struct_size = sizeof options, .threads = -1};
  must(nacre_volume_open(&target, &options, cred, &vol), "open");
  for (unsigned i = 0; i < THREADS_MAX; i++) {
    char name[48];
    snprintf(name, sizeof name, "file %u", i);
    must(nacre_open(vol, name, NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &hands[i].own), "open file");
    must(nacre_open(vol, "shared file", NACRE_O_READ, 0, NULL, &hands[i].shared), "open file");
    must(nacre_opendir(vol, "shared", &hands[i].list), "opendir");
  }
}

static void close_all(void) {
  for (unsigned i = 0; i < THREADS_MAX; i++) {
    nacre_close(hands[i].own);
    nacre_close(hands[i].shared);
    nacre_closedir(hands[i].list);
  }
  must(nacre_volume_close(vol), "close");
}

static void make_volume(void) {
  struct nacre_target target = {.struct_size = sizeof target, .path = path};
  struct nacre_create_options create_options = {
      .struct_size = sizeof create_options, .size_bytes = 64ull << 30, .force = true};
  struct nacre_open_options options = {.struct_size = sizeof options, .threads = -1};
  char name[48];
  must(nacre_create(&target, &create_options, cred), "create");
  must(nacre_volume_open(&target, &options, cred, &vol), "open");
  fill_folder("shared", &shared_ino);
  fill_file("shared file");
  for (unsigned i = 0; i < THREADS_MAX; i++) {
    hands[i].number = i;
    hands[i].random = i + 1;
    snprintf(name, sizeof name, "folder %u", i);
    fill_folder(name, &hands[i].own_ino);
    snprintf(name, sizeof name, "file %u", i);
    fill_file(name);
  }
  must(nacre_volume_close(vol), "close");
}

/* ---- Doing it ---- */

struct job {
  pthread_t thread;
  struct hand *hand;
  const struct load *load;
};

static void *run_hand(void *arg) {
  struct job *job = arg;
  while (!atomic_load(&go))
    ;
  while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
    job->load->step(job->hand);
    job->hand->done++;
  }
  return NULL;
}

/* How often a second; *seconds: how long it took. */
static double run(const struct load *load, unsigned threads, uint64_t ms, uint64_t *done) {
  struct job jobs[THREADS_MAX];
  atomic_store(&go, false);
  atomic_store(&stop, false);
  for (unsigned i = 0; i < threads; i++) {
    jobs[i] = (struct job){.hand = &hands[i], .load = load};
    hands[i].done = 0;
    MEASURE_OK(pthread_create(&jobs[i].thread, NULL, run_hand, &jobs[i]));
  }
  double begin = measure_now_s();
  atomic_store(&go, true);
  usleep((useconds_t)(ms * 1000));
  atomic_store(&stop, true);
  *done = 0;
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(jobs[i].thread, NULL);
    *done += hands[i].done;
  }
  return (double)*done / (measure_now_s() - begin);
}

static void show(const struct load *load, unsigned threads, double rate, uint64_t done, uint64_t own_ns) {
  static const char *const modes[] = {"alone", "shared", "wait for"};
  struct record_lock *locks;
  unsigned count = record_locks(&locks);
  const double n = (double)done;
  printf("\n%s, %u thread%s, recorded: %.0f/s\n", load->name, threads, threads == 1 ? "" : "s", rate);
  printf("  %-26s %-8s %9s %9s %12s %12s %12s %12s %14s  %s\n", "lock", "", "a call", "waited %", "wait ns/call",
         "longest us", "held ns/call", "longest us", "limit, calls/s", "longest in");
  for (unsigned i = 0; i < count && i < SHOWN_MAX; i++) {
    const struct record_lock *l = &locks[i];
    uint64_t own = own_ns * l->count;
    double held = l->held_ns > own ? (double)(l->held_ns - own) / n : 0;
    double hottest = l->held_ns > 0 ? held * (double)l->hottest_held_ns / (double)l->held_ns : 0;
    const char *in = l->longest_wait_ns > l->longest_held_ns ? l->longest_wait_in : l->longest_held_in;
    printf("  %-26s %-8s %9.3f %9.3f %12.1f %12.1f %12.1f %12.1f ", l->name, modes[l->mode], (double)l->count / n,
           l->count > 0 ? 100.0 * (double)l->waits / (double)l->count : 0, (double)l->wait_ns / n,
           (double)l->longest_wait_ns / 1e3, held, (double)l->longest_held_ns / 1e3);
    if (l->mode == RECORD_ALONE && hottest > 0)
      printf("%14.0f", 1e9 / hottest);
    else
      printf("%14s", "-");
    printf("  %s\n", in != NULL ? in : "");
  }
  free(locks);
}

static void measure_load(const struct load *load, uint64_t ms, uint64_t own_ns) {
  static const unsigned counts[] = {1, 2, 4, 16};
  open_all();
  for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    char what[96];
    uint64_t done;
    double rate = run(load, counts[i], ms, &done);
    snprintf(what, sizeof what, "%s: %u threads", load->name, counts[i]);
    measure_add(what, "calls/s", &rate, 1);
  }
  for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
    uint64_t done;
    must(nacre_volume_sync(vol), "sync"); /* or workers would still be inside */
    record_begin();
    double rate = run(load, counts[i], ms, &done);
    record_end();
    if (done > 0)
      show(load, counts[i], rate, done, own_ns);
  }
  close_all();
}

int main(int argc, char **argv) {
  static const uint8_t key[32] = {1};
  const char *folder = getenv("NACRE_BENCH_DIR");
  uint64_t ms = measure_option(argc, argv, "ms", 1000);
  uint64_t only = measure_option(argc, argv, "load", LOADS);
  snprintf(path, sizeof path, "%s/nacre-bench-locks-%d", folder != NULL ? folder : "/var/tmp", (int)getpid());
  must(nacre_credential_raw_key(key, &cred), "credential");
  uint64_t own_ns = record_own_ns();
  measure_begin("locks");
  printf("recording a holding adds %llu ns to it, which are taken off below\n", (unsigned long long)own_ns);
  make_volume();
  for (unsigned i = 0; i < LOADS; i++) {
    if (only == LOADS || only == i)
      measure_load(&loads[i], ms, own_ns);
  }
  measure_end();
  nacre_credential_free(cred);
  (void)unlink(path);
  return 0;
}
