/* QR codes, in half blocks for a terminal and as SVG. */
#ifndef NACRE_CLI_QR_H
#define NACRE_CLI_QR_H

#include <stdbool.h>
#include <stdio.h>

struct qr {
  unsigned char *dark; /* width * width, 1 or 0; a secret, as the text is */
  int width;
};

/* False when out of memory, or the text is too long. */
bool qr_make(const char *text, struct qr *qr);
void qr_free(struct qr *qr);
/* Two modules a character, with the quiet zone. `colours`: black on white, whatever the terminal's own are. */
void qr_print(FILE *out, const struct qr *qr, bool colours);
/* An <svg> element, one unit a module, with the quiet zone. */
void qr_svg(FILE *out, const struct qr *qr);

#endif
