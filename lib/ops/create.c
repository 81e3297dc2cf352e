#include "ops/create.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "ops/headers.h"
#include "ops/slots.h"
#include "ops/volume.h"

#include <stdio.h>
#include <stdlib.h>

#define SIZE_LIMIT_DEFAULT_BYTES (1ull << 40)
#define PROBE_BYTES (1u << 20)
#define ENGINE_MEMORY_BYTES (8ull << 20)

enum step { STEP_CHECK, STEP_KEY, STEP_AREAS, STEP_TREE, STEP_HEADERS, STEP_VERIFY, STEPS };

/* All that a create makes on the way; in the order of its making. */
struct create {
  struct store *store;
  const struct create_request *request;
  uint64_t size_limit_bytes;
  struct header *header;
  struct header_sealed *sealed;
  uint8_t *master_key;
  uint8_t *raw;
  uint64_t generation; /* of the commit that has the root folder */
  bool headers_begun;
};

static enum nacre_err step_begin(const struct create *c, enum step step) {
  ERR_TRY(cancel_check(c->request->cancel));
  if (c->request->progress)
    c->request->progress(c->request->progress_arg, "create", step, STEPS);
  return NACRE_OK;
}

/* ---- The target ---- */

static enum nacre_err holds_zeroes(struct store *store, uint64_t offset, uint64_t end, uint8_t *buf, bool *zeroes) {
  if (offset >= end)
    return NACRE_OK;
  size_t len = (size_t)u64_min(PROBE_BYTES, end - offset);
  ERR_TRY(store_read(store, buf, len, offset));
  *zeroes = *zeroes && bytes_all_zero(buf, len);
  return NACRE_OK;
}

static enum nacre_err check_empty(const struct create *c, uint64_t size) {
  if (size == 0 || c->request->force)
    return NACRE_OK;
  uint8_t *buf = malloc(PROBE_BYTES);
  if (!buf)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  bool zeroes = true;
  enum nacre_err err = holds_zeroes(c->store, 0, size, buf, &zeroes);
  bool volume = err == NACRE_OK && size >= 8 && memcmp(buf, FORMAT_MAGIC, 8) == 0;
  if (err == NACRE_OK)
    err = holds_zeroes(c->store, FORMAT_GROUP_1_OFFSET, size, buf, &zeroes);
  if (err == NACRE_OK && size > PROBE_BYTES)
    err = holds_zeroes(c->store, size - PROBE_BYTES, size, buf, &zeroes);
  free(buf);
  ERR_TRY(err);
  if (volume)
    return err_set(NACRE_ERR_EXISTS, "holds a Nacre volume already");
  if (!zeroes || (c->request->host_file && store_can_resize(c->store)))
    return err_set(NACRE_ERR_EXISTS, "is not empty");
  return NACRE_OK;
}

/* A file that a detached header is to go to. */
static enum nacre_err check_aside(const struct create *c) {
  struct store *body, *aside;
  uint64_t size = 0;
  if (!split_store_parts(c->store, &body, &aside) || c->request->force)
    return NACRE_OK;
  ERR_TRY(store_size(aside, &size));
  if (size == 0)
    return NACRE_OK;
  uint8_t *buf = malloc(PROBE_BYTES);
  if (!buf)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  bool zeroes = true;
  enum nacre_err err = holds_zeroes(aside, 0, size, buf, &zeroes);
  free(buf);
  ERR_TRY(err);
  bool file = c->request->host_file && store_can_resize(aside);
  return zeroes && !file ? NACRE_OK : err_set(NACRE_ERR_EXISTS, "the header's file is not empty");
}

static enum nacre_err check_target(struct create *c) {
  uint64_t size = 0;
  uint64_t wanted = c->request->size_limit_bytes;
  ERR_TRY(check_aside(c));
  ERR_TRY(store_size(c->store, &size));
  ERR_TRY(check_empty(c, size));
  if (store_can_resize(c->store)) {
    c->size_limit_bytes = wanted ? wanted : SIZE_LIMIT_DEFAULT_BYTES;
  } else {
    if (wanted > size)
      return err_set(NACRE_ERR_NO_SPACE, "a volume of %llu bytes does not fit into %llu", (unsigned long long)wanted,
                     (unsigned long long)size);
    c->size_limit_bytes = wanted ? wanted : size;
  }
  c->size_limit_bytes -= c->size_limit_bytes % FORMAT_UNIT_BYTES;
  if (c->size_limit_bytes < NACRE_VOLUME_SIZE_MIN_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, "a volume has at least %llu bytes",
                   (unsigned long long)NACRE_VOLUME_SIZE_MIN_BYTES);
  if (c->size_limit_bytes / FORMAT_UNIT_BYTES > FORMAT_UNITS_MAX)
    return err_set(NACRE_ERR_TOO_LARGE, "a volume has at most %llu bytes",
                   (unsigned long long)(FORMAT_UNITS_MAX * FORMAT_UNIT_BYTES));
  return NACRE_OK;
}

