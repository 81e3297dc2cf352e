/* Changing the header: two copies, one after the other, then the superblock that demands the new one.
 *
 * Mirrors:
 *   lib/ops/header_change.c: header_change_begin header_change_commit
 *   lib/ops/headers.c: headers_write headers_write_copy headers_read
 *   lib/ops/unlock.c: choose
 *   lib/ops/volume.c: repair_headers open_unlocked
 *   lib/tree/engine_open.c: check_header engine_load_commit
 *   lib/tree/committer.c: engine_commit_header
 *   lib/tree/commit.c: fill_superblock
 *
 * A header h has a sequence, h_seq[h], and says which credential opens it: each change replaces the only one, so that
 * credential h opens header h and no other. A copy is much longer than what storage writes at once: cut, it may be torn.
 * A superblock is one header's number: its sequence and its MAC. What commits do besides is in commit.pml; here one is
 * a write that a power cut keeps, drops or tears, and the slot of the one before stays. */

#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef CRASHES
#define CRASHES 3
#endif
#define NH (CHANGES + 2)
#define JUNK 255

byte h_seq[NH];
byte c_cur[2], c_dur[2]; /* the copies: a header's number */
byte s_cur[2], s_dur[2]; /* the newest two slots of the ring, in turn; s_gen tells which is newer */
byte s_gen_cur[2], s_gen_dur[2];
byte next_h = 2, crashes, i;
byte acknowledged = 1; /* the header whose change returned to its caller */
byte begun = 1;        /* one that was begun after it */
byte opened, have, due;
byte gen = 1;

#define CRASH_HERE                                                                                                    \
  if                                                                                                                  \
  :: crashes < CRASHES -> goto down                                                                                   \
  :: true                                                                                                             \
  fi

inline sync() {
  d_step {
    for (i : 0 .. 1) {
      c_dur[i] = c_cur[i];
      s_dur[i] = s_cur[i];
      s_gen_dur[i] = s_gen_cur[i]
    }
    i = 0
  }
}

inline power_cut() {
  atomic {
    for (i : 0 .. 1) {
      if
      :: c_cur[i] != c_dur[i] -> c_dur[i] = c_cur[i]
      :: c_cur[i] != c_dur[i] -> c_dur[i] = JUNK
      :: true
      fi;
      c_cur[i] = c_dur[i];
      if
      :: s_gen_cur[i] != s_gen_dur[i] ->
        s_dur[i] = s_cur[i];
        s_gen_dur[i] = s_gen_cur[i]
      :: s_gen_cur[i] != s_gen_dur[i] -> s_gen_dur[i] = 0
      :: true
      fi;
      s_cur[i] = s_dur[i];
      s_gen_cur[i] = s_gen_dur[i]
    }
    i = 0
  }
}

/* headers_write_copy */
#ifdef BREAK_COPY_SYNC
#define WRITE_COPY(which, what)                                                                                       \
  c_cur[which] = what;                                                                                                \
  CRASH_HERE
#else
#define WRITE_COPY(which, what)                                                                                       \
  c_cur[which] = what;                                                                                                \
  CRASH_HERE;                                                                                                         \
  sync();                                                                                                             \
  CRASH_HERE
#endif

/* engine_commit_header, as far as the ring goes */
#define COMMIT(what)                                                                                                  \
  d_step {                                                                                                            \
    gen++;                                                                                                            \
    s_cur[gen % 2] = what;                                                                                            \
    s_gen_cur[gen % 2] = gen                                                                                          \
  }                                                                                                                   \
  CRASH_HERE;                                                                                                         \
  sync();                                                                                                             \
  CRASH_HERE

#define AUTHENTIC(which) (c_cur[which] != JUNK)

active proctype volume() {
  d_step {
    h_seq[1] = 1;
    c_cur[0] = 1;
    c_cur[1] = 1;
    s_cur[gen % 2] = 1;
    s_gen_cur[gen % 2] = gen
  }
  sync();

opening:
  skip;
  d_step {
    /* choose: the newest authentic copy */
    have = JUNK;
    if
    :: AUTHENTIC(0) -> have = c_cur[0]
    :: else
    fi;
    if
    :: AUTHENTIC(1) && (have == JUNK || h_seq[c_cur[1]] > h_seq[have]) -> have = c_cur[1]
    :: else
    fi;
    gen = (s_gen_cur[0] > s_gen_cur[1] -> s_gen_cur[0] : s_gen_cur[1]);
    due = s_cur[gen % 2];
    /* A crash never leaves a volume that nobody can open. */
    assert(have != JUNK);
    /* check_header: not older than what is demanded, and of that very sequence not another */
    assert(h_seq[have] >= h_seq[due]);
    assert(h_seq[have] != h_seq[due] || have == due);
    /* The credential that was replaced last opens nothing, and the one that took its place does: unless that change was
     * cut, and then either. */
    assert(have == acknowledged || have == begun);
    opened = have;
    acknowledged = have;
    begun = have
  }
  /* repair_headers: what was left behind, and then the superblock that demands it */
#ifndef BREAK_REPAIR
  if
  :: c_cur[0] != opened || c_cur[1] != opened ->
    if
    :: c_cur[0] != opened -> WRITE_COPY(0, opened)
    :: else
    fi;
    if
    :: c_cur[1] != opened -> WRITE_COPY(1, opened)
    :: else
    fi;
    COMMIT(opened)
  :: else
  fi;
#endif

  do
  :: next_h < NH ->
    /* header_change_commit: sequence one higher than the header that was opened or written last */
    d_step {
      begun = next_h;
      next_h++;
      h_seq[begun] = h_seq[opened] + 1
    }
#ifdef BREAK_SUPERBLOCK_FIRST
    COMMIT(begun);
    WRITE_COPY(0, begun);
    WRITE_COPY(1, begun);
#else
#ifdef BREAK_BOTH_AT_ONCE
    c_cur[0] = begun;
    c_cur[1] = begun;
    CRASH_HERE;
    sync();
    CRASH_HERE;
#else
    WRITE_COPY(0, begun);
    WRITE_COPY(1, begun);
#endif
#ifndef BREAK_NO_SUPERBLOCK
    COMMIT(begun);
#endif
#endif
    d_step {
      opened = begun;
      acknowledged = begun
    }
#ifdef CHECK_OLD_COPY
    /* Whoever has the header of before puts it back, both copies of it. */
    d_step {
      due = s_cur[gen % 2];
      assert(h_seq[due] >= h_seq[opened])
    }
#endif
  :: crashes < CRASHES -> goto down
  :: else -> goto end
  od;

down:
  crashes++;
  power_cut();
  goto opening;

end:
  skip
}
