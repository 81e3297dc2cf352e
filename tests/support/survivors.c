#include "support/survivors.h"

#include "support/report.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_SLOTS (1u << 23)

static size_t place_of(const uint8_t *window) {
  uint64_t word;
  memcpy(&word, window, sizeof word);
  return (size_t)((word * 0x9e3779b97f4a7c15u) >> 41);
}

/* Zeroes with a byte or two beside them come about by chance. */
static bool is_uniform(const uint8_t *window) {
  const size_t half = SURVIVORS_WINDOW_BYTES / 2;
  return memcmp(window, window + 1, half - 1) == 0 || memcmp(window + half, window + half + 1, half - 1) == 0;
}

void survivors_init(struct survivors *s, size_t cap_bytes) {
  *s = (struct survivors){.former = malloc(cap_bytes), .cap = cap_bytes, .table = calloc(TABLE_SLOTS, 4)};
  if (s->former == NULL || s->table == NULL || cap_bytes > TABLE_SLOTS / 2)
    report_fail("no room for what is looked for");
}

void survivors_free(struct survivors *s) {
  free(s->former);
  free(s->table);
}

static void add_window(struct survivors *s, size_t offset) {
  size_t place = place_of(s->former + offset);
  while (s->table[place] != 0)
    place = (place + 1) % TABLE_SLOTS;
  s->table[place] = (uint32_t)offset + 1;
}

void survivors_add(struct survivors *s, const void *bytes, size_t len) {
  if (len > s->cap - s->len)
    report_fail("too much to look for");
  memcpy(s->former + s->len, bytes, len);
  for (size_t i = 0; i + SURVIVORS_WINDOW_BYTES <= len; i++)
    if (!is_uniform(s->former + s->len + i))
      add_window(s, s->len + i);
  s->len += len;
}

static bool is_former(const struct survivors *s, const uint8_t *window) {
  for (size_t place = place_of(window); s->table[place] != 0; place = (place + 1) % TABLE_SLOTS)
    if (memcmp(s->former + s->table[place] - 1, window, SURVIVORS_WINDOW_BYTES) == 0)
      return true;
  return false;
}

size_t survivors_count(const struct survivors *s, const uint8_t *bytes, size_t len, size_t *at) {
  size_t count = 0;
  for (size_t i = 0; i + SURVIVORS_WINDOW_BYTES <= len; i++) {
    if (is_uniform(bytes + i) || !is_former(s, bytes + i))
      continue;
    if (count++ == 0 && at != NULL)
      *at = i;
  }
  return count;
}
