#!/bin/sh
# SQLite in a mount whose daemon is killed under it. Five times; 200 (or NACRE_KILLS) where NACRE_TORTURE is set.
# timeout: 180
. "$(dirname "$0")/mount_lib.sh"

kills=5
[ -z "${NACRE_TORTURE-}" ] || kills=${NACRE_KILLS:-200}
mkdir "$TEST_TMP/m"
PYTHONPATH=$here python3 -B "$here/sqlite.py" --kills "$kills" --seed "${NACRE_SEED:-1}" "$TEST_TMP/sqlite.nacre" \
  "$TEST_TMP/m" "$TEST_TMP/pass" || failed=1
finish
