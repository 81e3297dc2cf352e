#include "crash/states.h"

#include "support/report.h"

#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512u
#define RANDOM_CHOICES 24u
#define DEEP_TEARS 3u /* during openings */

/* Units that an opening read, among those that differ between the states of a scope, what they held, and what was
 * found. */
struct seen {
  uint32_t *touched; /* indices */
  size_t count;
  uint64_t size_bytes, content;
  bool lied;
  unsigned found;
};

/* One recording: of a session, or of an opening after a cut. */
struct scope {
  struct disk *disk;
  const struct event *events;
  size_t count;
  const struct states_plan *plan;
  const struct states_calls *calls;
  struct prng *prng;
  struct states_count *counts;
  unsigned depth;
  bool lied;         /* in deeper scopes: the opening began with a state where a sync was none */
  unsigned expected; /* and this is what openings must find */
  uint32_t *index;   /* of each unit of the disk: place in `hashes`, and one more; 0: no event touches it */
  uint64_t *units;   /* the touched ones */
  uint64_t *hashes;  /* of them as they are now */
  size_t touched;
  struct seen *seen;
  size_t seen_count, seen_cap;
};

static void cut_recording(struct scope *s);

/* ---- What the touched units hold ---- */

static uint64_t unit_hash(const uint8_t *bytes) {
  uint64_t h = 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < DISK_UNIT_BYTES; i += sizeof h) {
    uint64_t word;
    memcpy(&word, bytes + i, sizeof word);
    h = (h ^ word) * 0xff51afd7ed558ccdu;
    h ^= h >> 32;
  }
  return h;
}

static void touch(struct scope *s, uint64_t from, uint64_t to) {
  for (uint64_t u = from / DISK_UNIT_BYTES; u * DISK_UNIT_BYTES < to; u++)
    if (s->index[u] == 0)
      s->index[u] = (uint32_t)++s->touched;
}

/* A container that gets shorter loses what is behind its end. */
static void touch_all(struct scope *s) {
  uint64_t size = s->disk->size_bytes;
  for (size_t i = 0; i < s->count; i++) {
    const struct event *e = &s->events[i];
    if (e->kind == EVENT_WRITE)
      touch(s, e->offset, e->offset + e->len);
    if (e->kind != EVENT_RESIZE)
      continue;
    if (e->offset < size)
      touch(s, e->offset, size);
    size = e->offset;
  }
}

static void rehash_unit(struct scope *s, size_t place) {
  s->hashes[place] = unit_hash(s->disk->bytes + s->units[place] * DISK_UNIT_BYTES);
}

static void rehash_behind(struct scope *s, uint64_t from) {
  for (size_t i = 0; i < s->touched; i++)
    if (s->units[i] >= from / DISK_UNIT_BYTES)
      rehash_unit(s, i);
}

static void rehash(struct scope *s, uint64_t from, uint64_t to) {
  for (uint64_t u = from / DISK_UNIT_BYTES; u * DISK_UNIT_BYTES < to; u++)
    rehash_unit(s, s->index[u] - 1);
}

static void rehash_events(struct scope *s, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    const struct event *e = &s->events[i];
    if (e->kind == EVENT_WRITE)
      rehash(s, e->offset, e->offset + e->len);
    else if (e->kind == EVENT_RESIZE)
      rehash_behind(s, e->offset);
  }
}

static uint64_t content_of(const struct scope *s, const struct seen *seen) {
  uint64_t h = 0;
  for (size_t i = 0; i < seen->count; i++)
    h = (h ^ s->hashes[seen->touched[i]]) * 0x9ddfea08eb382d69u + seen->touched[i];
  return h;
}

/* ---- Opening a state ---- */

static const struct seen *find_seen(struct scope *s, bool lied) {
  for (size_t i = s->seen_count; i-- > 0;) {
    const struct seen *seen = &s->seen[i];
    if (seen->lied == lied && seen->size_bytes == s->disk->size_bytes && seen->content == content_of(s, seen))
      return seen;
  }
  return NULL;
}

