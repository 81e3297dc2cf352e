/* Who commits when, and what a caller of fsync may believe: callers share commits, the clock commits too, and changes go
 * on meanwhile.
 *
 * Mirrors:
 *   lib/tree/committer.c: engine_commit share run_unlocked right_take right_give committer_main engine_pause engine_resume
 *   lib/tree/commit.c: commit_run freeze_closed commit_write commit_publish commit_is_needed
 *   lib/tree/gate.c: gate_enter gate_leave gate_close gate_open
 *   lib/tree/engine.c: engine_fail engine_check_writable
 *
 * A change is a number, done inside the gate; a commit takes all that were done when it froze. What is in the storage
 * is the set `stored`. */

#ifndef CALLERS
#define CALLERS 3
#endif
#ifndef TICKS
#define TICKS 1 /* commits by the clock */
#endif
#ifndef PAUSES
#define PAUSES 1 /* checks that keep changes out: nacre verify */
#endif
#ifndef FAILURES
#define FAILURES 0
#endif
#define BIT(i) (1 << (i))

byte changed, frozen, stored; /* sets of changes */
bool gate_closed;
byte inside;
bool committing, result_bad, failed, paused;
byte started, ended;
byte lock; /* commit_lock */
byte failures;
byte in_commit; /* how many run one */

inline take(l) { atomic { l == 0 -> l = 1 } }
inline give(l) { l = 0 }

/* commit_run. `hold` leaves the gate closed. */
inline commit_run(hold) {
  in_commit++;
  assert(in_commit == 1);
  if
  :: failed -> result_now = true
  :: else ->
    result_now = false;
    gate_closed = true;
#ifndef BREAK_GATE
    inside == 0;
#endif
    needed = changed != 0;
    if
    :: needed ->
      frozen = changed;
      changed = 0
    :: else
    fi;
    if
    :: !hold -> gate_closed = false
    :: else
    fi;
    if
    :: needed ->
      if
      :: stored = stored | frozen
      :: failures < FAILURES ->
        failures++;
        failed = true;
        result_now = true
      fi
    :: else
    fi
  fi;
  in_commit--
}

/* With the lock and the right. */
inline run_unlocked() {
  started++;
  number = started;
#ifdef BREAK_EARLY
  ended = number;
#endif
  give(lock);
  commit_run(false);
  take(lock);
  ended = number;
  result_bad = result_now
}

/* engine_commit: one that starts after this call covers what the caller did; one that already runs may not. */
inline engine_commit() {
  take(lock);
#ifdef BREAK_JOIN
  wanted = (committing -> started : started + 1);
#else
  wanted = started + 1;
#endif
  do
  :: ended >= wanted -> break
  :: ended < wanted && committing ->
    give(lock);
    atomic { lock == 0 && (!committing || ended >= wanted) -> lock = 1 }
  :: ended < wanted && !committing ->
    committing = true;
    run_unlocked();
    committing = false
  od;
  bad = result_bad;
  give(lock)
}

proctype caller(byte me) {
  byte wanted, number;
  bool needed, result_now, bad;
  /* txn_begin, a change, txn_end */
  atomic { !gate_closed -> inside++ }
#ifdef BREAK_GATE
  skip;
#endif
  changed = changed | BIT(me);
  inside--;
  /* fsync */
  engine_commit();
  /* It is stored, or the caller is told that it may not be. */
  assert(bad || (stored & BIT(me)) != 0);
  assert(!bad || failed)
}

proctype clock() {
  byte number, n;
  bool needed, result_now;
  for (n : 1 .. TICKS) {
    take(lock);
    if
    :: !committing ->
      committing = true;
      run_unlocked();
      committing = false
    :: else
    fi;
    give(lock)
  }
}

#if PAUSES > 0
proctype checker() {
  byte n, before;
  bool needed, result_now;
  for (n : 1 .. PAUSES) {
    /* engine_pause */
    atomic { lock == 0 && !committing -> committing = true };
    commit_run(true);
    if
    :: !failed ->
      paused = true;
      /* Nothing changes, and all is stored. */
      before = stored;
      assert(changed == 0);
      assert(stored == before);
      paused = false
    :: else
    fi;
    /* engine_resume */
    gate_closed = false;
    committing = false
  }
}
#endif

init {
  byte n;
  atomic {
    for (n : 1 .. CALLERS) {
      run caller(n)
    }
#if PAUSES > 0
    run checker();
#endif
    run clock()
  }
}
