/* Argon2id by the reference library, since libsodium's has one lane only. */
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/kdf.h"

#include <argon2.h>
#include <pthread.h>
#include <sys/mman.h>

#define ARGON_BLOCK_BYTES 1024u
#define ARGON_BLOCKS_A_LANE_MIN 8u
#define ARGON_LANES_DEFAULT 4u
#define ARGON_MEMORY_DEFAULT_BYTES (256ull << 20)
#define ARGON_PASSES_DEFAULT_MAX 20u
#define ARGON_TARGET_MS 1000u
#define ARGON_SAMPLE_BYTES (64ull << 20)
#define ARGON_SAMPLE_PASSES 3u

/* The memory is full of what a guesser would want: out of core dumps. The library wipes it before this frees it. */
static int argon_map(uint8_t **memory, size_t len) {
  void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    return ARGON2_MEMORY_ALLOCATION_ERROR;
  (void)madvise(p, len, MADV_DONTDUMP);
  (void)madvise(p, len, MADV_HUGEPAGE);
  *memory = p;
  return ARGON2_OK;
}

static void argon_unmap(uint8_t *memory, size_t len) {
  (void)munmap(memory, len);
}

/* The library takes what it only reads without const. */
static uint8_t *argon_input(const void *p) {
  return (uint8_t *)(uintptr_t)p; // NOLINT(performance-no-int-to-ptr)
}

static void *argon_wait(void *gate) {
  (void)pthread_mutex_lock(gate);
  (void)pthread_mutex_unlock(gate);
  return NULL;
}

/* Whether a thread a lane can be started beside that memory. libargon2 can't be left to find out: before 20190702 it
 * returns when one fails to start, while those that did go on by pointers into its frame. */
static bool argon_threads_start(uint32_t lanes, uint64_t memory_bytes) {
  pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
  pthread_t threads[KDF_LANES_MAX];
  uint8_t *memory = NULL;
  uint32_t started = 0;
  if (lanes < 2)
    return true;
  if (lanes > KDF_LANES_MAX || argon_map(&memory, (size_t)memory_bytes) != ARGON2_OK)
    return false;
  (void)pthread_mutex_lock(&gate);
  while (started < lanes && pthread_create(&threads[started], NULL, argon_wait, &gate) == 0)
    started++;
  (void)pthread_mutex_unlock(&gate);
  for (uint32_t i = 0; i < started; i++)
    (void)pthread_join(threads[i], NULL);
  (void)pthread_mutex_destroy(&gate);
  argon_unmap(memory, (size_t)memory_bytes);
  return started == lanes;
}

enum nacre_err kdf_argon2id(const struct nacre_kdf_cost *cost, const uint8_t salt[KDF_SALT_BYTES], const char *label,
                            const void *secret, size_t secret_len, uint8_t out[64]) {
  if (secret_len > UINT32_MAX || cost->memory_bytes / ARGON_BLOCK_BYTES > UINT32_MAX)
    return err_set(NACRE_ERR_ARGUMENT, "too much for Argon2");
  argon2_context context = {
      .out = out,
      .outlen = 64,
      .pwd = argon_input(secret),
      .pwdlen = (uint32_t)secret_len,
      .salt = argon_input(salt),
      .saltlen = KDF_SALT_BYTES,
      .ad = argon_input(label),
      .adlen = (uint32_t)strlen(label),
      .t_cost = cost->passes,
      .m_cost = (uint32_t)(cost->memory_bytes / ARGON_BLOCK_BYTES),
      .lanes = cost->lanes,
      /* The lanes one after the other give the same. */
      .threads = argon_threads_start(cost->lanes, cost->memory_bytes) ? cost->lanes : 1,
      .version = ARGON2_VERSION_13,
      .allocate_cbk = argon_map,
      .free_cbk = argon_unmap,
      .flags = ARGON2_DEFAULT_FLAGS,
  };
  int result = argon2id_ctx(&context);
  /* The latter on systems of 32 bits, from half of what can be addressed on. */
  if (result == ARGON2_MEMORY_ALLOCATION_ERROR || result == ARGON2_MEMORY_TOO_MUCH)
    return err_set(NACRE_ERR_NO_MEMORY, "the key derivation needs %llu MiB of memory",
                   (unsigned long long)(cost->memory_bytes >> 20));
  if (result == ARGON2_THREAD_FAIL)
    return err_set(NACRE_ERR_NO_MEMORY, "the key derivation got no threads; try again");
  if (result != ARGON2_OK)
    return err_set(NACRE_ERR_ARGUMENT, "Argon2: %s", argon2_error_message(result));
  return NACRE_OK;
}

