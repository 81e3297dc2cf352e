/* The commit protocol: ring, free space, allocation log, fallback, trim, against storage that crashes, lies and decays.
 *
 * One engine works on one container. Everything that can go wrong is a choice, and spin takes all of them: a power cut
 * between any two steps leaves each write since the last sync kept, dropped or torn; a process can be killed with the
 * host's cache left as it is; a sync can fail (the host then forgets what it could not write); what is opened next is
 * checked against what was promised.
 *
 * What it mirrors, named again where it does:
 *   lib/tree/commit.c: commit_run freeze_closed fill_superblock commit_write commit_publish
 *   lib/tree/ring.c: ring_read find_newest find_parent count_missing ring_write ring_erase_lost ring_erase_others
 *   lib/tree/engine.c: create_in engine_fill_ring engine_fail
 *   lib/tree/engine_open.c: open_in load_newest engine_load_commit check_fixed prepare_writing restate other_set
 *     choose_generation generation_with_slot
 *   lib/tree/alloc.c: alloc_take alloc_give
 *   lib/tree/alloc_log.c: alloc_freeze group_delta alloc_durable alloc_mark_pending
 *   lib/tree/spacelog.c: spacelog_plan plan_record plan_checkpoint encode_map waiting_find spacelog_write
 *   lib/tree/spacelog_load.c: spacelog_load load_checkpoint read_chain apply_record
 *   lib/tree/tree_freeze.c: tree_freeze tree_write_frozen
 *   lib/tree/data.c: data_write data_free
 *   lib/tree/lineage.c: lineage_enter
 *   lib/tree/space.c: space_grow
 *   lib/tree/trim.c: engine_trim
 *   lib/store/file.c: file_sync file_adopt
 *
 * What stands for what:
 *   commit     a number u, for its random id; nobody but its writer can make another with the same contents. What its
 *              superblock holds is in the arrays g_*[u], which no crash touches: a slot holds u, or it holds junk
 *   tree       a root block and one leaf block, the leaf written when it is changed (as data is), the root at the
 *              freeze (as nodes are). A block's contents are a number that only one write ever made: that is what nonce
 *              and tag are for
 *   log        LOG_SETS sets, each a checkpoint and LOG_RECORDS records; its contents are l_a[u], l_b[u]
 *   map        bit b of `used` is block b
 * Scaled down: 4 slots for 8, 8 blocks, 1 or 2 records a set, a bounded number of commits, crashes and faults.
 *
 * With -DBREAK_x one rule is broken; the suite sees to it that spin finds what comes of that. */

#ifndef RING
#define RING 4 /* FORMAT_RING_SLOTS */
#endif
#ifndef BLOCKS
#define BLOCKS 8
#endif
#ifndef SMALL
#define SMALL 5 /* what a trimmed container has */
#endif
#ifndef LOG_RECORDS
#define LOG_RECORDS 1
#endif
#ifndef COMMITS
#define COMMITS 9 /* the first RING of them make the container */
#endif
#ifndef LEAVES
#define LEAVES 4 /* how often a leaf is written */
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef SYNC_FAILURES
#define SYNC_FAILURES 0
#endif
#ifndef LIES
#define LIES 0 /* syncs that do nothing and say that they did */
#endif
#ifndef DECAYS
#define DECAYS 0 /* how often a block of the newest commit turns to junk; with DECAY_BOTH its parent's may too */
#endif
#ifndef FLICKERS
#define FLICKERS 0 /* how often the newest commit seems to be damaged, and isn't the next time */
#endif
#ifndef ATTACKS
#define ATTACKS 0 /* how often any set of slots is destroyed */
#endif
#ifndef BLINKS
#define BLINKS 0 /* how often any set of slots does not open, and is there the next time */
#endif
#ifndef ACCEPTS
#define ACCEPTS 0 /* how often a gap in the ring is accepted */
#endif
#ifndef TRIMS
#define TRIMS 0
#endif
#ifndef LONGS
#define LONGS 0 /* how often a record is too long for what is left of its set */
#endif

#define LOG_SETS 3 /* FORMAT_LOG_SETS */
#if defined(BREAK_LOST)
#define LOST (RING + 1)
#elif defined(BREAK_GONE)
#define LOST (RING - 1)
#else
#define LOST RING /* LOST_GENERATIONS_MAX */
#endif
#define CELLS (LOG_SETS * (1 + LOG_RECORDS))
#define NU (COMMITS + 1) /* commits are 1 to COMMITS */
#define JUNK 255
#define LEAF_ID 100 /* contents of leaves; those of roots are their commit's number */