/* ---- Keys and header ---- */

static enum nacre_err make_keys(struct create *c, const struct nacre_credential *cred) {
  const struct create_request *request = c->request;
  const struct slot_request slot = {.cred = cred, .cost = &request->kdf, .name = request->slot_name};
  struct nacre_kdf_cost cost;
  c->header = calloc(1, sizeof *c->header);
  c->sealed = secmem_alloc(sizeof *c->sealed);
  c->master_key = secmem_alloc(32);
  c->raw = malloc(FORMAT_HEADER_BYTES);
  if (!c->header || !c->sealed || !c->master_key || !c->raw) {
    err_set(NACRE_ERR_NO_MEMORY, "out of memory");
    return NACRE_ERR_NO_MEMORY;
  }
  memset(c->sealed, 0, sizeof *c->sealed);
  env_random(c->master_key, 32);
  env_random(c->sealed->identity_secret, sizeof c->sealed->identity_secret);
  c->sealed->current_epoch = 1;
  c->sealed->epochs[0].epoch = 1;
  c->sealed->epochs[0].cipher = request->cipher;
  env_random(c->sealed->epochs[0].volume_key, sizeof c->sealed->epochs[0].volume_key);

  c->header->version = FORMAT_VERSION;
  env_random(c->header->volume_id, sizeof c->header->volume_id);
  c->header->cipher = request->cipher;
  c->header->incompat = FORMAT_INCOMPAT_INTENT_LOG;
  c->header->sequence = 1;
  if (request->label)
    memcpy(c->header->label, request->label, strnlen(request->label, sizeof c->header->label - 1));
  ERR_TRY(slot_cost(cred, slot.cost, &cost));
  ERR_TRY(cancel_check(request->cancel));
  ERR_TRY(slot_make(c->master_key, &slot, &cost, &c->header->slots[0], &c->sealed->slots[0]));
  return header_encode(c->header, c->sealed, c->master_key, c->raw);
}

/* ---- The container ---- */

/* Random bytes over both groups: they end whatever volume was there, and no later slot or superblock stands out. */
static enum nacre_err fill_areas(const struct create *c) {
  if (store_can_resize(c->store))
    ERR_TRY(store_resize(c->store, headers_container_min_bytes()));
  uint8_t *noise = malloc(FORMAT_GROUP_BYTES);
  if (!noise)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = NACRE_OK;
  struct store *body = NULL, *aside = NULL;
  bool detached = split_store_parts(c->store, &body, &aside);
  for (unsigned copy = 0; copy < HEADERS_COPIES && err == NACRE_OK; copy++) {
    env_random(noise, FORMAT_GROUP_BYTES);
    err = store_write(c->store, noise, FORMAT_GROUP_BYTES, headers_offset(copy));
    /* Where the headers are not, it looks as if nothing were missing. */
    env_random(noise, FORMAT_HEADER_BYTES);
    if (err == NACRE_OK && detached)
      err = store_write(body, noise, FORMAT_HEADER_BYTES, headers_offset(copy));
  }
  free(noise);
  ERR_TRY(err);
  return store_sync(c->store);
}

static enum nacre_err make_root_folder(struct create *c, struct engine *engine, struct fs *fs) {
  struct engine_info info;
  ERR_TRY(fs_make_root(fs, c->request->root_uid, c->request->root_gid, c->request->root_mode));
  ERR_TRY(fs_sync(fs));
  engine_get_info(engine, &info);
  c->generation = info.generation;
  return NACRE_OK;
}

/* Reading alone, an opening is content with an older commit where it can't read the newest. Here none will do. */
static enum nacre_err look_at_root(const struct create *c, struct engine *engine, struct fs *fs) {
  struct engine_info info;
  struct nacre_attr attr;
  engine_get_info(engine, &info);
  if (info.generation != c->generation)
    return err_set(NACRE_ERR_IO, "the volume does not read back as it was written");
  return fs_getattr(fs, NACRE_ROOT_INO, &attr);
}

