#include "ops/headers.h"

#include "base/bytes.h"
#include "base/err.h"

#include <stdlib.h>

uint64_t headers_offset(unsigned copy) {
  return copy == 0 ? FORMAT_GROUP_0_OFFSET : FORMAT_GROUP_1_OFFSET;
}

uint64_t headers_container_min_bytes(void) {
  return (uint64_t)FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES;
}

static enum nacre_err read_copy(struct store *store, struct headers *h, unsigned copy) {
  uint64_t offset = headers_offset(copy);
  if (h->size_bytes < offset + FORMAT_HEADER_BYTES)
    return err_set(NACRE_ERR_NOT_VOLUME, "not a Nacre volume: too short");
  ERR_TRY(store_read(store, h->raw[copy], FORMAT_HEADER_BYTES, offset));
  return header_decode(h->raw[copy], &h->copy[copy]);
}

enum nacre_err headers_read(struct store *store, struct headers *h) {
  memset(h, 0, sizeof *h);
  for (unsigned i = 0; i < HEADERS_COPIES; i++) {
    h->state[i] = NACRE_ERR_IO;
    h->raw[i] = calloc(1, FORMAT_HEADER_BYTES);
    if (!h->raw[i])
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  ERR_TRY(store_size(store, &h->size_bytes));
  for (unsigned i = 0; i < HEADERS_COPIES; i++)
    h->state[i] = read_copy(store, h, i);
  return NACRE_OK;
}

void headers_free(struct headers *h) {
  for (unsigned i = 0; i < HEADERS_COPIES; i++)
    free(h->raw[i]);
  memset(h, 0, sizeof *h);
}

/* How much an error tells of a container neither of whose copies decoded: a copy that has the magic, but is of
 * another version or broken, says more than one that is not there. */
static int weight(enum nacre_err err) {
  if (err == NACRE_ERR_UNSUPPORTED)
    return 3;
  if (err == NACRE_ERR_DAMAGED)
    return 2;
  return err == NACRE_ERR_NOT_VOLUME ? 0 : 1;
}

static enum nacre_err neither_usable(const struct headers *h) {
  unsigned best = weight(h->state[1]) > weight(h->state[0]) ? 1 : 0;
  enum nacre_err err = h->state[best];
  if (err == NACRE_ERR_NOT_VOLUME && h->size_bytes == 0)
    return err_set(err, "not a Nacre volume: empty");
  if (err == NACRE_ERR_NOT_VOLUME)
    return err_set(err, "not a Nacre volume");
  if (err == NACRE_ERR_UNSUPPORTED || err == NACRE_ERR_DAMAGED) {
    /* Decode again for the sentence that came with the code, which the other copy's has replaced. */
    struct header *scratch = malloc(sizeof *scratch);
    if (scratch)
      err = header_decode(h->raw[best], scratch);
    free(scratch);
    return err;
  }
  return err_set(err, "neither copy of the header can be read");
}

enum nacre_err headers_usable(const struct headers *h) {
  if (h->state[0] != NACRE_OK && h->state[1] != NACRE_OK)
    return neither_usable(h);
  if (h->size_bytes < headers_container_min_bytes())
    return err_set(NACRE_ERR_DAMAGED, "the container is cut short: %llu bytes are left, a volume has at least %llu",
                   (unsigned long long)h->size_bytes, (unsigned long long)headers_container_min_bytes());
  return NACRE_OK;
}

/* The public part last: what has one has had the rest, so that no cut leaves a header whose slots are not its own
 * where there was none. */
enum nacre_err headers_write_copy(struct store *store, unsigned copy, const uint8_t *raw) {
  ERR_TRY(store_write(store, raw + FORMAT_UNIT_BYTES, FORMAT_HEADER_BYTES - FORMAT_UNIT_BYTES,
                      headers_offset(copy) + FORMAT_UNIT_BYTES));
  ERR_TRY(store_sync(store));
  ERR_TRY(store_write(store, raw, FORMAT_UNIT_BYTES, headers_offset(copy)));
  return store_sync(store);
}

enum nacre_err headers_write(struct store *store, const uint8_t *raw) {
  ERR_TRY(headers_write_copy(store, 0, raw));
  return headers_write_copy(store, 1, raw);
}
