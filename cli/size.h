/* Sizes and durations as people write them. */
#ifndef NACRE_CLI_SIZE_H
#define NACRE_CLI_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "4096", "64K", "1.5G", "10GiB": powers of 1024. False if it is no size or does not fit. */
bool size_parse(const char *text, uint64_t *bytes);
/* "90", "90s", "20m", "2h", "1d". */
bool duration_parse(const char *text, uint64_t *seconds);
/* A whole number from 0 to INT_MAX. */
bool number_parse(const char *text, int *number);

#define SIZE_TEXT_BYTES 32
/* "1.5 GiB" into text; returns text. */
const char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]);

#endif
