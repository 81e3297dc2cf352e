#!/bin/sh
# Help, options, and how errors look.
. "$(dirname "$0")/cli_lib.sh"
# shellcheck disable=SC2086
for command in create mount umount status sync ls cat get put rm mkdir mv info erase rekey audit verify bench \
  "key add" "key remove" "key change" "key list" "key escrow" "key id" "key test" \
  "header backup" "header restore"; do
  run "$NACRE" $command --help
  grep -q "^usage: nacre $command " "$out" && grep -q -- --json "$out" && [ ! -s "$err" ] && [ "$got" -eq 0 ]
  judge "$command --help explains itself" $?
  run "$NACRE" help $command
  grep -q "^usage: nacre $command " "$out"
  judge "help $command is the same" $?
  fails "$command refuses an unknown option" 2 "unknown option '--no-such-thing'" "$NACRE" $command --no-such-thing
done
# told_in PAGE COMMAND...: each option that its help lists is in the page, or in nacre(1), which has those of many.
told_in() {
  page=$1 missing=
  shift
  run "$NACRE" "$@" --help
  for option in $(grep -o '^ .\{5\}--[a-z0-9-]*' "$out" | grep -o -- '--.*'); do
    sed 's/Fl Fl /--/g' "$here/../../docs/man/nacre-$page.1" "$here/../../docs/man/nacre.1" |
      grep -q -e "$option\([^a-z0-9-]\|\$\)" || missing="$missing $option"
  done
  holds "the manual has the options of $*" test -z "$missing"
}
for page in create mount erase rekey audit verify; do
  told_in $page $page
done
for command in umount status sync; do
  told_in mount $command
done
for command in ls cat get put rm mkdir mv; do
  told_in files $command
done
for command in info bench; do
  told_in verify $command
done
for command in add remove change list escrow id test; do
  told_in key key $command
done
for command in backup restore; do
  told_in header header $command
done
works "key --help lists its commands" "$NACRE" key --help
works "--help lists the commands" "$NACRE" --help
works "help does, too" "$NACRE" help
works "--version tells the format's version" "$NACRE" --version
holds "the version is a number" grep -Eq '^nacre [0-9]+\.[0-9]+\.[0-9]+ \(container format [0-9]+' "$out"
run "$NACRE"
[ "$got" -eq 2 ]
judge "no command is wrong usage" $?
fails "an unknown command" 2 "there is no command 'frobnicate'" "$NACRE" frobnicate
fails "key without a verb" 2 "say add, remove" "$NACRE" key
fails "too few operands" 2 "too few operands" "$NACRE" mount one
fails "too many operands" 2 "too many operands" "$NACRE" info one two
fails "a missing argument" 2 "missing argument of 'size'" "$NACRE" create x --size
for size in 12Q -5 1.5 x 99999999999G ""; do
  fails "'$size' is no size" 2 "is no SIZE" "$NACRE" create "$TEST_TMP/x" --size "$size"
done
fails "a time that is none" 2 "is no TIME" "$NACRE" mount a b --idle 5y
fails "an unknown cipher's name" 2 "unknown cipher 'rot13'" "$NACRE" create "$TEST_TMP/x" --cipher rot13
fails "a chunk size that there is not" 2 "--chunk" "$NACRE" create "$TEST_TMP/x" --chunk 8K
fails "costs below the floor" 2 "below the floor" "$NACRE" create "$TEST_TMP/x" --kdf-memory 1M
fails "a volume that is too small" 2 "too small" "$NACRE" create "$TEST_TMP/x" --size 1M
fails "two sources for one credential" 2 "more than one source" \
  "$NACRE" create "$TEST_TMP/x" --passfile "$TEST_TMP/pass" --extpass true
holds "none of these made a file" test ! -e "$TEST_TMP/x"

run "$NACRE" info --json "$TEST_TMP/none"
[ "$got" -eq 6 ] && [ ! -s "$out" ] &&
  json_is "$err" 'r["error"]["code"], r["error"]["name"], sorted(r["error"])' \
    "(6, 'no-volume', ['code', 'message', 'name', 'subject'])"
judge "with --json an error is an object on stderr" $?
run "$NACRE" info --no-such-thing --json
json_is "$err" 'r["error"]["code"]' 2
judge "even one about options" $?
name=$(printf 'a\nb\033[31mc')
run "$NACRE" info "$TEST_TMP/$name"
[ "$got" -eq 6 ] && [ "$(wc -l <"$err")" -eq 1 ] && grep -qF 'a\nb\x1b[31mc' "$err"
judge "a name's control bytes don't break the line" $?
run sh -c '"$1" --help >/dev/full' sh "$NACRE"
[ "$got" -eq 7 ]
judge "output that can't be written is an error" $?
finish
