#include "crash/session.h"

#include "support/report.h"

#include <stdlib.h>
#include <string.h>

/* ---- Running ---- */

static struct mark *new_mark(struct session *s, const char *step, bool durable) {
  if (s->mark_count == s->mark_cap) {
    s->mark_cap = s->mark_cap * 2 + 64;
    s->marks = realloc(s->marks, s->mark_cap * sizeof *s->marks);
  }
  struct mark *mark = &s->marks[s->mark_count++];
  *mark = (struct mark){.step = step, .durable = durable, .events = recorder_count(&s->recorder)};
  return mark;
}

struct dump *session_mark_dump(struct session *s, const char *step, bool durable) {
  return &new_mark(s, step, durable)->dump;
}

void session_mark(struct session *s, struct shadow *shadow, nacre_volume *vol, const char *step, bool durable) {
  if (vol != NULL)
    report_must(shadow_look(shadow, vol), "looking at the attributes");
  shadow_dump(shadow, &new_mark(s, step, durable)->dump);
}

/* The first mark stands for the freshly made volume and all that is left of it until something else is durable. */
static void run_steps(struct session *s, const struct session_plan *plan, struct workload *w) {
  session_mark(s, &w->shadow, w->vol, "open", true);
  for (unsigned i = 0; i < plan->steps; i++) {
    bool sync = prng_chance(&w->prng, plan->sync_percent);
    report_must(sync ? workload_sync(w) : workload_step(w), w->step);
    session_mark(s, &w->shadow, w->vol, w->step, sync);
  }
  workload_close_handles(w);
}

static void check_live(struct session *s, struct workload *w) {
  const struct dump_tolerance exact = {0};
  struct dump live;
  char message[DUMP_MESSAGE_BYTES];
  report_must(dump_volume(w->vol, &live), "reading the volume back");
  if (!dump_equal(&s->marks[s->mark_count - 1].dump, &live, &exact, message))
    report_fail("before any cut: %s", message);
  dump_free(&live);
}

void session_init(struct session *s, uint64_t limit_bytes, const nacre_credential *cred) {
  memset(s, 0, sizeof *s);
  s->cred = cred;
  disk_init(&s->base, limit_bytes);
  disk_init(&s->disk, limit_bytes);
  recorder_init(&s->recorder, &s->disk);
}

static void fill(struct session *s, struct workload *w, size_t len) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &s->base, .cred = s->cred};
  nacre_volume *vol;
  report_must(vault_open(&vault, false, &vol), "opening it to fill it");
  workload_fill(w, vol, len);
  report_must(nacre_volume_close(vol), "closing it");
}

void session_run(struct session *s, const struct session_plan *plan, const nacre_credential *cred) {
  struct workload w;
  nacre_volume *vol;
  session_init(s, plan->size_bytes, cred);
  const struct vault fresh = {.ops = &disk_ops, .ctx = &s->base, .cred = cred, .chunk_bytes = plan->chunk_bytes};
  report_must(vault_create(&fresh, plan->size_bytes), "making a volume");
  workload_init(&w, plan->seed);
  if (plan->fill_bytes > 0)
    fill(s, &w, plan->fill_bytes);
  disk_copy(&s->base, &s->disk);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &s->recorder, .cred = cred};
  report_must(vault_open(&vault, false, &vol), "opening it");
  w.vol = vol;
  w.write_max_bytes = plan->write_max_bytes;
  w.file_max_bytes = plan->file_max_bytes;
  run_steps(s, plan, &w);
  check_live(s, &w);
  report_must(nacre_volume_close(vol), "closing it");
  session_mark(s, &w.shadow, NULL, "close", true);
  workload_free(&w);
}

void session_resume(struct session *s, struct disk *disk, const nacre_credential *cred) {
  nacre_volume *vol;
  session_init(s, disk->limit_bytes, cred);
  disk_copy(disk, &s->base);
  disk_copy(disk, &s->disk);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &s->recorder, .cred = cred};
  report_must(vault_open(&vault, false, &vol), "opening after the cut");
  /* What the opening itself wrote changed nothing that is to be seen. */
  struct mark *mark = new_mark(s, "open", true);
  mark->events = 0;
  report_must(dump_volume(vol, &mark->dump), "reading after the cut");
  report_must(nacre_mkdir(vol, "after-the-cut", 0700, NULL), "making a folder after the cut");
  report_must(nacre_volume_sync(vol), "a commit after the cut");
  report_must(dump_volume(vol, &new_mark(s, "mkdir", true)->dump), "reading after the commit");
  report_must(nacre_volume_close(vol), "closing after the cut");
}

