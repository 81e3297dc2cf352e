#include "ops/check.h"

#include "base/bytes.h"
#include "base/err.h"
#include "ops/check_state.h"

#include <stdio.h>
#include <stdlib.h>

#define PROGRESS_UNITS 4096u /* tell after every 16 MiB */

static void tell(struct check *c, uint64_t ino, const char *text) {
  if (!c->options->problem)
    return;
  char *path = ino ? check_path(c, ino) : NULL;
  char with_ino[192];
  if (ino && !path) {
    snprintf(with_ino, sizeof with_ino, "inode %llu: %s", (unsigned long long)ino, text);
    text = with_ino;
  }
  c->options->problem(c->options->problem_arg, path, text);
  free(path);
}

void check_problem(struct check *c, uint64_t ino, const char *fmt, ...) {
  struct check_finding f = {.ino = ino};
  va_list args;
  va_start(args, fmt);
  vsnprintf(f.text, sizeof f.text, fmt, args);
  va_end(args);
  c->report.problems++;
  if (c->finding_count < CHECK_FINDINGS_MAX)
    c->findings[c->finding_count++] = f;
  else if (c->options->problem)
    c->options->problem(c->options->problem_arg, NULL, f.text);
}

enum nacre_err check_pause(struct check *c) {
  if (c->options->progress && c->done_units - c->told_units >= PROGRESS_UNITS) {
    c->told_units = c->done_units;
    c->options->progress(c->options->progress_arg, "verify", c->done_units * FORMAT_UNIT_BYTES,
                         u64_max(c->info.used_units, c->done_units) * FORMAT_UNIT_BYTES);
  }
  return cancel_check(c->options->cancel);
}

static bool taken(const struct check *c, uint64_t unit) {
  return (c->taken[unit / 8] >> (unit % 8)) & 1;
}

void check_take(struct check *c, uint64_t ino, uint64_t unit, uint64_t units) {
  if (unit > c->info.units_end || units > c->info.units_end - unit) {
    check_problem(c, ino, "a block lies outside the container");
    return;
  }
  uint64_t twice = 0;
  for (uint64_t u = unit; u < unit + units; u++) {
    twice += taken(c, u);
    c->taken[u / 8] = (uint8_t)(c->taken[u / 8] | 1u << (u % 8));
  }
  if (twice > 0)
    check_problem(c, ino, "%llu units from %llu on belong to another block too", (unsigned long long)twice,
                  (unsigned long long)unit);
  c->done_units += units;
}

/* ---- The walk ---- */

static void visit_node(void *arg, const struct ptr *ptr, uint8_t level) {
  struct check *c = arg;
  c->report.nodes++;
  c->report.metadata_bytes += ptr->len_bytes;
  check_take(c, 0, ptr->unit, ptr->len_bytes / FORMAT_UNIT_BYTES);
  if (ptr->alloc > c->info.generation)
    check_problem(c, 0, "a node of a generation that is not committed yet");
  if (level == 0)
    c->leaf = *ptr;
}

static enum nacre_err visit_record(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct check *c = arg;
  ERR_TRY(check_pause(c));
  return check_inode_record(c, key, value, len);
}

static void visit_problem(void *arg, const char *what) {
  struct check *c = arg;
  check_problem(c, 0, "%s", what);
}

/* ---- Space ---- */

static void take_fixed(void *arg, uint64_t unit, uint64_t units) {
  struct check *c = arg;
  c->report.metadata_bytes += units * FORMAT_UNIT_BYTES;
  check_take(c, 0, unit, units);
}

enum space { SPACE_RIGHT, SPACE_LOST, SPACE_UNCOUNTED, SPACE_CONDEMNED };

static void note_pending(void *arg, uint64_t unit, uint64_t units) {
  struct check *c = arg;
  for (uint64_t u = unit; u < unit + units; u++)
    c->pending[u / 8] = (uint8_t)(c->pending[u / 8] | 1u << (u % 8));
}

static enum space space_of(const struct check *c, uint64_t unit) {
  bool used = engine_unit_used(c->engine, unit), pending = (c->pending[unit / 8] >> (unit % 8)) & 1;
  if (taken(c, unit) && pending)
    return SPACE_CONDEMNED;
  if (taken(c, unit) && !used)
    return SPACE_UNCOUNTED;
  return !taken(c, unit) && used && !pending ? SPACE_LOST : SPACE_RIGHT;
}

