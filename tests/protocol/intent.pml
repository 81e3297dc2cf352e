/* The intent log's model: records behind a commit, in halves that take turns, against power cuts, killed processes and
 * a newest commit that is damaged. What commits themselves promise is commit.pml's: here one is written whole, and its
 * superblock is there or not.
 *
 * What it mirrors, named again where it does:
 *   lib/tree/intent.c: intent_run must_commit capture write_record intent_committed
 *   lib/tree/intent_replay.c: intent_find find_all open_head engine_replay
 *   lib/tree/commit.c: commit_run fill_superblock commit_publish
 *   lib/tree/engine_open.c: open_in load_newest restate prepare_writing
 *
 * What stands for what:
 *   content    a number, `now`, that each change raises. Whoever reads the volume sees one number: so nothing is mixed
 *   commit     a number u: c_now[u] is what it holds; c_id and c_half are its superblock's. An id is the number of the
 *              commit that drew it, and nobody else draws it
 *   record     a number r in a cell of a half; r_id, r_at (its number in its log) and r_prev (the tag of the one before)
 *
 * What must hold: an opening finds no less than what was fsynced last, and nothing that never was; where the newest
 * commit is damaged, no less than what was fsynced before that commit began. */

#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef DECAYS
#define DECAYS 0
#endif
#ifndef COMMITS
#define COMMITS 7
#endif
#ifndef RECORDS
#define RECORDS 4
#endif
#ifndef CHANGES
#define CHANGES 4
#endif

#define CELLS 2 /* of a half: records of one unit */
#define NC (COMMITS + 1)
#define NR (RECORDS + 1)
#define JUNK 255
#define AT(half, i) ((half) * CELLS + (i))

byte s_cur, s_dur; /* the newest superblock */
byte l_cur[2 * CELLS], l_dur[2 * CELLS];

byte c_now[NC], c_id[NC], c_half[NC], c_par[NC], c_acked[NC];
byte r_now[NR], r_id[NR], r_at[NR], r_prev[NR];

byte now, frozen, acked, ever;
byte durable, used, last, found, opened;
bool own, pending, fell, restating;
byte next_c = 1, next_r = 1, changes, crashes, kills, decays;
byte i, u;
bool more;

/* ---- The storage ---- */

inline store_sync() {
  d_step {
    s_dur = s_cur;
    for (i : 0 .. 2 * CELLS - 1) { l_dur[i] = l_cur[i] }
    i = 0
  }
}

inline power_cut() {
  atomic {
    if
    :: s_cur = s_dur
    :: true
    fi;
    i = 0;
    do
    :: i < 2 * CELLS ->
      if
      :: l_cur[i] != l_dur[i] -> l_cur[i] = l_dur[i]
      :: l_cur[i] != l_dur[i] -> l_cur[i] = JUNK
      :: true
      fi;
      i++
    :: else -> break
    od;
    i = 0
  }
}

#define CAN_CRASH (crashes < CRASHES || kills < KILLS)
#define CRASH_HERE                                                                                                    \
  if                                                                                                                  \
  :: CAN_CRASH -> goto down                                                                                           \
  :: true                                                                                                             \
  fi

/* ---- A commit: commit_run ---- */

/* fill_superblock: what was found in the log and is not in the tree as yet stays named. */
inline freeze(content) {
  d_step {
    u = next_c;
    next_c++;
    c_now[u] = content;
    c_par[u] = durable;
    c_acked[u] = acked;
#ifdef BREAK_PENDING
    if
    :: false ->
#else
    if
    :: pending ->
#endif
      c_id[u] = c_id[durable];
      c_half[u] = c_half[durable]
    :: else ->
      c_id[u] = u;
#ifdef BREAK_HALF
      c_half[u] = 0
#else
      c_half[u] = 1 - c_half[durable]
#endif
    fi
  }
}

/* commit_publish, intent_committed */
inline publish() {
  d_step {
    durable = u;
    used = 0;
    last = 0;
    own = !pending
  }
}

#define COMMIT(content)                                                                                               \
  freeze(content);                                                                                                    \
  CRASH_HERE;                                                                                                         \
  store_sync();                                                                                                       \
  s_cur = u;                                                                                                          \
  CRASH_HERE;                                                                                                         \
  store_sync();                                                                                                       \
  publish();                                                                                                          \
  CRASH_HERE

/* ---- A record: intent_run, capture, write_record ---- */

inline write_record() {
  d_step {
    r_now[next_r] = now;
    r_id[next_r] = c_id[durable];
    r_at[next_r] = used;
    r_prev[next_r] = last;
    l_cur[AT(c_half[durable], used)] = next_r;
    last = next_r;
    next_r++;
    used++;
    frozen = now
  }
}

#define MAY_RECORD (own && used < CELLS && next_r < NR) /* must_commit */

/* ---- Opening ---- */

/* open_head: of this id, in its place, behind the one before. */
#ifdef BREAK_ID
#define IS_NEXT(r) ((r) != 0 && (r) != JUNK && r_at[r] == used)
#else
#define IS_NEXT(r) ((r) != 0 && (r) != JUNK && r_id[r] == c_id[opened] && r_at[r] == used && r_prev[r] == last)
#endif

/* intent_find, find_all */
inline find_log() {
  d_step {
    used = 0;
    last = 0;
    found = c_now[opened];
    more = true;
    do
    :: more && used < CELLS ->
      u = l_cur[AT(c_half[opened], used)];
      more = IS_NEXT(u);
      if
      :: more ->
        found = r_now[u];
        last = u;
        used++
      :: else
      fi
    :: else -> break
    od;
    pending = used > 0;
    u = 0
  }
}

active proctype engine() {
  d_step { c_id[0] = 0; c_half[0] = 1 }
  COMMIT(0);

running:
  do
  :: changes < CHANGES -> d_step { changes++; now++; ever = (now > ever -> now : ever) }
  :: now > acked && MAY_RECORD -> /* engine_sync */
    write_record();
    CRASH_HERE;
#ifndef BREAK_SYNC
    store_sync();
#endif
    acked = frozen;
    CRASH_HERE
  :: next_c < NC ->
    frozen = now;
    COMMIT(frozen);
    acked = frozen
  :: CAN_CRASH -> goto down
  :: else -> goto end
  od;

down:
  if
  :: crashes < CRASHES -> crashes++; power_cut()
  :: kills < KILLS -> kills++
  fi;

  /* open_in: what is read must be durable. */
  store_sync();
  fell = false;
  opened = s_cur;
  if
  :: opened == 0 -> goto end
  :: else
  fi;
  if
  :: decays < DECAYS && c_par[opened] != 0 -> /* load_newest: its parent, with the parent's log */
    decays++;
    d_step {
      fell = true;
      acked = c_acked[opened];
      opened = c_par[opened]
    }
  :: true
  fi;
  durable = opened;
  find_log();
  assert(found >= acked);
  assert(found <= ever);
  assert(found >= c_now[opened]);
  now = found;
  frozen = c_now[opened];
  acked = found; /* whoever reads it now may rely on it */
  own = false;
  if
  :: fell && next_c + 1 >= NC -> goto end
  :: fell && next_c + 1 < NC ->
    /* restate, engine_fill_ring: the commit's own content. No other superblock is left behind it. */
    COMMIT(frozen);
    COMMIT(frozen)
  :: else
  fi;
  pending = false; /* engine_replay: `now` is what was found */
  own = false;
  goto running;

end:
  skip
}