static struct seen *add_seen(struct scope *s, const struct disk_trace *trace, bool lied) {
  if (s->seen_count == s->seen_cap) {
    s->seen_cap = s->seen_cap * 2 + 16;
    s->seen = realloc(s->seen, s->seen_cap * sizeof *s->seen);
  }
  struct seen *seen = &s->seen[s->seen_count++];
  *seen = (struct seen){.lied = lied, .size_bytes = s->disk->size_bytes};
  seen->touched = malloc((s->touched + 1) * sizeof *seen->touched);
  bool *taken = calloc(s->touched + 1, sizeof *taken);
  for (size_t i = 0; i < trace->count; i++) {
    const struct disk_span *span = &trace->spans[i];
    for (uint64_t u = span->offset / DISK_UNIT_BYTES; u * DISK_UNIT_BYTES < span->offset + span->len; u++) {
      uint32_t place = s->index[u];
      if (place == 0 || taken[place])
        continue;
      taken[place] = true;
      seen->touched[seen->count++] = place - 1;
    }
  }
  free(taken);
  seen->content = content_of(s, seen);
  return seen;
}

static void cut_opening(struct scope *s, const struct recorder *opening, unsigned found, bool lied) {
  struct states_plan plan = *s->plan;
  plan.tears = plan.tears < DEEP_TEARS ? plan.tears : DEEP_TEARS;
  struct scope deeper = {.disk = s->disk,
                         .events = opening->events,
                         .count = opening->count,
                         .plan = &plan,
                         .lied = lied,
                         .calls = s->calls,
                         .prng = s->prng,
                         .counts = s->counts,
                         .depth = s->depth + 1,
                         .expected = found};
  cut_recording(&deeper);
}

/* What is on the disk now. */
static const struct seen *open_state(struct scope *s, bool lied) {
  struct disk_trace trace = {0};
  struct recorder opening;
  size_t level = disk_level(s->disk);
  recorder_init(&opening, s->disk);
  disk_watch_reads(s->disk, &trace);
  unsigned found = s->calls->open(s->calls->arg, &recorder_ops, &opening, lied);
  disk_watch_reads(s->disk, NULL);
  disk_rewind_to(s->disk, level);
  s->counts->opened++;
  struct seen *seen = add_seen(s, &trace, lied);
  seen->found = found;
  free(trace.spans);
  if (opening.count > 0 && s->depth < (lied ? s->plan->depth_lied : s->plan->depth))
    cut_opening(s, &opening, found, lied);
  recorder_free(&opening);
  return seen;
}

/* What is on the disk now is what a cut has left: `sure` and `begun` as the caller's judge has them. */
static void look(struct scope *s, size_t sure, size_t begun, bool lied) {
  const struct seen *seen = find_seen(s, lied);
  if (seen == NULL)
    seen = open_state(s, lied);
  s->counts->states++;
  s->counts->nested += s->depth > 0;
  s->counts->lied += lied && s->depth == 0;
  if (s->depth == 0)
    s->calls->judge(s->calls->arg, seen->found, sure, begun, lied);
  else if (seen->found != s->expected)
    report_fail("a cut during an opening (depth %u) changes what the volume holds", s->depth);
}

/* ---- Making states ---- */

/* Events from..to, of which the last sync is from - 1 and the next is to. */
struct epoch {
  size_t from, to;
};

static size_t epoch_end(const struct scope *s, size_t from) {
  while (from < s->count && s->events[from].kind != EVENT_SYNC)
    from++;
  return from;
}

static void take_back(struct scope *s, size_t level, size_t from, size_t to) {
  disk_rewind_to(s->disk, level);
  rehash_events(s, from, to);
}