#define BIT(i) (1 << (i))
#define CELL(set, i) ((set) * (1 + LOG_RECORDS) + (i))
#define SLOT(u) (g_gen[u] % RING)
#define REACH(u) ((u) == 0 -> 0 : (BIT(g_root[u]) | BIT(g_leaf[u])))
#define ALL_BLOCKS (BIT(BLOCKS) - 1)
#define SMALL_BLOCKS (BIT(SMALL) - 1)
#define AREA(is_small) ((is_small) -> SMALL_BLOCKS : ALL_BLOCKS)
#define FREE (AREA(is_small) & ~used)

/* ---- The storage: what the host would give now, and what is durable. `lost`: the host forgot to write it. ---- */

byte s_cur[RING], s_dur[RING];
byte blind; /* slots that this opening does not get to see */
byte b_cur[BLOCKS], b_dur[BLOCKS];
byte l_cur[CELLS], l_dur[CELLS];
short s_lost, b_lost, l_lost;
bool h_cur, h_dur; /* the file is short */

/* ---- What each commit's superblock and log entry say ---- */

byte g_gen[NU], g_par[NU], g_from[NU];
byte g_root[NU], g_rootid[NU], g_leaf[NU], g_leafid[NU];
byte g_set[NU], g_ck[NU], g_count[NU];
byte g_rec[NU * LOG_RECORDS];
bool g_small[NU];
byte l_a[NU], l_b[NU]; /* a record's allocated and freed blocks, or a checkpoint's used and pending ones */

/* ---- The engine's memory ---- */

byte gen;       /* of what runs */
byte durable;   /* the commit that is built upon */
byte ring_from; /* e->ring_from */
byte used, before, freed, pending_old, pending_new;
byte root, rootid, leaf, leafid;
bool root_dirty, leaf_now, is_small, wants_checkpoint, entered, restating;
byte u; /* the commit in flight */

/* ---- Bounds, and what was promised ---- */

byte next_u = 1, next_leaf = 0;
byte crashes, kills, failures, lies, decays, flickers, attacks, blinks, accepts, trims, longs;
bool live;         /* the container is made */
bool handed_out;   /* and open */
byte done_u, try_u; /* the last commit that was acknowledged, and one that may have become durable after it */
byte ever;         /* the highest generation that was ever acknowledged or opened */
bool hurt, hurt_both, flicker, lied, attacked, ever_attacked;
byte newest_true;  /* before the attack, or the blink */
byte undone;       /* the newest commit, destroyed without a gap that shows, and no commit is durable since */
bool accepting;    /* this opening would take a gap */
bool gap_left;     /* one was accepted, and no commit is durable since */
bool blinked, beyond;

hidden byte i, x, n;
hidden short bits;
byte newest, second, highest, missing, opened;
bool fell, ok;

/* ---- Storage operations ---- */

inline write_slot(at, what) {
  s_cur[at] = what;
  blind = blind & ~BIT(at);
  s_lost = s_lost & ~BIT(at)
}

/* Nothing that the newest durable commit or its parent reaches is ever written over. */
inline write_block(at, what) {
  assert((BIT(at) & (REACH(durable) | REACH(g_par[durable]))) == 0);
  b_cur[at] = what;
  b_lost = b_lost & ~BIT(at)
}

inline write_log(at, what) {
  l_cur[at] = what;
  l_lost = l_lost & ~BIT(at)
}

/* store_sync */
inline sync_done() {
  d_step {
    for (i : 0 .. RING - 1) {
      if
      :: (s_lost & BIT(i)) == 0 -> s_dur[i] = s_cur[i]
      :: else
      fi
    }
    for (i : 0 .. BLOCKS - 1) {
      if
      :: (b_lost & BIT(i)) == 0 -> b_dur[i] = b_cur[i]
      :: else
      fi
    }
    for (i : 0 .. CELLS - 1) {
      if
      :: (l_lost & BIT(i)) == 0 -> l_dur[i] = l_cur[i]
      :: else
      fi
    }
    h_dur = h_cur;
    i = 0
  }
}

/* As Linux does since 2018 and did before: each dirty page was written, or is marked clean all the same. */
inline sync_failed() {
  atomic {
    for (i : 0 .. RING - 1) {
      if
      :: s_cur[i] != s_dur[i] -> s_lost = s_lost | BIT(i)
      :: s_dur[i] = s_cur[i]
      fi
    }
    for (i : 0 .. BLOCKS - 1) {
      if
      :: b_cur[i] != b_dur[i] -> b_lost = b_lost | BIT(i)
      :: b_dur[i] = b_cur[i]
      fi
    }
    for (i : 0 .. CELLS - 1) {
      if
      :: l_cur[i] != l_dur[i] -> l_lost = l_lost | BIT(i)
      :: l_dur[i] = l_cur[i]
      fi
    }
    i = 0
  }
}

