#!/bin/sh
# The commit protocol's model, exhaustively: with each kind of misfortune, and with each of its rules broken.
# timeout: 900
. "$(dirname "$0")/protocol_lib.sh"

names_exist commit.pml

if [ -n "${NACRE_TORTURE-}" ]; then
  deep() { holds "$@"; }
else
  deep() { :; }
fi

holds "power cuts" commit.pml -DCRASHES=2 -DCOMMITS=7 -DLEAVES=3
holds "power cuts, sets of two records" commit.pml -DCRASHES=1 -DCOMMITS=8 -DLEAVES=3 -DLOG_RECORDS=2
holds "killed processes" commit.pml -DCRASHES=1 -DKILLS=1 -DCOMMITS=7 -DLEAVES=2
holds "failing syncs" commit.pml -DCRASHES=1 -DSYNC_FAILURES=1 -DCOMMITS=7 -DLEAVES=2
holds "lying syncs" commit.pml -DCRASHES=1 -DLIES=2 -DCOMMITS=7 -DLEAVES=1
holds "decay of the newest commit" commit.pml -DCRASHES=1 -DDECAYS=2 -DCOMMITS=9 -DLEAVES=1
holds "decay that is none the next time" commit.pml -DCRASHES=1 -DFLICKERS=1 -DCOMMITS=8 -DLEAVES=2
holds "decay, and cuts of what follows" commit.pml -DCRASHES=2 -DDECAYS=1 -DCOMMITS=9 -DLEAVES=1
holds "destroyed superblocks" commit.pml -DCRASHES=1 -DATTACKS=1 -DCOMMITS=8 -DLEAVES=1
holds "destroyed superblocks after a fallback" commit.pml -DCRASHES=0 -DDECAYS=1 -DATTACKS=1 -DCOMMITS=11 -DLEAVES=1
holds "destroyed superblocks in a fallback" commit.pml -DFLICKERS=1 -DATTACKS=1 -DLONGS=1 -DLOG_RECORDS=2 -DCRASHES=1 -DCOMMITS=8 \
  -DLEAVES=1
holds "an accepted gap" commit.pml -DCRASHES=1 -DATTACKS=1 -DACCEPTS=2 -DCOMMITS=9 -DLEAVES=1
holds "a gap after an accepted one" commit.pml -DCRASHES=0 -DATTACKS=2 -DACCEPTS=1 -DCOMMITS=11 -DLEAVES=1
holds "an accepted gap that was none" commit.pml -DCRASHES=1 -DBLINKS=1 -DACCEPTS=2 -DCOMMITS=9 -DLEAVES=1
holds "trim" commit.pml -DCRASHES=1 -DTRIMS=1 -DCOMMITS=10 -DLEAVES=2
holds "trim and decay" commit.pml -DCRASHES=0 -DTRIMS=1 -DDECAYS=1 -DCOMMITS=11 -DLEAVES=1

deep "deep: power cuts" commit.pml -DCRASHES=3 -DCOMMITS=9 -DLEAVES=4
deep "deep: killed processes" commit.pml -DCRASHES=2 -DKILLS=1 -DCOMMITS=8 -DLEAVES=3
deep "deep: failing syncs" commit.pml -DCRASHES=2 -DSYNC_FAILURES=1 -DCOMMITS=8 -DLEAVES=3
deep "deep: decay" commit.pml -DCRASHES=2 -DDECAYS=2 -DCOMMITS=11 -DLEAVES=1
deep "deep: destroyed superblocks" commit.pml -DCRASHES=1 -DDECAYS=1 -DATTACKS=1 -DCOMMITS=12 -DLEAVES=1
deep "deep: destroyed superblocks in a fallback" commit.pml -DFLICKERS=1 -DATTACKS=1 -DLONGS=1 -DLOG_RECORDS=2 -DCRASHES=2 -DCOMMITS=8 \
  -DLEAVES=1
deep "deep: trim" commit.pml -DCRASHES=1 -DTRIMS=1 -DDECAYS=1 -DCOMMITS=12 -DLEAVES=2

