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
