#include "fault/tour.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NEW_ATTR                                                                                                     \
  { .struct_size = sizeof(struct nacre_attr) }
#define LARGE_BYTES (600u << 10)

static const struct nacre_caller caller = {.uid = 5, .gid = 6, .umask = 022};
static uint8_t large[LARGE_BYTES];

/* ---- Whole volumes ---- */

static bool open_volume(struct tour *t, bool read_only) {
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .read_only = read_only, .memory_bytes = 8u << 20};
  t->vol = NULL;
  return TRY(nacre_volume_open(&t->target, &options, t->cred, &t->vol));
}

static void close_volume(struct tour *t) {
  TRY(nacre_volume_close(t->vol));
  t->vol = NULL;
}

static void create_and_open(struct tour *t) {
  const struct nacre_create_options options = {
      .struct_size = sizeof options, .size_bytes = TOUR_SIZE_BYTES, .label = "label", .slot_name = "slot"};
  if (!TRY(nacre_create(&t->target, &options, t->cred)) || !open_volume(t, false))
    return;
  TRY(nacre_mkdir(t->vol, "folder", 0700, NULL));
  close_volume(t);
  if (open_volume(t, true))
    close_volume(t);
}

/* Wrong, then right. */
struct answers {
  nacre_credential *list[2];
};

static bool ask(void *arg, int attempt, nacre_credential **out) {
  struct answers *answers = arg;
  *out = answers->list[attempt];
  answers->list[attempt] = NULL;
  return true;
}

static void open_by_asking(struct tour *t) {
  static const uint8_t wrong[32] = {99}, right[32] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                                      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  struct answers answers = {{NULL, NULL}};
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .ask = ask, .ask_arg = &answers, .ask_attempts = 2};
  if (TRY(nacre_credential_raw_key(wrong, &answers.list[0])) &&
      TRY(nacre_credential_raw_key(right, &answers.list[1])) &&
      TRY(nacre_volume_open(&t->target, &options, NULL, &t->vol)))
    close_volume(t);
  nacre_credential_free(answers.list[0]);
  nacre_credential_free(answers.list[1]);
}

static void look_from_outside(struct tour *t) {
  struct nacre_public_info public = {.struct_size = sizeof public};
  uint32_t slot;
  char text[NACRE_RECOVERY_TEXT_BYTES];
  nacre_credential *cred = NULL;
  nacre_cancel *cancel = NULL;
  double rate;
  TRY(nacre_probe(&t->target, &public));
  TRY(nacre_slot_test(&t->target, t->cred, NULL, &slot));
  open_by_asking(t);
  if (TRY(nacre_recovery_generate(text)) && TRY(nacre_credential_recovery(text, &cred)))
    nacre_credential_free(cred);
  if (TRY(nacre_credential_passphrase("words", 5, &cred)))
    nacre_credential_free(cred);
  if (TRY(nacre_credential_key_file("bytes", 5, &cred)))
    nacre_credential_free(cred);
  if (TRY(nacre_cancel_new(&cancel)))
    nacre_cancel_free(cancel);
  TRY(nacre_bench_cipher(NACRE_CIPHER_AUTO, 4096, 1, &rate, &rate));
  TRY(nacre_bench_cipher(NACRE_CIPHER_XCHACHA20_POLY1305, 4096, 1, &rate, &rate));
}

static void change_slots(struct tour *t) {
  const struct nacre_kdf_cost cost = {.memory_bytes = NACRE_KDF_MEMORY_MIN_BYTES, .passes = 1, .lanes = 1};
  struct nacre_slot_info infos[NACRE_SLOTS_MAX];
  nacre_credential *words = NULL;
  size_t count = NACRE_SLOTS_MAX;
  uint32_t index = 0;
  memset(infos, 0, sizeof infos);
  for (size_t i = 0; i < count; i++)
    infos[i].struct_size = sizeof infos[i];
  if (TRY(nacre_slot_add(t->vol, t->other, NULL, "second", &index)) &&
      TRY(nacre_credential_passphrase("words", 5, &words)) &&
      TRY(nacre_slot_change(t->vol, index, words, &cost, NULL)) && TRY(nacre_slot_rename(t->vol, index, "named")))
    TRY(nacre_slot_remove(t->vol, index, false));
  TRY(nacre_slot_list(t->vol, infos, &count));
  nacre_credential_free(words);
}

static void order_slots(struct tour *t) {
  const struct nacre_slot_order order = {.struct_size = sizeof order, .what = NACRE_SLOT_RENAME, .name = "ordered"};
  struct nacre_header_info info = {.struct_size = sizeof info};
  uint8_t bytes[NACRE_SLOT_ORDER_MAX_BYTES];
  nacre_header *header = NULL;
  size_t len = 0;
  if (TRY(nacre_header_unlock(&t->target, t->cred, NULL, &header)) && TRY(nacre_header_get_info(header, &info)) &&
      TRY(nacre_header_order(header, &order, bytes, &len)))
    TRY(nacre_slot_order_apply(t->vol, bytes, len, NULL));
  nacre_header_free(header);
}

