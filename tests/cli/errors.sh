#!/bin/sh
# What bad input gets: one line, the right code, and nothing lost.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
pass="--passfile $TEST_TMP/pass"
# shellcheck disable=SC2086
ls_of() { timeout 60 "$NACRE" ls $pass "$@"; }
nacre() {
  command=$1
  shift
  # shellcheck disable=SC2086
  timeout 120 "$NACRE" $command $pass "$@"
}
# poke FILE OFFSET HEX: write these bytes there.
poke() { python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); f.write(bytes.fromhex(sys.argv[3]))' "$@"; }
# In both copies of the header.
poke_header() {
  cp v bent
  poke bent "$1" "$2"
  poke bent $((16777216 + $1)) "$2"
}

make_volume v
head -c 8000000 /dev/urandom >big
printf 'small\n' >small
nacre put v big small / || not_ok "put"

# Not a volume.
fails "no such file: 6" 6 "none" ls_of none
: >empty
fails "an empty file: 6" 6 "empty" ls_of empty
head -c 1000000 /dev/urandom >foreign
fails "a foreign file: 6" 6 "not a Nacre volume" ls_of foreign
fails "a text: 6" 6 "not a Nacre volume" ls_of "$TEST_TMP/pass"
fails "a folder: 6" 6 "" ls_of "$TEST_TMP"
fails "a device that is no disk: 6" 6 "" ls_of /dev/zero
head -c 100 v >bent
run ls_of bent
[ "$got" -eq 6 ] || [ "$got" -eq 4 ]
judge "the first 100 bytes of one" $?
for bytes in 4096 300000 1000000 17000000; do
  head -c $bytes v >bent
  run ls_of bent
  # A piece that is shorter than a header may be anything.
  { [ "$got" -eq 4 ] || { [ "$got" -eq 6 ] && [ $bytes -eq 4096 ]; }; } && [ "$(grep -c '^nacre: ' "$err")" -eq 1 ]
  judge "cut to $bytes bytes: 4" $?
done

# Public fields that can't be right. Offsets are docs/format.md's.
poke_header 8 01000000
fails "a newer format version: 8" 8 "version" ls_of bent
run "$NACRE" info bent
[ "$got" -eq 8 ] || [ "$got" -eq 0 ]
judge "info of that doesn't fail otherwise" $?
poke_header 12 63000000
fails "an unknown cipher: 8" 8 "cipher" ls_of bent
poke_header 32 0000008000000000
fails "an unknown feature: 8" 8 "features" ls_of bent
poke_header 128 0000000000000400
fails "KDF memory of a PiB: 8" 8 "memory" ls_of bent
poke_header 120 ffffffff
fails "KDF passes without end: 8" 8 "" ls_of bent
poke_header 116 ffffffff
run ls_of bent
[ "$got" -eq 4 ] || [ "$got" -eq 8 ] || [ "$got" -eq 3 ]
judge "KDF lanes without end" $?
poke_header 116 00000000
run ls_of bent
[ "$got" -eq 4 ] || [ "$got" -eq 8 ] || [ "$got" -eq 3 ]
judge "no KDF lanes" $?
poke_header 48 4d4d4d
run ls_of bent
[ "$got" -eq 4 ]
judge "a label that somebody changed: 4" $?
fails "more KDF memory than is allowed: 8" 8 "--kdf-memory-max" ls_of --kdf-memory-max 1M v
cp v bent
poke bent 5000 00ff00ff00ff
works "one copy of the header damaged: opens" ls_of bent
poke bent $((16777216 + 5000)) 00ff00ff00ff
run ls_of bent
[ "$got" -eq 3 ] || [ "$got" -eq 4 ]
judge "both damaged: refused" $?

# Damaged data: the right bytes or an error, never others.
size=$(stat -c %s v)
named=0 bad=0 noticed=0
for part in 1 2 3 4 5 6 7 8 9 10 11; do
  cp v bent
  at=$((1048576 + (size - 1048576) * part / 12))
  poke bent $at "$(python3 -c 'import sys; f = open("v", "rb"); f.seek(int(sys.argv[1])); print("%02x" % (f.read(1)[0] ^ 0x40))' $at)"
  rm -rf copy
  run nacre get bent / copy
  case $got in
  0) cmp -s big copy/big && cmp -s small copy/small || bad=$((bad + 1)) ;;
  10)
    noticed=$((noticed + 1))
    if grep -q '/big' "$err" && [ ! -e copy/big ] && cmp -s small copy/small; then named=$((named + 1)); fi
    ;;
  4) noticed=$((noticed + 1)) ;;
  *) bad=$((bad + 1)) ;;
  esac
  [ "$got" -eq 0 ] && continue
  cp bent damaged
  run nacre verify bent
  [ "$got" -eq 4 ] || bad=$((bad + 1))
