#!/bin/sh
# put, get and the others, on a volume that is not mounted.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v
nacre() {
  command=$1
  shift
  # shellcheck disable=SC2086
  "$NACRE" $command $pass "$@"
}

# A tree with a bit of everything.
mkdir -p tree/deep/er/and/deeper tree/empty
printf 'hello\n' >tree/hello
: >tree/nothing
head -c 3000000 /dev/urandom >tree/big
printf x | dd of=tree/sparse bs=1 seek=40000000 conv=notrunc 2>/dev/null
dd if=/dev/urandom of=tree/sparse bs=65536 count=2 seek=100 conv=notrunc 2>/dev/null
truncate -s 50000000 tree/sparse
ln tree/hello tree/deep/again
ln tree/hello tree/deep/er/third
ln -s ../hello tree/deep/link
ln -s /nowhere/at/all tree/dangling
mkfifo tree/fifo
printf odd >"tree/$(printf 'new\nline\377\\ ')"
printf long >"tree/$(printf '%0255d' 7)"
chmod 640 tree/hello
chmod 4755 tree/big
chmod 1777 tree/empty
chmod 500 tree/deep/er
touch -d '2001-02-03 04:05:06.789012345' tree/big tree/deep/er
touch -hd '1969-01-01 00:00:00.5' tree/dangling
touch -d '2500-01-01 00:00:00.25' tree/nothing
acls=no
if setfattr -n user.colour -v blue tree/hello 2>/dev/null; then
  setfattr -n user.binary -v 0x0001ff00 tree/deep
  attributes=yes
else
  attributes=no
fi
if command -v setfacl >/dev/null && setfacl -m u:12345:rw tree/hello 2>/dev/null; then
  setfacl -d -m g:54321:rx tree/deep
  acls=yes
fi

# describe FOLDER: everything that must come back, but the inode numbers, and ctime.
describe() {
  (
    cd "$1" || exit 1
    find . -printf '%P\0%y %m %U:%G %n %s %T@ %l\0' | LC_ALL=C sort -z | tr '\0' '\n' | sed '/^d.*/s/^d \([0-9]* [0-9:]* \)[0-9]* [0-9]* /d \1/'
    find . -type f -exec sha256sum {} + | LC_ALL=C sort
    getfattr -hR -d -m - -e hex . 2>/dev/null | LC_ALL=C sort
  )
}
same() { describe "$1" >one && describe "$2" >two && diff one two; }

works "put a tree" nacre put v tree /
works "get it back" nacre get --preserve-special v /tree back
holds "all of it is the same: contents, names, modes, times, links" same tree back
if [ "$attributes" = yes ]; then
  holds "with extended attributes" test "$(getfattr --only-values -n user.colour back/hello)" = blue
else
  skip "with extended attributes" "the host's filesystem has none"
fi
if [ "$acls" = yes ]; then
  holds "and ACLs" sh -c 'getfacl -cp back/hello | grep -q user:12345:rw && getfacl -cp back/deep | grep -q default:group:54321'
else
  skip "and ACLs" "the host's filesystem has none"
fi
holds "hard links are links" test "$(stat -c '%h %i' back/hello)" = "3 $(stat -c %i back/deep/er/third)"
holds "holes are holes" test "$(stat -c %b back/sparse)" -lt 4000
works "get once more without privileges" nacre get v /tree plain
holds "leaves out setuid" test "$(stat -c %a plain/big)" = 755
holds "but keeps sticky folders" test "$(stat -c %a plain/empty)" = 1777
works "get into a folder" sh -c 'mkdir into && exec "$@"' sh "$NACRE" get --passfile pass v tree into
holds "goes under its own name" test -f into/tree/hello
works "get everything" nacre get v / all
holds "is the same again" sh -c 'cmp tree/big all/tree/big && test "$(stat -c %a all)" = 700'
works "get a file" nacre get v /tree/hello copied
holds "as it was" cmp tree/hello copied
works "get it over another" sh -c 'ln copied other; echo old >copied; exec "$@"' sh "$NACRE" get --passfile pass v /tree/big copied
holds "which is replaced, not written through" sh -c 'cmp tree/big copied && test "$(cat other)" = old'
works "verify finds all well" nacre verify v

