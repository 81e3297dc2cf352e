/* Little-endian throughout.
 *
 * Public part (4096 bytes); the first 40 bytes keep their place in every version:
 *     0  magic (8)     8  format version (4)    12  cipher (4)      16  volume id (16)
 *    32  incompat (8) 40  sequence (8)          48  label (64), NUL behind it, zeroes to its end
 *   112  slot table: 32 entries of 24: kind (4), lanes (4), passes (4), zero (4), memory in bytes (8)
 *   880  zero to the end
 *
 * Keyslot i (7168 bytes at 4096 + 7168 i); an unused one is random bytes:
 *     0  salt (32)    32  commitment (32)    64  wrap nonce (24)    88  wrapped secret (48)
 *   136  sealed master key (80)             216  body length (4)   220  body, then random to the end
 *
 * Sealed part (4096 bytes at 233472), XChaCha20-Poly1305 whatever the volume's cipher, under the master key's
 * "header seal" subkey; associated data: volume id (16), format version (4), sequence (8):
 *     0  nonce (24)   24  tag (32)           56  ciphertext (4040), of which the plaintext is
 *          0  identity secret (32)   32  current epoch (4)   36  zero (4)
 *         40  8 epochs of 40: epoch (4), cipher (4), volume key (32)
 *        360  32 slots of 104: public key (32), created, signed (8), name (64), NUL behind it, zeroes to its end
 *       3688  rate of a rotation in bytes a second (8)   3696  zero to the end
 * Then random bytes, and the MAC in the last 32. */
#include "format/header.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/aead.h"

#include <assert.h>

#define HEADER_PUBLIC_BYTES 4096u
#define HEADER_SLOTS_OFFSET HEADER_PUBLIC_BYTES
#define HEADER_SEALED_OFFSET (HEADER_SLOTS_OFFSET + FORMAT_SLOTS * FORMAT_SLOT_BYTES)
#define HEADER_SEALED_BYTES 4096u
#define HEADER_SLOT_FIXED_BYTES 220u
#define HEADER_PLAIN_BYTES (HEADER_SEALED_BYTES - AEAD_NONCE_BYTES - AEAD_TAG_BYTES)
#define HEADER_MAC_BYTES 32u
#define HEADER_MAC_OFFSET (FORMAT_HEADER_BYTES - HEADER_MAC_BYTES)
#define HEADER_MAGIC_BYTES 8u
#define HEADER_CIPHER_OFFSET 12u
#define HEADER_TABLE_OFFSET 112u
#define HEADER_TABLE_ENTRY_BYTES 24u
#define HEADER_AAD_BYTES 28u

static_assert(sizeof FORMAT_MAGIC - 1 == HEADER_MAGIC_BYTES, "the magic has 8 bytes");
static_assert(HEADER_SEALED_OFFSET == 233472, "the layout that is documented");
static_assert(HEADER_SEALED_OFFSET + HEADER_SEALED_BYTES <= HEADER_MAC_OFFSET, "all fits");
static_assert(HEADER_SLOT_FIXED_BYTES + FORMAT_SLOT_BODY_MAX_BYTES == FORMAT_SLOT_BYTES, "a body has all the rest");

static enum nacre_err header_damaged(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "the header is damaged: %s", what);
}

/* A string in a field of fixed size: NUL-terminated, zeroes behind. */
static bool header_string_good(const char *field, size_t size) {
  size_t len = strnlen(field, size);
  return len < size && bytes_all_zero((const uint8_t *)field + len, size - len);
}

/* ---- Public part ---- */

static void header_write_slot_entry(struct writer *w, const struct keyslot *slot) {
  writer_u32(w, (uint32_t)slot->kind);
  writer_u32(w, slot->cost.lanes);
  writer_u32(w, slot->cost.passes);
  writer_zeroes(w, 4);
  writer_u64(w, slot->cost.memory_bytes);
}