/* Each dirty cell is kept, dropped or torn; what the host forgot is not there. */
inline power_cut() {
  atomic {
    for (i : 0 .. RING - 1) {
      if
      :: s_cur[i] != s_dur[i] && (s_lost & BIT(i)) == 0 -> s_dur[i] = s_cur[i]
      :: s_cur[i] != s_dur[i] && (s_lost & BIT(i)) == 0 -> s_dur[i] = JUNK
      :: true
      fi;
      s_cur[i] = s_dur[i]
    }
    for (i : 0 .. BLOCKS - 1) {
      if
      :: b_cur[i] != b_dur[i] && (b_lost & BIT(i)) == 0 -> b_dur[i] = b_cur[i]
      :: b_cur[i] != b_dur[i] && (b_lost & BIT(i)) == 0 -> b_dur[i] = JUNK
      :: true
      fi;
      b_cur[i] = b_dur[i]
    }
    for (i : 0 .. CELLS - 1) {
      if
      :: l_cur[i] != l_dur[i] && (l_lost & BIT(i)) == 0 -> l_dur[i] = l_cur[i]
      :: l_cur[i] != l_dur[i] && (l_lost & BIT(i)) == 0 -> l_dur[i] = JUNK
      :: true
      fi;
      l_cur[i] = l_dur[i]
    }
    if
    :: h_dur = h_cur
    :: h_cur = h_dur
    fi;
    cut_off();
    s_lost = 0;
    b_lost = 0;
    l_lost = 0;
    i = 0
  }
}

/* What lies behind the end of a short file is gone. */
inline cut_off() {
  if
  :: h_cur ->
    for (x : SMALL .. BLOCKS - 1) {
      b_cur[x] = JUNK
    }
    if
    :: h_dur ->
      for (x : SMALL .. BLOCKS - 1) {
        b_dur[x] = JUNK
      }
    :: else
    fi
  :: else
  fi;
  x = 0
}

/* file_adopt: clean pages are dropped from the host's cache when a container is opened. */
inline drop_clean_pages() {
  d_step {
#ifndef BREAK_CACHE
    for (i : 0 .. RING - 1) {
      if
      :: (s_lost & BIT(i)) != 0 -> s_cur[i] = s_dur[i]
      :: else
      fi
    }
    for (i : 0 .. BLOCKS - 1) {
      if
      :: (b_lost & BIT(i)) != 0 -> b_cur[i] = b_dur[i]
      :: else
      fi
    }
    for (i : 0 .. CELLS - 1) {
      if
      :: (l_lost & BIT(i)) != 0 -> l_cur[i] = l_dur[i]
      :: else
      fi
    }
    i = 0;
    s_lost = 0;
    b_lost = 0;
    l_lost = 0;
#endif
    skip
  }
}

/* ---- What can happen between any two steps ---- */

#define CRASH_HERE                                                                                                    \
  if                                                                                                                  \
  :: live && (crashes < CRASHES || kills < KILLS) -> goto down                                                        \
  :: true                                                                                                             \
  fi

/* A failed sync is never retried: engine_fail. */
#ifdef BREAK_RETRY
#define AFTER_FAILURE skip
#else
#define AFTER_FAILURE goto failed
#endif

#define SYNC                                                                                                          \
  if                                                                                                                  \
  :: sync_done()                                                                                                      \
  :: live && lies < LIES -> lies++; lied = true                                                                       \
  :: live && failures < SYNC_FAILURES -> failures++; sync_failed(); AFTER_FAILURE                                     \
  fi

/* ---- Running ---- */

/* alloc_take: the lowest that is free. */
inline alloc_take(out) {
  out = 0;
  do
  :: (FREE & BIT(out)) == 0 -> out++
  :: else -> break
  od;
  used = used | BIT(out)
}

/* The root is changed: its place is given back, to wait. */
inline touch_root() {
  if
  :: !root_dirty ->
    freed = freed | BIT(root);
    root_dirty = true
  :: else
  fi
}

/* How many blocks are free, up to 2, in n. */
inline count_free() {
  bits = FREE;
  n = 0;
  do
  :: bits != 0 && n < 2 ->
    bits = bits & (bits - 1);
    n++
  :: else -> break
  od;
  bits = 0
}

/* space_grow */
inline grow() {
  h_cur = false;
  is_small = false
}

#define CAN_WRITE (next_leaf < LEAVES && next_u < NU)

