/* A credential of each kind that a slot can have. */
#ifndef NACRE_TESTS_UNIT_API_KINDS_H
#define NACRE_TESTS_UNIT_API_KINDS_H

#include "unit/api_fixture.h"

#define RECIPIENT "age179lha7v03ewjr3cmyza3yth9xl52kp5ucwh87p4s88c8mn4y4srs4j4nqu"
#define IDENTITY "AGE-SECRET-KEY-1LPR6TAYQTAU854W386Z87SKN24FQD8EVMZKTTNT37KSXYUTVE0WQYPRFW9"
#define KINDS NACRE_SLOT_FIDO2

static const struct nacre_kdf_cost cheap = {.memory_bytes = NACRE_KDF_MEMORY_MIN_BYTES, .passes = 1, .lanes = 1};
static const char body[] = "how the key is got back";

/* Those are drawn, and the same from then on. */
static inline const char *recovery_text(uint8_t nth) {
  static char texts[UINT8_MAX + 1][NACRE_RECOVERY_TEXT_BYTES];
  if (texts[nth][0] == '\0')
    ok(nacre_recovery_generate(texts[nth]));
  return texts[nth];
}

/* The nth credential of a kind: what makes a slot. */
static inline nacre_credential *maker(int kind, uint8_t nth) {
  uint8_t key[32] = {nth, (uint8_t)kind, 7};
  nacre_credential *cred = NULL;
  switch (kind) {
  case NACRE_SLOT_PASSPHRASE:
    ok(nacre_credential_passphrase(key, 3, &cred));
    break;
  case NACRE_SLOT_KEY_FILE:
    ok(nacre_credential_key_file(key, sizeof key, &cred));
    break;
  case NACRE_SLOT_RECOVERY:
    ok(nacre_credential_recovery(recovery_text(nth), &cred));
    break;
  case NACRE_SLOT_RAW_KEY:
    ok(nacre_credential_raw_key(key, &cred));
    break;
  case NACRE_SLOT_PASSPHRASE_AND_KEY_FILE:
    ok(nacre_credential_passphrase_and_key_file(key, 3, key, sizeof key, &cred));
    break;
  case NACRE_SLOT_ESCROW:
    ok(nacre_credential_escrow_recipient(RECIPIENT, &cred));
    break;
  default:
    ok(nacre_credential_sealed_outside((enum nacre_slot_kind)kind, key, body, sizeof body, &cred));
  }
  return cred;
}

/* What opens a slot of that maker's. */
static inline nacre_credential *opener(int kind, uint8_t nth) {
  const uint8_t key[32] = {nth, (uint8_t)kind, 7};
  nacre_credential *cred = NULL;
  if (kind == NACRE_SLOT_ESCROW)
    ok(nacre_credential_escrow_identity(IDENTITY, &cred));
  else if (kind == NACRE_SLOT_UNATTENDED || kind == NACRE_SLOT_FIDO2)
    ok(nacre_credential_slot_key((enum nacre_slot_kind)kind, key, &cred));
  else
    cred = maker(kind, nth);
  return cred;
}

#endif
