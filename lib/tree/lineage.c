#include "tree/lineage.h"

#include "base/env.h"
#include "base/err.h"
#include "tree/core.h"

/* One goes with each that comes, two where one could not go before. */
#define FORGET_AT_ONCE 2u

static struct key branch_key(uint64_t first) {
  return key_make(0, FORMAT_RECORD_LINEAGE, first);
}

/* The branch that begins at `first` or, of those behind it, the first. */
struct next_branch {
  bool found;
  uint64_t first;
  size_t len;
  uint8_t value[LINEAGE_RECORD_BYTES];
};

static bool take_next(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct next_branch *next = arg;
  next->found = true;
  next->first = key->offset;
  next->len = len;
  memcpy(next->value, value, len < sizeof next->value ? len : sizeof next->value);
  return false;
}

static enum nacre_err find_from(struct engine *e, uint64_t first, bool *found, uint64_t *at,
                                struct lineage_record *rec) {
  struct next_branch next = {0};
  struct key from = branch_key(first), to = branch_key(UINT64_MAX);
  ERR_TRY(tree_scan(e, &from, &to, take_next, &next));
  *found = next.found;
  *at = next.first;
  return next.found ? lineage_record_decode(next.value, next.len, next.first, rec) : NACRE_OK;
}

/* ---- Asking ---- */

/* No branch begins where the point's does. */
static enum nacre_err relate_unknown(struct engine *e, const struct lineage_point *here,
                                     const struct lineage_point *point, enum lineage_relation *out) {
  struct lineage_record oldest;
  uint64_t first;
  bool found;
  ERR_TRY(find_from(e, 0, &found, &first, &oldest));
  if (found && oldest.number > point->branch.number)
    *out = LINEAGE_FORGOTTEN;
  else
    *out = point->branch.number > here->branch.number ? LINEAGE_OLDER : LINEAGE_DIVERGED;
  return NACRE_OK;
}

enum nacre_err lineage_relate(struct engine *e, const struct lineage_point *point, enum lineage_relation *out) {
  struct engine_info info;
  engine_get_info(e, &info);
  struct lineage_point end = info.here; /* of the point's branch, as far as it belongs to this history */
  struct lineage_record rec;
  uint64_t first;
  bool found, newest = true;
  *out = LINEAGE_CONTAINS;
  if (lineage_point_equal(point, &end))
    return NACRE_OK;
  ERR_TRY(find_from(e, point->branch.first, &found, &first, &rec));
  if (!found || first != point->branch.first)
    return relate_unknown(e, &info.here, point, out);
  bool same = memcmp(rec.branch, point->branch.id, sizeof rec.branch) == 0;
  ERR_TRY(find_from(e, first + 1, &found, &first, &rec));
  if (found) {
    newest = false;
    end.generation = rec.parent_generation;
    memcpy(end.commit_id, rec.parent_commit_id, sizeof end.commit_id);
  }
  bool beyond = point->generation > end.generation;
  bool other =
      point->generation == end.generation && memcmp(point->commit_id, end.commit_id, sizeof end.commit_id) != 0;
  if (same && beyond && newest)
    *out = LINEAGE_OLDER;
  else if (!same || beyond || other)
    *out = LINEAGE_DIVERGED;
  return NACRE_OK;
}

/* ---- Entering ---- */

enum nacre_err lineage_probe(struct engine *e, uint64_t first) {
  struct key key = branch_key(first);
  uint8_t value[LINEAGE_RECORD_BYTES];
  size_t len;
  enum nacre_err err = tree_get(e, &key, value, sizeof value, &len);
  if (err == NACRE_OK)
    return err_set(NACRE_ERR_DAMAGED, "the lineage has a branch that is yet to come");
  return err == NACRE_ERR_NOT_FOUND ? NACRE_OK : err;
}

static enum nacre_err forget_oldest(struct engine *e, struct txn *txn, uint64_t newest_number) {
  for (unsigned i = 0; i < FORGET_AT_ONCE && newest_number >= FORMAT_LINEAGE_MAX; i++) {
    struct lineage_record oldest;
    uint64_t first;
    bool found;
    enum nacre_err err = find_from(e, 0, &found, &first, &oldest);
    /* A table that is too long by what can't be read is no reason not to commit; verify tells of it. */
    if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO || err == NACRE_ERR_UNSUPPORTED)
      return NACRE_OK;
    ERR_TRY(err);
    if (!found || oldest.number > newest_number - FORMAT_LINEAGE_MAX)
      return NACRE_OK;
    struct key key = branch_key(first);
    ERR_TRY(tree_delete(txn, &key));
  }
  return NACRE_OK;
}

enum nacre_err lineage_enter(struct engine *e, struct txn *txn) {
  const struct lineage_point parent = lineage_point_of(&e->durable);
  e->branch.first = txn->generation;
  e->branch.number = parent.branch.number + 1;
  struct lineage_record rec = {
      .number = e->branch.number, .parent_generation = parent.generation, .time_s = env_realtime().s};
  memcpy(rec.branch, e->branch.id, sizeof rec.branch);
  memcpy(rec.parent_commit_id, parent.commit_id, sizeof rec.parent_commit_id);
  uint8_t value[LINEAGE_RECORD_BYTES];
  lineage_record_encode(&rec, value);
  struct key key = branch_key(e->branch.first);
  ERR_TRY(tree_put(txn, &key, value, sizeof value));
  return forget_oldest(e, txn, e->branch.number);
}