/* data_write, then data_free of what was there: at once where this generation allocated it. */
inline write_leaf() {
  d_step {
    count_free();
    if
    :: n < 2 && is_small ->
      grow();
      count_free()
    :: else
    fi;
    if
    :: n >= 2 ->
      alloc_take(x);
      next_leaf++;
      write_block(x, LEAF_ID + next_leaf);
      if
#ifdef BREAK_FREE_NOW
      :: true -> used = used & ~BIT(leaf)
#else
      :: leaf_now -> used = used & ~BIT(leaf)
      :: else -> freed = freed | BIT(leaf)
#endif
      fi;
      leaf = x;
      leafid = LEAF_ID + next_leaf;
      leaf_now = true;
      touch_root()
    :: else
    fi;
    x = 0;
    n = 0
  }
}

inline change_root() {
  d_step {
    count_free();
    if
    :: n >= 1 -> touch_root()
    :: else
    fi;
    n = 0
  }
}

/* Nobody has the engine before it is open. */
#ifdef BREAK_BUSY
#define BUSY live
#else
#define BUSY handed_out
#endif

inline change_meanwhile() {
  if
  :: BUSY && CAN_WRITE -> write_leaf()
  :: BUSY && !root_dirty && next_u < NU -> change_root()
  :: true
  fi
}

/* ---- A commit: commit_run ---- */

/* other_set, checkpoint_set: the next set, but not where the skipped commit has its checkpoint. */
#ifdef BREAK_MEET
#define NEXT_SET ((g_set[durable] + 1) % LOG_SETS)
#else
#define NEXT_SET                                                                                                      \
  ((g_set[durable] + (restating && g_set[newest] == (g_set[durable] + 1) % LOG_SETS -> 2 : 1)) % LOG_SETS)
#endif

/* alloc_freeze, spacelog_plan: a record where it fits, else a checkpoint in another set. */
inline plan_log() {
  pending_new = freed;
  freed = 0;
  if
  :: wants_checkpoint || durable == 0 || g_count[durable] == LOG_RECORDS ->
#ifdef BREAK_SAME_SET
    g_set[u] = (durable == 0 -> 0 : g_set[durable]);
#else
    g_set[u] = (durable == 0 -> 0 : NEXT_SET);
#endif
    g_ck[u] = u;
    g_count[u] = 0;
    /* plan_checkpoint, waiting_find */
#ifdef BREAK_CHECKPOINT
    l_a[u] = used & ~(pending_old | pending_new);
    l_b[u] = 0;
#else
    l_a[u] = used & ~pending_old;
    l_b[u] = pending_new;
#endif
  :: else ->
    /* plan_record, group_delta */
    g_set[u] = g_set[durable];
    g_ck[u] = g_ck[durable];
    g_count[u] = g_count[durable] + 1;
    for (i : 0 .. LOG_RECORDS - 1) {
      g_rec[u * LOG_RECORDS + i] = (i + 1 == g_count[u] -> u : g_rec[durable * LOG_RECORDS + i])
    }
    l_a[u] = used & ~before;
    l_b[u] = pending_new
  fi;
  wants_checkpoint = false;
  before = used;
  i = 0
}

/* freeze_closed: tree_freeze, spacelog_plan, fill_superblock. */
inline freeze() {
  d_step {
    u = next_u;
    next_u++;
    /* lineage_enter: an opening's first commit changes the tree; restate's doesn't. */
    if
    :: !entered && !restating ->
      touch_root();
      entered = true
    :: else
    fi;
    if
    :: root_dirty ->
      assert(FREE != 0);
      alloc_take(root);
      rootid = u
    :: else
    fi;
    plan_log();
    g_gen[u] = gen;
    g_par[u] = durable;
    g_from[u] = ring_from;
    g_root[u] = root;
    g_rootid[u] = rootid;
    g_leaf[u] = leaf;
    g_leafid[u] = leafid;
    g_small[u] = is_small;
    root_dirty = false;
    leaf_now = false;
    gen++
  }
}

/* tree_write_frozen */
inline write_root() {
  d_step {
    if
    :: g_rootid[u] == u -> write_block(g_root[u], u)
    :: else
    fi
  }
}

/* spacelog_write. No set is written that the newest durable commit or its parent needs. */
inline write_space() {
  d_step {
    x = CELL(g_set[u], g_count[u]);
#ifndef BREAK_SAME_SET
    assert(durable == 0 || x != CELL(g_set[durable], 0));
    /* What lost the skipped one's log would lose this one. */
    assert(!restating || g_set[u] != g_set[newest]);
#endif
    write_log(x, u);
    x = 0
  }
}

/* ring_write */
inline write_superblock() {
  d_step {
    write_slot(SLOT(u), u);
    try_u = u
  }
}

