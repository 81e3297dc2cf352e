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

# damaged COMMAND...: it says that the file with the number that it has is damaged, and what was written to it lost.
number=$(stat -c %i "$dir/file")
damaged() {
  refused 4 "$@" && grep -q "number $number could not be stored and is lost" "$TEST_TMP/refused.log"
}
check "whoever syncs the volume is told as well" damaged "$NACRE" sync "$dir"
check "once" "$NACRE" sync "$dir"
check "and another is lost" losses lose "$dir/file"
check "whoever unmounts is told" damaged "$NACRE" umount "$dir"
check "and it is unmounted" not mounted "$dir"
check "and the container free" mount_at "$volume" "$dir"
check "umount" unmount "$dir"

# Nobody asks: what serves it has syslog, or in the foreground its own output.
"$NACRE" mount -f "$volume" "$dir" --passfile "$TEST_TMP/pass" >"$TEST_TMP/serving.log" 2>&1 &
serving=$!
wait_for mounted "$dir"
check "yet another is lost" losses lose "$dir/file"
kill -TERM $serving
wait $serving
served=$?
check "a mount that is ended by a signal says it" test $served -eq 4
check "with the number" grep -q "number $number could not be stored and is lost" "$TEST_TMP/serving.log"
unmount "$dir" 2>/dev/null
finish
