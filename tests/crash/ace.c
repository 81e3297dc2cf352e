/* All sequences of up to three operations, each with all states that a power cut can leave of it. */
#include "crash/ace_ops.h"
#include "crash/looker.h"
#include "support/report.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES (24u << 20)
/* Workloads on a base of one age, so that all places of the ring and the log are met. */
#define WORKLOADS_AN_AGE 16u

struct sequence {
  unsigned ops[ACE_LENGTH_MAX];
  unsigned length;
};

struct bench {
  struct session session; /* its disk is the base, but while a workload runs */
  struct states_count counts;
  struct states_plan plan;
  struct prng prng;
  struct ace ace;
  struct looker looker;
  unsigned long workloads;
};

/* ---- One workload ---- */

static void record(struct bench *b, const struct sequence *q) {
  struct ace *a = &b->ace;
  struct session *s = &b->session;
  const struct vault vault = {.ops = &recorder_ops, .ctx = &s->recorder, .cred = s->cred};
  report_must(vault_open(&vault, false, &a->vol), "opening it");
  session_mark(s, &a->shadow, a->vol, "open", true);
  for (unsigned i = 0; i < q->length; i++) {
    ace_op_run(a, q->ops[i]);
    session_mark(s, &a->shadow, a->vol, ace_op_name(q->ops[i]), ace_op_is_sync(q->ops[i]));
  }
  ace_close_kept(a);
  report_must(nacre_volume_close(a->vol), "closing it");
  session_mark(s, &a->shadow, NULL, "close", true);
}

static void run_sequence(struct bench *b, const struct sequence *q) {
  struct disk *disk = &b->session.disk;
  report_within("%s%s%s%s%s", ace_op_name(q->ops[0]), q->length > 1 ? ", " : "",
                q->length > 1 ? ace_op_name(q->ops[1]) : "", q->length > 2 ? ", " : "",
                q->length > 2 ? ace_op_name(q->ops[2]) : "");
  shadow_init(&b->ace.shadow, 0755);
  ace_populate_shadow(&b->ace.shadow);
  disk_mark(disk);
  record(b, q);
  disk_rewind(disk);
  looker_cut(&b->looker, &b->session, disk, &b->plan, &b->prng, &b->counts);
  session_clear(&b->session);
  shadow_free(&b->ace.shadow);
}

/* ---- The base ---- */

static void make_base(struct bench *b) {
  struct session *s = &b->session;
  const struct vault vault = {.ops = &disk_ops, .ctx = &s->disk, .cred = s->cred, .chunk_bytes = ACE_CHUNK_BYTES};
  nacre_volume *vol;
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it to fill it");
  ace_populate(vol);
  report_must(nacre_volume_close(vol), "closing it");
}

/* One commit more, of nothing. */
static void age_base(struct bench *b) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &b->session.disk, .cred = b->session.cred};
  const struct nacre_attr attr = {.struct_size = sizeof attr, .mode = 0755};
  nacre_volume *vol;
  report_must(vault_open(&vault, false, &vol), "opening it once more");
  report_must(nacre_setattr(vol, "", &attr, NACRE_SET_MODE), "setting the mode of the root folder");
  report_must(nacre_volume_close(vol), "closing it once more");
}

/* ---- All workloads ---- */

/* The shadow of a sequence tells which ones can be. */
static bool is_possible(const struct sequence *q) {
  static struct shadow s;
  bool possible = true;
  shadow_init(&s, 0755);
  ace_populate_shadow(&s);
  for (unsigned i = 0; i < q->length && possible; i++) {
    possible = ace_op_is_possible(&s, q->ops[i]);
    if (possible)
      ace_op_model(&s, q->ops[i]);
  }
  shadow_free(&s);
  return possible;
}

/* The number'th sequence of that length. */
static struct sequence sequence_of(unsigned length, unsigned long number) {
  struct sequence q = {.length = length};
  for (unsigned i = length; i-- > 0; number /= ace_op_count())
    q.ops[i] = (unsigned)(number % ace_op_count());
  return q;
}

/* What takes time for a few sequences only is done with the shortest. */
static const struct states_plan plans[] = {
    {.choose_max = 7},
    {.depth = 2, .depth_lied = REPORT_SLOWNESS < 4 ? 1 : 0, .lies = LIES_ANY_LOST, .choose_max = 7, .tears = 8},
    {.depth = 1, .lies = LIES_ANY_LOST, .choose_max = 7, .tears = 8},
    {.depth = 1, .lies = LIES_ANY_LOST, .choose_max = 7, .tears = 3},
};

/* All sequences of that length, or one of `every` by chance. */
static void run_length(struct bench *b, unsigned length, unsigned every, uint64_t seed) {
  struct prng chance = {.state = seed};
  unsigned long all = 1, possible = 0, run = 0;
  b->counts = (struct states_count){0};
  b->plan = plans[length];
  for (unsigned i = 0; i < length; i++)
    all *= ace_op_count();
  for (unsigned long number = 0; number < all; number++) {
    struct sequence q = sequence_of(length, number);
    if (!is_possible(&q))
      continue;
    possible++;
    if (every > 1 && prng_below(&chance, every) != 0)
      continue;
    run_sequence(b, &q);
    run++;
    if (++b->workloads % WORKLOADS_AN_AGE == 0)
      age_base(b);
  }
  report_ok("%lu of %lu sequences of length %u (seed %llu): %lu states, %lu of them during openings and %lu after a "
            "sync that lied; %lu opened, the others differ from those in nothing that is read",
            run, possible, length, (unsigned long long)seed, b->counts.states, b->counts.nested, b->counts.lied,
            b->counts.opened);
}

/* --deep [SEED], or NACRE_TORTURE in the environment: all of length 3, too. */
int main(int argc, char **argv) {
  static struct bench b;
  static const unsigned sampled[] = {1, REPORT_SLOWNESS, REPORT_SLOWNESS * 2 - 1, 24 * REPORT_SLOWNESS};
  bool deep = getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0);
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  vault_setup();
  nacre_credential *cred = vault_key(1);
  session_init(&b.session, SIZE_BYTES, cred);
  b.prng.state = seed;
  make_base(&b);
  for (unsigned length = 1; length <= ACE_LENGTH_MAX; length++)
    run_length(&b, length, deep ? 1 : sampled[length], seed);
  session_free(&b.session);
  nacre_credential_free(cred);
  return 0;
}
