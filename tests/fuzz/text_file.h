/* An input as a file with a path, for what reads files; and a place for what it prints. */
#ifndef NACRE_TESTS_FUZZ_TEXT_FILE_H
#define NACRE_TESTS_FUZZ_TEXT_FILE_H

#include "fuzz/feed.h"

/* Good until the next call. */
const char *text_file(const uint8_t *data, size_t size);
/* What is printed from now on is dropped; then it is not. */
void text_hide(void);
void text_show(void);

#endif