done
[ $bad -eq 0 ] && [ $noticed -gt 0 ]
judge "a flipped bit: the right data or an error ($noticed of 11 hit something)" $?
[ $named -gt 0 ]
judge "a file that doesn't authenticate is named and left out: 10" $?
run nacre verify --json damaged
[ "$got" -eq 4 ] && json_is "$out" 'r["problem_count"] > 0 and len(r["problems"]) > 0' True
judge "verify --json lists the problems" $?
rm -rf copy bent damaged

# In use.
mkfifo hold
# shellcheck disable=SC2086
"$NACRE" put $pass v - /held <hold 2>holder.err &
holder=$!
exec 9>hold
tries=0
until [ $tries -gt 100 ] || "$NACRE" info --json v 2>/dev/null | grep -q '"in_use": *true'; do
  sleep 0.1
  tries=$((tries + 1))
done
fails "in use: 5" 5 "another process" ls_of v
fails "to write to: 5" 5 "another process" nacre put v small /
# shellcheck disable=SC2086
fails "create --force doesn't override that: 5" 5 "" "$NACRE" create --force $pass $cheap v
works "key test works all the same" nacre key\ test v
exec 9>&-
wait $holder || not_ok "the holder: $(cat holder.err)"
works "and free again" ls_of v

# Broken off.
# shellcheck disable=SC2086
"$NACRE" put $pass v - /held2 <hold 2>holder.err &
holder=$!
exec 9>hold
printf 'some text' >&9
tries=0
until [ $tries -gt 100 ] || "$NACRE" info --json v 2>/dev/null | grep -q '"in_use": *true'; do
  sleep 0.1
  tries=$((tries + 1))
done
sleep 0.3
kill -TERM $holder
got=0
wait $holder || got=$?
[ "$got" -eq 143 ]
judge "SIGTERM ends a copy, by the signal" $?
exec 9>&-
works "the volume is free and well" nacre verify v
fails "half a file is not there" 1 "/held2" nacre cat v /held2

# The first descriptors closed: nothing is printed into a container.
sum=$(sha256sum v)
# shellcheck disable=SC2086
"$NACRE" ls $pass v <&- >&- 2>&-
# shellcheck disable=SC2086
"$NACRE" cat $pass v none <&- >&- 2>&-
holds "closed descriptors do no harm" test "$sum" = "$(sha256sum v)"
cp v limited
got=0
# shellcheck disable=SC2086
(
  ulimit -f 40000
  "$NACRE" put $pass limited v /big2 2>"$err"
) || got=$?
[ "$got" -eq 7 ] && grep -q '^nacre: ' "$err"
judge "a limit on file sizes is a full disk: 7" $?
works "and nothing is lost" nacre verify limited
rm -f limited

# Full.
make_volume full --size 24M
head -c 40000000 /dev/urandom >huge
fails "a full volume: 7" 7 "" nacre put full huge /
holds "one line about it" test "$(wc -l <"$err")" -eq 1
works "what is half copied is gone" nacre ls full
holds "no file" test ! -s "$out"
works "verify" nacre verify full
head -c 3000000 /dev/urandom >fits
for round in 1 2 3 4 5 6; do
  nacre put full fits / && nacre rm full /fits || not_ok "space does not come back (round $round)"
done
works "space comes back" nacre put full fits /
rm -f huge

# Read-only.
chmod 711 .
# Whether another user reaches the folder and the program.
others_reach() {
  setpriv --reuid 12345 --regid 12345 --clear-groups test -r "$TEST_TMP/small" &&
    setpriv --reuid 12345 --regid 12345 --clear-groups "$NACRE" --version
}
if [ "$(id -u)" -ne 0 ] || others_reach >/dev/null 2>&1; then
  chmod 444 v
  as=''
  [ "$(id -u)" -ne 0 ] || as='setpriv --reuid 12345 --regid 12345 --clear-groups'
  # shellcheck disable=SC2086
  works "a container that can't be written: read" $as "$NACRE" cat $pass "$TEST_TMP/v" small
  # shellcheck disable=SC2086
  fails "write: 11" 11 "" $as "$NACRE" put $pass "$TEST_TMP/v" "$TEST_TMP/small" /new
  chmod 000 v
  # shellcheck disable=SC2086
  fails "one that can't be read: 11" 11 "" $as "$NACRE" cat $pass "$TEST_TMP/v" small
  chmod 600 v
else
  skip "a container that can't be written" "another user can't reach the folder or the program"
fi
works "after all this, all is well" nacre verify --accept-rollback v # it was put back from a copy meanwhile
finish
