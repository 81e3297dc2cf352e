#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "interrupt.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "slots.h"
#include "volume.h"

#define CIPHER_DURATION_MS 300
#define CIPHERS 3
#define PIECES 3
#define WRITE_BYTES ((size_t)1 << 20)
#define SMALL_FILES 5000
#define SMALL_FILE_BYTES 4096

static const enum nacre_cipher ciphers[CIPHERS] = {NACRE_CIPHER_AES_256_GCM, NACRE_CIPHER_XCHACHA20_POLY1305,
                                                   NACRE_CIPHER_AEGIS_256};
static const size_t pieces[PIECES] = {4096, 16384, 65536};

struct cipher_speed {
  bool available;
  double seal[PIECES], open[PIECES]; /* bytes a second */
};

struct volume_speed {
  double write_bytes_per_s, read_bytes_per_s;
  double create_per_s, open_ms;
};

struct measurement {
  struct cipher_speed ciphers[CIPHERS];
  enum nacre_cipher fastest;
  struct nacre_kdf_cost kdf;
  double kdf_ms;
  uint64_t file_bytes;
  struct volume_speed volume;
};

static double now_s(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- Ciphers and key derivation ------------------------------------------------------------------- */

static int measure_ciphers(struct measurement *m, struct progress *progress) {
  double best = 0;
  for (size_t c = 0; c < CIPHERS; c++) {
    struct cipher_speed *speed = &m->ciphers[c];
    speed->available = nacre_cipher_available(ciphers[c]);
    for (size_t p = 0; p < PIECES && speed->available; p++) {
      progress_show(progress, "measuring %s", nacre_cipher_name(ciphers[c]));
      const enum nacre_err err =
          nacre_bench_cipher(ciphers[c], pieces[p], CIPHER_DURATION_MS, &speed->seal[p], &speed->open[p]);
      if (err != NACRE_OK)
        return report_library(NULL, err);
    }
    /* Chunks are 16 KiB unless told otherwise, and are read more often than written. */
    if (speed->available && speed->open[1] > best) {
      best = speed->open[1];
      m->fastest = ciphers[c];
    }
    if (interrupt_pending())
      return EXIT_OTHER;
  }
  progress_show(progress, "measuring Argon2id");
  const enum nacre_err err = nacre_bench_kdf(&m->kdf, &m->kdf_ms);
  return err == NACRE_OK ? EXIT_DONE : report_library(NULL, err);
}

/* ---- A volume --------------------------------------------------------------------------------------- */

static const struct nacre_caller caller = {.umask = 022};

/* Write or read one large file piece by piece. */
static enum nacre_err stream(nacre_volume *vol, bool writing, uint64_t bytes, unsigned char *piece, double *speed) {
  nacre_file *file = NULL;
  const unsigned flags = writing ? NACRE_O_WRITE | NACRE_O_CREATE : NACRE_O_READ;
  const double start = now_s();
  enum nacre_err err = nacre_open(vol, "large", flags, 0600, &caller, &file);
  if (err != NACRE_OK)
    return err;
  for (uint64_t at = 0; at < bytes && err == NACRE_OK && !interrupt_pending(); at += WRITE_BYTES) {
    const size_t len = bytes - at < WRITE_BYTES ? (size_t)(bytes - at) : WRITE_BYTES;
    size_t done = 0;
    err = writing ? nacre_write(file, piece, len, at) : nacre_read(file, piece, len, at, &done);
  }
  if (err == NACRE_OK && writing)
    err = nacre_fsync(file);
  nacre_close(file);
  *speed = (double)bytes / (now_s() - start);
  return err;
}

static enum nacre_err create_small(nacre_volume *vol, const unsigned char *content, double *per_s) {
  enum nacre_err err = nacre_mkdir(vol, "small", 0700, &caller);
  const double start = now_s();
  for (int i = 0; i < SMALL_FILES && err == NACRE_OK && !interrupt_pending(); i++) {
    char path[32];
    nacre_file *file = NULL;
    (void)snprintf(path, sizeof path, "small/%d", i);
    err = nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE, 0600, &caller, &file);
    if (err != NACRE_OK)
      break;
    err = nacre_write(file, content, SMALL_FILE_BYTES, 0);
    nacre_close(file);
  }
  if (err == NACRE_OK)
    err = nacre_volume_sync(vol);
  *per_s = SMALL_FILES / (now_s() - start);
  return err;
}

