/* Reading the committed tree anew, for checks. Every node comes from the storage, none from the cache. */
#include "base/err.h"
#include "tree/core.h"

#include <stdio.h>

struct walk {
  struct engine *engine;
  const struct engine_visitor *visitor;
};

static void report(const struct walk *w, const char *what) {
  w->visitor->problem(w->visitor->arg, what);
}

static void check_child(const struct walk *w, const struct ptr *parent, const struct ptr *child) {
  if (child->birth > parent->birth || child->alloc > parent->alloc) {
    char text[128];
    snprintf(text, sizeof text, "the node at unit %llu is younger than its parent", (unsigned long long)child->unit);
    report(w, text);
  }
}

static enum nacre_err walk_leaf(const struct walk *w, const struct node *n) {
  for (uint16_t i = 0; i < n->count; i++)
    ERR_TRY(w->visitor->record(w->visitor->arg, &n->slots[i].key, leaf_value(n, i), n->slots[i].len));
  return NACRE_OK;
}

/* As deep as the tree: FORMAT_LEVELS_MAX at most, since levels go down by one. */
static enum nacre_err walk_node(const struct walk *w, const struct ptr *parent, const struct ptr *ptr, uint8_t level,
                                const struct key *low, const struct key *high) {
  struct node *n = NULL;
  if (parent != NULL)
    check_child(w, parent, ptr);
  enum nacre_err err = tree_read_node(&w->engine->tree, ptr, level, low, high, &n);
  if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO) {
    report(w, err_message());
    return NACRE_OK;
  }
  ERR_TRY(err);
  w->visitor->node(w->visitor->arg, ptr, level);
  if (level == 0)
    err = walk_leaf(w, n);
  if (n->count == 0 && parent != NULL)
    report(w, "a leaf has no records");
  for (uint16_t i = 0; level > 0 && i < n->count && err == NACRE_OK; i++) {
    const struct branch_entry *child = &n->entries[i];
    err = walk_node(w, ptr, &child->ptr, (uint8_t)(level - 1), i == 0 ? low : &child->key,
                    i + 1 < n->count ? &n->entries[i + 1].key : high);
  }
  node_free(n);
  return err;
}

enum nacre_err engine_walk(struct engine *e, const struct engine_visitor *visitor) {
  struct walk w = {.engine = e, .visitor = visitor};
  struct key lowest = {0};
  pthread_mutex_lock(&e->state_lock);
  struct superblock sb = e->durable;
  pthread_mutex_unlock(&e->state_lock);
  return walk_node(&w, NULL, &sb.root, sb.root_level, &lowest, NULL);
}

void engine_fixed_units(struct engine *e, void (*fn)(void *arg, uint64_t unit, uint64_t units), void *arg) {
  const uint64_t group_units = FORMAT_GROUP_UNITS;
  fn(arg, FORMAT_GROUP_0_OFFSET / FORMAT_UNIT_BYTES, group_units);
  fn(arg, FORMAT_GROUP_1_OFFSET / FORMAT_UNIT_BYTES, group_units);
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++)
    fn(arg, e->durable.log.sets[i].unit, e->durable.log.sets[i].units);
  if (e->durable.intent.half_units > 0)
    fn(arg, e->durable.intent.unit, e->durable.intent.half_units * FORMAT_INTENT_HALVES);
}

bool engine_unit_used(struct engine *e, uint64_t unit) {
  return alloc_is_used(&e->alloc, unit);
}

void engine_pending_units(struct engine *e, void (*fn)(void *arg, uint64_t unit, uint64_t units), void *arg) {
  alloc_each_pending(&e->alloc, fn, arg);
}
