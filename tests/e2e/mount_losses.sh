#!/bin/sh
# What a file could not store is told by fsync, also to who opens it after its writer has closed it.
. "$(dirname "$0")/mount_lib.sh"
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
make_volume "$volume" --size 1G && mount_at "$volume" "$dir" || not_ok "mount"

losses() { PYTHONPATH=$here python3 -B "$here/mount_losses.py" "$@"; }

check "a file of many extents" losses make "$dir/file"
check "umount" unmount "$dir"
check "mount" mount_at "$volume" "$dir"
losses told "$dir/file" "$volume" || failed=1
# What is destroyed stays so, and the commit at the end may have to say it.
"$NACRE" umount "$dir" >/dev/null 2>&1 || unmount "$dir"
finish
