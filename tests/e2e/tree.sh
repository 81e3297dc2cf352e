#!/bin/sh
# A tree of this machine's files and one of odd ones, brought in by rsync and by tar, come back equal after a remount;
# and what the container takes beside the files.
# timeout: 300
. "$(dirname "$0")/mount_lib.sh"

FILES=20000
FILE_OVERHEAD_BYTES=1024 # inode, name, attributes; and the rounding up of what is no small file
LARGE_OVERHEAD_PERMILLE=10
LARGE_MIB=1024

dir=$TEST_TMP/m
options=rw
[ "$(id -u)" -ne 0 ] || options=suid,dev

tree() { PYTHONPATH=$here python3 -B "$here/tree.py" "$@"; }
here_mount() { mount_at "$1" "$dir" -o "$options"; }

# A copy of the machine's files, so that nothing changes them meanwhile.
copy_machine() {
  tree list $FILES /usr/include /usr/share /usr/lib/python3 /usr/lib >"$TEST_TMP/list"
  mkdir "$TEST_TMP/real"
  tar -C / --no-recursion --null -T "$TEST_TMP/list" -cf - | tar -C "$TEST_TMP/real" -xpf -
  [ "$(find "$TEST_TMP/real" -type f | wc -l)" -ge $FILES ]
}

on_disk() { echo $(($(stat -c '%b * %B' "$1"))); }

# overhead VOLUME BYTES PERMILLE: what the container takes on its disk beyond an empty one is at most that much above the
# files' bytes.
overhead() {
  taken=$(($(on_disk "$1") - empty))
  over=$(((taken - $2) * 1000 / $2))
  [ $over -ge 0 ] || over=0 # the space between its fixed places is an empty one's, too
  echo "files of $2 bytes take $taken beyond an empty container's $empty, $((over / 10)).$((over % 10)) % more" | tee -a "$TEST_TMP/figures"
  [ $over -le "$3" ]
}

rsync_real() {
  here_mount "$TEST_TMP/v.nacre"
  # By itself it compares seconds, and takes a folder made in the same one as its original for equal.
  rsync -aHAX --modify-window=-1 --numeric-ids "$TEST_TMP/real/" "$dir/real/"
  unmount "$dir"
}

# By the file: by the byte it would depend on which files the machine has.
real_overhead() {
  bytes=$(tree sizes "$TEST_TMP/real")
  overhead "$TEST_TMP/v.nacre" "$bytes" $((FILES * FILE_OVERHEAD_BYTES * 1000 / bytes))
}

real_equal() {
  here_mount "$TEST_TMP/v.nacre"
  tree compare "$dir/real" "$TEST_TMP/real"
}

# With -S, since a hole is else zeroes; -c, so that every byte is read.
rsync_odd() {
  rsync -aHAXS --modify-window=-1 --numeric-ids "$TEST_TMP/odd/" "$dir/odd/"
  unmount "$dir"
  here_mount "$TEST_TMP/v.nacre"
  tree compare "$dir/odd" "$TEST_TMP/odd"
  rsync -aHAXcni --modify-window=-1 --numeric-ids --delete "$TEST_TMP/odd/" "$dir/odd/" >"$TEST_TMP/changes"
  cat "$TEST_TMP/changes"
  [ ! -s "$TEST_TMP/changes" ]
}

tar_in() {
  # tar leaves sockets out, and takes the names of one fifo for several.
  rm -rf "$dir/odd" "$TEST_TMP/odd/socket" "$TEST_TMP/odd/special/fifo too"
  mkdir "$dir/tar"
  (cd "$TEST_TMP/odd" && tar --format=posix --xattrs --xattrs-include='*' --acls -Scf - .) |
    tar -C "$dir/tar" --warning=no-timestamp --xattrs --xattrs-include='*' --acls --numeric-owner -xpf -
  mkdir "$dir/tar2"
  (cd "$TEST_TMP/real/usr" && tar --format=posix -cf - include) | tar -C "$dir/tar2" --numeric-owner -xpf -
  unmount "$dir"
  here_mount "$TEST_TMP/v.nacre"
  tree compare "$dir/tar" "$TEST_TMP/odd"
  tree compare "$dir/tar2/include" "$TEST_TMP/real/usr/include"
}

verified() {
  unmount "$dir"
  "$NACRE" verify --passfile "$TEST_TMP/pass" "$TEST_TMP/v.nacre"
}

large_file() {
  make_volume "$TEST_TMP/large.nacre"
  here_mount "$TEST_TMP/large.nacre"
  head -c ${LARGE_MIB}M /dev/urandom >"$dir/large"
  unmount "$dir"
  overhead "$TEST_TMP/large.nacre" $((LARGE_MIB << 20)) $LARGE_OVERHEAD_PERMILLE
}

check "a copy of $FILES of this machine's files" copy_machine
check "a tree of odd files" tree make "$TEST_TMP/odd"
make_volume "$TEST_TMP/v.nacre" || not_ok "create"
empty=$(on_disk "$TEST_TMP/v.nacre")
if command -v rsync >/dev/null; then
  check "rsync brings $FILES files in" rsync_real
  check "their container is at most $FILE_OVERHEAD_BYTES bytes a file larger than they are" real_overhead
  check "they come back equal after a remount" real_equal
  check "rsync brings a tree of odd files in, equal after a remount" rsync_odd
else
  skip "rsync" "it is not installed"
  here_mount "$TEST_TMP/v.nacre" || not_ok "mount"
fi
check "tar brings both in, equal after a remount" tar_in
check "verify finds nothing" verified
check "a large file's container is at most $((LARGE_OVERHEAD_PERMILLE / 10)) % larger than it is" large_file
sed 's/^/# /' "$TEST_TMP/figures"
finish