works "put again, over what is there" nacre put v tree /
works "get that" nacre get --preserve-special v /tree back2
holds "no change" same tree back2
works "put as a new name" nacre put v tree/hello /renamed
works "cat it" nacre cat v renamed /tree/hello
holds "twice the text" test "$(cat "$out")" = "$(printf 'hello\nhello')"
works "put several" nacre put v tree/hello tree/nothing /tree/empty
works "put the contents of a folder" nacre put v tree/deep/. /tree/empty
works "ls shows them" nacre ls v /tree/empty
holds "sorted" test "$(tr '\n' ' ' <"$out")" = "again er hello link nothing "
printf 'from stdin' | nacre put v - /tree/stdin
works "put - is stdin" nacre cat v /tree/stdin
holds "as it came" test "$(cat "$out")" = "from stdin"
nacre get v /tree/big - >big
holds "get - is stdout" cmp big tree/big
fails "stdin into a folder has no name" 2 "no name" nacre put v - /tree

works "ls -l" nacre ls -l v /tree
holds "mode, links, size" grep -Eq '^-rw-r[w-]---- +3 .* 6 .* hello$' "$out"
holds "a link's target" grep -q '^l.* dangling -> /nowhere/at/all$' "$out"
works "ls -R" nacre ls -R v /
holds "has headings" grep -q '^/tree/deep/er:$' "$out"
works "mkdir" nacre mkdir v /new
works "mkdir -p" nacre mkdir -p v /new/a/b/c /new/a
fails "mkdir again: 1" 1 "/new" nacre mkdir v /new
fails "mkdir -p over a file: 1" 1 "no folder" nacre mkdir -p v /renamed
works "mv renames" nacre mv v /renamed /new/name
works "mv into a folder" nacre mv v /new/name /tree/stdin /new/a
works "both are there" nacre cat v /new/a/name /new/a/stdin
fails "mv of what is not there: 1" 1 "/none" nacre mv v /none /new
works "rm" nacre rm v /new/a/name
fails "rm of a folder: 1" 1 "-r" nacre rm v /new
works "rm -r" nacre rm -r v /new /tree
works "nothing is left" nacre ls v
holds "indeed" test ! -s "$out"
works "rm -f of nothing" nacre rm -f v /none
fails "rm of nothing: 1" 1 "/none" nacre rm v /none
fails "rm of the root: 2" 2 "root folder" nacre rm -r v /
works "verify still finds all well" nacre verify --json v
holds "and counts nothing" json_is "$out" 'r["problem_count"], r["problems"], r["files"]' "(0, [], 0)"

fails "a path that is not there: 1" 1 "/none" nacre cat v /none
fails "get of one: 1" 1 "/none" nacre get v /none here
fails "put of one: 1" 1 "none" nacre put v none /
printf a >a
run nacre put v a none /
[ "$got" -eq 10 ]
judge "one of two is partly done: 10" $?
works "the other is there" nacre cat v a
if [ "$(id -u)" -eq 0 ] && mknod device c 1 3 2>/dev/null; then
  works "put of a device leaves it out" nacre put v device /
  holds "and says so" grep -q 'device, left out' "$err"
  works "--preserve-special takes it" nacre put --preserve-special v device /
  works "get leaves it out" nacre get v /device d1
  holds "indeed" test ! -e d1
  works "or makes it" nacre get --preserve-special v /device d2
  holds "the same" test "$(stat -c '%F %t:%T' d2)" = "character special file 1:3"
else
  skip "devices" "not root"
fi

# Links that point out of the destination.
mkdir -p evil/sub outside
ln -s "$TEST_TMP/outside" evil/way
works "put a link that leads out" nacre put v evil/way /way
mkdir trap
ln -s "$TEST_TMP/outside" trap/sub
works "put a folder" nacre put v evil/sub /
run nacre get v /sub trap
[ "$got" -eq 1 ] && [ -z "$(ls outside)" ]
judge "get doesn't go through a link in the destination" $?
mkdir trap2
ln -s "$TEST_TMP/outside/file" trap2/a
works "get replaces a link, and writes not through it" nacre get v /a trap2
holds "outside stays empty" sh -c 'test -z "$(ls outside)" && test ! -L trap2/a'

# Many names in one folder, many small files.
mkdir many
seq 3000 | (cd many && xargs touch)
works "put 3000 files" nacre put v many /
works "ls 3000 files" nacre ls v /many
holds "each once" test "$(sort -un "$out" | wc -l)" -eq 3000
works "rm -r 3000 files" nacre rm -r v /many
if [ -e /dev/full ]; then
  fails "cat into a full device: 7" 7 "" sh -c '"$@" >/dev/full' sh "$NACRE" cat --passfile pass v a
fi
chmod -R u+w tree plain back back2 all into
finish
