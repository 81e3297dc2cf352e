#include "fuzz/volume.h"

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>

#define SIZE_LIMIT_BYTES (40ull << 20)
#define PAGE_BYTES 4096u

const char *const fuzz_paths[FUZZ_PATHS] = {
    "small",       "tail",  "chunks",  "sparse", "folder",     "folder/inner", "folder/deeper", "folder/hard",
    "link",        "long",  "loop",    "fifo",   "many",       "many/3",       "many/77",       "many/new",
    "folder/link", "empty", "dangles", "new",    "folder/new", "folder/new/x", "empty/x",       "",
};

/* The container, and how it was when it was new. */
static struct {
  uint8_t *bytes, *base;
  uint64_t size, base_size;
  bool touched[SIZE_LIMIT_BYTES / PAGE_BYTES];
} container;

/* ---- Randomness that repeats ---- */

static uint64_t random_state;

static const char *random_name(void) {
  return "fixed";
}

static uint32_t random_next(void) {
  random_state = random_state * 6364136223846793005ull + 1442695040888963407ull; /* Knuth's MMIX */
  return (uint32_t)(random_state >> 32);
}

static void random_fill(void *const buf, const size_t len) {
  uint8_t *p = buf;
  for (size_t i = 0; i < len; i++)
    p[i] = (uint8_t)(random_next() >> 13);
}

static struct randombytes_implementation random_fixed = {
    .implementation_name = random_name, .random = random_next, .buf = random_fill};

/* ---- Store ---- */

static int page_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  (void)ctx;
  if (offset > container.size || len > container.size - offset)
    return EIO;
  memcpy(buf, container.bytes + offset, len);
  return 0;
}

static int page_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  (void)ctx;
  if (offset > container.size || len > container.size - offset)
    return EIO;
  memcpy(container.bytes + offset, buf, len);
  for (uint64_t page = offset / PAGE_BYTES; page * PAGE_BYTES < offset + len; page++)
    container.touched[page] = true;
  return 0;
}

static int page_sync(void *ctx) {
  (void)ctx;
  return 0;
}

static int page_size(void *ctx, uint64_t *size) {
  (void)ctx;
  *size = container.size;
  return 0;
}

static int page_resize(void *ctx, uint64_t size) {
  (void)ctx;
  if (size > SIZE_LIMIT_BYTES)
    return ENOSPC;
  container.size = size;
  return 0;
}

static void page_close(void *ctx) {
  (void)ctx;
}

static const struct nacre_store_ops page_ops = {.struct_size = sizeof page_ops,
                                                .read = page_read,
                                                .write = page_write,
                                                .sync = page_sync,
                                                .size = page_size,
                                                .resize = page_resize,
                                                .close = page_close};
static const struct nacre_target target = {.struct_size = sizeof target, .ops = &page_ops};

/* ---- The base image ---- */

#define ok(call) FUZZ_CHECK((call) == NACRE_OK)

static nacre_credential *credential(void) {
  static const uint8_t key[32] = "a key that everybody may know";
  nacre_credential *cred;
  ok(nacre_credential_raw_key(key, &cred));
  return cred;
}

static void make_file(nacre_volume *vol, const char *path, uint64_t offset, size_t len) {
  nacre_file *file;
  uint8_t *bytes = malloc(len);
  FUZZ_CHECK(bytes != NULL);
  for (size_t i = 0; i < len; i++)
    bytes[i] = (uint8_t)(i * 7 + len);
  ok(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0644, NULL, &file));
  ok(nacre_write(file, bytes, len, offset));
  nacre_close(file);
  free(bytes);
}

static void make_attributes(nacre_volume *vol) {
  static uint8_t large[9000];
  static const uint8_t acl[] = {2, 0, 0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    4,
                                0, 5, 0,    0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
                                6, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};
  ok(nacre_setxattr(vol, "small", "user.small", "value", 5, 0));
  ok(nacre_setxattr(vol, "small", "user.large", large, sizeof large, 0));
  ok(nacre_setxattr(vol, "folder", "user.empty", "", 0, 0));
  ok(nacre_setxattr(vol, "folder", "system.posix_acl_access", acl, sizeof acl, 0));
  ok(nacre_setxattr(vol, "folder", "system.posix_acl_default", acl, sizeof acl, 0));
}

