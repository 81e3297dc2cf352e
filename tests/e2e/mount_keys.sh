#!/bin/sh
# The keyslots of a mounted volume: changed by whoever can open one, without an unmount.
. "$(dirname "$0")/mount_lib.sh"
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
cheap="--kdf-memory 32M --kdf-passes 1"
pass="--passfile $TEST_TMP/pass"
make_volume "$volume" || not_ok "create"
mount_at "$volume" "$dir" || not_ok "mount"
head -c 100 /dev/urandom >"$TEST_TMP/key"
printf 'another fine long passphrase\n' >"$TEST_TMP/pass2"
printf 'not the passphrase of this one\n' >"$TEST_TMP/wrong"
echo here >"$dir/file"

key() {
  verb=$1
  shift
  "$NACRE" key "$verb" "$@" </dev/null
}
slots() { key list --json "$@" | python3 -c 'import json, sys; print([(s["index"], s["kind"], s["name"]) for s in json.load(sys.stdin)["slots"]])'; }
# opens OPTION...: the container, whose header is on disk already.
opens() { key test "$@" "$volume"; }

# shellcheck disable=SC2086
add() {
  key add $pass --new-key-file "$TEST_TMP/key" $cheap --name 'a file' "$dir"
  opens --key-file "$TEST_TMP/key" | grep -q '^slot 1 (key-file)$'
  key add --key-file "$TEST_TMP/key" --new-passfile "$TEST_TMP/pass2" $cheap "$volume"
  [ "$(slots $pass "$dir")" = "[(0, 'passphrase', None), (1, 'key-file', 'a file'), (2, 'passphrase', None)]" ]
  [ "$(slots $pass "$dir")" = "$(slots --passfile "$TEST_TMP/pass2" "$volume")" ]
}
check "key add and list, by folder and by container" add

# shellcheck disable=SC2086
recovery() {
  key add $pass --new-recovery-key --json "$dir" >"$TEST_TMP/added"
  python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["recovery_key"])' "$TEST_TMP/added" >"$TEST_TMP/paper"
  opens --recovery-key --passfile "$TEST_TMP/paper"
}
check "a recovery key" recovery

into_full() { "$@" >/dev/full; }
# shellcheck disable=SC2086
unseen() {
  before=$(slots $pass "$dir")
  refused 7 into_full key add $pass --new-recovery-key --print "$TEST_TMP/page.html" "$dir"
  [ "$(slots $pass "$dir")" = "$before" ]
  refused 7 into_full key change --recovery-key --passfile "$TEST_TMP/paper" --new-recovery-key "$dir"
  opens --recovery-key --passfile "$TEST_TMP/paper"
  [ ! -e "$TEST_TMP/page.html" ]
  key add $pass --new-recovery-key --print "$TEST_TMP/page.html" "$dir" >"$TEST_TMP/second"
  grep -q '<dt>Slot</dt><dd>4, recovery key</dd>' "$TEST_TMP/page.html"
  opens --passfile "$TEST_TMP/second"
  key remove --passfile "$TEST_TMP/second" "$dir"
}
check "one that could not be shown leaves no slot" unseen

# shellcheck disable=SC2086
change() {
  key change --passfile "$TEST_TMP/pass2" --new-passfile "$TEST_TMP/pass" $cheap "$dir"
  refused 3 opens --passfile "$TEST_TMP/pass2"
  key change --key-file "$TEST_TMP/key" --same --kdf-memory 48M --kdf-passes 2 "$dir"
  key list --json --key-file "$TEST_TMP/key" "$dir" | grep -q 50331648
  slots --key-file "$TEST_TMP/key" "$dir" | grep -q "'a file'"
}
check "key change, to another and to the same" change

# shellcheck disable=SC2086
rename() {
  key change $pass --slot 1 --name 'the same file' "$dir"
  opens --key-file "$TEST_TMP/key"
  slots $pass "$dir" | grep -q "(1, 'key-file', 'the same file')"
  key change --key-file "$TEST_TMP/key" --same $cheap --name 'a file' "$dir"
  slots $pass "$volume" | grep -q "(1, 'key-file', 'a file')"
  refused 1 key change $pass --slot 30 --name nothing "$dir"
}
check "key change --name" rename

