#include "tamper/anatomy.h"

#include "api/handle.h"
#include "support/report.h"
#include "tree/core.h"

#include <stdlib.h>

/* docs/format.md, section 17. */
#define RECORD_PREVIOUS_OFFSET 8u
#define INDEX_BODY_OFFSET 8u
#define INDEX_SEGMENTS_OFFSET 16u
#define INDEX_NONCE_OFFSET 24u
#define INDEX_TAGS_OFFSET 48u

const char *anatomy_kind_name(enum format_kind kind) {
  switch (kind) {
  case FORMAT_KIND_NODE:
    return "node";
  case FORMAT_KIND_DATA:
    return "data chunk";
  case FORMAT_KIND_LOG:
    return "log record";
  case FORMAT_KIND_CHECKPOINT_INDEX:
    return "checkpoint index";
  case FORMAT_KIND_CHECKPOINT_SEGMENT:
    return "checkpoint segment";
  case FORMAT_KIND_INTENT_HEAD:
  case FORMAT_KIND_INTENT_BODY:
    return "intent log";
  case FORMAT_KIND_SUPERBLOCK:
    break;
  }
  return "superblock";
}

static void add(struct anatomy *a, enum format_kind kind, uint8_t level, const struct ptr *ptr) {
  a->pieces = realloc(a->pieces, (a->count + 1) * sizeof *a->pieces);
  if (a->pieces == NULL)
    report_fail("no memory");
  a->pieces[a->count++] = (struct piece){.kind = kind, .level = level, .ptr = *ptr};
}

/* ---- Tree and data ---- */

struct walk {
  struct anatomy *anatomy;
  uint64_t units_end;
};

static void on_node(void *arg, const struct ptr *ptr, uint8_t level) {
  struct walk *w = arg;
  add(w->anatomy, FORMAT_KIND_NODE, level, ptr);
}

static enum nacre_err on_record(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct walk *w = arg;
  struct extent x;
  if (key->type != FORMAT_RECORD_EXTENT)
    return NACRE_OK;
  report_must(extent_decode(value, len, w->units_end, &x), "decoding an extent");
  for (uint32_t i = 0; i < x.count; i++) {
    struct extent one;
    extent_slice(&x, i, 1, &one);
    struct ptr p = {
        .unit = one.unit, .len_bytes = one.last_bytes, .epoch = one.epoch, .birth = one.birth, .alloc = one.alloc};
    memcpy(p.nonce, one.nonce, sizeof p.nonce);
    memcpy(p.tag, one.tags[0], sizeof p.tag);
    add(w->anatomy, FORMAT_KIND_DATA, 0, &p);
  }
  return NACRE_OK;
}

static void on_problem(void *arg, const char *what) {
  (void)arg;
  report_fail("a sound volume has a problem: %s", what);
}

/* ---- Log ---- */

static void take_records(struct engine *e, struct anatomy *a) {
  struct ptr p = e->durable.log.last;
  while (p.unit != 0) {
    uint8_t *plain = malloc(p.len_bytes);
    add(a, FORMAT_KIND_LOG, 0, &p);
    report_must(block_read(&e->io, FORMAT_KIND_LOG, 0, &p, plain), "reading a log record");
    const uint8_t *previous = plain + RECORD_PREVIOUS_OFFSET;
    if (bytes_all_zero(previous, FORMAT_PTR_BYTES))
      p.unit = 0;
    else
      report_must(ptr_decode(previous, e->durable.units_end, &p), "decoding a log record");
    free(plain);
  }
}

static void take_checkpoint(struct engine *e, struct anatomy *a) {
  const struct ptr *p = &e->durable.log.checkpoint;
  uint8_t *index = malloc(p->len_bytes);
  add(a, FORMAT_KIND_CHECKPOINT_INDEX, 0, p);
  report_must(block_read(&e->io, FORMAT_KIND_CHECKPOINT_INDEX, 0, p, index), "reading a checkpoint");
  uint64_t left = le64_get(index + INDEX_BODY_OFFSET), unit = p->unit + p->len_bytes / FORMAT_UNIT_BYTES;
  uint32_t segments = le32_get(index + INDEX_SEGMENTS_OFFSET);
  for (uint32_t i = 0; i < segments; i++) {
    uint64_t part = u64_min(left, FORMAT_CHECKPOINT_SEGMENT_BYTES);
    struct ptr s = {.unit = unit,
                    .len_bytes = (uint32_t)(u64_ceil_div(part, FORMAT_UNIT_BYTES) * FORMAT_UNIT_BYTES),
                    .epoch = p->epoch,
                    .birth = p->birth};
    aead_nonce_add(index + INDEX_NONCE_OFFSET, i, s.nonce);
    memcpy(s.tag, index + INDEX_TAGS_OFFSET + (size_t)i * AEAD_TAG_BYTES, sizeof s.tag);
    add(a, FORMAT_KIND_CHECKPOINT_SEGMENT, 0, &s);
    unit += s.len_bytes / FORMAT_UNIT_BYTES;
    left -= part;
  }
  free(index);
}

void anatomy_take(nacre_volume *vol, struct anatomy *out) {
  struct engine *e = vol->v->engine;
  struct walk w = {.anatomy = out, .units_end = engine_units_end(e)};
  const struct engine_visitor visitor = {.arg = &w, .node = on_node, .record = on_record, .problem = on_problem};
  *out = (struct anatomy){0};
  report_must(engine_walk(e, &visitor), "walking the tree");
  take_checkpoint(e, out);
  take_records(e, out);
}

void anatomy_free(struct anatomy *a) {
  free(a->pieces);
  *a = (struct anatomy){0};
}