static enum nacre_err header_read_slot_entry(struct reader *r, struct keyslot *slot) {
  uint32_t kind = reader_u32(r);
  slot->cost.lanes = reader_u32(r);
  slot->cost.passes = reader_u32(r);
  reader_zeroes(r, 4);
  slot->cost.memory_bytes = reader_u64(r);
  if (kind > NACRE_SLOT_FIDO2)
    return header_damaged("a keyslot of unknown kind");
  slot->kind = (enum nacre_slot_kind)kind;
  if (!slot_kind_has_kdf(slot->kind) &&
      (slot->cost.lanes != 0 || slot->cost.passes != 0 || slot->cost.memory_bytes != 0))
    return header_damaged("a keyslot has costs that its kind has no use for");
  return NACRE_OK;
}

static void header_encode_public(const struct header *h, uint8_t *raw) {
  struct writer w = writer_make(raw, HEADER_PUBLIC_BYTES);
  writer_copy(&w, FORMAT_MAGIC, HEADER_MAGIC_BYTES);
  writer_u32(&w, h->version);
  writer_u32(&w, (uint32_t)h->cipher);
  writer_copy(&w, h->volume_id, sizeof h->volume_id);
  writer_u64(&w, h->incompat);
  writer_u64(&w, h->sequence);
  writer_copy(&w, h->label, sizeof h->label);
  static const struct keyslot none = {0};
  for (unsigned i = 0; i < FORMAT_SLOTS; i++)
    header_write_slot_entry(&w, h->slots[i].kind == NACRE_SLOT_EMPTY ? &none : &h->slots[i]);
  writer_zeroes(&w, w.left);
  assert(!w.bad);
}

static bool header_cipher_known(uint32_t cipher) {
  return cipher >= NACRE_CIPHER_AES_256_GCM && cipher <= NACRE_CIPHER_AEGIS_256;
}

enum nacre_err header_decode_public(const uint8_t *raw, struct header *h) {
  memset(h, 0, sizeof *h);
  struct reader r = reader_make(raw, HEADER_PUBLIC_BYTES);
  const uint8_t *magic = reader_view(&r, HEADER_MAGIC_BYTES);
  if (magic == NULL || memcmp(magic, FORMAT_MAGIC, HEADER_MAGIC_BYTES) != 0)
    return err_set(NACRE_ERR_NOT_VOLUME, "not a Nacre volume");
  h->version = reader_u32(&r);
  uint32_t cipher = reader_u32(&r);
  h->cipher = (enum nacre_cipher)cipher;
  reader_copy(&r, h->volume_id, sizeof h->volume_id);
  h->incompat = reader_u64(&r);
  if (h->version > FORMAT_VERSION)
    return err_set(NACRE_ERR_UNSUPPORTED, "the volume has format version %u, this program knows up to %u", h->version,
                   FORMAT_VERSION);
  if ((h->incompat & ~FORMAT_INCOMPAT_KNOWN) != 0)
    return err_set(NACRE_ERR_UNSUPPORTED, "the volume uses features (%#llx) that this version does not know",
                   (unsigned long long)(h->incompat & ~FORMAT_INCOMPAT_KNOWN));
  if (!header_cipher_known(cipher))
    return err_set(NACRE_ERR_UNSUPPORTED, "the volume uses cipher %u, which this version does not know", cipher);
  h->sequence = reader_u64(&r);
  reader_copy(&r, h->label, sizeof h->label);
  for (unsigned i = 0; i < FORMAT_SLOTS; i++)
    ERR_TRY(header_read_slot_entry(&r, &h->slots[i]));
  reader_zeroes(&r, r.left);
  if (r.bad)
    return header_damaged("reserved bytes are not zero");
  if (h->sequence == 0)
    return header_damaged("sequence 0");
  if (!header_string_good(h->label, sizeof h->label))
    return header_damaged("the label has no end");
  return NACRE_OK;
}

/* ---- Keyslots ---- */

