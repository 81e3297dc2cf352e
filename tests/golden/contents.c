/* What golden volumes hold: each kind of object, and each form that its records can take. */
#include "golden/golden.h"

#include "support/prng.h"
#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CHUNK GOLDEN_CHUNK_BYTES
#define LARGEST_FILE_BYTES ((1ull << 62) - 1)
#define MANY_NAMES 2400u

static const struct nacre_caller owner = {.uid = 1000, .gid = 100};

static void write_at(nacre_volume *vol, const char *path, uint64_t offset, size_t len) {
  nacre_file *file;
  uint8_t *data = malloc(len + 1);
  if (data == NULL)
    report_fail("out of memory");
  struct prng prng = {offset + len};
  prng_fill(&prng, data, len);
  report_must(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0644, &owner, &file), path);
  report_must(nacre_write(file, data, len, offset), path);
  nacre_close(file);
  free(data);
}

static void resize(nacre_volume *vol, const char *path, uint64_t size) {
  nacre_file *file;
  report_must(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, &owner, &file), path);
  report_must(nacre_ftruncate(file, size), path);
  nacre_close(file);
}

static void commit(nacre_volume *vol) {
  report_must(nacre_volume_sync(vol), "a commit");
}

static void make_sizes(nacre_volume *vol) {
  static const unsigned sizes[] = {0, 1, 3072, 3073, 4095, 4096, 4097, CHUNK + 3072, CHUNK + 3073, 5 * CHUNK};
  char path[64];
  report_must(nacre_mkdir(vol, "sizes", 0755, &owner), "sizes");
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    (void)snprintf(path, sizeof path, "sizes/%u", sizes[i]);
    write_at(vol, path, 0, sizes[i]);
  }
}

/* Extents that were cut: by writes into the middle, by truncation, by holes. */
static void make_sparse(nacre_volume *vol) {
  report_must(nacre_mkdir(vol, "sparse", 0700, &owner), "sparse");
  resize(vol, "sparse/hole", 10 << 20);
  write_at(vol, "sparse/begins with a hole", 5 * CHUNK + 100, 200);
  write_at(vol, "sparse/largest", LARGEST_FILE_BYTES - 1, 1);
  write_at(vol, "sparse/cut", 0, 6 * CHUNK);
  write_at(vol, "sparse/shortened", 0, 2 * CHUNK);
  write_at(vol, "sparse/punched", 0, 4 * CHUNK);
  commit(vol);
  write_at(vol, "sparse/cut", 2 * CHUNK + 1, CHUNK);
  resize(vol, "sparse/shortened", CHUNK + 4096 + 100);
  nacre_file *file;
  report_must(nacre_open(vol, "sparse/punched", NACRE_O_WRITE, 0, &owner, &file), "punched");
  report_must(nacre_fallocate(file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, CHUNK, CHUNK + 4096),
              "punching");
  nacre_close(file);
  commit(vol);
  resize(vol, "sparse/shortened", 3 * CHUNK + 7);
}

static void set(nacre_volume *vol, const char *path, const char *name, size_t len) {
  uint8_t *value = malloc(len + 1);
  if (value == NULL)
    report_fail("out of memory");
  struct prng prng = {len};
  prng_fill(&prng, value, len);
  report_must(nacre_setxattr(vol, path, name, value, len, 0), name);
  free(value);
}

/* An ACL as Linux has it: 2 in four bytes, then tag, permissions, id. */
static void set_acl(nacre_volume *vol, const char *path, const char *name) {
  static const uint32_t entries[][3] = {{1, 7, UINT32_MAX}, {2, 5, 1000}, {2, 6, 70000},
                                        {4, 5, UINT32_MAX}, {8, 1, 1001}, {16, 7, UINT32_MAX},
                                        {32, 4, UINT32_MAX}};
  uint8_t value[4 + 8 * (sizeof entries / sizeof entries[0])] = {2};
  for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
    uint8_t *out = value + 4 + 8 * i;
    out[0] = (uint8_t)entries[i][0];
    out[2] = (uint8_t)entries[i][1];
    for (unsigned byte = 0; byte < 4; byte++)
      out[4 + byte] = (uint8_t)(entries[i][2] >> 8 * byte);
  }
  report_must(nacre_setxattr(vol, path, name, value, sizeof value, 0), name);
}

