#!/bin/sh
# Volumes whose keys are or were being rotated: with blocks of two epochs and of two ciphers.
# timeout: 120
. "$(dirname "$0")/reader_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --cipher aes-256-gcm
head -c 12000000 /dev/urandom >large
mkdir many
(cd many && seq 1 3000 | xargs touch)
check "put" put v large many "$here" /

# The hash of a file as the reader gives it.
same() {
  # shellcheck disable=SC2086
  $python "$here/nacre-read.py" $pass "$1" --extract out >/dev/null && cmp out/large large
  same_code=$?
  rm -rf out
  return $same_code
}

# shellcheck disable=SC2086
"$NACRE" rekey $pass --cipher xchacha20-poly1305 --rate 2M v >/dev/null 2>&1 </dev/null &
slow=$!
tries=0
until [ "$(od -An -tu4 -j12 -N4 v | tr -d ' ')" = 2 ] || [ $tries -gt 200 ]; do
  sleep 0.05
  tries=$((tries + 1))
done
sleep 1.5
kill -9 $slow
wait $slow 2>/dev/null
read_cut() {
  # shellcheck disable=SC2086
  $python "$here/nacre-read.py" $pass --json v >cut.json
}
check "a volume whose rotation was killed" read_cut
check "has two epochs" says cut.json 'r["epochs"]' '[1, 2]'
check "and what was put in" same v
# shellcheck disable=SC2086
check "carried on" "$NACRE" rekey $pass v
check "it is read" read_json done.json v
check "and has one" says done.json 'r["epochs"]' '[2]'
check "and what was put in, still" same v
# shellcheck disable=SC2086
check "a quick rotation" "$NACRE" rekey $pass --slots-only v
check "is read as well" read_volume v
finish
