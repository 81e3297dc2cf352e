#!/bin/sh
# Data of files in a mounted volume: writing, holes, mappings, what two open files see of each other, locks.
. "$(dirname "$0")/mount_lib.sh"
make_volume "$TEST_TMP/v.nacre" && mount_at "$TEST_TMP/v.nacre" "$TEST_TMP/m" || not_ok "mount"
PYTHONPATH=$here python3 -B "$here/mount_data.py" "$TEST_TMP/m" || failed=1
check "umount" unmount "$TEST_TMP/m"
finish
