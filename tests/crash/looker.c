#include "crash/looker.h"

#include "support/report.h"

/* What could not be read counts, too: it is no wildcard here. */
static bool is_same(const struct dump *a, const struct dump *b) {
  const struct dump_tolerance tolerance = {.failures = true};
  char message[DUMP_MESSAGE_BYTES];
  if (a->count != b->count || !dump_equal(a, b, &tolerance, message))
    return false;
  for (size_t i = 0; i < a->count; i++)
    if (a->lines[i].failed != b->lines[i].failed)
      return false;
  return true;
}

static unsigned open_cut(void *arg, const struct nacre_store_ops *ops, void *ctx, bool lied) {
  struct looker *l = arg;
  struct dump found;
  session_look(l->session->cred, ops, ctx, lied, &found);
  for (unsigned i = 0; i < l->count; i++) {
    if (!is_same(&l->found[i], &found))
      continue;
    dump_free(&found);
    return i;
  }
  if (l->count == LOOKER_FOUND_MAX)
    report_fail("more than %u different contents after cuts", LOOKER_FOUND_MAX);
  l->found[l->count] = found;
  return l->count++;
}

static void judge(void *arg, unsigned found, size_t sure, size_t begun, bool lied) {
  const struct looker *l = arg;
  session_match(l->session, &l->found[found], sure, begun, lied);
}

void looker_cut(struct looker *l, const struct session *session, struct disk *disk, const struct states_plan *plan,
                struct prng *prng, struct states_count *counts) {
  const struct states_calls calls = {.open = open_cut, .judge = judge, .arg = l};
  l->session = session;
  l->count = 0;
  states_cut(disk, session->recorder.events, session->recorder.count, plan, &calls, prng, counts);
  while (l->count > 0)
    dump_free(&l->found[--l->count]);
}