void header_slot_encode(const struct keyslot *slot, uint8_t *area) {
  if (slot->kind == NACRE_SLOT_EMPTY)
    return;
  struct writer w = writer_make(area, FORMAT_SLOT_BYTES);
  writer_copy(&w, slot->salt, sizeof slot->salt);
  writer_copy(&w, slot->commitment, sizeof slot->commitment);
  writer_copy(&w, slot->wrap_nonce, sizeof slot->wrap_nonce);
  writer_copy(&w, slot->wrapped_secret, sizeof slot->wrapped_secret);
  writer_copy(&w, slot->sealed_master, sizeof slot->sealed_master);
  writer_u32(&w, slot->body_len);
  writer_copy(&w, slot->body, slot->body_len);
  assert(!w.bad);
}

enum nacre_err header_slot_decode(const uint8_t *area, struct keyslot *slot) {
  if (slot->kind == NACRE_SLOT_EMPTY)
    return NACRE_OK;
  struct reader r = reader_make(area, FORMAT_SLOT_BYTES);
  reader_copy(&r, slot->salt, sizeof slot->salt);
  reader_copy(&r, slot->commitment, sizeof slot->commitment);
  reader_copy(&r, slot->wrap_nonce, sizeof slot->wrap_nonce);
  reader_copy(&r, slot->wrapped_secret, sizeof slot->wrapped_secret);
  reader_copy(&r, slot->sealed_master, sizeof slot->sealed_master);
  slot->body_len = reader_u32(&r);
  assert(!r.bad);
  if (slot->body_len > r.left || (slot->body_len != 0) != slot_kind_has_body(slot->kind)) {
    slot->body_len = 0;
    return header_damaged("a keyslot's body");
  }
  reader_copy(&r, slot->body, slot->body_len);
  return NACRE_OK;
}

enum nacre_err header_decode(const uint8_t *raw, struct header *out) {
  ERR_TRY(header_decode_public(raw, out));
  for (unsigned i = 0; i < FORMAT_SLOTS; i++)
    ERR_TRY(header_slot_decode(raw + HEADER_SLOTS_OFFSET + (size_t)i * FORMAT_SLOT_BYTES, &out->slots[i]));
  return NACRE_OK;
}

/* ---- Sealed part ---- */

static void header_encode_plain(const struct header_sealed *sealed, uint8_t *plain) {
  struct writer w = writer_make(plain, HEADER_PLAIN_BYTES);
  writer_copy(&w, sealed->identity_secret, sizeof sealed->identity_secret);
  writer_u32(&w, sealed->current_epoch);
  writer_zeroes(&w, 4);
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    writer_u32(&w, sealed->epochs[i].epoch);
    writer_u32(&w, (uint32_t)sealed->epochs[i].cipher);
    writer_copy(&w, sealed->epochs[i].volume_key, sizeof sealed->epochs[i].volume_key);
  }
  for (unsigned i = 0; i < FORMAT_SLOTS; i++) {
    writer_copy(&w, sealed->slots[i].public_key, sizeof sealed->slots[i].public_key);
    writer_u64(&w, (uint64_t)sealed->slots[i].created_s);
    writer_copy(&w, sealed->slots[i].name, sizeof sealed->slots[i].name);
  }
  writer_u64(&w, sealed->rekey_rate);
  writer_zeroes(&w, w.left);
  assert(!w.bad);
}

const struct header_epoch *header_current_epoch(const struct header_sealed *sealed) {
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    if (sealed->epochs[i].epoch != 0 && sealed->epochs[i].epoch == sealed->current_epoch)
      return &sealed->epochs[i];
  }
  return NULL;
}

const struct header_epoch *header_older_epoch(const struct header_sealed *sealed) {
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    if (sealed->epochs[i].epoch != 0 && sealed->epochs[i].epoch != sealed->current_epoch)
      return &sealed->epochs[i];
  }
  return NULL;
}

/* The current epoch has a key, and of the volume's cipher; none is later, no epoch has two, and no more than two are
 * in use. */
static bool header_epochs_good(const struct header_sealed *sealed, enum nacre_cipher cipher) {
  const struct header_epoch *current = header_current_epoch(sealed);
  unsigned used = 0;
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    const struct header_epoch *epoch = &sealed->epochs[i];
    if (epoch->epoch == 0)
      continue;
    used++;
    if (!header_cipher_known((uint32_t)epoch->cipher) || epoch->epoch > sealed->current_epoch)
      return false;
    if (epoch != current && epoch->epoch == sealed->current_epoch)
      return false;
  }
  return current != NULL && current->cipher == cipher && used <= 2;
}

