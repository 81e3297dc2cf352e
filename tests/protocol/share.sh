#!/bin/sh
# Shared commits: the model, exhaustively, and with each of its rules broken.
# timeout: 300
. "$(dirname "$0")/protocol_lib.sh"

names_exist share.pml
holds "three callers and the clock" share.pml -DCALLERS=3 -DPAUSES=0
holds "two callers, the clock and a check" share.pml -DCALLERS=2
holds "where a commit fails" share.pml -DCALLERS=2 -DFAILURES=1
if [ -n "${NACRE_TORTURE-}" ]; then
  holds "deep: four callers" share.pml -DCALLERS=4 -DPAUSES=0
fi
caught "a caller joins the commit that runs" share.pml -DBREAK_JOIN
caught "callers go on before the commit ends" share.pml -DBREAK_EARLY
caught "the freeze doesn't wait for those inside the gate" share.pml -DBREAK_GATE
finish