static enum nacre_err with_engine(struct create *c, struct workers *workers, bool make_root) {
  struct engine_keys keys;
  struct engine *engine = NULL;
  struct fs *fs = NULL;
  struct engine_options options = {
      .read_only = !make_root, .memory_bytes = ENGINE_MEMORY_BYTES, .header_sequence = c->header->sequence};
  header_mac(c->raw, options.header_mac);
  enum nacre_err err = volume_keys(c->sealed, &keys);
  if (err != NACRE_OK) {
    engine_keys_free(&keys);
    return err;
  }
  ERR_TRY(engine_open(c->store, &keys, workers, &options, &engine));
  err = fs_new(engine, workers, ENGINE_MEMORY_BYTES, &fs);
  if (err == NACRE_OK)
    err = make_root ? make_root_folder(c, engine, fs) : look_at_root(c, engine, fs);
  if (fs)
    fs_free(fs);
  engine_close(engine);
  return err;
}

static enum nacre_err make_tree(struct create *c, struct workers *workers) {
  struct engine_geometry geometry = {.size_limit_bytes = c->size_limit_bytes,
                                     .chunk_bytes = c->request->chunk_bytes,
                                     .header_sequence = c->header->sequence};
  header_mac(c->raw, geometry.header_mac);
  struct engine_keys keys;
  enum nacre_err err = volume_keys(c->sealed, &keys);
  if (err == NACRE_OK)
    err = engine_create(c->store, &keys, &geometry);
  engine_keys_free(&keys);
  ERR_TRY(err);
  return with_engine(c, workers, true);
}

static enum nacre_err verify_headers(const struct create *c, struct headers *h, struct header_sealed *sealed) {
  ERR_TRY(headers_read(c->store, h));
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    enum nacre_err err = h->state[copy];
    if (err == NACRE_OK)
      err = header_open_sealed(h->raw[copy], c->master_key, sealed);
    if (err == NACRE_ERR_NO_MEMORY)
      return err;
    if (err != NACRE_OK)
      return err_set(NACRE_ERR_IO, "copy %u of the header does not read back as it was written", copy);
  }
  return NACRE_OK;
}

/* What is on the store now, read back as an opening would. */
static enum nacre_err verify(struct create *c, struct workers *workers) {
  struct headers *h = calloc(1, sizeof *h);
  struct header_sealed *sealed = secmem_alloc(sizeof *sealed);
  enum nacre_err err = NACRE_ERR_NO_MEMORY;
  if (h && sealed)
    err = verify_headers(c, h, sealed);
  else
    err_set(err, "out of memory");
  if (h)
    headers_free(h);
  free(h);
  secmem_free(sealed);
  ERR_TRY(err);
  return with_engine(c, workers, false);
}

static enum nacre_err create_steps(struct create *c, const struct nacre_credential *cred, struct workers *workers) {
  ERR_TRY(step_begin(c, STEP_CHECK));
  ERR_TRY(check_target(c));
  ERR_TRY(step_begin(c, STEP_KEY));
  ERR_TRY(make_keys(c, cred));
  ERR_TRY(step_begin(c, STEP_AREAS));
  ERR_TRY(fill_areas(c));
  ERR_TRY(step_begin(c, STEP_TREE));
  ERR_TRY(make_tree(c, workers));
  ERR_TRY(step_begin(c, STEP_HEADERS));
  c->headers_begun = true;
  ERR_TRY(headers_write(c->store, c->raw));
  ERR_TRY(step_begin(c, STEP_VERIFY));
  return verify(c, workers);
}

/* A header that was written by a create that then failed must not open: its caller takes the volume for not made.
 * Returns err, whose sentence is the one to report: the store that fails here has failed before. */
static enum nacre_err undo_headers(const struct create *c, enum nacre_err err) {
  char message[256];
  snprintf(message, sizeof message, "%s", err_message());
  env_random(c->raw, FORMAT_HEADER_BYTES);
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    enum nacre_err undone = headers_write_copy(c->store, copy, c->raw);
    (void)undone;
  }
  return err_set(err, "%s", message);
}

enum nacre_err create_volume(struct store *store, const struct create_request *request,
                             const struct nacre_credential *cred) {
  struct create c = {.store = store, .request = request};
  struct workers *workers = NULL;
  ERR_TRY(workers_new(0, &workers));
  enum nacre_err err = create_steps(&c, cred, workers);
  if (err != NACRE_OK && c.headers_begun)
    err = undo_headers(&c, err);
  workers_free(workers);
  free(c.header);
  secmem_free(c.sealed);
  secmem_free(c.master_key);
  free(c.raw);
  return err;
}
