#!/bin/sh
# What is secret is nowhere but in the memory of the process that serves a mount, and of that only what is needed.
# timeout: 180
. "$(dirname "$0")/mount_lib.sh"

work=$TEST_TMP/work
mkdir "$TEST_TMP/m" "$work"
for folder in TMPDIR HOME XDG_STATE_HOME XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR; do
  mkdir -m 700 "$work/$folder"
  export "$folder=$work/$folder"
done
PYTHONPATH=$here python3 -B "$here/leak.py" "$work/leak.nacre" "$TEST_TMP/m" "$TEST_TMP/pass" "$work" "$NACRE_BUILD" ||
  failed=1
finish
