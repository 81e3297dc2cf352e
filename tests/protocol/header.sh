#!/bin/sh
# The change of a header, cut anywhere: the model, exhaustively, and with each of its rules broken.
# timeout: 300
. "$(dirname "$0")/protocol_lib.sh"

names_exist header.pml
changes=3
[ -z "${NACRE_TORTURE-}" ] || changes=6
holds "changes of the header" header.pml -DCHANGES=$changes -DCRASHES=$changes
holds "an older header is refused" header.pml -DCHANGES=$changes -DCRASHES=1 -DCHECK_OLD_COPY
caught "the superblock before the header" header.pml -DBREAK_SUPERBLOCK_FIRST
caught "both copies at once" header.pml -DBREAK_BOTH_AT_ONCE
caught "no sync between the copies" header.pml -DBREAK_COPY_SYNC
caught "no superblock" header.pml -DBREAK_NO_SUPERBLOCK -DCHECK_OLD_COPY
caught "no repair of what a cut change left" header.pml -DBREAK_REPAIR
finish
