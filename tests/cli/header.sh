#!/bin/sh
# Backups of a volume's header, and putting them back.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
XDG_STATE_HOME=$TEST_TMP/state
export XDG_STATE_HOME
make_volume v --slot-name first
echo hello >file
# shellcheck disable=SC2086
"$NACRE" put $pass v file / || not_ok "put"
works "backup, without a credential" "$NACRE" header backup v b0
holds "is the header, for its owner alone" test "$(stat -c '%s %a' b0)" = "262144 600"
holds "is said not to be checked" grep -q 'not checked' "$err"
# shellcheck disable=SC2086
works "with a credential" "$NACRE" header backup $pass --json v b1
holds "is checked" json_is "$out" '(r["backup"], r["checked"])' "('b1', True)"
holds "and is the same" cmp b0 b1
fails "a wrong credential: 3" 3 "wrong passphrase" "$NACRE" header backup --passfile wrong v b2
fails "over a file: 1" 1 "--force replaces it" "$NACRE" header backup v b1
echo x >b1
works "--force replaces" "$NACRE" header backup --force v b1
holds "all of it" cmp b0 b1
fails "where there is no folder: 1" 1 "No such file" "$NACRE" header backup v no/where
fails "of no volume: 6" 6 "not a Nacre volume" "$NACRE" header backup file b2
holds "no file was made by those that failed" test ! -e b2

# The first credential goes, another comes.
# shellcheck disable=SC2086
"$NACRE" key add $pass --new-passfile pass2 $cheap --name second v 2>/dev/null
"$NACRE" key remove --passfile pass2 --slot 0 v 2>/dev/null
fails "a removed credential opens nothing: 3" 3 "" "$NACRE" ls --passfile pass v
fails "nor the backup with one that it has not: 3" 3 "wrong passphrase" "$NACRE" header restore --passfile pass2 v b0
cp v before
# shellcheck disable=SC2086
works "restore --dry-run" "$NACRE" header restore $pass --dry-run v b0
holds "says what comes back and what goes" sh -c "grep -Eq '^slot 0 +returns +20[0-9-]+ [0-9:]+ +passphrase.*first' '$out' &&
  grep -Eq '^slot 1 +goes +passphrase, Argon2id 32 MiB' '$out'"
holds "and that it is older than it has to be" grep -q 'older than' "$err"
holds "and changes nothing" cmp v before
# shellcheck disable=SC2086
works "restore" "$NACRE" header restore $pass --json v b0
holds "tells the same as JSON" json_is "$out" \
  '(r["restored"], [(s["index"], s["name"], s["fate"]) for s in r["slots"]], r["slots_gone"])' \
  "(True, [(0, 'first', 'returns')], [1])"
holds "with its date" json_is "$out" 'r["slots"][0]["created_s"] > 1700000000' True
holds "with a sequence above what was demanded" json_is "$out" \
  'r["backup_sequence"] < r["demanded_sequence"] < r["new_sequence"]' True
# shellcheck disable=SC2086
works "the former credential opens it" "$NACRE" cat $pass v /file
holds "with what is in it now" grep -q hello "$out"
fails "the other one no more: 3" 3 "" "$NACRE" ls --passfile pass2 v
# shellcheck disable=SC2086
works "it verifies" "$NACRE" verify $pass v
works "both copies are there" "$NACRE" info --json v
holds "as equals" json_is "$out" 'r["header_copies_valid"]' 2

# No header left at all.
for at in 0 16777216; do dd if=/dev/urandom of=v bs=4096 count=64 seek=$((at / 4096)) conv=notrunc 2>/dev/null; done
# shellcheck disable=SC2086
fails "without its header: 6" 6 "not a Nacre volume" "$NACRE" ls $pass v
# shellcheck disable=SC2086
works "restored over none" "$NACRE" header restore $pass v b0
holds "its slots return" grep -Eq '^slot 0 +returns' "$out"
# shellcheck disable=SC2086
works "it opens again" "$NACRE" cat $pass v /file

# What is not a backup of this volume.
cp v before
make_volume other
"$NACRE" header backup other bo 2>/dev/null
# shellcheck disable=SC2086
fails "another volume's backup: 4" 4 "does not go with" "$NACRE" header restore $pass v bo
# shellcheck disable=SC2086
fails "also by force: 4" 4 "does not go with" "$NACRE" header restore $pass --force v bo
head -c 262143 b0 >short
cat b0 b0 >long
for bad in short long file v; do
  # shellcheck disable=SC2086
  fails "$bad is no backup: 6" 6 "no backup of a header" "$NACRE" header restore $pass v $bad