# shellcheck disable=SC2086
remove() {
  key remove $pass --slot 1 "$dir"
  refused 3 opens --key-file "$TEST_TMP/key"
  refused 1 key remove $pass --slot 1 "$dir"
  key remove --recovery-key --passfile "$TEST_TMP/paper" "$dir"
  refused 3 opens --recovery-key --passfile "$TEST_TMP/paper"
  key remove $pass --slot 2 "$dir"
  refused 1 key remove $pass --slot 0 "$dir"
  grep -q "last credential" "$TEST_TMP/refused.log"
  opens $pass
}
check "key remove, all but the last" remove

# shellcheck disable=SC2086
strangers() {
  refused 3 key add --passfile "$TEST_TMP/wrong" --new-key-file "$TEST_TMP/key" $cheap "$dir"
  refused 3 key list --passfile "$TEST_TMP/wrong" "$dir"
  id=$(key id $pass "$dir")
  [ "$id" = "$(key id $pass "$volume")" ]
  key list $pass --expect-id "$id" "$dir"
  other=$(printf '%064d' 0)
  refused 12 key list $pass --expect-id "$other" "$dir"
}
check "not without a credential, nor of another volume" strangers

# A passphrase and a key file that are one credential.
# shellcheck disable=SC2086
both() {
  key add $pass --new-passfile "$TEST_TMP/pass2" --new-key-file "$TEST_TMP/key" $cheap --name both "$dir"
  slots --passfile "$TEST_TMP/pass2" --key-file "$TEST_TMP/key" "$dir" | grep -q "(1, 'passphrase+key-file', 'both')"
  refused 3 opens --passfile "$TEST_TMP/pass2"
  refused 3 opens --key-file "$TEST_TMP/key" --slot 1
  refused 3 opens --passfile "$TEST_TMP/wrong" --key-file "$TEST_TMP/key"
  key change --passfile "$TEST_TMP/pass2" --key-file "$TEST_TMP/key" --new-passfile "$TEST_TMP/wrong" \
    --new-key-file "$TEST_TMP/pass" $cheap "$dir"
  refused 3 opens --passfile "$TEST_TMP/pass2" --key-file "$TEST_TMP/key"
  opens --passfile "$TEST_TMP/wrong" --key-file "$TEST_TMP/pass" | grep -q '^slot 1 (passphrase+key-file)$'
  key remove --passfile "$TEST_TMP/wrong" --key-file "$TEST_TMP/pass" "$dir"
  refused 3 opens --passfile "$TEST_TMP/wrong" --key-file "$TEST_TMP/pass"
}
check "a passphrase with a key file" both

# shellcheck disable=SC2086
full() {
  number=1
  while [ $number -lt 32 ]; do
    key add $pass --new-recovery-key --name "device $number" "$dir" >"$TEST_TMP/paper.$number"
    number=$((number + 1))
  done
  refused 1 key add $pass --new-recovery-key "$dir"
  grep -q 'all 32 slots are in use' "$TEST_TMP/refused.log"
  slots $pass "$dir" | grep -q "(31, 'recovery-key', 'device 31')"
  opens --passfile "$TEST_TMP/paper.31" | grep -q '^slot 31 '
  key remove --passfile "$TEST_TMP/paper.7" "$dir"
  refused 3 opens --passfile "$TEST_TMP/paper.7"
  key add $pass --new-recovery-key --json "$dir" >"$TEST_TMP/added"
  grep -q '"slot": *7,' "$TEST_TMP/added"
  number=1
  while [ $number -lt 32 ]; do
    key remove --slot $number $pass "$dir"
    number=$((number + 1))
  done
  [ "$(slots $pass "$dir")" = "[(0, 'passphrase', None)]" ]
}
check "32 slots and no more" full

