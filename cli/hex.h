/* Bytes in lower-case hexadecimal digits. */
#ifndef NACRE_CLI_HEX_H
#define NACRE_CLI_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEX_TEXT_BYTES(count) (2 * (count) + 1)
/* Text has room for HEX_TEXT_BYTES(count), and is returned. */
const char *hex_text(const uint8_t *bytes, size_t count, char *text);
/* Exactly so many bytes; capital letters, too. */
bool hex_read(const char *text, uint8_t *bytes, size_t count);

#endif
