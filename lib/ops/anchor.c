#include "ops/anchor.h"

#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define TRAIL_MS 30000u
#define SETTLE_MS 120000u

void anchor_start(struct anchor *a, const struct nacre_anchor_ops *ops, void *ctx, bool accept) {
  *a = (struct anchor){.ops = ops, .ctx = ctx, .accept = accept, .report = {.struct_size = sizeof a->report}};
  pthread_mutex_init(&a->lock, NULL);
}

enum nacre_err anchor_identify(struct anchor *a, const uint8_t identity_secret[32], const uint8_t fingerprint[32]) {
  secmem_free(a->key);
  a->key = secmem_alloc(32);
  if (a->key == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  lineage_anchor_key(identity_secret, a->key);
  memcpy(a->fingerprint, fingerprint, sizeof a->fingerprint);
  return NACRE_OK;
}

void anchor_end(struct anchor *a) {
  secmem_free(a->key);
  pthread_mutex_destroy(&a->lock);
}

/* ---- Admission ---- */

#define DATE_BYTES 32

static void date_text(int64_t time_s, char text[DATE_BYTES]) {
  const time_t when = (time_t)time_s;
  struct tm tm;
  if (gmtime_r(&when, &tm) == NULL || strftime(text, DATE_BYTES, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
    snprintf(text, DATE_BYTES, "an unknown date");
}

static enum nacre_err refuse(const struct engine_info *info, const struct lineage_point *seen,
                             enum lineage_relation relation) {
  const struct lineage_point *here = &info->here;
  char seen_date[DATE_BYTES], here_date[DATE_BYTES];
  date_text(seen->time_s, seen_date);
  date_text(here->time_s, here_date);
  return err_set(NACRE_ERR_ROLLED_BACK, "%s: commit %llu of %s was seen, this is %llu of %s (%s)",
                 relation == LINEAGE_OLDER ? "it is older than when it was last open here"
                                           : "its history is not the one that was last open here",
                 (unsigned long long)seen->generation, seen_date, (unsigned long long)here->generation, here_date,
                 info->fell_back || info->ring_damaged
                     ? "its newest commit or superblock is damaged or can't be read"
                     : "a restored backup, a stick pulled out, a copy, or an attack");
}

/* What was remembered, if anything was and can be read. */
static enum nacre_err load(struct anchor *a, bool *found) {
  uint8_t text[LINEAGE_ANCHOR_BYTES + 1];
  size_t len = 0;
  *found = false;
  const int error = a->ops->load(a->ctx, a->fingerprint, text, sizeof text, &len);
  if (error == 0 && len == 0) {
    a->report.state = NACRE_ANCHOR_NEW;
    return NACRE_OK;
  }
  enum nacre_err err = NACRE_ERR_DAMAGED;
  if (error == 0 && len < sizeof text)
    err = lineage_anchor_open(text, len, a->key, &a->anchor);
  /* Nothing is known against what there is: it must not be replaced. */
  if (err == NACRE_ERR_NO_MEMORY)
    return err;
  *found = a->stored_is_current = err == NACRE_OK;
  if (err != NACRE_OK) {
    a->report.state = NACRE_ANCHOR_UNREADABLE;
    a->report.error = error;
  }
  return NACRE_OK;
}

static enum nacre_err judge(struct anchor *a, struct engine *e, const struct engine_info *info) {
  enum lineage_relation latest, settled;
  ERR_TRY(lineage_relate(e, &a->anchor.latest, &latest));
  if (latest == LINEAGE_CONTAINS || latest == LINEAGE_FORGOTTEN) {
    a->report.state = latest == LINEAGE_CONTAINS ? NACRE_ANCHOR_FOUND : NACRE_ANCHOR_FORGOTTEN;
    return NACRE_OK;
  }
  ERR_TRY(lineage_relate(e, &a->anchor.settled, &settled));
  if (settled == LINEAGE_CONTAINS)
    a->report.state = NACRE_ANCHOR_CUT_OFF;
  else if (a->accept)
    a->report.state = NACRE_ANCHOR_ACCEPTED;
  else
    return refuse(info, &a->anchor.latest, latest);
  return NACRE_OK;
}

enum nacre_err anchor_admit(void *arg, struct engine *e) {
  struct anchor *a = arg;
  struct engine_info info;
  a->asked = true;
  if (a->ops == NULL)
    return NACRE_OK;
  engine_get_info(e, &info);
  a->report.volume_generation = info.here.generation;
  a->report.volume_time_s = info.here.time_s;
  bool found;
  ERR_TRY(load(a, &found));
  if (!found)
    return NACRE_OK;
  a->report.seen_generation = a->anchor.latest.generation;
  a->report.seen_time_s = a->anchor.latest.time_s;
  enum nacre_err err = judge(a, e, &info);
  if (err == NACRE_ERR_DAMAGED && a->accept) {
    a->report.state = NACRE_ANCHOR_ACCEPTED;
    return NACRE_OK;
  }
  return err == NACRE_ERR_DAMAGED ? err_prefix(err, "nobody can know whether it was rolled back") : err;
}

/* ---- Remembering ---- */

/* With the lock held. That it can't be stored is no failure of the volume; the report says it. */
static void store(struct anchor *a) {
  uint8_t text[LINEAGE_ANCHOR_BYTES];
  a->stored_ms = env_monotonic_ms();
  if (a->stored_is_current)
    return;
  if (lineage_anchor_seal(&a->anchor, a->key, text) != NACRE_OK) {
    a->report.store_error = ENOMEM;
    return;
  }
  a->report.store_error = a->ops->store(a->ctx, a->fingerprint, text, sizeof text);
  a->stored_is_current = a->report.store_error == 0;
}

static void remember(struct anchor *a, const struct lineage_point *latest, const struct lineage_point *settled) {
  if (lineage_point_equal(latest, &a->anchor.latest) && lineage_point_equal(settled, &a->anchor.settled))
    return;
  a->anchor.latest = *latest;
  a->anchor.settled = *settled;
  a->stored_is_current = false;
}

bool anchor_went_back(const struct anchor *a) {
  return a->report.state == NACRE_ANCHOR_CUT_OFF || a->report.state == NACRE_ANCHOR_ACCEPTED;
}

void anchor_opened(struct anchor *a, struct engine *e) {
  struct engine_info info;
  if (a->ops == NULL)
    return;
  engine_get_info(e, &info);
  /* Who only reads leaves no trace in the volume by which an older state that he accepted could be told from another
   * one, so he does not move the anchor back. */
  if ((info.read_only && anchor_went_back(a)) || info.unsettled)
    return;
  pthread_mutex_lock(&a->lock);
  remember(a, &info.here, &info.here);
  a->next_settled = info.here;
  a->next_settled_ms = env_monotonic_ms();
  store(a);
  pthread_mutex_unlock(&a->lock);
}

void anchor_committed(void *arg, struct engine *e) {
  struct anchor *a = arg;
  struct engine_info info;
  if (a->ops == NULL)
    return;
  pthread_mutex_lock(&a->lock);
  const uint64_t now = env_monotonic_ms();
  if (a->stored_ms != 0 && now - a->stored_ms >= TRAIL_MS) {
    struct lineage_point settled = a->anchor.settled;
    engine_get_info(e, &info);
    if (now - a->next_settled_ms >= SETTLE_MS) {
      settled = a->next_settled;
      a->next_settled = info.here;
      a->next_settled_ms = now;
    }
    remember(a, &info.here, &settled);
    store(a);
  }
  pthread_mutex_unlock(&a->lock);
}

void anchor_closing(struct anchor *a, struct engine *e) {
  struct engine_info info;
  engine_get_info(e, &info);
  if (a->ops == NULL || info.read_only)
    return;
  pthread_mutex_lock(&a->lock);
  remember(a, &info.here, &info.here);
  store(a);
  pthread_mutex_unlock(&a->lock);
}

void anchor_get_report(struct anchor *a, struct nacre_anchor_report *out) {
  pthread_mutex_lock(&a->lock);
  *out = a->report;
  pthread_mutex_unlock(&a->lock);
}