/* No generation is two commits, unless a fallback was told. */
inline note_durable(c) {
  done_u = c;
  try_u = c;
  if
  :: g_gen[c] > ever -> ever = g_gen[c]
  :: else
  fi
}

/* commit_publish: alloc_durable. */
inline publish() {
  d_step {
    assert(lied || ever_attacked || g_gen[u] > ever);
    note_durable(u);
    durable = u;
    hurt = false;
    hurt_both = false;
    attacked = false;
    undone = 0;
    gap_left = false;
    blinked = false;
#ifdef BREAK_REUSE
    pending_old = pending_old | pending_new;
    pending_new = 0;
#endif
    used = used & ~pending_old;
    before = before & ~pending_old;
    pending_old = pending_new;
    pending_new = 0
  }
}

/* commit_write: the order. */
#ifdef BREAK_FIRST_SYNC
#define SYNC_BLOCKS skip
#else
#define SYNC_BLOCKS SYNC
#endif
#ifdef BREAK_SECOND_SYNC
#define SYNC_SUPERBLOCK skip
#else
#define SYNC_SUPERBLOCK SYNC
#endif

#ifdef BREAK_ORDER
#define COMMIT                                                                                                        \
  freeze();                                                                                                           \
  write_superblock();                                                                                                 \
  CRASH_HERE;                                                                                                         \
  SYNC;                                                                                                               \
  CRASH_HERE;                                                                                                         \
  write_root();                                                                                                       \
  write_space();                                                                                                      \
  CRASH_HERE;                                                                                                         \
  SYNC;                                                                                                               \
  publish();                                                                                                          \
  CRASH_HERE
#else
#define COMMIT                                                                                                        \
  freeze();                                                                                                           \
  change_meanwhile();                                                                                                 \
  write_root();                                                                                                       \
  write_space();                                                                                                      \
  CRASH_HERE;                                                                                                         \
  SYNC_BLOCKS;                                                                                                        \
  change_meanwhile();                                                                                                 \
  CRASH_HERE;                                                                                                         \
  write_superblock();                                                                                                 \
  CRASH_HERE;                                                                                                         \
  SYNC_SUPERBLOCK;                                                                                                    \
  publish();                                                                                                          \
  CRASH_HERE
#endif

/* ---- Opening: open_in ---- */

#define VALID(at) ((blind & BIT(at)) == 0 && s_cur[at] != 0 && s_cur[at] < NU && SLOT(s_cur[at]) == at)

/* ring_read, find_newest, count_missing */
inline read_ring() {
  newest = 0;
  second = 0;
  missing = 0;
  for (i : 0 .. RING - 1) {
    if
    :: VALID(i) && (newest == 0 || g_gen[s_cur[i]] > g_gen[newest]) ->
      second = newest;
      newest = s_cur[i]
    :: VALID(i) && newest != 0 && g_gen[s_cur[i]] < g_gen[newest] &&
       (second == 0 || g_gen[s_cur[i]] > g_gen[second]) -> second = s_cur[i]
    :: else
    fi
  }
  highest = g_gen[newest];
#ifndef BREAK_SECOND
  /* The parent, by its id: between the two there may be one that was skipped. */
  second = 0;
  for (i : 0 .. RING - 1) {
    if
    :: VALID(i) && s_cur[i] == g_par[newest] -> second = s_cur[i]
    :: else
    fi
  }
#endif
#ifndef BREAK_GAPS
  for (i : 1 .. RING - 2) {
    if
    :: highest >= g_from[newest] + i ->
      x = (highest - i) % RING;
      missing = missing + (VALID(x) && g_gen[s_cur[x]] == highest - i -> 0 : 1)
    :: else
    fi
  }
#endif
  x = 0;
  i = 0
}

/* load_commit: size, spacelog_load, check_fixed, tree_load_root. Leaves the map in used and pending_old. */
inline load_commit(c) {
  ok = (c != 0 && (!h_cur || g_small[c]));
  if
  :: ok ->
    /* load_checkpoint, read_chain */
    ok = l_cur[CELL(g_set[c], 0)] == g_ck[c];
    used = l_a[g_ck[c]];
    pending_old = l_b[g_ck[c]];
    bits = used;
    x = 0;
    do
    :: x < g_count[c] ->
      n = g_rec[c * LOG_RECORDS + x];
      x++;
      ok = ok && l_cur[CELL(g_set[c], x)] == n && (used & l_a[n]) == 0;
      used = used | l_a[n];
      bits = bits | l_a[n];
      ok = ok && (used & l_b[n]) == l_b[n];
      /* alloc_durable: what is pending from before this record's generation */
      used = used & ~pending_old;
      pending_old = l_b[n]
    :: else -> break
    od;
    ok = ok && (bits & ~AREA(g_small[c])) == 0 && b_cur[g_root[c]] == g_rootid[c]
  :: else
  fi;
  bits = 0;
  x = 0;
  n = 0
}