/* Those of the epoch whose bit is set. */
static void choose(struct scope *s, const struct epoch *e, uint64_t bits) {
  size_t level = disk_level(s->disk), begun = e->from;
  report_at("cut in events %zu to %zu of %zu, of which %llx arrived, depth %u", e->from, e->to, s->count,
            (unsigned long long)bits, s->depth);
  for (size_t i = e->from; i < e->to; i++) {
    if (!(bits >> (i - e->from) & 1))
      continue;
    event_happen(s->disk, &s->events[i]);
    begun = i + 1;
  }
  rehash_events(s, e->from, e->to);
  look(s, e->to, begun, s->lied);
  take_back(s, level, e->from, e->to);
}

static void choose_in_all_ways(struct scope *s, const struct epoch *e) {
  size_t n = e->to - e->from;
  uint64_t all = n >= 64 ? ~0ull : (1ull << n) - 1;
  if (n <= s->plan->choose_max) {
    for (uint64_t bits = 0; bits <= all; bits++)
      choose(s, e, bits);
    return;
  }
  for (size_t i = 0; i < n && i < 64; i++) {
    choose(s, e, (1ull << i) - 1);
    choose(s, e, 1ull << i);
    choose(s, e, all & ~(1ull << i));
  }
  choose(s, e, all);
  for (unsigned i = 0; i < RANDOM_CHOICES; i++)
    choose(s, e, prng_next(s->prng) & all);
}

enum torn { TORN_HEAD, TORN_TAIL, TORN_SCATTERED, TORN_KINDS };

static void tear(struct scope *s, const struct event *e, enum torn kind, size_t at) {
  if (kind == TORN_HEAD)
    event_happen_part(s->disk, e, 0, at);
  else if (kind == TORN_TAIL)
    event_happen_part(s->disk, e, at, e->len);
  for (size_t from = 0; kind == TORN_SCATTERED && from + SECTOR_BYTES <= e->len; from += SECTOR_BYTES) {
    if (prng_chance(s->prng, 50))
      event_happen_part(s->disk, e, from, from + SECTOR_BYTES);
  }
}

/* One write arrives in part; of the others those before it, or none, or all. */
static void tear_at(struct scope *s, const struct epoch *e, size_t torn, enum torn kind, size_t at) {
  static const char *const others[] = {"none of the others", "those before", "all others"};
  for (unsigned which = 0; which < 3; which++) {
    size_t level = disk_level(s->disk), begun = torn + 1;
    report_at("cut in events %zu to %zu of %zu, %zu torn (%u) at %zu, with %s, depth %u", e->from, e->to, s->count,
              torn, kind, at, others[which], s->depth);
    for (size_t i = e->from; i < e->to; i++) {
      if (i == torn)
        tear(s, &s->events[i], kind, at);
      else if (which > 0 && (which == 2 || i < torn))
        event_happen(s->disk, &s->events[i]);
    }
    if (which == 2)
      begun = e->to;
    rehash_events(s, e->from, e->to);
    look(s, e->to, begun, s->lied);
    take_back(s, level, e->from, e->to);
  }
}

/* Between any two sectors where the plan allows as many, else at the first, at the last and at some. */
static void tear_in_all_ways(struct scope *s, const struct epoch *e, size_t torn) {
  size_t sectors = s->events[torn].len / SECTOR_BYTES;
  size_t ways = sectors < s->plan->tears ? sectors : s->plan->tears;
  if (sectors < 2)
    return;
  for (size_t i = 1; i < ways; i++) {
    bool all = ways == sectors || i == 1;
    size_t at = all ? i : i == 2 ? sectors - 1 : 1 + (size_t)prng_below(s->prng, sectors - 1);
    tear_at(s, e, torn, TORN_HEAD, at * SECTOR_BYTES);
    tear_at(s, e, torn, TORN_TAIL, at * SECTOR_BYTES);
  }
  tear_at(s, e, torn, TORN_SCATTERED, 0);
}

