#!/bin/sh
# Volumes whose header is kept in a file of its own.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
XDG_STATE_HOME=$TEST_TMP/state
export XDG_STATE_HOME
header="--header $TEST_TMP/h"
# shellcheck disable=SC2086
works "create --header" "$NACRE" create $pass $cheap --label 'A label' $header v
holds "makes the header's file, for its owner alone" test "$(stat -c '%s %a' h)" = "524288 600"
magic=$(printf 'nacre\r')
holds "the container has neither magic nor label" sh -c '! grep -qaF "$1" v && ! grep -qaF "A label" v' sh "$magic"
holds "the header's file has both" sh -c 'grep -qaF "$1" h && grep -qaF "A label" h' sh "$magic"
echo hello >file
# shellcheck disable=SC2086
works "put" "$NACRE" put $pass $header v file /
# shellcheck disable=SC2086
works "cat" "$NACRE" cat $pass $header v /file
holds "gives it back" grep -q hello "$out"
# shellcheck disable=SC2086
fails "without --header: 6" 6 "not a Nacre volume" "$NACRE" ls $pass v
fails "nor is there anything to know: 6" 6 "not a Nacre volume" "$NACRE" info v
# shellcheck disable=SC2086
works "info --header" "$NACRE" info $header --json v
holds "knows it" json_is "$out" '(r["label"], r["header_copies_valid"], len(r["slots"]))' "('A label', 2, 1)"
# shellcheck disable=SC2086
works "verify --header" "$NACRE" verify $pass $header v
# shellcheck disable=SC2086
works "key add --header" "$NACRE" key add $pass --new-passfile pass2 $cheap $header v
# shellcheck disable=SC2086
works "the new one opens it" "$NACRE" ls --passfile pass2 $header v
# shellcheck disable=SC2086
works "header backup --header" "$NACRE" header backup $header v backup
: >h
# shellcheck disable=SC2086
fails "an empty header's file: 6" 6 "not a Nacre volume" "$NACRE" ls $pass $header v
# shellcheck disable=SC2086
works "restored to it" "$NACRE" header restore $pass $header v backup
holds "it is whole again" test "$(stat -c %s h)" -eq 524288
# shellcheck disable=SC2086
works "and opens" "$NACRE" ls $pass $header v
truncate -s 262144 h
# shellcheck disable=SC2086
works "one copy of it lost" "$NACRE" put $pass $header v file /again
# shellcheck disable=SC2086
works "is mended by writing" "$NACRE" info $header --json v
holds "both are there" json_is "$out" 'r["header_copies_valid"]' 2
rm -rf found
mkdir found
cp h v found
works "audit finds the header, not the container" "$NACRE" audit --json found
holds "as what it is" json_is "$out" '[(v["path"], v["origin"], v["header_copies_valid"]) for v in r["volumes"]]' \
  "[('found/h', 'detached-header', 2)]"

# One of its copies destroyed, and then both damaged.
mkdir spoilt
head -c 262144 /dev/urandom >noise
for copy in 0 1; do
  cp h spoilt/h
  dd if=noise of=spoilt/h bs=256K seek=$copy conv=notrunc 2>/dev/null
  run "$NACRE" audit --json spoilt
  [ "$got" -eq 13 ] && json_is "$out" '[(v["origin"], v["header_copies_valid"], v["reasons"][0][:40]) for v in r["volumes"]]' \
    "[('detached-header', 1, 'one of the two copies of its header is d')]"
  judge "copy $copy destroyed: it is known all the same, and at risk" $?
done
/usr/bin/python3 -c '
with open("spoilt/h", "r+b") as file:
    file.seek(4000)
    file.write(b"x")'
run "$NACRE" audit --json spoilt
[ "$got" -eq 13 ] && json_is "$out" '[(v["origin"], "damaged" in v["problem"]) for v in r["volumes"]]' "[('detached-header', True)]"
judge "the other one damaged: at risk" $?

fails "a header's file that is not there: 6" 6 "header" "$NACRE" ls --passfile pass --header none v
# shellcheck disable=SC2086
fails "create over a header's file: 1" 1 "header" "$NACRE" create $pass $cheap $header v2
holds "leaves it alone" cmp h found/h
rm -f v2
# shellcheck disable=SC2086
"$NACRE" create $pass $cheap --header h2 v2 2>/dev/null
# shellcheck disable=SC2086
fails "another volume's header: 4" 4 "no superblock" "$NACRE" ls $pass --header h2 v
# shellcheck disable=SC2086
fails "a create that fails: 6" 6 "header" "$NACRE" create $pass $cheap --header no/where v3
holds "leaves nothing" test ! -e v3

# shellcheck disable=SC2086
if can_mount && mkdir m && "$NACRE" mount $pass --header h v m 2>/dev/null; then
  holds "mounted, by a relative path" grep -q hello m/file
  echo more >m/more
  # shellcheck disable=SC2086
  works "in use" "$NACRE" info $header --json v
  holds "is known" json_is "$out" '(r["in_use"], r["mounted_on"] is not None)' "(True, True)"
  # shellcheck disable=SC2086
  fails "and not erased: 5" 5 "mounted on" "$NACRE" erase --yes $header v
  fails "nor its header used by another: 5" 5 "" "$NACRE" ls --passfile pass --header h v2
  works "umount" "$NACRE" umount m
  # shellcheck disable=SC2086
  works "what was written is there" "$NACRE" cat $pass $header v /more
  # shellcheck disable=SC2086
  works "mount -o header" "$NACRE" mount -o "header=$TEST_TMP/h,passfile=$TEST_TMP/pass" v m
  "$NACRE" umount m
else
  skip "a mount" "not possible here"
fi

# shellcheck disable=SC2086
fails "erase without it: 6" 6 "not a Nacre volume" "$NACRE" erase --yes v
# shellcheck disable=SC2086
works "erase --header" "$NACRE" erase --yes $header --certificate c v
cat >survivors.py <<'END'
import sys

former = open("found/h", "rb").read()
pieces = {former[at:at + 16] for at in range(0, len(former), 16)}
pieces = [piece for piece in pieces if piece.count(piece[0]) < 16]
now = open("h", "rb").read() + open("v", "rb").read()
print(sum(piece in now for piece in pieces[::97]))
END
holds "nothing of the header is left in either" test "$(python3 survivors.py)" = 0
holds "the certificate names its file" grep -q '^detached header *.*/h$' c
# shellcheck disable=SC2086
works "and is compared with both" "$NACRE" erase --verify c $header v
fails "not with the container alone: 6" 6 "another container" "$NACRE" erase --verify c v
finish
