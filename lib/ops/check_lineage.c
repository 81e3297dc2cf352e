/* The lineage: branches that follow one another up to the one of the newest commit. */
#include "base/err.h"
#include "ops/check_state.h"

enum nacre_err check_lineage_record(struct check *c, uint64_t first, const uint8_t *value, size_t len) {
  struct check_lineage *l = &c->lineage;
  struct lineage_record rec;
  ERR_TRY(lineage_record_decode(value, len, first, &rec));
  if (l->count > 0 && (rec.number != l->last.number + 1 || rec.parent_generation < l->last_first))
    check_problem(c, 0, "branch %llu of the lineage does not follow the one before", (unsigned long long)rec.number);
  l->count++;
  l->last = rec;
  l->last_first = first;
  return NACRE_OK;
}

void check_lineage_end(struct check *c) {
  const struct check_lineage *l = &c->lineage;
  const struct superblock_branch *here = &c->info.here.branch;
  if (l->count == 0 || l->last_first != here->first || l->last.number != here->number ||
      memcmp(l->last.branch, here->id, sizeof here->id) != 0)
    check_problem(c, 0, "the newest commit's branch is not the last of the lineage");
  if (l->count > FORMAT_LINEAGE_MAX)
    check_problem(c, 0, "the lineage keeps %llu branches", (unsigned long long)l->count);
}
