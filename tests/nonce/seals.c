#include "nonce/seals.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "support/report.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define HANDLES_MAX 256u
#define ID_BYTES 16u
#define SESSION_BYTES 16u

struct aead_key;

/* An entry of an open hash table; all zero: none. */
struct entry {
  uint8_t id[ID_BYTES];
  uint64_t bytes;
};

struct table {
  struct entry *entries;
  uint64_t room, count; /* a power of two */
};

/* In memory that children share. */
struct shared {
  pthread_mutex_t lock;
  struct seals_tally tally;
  struct table pairs, sessions, keys;
};

struct handle {
  const struct aead_key *key;
  uint8_t id[32];
};

static struct shared *shared;
static struct handle handles[HANDLES_MAX];
static pthread_rwlock_t handles_lock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_uint fail_every, seals_until_failure;
static atomic_bool sessions_repeat;

enum nacre_err __real_aead_key_new(enum nacre_cipher cipher, const uint8_t key[AEAD_KEY_BYTES],
                                   struct aead_key **out);
enum nacre_err __wrap_aead_key_new(enum nacre_cipher cipher, const uint8_t key[AEAD_KEY_BYTES],
                                   struct aead_key **out);
void __real_aead_key_free(struct aead_key *key);
void __wrap_aead_key_free(struct aead_key *key);
enum nacre_err __real_aead_seal(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES], const uint8_t *aad,
                                size_t aad_len, const uint8_t *in, size_t len, uint8_t *out,
                                uint8_t tag[AEAD_TAG_BYTES]);
enum nacre_err __wrap_aead_seal(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES], const uint8_t *aad,
                                size_t aad_len, const uint8_t *in, size_t len, uint8_t *out,
                                uint8_t tag[AEAD_TAG_BYTES]);
enum nacre_err __real_kdf_seal_key(const uint8_t public_key[32], const uint8_t key[32],
                                   uint8_t sealed[KDF_SEALED_KEY_BYTES]);
enum nacre_err __wrap_kdf_seal_key(const uint8_t public_key[32], const uint8_t key[32],
                                   uint8_t sealed[KDF_SEALED_KEY_BYTES]);
void __real_env_random(void *buf, size_t len);
void __wrap_env_random(void *buf, size_t len);

/* ---- Tables ---- */

static void *share(size_t bytes) {
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    report_fail("no memory for the list of seals");
  return at;
}

static void table_start(struct table *t, uint64_t most) {
  t->room = 1024;
  while (t->room < most * 2)
    t->room *= 2;
  t->entries = share(t->room * sizeof *t->entries);
}

/* The entry of that id; *fresh where it was not there. */
static struct entry *table_find(struct table *t, const uint8_t id[ID_BYTES], bool *fresh) {
  uint64_t at = le64_get(id) & (t->room - 1);
  while (t->entries[at].bytes != 0 && memcmp(t->entries[at].id, id, ID_BYTES) != 0)
    at = (at + 1) & (t->room - 1);
  *fresh = t->entries[at].bytes == 0;
  if (*fresh) {
    memcpy(t->entries[at].id, id, ID_BYTES);
    if (++t->count > t->room / 4 * 3)
      report_fail("more was sealed than there is room for");
  }
  return &t->entries[at];
}

void seals_start(uint64_t most) {
  shared = share(sizeof *shared);
  table_start(&shared->pairs, most);
  table_start(&shared->sessions, most / 4);
  table_start(&shared->keys, 4096);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&shared->lock, &attr);
  pthread_mutexattr_destroy(&attr);
}

struct seals_tally seals_tally(void) {
  pthread_mutex_lock(&shared->lock);
  struct seals_tally tally = shared->tally;
  pthread_mutex_unlock(&shared->lock);
  return tally;
}

void seals_fail_every(unsigned n) {
  atomic_store(&seals_until_failure, n);
  atomic_store(&fail_every, n);
}

void seals_repeat_sessions(bool repeat) {
  atomic_store(&sessions_repeat, repeat);
}

