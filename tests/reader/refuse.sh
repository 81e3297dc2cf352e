#!/bin/sh
# What the independent reader must refuse: flipped bits, and rules broken by somebody who has the keys. NACRE_TORTURE in
# the environment flips a hundred times as many.
# timeout: 300
. "$(dirname "$0")/reader_lib.sh"
flips=12
[ -z "${NACRE_TORTURE-}" ] || flips=1200
$python "$here/flips.py" $flips || failed=1
$python "$here/forge.py" || failed=1
finish
