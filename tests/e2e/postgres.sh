#!/bin/sh
# PostgreSQL in a mount whose daemon is killed under it. Three times; 100 (or NACRE_KILLS) where NACRE_TORTURE is set.
# timeout: 240
. "$(dirname "$0")/mount_lib.sh"

need_nobody "PostgreSQL" # the server won't run as root
kills=3
[ -z "${NACRE_TORTURE-}" ] || kills=${NACRE_KILLS:-100}
work=$TEST_TMP/work
mkdir "$work" "$work/m" "$work/run"
chmod 700 "$work/run"
[ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$work"
as_nobody env XDG_RUNTIME_DIR="$work/run" PYTHONPATH="$here" python3 -B "$here/postgres.py" --kills "$kills" \
  --seed "${NACRE_SEED:-1}" "$work/postgres.nacre" "$work/m" "$TEST_TMP/pass" "$work" || failed=1
finish
