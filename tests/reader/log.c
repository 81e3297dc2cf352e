/* Volumes that were left with an intent log, and what the library reads from them.
 *   log make PATH SCENE    make a volume, and end as a power cut does when all of the scene is durable
 *   log open PATH          open it for writing, and end so
 *   log list PATH          its manifest, opened read-only
 *   log recover PATH       its manifest, opened for writing, verified and closed
 * The keyslot's raw key is 0, 1, ... 31. */
#include "golden/golden.h"

#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_BYTES (64u << 20)
#define BIG_BYTES (100u << 10)
#define SMALL_FILES 40u
#define NAME_BYTES 32u

/* Exit codes besides 0 and 1: the library refuses the volume; it fell back to the commit before. */
enum { REFUSED = 2, FELL_BACK = 3 };

static nacre_credential *credential(void) {
  nacre_credential *cred;
  uint8_t key[32];
  for (unsigned i = 0; i < sizeof key; i++)
    key[i] = (uint8_t)i;
  report_must(nacre_credential_raw_key(key, &cred), "taking the key");
  return cred;
}

static enum nacre_err try_open(const char *path, bool read_only, nacre_volume **out) {
  const struct nacre_target target = {.struct_size = sizeof target, .path = path};
  const struct nacre_open_options options = {.struct_size = sizeof options, .read_only = read_only};
  nacre_credential *cred = credential();
  enum nacre_err err = nacre_volume_open(&target, &options, cred, out);
  nacre_credential_free(cred);
  return err;
}

static nacre_volume *must_open(const char *path) {
  nacre_volume *vol;
  report_must(try_open(path, false, &vol), "opening");
  return vol;
}

static nacre_file *file_at(nacre_volume *vol, const char *path) {
  nacre_file *file;
  report_must(nacre_open(vol, path, NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE, 0640, NULL, &file), path);
  return file;
}

static void fill(nacre_file *file, unsigned byte, size_t len, uint64_t offset) {
  uint8_t *bytes = malloc(len);
  if (bytes == NULL)
    report_fail("out of memory");
  memset(bytes, (int)byte, len);
  report_must(nacre_write(file, bytes, len, offset), "writing");
  free(bytes);
}

static void flush(nacre_file *file) {
  report_must(nacre_fsync(file), "fsync");
}

static void fill_and_flush(nacre_file *file, unsigned byte, size_t len, uint64_t offset) {
  fill(file, byte, len, offset);
  flush(file);
}

static void write_path(nacre_volume *vol, const char *path, unsigned byte, size_t len) {
  nacre_file *file = file_at(vol, path);
  if (len > 0)
    fill(file, byte, len, 0);
  nacre_close(file);
}

static void make(const char *path) {
  const struct nacre_target target = {.struct_size = sizeof target, .path = path};
  const struct nacre_create_options options = {
      .struct_size = sizeof options, .size_bytes = LIMIT_BYTES, .cipher = NACRE_CIPHER_XCHACHA20_POLY1305};
  nacre_credential *cred = credential();
  nacre_volume *vol;
  char name[NAME_BYTES];
  report_must(nacre_create(&target, &options, cred), "creating");
  nacre_credential_free(cred);
  vol = must_open(path);
  write_path(vol, "big", 1, BIG_BYTES);
  write_path(vol, "tailed", 2, 5000);
  write_path(vol, "short", 3, 100);
  write_path(vol, "gone", 4, 200);
  write_path(vol, "empty", 0, 0);
  write_path(vol, "open", 5, 300);
  write_path(vol, "cut", 6, 70000);
  /* A chunk whose rest has bytes that mean nothing. */
  nacre_file *cut = file_at(vol, "cut");
  report_must(nacre_ftruncate(cut, 66000), "truncating");
  nacre_close(cut);
  report_must(nacre_mkdir(vol, "many", 0750, NULL), "mkdir");
  for (unsigned i = 0; i < SMALL_FILES; i++) {
    (void)snprintf(name, sizeof name, "many/%u", i);
    write_path(vol, name, i + 1, 100 * i);
  }
  report_must(nacre_symlink(vol, "big", "link", NULL), "symlink");
  report_must(nacre_volume_close(vol), "closing");
}

/* The first commit of an opening, behind which an fsync makes a record. */
static nacre_file *begin(nacre_volume *vol) {
  nacre_file *big = file_at(vol, "big");
  fill(big, 7, 10, 0);
  report_must(nacre_volume_sync(vol), "syncing");
  return big;
}

