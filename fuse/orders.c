#include "fuse/orders.h"

#include "fuse/control_server.h"

#include <stdlib.h>
#include <string.h>

static int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a field of hexadecimal digits, in place. False where it is none. */
static bool hex_decode(char *text, size_t *len) {
  const size_t digits = strlen(text);
  for (size_t i = 0; i + 1 < digits; i += 2) {
    const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0)
      return false;
    text[i / 2] = (char)(high << 4 | low);
  }
  *len = digits / 2;
  return digits % 2 == 0;
}

static enum nacre_err apply_order(const struct mount *m, const char *request, uint32_t *index) {
  size_t len = 0;
  char *order = control_field(request, "order");
  enum nacre_err err = NACRE_ERR_ARGUMENT;
  if (order != NULL && hex_decode(order, &len))
    err = nacre_slot_order_apply(m->vol, order, len, index);
  free(order);
  return err;
}

void orders_answer(const struct mount *m, int connection, const char *request) {
  uint32_t index = 0;
  const enum nacre_err err = apply_order(m, request, &index);
  if (err != NACRE_OK) {
    control_server_answer(connection, err, nacre_last_error());
    return;
  }
  struct control_line *line = calloc(1, sizeof *line);
  if (line == NULL)
    return;
  control_add_text(line, "ok");
  control_add_number(line, "slot", index);
  control_end_line(line);
  (void)control_server_send(connection, line); /* whoever asked may have gone */
  free(line);
}