/* Nothing hides in what is not used. */
static bool header_unused_is_zero(const struct header_sealed *sealed, const uint8_t *raw) {
  bool zero = true;
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    const struct header_epoch *epoch = &sealed->epochs[i];
    if (epoch->epoch == 0)
      zero = zero && epoch->cipher == 0 && bytes_all_zero(epoch->volume_key, sizeof epoch->volume_key);
  }
  for (unsigned i = 0; i < FORMAT_SLOTS; i++) {
    const struct header_slot_meta *meta = &sealed->slots[i];
    if (le32_get(raw + HEADER_TABLE_OFFSET + (size_t)i * HEADER_TABLE_ENTRY_BYTES) == NACRE_SLOT_EMPTY)
      zero = zero && bytes_all_zero(meta->public_key, sizeof meta->public_key) && meta->created_s == 0 &&
             bytes_all_zero((const uint8_t *)meta->name, sizeof meta->name);
  }
  return zero;
}

static enum nacre_err header_decode_plain(const uint8_t *plain, enum nacre_cipher cipher,
                                          struct header_sealed *sealed) {
  struct reader r = reader_make(plain, HEADER_PLAIN_BYTES);
  reader_copy(&r, sealed->identity_secret, sizeof sealed->identity_secret);
  sealed->current_epoch = reader_u32(&r);
  reader_zeroes(&r, 4);
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    sealed->epochs[i].epoch = reader_u32(&r);
    sealed->epochs[i].cipher = (enum nacre_cipher)reader_u32(&r);
    reader_copy(&r, sealed->epochs[i].volume_key, sizeof sealed->epochs[i].volume_key);
  }
  bool names_good = true;
  for (unsigned i = 0; i < FORMAT_SLOTS; i++) {
    struct header_slot_meta *meta = &sealed->slots[i];
    reader_copy(&r, meta->public_key, sizeof meta->public_key);
    meta->created_s = (int64_t)reader_u64(&r);
    reader_copy(&r, meta->name, sizeof meta->name);
    names_good = names_good && header_string_good(meta->name, sizeof meta->name);
  }
  sealed->rekey_rate = reader_u64(&r);
  reader_zeroes(&r, r.left);
  if (r.bad)
    return header_damaged("reserved bytes are not zero");
  if (!header_epochs_good(sealed, cipher))
    return header_damaged("its table of volume keys");
  if (!names_good)
    return header_damaged("a slot's name has no end");
  return NACRE_OK;
}

/* What ties the sealed part to the public one, beside the MAC over both. */
static void header_make_aad(const uint8_t *raw, uint8_t aad[HEADER_AAD_BYTES]) {
  memcpy(aad, raw + 16, 16);
  memcpy(aad + 16, raw + 8, 4);
  memcpy(aad + 20, raw + 40, 8);
}

static enum nacre_err header_sealing_key(const uint8_t master_key[32], struct aead_key **out) {
  uint8_t subkey[32];
  kdf_subkey(master_key, "header seal", NULL, 0, subkey);
  enum nacre_err err = aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, subkey, out);
  secmem_wipe(subkey, sizeof subkey);
  return err;
}

static void header_make_mac(const uint8_t *raw, const uint8_t master_key[32], uint8_t mac[HEADER_MAC_BYTES]) {
  uint8_t subkey[32];
  kdf_subkey(master_key, "header mac", NULL, 0, subkey);
  kdf_mac(subkey, raw, HEADER_MAC_OFFSET, mac);
  secmem_wipe(subkey, sizeof subkey);
}

enum nacre_err header_open_sealed(const uint8_t *raw, const uint8_t master_key[32], struct header_sealed *sealed) {
  uint8_t mac[HEADER_MAC_BYTES], aad[HEADER_AAD_BYTES];
  *sealed = (struct header_sealed){0};
  header_make_mac(raw, master_key, mac);
  if (secmem_compare(mac, raw + HEADER_MAC_OFFSET, sizeof mac) != 0)
    return header_damaged("it does not authenticate");

