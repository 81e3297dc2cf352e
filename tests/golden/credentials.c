#include "golden/golden.h"

#include "support/report.h"

#include <string.h>

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
  default:
    report_must(nacre_credential_raw_key(key, &cred), "a raw key");
  }
  return cred;
}
