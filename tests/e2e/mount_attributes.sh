#!/bin/sh
# Attributes of a mounted volume: extended ones, ACLs, owners, setuid bits and capabilities, access times.
. "$(dirname "$0")/mount_lib.sh"
options=suid,dev,allow_other
[ "$(id -u)" -eq 0 ] || options=rw
make_volume "$TEST_TMP/v.nacre" && mount_at "$TEST_TMP/v.nacre" "$TEST_TMP/m" -o "$options" || not_ok "mount"
chmod 755 "$TEST_TMP/m"
PYTHONPATH=$here python3 -B "$here/mount_attributes.py" "$TEST_TMP/m" || failed=1
check "umount" unmount "$TEST_TMP/m"
finish
