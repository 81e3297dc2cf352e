#include "golden/golden.h"

#include "support/report.h"

#include <string.h>

/* Kinds 7 and 8, with the longest body and the shortest. */
static enum nacre_err golden_sealed(unsigned slot, const uint8_t key[32], nacre_credential **cred) {
  static const size_t lens[] = {NACRE_SLOT_BODY_MAX_BYTES, 1};
  const unsigned nth = slot - 6;
  uint8_t body[NACRE_SLOT_BODY_MAX_BYTES];
  for (size_t i = 0; i < sizeof body; i++)
    body[i] = (uint8_t)(i * 7 + nth);
  return nacre_credential_sealed_outside((enum nacre_slot_kind)(NACRE_SLOT_UNATTENDED + nth), key, body, lens[nth],
                                         cred);
}

nacre_credential *golden_credential(unsigned slot) {
  uint8_t key[GOLDEN_KEY_FILE_BYTES];
  for (size_t i = 0; i < sizeof key; i++)
    key[i] = (uint8_t)i;
  nacre_credential *cred = NULL;
  switch (slot) {
  case 0:
    report_must(nacre_credential_passphrase(GOLDEN_PASSPHRASE, strlen(GOLDEN_PASSPHRASE), &cred), "a passphrase");
    break;
  case 1:
    report_must(nacre_credential_key_file(key, sizeof key, &cred), "a key file");
    break;
  case 2:
    report_must(nacre_credential_recovery(GOLDEN_RECOVERY, &cred), "a recovery key");
    break;
  case 3:
    report_must(nacre_credential_raw_key(key, &cred), "a raw key");
    break;
  case 4:
    report_must(nacre_credential_passphrase_and_key_file(GOLDEN_PASSPHRASE, strlen(GOLDEN_PASSPHRASE), key,
                                                         sizeof key, &cred),
                "a passphrase and a key file");
    break;
  case 5:
    report_must(nacre_credential_escrow_identity(GOLDEN_IDENTITY, &cred), "an age identity");
    break;
  default:
    report_must(golden_sealed(slot, key, &cred), "a key that is sealed outside");
  }
  return cred;
}

nacre_credential *golden_maker(unsigned slot) {
  nacre_credential *cred = NULL;
  if (slot != 5)
    return golden_credential(slot);
  report_must(nacre_credential_escrow_recipient(GOLDEN_RECIPIENT, &cred), "an age recipient");
  return cred;
}