static void tell_space(struct check *c, enum space what, uint64_t from, uint64_t to) {
  static const char *const texts[] = {
      [SPACE_RIGHT] = "",
      [SPACE_LOST] = "are counted as used and belong to no block",
      [SPACE_UNCOUNTED] = "belong to a block and are counted as free",
      [SPACE_CONDEMNED] = "belong to a block and wait to be freed",
  };
  if (what != SPACE_RIGHT)
    check_problem(c, 0, "units %llu to %llu %s", (unsigned long long)from, (unsigned long long)to - 1, texts[what]);
}

/* After a walk that could not see all, units that nobody claimed say nothing. */
static void compare_space(struct check *c, bool complete) {
  engine_fixed_units(c->engine, take_fixed, c);
  engine_pending_units(c->engine, note_pending, c);
  enum space run = SPACE_RIGHT;
  uint64_t from = 0;
  for (uint64_t unit = 0; unit < c->info.units_end; unit++) {
    enum space what = space_of(c, unit);
    if (what == SPACE_LOST && !complete)
      what = SPACE_RIGHT;
    if (what == run)
      continue;
    tell_space(c, run, from, unit);
    run = what;
    from = unit;
  }
  tell_space(c, run, from, c->info.units_end);
}

/* ---- All of it ---- */

static enum nacre_err check_paused(struct check *c) {
  engine_get_info(c->engine, &c->info);
  c->taken = calloc(1, (size_t)(c->info.units_end / 8 + 1));
  c->pending = calloc(1, (size_t)(c->info.units_end / 8 + 1));
  c->findings = calloc(CHECK_FINDINGS_MAX, sizeof *c->findings);
  c->data = malloc(CHECK_DATA_BYTES);
  if (!c->taken || !c->pending || !c->findings || !c->data)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  const struct engine_visitor visitor = {
      .arg = c, .node = visit_node, .record = visit_record, .problem = visit_problem};
  enum nacre_err err = engine_walk(c->engine, &visitor);
  if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO)
    check_problem(c, 0, "%s", err_message());
  else if (err != NACRE_OK)
    return err;
  ERR_TRY(check_inode_end(c));
  bool complete = c->report.problems == 0;
  check_links_end(c);
  if (complete)
    check_lineage_end(c);
  if (complete && c->info.committed_inodes != c->report.inodes)
    check_problem(c, 0, "the volume counts %llu inodes and has %llu", (unsigned long long)c->info.committed_inodes,
                  (unsigned long long)c->report.inodes);
  compare_space(c, complete);
  if (c->info.ring_damaged)
    check_problem(c, 0,
                  "superblocks of the last commits are gone or can't be read: there may have been newer commits");
  if (c->info.log_damaged)
    check_problem(c, 0, "the log of what was fsynced after the last commit is damaged, or can't be read");
  for (size_t i = 0; i < c->finding_count; i++)
    tell(c, c->findings[i].ino, c->findings[i].text);
  return NACRE_OK;
}

enum nacre_err check_volume(struct volume *v, const struct check_options *options,
                            struct nacre_verify_report *report) {
  struct check *c = calloc(1, sizeof *c);
  if (!c)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  c->engine = v->engine;
  c->options = options;
  engine_get_info(v->engine, &c->info);
  bool paused = !c->info.read_only;
  /* What is in memory after a failure is not the committed state: the volume must be opened again to be verified. */
  enum nacre_err err = c->info.failed && !c->info.unchanged ? engine_check_writable(v->engine) : NACRE_OK;
  if (err == NACRE_OK && paused)
    err = engine_pause(v->engine);
  if (err == NACRE_OK) {
    err = check_paused(c);
    if (paused)
      engine_resume(v->engine);
  }
  if (err == NACRE_OK && c->report.problems > 0)
    err = err_set(NACRE_ERR_DAMAGED, "%llu problem%s found", (unsigned long long)c->report.problems,
                  c->report.problems == 1 ? "" : "s");
  *report = c->report;
  free(c->taken);
  free(c->pending);
  free(c->findings);
  free(c->data);
  free(c->links.slots);
  free(c->current.parts);
  free(c);
  return err;
}
