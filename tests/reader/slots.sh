#!/bin/sh
# Every kind of credential that the program makes, and what removed and changed ones open. Raw keys: golden.sh.
. "$(dirname "$0")/reader_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --slot-name first --label 'a label'
head -c 5000 /dev/urandom >key
head -c 1 /dev/urandom >key1
read_with() { $python "$here/nacre-read.py" --at-rest v "$@"; }
add() {
  # shellcheck disable=SC2086
  "$NACRE" key add $pass "$@" v 2>/dev/null
}
# shellcheck disable=SC2086
add --new-key-file key $cheap --name 'the key'
# shellcheck disable=SC2086
add --new-passfile pass2 --kdf-memory 40M --kdf-passes 2 --kdf-lanes 3
add --new-recovery-key --name paper >recovery
# shellcheck disable=SC2086
add --new-key-file key1 $cheap
check "a passphrase" read_json first.json v
check "with the label" says first.json 'r["label"]' 'a\x20label'
check "names, kinds and costs of all slots" says first.json \
  '[(s["index"], s["kind"], s["name"], s["memory_bytes"] >> 20, s["passes"], s["lanes"]) for s in r["slots"]]' \
  "[(0, 'passphrase', 'first', 32, 1, 1), (1, 'key-file', 'the\\\\x20key', 32, 1, 1), (2, 'passphrase', '', 40, 2, 3), (3, 'recovery-key', 'paper', 0, 0, 0), (4, 'key-file', '', 32, 1, 1)]"
check "a key file" read_with --key-file key
check "a key file of one byte" read_with --key-file key1
check "a passphrase of several lanes and passes" read_with --passfile pass2
check "a recovery key" read_with --recovery-file recovery
tr 'A-Z-' 'a-z ' <recovery | sed 's/0/o/g; s/1/l/g' >careless
check "a recovery key as a person writes it" read_with --recovery-file careless
sed 's/^\(.\)\(.\)/\2\1/; t' recovery >slip
if cmp -s slip recovery; then sed 's/^./Z/' recovery >slip; fi
check "a mistyped one is refused" ends 3 read_with --recovery-file slip
echo 'something else, long enough' >wrong
check "a wrong passphrase is refused" ends 3 read_with --passfile wrong
check "a key file that is not the slot's is refused" ends 3 read_with --key-file pass

# Both factors, and an age identity. What is sealed outside in other ways: golden.sh.
# shellcheck disable=SC2086
add --new-passfile pass2 --new-key-file key $cheap
add --escrow age179lha7v03ewjr3cmyza3yth9xl52kp5ucwh87p4s88c8mn4y4srs4j4nqu
echo AGE-SECRET-KEY-1LPR6TAYQTAU854W386Z87SKN24FQD8EVMZKTTNT37KSXYUTVE0WQYPRFW9 >identity
check "a passphrase and a key file" read_with --slot 5 --passfile pass2 --key-file key
check "with another file they are refused" ends 3 read_with --slot 5 --passfile pass2 --key-file key1
check "an age identity" read_with --slot 6 --identity identity
echo AGE-SECRET-KEY-1QQPQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQE4QYW5 >stranger
check "another is refused" ends 3 read_with --slot 6 --identity stranger
# shellcheck disable=SC2086
"$NACRE" key change $pass --slot 2 --new-passfile wrong $cheap v 2>/dev/null
check "a changed credential opens" read_with --passfile wrong
check "what it was does not" ends 3 read_with --passfile pass2
# shellcheck disable=SC2086
"$NACRE" key remove $pass --slot 1 v 2>/dev/null
check "a removed one does not" ends 3 read_with --key-file key
# The second header copy as it was before the last change: a power cut between the two.
cp v stale
dd if=/dev/urandom of=stale bs=4096 seek=4096 count=64 conv=notrunc 2>/dev/null
check "one header copy is enough" $python "$here/nacre-read.py" --passfile pass stale
check "but is not as it should be at rest" ends 4 $python "$here/nacre-read.py" --at-rest --passfile pass stale
finish