#define ROOT_THERE(c) (b_cur[g_root[c]] == g_rootid[c] && b_cur[g_leaf[c]] == g_leafid[c])

/* Both are of one opening that filled its ring and was cut. Nobody had the engine yet, so that what these commits hold
 * is the same: whoever destroys some of them undoes nothing. */
#define SAME_FILLING(c, d) (g_from[c] == g_from[d] && g_gen[d] < g_from[d] + RING && g_leafid[c] == g_leafid[d])

/* d restates c's parent and was cut before c was erased: without it c is what it was, and must be whole. */
#define SKIPPED(c, d) (g_gen[d] == g_from[d] && g_par[c] == g_par[d])

/* What an opening that is not refused owes. */
inline check_opened(c) {
  /* One commit, whole: no block of it was used again. */
  assert(lied || b_cur[g_leaf[c]] == g_leafid[c]);
  assert(b_cur[g_root[c]] == g_rootid[c]);
  /* The map says what a walk says. */
  assert((used & ~pending_old) == REACH(c));
  assert((used & pending_old) == pending_old);
  if
  :: attacked && missing == 0 ->
    assert(c == newest_true || c == g_par[newest_true] || c == try_u || SAME_FILLING(c, newest_true) ||
           SKIPPED(c, newest_true))
  :: gap_left && blinked -> /* what is not erased yet may be back */
    assert(c == done_u || c == try_u || (g_gen[c] >= g_gen[done_u] && g_gen[c] <= g_gen[newest_true]))
  :: !attacked && !lied && !hurt && !(gap_left && blinked) -> assert(c == done_u || c == try_u)
  :: !attacked && !lied && hurt ->
    assert(c == done_u || c == try_u || c == g_par[done_u] || c == g_par[try_u] || SKIPPED(c, try_u))
  :: else
  fi;
  /* The parent is whole too, if nothing but crashes happened. */
  if
  :: !attacked && !lied && !hurt && !gap_left && g_par[c] != 0 -> assert(ROOT_THERE(g_par[c]))
  :: else
  fi
}

inline take_commit(c) {
  durable = c;
  ring_from = g_from[c];
  before = used;
  freed = 0;
  pending_new = 0;
#ifdef BREAK_REOPEN
  used = used & ~pending_old;
  before = used;
  pending_old = 0;
#endif
  root = g_root[c];
  rootid = g_rootid[c];
  leaf = g_leaf[c];
  leafid = g_leafid[c];
  is_small = g_small[c];
  root_dirty = false;
  leaf_now = false;
  wants_checkpoint = false;
  entered = false;
  restating = false;
  u = 0
}

#define GEN_IN(at) (VALID(at) -> g_gen[s_cur[at]] : 0)

/* choose_generation, generation_with_slot: never in the slot of what is taken, nor of the newest. */
inline choose_generation() {
  gen = highest + 1 + (fell || missing > 0 -> LOST : 0);
#ifndef BREAK_GONE
  x = 0;
  do
  :: (fell || missing > 0) && x < RING && GEN_IN(gen % RING) >= g_gen[opened] ->
    gen++;
    x++
  :: else -> break
  od;
  do
  :: x == RING && (GEN_IN(gen % RING) == g_gen[opened] || GEN_IN(gen % RING) == highest) -> gen++
  :: else -> break
  od;
  x = 0
#endif
}