static enum nacre_err open_volume(const char *path, const nacre_credential *cred, nacre_volume **vol) {
  const struct nacre_target target = volume_target(path);
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .threads = -1, .cancel = interrupt_catch()};
  return nacre_volume_open(&target, &options, cred, vol);
}

static enum nacre_err write_part(const char *path, const nacre_credential *cred, unsigned char *piece,
                                 struct measurement *m) {
  nacre_volume *vol = NULL;
  enum nacre_err err = open_volume(path, cred, &vol);
  if (err != NACRE_OK)
    return err;
  err = stream(vol, true, m->file_bytes, piece, &m->volume.write_bytes_per_s);
  if (err == NACRE_OK)
    err = create_small(vol, piece, &m->volume.create_per_s);
  if (err != NACRE_OK) {
    nacre_volume_abandon(vol);
    return err;
  }
  return nacre_volume_close(vol);
}

/* Opened anew, so that nothing is in the volume's own caches. The system's may still hold the container. */
static enum nacre_err read_part(const char *path, const nacre_credential *cred, unsigned char *piece,
                                struct measurement *m) {
  nacre_volume *vol = NULL;
  const double start = now_s();
  enum nacre_err err = open_volume(path, cred, &vol);
  if (err != NACRE_OK)
    return err;
  m->volume.open_ms = (now_s() - start) * 1000;
  err = stream(vol, false, m->file_bytes, piece, &m->volume.read_bytes_per_s);
  nacre_volume_abandon(vol);
  return err;
}

static int measure_with(const char *path, struct measurement *m, struct progress *progress, unsigned char *piece) {
  uint8_t key[32];
  nacre_credential *cred = NULL;
  if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key || getrandom(piece, WRITE_BYTES, 0) < 0)
    return report_errno(path, "no random bytes", errno);
  enum nacre_err err = nacre_credential_raw_key(key, &cred);
  if (err != NACRE_OK)
    return report_library(path, err);
  const struct nacre_target target = volume_target(path);
  const struct nacre_create_options options = {.struct_size = sizeof options, .force = true};
  progress_show(progress, "measuring a volume");
  err = nacre_create(&target, &options, cred);
  if (err == NACRE_OK)
    err = write_part(path, cred, piece, m);
  if (err == NACRE_OK)
    err = read_part(path, cred, piece, m);
  const int code = err == NACRE_OK ? EXIT_DONE : report_library(path, err);
  nacre_credential_free(cred);
  return code;
}

static int measure_volume(const char *dir, struct measurement *m, struct progress *progress) {
  char *path = NULL;
  if (asprintf(&path, "%s/nacre-bench-XXXXXX", dir) < 0)
    return report_no_memory();
  const int fd = mkstemp(path);
  int code;
  unsigned char *piece = malloc(WRITE_BYTES);
  if (fd < 0) {
    code = report_errno(dir, "cannot make a temporary volume", errno);
  } else {
    (void)close(fd);
    code = piece != NULL ? measure_with(path, m, progress, piece) : report_no_memory();
    (void)unlink(path);
  }
  free(piece);
  free(path);
  return code;
}

/* ---- The report ------------------------------------------------------------------------------------- */

static struct json_object *cipher_json(const struct measurement *m, size_t c) {
  struct json_object *cipher = json_object_new_object();
  struct json_object *speeds = json_object_new_array();
  for (size_t p = 0; p < PIECES && m->ciphers[c].available; p++) {
    struct json_object *speed = json_object_new_object();
    report_json_add(speed, "piece_bytes", json_object_new_int64((int64_t)pieces[p]));
    report_json_add(speed, "seal_bytes_per_s", json_object_new_int64((int64_t)m->ciphers[c].seal[p]));
    report_json_add(speed, "open_bytes_per_s", json_object_new_int64((int64_t)m->ciphers[c].open[p]));
    (void)json_object_array_add(speeds, speed);
  }
  report_json_add(cipher, "name", json_object_new_string(nacre_cipher_name(ciphers[c])));
  report_json_add(cipher, "available", json_object_new_boolean(m->ciphers[c].available));
  report_json_add(cipher, "speeds", speeds);
  return cipher;
}