  struct aead_key *key;
  ERR_TRY(header_sealing_key(master_key, &key));
  enum nacre_err err = NACRE_OK;
  const uint8_t *nonce = raw + HEADER_SEALED_OFFSET;
  const uint8_t *tag = nonce + AEAD_NONCE_BYTES;
  uint8_t *plain = secmem_alloc(HEADER_PLAIN_BYTES);
  if (plain == NULL) {
    err = err_set(NACRE_ERR_NO_MEMORY, "no memory for the header");
    goto out;
  }
  header_make_aad(raw, aad);
  err = aead_open(key, nonce, aad, sizeof aad, tag + AEAD_TAG_BYTES, HEADER_PLAIN_BYTES, plain, tag);
  if (err == NACRE_OK)
    err = header_decode_plain(plain, (enum nacre_cipher)le32_get(raw + HEADER_CIPHER_OFFSET), sealed);
  if (err == NACRE_OK && !header_unused_is_zero(sealed, raw))
    err = header_damaged("an unused entry is not zero");
  if (err != NACRE_OK)
    secmem_wipe(sealed, sizeof *sealed);
out:
  secmem_free(plain);
  aead_key_free(key);
  return err;
}

static enum nacre_err header_seal(const struct header_sealed *sealed, const uint8_t master_key[32], uint8_t *raw) {
  uint8_t aad[HEADER_AAD_BYTES];
  struct aead_key *key;
  ERR_TRY(header_sealing_key(master_key, &key));
  enum nacre_err err;
  uint8_t *nonce = raw + HEADER_SEALED_OFFSET; /* random already, as all the rest */
  uint8_t *tag = nonce + AEAD_NONCE_BYTES;
  uint8_t *plain = secmem_alloc(HEADER_PLAIN_BYTES);
  if (plain == NULL) {
    err = err_set(NACRE_ERR_NO_MEMORY, "no memory for the header");
    goto out;
  }
  header_encode_plain(sealed, plain);
  header_make_aad(raw, aad);
  err = aead_seal(key, nonce, aad, sizeof aad, plain, HEADER_PLAIN_BYTES, tag + AEAD_TAG_BYTES, tag);
out:
  secmem_free(plain);
  aead_key_free(key);
  return err;
}

enum nacre_err header_encode(const struct header *h, const struct header_sealed *sealed, const uint8_t master_key[32],
                             uint8_t *raw) {
  assert(h->sequence > 0 && header_string_good(h->label, sizeof h->label));
  assert(header_epochs_good(sealed, h->cipher));
  env_random(raw, FORMAT_HEADER_BYTES);
  header_encode_public(h, raw);
  for (unsigned i = 0; i < FORMAT_SLOTS; i++)
    header_slot_encode(&h->slots[i], raw + HEADER_SLOTS_OFFSET + (size_t)i * FORMAT_SLOT_BYTES);
  ERR_TRY(header_seal(sealed, master_key, raw));
  header_make_mac(raw, master_key, raw + HEADER_MAC_OFFSET);
  return NACRE_OK;
}

/* ---- Derived from what is sealed ---- */

void header_volume_subkey(const struct header_sealed *sealed, const struct header_epoch *epoch, const char *label,
                          uint8_t out[32]) {
  uint8_t context[40];
  kdf_hash(sealed->identity_secret, sizeof sealed->identity_secret, context);
  le32_put(context + 32, epoch->epoch);
  le32_put(context + 36, (uint32_t)epoch->cipher);
  kdf_subkey(epoch->volume_key, label, context, sizeof context, out);
  secmem_wipe(context, sizeof context);
}

void header_fingerprint(const struct header_sealed *sealed, uint8_t out[32]) {
  kdf_subkey(sealed->identity_secret, "fingerprint", NULL, 0, out);
}

void header_mac(const uint8_t *raw, uint8_t out[32]) {
  memcpy(out, raw + HEADER_MAC_OFFSET, HEADER_MAC_BYTES);
}