/* load_newest: the newest commit, or its parent and no other. */
inline open_ring() {
  d_step {
    read_ring();
    fell = false;
    opened = 0;
    if
    :: missing == 0 || accepting ->
      load_commit(newest);
      ok = ok && !flicker;
      if
      :: ok -> opened = newest
      :: else ->
#ifdef BREAK_FALLBACK
        do
        :: !ok && newest != 0 ->
          newest = g_par[newest];
          if
          :: newest != 0 && s_cur[SLOT(newest)] == newest -> load_commit(newest)
          :: else
          fi
        :: else -> break
        od;
        second = newest;
#else
        load_commit(second);
        ok = ok && second == g_par[newest]; /* where it is not taken by its id */
#endif
        if
        :: ok ->
          opened = second;
          fell = true
        :: else
        fi
      fi
    :: else
    fi;
    /* What reaches further back than the newest commit's parent may have been used again, by one that was begun. Only
     * two damages lead there: superblocks that are gone, or the newest one's and then, before the next commit, a block
     * of its parent. The first alone looks as a cut commit does, and after it nobody can tell that the parent's parent
     * is one too many. What was used again does not authenticate: it is damage, and never read as anything else. */
    beyond = opened != 0 && (missing > 0 || (fell && undone != 0)) && b_cur[g_leaf[opened]] != g_leafid[opened];
    assert(!beyond || !gap_left);
    if
    :: beyond ->
      x = (undone != 0 -> undone : newest_true);
      assert(opened != x && opened != g_par[x]);
      x = 0;
      opened = 0
    :: else
    fi;
    if
    :: opened != 0 ->
      /* A crash alone damages no commit. */
      assert(!fell || hurt || attacked || lied);
      check_opened(opened);
      take_commit(opened);
#ifdef BREAK_SKIP
      gen = g_gen[opened] + 1;
#else
      choose_generation();
#endif
      ring_from = (fell || missing > 0 -> gen : ring_from);
      assert(missing == 0 || attacks + blinks > 1 || gen > ever);
      /* The generations of all that may have been written are left behind. */
      assert(!fell || ever_attacked || gen > ever);
      if
      :: !fell || missing > 0 -> note_durable(opened)
      :: else
      fi;
      /* Who accepts a gap gives up what was newer. From here on a crash must be as harmless as ever. */
      accepts = accepts + (missing > 0 -> 1 : 0);
      attacked = attacked && missing == 0;
      gap_left = missing > 0
    :: else
    fi
  }
}

/* ring_erase_lost: what is above the commit that was taken, and, where superblocks are gone, what did not open. */
inline erase_lost() {
  d_step {
    for (i : 0 .. RING - 1) {
      if
      :: VALID(i) && g_gen[s_cur[i]] > g_gen[opened] && g_gen[s_cur[i]] <= highest -> write_slot(i, JUNK)
#ifndef BREAK_GONE_STAYS
      :: missing > 0 && !VALID(i) -> write_slot(i, JUNK)
#endif
      :: else
      fi
    }
    i = 0
  }
}

/* ring_erase_others */
inline erase_others() {
  d_step {
    for (i : 0 .. RING - 1) {
      if
      :: !VALID(i) || (s_cur[i] != durable && s_cur[i] != g_par[durable]) -> write_slot(i, JUNK)
      :: else
      fi
    }
    i = 0
  }
}

#define ERASE(what)                                                                                                   \
  what();                                                                                                             \
  CRASH_HERE;                                                                                                         \
  SYNC;                                                                                                               \
  CRASH_HERE

/* What time, or a storage that is not what it says, does to a block or the log of the newest commit. */
inline decay() {
  atomic {
    d_step { read_ring() }
    if
    :: newest != 0 && missing == 0 ->
      if
      :: g_rootid[newest] == newest -> b_cur[g_root[newest]] = JUNK; b_dur[g_root[newest]] = JUNK
      :: x = CELL(g_set[newest], g_count[newest]); l_cur[x] = JUNK; l_dur[x] = JUNK; x = 0
      fi;
      hurt = true;
      hurt_both = hurt_both || g_par[newest] == 0 || !ROOT_THERE(g_par[newest]);
#ifdef DECAY_BOTH
      if
      :: g_par[newest] != 0 && g_rootid[g_par[newest]] != g_rootid[newest] ->
        b_cur[g_root[g_par[newest]]] = JUNK;
        b_dur[g_root[g_par[newest]]] = JUNK;
        hurt_both = true
      :: true
      fi
#endif
    :: else
    fi
  }
}

/* Whoever wants an older state back destroys superblocks. */
inline attack() {
  atomic {
    d_step {
      read_ring();
      newest_true = newest
    }
    for (i : 0 .. RING - 1) {
      if
      :: s_cur[i] = JUNK; s_dur[i] = JUNK
      :: true
      fi
    }
    i = 0;
    attacked = true;
    ever_attacked = true
  }
}

/* They don't open this time. */
inline blink() {
  atomic {
    d_step {
      read_ring();
      newest_true = newest
    }
    for (i : 0 .. RING - 1) {
      if
      :: blind = blind | BIT(i)
      :: true
      fi
    }
    i = 0;
    attacked = true;
    ever_attacked = true;
    blinked = true
  }
}

