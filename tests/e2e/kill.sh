#!/bin/sh
# The daemon of a mount is killed at random moments under load, and mounted again: nothing acknowledged is missing.
# Eight times; a thousand (or NACRE_KILLS) where NACRE_TORTURE is set. NACRE_SEED makes it another run.
# timeout: 240
. "$(dirname "$0")/mount_lib.sh"

kills=8
[ -z "${NACRE_TORTURE-}" ] || kills=${NACRE_KILLS:-1000}
mkdir "$TEST_TMP/m"
PYTHONPATH=$here python3 -B "$here/kill.py" --kills $kills --seed "${NACRE_SEED:-1}" "$TEST_TMP/kill.nacre" \
  "$TEST_TMP/m" "$TEST_TMP/pass" || failed=1
finish