static void note(const uint8_t key_id[32], const uint8_t *nonce, size_t nonce_bytes, size_t len) {
  uint8_t pair[32], session[32];
  bool fresh;
  kdf_mac(key_id, nonce, nonce_bytes, pair);
  kdf_mac(key_id, nonce, SESSION_BYTES, session);
  pthread_mutex_lock(&shared->lock);
  struct seals_tally *t = &shared->tally;
  struct entry *e = table_find(&shared->pairs, pair, &fresh);
  e->bytes = 1;
  t->repeated += !fresh;
  e = table_find(&shared->sessions, session, &fresh);
  e->bytes += len;
  t->sessions += fresh;
  if (e->bytes > t->session_bytes_max)
    t->session_bytes_max = e->bytes;
  e = table_find(&shared->keys, key_id, &fresh);
  e->bytes = 1;
  t->keys += fresh;
  pthread_mutex_unlock(&shared->lock);
}

/* ---- In the library's place ---- */

/* The bytes of a key are seen when it is made ready; a handle is all that sealing has. */
enum nacre_err __wrap_aead_key_new(enum nacre_cipher cipher, const uint8_t key[AEAD_KEY_BYTES],
                                   struct aead_key **out) {
  enum nacre_err err = __real_aead_key_new(cipher, key, out);
  if (err != NACRE_OK)
    return err;
  uint8_t kind = (uint8_t)cipher;
  pthread_rwlock_wrlock(&handles_lock);
  unsigned i = 0;
  while (i < HANDLES_MAX && handles[i].key != NULL)
    i++;
  if (i < HANDLES_MAX) {
    handles[i].key = *out;
    kdf_mac(key, &kind, 1, handles[i].id);
  } else {
    report_fail("more keys are in use than there is room for");
  }
  pthread_rwlock_unlock(&handles_lock);
  return NACRE_OK;
}

void __wrap_aead_key_free(struct aead_key *key) {
  pthread_rwlock_wrlock(&handles_lock);
  for (unsigned i = 0; key != NULL && i < HANDLES_MAX; i++) {
    if (handles[i].key == key)
      handles[i].key = NULL;
  }
  pthread_rwlock_unlock(&handles_lock);
  __real_aead_key_free(key);
}

static void key_id(const struct aead_key *key, uint8_t id[32]) {
  pthread_rwlock_rdlock(&handles_lock);
  unsigned i = 0;
  while (i < HANDLES_MAX && handles[i].key != key)
    i++;
  if (i < HANDLES_MAX)
    memcpy(id, handles[i].id, sizeof handles[i].id);
  else
    report_fail("a key seals that was never made ready");
  pthread_rwlock_unlock(&handles_lock);
}

static bool fails_now(void) {
  unsigned every = atomic_load(&fail_every);
  if (every == 0 || atomic_fetch_sub(&seals_until_failure, 1) != 1)
    return false;
  atomic_store(&seals_until_failure, every);
  return true;
}

/* It is sealed also where it is then said to have failed: whoever looks on has seen it. */
enum nacre_err __wrap_aead_seal(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES], const uint8_t *aad,
                                size_t aad_len, const uint8_t *in, size_t len, uint8_t *out,
                                uint8_t tag[AEAD_TAG_BYTES]) {
  uint8_t id[32];
  key_id(key, id);
  note(id, nonce, AEAD_NONCE_BYTES, len);
  pthread_mutex_lock(&shared->lock);
  shared->tally.seals++;
  pthread_mutex_unlock(&shared->lock);
  enum nacre_err err = __real_aead_seal(key, nonce, aad, aad_len, in, len, out, tag);
  if (err == NACRE_OK && fails_now())
    return err_set(NACRE_ERR_NO_MEMORY, "the cipher fails, as it was told");
  return err;
}

/* The box's key and nonce both come from the two public keys. */
enum nacre_err __wrap_kdf_seal_key(const uint8_t public_key[32], const uint8_t key[32],
                                   uint8_t sealed[KDF_SEALED_KEY_BYTES]) {
  enum nacre_err err = __real_kdf_seal_key(public_key, key, sealed);
  if (err == NACRE_OK) {
    note(public_key, sealed, 32, 32);
    pthread_mutex_lock(&shared->lock);
    shared->tally.boxes++;
    pthread_mutex_unlock(&shared->lock);
  }
  return err;
}

void __wrap_env_random(void *buf, size_t len) {
  if (atomic_load(&sessions_repeat) && len == SESSION_BYTES)
    memset(buf, 7, len);
  else
    __real_env_random(buf, len);
}