static enum nacre_err argon_time(struct nacre_kdf_cost cost, uint64_t *ms) {
  static const uint8_t salt[KDF_SALT_BYTES];
  uint8_t out[64];
  uint64_t start = env_monotonic_ms();
  ERR_TRY(kdf_argon2id(&cost, salt, "nacre measurement", "", 0, out));
  *ms = env_monotonic_ms() - start;
  return NACRE_OK;
}

/* Two short runs tell what a pass costs apart from getting, filling and wiping the memory. */
static enum nacre_err argon_pick_passes(struct nacre_kdf_cost *cost, uint32_t passes_min, uint32_t target_ms) {
  struct nacre_kdf_cost sample = *cost;
  sample.memory_bytes = u64_max(u64_min(cost->memory_bytes, ARGON_SAMPLE_BYTES),
                                (uint64_t)ARGON_BLOCKS_A_LANE_MIN * ARGON_BLOCK_BYTES * cost->lanes);
  uint64_t one_ms = 0, more_ms = 0;
  sample.passes = 1;
  ERR_TRY(argon_time(sample, &one_ms));
  sample.passes = ARGON_SAMPLE_PASSES;
  ERR_TRY(argon_time(sample, &more_ms));

  uint64_t scale = u64_max(cost->memory_bytes / sample.memory_bytes, 1);
  uint64_t pass_ms = more_ms > one_ms ? u64_max((more_ms - one_ms) * scale / (ARGON_SAMPLE_PASSES - 1), 1) : 1;
  uint64_t fixed_ms = one_ms * scale > pass_ms ? one_ms * scale - pass_ms : 0;
  uint64_t passes = fixed_ms < target_ms ? (target_ms - fixed_ms + pass_ms / 2) / pass_ms : 1;
  passes = u64_max(u64_min(passes, ARGON_PASSES_DEFAULT_MAX), passes_min);
  cost->passes = (uint32_t)u64_max(u64_min(passes, KDF_WORK_MAX_BYTES / cost->memory_bytes), 1);
  return NACRE_OK;
}

/* Whether so much can be had at once: limits of the system's are not all known. */
static bool argon_fits(uint64_t memory_bytes) {
  uint8_t *memory = NULL;
  if (memory_bytes > SIZE_MAX || argon_map(&memory, (size_t)memory_bytes) != ARGON2_OK)
    return false;
  argon_unmap(memory, (size_t)memory_bytes);
  return true;
}

static enum nacre_err argon_pick_memory(struct nacre_kdf_cost *cost, uint64_t most, uint64_t had) {
  uint64_t memory = had > 0 ? u64_min(had / 4, most) : most;
  memory = u64_max(memory - memory % (1u << 20), NACRE_KDF_MEMORY_MIN_BYTES);
  while (!argon_fits(memory)) {
    if (memory == NACRE_KDF_MEMORY_MIN_BYTES)
      return err_set(NACRE_ERR_NO_MEMORY,
                     "the least that a key derivation takes, %llu MiB of memory, is not to be had here; "
                     "allow this process more",
                     (unsigned long long)(NACRE_KDF_MEMORY_MIN_BYTES >> 20));
    memory = u64_max(memory / 2 - memory / 2 % (1u << 20), NACRE_KDF_MEMORY_MIN_BYTES);
  }
  cost->memory_bytes = memory;
  return NACRE_OK;
}