static void print_json(const struct measurement *m) {
  struct json_object *report = json_object_new_object();
  struct json_object *list = json_object_new_array();
  for (size_t c = 0; c < CIPHERS; c++)
    (void)json_object_array_add(list, cipher_json(m, c));
  report_json_add(report, "ciphers", list);
  report_json_add(report, "fastest_cipher", json_object_new_string(nacre_cipher_name(m->fastest)));
  struct json_object *kdf = json_object_new_object();
  report_json_add(kdf, "memory_bytes", json_object_new_int64((int64_t)m->kdf.memory_bytes));
  report_json_add(kdf, "passes", json_object_new_int64(m->kdf.passes));
  report_json_add(kdf, "lanes", json_object_new_int64(m->kdf.lanes));
  report_json_add(kdf, "ms", json_object_new_double(m->kdf_ms));
  report_json_add(report, "kdf", kdf);
  struct json_object *volume = json_object_new_object();
  report_json_add(volume, "file_bytes", json_object_new_int64((int64_t)m->file_bytes));
  report_json_add(volume, "write_bytes_per_s", json_object_new_int64((int64_t)m->volume.write_bytes_per_s));
  report_json_add(volume, "read_bytes_per_s", json_object_new_int64((int64_t)m->volume.read_bytes_per_s));
  report_json_add(volume, "create_files_per_s", json_object_new_int64((int64_t)m->volume.create_per_s));
  report_json_add(volume, "open_ms", json_object_new_double(m->volume.open_ms));
  report_json_add(report, "volume", volume);
  report_print_json(report);
}

static void print_text(const struct measurement *m) {
  char size[SIZE_TEXT_BYTES];
  (void)printf("one core, GB/s         4 KiB seal/open   16 KiB seal/open   64 KiB seal/open\n");
  for (size_t c = 0; c < CIPHERS; c++) {
    (void)printf("%-20s", nacre_cipher_name(ciphers[c]));
    if (!m->ciphers[c].available) {
      (void)printf("   not in this build or on this machine\n");
      continue;
    }
    for (size_t p = 0; p < PIECES; p++)
      (void)printf("   %6.2f / %6.2f", m->ciphers[c].seal[p] / 1e9, m->ciphers[c].open[p] / 1e9);
    (void)printf("\n");
  }
  (void)printf("fastest here         %s\n", nacre_cipher_name(m->fastest));
  char cost[SLOT_TEXT_BYTES];
  (void)printf("key derivation       %.0f ms (%s)\n", m->kdf_ms, slot_text(NACRE_SLOT_PASSPHRASE, &m->kdf, cost));
  (void)printf("a file of %-10s write %.2f GB/s, read %.2f GB/s (the container may be in the system's cache)\n",
               size_text(m->file_bytes, size), m->volume.write_bytes_per_s / 1e9, m->volume.read_bytes_per_s / 1e9);
  (void)printf("small files          %.0f created a second, %d bytes each\n", m->volume.create_per_s,
               SMALL_FILE_BYTES);
  (void)printf("open                 %.1f ms without key derivation\n", m->volume.open_ms);
}

struct bench_options {
  uint64_t size_bytes;
};

static const struct option_spec bench_specs[] = {
    {"size", 0, OPTION_SIZE, offsetof(struct bench_options, size_bytes), "SIZE", "length of the large file (256M)"},
    {0}};

int cmd_bench(const struct command *self, int argc, char **argv) {
  struct bench_options o = {.size_bytes = 256ull << 20};
  const struct option_group groups[] = {{"Options", bench_specs, &o}, {0}};
  const enum options_result parsed = options_parse(self, groups, 0, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  const char *temporary = getenv("TMPDIR");
  const char *dir = argc > 0 ? argv[0] : temporary != NULL && *temporary != '\0' ? temporary : "/tmp";
  struct measurement m = {.fastest = NACRE_CIPHER_XCHACHA20_POLY1305, .file_bytes = o.size_bytes};
  struct progress progress;
  progress_start(&progress);
  (void)interrupt_catch();
  int code = measure_ciphers(&m, &progress);
  if (code == EXIT_DONE)
    code = measure_volume(dir, &m, &progress);
  progress_clear(&progress);
  interrupt_deliver();
  if (code != EXIT_DONE)
    return code;
  if (report_is_json())
    print_json(&m);
  else
    print_text(&m);
  return EXIT_DONE;
}