static void fill(nacre_volume *vol) {
  char name[32], target_path[4001];
  memset(target_path, 'x', 4000);
  target_path[4000] = '\0';
  make_file(vol, "small", 0, 100);
  make_file(vol, "tail", 0, 5000);
  make_file(vol, "chunks", 0, 150000);
  make_file(vol, "sparse", 0, 4096);
  make_file(vol, "sparse", 3 << 20, 40000);
  ok(nacre_mkdir(vol, "folder", 0755, NULL));
  ok(nacre_mkdir(vol, "folder/deeper", 0755, NULL));
  ok(nacre_mkdir(vol, "empty", 0755, NULL));
  ok(nacre_mkdir(vol, "many", 0755, NULL));
  make_file(vol, "folder/inner", 0, 3000);
  ok(nacre_link(vol, "small", "folder/hard"));
  ok(nacre_symlink(vol, "small", "link", NULL));
  ok(nacre_symlink(vol, target_path, "long", NULL));
  ok(nacre_symlink(vol, "/loop", "loop", NULL));
  ok(nacre_symlink(vol, "../many/3", "folder/link", NULL));
  ok(nacre_symlink(vol, "nowhere", "dangles", NULL));
  ok(nacre_mknod(vol, "fifo", S_IFIFO | 0600, 0, NULL));
  for (unsigned i = 0; i < 120; i++) {
    snprintf(name, sizeof name, "many/%u", i);
    make_file(vol, name, 0, 300 + i * 5);
  }
  make_attributes(vol);
}

static void make(void) {
  nacre_volume *vol;
  struct nacre_create_options options = {
      .struct_size = sizeof options, .size_bytes = SIZE_LIMIT_BYTES, .cipher = NACRE_CIPHER_XCHACHA20_POLY1305};
  nacre_credential *cred = credential();
  container.bytes = calloc(1, SIZE_LIMIT_BYTES);
  container.base = malloc(SIZE_LIMIT_BYTES);
  FUZZ_CHECK(container.bytes != NULL && container.base != NULL);
  FUZZ_CHECK(randombytes_set_implementation(&random_fixed) == 0);
  ok(nacre_create(&target, &options, cred));
  nacre_credential_free(cred);
  ok(fuzz_volume_open(false, &vol));
  fill(vol);
  ok(nacre_volume_close(vol));
  memcpy(container.base, container.bytes, container.size);
  container.base_size = container.size;
}

void fuzz_volume_reset(void) {
  if (container.bytes == NULL)
    make();
  for (uint64_t page = 0; page < SIZE_LIMIT_BYTES / PAGE_BYTES; page++) {
    if (!container.touched[page])
      continue;
    uint64_t offset = page * PAGE_BYTES;
    if (offset < container.base_size)
      memcpy(container.bytes + offset, container.base + offset, PAGE_BYTES);
    else
      memset(container.bytes + offset, 0, PAGE_BYTES);
    container.touched[page] = false;
  }
  container.size = container.base_size;
  random_state = 1;
}

enum nacre_err fuzz_volume_open_anchored(bool read_only, const struct nacre_anchor_ops *anchor, bool accept,
                                         nacre_volume **out) {
  struct nacre_open_options options = {.struct_size = sizeof options,
                                       .read_only = read_only,
                                       .memory_bytes = 8u << 20,
                                       .anchor = anchor,
                                       .accept_rollback = accept};
  nacre_credential *cred = credential();
  enum nacre_err err = nacre_volume_open(&target, &options, cred, out);
  nacre_credential_free(cred);
  return err;
}

enum nacre_err fuzz_volume_open(bool read_only, nacre_volume **out) {
  return fuzz_volume_open_anchored(read_only, NULL, false, out);
}
