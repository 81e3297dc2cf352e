#!/bin/sh
# What is asked at a terminal, and that nothing secret is shown there.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
secret='correct horse battery staple'
# at NAME CODE ANSWER... -- COMMAND...
at() {
  name=$1 code=$2
  shift 2
  got=0
  python3 "$here/at_terminal.py" "$@" >"$out" 2>"$err" || got=$?
  [ "$got" -eq "$code" ] && ! grep -qF "$secret" "$out"
  judge "$name" $?
}
# shellcheck disable=SC2086
at "create asks twice, and offers a recovery key" 0 "New passphrase for v: =$secret" "The same again: =$secret" \
  "recovery key=n" -- "$NACRE" create $cheap v
# shellcheck disable=SC2086
at "a yes makes one" 0 "New passphrase=$secret" "again: =$secret" "recovery key=y" -- "$NACRE" create $cheap r
holds "and shows it" grep -Eq '[0-9A-Z]{5}(-[0-9A-Z]{5}){7}' "$out"
grep -Eo '[0-9A-Z]{5}(-[0-9A-Z]{5}){7}' "$out" >recovery
at "it is taken at the prompt for a passphrase" 0 "Passphrase for r: =$(cat recovery)" -- "$NACRE" ls r
# shellcheck disable=SC2086
at "two that differ: asked again" 0 "New passphrase=$secret" "again: =$secret!" "two differ" "New passphrase=$secret" \
  "again: =$secret" "recovery key=n" -- "$NACRE" create $cheap v2
# shellcheck disable=SC2086
at "a weak one: asked again, with the reason" 0 "New passphrase=dragon" "too weak" "New passphrase=$secret" \
  "again: =$secret" "recovery key=" -- "$NACRE" create $cheap v3
holds "why, and what guessing costs" grep -q 'common words.*guessing it takes' "$out"
at "open" 0 "Passphrase for v: =$secret" -- "$NACRE" ls v
at "a wrong answer is asked again" 0 "Passphrase=nonsense" "opens nothing" "Passphrase=$secret" -- "$NACRE" ls v
at "three wrong ones are enough: 3" 3 "Passphrase=no" "Passphrase=no" "Passphrase=no" -- "$NACRE" ls v
at "an empty one gives up: 3" 3 "Passphrase=" -- "$NACRE" ls v
at "Ctrl-C ends it by the signal" 130 "Passphrase=^C" -- "$NACRE" ls v
# shellcheck disable=SC2086
at "Ctrl-C at create leaves nothing" 130 "New passphrase=^C" -- "$NACRE" create $cheap v4
holds "no file" test ! -e v4
# shellcheck disable=SC2086
at "key change of a cheap slot offers to raise it" 0 "Passphrase=$secret" "only raise the cost=y" -- "$NACRE" key change r
holds "and does" sh -c "'$NACRE' info r | grep -q '^slot 0 .*256 MiB'"
# shellcheck disable=SC2086
at "key change asks for both" 0 "Passphrase=$secret" "New passphrase=another fine long passphrase" \
  "again=another fine long passphrase" -- "$NACRE" key change $cheap v
works "so that the new one opens" "$NACRE" ls --passfile pass2 v
at "echo is on again afterwards" 0 "Passphrase for v: =another fine long passphrase" "done?=yes, echoed" -- \
  sh -c '"$1" ls v && printf "done?" && read -r answer' sh "$NACRE"
holds "what is typed shows" grep -q 'yes, echoed' "$out"
# stdin and stdout are not the terminal: it is asked all the same.
at "asked at the terminal, not at stdin" 0 "Passphrase=another fine long passphrase" -- \
  sh -c '"$1" ls v </dev/null >/dev/null' sh "$NACRE"
echo x >"$(printf 'evil\033[2Jname')"
works "a name with control bytes" "$NACRE" put --passfile pass2 v "$(printf 'evil\033[2Jname')" /
at "is escaped at a terminal" 0 -- "$NACRE" ls --passfile pass2 v
holds "as \\x1b" grep -qF 'evil\x1b[2Jname' "$out"
works "and as it is elsewhere" "$NACRE" ls --passfile pass2 v
holds "byte by byte" grep -qF "$(printf 'evil\033[2Jname')" "$out"
# Unlocking says that it is at it, with one slot as well, and ends at Ctrl-C.
"$NACRE" create --passfile pass --kdf-memory 256M --kdf-passes 12 slow 2>/dev/null
at "a line about the slot that is tried" 0 "Passphrase=another fine long passphrase" "trying keyslot 1 of 1" -- \
  "$NACRE" key test v
at "in all that unlocks" 0 "trying keyslot 1 of 1" -- "$NACRE" header backup --passfile pass2 v backup
at "and opens" 0 "trying keyslot 1 of 1" -- "$NACRE" ls --passfile pass2 v
at "Ctrl-C while key test unlocks ends it by the signal" 130 "trying keyslot=^C" -- "$NACRE" key test --passfile pass slow
holds "and tells nothing" sh -c "! grep -q '^slot 0' '$out'"
at "or header backup" 130 "trying keyslot=^C" -- "$NACRE" header backup --passfile pass slow backup2
holds "which makes none" test ! -e backup2
if can_mount; then
  mkdir m
  at "mount asks while the terminal is there" 0 "Passphrase=nonsense" "Passphrase=another fine long passphrase" -- "$NACRE" mount v m
  holds "and has mounted" mounted "$TEST_TMP/m"
  works "umount" "$NACRE" umount m
  end_mounts
else
  skip "mount asks while the terminal is there" "cannot mount here"
fi
finish
