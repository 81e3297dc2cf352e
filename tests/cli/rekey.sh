#!/bin/sh
# Rotation from the command line: what it keeps, what it takes away, and what it refuses.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --cipher aes-256-gcm
head -c 20000000 /dev/urandom >data
head -c 30000000 /dev/urandom >gone
# shellcheck disable=SC2086
works "put what is going to go" "$NACRE" put $pass v gone gone
# shellcheck disable=SC2086
works "put" "$NACRE" put $pass v data data
# shellcheck disable=SC2086
works "rm, which leaves free space before the rest" "$NACRE" rm $pass v gone
head -c 100 /dev/urandom >key
# shellcheck disable=SC2086
works "a second credential" "$NACRE" key add $pass --new-key-file key $cheap v
cp --sparse=always v before

# shellcheck disable=SC2086
works "rekey --json" "$NACRE" rekey $pass --json v
holds "the report is its last line" sh -c "tail -1 '$out' >last"
holds "says what it did" json_is last \
  '(r["epoch"], r["resumed"], r["rewritten_bytes"] > 20000000, r["wiped_bytes"] > 1000000)' "(2, False, True, True)"
cat >same_blocks.py <<'END'
"""How many blocks of 4 KiB are where they were, but for empty ones and those of the two groups."""
import sys
before, after = (open(name, "rb").read() for name in sys.argv[1:])
blocks = [at for at in range(0, min(len(before), len(after)), 4096) if at % (16 << 20) >= 512 << 10 or at >= 32 << 20]
print(sum(before[at:at + 4096] == after[at:at + 4096] != bytes(4096) for at in blocks))
END
holds "no block is where it was" test "$(python3 same_blocks.py before v)" = 0
works "who puts header and superblocks of before back" sh -c 'cp --sparse=always v old &&
  dd if=before of=old bs=512K count=1 conv=notrunc status=none &&
  dd if=before of=old bs=512K skip=32 seek=32 count=1 conv=notrunc status=none'
# shellcheck disable=SC2086
fails "finds nothing: 4" 4 "" "$NACRE" ls $pass --no-anchor old
# shellcheck disable=SC2086
works "the content is the same" sh -c "$NACRE cat $pass v data | cmp - data"
works "the other credential opens it, too" "$NACRE" ls --key-file key v
# shellcheck disable=SC2086
works "verify" "$NACRE" verify $pass v

# No more than the rate allows is written, so it takes at least so long; and it tells of itself meanwhile.
began=$(date +%s)
# shellcheck disable=SC2086
works "rekey --rate --json --cipher" "$NACRE" rekey $pass --rate 8M --json --cipher xchacha20-poly1305 v
holds "keeps to its rate" test $(($(date +%s) - began)) -ge 2
cat >lines.py <<'END'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])][:-1]
for phase in "rekey", "wipe":
    done = [line["done_bytes"] for line in lines if line["phase"] == phase]
    assert done, "no line of phase " + phase
    assert all(line["done_bytes"] <= line["total_bytes"] for line in lines)
rekey = [line["done_bytes"] for line in lines if line["phase"] == "rekey"]
assert any(before < after for before, after in zip(rekey, rekey[1:])), "it does not grow"
END
holds "and tells how far it is, in both phases" python3 lines.py "$out"
works "info" "$NACRE" info --json v
holds "names the new cipher" json_is "$out" 'r["cipher"]' xchacha20-poly1305
# shellcheck disable=SC2086
works "the content is the same still" sh -c "$NACRE cat $pass v data | cmp - data"

# shellcheck disable=SC2086
works "rekey --drop" "$NACRE" rekey $pass --drop 1 v
fails "what was dropped opens nothing: 3" 3 "" "$NACRE" ls --no-anchor --key-file key v
# shellcheck disable=SC2086
works "what stays does" "$NACRE" ls $pass v
works "nor does its header of before" sh -c 'cp --sparse=always v old &&
  dd if=before of=old bs=256K count=1 conv=notrunc status=none &&
  dd if=before of=old bs=256K skip=64 seek=64 count=1 conv=notrunc status=none'
fails "with that it is damaged: 4" 4 "" "$NACRE" ls --no-anchor --key-file key old
works "the copy of before opens as it did" "$NACRE" ls --no-anchor --key-file key before

# shellcheck disable=SC2086
works "rekey --slots-only" "$NACRE" rekey $pass --slots-only v
# shellcheck disable=SC2086
fails "--drop of an empty slot: 1" 1 "slot 5 is empty" "$NACRE" rekey $pass --drop 5 v
# shellcheck disable=SC2086
fails "--drop of all there are: 1" 1 "no slot would be left" "$NACRE" rekey $pass --drop 0 v
# shellcheck disable=SC2086
fails "--drop of no number: 2" 2 "no list of slots" "$NACRE" rekey $pass --drop 1,x v
# shellcheck disable=SC2086
fails "--drop of a number too high: 2" 2 "no list of slots" "$NACRE" rekey $pass --drop 32 v
# shellcheck disable=SC2086
fails "a cipher that is none: 2" 2 "unknown cipher" "$NACRE" rekey $pass --cipher rot13 v
# shellcheck disable=SC2086
fails "--slots-only with a cipher: 2" 2 "--slots-only" "$NACRE" rekey $pass --slots-only --cipher aes-256-gcm v
fails "a wrong passphrase: 3" 3 "wrong passphrase" "$NACRE" rekey --passfile wrong v
fails "no volume: 6" 6 "" "$NACRE" rekey --passfile pass data

# A rotation that takes its time is interrupted.
# shellcheck disable=SC2086
"$NACRE" rekey $pass --rate 1M v >"$out" 2>"$err" </dev/null &
slow=$!
tries=0
until "$NACRE" info --json v >info 2>/dev/null && json_is info 'r["in_use"]' True || [ $tries -gt 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
sleep 1
kill -TERM $slow
got=0
wait $slow || got=$?
holds "SIGTERM ends it as a shell expects" test "$got" -eq 143
holds "and it says that it is carried on" grep -q "next mounted" "$err"
# shellcheck disable=SC2086
works "meanwhile the content is there" sh -c "$NACRE cat $pass v data | cmp - data"
# shellcheck disable=SC2086
fails "another cannot begin: 5" 5 "under way" "$NACRE" rekey $pass --cipher aes-256-gcm v
# shellcheck disable=SC2086
works "rekey carries it on" "$NACRE" rekey $pass --json v
holds "the report is its last line" sh -c "tail -1 '$out' >last"
holds "and says so" json_is last 'r["resumed"]' True
# shellcheck disable=SC2086
works "verify at the end" "$NACRE" verify $pass v
finish