caught "no sync before the superblock" commit.pml -DBREAK_FIRST_SYNC -DCRASHES=1 -DCOMMITS=7
caught "no sync after it" commit.pml -DBREAK_SECOND_SYNC -DCRASHES=1 -DCOMMITS=7
caught "the superblock first" commit.pml -DBREAK_ORDER -DCRASHES=1 -DCOMMITS=7
caught "space is used again after one commit" commit.pml -DBREAK_REUSE -DCRASHES=1 -DCOMMITS=8
caught "space is used again at once" commit.pml -DBREAK_FREE_NOW -DCRASHES=1 -DCOMMITS=7
caught "what is pending is free after a reopening" commit.pml -DBREAK_REOPEN -DCRASHES=1 -DCOMMITS=8
caught "a checkpoint forgets what is pending" commit.pml -DBREAK_CHECKPOINT -DCRASHES=1 -DCOMMITS=8
caught "a checkpoint in the set in use" commit.pml -DBREAK_SAME_SET -DCRASHES=1 -DCOMMITS=7
caught "a failed sync is tried again" commit.pml -DBREAK_RETRY -DSYNC_FAILURES=1 -DCRASHES=1 -DCOMMITS=7
caught "the host's cache is believed" commit.pml -DBREAK_CACHE -DSYNC_FAILURES=1 -DCRASHES=1 -DCOMMITS=7
caught "no sync at the opening" commit.pml -DBREAK_OPEN_SYNC -DKILLS=1 -DCRASHES=1 -DCOMMITS=7
caught "a fallback to any commit" commit.pml -DBREAK_FALLBACK -DDECAYS=1 -DDECAY_BOTH -DCRASHES=0 -DCOMMITS=9
caught "what was skipped is not erased" commit.pml -DBREAK_ERASE -DFLICKERS=1 -DATTACKS=1 -DLONGS=1 -DLOG_RECORDS=2 \
  -DCRASHES=1 -DCOMMITS=8 -DLEAVES=2
caught "nor by the opening after one that was cut" commit.pml -DBREAK_RESUME -DFLICKERS=1 -DATTACKS=1 -DLONGS=1 -DLOG_RECORDS=2 \
  -DCRASHES=2 -DCOMMITS=8 -DLEAVES=1
caught "what was skipped is erased too late" commit.pml -DBREAK_COMMIT_FIRST -DFLICKERS=1 -DATTACKS=1 -DLONGS=1 -DLOG_RECORDS=2 \
  -DCRASHES=1 -DCOMMITS=8 -DLEAVES=2
caught "what was skipped is erased too early" commit.pml -DBREAK_ERASE_FIRST -DDECAYS=1 -DCRASHES=2 -DCOMMITS=8
caught "changes before that" commit.pml -DBREAK_BUSY -DFLICKERS=1 -DCRASHES=1 -DCOMMITS=8
caught "the first commit after a fallback changes the tree" commit.pml -DBREAK_RESTATE -DFLICKERS=1 -DCRASHES=1 -DCOMMITS=8
caught "a restatement's log where the skipped one's was lost" commit.pml -DBREAK_MEET -DDECAYS=1 -DLONGS=1 -DLOG_RECORDS=2 \
  -DCRASHES=0 -DCOMMITS=8 -DLEAVES=1
caught "no generations are skipped" commit.pml -DBREAK_SKIP -DDECAYS=1 -DCRASHES=1 -DCOMMITS=8
caught "one generation too many is skipped" commit.pml -DBREAK_LOST -DDECAYS=1 -DCRASHES=2 -DCOMMITS=8
caught "gaps in the ring are no matter" commit.pml -DBREAK_GAPS -DATTACKS=1 -DCRASHES=0 -DCOMMITS=8
caught "a short ring after a fallback" commit.pml -DBREAK_FILL -DDECAYS=1 -DATTACKS=1 -DCRASHES=0 -DCOMMITS=9
caught "the first commit takes the newest slot's place" commit.pml -DBREAK_GONE -DATTACKS=1 -DACCEPTS=2 -DCRASHES=1 -DCOMMITS=8
caught "slots that did not open stay" commit.pml -DBREAK_GONE_STAYS -DBLINKS=1 -DACCEPTS=2 -DCRASHES=1 -DCOMMITS=8
caught "the file is cut before the commits" commit.pml -DBREAK_TRIM_FIRST -DTRIMS=1 -DCRASHES=1 -DCOMMITS=10
caught "the file is cut after one commit" commit.pml -DBREAK_TRIM_ONE -DTRIMS=1 -DDECAYS=1 -DCRASHES=0 -DCOMMITS=10
caught "the new end without a checkpoint" commit.pml -DBREAK_TRIM_RECORD -DTRIMS=1 -DSMALL=3 -DLOG_RECORDS=11 \
  -DLEAVES=1 -DCRASHES=1 -DCOMMITS=12
finish
