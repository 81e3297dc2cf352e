/* keys CONTAINER PASSPHRASE: every secret between the passphrase and the keys that seal blocks, a line "NAME HEX"
 * each, for a test that looks for them where they must not be. */
#include "base/bytes.h"
#include "crypto/aead.h"
#include "format/credential.h"
#include "ops/headers.h"
#include "ops/unlock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_BYTES 32u
#define TAG_BYTES 16u

static void must(bool good, const char *what) {
  if (good)
    return;
  fprintf(stderr, "keys: %s\n", what);
  exit(1);
}

static void show(const char *name, const void *bytes, size_t len) {
  const uint8_t *at = bytes;
  printf("%s ", name);
  for (size_t i = 0; i < len; i++)
    printf("%02x", at[i]);
  printf("\n");
}

/* The keyslot's own, as docs/format.md has them; unlocking keeps neither. */
static void show_slot(const struct keyslot *slot, const char *passphrase) {
  uint8_t derived[64], aad[116], body_hash[32], tag[AEAD_TAG_BYTES] = {0}, secret[SECRET_BYTES];
  struct aead_key *key;
  struct writer w = writer_make(aad, sizeof aad);
  must(kdf_argon2id(&slot->cost, slot->salt, "nacre passphrase", passphrase, strlen(passphrase), derived) == NACRE_OK,
       "derivation");
  writer_u32(&w, (uint32_t)slot->kind);
  writer_u32(&w, slot->cost.lanes);
  writer_u32(&w, slot->cost.passes);
  writer_u64(&w, slot->cost.memory_bytes);
  writer_copy(&w, slot->salt, sizeof slot->salt);
  writer_copy(&w, slot->commitment, sizeof slot->commitment);
  kdf_hash(slot->body, slot->body_len, body_hash);
  writer_copy(&w, body_hash, sizeof body_hash);
  memcpy(tag, slot->wrapped_secret + SECRET_BYTES, TAG_BYTES);
  must(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, derived, &key) == NACRE_OK, "wrapping key");
  must(aead_open(key, slot->wrap_nonce, aad, sizeof aad, slot->wrapped_secret, SECRET_BYTES, secret, tag) == NACRE_OK,
       "slot secret");
  aead_key_free(key);
  show("wrapping-key", derived, SECRET_BYTES);
  show("slot-secret", secret, sizeof secret);
}

static void show_sealed(const struct unlocked *u) {
  static const char *const labels[] = {"node", "data", "superblock", "log"};
  uint8_t key[32];
  show("master-key", u->master_key, SECRET_BYTES);
  kdf_subkey(u->master_key, "header seal", NULL, 0, key);
  show("header-seal-key", key, sizeof key);
  kdf_subkey(u->master_key, "header mac", NULL, 0, key);
  show("header-mac-key", key, sizeof key);
  show("identity-secret", u->sealed->identity_secret, SECRET_BYTES);
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    const struct header_epoch *epoch = &u->sealed->epochs[i];
    if (epoch->epoch == 0)
      continue;
    show("volume-key", epoch->volume_key, sizeof epoch->volume_key);
    for (size_t n = 0; n < sizeof labels / sizeof labels[0]; n++) {
      header_volume_subkey(u->sealed, epoch, labels[n], key);
      char name[32];
      snprintf(name, sizeof name, "%s-key", labels[n]);
      show(name, key, sizeof key);
    }
  }
}

int main(int argc, char **argv) {
  struct store store;
  struct unlocked u;
  struct nacre_credential *cred;
  const struct unlock_options options = {.kdf_memory_max_bytes = 1ull << 30};
  struct headers *h = calloc(1, sizeof *h);
  must(argc == 3, "usage: keys CONTAINER PASSPHRASE");
  must(h != NULL && file_store_open(argv[1], FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store) == NACRE_OK, "open");
  must(headers_read(&store, h) == NACRE_OK, "headers");
  must(credential_new(NACRE_SLOT_PASSPHRASE, argv[2], strlen(argv[2]), &cred) == NACRE_OK, "credential");
  must(unlock(h, cred, &options, &u) == NACRE_OK, "unlock");
  show_slot(&h->copy[u.copy].slots[u.slot], argv[2]);
  show_sealed(&u);
  unlocked_free(&u);
  credential_free(cred);
  headers_free(h);
  store_close(&store);
  free(h);
  return 0;
}
