#!/bin/sh
# As kill.sh, while the volume's keys are rotated all the time. Five times; two hundred (or NACRE_KILLS) where
# NACRE_TORTURE is set.
# timeout: 240
. "$(dirname "$0")/mount_lib.sh"

kills=5
[ -z "${NACRE_TORTURE-}" ] || kills=${NACRE_KILLS:-200}
mkdir "$TEST_TMP/m"
PYTHONPATH=$here python3 -B "$here/kill.py" --rotate --kills $kills --seed "${NACRE_SEED:-1}" "$TEST_TMP/kill.nacre" \
  "$TEST_TMP/m" "$TEST_TMP/pass" || failed=1
finish