active proctype engine() {
  /* create_in, and the commit that makes the root folder: the ring is full. */
  d_step {
    gen = 1;
    ring_from = 1;
    alloc_take(leaf);
    leafid = LEAF_ID;
    b_cur[leaf] = LEAF_ID;
    alloc_take(root);
    root_dirty = true;
    entered = true;
    used = used & ~BIT(root)
  }
  do
  :: next_u <= RING + 1 -> COMMIT
  :: else -> break
  od;
  live = true;

running:
  handed_out = true;
  do
  :: CAN_WRITE -> write_leaf()
  :: !root_dirty && next_u < NU -> change_root()
  :: next_u < NU && (root_dirty || (pending_old | freed) != 0) -> COMMIT
  :: longs < LONGS && !wants_checkpoint && root_dirty ->
    longs++;
    wants_checkpoint = true
  :: crashes < CRASHES || kills < KILLS -> goto down
  :: decays < DECAYS || flickers < FLICKERS || attacks < ATTACKS || blinks < BLINKS -> goto opening
#if TRIMS > 0
  :: !is_small && trims < TRIMS && !root_dirty && next_u + 4 <= NU -> goto trim
#endif
  :: else -> goto end
  od;

#if TRIMS > 0
trim: /* engine_trim, with nothing else going on; then the volume is closed */
  trims++;
  handed_out = false;
  COMMIT;
  COMMIT;
  if
  :: (used & ~SMALL_BLOCKS) != 0 -> goto running
  :: else
  fi;
#ifdef BREAK_TRIM_FIRST
  d_step { h_cur = true; cut_off() }
#endif
  is_small = true; /* alloc_shrink */
#ifndef BREAK_TRIM_RECORD
  wants_checkpoint = true;
#endif
  COMMIT;
#ifndef BREAK_TRIM_ONE
  COMMIT;
#endif
  d_step { h_cur = true; cut_off() }
  CRASH_HERE;
  SYNC;
  CRASH_HERE;
  goto opening;
#endif

failed: /* engine_fail: nothing more is written; the volume is closed, or the machine goes down */
  if
  :: power_cut()
  :: true
  fi;
  goto opening;

down:
  if
  :: crashes < CRASHES -> crashes++; power_cut()
  :: kills < KILLS -> kills++
  fi;

opening:
  handed_out = false;
  blind = 0;
  accepting = false;
  drop_clean_pages();
#ifndef BREAK_OPEN_SYNC
  SYNC;
#endif
  if
  :: decays < DECAYS -> decays++; decay()
  :: flickers < FLICKERS -> flickers++; flicker = true; hurt = true
  :: attacks < ATTACKS -> attacks++; attack()
  :: blinks < BLINKS && !gap_left -> blinks++; blink()
  :: true
  fi;
  if
  :: accepts < ACCEPTS -> accepting = true
  :: true
  fi;
  open_ring();
  flicker = false;
  if
  :: blind != 0 && missing == 0 -> goto end /* no gap: the newest one looks torn, and nothing is accepted */
  :: else
  fi;
  if
  :: opened != 0 && attacked && !blinked ->
    d_step {
      undone = (undone == 0 && newest != newest_true -> newest_true : undone);
      newest_true = newest /* a fallback leaves it in its slot until it is settled */
    }
  :: else
  fi;
  if
  :: opened == 0 ->
    /* A crash is no reason to refuse, nor is what one decayed commit takes with it. */
    assert(attacked || lied || hurt_both || beyond || (gap_left && missing > 0 && !accepting));
    goto end
  :: else
  fi;
#ifdef BREAK_ERASE_FIRST
#define MUST_ERASE_FIRST (fell || missing > 0)
#else
#define MUST_ERASE_FIRST (missing > 0)
#endif
  if
  :: MUST_ERASE_FIRST -> ERASE(erase_lost)
  :: else
  fi;
  if
  :: fell && next_u >= NU -> goto end
  :: fell && next_u < NU ->
    /* restate */
#ifndef BREAK_RESTATE
    restating = true;
    wants_checkpoint = true;
#endif
    COMMIT;
    restating = false
  :: else
  fi;
#ifdef BREAK_RESUME
#define MUST_ERASE_OTHERS fell
#elif defined(BREAK_ERASE)
#define MUST_ERASE_OTHERS false
#else
#define MUST_ERASE_OTHERS (g_gen[durable] == ring_from)
#endif
  if
  :: MUST_ERASE_OTHERS ->
#ifdef BREAK_COMMIT_FIRST
    if
    :: next_u >= NU -> goto end
    :: else
    fi;
    COMMIT;
#endif
    ERASE(erase_others)
  :: else
  fi;
#ifndef BREAK_FILL
  /* engine_fill_ring */
  do
  :: g_gen[durable] < ring_from + RING && next_u < NU -> COMMIT
  :: g_gen[durable] < ring_from + RING && next_u == NU -> goto end
  :: else -> break
  od;
#endif
  goto running;

end:
  skip
}