void session_clear(struct session *s) {
  for (size_t i = 0; i < s->mark_count; i++)
    dump_free(&s->marks[i].dump);
  s->mark_count = 0;
  recorder_clear(&s->recorder);
}

void session_free(struct session *s) {
  session_clear(s);
  free(s->marks);
  recorder_free(&s->recorder);
  disk_free(&s->base);
  disk_free(&s->disk);
}

/* ---- Checking ---- */

void session_match(const struct session *s, const struct dump *found, size_t sure, size_t begun, bool lied) {
  const struct dump_tolerance tolerance = {.failures = lied};
  char message[DUMP_MESSAGE_BYTES], first[DUMP_MESSAGE_BYTES] = "";
  size_t low = 0, high;
  for (size_t i = 0; i < s->mark_count && s->marks[i].events <= sure; i++)
    if (s->marks[i].durable)
      low = i;
  for (high = low; high + 1 < s->mark_count && s->marks[high].events < begun;)
    high++;
  for (size_t i = low; i <= high; i++) {
    if (dump_equal(&s->marks[i].dump, found, &tolerance, message))
      return;
    if (i == low)
      memcpy(first, message, sizeof first);
  }
  report_fail("the state is none of steps %zu (%s) to %zu (%s); compared with the first, %s; with the last, %s", low,
              s->marks[low].step, high, s->marks[high].step, first, message);
}

/* After a lie a leaf may be missing, where neither an older commit helps nor a tidying at the opening can go on: then
 * what is left can be read. */
static nacre_volume *open_cut(const struct vault *vault, bool lied) {
  nacre_volume *vol;
  enum nacre_err err = vault_open(vault, false, &vol);
  if (lied && err == NACRE_ERR_DAMAGED)
    err = vault_open(vault, true, &vol);
  report_must(err, "opening after the cut");
  return vol;
}

void session_look(const nacre_credential *cred, const struct nacre_store_ops *ops, void *ctx, bool lied,
                  struct dump *found) {
  const struct vault vault = {.ops = ops, .ctx = ctx, .cred = cred};
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol = open_cut(&vault, lied);
  struct nacre_volume_info info = vault_info(vol);
  bool whole = !lied || info.fell_back;
  if ((info.fell_back && !lied) || (info.read_only && whole))
    report_fail("the volume opened %s", info.fell_back ? "at an older commit than the newest" : "read-only");
  enum nacre_err err = dump_volume(vol, found);
  if (whole || err != NACRE_ERR_DAMAGED)
    report_must(err, "reading after the cut");
  err = vault_verify(vol, message, sizeof message);
  if (err != NACRE_OK && (whole || (err != NACRE_ERR_DAMAGED && err != NACRE_ERR_READ_ONLY)))
    report_fail("verify after the cut: %s", message);
  nacre_volume_abandon(vol);
}

void session_check(const struct session *s, struct disk *disk, size_t events) {
  struct dump found;
  session_look(s->cred, &disk_ops, disk, false, &found);
  session_match(s, &found, events, events, false);
  dump_free(&found);
}

void session_cut_all(const struct session *s, unsigned every, uint64_t seed, session_look_fn look, void *arg,
                     struct session_cuts *cuts) {
  struct player player;
  struct disk disk;
  struct prng prng = {.state = seed};
  unsigned long all = 0;
  disk_init(&disk, s->base.limit_bytes);
  disk_copy(&s->base, &disk);
  player_init(&player, &disk, s->recorder.events, s->recorder.count);
  do {
    for (enum cut cut = 0; cut < CUTS; cut++) {
      if (!player_tells(&player, cut) || all++ % every != 0)
        continue;
      report_at("seed %llu, cut after %zu of %zu, unsynced writes %s", (unsigned long long)seed, player.at,
                player.count, cut_name(cut));
      report_watchdog(30);
      player_cut(&player, cut, &prng);
      look(s, &disk, player.at, arg);
      disk_rewind(&disk);
      cuts->of[cut]++;
    }
  } while (player_step(&player));
  disk_free(&disk);
}
