#!/bin/sh
# A passphrase and a key file of which neither opens anything alone; the volume that is expected.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v
head -c 100 /dev/urandom >key
head -c 100 /dev/urandom >key2
# shellcheck disable=SC2086
works "key add of both" "$NACRE" key add $pass --new-passfile pass2 --new-key-file key $cheap --name both v
works "both open" "$NACRE" key test --passfile pass2 --key-file key --json v
holds "that slot" json_is "$out" '(r["slot"], r["kind"])' "(1, 'passphrase+key-file')"
fails "the passphrase alone: 3" 3 "wrong passphrase" "$NACRE" ls --passfile pass2 v
fails "the file alone, where nobody can be asked: 3" 3 "no terminal" "$NACRE" ls --key-file key v
fails "another file: 3" 3 "wrong passphrase with this key file" "$NACRE" ls --passfile pass2 --key-file key2 v
fails "another passphrase: 3" 3 "wrong passphrase with this key file" "$NACRE" ls --passfile pass --key-file key v
# shellcheck disable=SC2086
works "a file alone gets a slot of its own" "$NACRE" key add $pass --new-key-file key2 $cheap v
works "and is then no half of anything" "$NACRE" ls --key-file key2 v
# shellcheck disable=SC2086
fails "a weak half: 3" 3 "too weak" sh -c "echo abc123 | $NACRE key add $pass --new-passfile - --new-key-file key v"
works "a volume of both from the start" "$NACRE" create --passfile pass --key-file key --kdf-memory 32M --kdf-passes 1 w
works "opens with both" "$NACRE" ls --passfile pass --key-file key w
fails "and with nothing less: 3" 3 "no slot for the passphrase" "$NACRE" ls --passfile pass w
# shellcheck disable=SC2086
works "removed" "$NACRE" key remove $pass --slot 1 v
fails "opens nothing: 3" 3 "" "$NACRE" ls --passfile pass2 --key-file key v

# shellcheck disable=SC2086
works "key id" "$NACRE" key id $pass v
id=$(cat "$out")
holds "64 digits" sh -c "grep -qx '[0-9a-f]\{64\}' '$out'"
# shellcheck disable=SC2086
works "key id --json" "$NACRE" key id $pass --json v
holds "the same" json_is "$out" 'r["fingerprint"]' "$id"
# shellcheck disable=SC2086
works "--expect-id of the volume" "$NACRE" ls $pass --expect-id "$id" v
# shellcheck disable=SC2086
works "in capitals" "$NACRE" ls $pass --expect-id "$(echo "$id" | tr a-f A-F)" v
# shellcheck disable=SC2086
make_volume other
# shellcheck disable=SC2086
fails "of another: 12" 12 "another volume" "$NACRE" ls $pass --expect-id "$id" other
# shellcheck disable=SC2086
fails "which is not written to, either: 12" 12 "another volume" "$NACRE" mkdir $pass --expect-id "$id" other folder
# shellcheck disable=SC2086
works "and is as it was" "$NACRE" ls $pass other
holds "empty" test ! -s "$out"
# One that has the public id of the one that is meant, in a header that is whole.
if can_pretend; then
  holds "a thief gives his volume the other's public id" pretend other v
  "$NACRE" info --json v >one
  "$NACRE" info --json other >two
  holds "nothing that is public tells them apart" sh -c '[ "$1" = "$2" ]' sh \
    "$(json one 'r["volume_id"], r["label"]')" "$(json two 'r["volume_id"], r["label"]')"
  # shellcheck disable=SC2086
  works "it opens" "$NACRE" mkdir $pass --no-anchor other folder
  # shellcheck disable=SC2086
  fails "but isn't the one expected: 12" 12 "another volume" "$NACRE" ls $pass --no-anchor --expect-id "$id" other
else
  skip "a copied public id" "no python3-nacl, python3-argon2 or python3-cryptography"
fi
# shellcheck disable=SC2086
fails "something that is no fingerprint: 2" 2 "64 hexadecimal digits" "$NACRE" ls $pass --expect-id abc v
# shellcheck disable=SC2086
fails "--fido2 where no slot is a token's: 3" 3 "no FIDO2 slot" "$NACRE" ls --fido2 v
# shellcheck disable=SC2086
run "$NACRE" key add $pass --fido2 v
[ "$got" -eq 3 ] || [ "$got" -eq 8 ]
judge "key add --fido2 without a token: 3, or 8 where the build knows none" $?
# shellcheck disable=SC2086
fails "--slot of another kind: 3" 3 "slot 2 is not one for the passphrase" "$NACRE" ls $pass --slot 2 v
# shellcheck disable=SC2086
fails "--slot that there is not: 2" 2 "0 to 31" "$NACRE" ls $pass --slot 32 v
finish