/* ---- Files ---- */

static void write_and_read(struct tour *t) {
  static uint8_t back[LARGE_BYTES];
  nacre_file *file = NULL;
  size_t done;
  uint64_t found;
  struct nacre_attr attr = NEW_ATTR;
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE;
  if (!TRY(nacre_open(t->vol, "data", flags, 0600, &caller, &file)))
    return;
  TRY(nacre_write(file, large, LARGE_BYTES, 0));
  TRY(nacre_fsync(file));
  TRY(nacre_write(file, large, 100, 5000));
  TRY(nacre_write(file, large, 20000, 2u << 20));
  TRY(nacre_read(file, back, LARGE_BYTES, 0, &done));
  TRY(nacre_fsync(file));
  TRY(nacre_fallocate(file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, 9000, 100000));
  TRY(nacre_fallocate(file, NACRE_FALLOCATE_ZERO_RANGE, 200001, 70000));
  TRY(nacre_fallocate(file, 0, 3u << 20, 5000));
  TRY(nacre_seek_data(file, 10000, &found));
  TRY(nacre_seek_hole(file, 0, &found));
  TRY(nacre_ftruncate(file, 301000));
  TRY(nacre_ftruncate(file, 400000));
  TRY(nacre_read(file, back, LARGE_BYTES, 0, &done));
  TRY(nacre_fstat(file, &attr));
  TRY(nacre_ftruncate(file, 50));
  TRY(nacre_file_error(file));
  nacre_close(file);
  if (TRY(nacre_open(t->vol, "data", NACRE_O_WRITE | NACRE_O_TRUNCATE, 0, NULL, &file))) {
    TRY(nacre_write(file, large, 3000, 0));
    nacre_close(file);
  }
  if (TRY(nacre_open(t->vol, "data", NACRE_O_WRITE | NACRE_O_APPEND, 0, NULL, &file))) {
    TRY(nacre_write(file, large, 3000, 0));
    nacre_close(file);
  }
  TRY(nacre_volume_sync(t->vol));
}

/* As it was left: nothing is in a cache. */
static void read_old(struct tour *t) {
  static uint8_t back[LARGE_BYTES];
  nacre_file *file = NULL;
  size_t done;
  uint64_t found;
  if (!TRY(nacre_open(t->vol, "old/file", NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &file)))
    return;
  TRY(nacre_read(file, back, LARGE_BYTES, 0, &done));
  TRY(nacre_seek_hole(file, 0, &found));
  TRY(nacre_write(file, large, 100, 7000));
  TRY(nacre_write(file, large, 100, 700000));
  TRY(nacre_ftruncate(file, 30001));
  TRY(nacre_fsync(file));
  TRY(nacre_unlink(t->vol, "old/file"));
  TRY(nacre_write(file, large, LARGE_BYTES, 0));
  nacre_close(file);
  TRY(nacre_volume_sync(t->vol));
}

/* ---- Names and attributes ---- */

static bool count_entry(void *arg, const struct nacre_dirent *entry) {
  (void)entry;
  (*(unsigned *)arg)++;
  return true;
}

struct unpin {
  uint64_t inos[16];
  unsigned count;
};

static bool keep_pin(void *arg, const struct nacre_dirent *entry) {
  struct unpin *pins = arg;
  if (entry->attr != NULL) {
    if (pins->count == 16)
      return false;
    pins->inos[pins->count++] = entry->ino;
  }
  return true;
}

static void list(struct tour *t, const char *path) {
  nacre_dir *dir = NULL;
  unsigned entries = 0;
  struct unpin pins = {.count = 0};
  if (!TRY(nacre_opendir(t->vol, path, &dir)))
    return;
  TRY(nacre_readdir(dir, 0, false, count_entry, &entries));
  TRY(nacre_readdir(dir, 0, true, keep_pin, &pins));
  for (unsigned i = 0; i < pins.count; i++)
    nacre_inode_unpin(t->vol, pins.inos[i], 1);
  nacre_closedir(dir);
}

static void change_names(struct tour *t) {
  char target[4096], back[4096];
  memset(target, 'x', sizeof target);
  target[sizeof target - 1] = '\0';
  TRY(nacre_mkdir(t->vol, "a", 0755, &caller));
  TRY(nacre_mkdir(t->vol, "a/b", 0755, &caller));
  TRY(nacre_mknod(t->vol, "a/fifo", S_IFIFO | 0600, 0, NULL));
  TRY(nacre_mknod(t->vol, "a/file", S_IFREG | 0600, 0, NULL));
  TRY(nacre_symlink(t->vol, target, "a/link", NULL));
  TRY(nacre_readlink(t->vol, "a/link", back, sizeof back));
  TRY(nacre_link(t->vol, "a/file", "a/b/hard"));
  TRY(nacre_rename(t->vol, "a/file", "old/moved", 0));
  TRY(nacre_rename(t->vol, "a/fifo", "old/moved", 0));
  TRY(nacre_rename(t->vol, "a/b", "old/file", NACRE_RENAME_EXCHANGE));
  list(t, "");
  list(t, "old");
  list(t, "old/many");
  TRY(nacre_volume_sync(t->vol));
  TRY(nacre_unlink(t->vol, "a/link"));
  TRY(nacre_unlink(t->vol, "old/file/hard"));
  TRY(nacre_rmdir(t->vol, "old/file"));
  TRY(nacre_unlink(t->vol, "old/moved"));
  TRY(nacre_unlink(t->vol, "old/many/3"));
  TRY(nacre_volume_sync(t->vol));
}

