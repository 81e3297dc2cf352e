/* Which step comes next. */
#include "model/run.h"

#include <stdlib.h>
#include <string.h>

static unsigned weights(const struct step *steps, size_t count) {
  unsigned sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += steps[i].weight;
  return sum;
}

/* The step that a number falls on, among those of one table. */
static bool pick(const struct step *steps, size_t count, unsigned *at, const struct step **out) {
  for (size_t i = 0; i < count; i++) {
    if (*at < steps[i].weight) {
      *out = &steps[i];
      return true;
    }
    *at -= steps[i].weight;
  }
  return false;
}

static const struct step *some_step(struct run *r) {
  unsigned sum = weights(steps_file, steps_file_count) + weights(steps_tree, steps_tree_count) +
                 weights(steps_attr, steps_attr_count);
  unsigned at = (unsigned)run_below(r, sum);
  const struct step *step = NULL;
  if (!pick(steps_file, steps_file_count, &at, &step) && !pick(steps_tree, steps_tree_count, &at, &step))
    pick(steps_attr, steps_attr_count, &at, &step);
  return step;
}

static const struct step *step_named(const char *name) {
  for (size_t i = 0; i < steps_tree_count; i++)
    if (strcmp(steps_tree[i].name, name) == 0)
      return &steps_tree[i];
  abort();
}

static unsigned live_nodes(struct run *r) {
  unsigned live = 0;
  for (size_t i = 0; i < r->ref.count; i++)
    live += r->ref.nodes[i].live;
  return live;
}

/* What is done to the volume as a whole, between the steps. */
static void now_and_then(struct run *r) {
  uint64_t kind = run_below(r, 1000);
  if (kind < 10) {
    r->what = "sync";
    run_sync(r);
  } else if (kind < 13) {
    r->what = "reopen";
    run_reopen(r);
    compare_all(r);
  } else if (kind < 16) {
    r->what = "crash";
    run_crash(r);
  } else if (kind < 18) {
    r->what = "verify";
    run_verify(r);
  } else if (kind < 20) {
    r->what = "compare";
    compare_all(r);
  }
}

void run_step(struct run *r) {
  bool delete = live_nodes(r) > r->config->nodes_max && run_chance(r, 60);
  const struct step *step = delete ? step_named(run_chance(r, 70) ? "unlink" : "rmdir") : some_step(r);
  unsigned long full = r->full;
  r->what = step->name;
  step->run(r);
  run_watch(r);
  /* A full volume: what is there must be whole, and deleting must make room. */
  if (r->full != full && run_chance(r, 60)) {
    for (unsigned i = 0; i < 3; i++) {
      step = step_named("unlink");
      r->what = "unlink on a full volume";
      step->run(r);
      run_watch(r);
    }
  }
  now_and_then(r);
  if (r->verbose && r->step % 1000 == 0) {
    struct nacre_volume_info info = {.struct_size = sizeof info};
    run_must(r, nacre_volume_get_info(r->vol, &info));
    run_note(r, "%u nodes, %llu KiB used, %llu free", live_nodes(r), (unsigned long long)info.used_bytes >> 10,
             (unsigned long long)info.free_bytes >> 10);
  }
}
