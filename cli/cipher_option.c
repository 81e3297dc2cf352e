#include "cipher_option.h"

#include <string.h>

#include "report.h"

int cipher_parse(const char *text, enum nacre_cipher *cipher) {
  static const enum nacre_cipher all[] = {NACRE_CIPHER_AES_256_GCM, NACRE_CIPHER_XCHACHA20_POLY1305,
                                          NACRE_CIPHER_AEGIS_256};
  *cipher = NACRE_CIPHER_AUTO;
  if (strcmp(text, "auto") == 0)
    return EXIT_DONE;
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (strcmp(text, nacre_cipher_name(all[i])) != 0)
      continue;
    *cipher = all[i];
    if (nacre_cipher_available(all[i]))
      return EXIT_DONE;
    return report_error(EXIT_NOT_POSSIBLE, NULL, "this build or machine has no %s; choose another --cipher", text);
  }
  return report_error(EXIT_USAGE, NULL,
                      "unknown cipher '%s'; there are aes-256-gcm, xchacha20-poly1305 and aegis-256", text);
}