static void make_attributes(nacre_volume *vol) {
  char name[NACRE_NAME_MAX_BYTES + 1];
  report_must(nacre_mkdir(vol, "attributes", 0755, &owner), "attributes");
  write_at(vol, "attributes/file", 0, 10);
  (void)snprintf(name, sizeof name, "user.%0250d", 7);
  set(vol, "attributes/file", name, 3);
  set(vol, "attributes/file", "user.empty", 0);
  set(vol, "attributes/file", "user.two thousand", 2000);
  set(vol, "attributes/file", "user.parts", 9000);
  set(vol, "attributes/file", "trusted.one part", 3800);
  set(vol, "attributes/file", "security.capability", 20);
  set_acl(vol, "attributes/file", "system.posix_acl_access");
  set_acl(vol, "attributes", "system.posix_acl_default");
  set_acl(vol, "attributes", "system.posix_acl_access");
  report_must(nacre_mkdir(vol, "attributes/heir", 02775, &owner), "attributes/heir");
  write_at(vol, "attributes/largest", 0, 0);
  uint8_t *zeroes = calloc(1, 65536);
  report_must(nacre_setxattr(vol, "attributes/largest", "user.largest", zeroes, 65536, 0), "the largest attribute");
  free(zeroes);
}

static void make_special(nacre_volume *vol) {
  char target[4096];
  memset(target, 't', sizeof target - 1);
  target[sizeof target - 1] = '\0';
  report_must(nacre_mkdir(vol, "special", 01777, &owner), "special");
  report_must(nacre_symlink(vol, "x", "special/link of one byte", &owner), "a link");
  report_must(nacre_symlink(vol, target, "special/link of 4095", &owner), "a long link");
  report_must(nacre_symlink(vol, "\xff\n ..", "special/odd link", &owner), "an odd link");
  report_must(nacre_mknod(vol, "special/char", S_IFCHR | 0620, makedev(4, 300), &owner), "a device");
  report_must(nacre_mknod(vol, "special/block", S_IFBLK | 0660, makedev(4095, 1048575), &owner), "a device");
  report_must(nacre_mknod(vol, "special/fifo", S_IFIFO | 0600, 0, &owner), "a fifo");
  report_must(nacre_mknod(vol, "special/socket", S_IFSOCK | 0755, 0, &owner), "a socket");
  write_at(vol, "special/setuid", 0, 1);
  struct nacre_attr attr = {.struct_size = sizeof attr, .mode = 06755, .uid = UINT32_MAX - 1, .gid = 70000};
  report_must(nacre_setattr(vol, "special/setuid", &attr, NACRE_SET_UID | NACRE_SET_GID), "an owner");
  report_must(nacre_setattr(vol, "special/setuid", &attr, NACRE_SET_MODE), "a mode");
}

static void make_times(nacre_volume *vol) {
  static const int64_t seconds[] = {-1, 0, -9223372036, 253402300799, 1};
  char path[64];
  report_must(nacre_mkdir(vol, "times", 0755, &owner), "times");
  for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
    struct nacre_attr attr = {
        .struct_size = sizeof attr, .atime = {seconds[i], 999999999}, .mtime = {-seconds[i], 1}};
    (void)snprintf(path, sizeof path, "times/%zu", i);
    write_at(vol, path, 0, 0);
    report_must(nacre_setattr(vol, path, &attr, NACRE_SET_ATIME | NACRE_SET_MTIME), path);
  }
}

static void make_names(nacre_volume *vol, void (*fix_random)(bool on)) {
  char path[512];
  fix_random(true);
  report_must(nacre_mkdir(vol, "colliding", 0755, &owner), "colliding");
  fix_random(false);
  /* Under the seed 0, 1, 2, ..., 15 they have the same hash: a search found them. */
  write_at(vol, "colliding/6531618c044a996", 0, 1);
  write_at(vol, "colliding/5f6479c6b125d03", 0, 2);
  report_must(nacre_mkdir(vol, "names", 0755, &owner), "names");
  for (unsigned byte = 1; byte < 256; byte++) {
    (void)snprintf(path, sizeof path, "names/%c", (char)byte);
    if (byte != '/' && byte != '.')
      report_must(nacre_link(vol, "sizes/1", path), "a name of one byte");
  }
  (void)snprintf(path, sizeof path, "names/%0255d", 1);
  report_must(nacre_mkdir(vol, path, 0700, &owner), "a name of 255 bytes");
  report_must(nacre_link(vol, "special/fifo", "names/fifo too"), "a link to a fifo");
  report_must(nacre_mkdir(vol, "many", 0755, &owner), "many");
  for (unsigned i = 0; i < MANY_NAMES; i++) {
    (void)snprintf(path, sizeof path, "many/%u", i);
    report_must(nacre_link(vol, i % 3 == 0 ? "sizes/1" : "special/link of one byte", path), "one of many links");
  }
  for (unsigned i = 0; i < MANY_NAMES; i += 7) {
    (void)snprintf(path, sizeof path, "many/%u", i);
    report_must(nacre_unlink(vol, path), "one of many links");
  }
}

void golden_fill(nacre_volume *vol, void (*fix_random)(bool on)) {
  make_sizes(vol);
  make_sparse(vol);
  make_attributes(vol);
  make_special(vol);
  make_times(vol);
  commit(vol);
  make_names(vol, fix_random);
  commit(vol);
}
