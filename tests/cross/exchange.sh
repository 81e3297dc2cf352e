#!/bin/sh
# timeout: 240
# A volume travels between two machines, NACRE and NACRE_PEER, built for different processors: one makes it and puts
# a tree in, the other checks, reads and changes it, the first reads that back. Then the other way round.
set -u

: "${NACRE:?the program under test}" "${NACRE_PEER:?the one built for another processor}" "${TEST_TMP:?a folder}"
cd "$TEST_TMP" || exit 1
failed=0
printf 'correct horse battery staple\n' >pass
printf 'another fine long passphrase\n' >pass2
head -c 64 /dev/urandom >keyfile

# here COMMAND..., there COMMAND...: the program of each machine, which has a memory of its own of what it opened.
here() { on "$first" "$@"; }
there() { on "$second" "$@"; }
on() {
  case $1 in
  other) program=$NACRE_PEER ;;
  *) program=$NACRE ;;
  esac
  state=$TEST_TMP/state-$1
  shift
  XDG_STATE_HOME=$state "$program" "$@"
}

# works NAME COMMAND...
works() {
  name="$cipher: $1"
  shift
  if "$@" >out 2>err </dev/null; then
    echo "ok - $name"
  else
    echo "not ok - $name: exit code $?"
    sed 's/^/# /' out err | head -40
    failed=1
  fi
}

# What a processor could get wrong: numbers of more than 31 and 32 bits, signs, the order of bytes, and of names.
make_tree() {
  mkdir -p tree/deep/er tree/many
  printf 'hello\n' >tree/hello
  : >tree/nothing
  head -c 3000001 /dev/urandom >tree/big
  i=0
  while [ $i -lt 400 ]; do
    printf 'file %d\n' $i >"tree/many/$i"
    i=$((i + 1))
  done
  for at in 2147483647 4294967295 5368709119; do
    printf 'at %s' $at | dd of=tree/huge bs=1 seek=$at conv=notrunc 2>/dev/null
  done
  truncate -s 6000000000 tree/huge
  ln tree/hello tree/deep/again
  ln -s ../hello tree/deep/link
  mkfifo tree/fifo
  printf bytes >"tree/$(printf 'new\nline\377\303\251')"
  printf long >"tree/$(printf '%0255d' 7)"
  chmod 4750 tree/big
  chmod 1777 tree/deep
  setfattr -n user.binary -v 0x0001ff00 tree/hello 2>/dev/null
  setfacl -m u:4000000000:rw,g:54321:r tree/nothing 2>/dev/null
  setfacl -d -m g:54321:rx tree/deep 2>/dev/null
  if [ "$(id -u)" -eq 0 ]; then
    chown 4000000000:3000000000 tree/many/1
    mknod tree/device c 300 70000
  fi
  n=2
  for date in '1902-01-01 00:00:00.25' '1969-12-31 23:59:59.999999999' '2038-01-19 03:14:07.5' \
    '2038-01-19 03:14:08.000000001' '2106-02-07 06:28:16.123456789' '2200-02-03 04:05:06.7'; do
    TZ=UTC touch -d "$date" tree/many/$n
    n=$((n + 1))
  done
  TZ=UTC touch -hd '2100-01-01 00:00:00.5' tree/deep/link
  touch -d @5000000000.25 tree/deep
}

# describe FOLDER: everything that must come back. What is in the holes of huge is checked apart.
describe() {
  (
    cd "$1" || exit 1
    find . -mindepth 1 -printf '%P\t%y %m %U:%G %n %T@ %l\0' | LC_ALL=C sort -z | tr '\0' '\n'
    find . -type f ! -name huge -exec sha256sum {} + | LC_ALL=C sort
    find . -type f -printf '%p %s\n' | LC_ALL=C sort
    find . -type c -exec stat -c '%n %t %T' {} + | LC_ALL=C sort
    getfattr -hR -d -m - -e hex . 2>/dev/null | LC_ALL=C sort
  )
}
same_tree() {
  describe "$1" >one && describe "$2" >two && diff one two
}
# same_huge FOLDER: its pieces are where they were, and the rest takes no room.
same_huge() {
  for at in 2147483647 4294967295 5368709119; do
    [ "$(tail -c +$((at + 1)) "$1/huge" | head -c 13)" = "at $at" ] || return 1
  done
  [ "$(stat -c %b "$1/huge")" -lt 2000 ]
}
# same_listing: both machines list the volume alike, to the last number.
same_listing() {
  here ls -lR --json --passfile pass v / >list1 && there ls -lR --json --passfile pass v / >list2 && cmp list1 list2
}

# change PROGRAM: a bit of everything that a machine can do with another's volume.
change() {
  "$1" put --passfile pass v more / && "$1" rm -r --passfile pass v /tree/many &&
    "$1" mv --passfile pass v /tree/deep /moved && "$1" mkdir --passfile pass v /new &&
    "$1" put --passfile pass v more/random /tree/big
}
# without_times FOLDER: of folders, since what changed them was the program; and without the one that it made.
without_times() { describe "$1" | sed '/^new\t/d; s/\(\td [0-9]* [0-9:]* [0-9]* \).*/\1/'; }
changed_tree() {
  mkdir want && cp -a --sparse=always tree more want && rm -r want/tree/many want/tree/big && mv want/tree/deep want/moved &&
    cp -p more/random want/tree/big && without_times want >one && without_times back2 >two && diff one two
}

# journey FIRST SECOND CIPHER
journey() {
  first=$1 second=$2 cipher="$3, made by the $1"
  rm -rf v back back2 want
  works "a volume is made" here create --passfile pass --kdf-memory 32M --kdf-passes 1 --cipher "$3" --size 1G --recovery-key v
  cp out recovery
  works "a tree goes in" here put --preserve-special --passfile pass v tree /
  works "the second finds all well" there verify --passfile pass v
  works "and lists it alike" same_listing
  works "and reads it" there get --preserve-special --passfile pass v /tree back
  works "all of it is the same" same_tree tree back
  works "past 2 and 4 GiB, too" same_huge back
  works "the recovery key opens there" there key test --recovery-key --passfile recovery v
  works "the second adds a key file" there key add --passfile pass --new-key-file keyfile --kdf-memory 32M --kdf-passes 1 v
  works "and changes the tree" change there
  works "the first finds all well" here verify --key-file keyfile v
  works "and lists it alike again" same_listing
  works "and reads it back" here get --preserve-special --passfile pass v / back2
  works "as it was changed" changed_tree
  works "the first removes the key file" here key remove --key-file keyfile v
  works "which the other then refuses" refused
}
refused() {
  there key test --key-file keyfile v
  [ $? -eq 3 ]
}

make_tree
mkdir more
head -c 200000 /dev/urandom >more/random
TZ=UTC touch -d '2150-05-05 05:05:05.5' more/random
for kind in aes-256-gcm xchacha20-poly1305; do
  journey one other $kind
  journey other one $kind
done
exit $failed
