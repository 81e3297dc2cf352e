#!/bin/sh
# Large things in a mount: a folder of many names, a sparse file of a TiB, a file of many extents. A million names and
# extents where NACRE_TORTURE is set; that takes 6 GiB of room.
# timeout: 300
. "$(dirname "$0")/mount_lib.sh"

names=20000
extents=20000
[ -z "${NACRE_TORTURE-}" ] || names=1000000 extents=1000000

volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m

step() { PYTHONPATH=$here python3 -B "$here/large.py" "$@"; }

again() {
  unmount "$dir"
  mount_at "$volume" "$dir"
}

# What the daemon had at most. Its limit is 64 MiB; what comes besides is in docs/design.md, 13.
memory() {
  most=$(awk '$1 == "VmHWM:" {print $2}' "/proc/$(daemon_of "$dir")/status")
  echo "the daemon had $most KiB at most"
  [ "$most" -le $((128 * 1024)) ]
}

verified() {
  unmount "$dir"
  "$NACRE" verify --passfile "$TEST_TMP/pass" "$volume"
  mount_at "$volume" "$dir"
}

make_volume "$volume" --chunk 4K --size 64G && mount_at "$volume" "$dir" || not_ok "mount"
check "a sparse file of a TiB" step sparse_make "$dir/sparse"
check "it is so after a remount" again
check "with what was written, and holes" step sparse_check "$dir/sparse"
check "cp copies it with its holes" step sparse_copy "$dir/sparse"
check "its holes are punched and its end is cut" step sparse_cut "$dir/sparse"
check "$extents extents in one file, in an order of chance" step extents_make "$dir/extents" $extents
check "remounted" again
check "they come back" step extents_check "$dir/extents" $extents
check "half of them are cut off" step extents_cut "$dir/extents" $extents
check "the volume is sound" verified
check "the others go, and their room comes back" step extents_remove "$dir/extents"
check "$names names in one folder" step names_make "$dir/names" $names
check "remounted again" again
check "each is listed once, by several at once, while others come and go" step names_list "$dir/names" $names
check "each is found" step names_look "$dir/names" $names
check "the daemon's memory was bounded" memory
check "they are removed" step names_remove "$dir/names" $names
check "the volume is still sound" verified
check "umount" unmount "$dir"
finish
