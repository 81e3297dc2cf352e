#!/bin/sh
# timeout: 60
# A volume that another processor's program mounts, NACRE, with NACRE_PEER reading it afterwards. Not where the order of
# bytes is another: the kernel's messages are in this machine's.
set -u

: "${NACRE:?the program under test}" "${NACRE_PEER:?one for this machine}" "${TEST_TMP:?a folder}"
cd "$TEST_TMP" || exit 1
if ! { [ -e /dev/fuse ] && [ "$(id -u)" -eq 0 ]; }; then
  echo "skip - mount: needs /dev/fuse and root"
  exit 0
fi
failed=0
printf 'correct horse battery staple\n' >pass
# Two machines, each with a memory of its own of what it opened.
here() { XDG_STATE_HOME=$TEST_TMP/state-here "$NACRE" "$@"; }
there() { XDG_STATE_HOME=$TEST_TMP/state-there "$NACRE_PEER" "$@"; }

# works NAME COMMAND...
works() {
  name=$1
  shift
  if "$@" >out 2>err </dev/null; then
    echo "ok - $name"
  else
    echo "not ok - $name: exit code $?"
    sed 's/^/# /' out err | head -40
    failed=1
  fi
}

describe() {
  (
    cd "$1" || exit 1
    find . -mindepth 1 -printf '%P %y %m %U:%G %T@ %l\n' | LC_ALL=C sort
    find . -type f -printf '%P %n %s\n' | LC_ALL=C sort
    find . -type f ! -name huge -exec sha256sum {} + | LC_ALL=C sort
  )
}
same_tree() {
  describe "$1" >one && describe "$2" >two && diff one two
}
mounted() { grep -qF " $TEST_TMP/mnt fuse.nacre " /proc/self/mounts; }
up() {
  here mount --passfile pass --foreground v mnt >mount.log 2>&1 </dev/null &
  for _ in $(seq 600); do
    mounted && return 0
    kill -0 $! || break
    sleep 0.1
  done
  cat mount.log
  return 1
}
down() { umount mnt && wait; }
date_is() { [ "$(stat -c %.Y "$1")" = "$2" ]; }

mkdir -p mnt tree/deep tree/many
head -c 3000001 /dev/urandom >tree/big
for i in $(seq 300); do printf 'file %d\n' "$i" >"tree/many/$i"; done
ln tree/many/1 tree/deep/again
ln -s ../big tree/deep/link
printf end | dd of=tree/huge bs=1 seek=5368709119 conv=notrunc 2>/dev/null
touch -d '1969-12-31 23:59:59.75 UTC' tree/deep
touch -d '2038-01-19 03:14:07.5 UTC' tree/big

works "a volume is made" here create --passfile pass --kdf-memory 32M --kdf-passes 1 v
works "and mounted" up
works "a tree is copied in" cp -a --sparse=always tree mnt/
works "and is the same" same_tree tree mnt/tree
works "a file is truncated, grown and renamed" sh -c 'cp tree/big mnt/f && truncate -s 10000 mnt/f && truncate -s 20000 mnt/f && mv mnt/f mnt/g'
works "with zeroes at its end" cmp -n 10000 -i 10000:0 mnt/g /dev/zero
works "a folder is removed" rm -r mnt/tree/many
touch -d '@5000000000.25' mnt/g
shown=5000000000.250000000
# What libfuse of Debian 12 can't say, is as near to it as it goes: fuse/dates.h.
[ "$(stat -c %.Y mnt/g)" = $shown ] || shown=2147483647.250000000
works "a date after 2038 stays one" date_is mnt/g $shown
works "it is unmounted" down
rm -r tree/many
works "the other finds all well" there verify --passfile pass v
works "and reads it" there get --passfile pass v / back
works "all of it is the same" same_tree tree back/tree
works "the date, too" date_is back/g $shown

touch -d '@5000000000.25' late
works "the other puts in a later date" there put --passfile pass v late /
works "that is mounted" up
works "the date shows as one after 2037" sh -c '[ "$(stat -c %Y mnt/late)" -ge 2147483647 ]'
works "it is unmounted again" down
works "the other reads it" there get --passfile pass v /late back/
works "and the date has lost nothing" date_is back/late 5000000000.250000000
exit $failed
