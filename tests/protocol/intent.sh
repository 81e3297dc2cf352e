#!/bin/sh
# The intent log's model, exhaustively, and with each of its rules broken.
# timeout: 600
. "$(dirname "$0")/protocol_lib.sh"

names_exist intent.pml

holds "power cuts" intent.pml -DCRASHES=2 -DCOMMITS=5 -DRECORDS=4 -DCHANGES=4
holds "killed processes" intent.pml -DCRASHES=1 -DKILLS=1 -DCOMMITS=5 -DRECORDS=4 -DCHANGES=4
holds "a damaged commit" intent.pml -DCRASHES=2 -DDECAYS=1 -DCOMMITS=7 -DRECORDS=4 -DCHANGES=3
if [ -n "${NACRE_TORTURE-}" ]; then
  holds "deep: power cuts" intent.pml -DCRASHES=3 -DKILLS=1 -DCOMMITS=7 -DRECORDS=6 -DCHANGES=5
  holds "deep: damaged commits" intent.pml -DCRASHES=3 -DDECAYS=2 -DCOMMITS=9 -DRECORDS=5 -DCHANGES=4
fi

caught "a record that is not synchronized" intent.pml -DBREAK_SYNC -DCRASHES=1
caught "each commit's records in the same half" intent.pml -DBREAK_HALF -DCRASHES=1 -DDECAYS=1
caught "records of other commits" intent.pml -DBREAK_ID -DCRASHES=1
caught "a filled ring forgets the log" intent.pml -DBREAK_PENDING -DCRASHES=2 -DDECAYS=1
finish