# shellcheck disable=SC2086
named() {
  key add $pass --new-key-file "$TEST_TMP/key" $cheap "$dir"
  slots $pass "$dir" | grep -q "(1, 'key-file'"
  for at in "$dir" "$volume"; do
    key test $pass --slot 0 "$at" | grep -q '^slot 0 (passphrase)$'
    refused 3 key test $pass --slot 1 "$at"
    refused 3 key list $pass --slot 1 "$at"
    refused 3 key id $pass --slot 1 "$at"
    refused 3 key add $pass --slot 1 --new-passfile "$TEST_TMP/pass2" $cheap "$at"
    refused 3 key change $pass --open-slot 1 --slot 1 --new-passfile "$TEST_TMP/pass2" $cheap "$at"
    refused 3 key remove $pass --open-slot 1 --slot 1 "$at"
    refused 3 "$NACRE" header backup $pass --slot 1 "$at" "$TEST_TMP/backup"
  done
  key remove --key-file "$TEST_TMP/key" --open-slot 1 "$dir"
  [ "$(slots $pass "$dir")" = "[(0, 'passphrase', None)]" ]
}
check "a slot that is named is the only one" named

# The recipient's identity is nobody's here: what is written out is looked at alone.
# shellcheck disable=SC2086
by_folder() {
  recipient=age179lha7v03ewjr3cmyza3yth9xl52kp5ucwh87p4s88c8mn4y4srs4j4nqu
  key add $pass --escrow $recipient "$dir"
  key escrow "$dir" >"$TEST_TMP/escrowed"
  key escrow --slot 1 -o "$TEST_TMP/escrowed2" "$volume"
  cmp "$TEST_TMP/escrowed" "$TEST_TMP/escrowed2"
  head -n 1 "$TEST_TMP/escrowed" | grep -qx 'age-encryption.org/v1'
  refused 3 key escrow --slot 0 "$dir"
  key remove $pass --slot 1 "$dir"
  "$NACRE" header backup $pass "$dir" "$TEST_TMP/b1"
  "$NACRE" header backup "$dir" "$TEST_TMP/b2"
  cmp "$TEST_TMP/b1" "$TEST_TMP/b2"
  mkdir "$TEST_TMP/nothing"
  refused 6 key test $pass "$TEST_TMP/nothing"
  refused 6 key escrow "$TEST_TMP/nothing"
}
check "key test, key escrow and header backup by folder" by_folder

# What is derived is said on a terminal, a line each.
# shellcheck disable=SC2086
at_a_terminal() {
  python3 "$(dirname "$0")/../cli/at_terminal.py" -- "$NACRE" key "$@" >"$TEST_TMP/shown"
}
# shellcheck disable=SC2086
once() {
  at_a_terminal list $pass "$dir"
  [ "$(grep -o 'trying keyslot' "$TEST_TMP/shown" | wc -l)" -eq 1 ]
  at_a_terminal add $pass --new-key-file "$TEST_TMP/key" $cheap "$dir"
  [ "$(grep -o 'trying keyslot 1 of 1' "$TEST_TMP/shown" | wc -l)" -eq 1 ]
  at_a_terminal remove --key-file "$TEST_TMP/key" "$dir"
  [ "$(grep -o 'trying keyslot 1 of 1' "$TEST_TMP/shown" | wc -l)" -eq 1 ]
}
check "one derivation a command, which is said" once

# shellcheck disable=SC2086
afterwards() {
  [ "$(cat "$dir/file")" = here ]
  key add $pass --new-key-file "$TEST_TMP/key" $cheap "$dir"
  "$NACRE" rekey "$dir" 2>/dev/null
  opens --key-file "$TEST_TMP/key"
  unmount "$dir"
  "$NACRE" mount --key-file "$TEST_TMP/key" "$volume" "$dir"
  [ "$(cat "$dir/file")" = here ]
  unmount "$dir"
  "$NACRE" verify $pass "$volume"
}
check "what was added opens it afterwards" afterwards
finish