static void append(nacre_volume *vol, const char *path, unsigned byte, unsigned times) {
  nacre_file *file = file_at(vol, path);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  for (unsigned i = 0; i < times; i++) {
    report_must(nacre_fstat(file, &attr), "fstat");
    fill_and_flush(file, byte + i, 33, attr.size_bytes);
  }
  nacre_close(file);
}

static void data(nacre_volume *vol, nacre_file *big) {
  fill_and_flush(big, 10, 4096, 20480);
  fill_and_flush(big, 11, 50, 20500); /* a part of the same chunk */
  fill_and_flush(big, 12, 50, 24000);
  append(vol, "tailed", 13, 4);
  append(vol, "empty", 20, 3);
  nacre_file *cut = file_at(vol, "cut");
  fill_and_flush(cut, 30, 10, 1 << 20); /* far behind its end */
  report_must(nacre_ftruncate(cut, 3 << 20), "truncating");
  flush(cut);
  nacre_close(cut);
  nacre_file *small = file_at(vol, "short");
  report_must(nacre_ftruncate(small, 40), "truncating");
  flush(small);
  report_must(nacre_ftruncate(small, 9000), "truncating");
  flush(small);
  nacre_close(small);
}

static void names(nacre_volume *vol, nacre_file *big) {
  static const char value[3000] = "value";
  write_path(vol, "new", 40, 1000);
  flush(big);
  report_must(nacre_rename(vol, "new", "many/renamed", 0), "renaming");
  report_must(nacre_unlink(vol, "gone"), "unlinking");
  nacre_file *open = file_at(vol, "open");
  report_must(nacre_unlink(vol, "open"), "unlinking");
  flush(big);
  fill_and_flush(open, 41, 50, 100); /* of an orphan */
  report_must(nacre_setxattr(vol, "big", "user.short", "x", 1, 0), "setxattr");
  report_must(nacre_setxattr(vol, "many", "user.long", value, sizeof value, 0), "setxattr");
  report_must(nacre_rename(vol, "many/1", "many/2", 0), "renaming over");
  report_must(nacre_link(vol, "short", "many/short"), "linking");
  flush(big);
  report_must(nacre_mkdir(vol, "folder", 0700, NULL), "mkdir");
  report_must(nacre_rename(vol, "many/3", "folder/3", 0), "renaming");
  report_must(nacre_mknod(vol, "folder/fifo", 0010600, 0, NULL), "mknod");
  write_path(vol, "folder/appended", 42, 10);
  append(vol, "folder/appended", 43, 2);
  flush(big);
}

/* Two commits with a log each; the test damages the second. */
static void fallback(nacre_volume *vol, nacre_file *big) {
  fill_and_flush(big, 50, 100, 0);
  fill_and_flush(big, 51, 100, 50);
  report_must(nacre_volume_sync(vol), "syncing");
  fill_and_flush(big, 52, 100, 0);
}

/* More than the inline part of a head: several bodies of several units. */
static void bodies(nacre_volume *vol, nacre_file *big) {
  (void)vol;
  for (unsigned i = 0; i < 12; i++)
    fill_and_flush(big, 60 + i, 13000, 3000 + 100 * i);
}

static const struct scene {
  const char *name;
  void (*run)(nacre_volume *vol, nacre_file *big);
} scenes[] = {{"data", data}, {"names", names}, {"fallback", fallback}, {"bodies", bodies}};

static int run_scene(const char *path, const char *name) {
  for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
    if (strcmp(scenes[i].name, name) != 0)
      continue;
    make(path);
    nacre_volume *vol = must_open(path);
    scenes[i].run(vol, begin(vol));
    _exit(0);
  }
  return 1;
}

static int list(const char *path, bool read_only) {
  nacre_volume *vol;
  struct nacre_volume_info info = {.struct_size = sizeof info};
  struct nacre_verify_report report = {.struct_size = sizeof report};
  if (try_open(path, read_only, &vol) != NACRE_OK) {
    (void)fprintf(stderr, "%s\n", nacre_last_error());
    return REFUSED;
  }
  report_must(nacre_volume_get_info(vol, &info), "asking about the volume");
  char *text = golden_list(vol);
  (void)fputs(text, stdout);
  free(text);
  if (!read_only)
    report_must(nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL), "verifying");
  report_must(nacre_volume_close(vol), "closing");
  return info.fell_back ? FELL_BACK : 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "make") == 0)
    return run_scene(argv[2], argv[3]);
  if (argc != 3)
    return 1;
  if (strcmp(argv[1], "list") == 0)
    return list(argv[2], true);
  if (strcmp(argv[1], "recover") == 0)
    return list(argv[2], false);
  if (strcmp(argv[1], "open") != 0)
    return 1;
  (void)must_open(argv[2]);
  _exit(0);
}