done
flip() { python3 -c 'import sys
at = int(sys.argv[2]); data = bytearray(open(sys.argv[1], "rb").read()); data[at] ^= int(sys.argv[3]); open("flipped", "wb").write(data)' "$@"; }
flip b0 3 1
# shellcheck disable=SC2086
fails "without its magic: 6" 6 "not a Nacre volume" "$NACRE" header restore $pass v flipped
flip b0 35 16
# shellcheck disable=SC2086
fails "of a feature to come: 8" 8 "does not know" "$NACRE" header restore $pass v flipped
flip b0 50 1
# shellcheck disable=SC2086
fails "a bit of its label: 4" 4 "" "$NACRE" header restore $pass v flipped
flip b0 262143 1
# shellcheck disable=SC2086
fails "a bit of its MAC: 4" 4 "" "$NACRE" header restore $pass v flipped
# shellcheck disable=SC2086
fails "a backup that is not there: 1" 1 "cannot open" "$NACRE" header restore $pass v none
# shellcheck disable=SC2086
fails "into what is not there: 6" 6 "No such file" "$NACRE" header restore $pass none b0
# shellcheck disable=SC2086
fails "into what is shorter than a volume: 4" 4 "cut short" "$NACRE" header restore $pass file b0
holds "none of these changed anything" cmp v before
fails "header without a verb: 2" 2 "say backup or restore" "$NACRE" header

# From before a rotation that came to its end: no superblock opens by it any more. The credential that opens both headers
# shows why, another one doesn't.
make_volume r
"$NACRE" header backup r r0 2>/dev/null
# shellcheck disable=SC2086
"$NACRE" rekey $pass r >/dev/null 2>&1 || not_ok "rekey"
cp r before
for force in "" --force --dry-run; do
  # shellcheck disable=SC2086
  fails "from before a rotation: 9 $force" 9 "is from before a rotation" "$NACRE" header restore $pass $force r r0
done
holds "nothing changed" cmp r before
"$NACRE" key change --passfile pass --new-passfile pass2 $cheap --slot 0 r 2>/dev/null
cp r before
for force in "" --force; do
  # shellcheck disable=SC2086
  fails "and a passphrase of then: 9 $force" 9 "or the volume is damaged" "$NACRE" header restore $pass $force r r0
done
holds "nothing changed" cmp r before
works "the passphrase of now opens it" "$NACRE" ls --passfile pass2 r

# From the midst of one: its keys open what is there, and the older one comes back.
make_volume s
head -c 20000000 /dev/urandom >data
# shellcheck disable=SC2086
"$NACRE" put $pass s data / || not_ok "put"
# shellcheck disable=SC2086
"$NACRE" rekey $pass --json --rate 1M s >lines 2>/dev/null </dev/null &
slow=$!
holds "a rotation is under way" eventually grep -q '"phase":"rekey"' lines
kill -TERM $slow
wait $slow 2>/dev/null
"$NACRE" header backup s s1 2>/dev/null
# shellcheck disable=SC2086
works "and comes to its end later" "$NACRE" rekey $pass --json s
# shellcheck disable=SC2086
works "a backup from its midst: --dry-run" "$NACRE" header restore $pass --dry-run s s1
holds "is known for one" grep -q "midst of a rotation: .* were it restored" "$err"
# shellcheck disable=SC2086
works "is restored" "$NACRE" header restore $pass --json s s1
holds "and tells of the older key" json_is "$out" 'r["older_key"]' True
holds "and warns of it" grep -q "midst of a rotation" "$err"
# shellcheck disable=SC2086
works "rekey takes it away again" "$NACRE" rekey $pass --json s
holds "the report is its last line" sh -c "tail -1 '$out' >last"
holds "resumed" json_is last 'r["resumed"]' True
"$NACRE" header backup s s2 2>/dev/null
# shellcheck disable=SC2086
works "a backup from after its end" "$NACRE" header restore $pass --json s s2
holds "has one key" json_is "$out" 'r["older_key"]' False
holds "and no warning" sh -c "! grep -q rotation '$err'"
# shellcheck disable=SC2086
works "the content is there" sh -c "$NACRE cat $pass s data | cmp - data"
if can_mount && mkdir m && "$NACRE" mount --passfile pass v m 2>/dev/null; then
  works "backup of a mounted volume" "$NACRE" header backup v b3
  # shellcheck disable=SC2086
  fails "restore into it: 5" 5 "mounted on" "$NACRE" header restore $pass v b0
  "$NACRE" umount m
else
  skip "a mounted volume" "can't be mounted here"
fi
finish