enum nacre_err kdf_choose(const struct nacre_kdf_aim *aim, struct nacre_kdf_cost *cost, uint64_t *had_bytes) {
  const uint64_t had = env_memory_bytes();
  if (had_bytes)
    *had_bytes = had;
  if (cost->lanes == 0)
    cost->lanes = ARGON_LANES_DEFAULT;
  if (cost->memory_bytes == 0)
    ERR_TRY(argon_pick_memory(cost, aim->memory_max_bytes ? aim->memory_max_bytes : ARGON_MEMORY_DEFAULT_BYTES, had));
  if (cost->passes != 0)
    return kdf_check_new(cost);
  cost->passes = 1;
  ERR_TRY(kdf_check_new(cost));
  return argon_pick_passes(cost, aim->passes_min, aim->target_ms ? aim->target_ms : ARGON_TARGET_MS);
}

enum nacre_err kdf_calibrate(struct nacre_kdf_cost *cost) {
  const struct nacre_kdf_aim none = {.struct_size = sizeof none};
  return kdf_choose(&none, cost, NULL);
}

/* What Argon2 itself demands. */
static bool argon_possible(const struct nacre_kdf_cost *cost) {
  return cost->passes >= 1 && cost->lanes >= 1 && cost->memory_bytes % ARGON_BLOCK_BYTES == 0 &&
         cost->memory_bytes / ARGON_BLOCK_BYTES <= UINT32_MAX &&
         cost->memory_bytes / ARGON_BLOCK_BYTES >= (uint64_t)ARGON_BLOCKS_A_LANE_MIN * cost->lanes;
}

static bool argon_too_long(const struct nacre_kdf_cost *cost) {
  uint64_t work;
  return !u64_mul(cost->memory_bytes, cost->passes, &work) || work > KDF_WORK_MAX_BYTES;
}

enum nacre_err kdf_check_new(const struct nacre_kdf_cost *cost) {
  if (cost->lanes == 0 || cost->lanes > KDF_LANES_MAX)
    return err_set(NACRE_ERR_ARGUMENT, "the key derivation has 1 to %u lanes", KDF_LANES_MAX);
  if (cost->memory_bytes < NACRE_KDF_MEMORY_MIN_BYTES)
    return err_set(NACRE_ERR_WEAK, "the key derivation needs at least %llu MiB of memory",
                   (unsigned long long)(NACRE_KDF_MEMORY_MIN_BYTES >> 20));
  if (!argon_possible(cost))
    return err_set(NACRE_ERR_ARGUMENT, "these costs of the key derivation are not possible (memory comes in KiB)");
  if (argon_too_long(cost))
    return err_set(NACRE_ERR_ARGUMENT, "memory times passes of the key derivation is above %llu GiB",
                   KDF_WORK_MAX_BYTES >> 30);
  return NACRE_OK;
}

enum nacre_err kdf_check_open(const struct nacre_kdf_cost *cost, uint64_t memory_max_bytes) {
  if (cost->memory_bytes > memory_max_bytes)
    return err_set(NACRE_ERR_LIMIT, "the keyslot asks for %llu MiB of memory, and %llu are allowed",
                   (unsigned long long)(cost->memory_bytes >> 20), (unsigned long long)(memory_max_bytes >> 20));
  if (cost->lanes > KDF_LANES_MAX)
    return err_set(NACRE_ERR_LIMIT, "the keyslot asks for %u lanes, and %u are allowed", cost->lanes, KDF_LANES_MAX);
  if (argon_too_long(cost))
    return err_set(NACRE_ERR_LIMIT, "the keyslot asks for %u passes over %llu MiB, which is too long", cost->passes,
                   (unsigned long long)(cost->memory_bytes >> 20));
  if (!argon_possible(cost))
    return err_set(NACRE_ERR_DAMAGED, "the keyslot's costs of key derivation make no sense");
  return NACRE_OK;
}
