#include "qr.h"

#include <stdlib.h>
#include <string.h>

#include <qrencode.h>

#include "secret.h"

/* What the standard demands around a code; half of it will do where the rest of the screen is of one colour. */
#define QUIET 4

bool qr_make(const char *text, struct qr *qr) {
  *qr = (struct qr){0};
  QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
  if (code == NULL)
    return false;
  const size_t count = (size_t)code->width * (size_t)code->width;
  qr->width = code->width;
  qr->dark = malloc(count);
  for (size_t i = 0; i < count && qr->dark != NULL; i++)
    qr->dark[i] = code->data[i] & 1;
  secret_wipe(code->data, count); /* the library's own copies on the way are not ours to wipe */
  QRcode_free(code);
  return qr->dark != NULL;
}

void qr_free(struct qr *qr) {
  if (qr->dark != NULL)
    secret_wipe(qr->dark, (size_t)qr->width * (size_t)qr->width);
  free(qr->dark);
  *qr = (struct qr){0};
}

static bool is_dark(const struct qr *qr, int x, int y) {
  return x >= 0 && y >= 0 && x < qr->width && y < qr->width && qr->dark[y * qr->width + x] != 0;
}

/* What is drawn is the light: on a terminal's dark ground, that is how a reader sees it. */
void qr_print(FILE *out, const struct qr *qr, bool colours) {
  static const char *const blocks[2][2] = {{"\u2588", "\u2580"}, {"\u2584", " "}};
  for (int y = -QUIET; y < qr->width + QUIET; y += 2) {
    if (colours)
      (void)fputs("\033[40;97m", out);
    for (int x = -QUIET; x < qr->width + QUIET; x++)
      (void)fputs(blocks[is_dark(qr, x, y)][is_dark(qr, x, y + 1)], out);
    (void)fputs(colours ? "\033[0m\n" : "\n", out);
  }
}

void qr_svg(FILE *out, const struct qr *qr) {
  const int side = qr->width + 2 * QUIET;
  (void)fprintf(out,
                "<svg class=\"qr\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
                "shape-rendering=\"crispEdges\" aria-label=\"The recovery key as a QR code\">"
                "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/><path fill=\"#000\" d=\"",
                side, side, side, side);
  for (int y = 0; y < qr->width; y++)
    for (int x = 0; x < qr->width; x++)
      if (is_dark(qr, x, y))
        (void)fprintf(out, "M%d %dh1v1h-1z", x + QUIET, y + QUIET);
  (void)fputs("\"/></svg>\n", out);
}
