#include "base/bytes.h"

bool bytes_all_zero(const uint8_t *p, size_t len) {
  return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

struct reader reader_make(const void *p, size_t len) {
  return (struct reader){.p = p, .left = len, .bad = false};
}

const uint8_t *reader_view(struct reader *r, size_t len) {
  if (r->bad || len > r->left) {
    r->bad = true;
    return NULL;
  }
  const uint8_t *at = r->p;
  r->p += len;
  r->left -= len;
  return at;
}

uint8_t reader_u8(struct reader *r) {
  const uint8_t *at = reader_view(r, 1);
  return at == NULL ? 0 : at[0];
}

uint16_t reader_u16(struct reader *r) {
  const uint8_t *at = reader_view(r, 2);
  return at == NULL ? 0 : le16_get(at);
}

uint32_t reader_u32(struct reader *r) {
  const uint8_t *at = reader_view(r, 4);
  return at == NULL ? 0 : le32_get(at);
}

uint64_t reader_u64(struct reader *r) {
  const uint8_t *at = reader_view(r, 8);
  return at == NULL ? 0 : le64_get(at);
}

void reader_copy(struct reader *r, void *dst, size_t len) {
  if (len == 0)
    return;
  const uint8_t *at = reader_view(r, len);
  if (at == NULL)
    memset(dst, 0, len);
  else
    memcpy(dst, at, len);
}

void reader_zeroes(struct reader *r, size_t len) {
  const uint8_t *at = reader_view(r, len);
  if (at != NULL && !bytes_all_zero(at, len))
    r->bad = true;
}

struct writer writer_make(void *p, size_t len) {
  return (struct writer){.p = p, .left = len, .done = 0, .bad = false};
}

static uint8_t *writer_take(struct writer *w, size_t len) {
  if (w->bad || len > w->left) {
    w->bad = true;
    return NULL;
  }
  uint8_t *at = w->p;
  w->p += len;
  w->left -= len;
  w->done += len;
  return at;
}

void writer_u8(struct writer *w, uint8_t v) {
  uint8_t *at = writer_take(w, 1);
  if (at != NULL)
    at[0] = v;
}

void writer_u16(struct writer *w, uint16_t v) {
  uint8_t *at = writer_take(w, 2);
  if (at != NULL)
    le16_put(at, v);
}

void writer_u32(struct writer *w, uint32_t v) {
  uint8_t *at = writer_take(w, 4);
  if (at != NULL)
    le32_put(at, v);
}

void writer_u64(struct writer *w, uint64_t v) {
  uint8_t *at = writer_take(w, 8);
  if (at != NULL)
    le64_put(at, v);
}

void writer_copy(struct writer *w, const void *src, size_t len) {
  if (len == 0)
    return;
  uint8_t *at = writer_take(w, len);
  if (at != NULL)
    memcpy(at, src, len);
}

void writer_zeroes(struct writer *w, size_t len) {
  uint8_t *at = writer_take(w, len);
  if (at != NULL)
    memset(at, 0, len);
}