/* All that is not durable arrives in part. */
static void tear_all(struct scope *s, const struct epoch *e) {
  size_t level = disk_level(s->disk);
  report_at("cut in events %zu to %zu of %zu, all torn, depth %u", e->from, e->to, s->count, s->depth);
  for (size_t i = e->from; i < e->to; i++) {
    if (s->events[i].kind == EVENT_WRITE)
      tear(s, &s->events[i], TORN_SCATTERED, 0);
    else if (prng_chance(s->prng, 50))
      event_happen(s->disk, &s->events[i]);
  }
  rehash_events(s, e->from, e->to);
  look(s, e->to, e->to, s->lied);
  take_back(s, level, e->from, e->to);
}

/* Writes of this epoch were lost although the sync after it succeeded, and what followed has arrived. */
static void lie(struct scope *s, const struct epoch *e, const struct epoch *next, size_t lost_from, size_t lost_to) {
  size_t level = disk_level(s->disk);
  report_at("the sync after events %zu to %zu lied: %zu to %zu are lost", e->from, e->to, lost_from, lost_to);
  for (size_t i = e->from; i < e->to; i++) {
    if (i < lost_from || i >= lost_to)
      event_happen(s->disk, &s->events[i]);
  }
  for (size_t i = next->from; i < next->to; i++)
    event_happen(s->disk, &s->events[i]);
  rehash_events(s, e->from, next->to);
  look(s, e->from, next->to, true);
  take_back(s, level, e->from, next->to);
}

static void lie_in_all_ways(struct scope *s, const struct epoch *e) {
  struct epoch next = {.from = e->to + 1};
  if (e->to == s->count || e->to == e->from)
    return;
  next.to = epoch_end(s, next.from);
  if (next.to == next.from)
    return;
  lie(s, e, &next, e->from, e->to);
  for (size_t i = e->from; i < e->to && s->plan->lies == LIES_ANY_LOST && e->to - e->from > 1; i++)
    lie(s, e, &next, i, i + 1);
}

static void cut_epoch(struct scope *s, const struct epoch *e) {
  choose_in_all_ways(s, e);
  for (size_t i = e->from; i < e->to; i++)
    if (s->events[i].kind == EVENT_WRITE)
      tear_in_all_ways(s, e, i);
  for (unsigned i = 0; i < s->plan->tears && e->to - e->from > 1; i++)
    tear_all(s, e);
  if (s->plan->lies != LIES_NONE && s->depth == 0)
    lie_in_all_ways(s, e);
}

static void number_units(struct scope *s) {
  for (uint64_t u = 0; u < s->disk->limit_bytes / DISK_UNIT_BYTES; u++)
    if (s->index[u] > 0)
      s->units[s->index[u] - 1] = u;
}

/* The disk is as it was before the first event, and remembers what is done to it. */
static void cut_recording(struct scope *s) {
  size_t level = disk_level(s->disk);
  s->index = calloc(s->disk->limit_bytes / DISK_UNIT_BYTES + 1, sizeof *s->index);
  touch_all(s);
  s->hashes = calloc(s->touched + 1, sizeof *s->hashes);
  s->units = calloc(s->touched + 1, sizeof *s->units);
  number_units(s);
  rehash_behind(s, 0);
  for (struct epoch e = {0}; e.from <= s->count; e.from = e.to + 1) {
    e.to = epoch_end(s, e.from);
    report_watchdog(60);
    cut_epoch(s, &e);
    for (size_t i = e.from; i < e.to; i++)
      event_happen(s->disk, &s->events[i]);
    rehash_events(s, e.from, e.to);
  }
  disk_rewind_to(s->disk, level);
  for (size_t i = 0; i < s->seen_count; i++)
    free(s->seen[i].touched);
  free(s->seen);
  free(s->hashes);
  free(s->units);
  free(s->index);
}

void states_cut(struct disk *disk, const struct event *events, size_t count, const struct states_plan *plan,
                const struct states_calls *calls, struct prng *prng, struct states_count *counts) {
  struct scope s = {
      .disk = disk, .events = events, .count = count, .plan = plan, .calls = calls, .prng = prng, .counts = counts};
  disk_mark(disk);
  cut_recording(&s);
  disk_rewind(disk);
}