static void change_attributes(struct tour *t) {
  static const uint8_t acl[] = {2, 0, 0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
                                0, 5, 0,    0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
                                6, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};
  static char buf[65536];
  struct nacre_attr attr = {.struct_size = sizeof attr, .mode = 0640, .uid = 9};
  struct nacre_statfs st = {.struct_size = sizeof st};
  size_t len;
  TRY(nacre_setxattr(t->vol, "old/file", "user.small", "value", 5, 0));
  TRY(nacre_setxattr(t->vol, "old/file", "user.large", large, 60000, 0));
  TRY(nacre_setxattr(t->vol, "old", "system.posix_acl_default", acl, sizeof acl, 0));
  TRY(nacre_setxattr(t->vol, "old", "system.posix_acl_access", acl, sizeof acl, 0));
  TRY(nacre_mkdir(t->vol, "old/inherits", 0777, &caller));
  TRY(nacre_mknod(t->vol, "old/inherits/file", S_IFREG | 0666, 0, &caller));
  TRY(nacre_getxattr(t->vol, "old/file", "user.large", buf, sizeof buf, &len));
  TRY(nacre_listxattr(t->vol, "old/file", buf, sizeof buf, &len));
  TRY(nacre_setattr(t->vol, "old", &attr, NACRE_SET_MODE | NACRE_SET_UID));
  TRY(nacre_setattr(t->vol, "old/file", &attr, NACRE_SET_SIZE | NACRE_SET_KILL_PRIV));
  TRY(nacre_setxattr(t->vol, "old/file", "user.large", large, 10, NACRE_XATTR_REPLACE));
  TRY(nacre_removexattr(t->vol, "old/file", "user.small"));
  TRY(nacre_stat(t->vol, "old/file", &attr));
  TRY(nacre_statfs(t->vol, &st));
  TRY(nacre_volume_sync(t->vol));
  TRY(nacre_unlink(t->vol, "old/file"));
}

/* By number, as a mount does; and a file without a name that is left to the next opening. */
static void use_inodes(struct tour *t) {
  struct nacre_attr attr = NEW_ATTR, none = NEW_ATTR;
  nacre_file *file = NULL, *unnamed = NULL;
  nacre_dir *dir = NULL;
  if (TRY(nacre_inode_create(t->vol, NACRE_ROOT_INO, "file", 4, 0600, NACRE_O_WRITE, &caller, &attr, &file))) {
    TRY(nacre_write(file, large, 9000, 0));
    nacre_close(file);
    nacre_inode_unpin(t->vol, attr.ino, 1);
  }
  bool made = TRY(nacre_inode_tmpfile(t->vol, NACRE_ROOT_INO, 0600, NACRE_O_WRITE, &caller, &none, &unnamed));
  if (made)
    TRY(nacre_write(unnamed, large, 200000, 0));
  if (TRY(nacre_inode_opendir(t->vol, NACRE_ROOT_INO, &dir)))
    nacre_closedir(dir);
  TRY(nacre_volume_sync(t->vol));
  if (made) {
    nacre_close(unnamed);
    nacre_inode_unpin(t->vol, none.ino, 1);
  }
  TRY(nacre_volume_sync(t->vol));
}

static void on_problem(void *arg, const char *path, const char *problem) {
  (void)path;
  (void)problem;
  (*(unsigned *)arg)++;
}

static void verify(struct tour *t) {
  unsigned problems = 0;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  enum nacre_err err = nacre_verify(t->vol, &report, on_problem, &problems, NULL, NULL, NULL);
  /* What can't be read is a problem like others. */
  TRY(err == NACRE_ERR_DAMAGED && problems > 0 ? NACRE_ERR_IO : err);
}

const struct tour_kind tours[] = {
    {"creating", create_and_open, false, true},
    {"looking from outside", look_from_outside, false, false},
    {"slots", change_slots, true, false},
    {"orders", order_slots, true, false},
    {"backups of the header", tour_header, false, false},
    {"erasing", tour_erase, false, true},
    {"data", write_and_read, true, false},
    {"old data", read_old, true, false},
    {"names", change_names, true, false},
    {"attributes", change_attributes, true, false},
    {"inodes", use_inodes, true, false},
    {"verifying", verify, true, false},
};
const size_t tours_count = sizeof tours / sizeof tours[0];
