#!/bin/sh
# nacre rekey of a mounted volume: in the mount's process, without a credential, with everybody at work.
. "$(dirname "$0")/mount_lib.sh"
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
make_volume "$volume" || not_ok "create"
mount_at "$volume" "$dir" || not_ok "mount"

rekey() { "$NACRE" rekey "$@" </dev/null; }
field() { python3 -c 'import json, sys; print(eval(sys.argv[1], json.loads(sys.stdin.readlines()[-1])))' "$1"; }
status() { "$NACRE" status --json "$dir" | python3 -c 'import json, sys; print(json.load(sys.stdin)["mounts"][0][sys.argv[1]])' "$1"; }
rotating() { [ "$(status rekeying)" = True ]; }

head -c 40000000 /dev/urandom >"$dir/large"
"$NACRE" sync "$dir"
sum=$(sha256sum <"$dir/large")
same() { [ "$(sha256sum <"$dir/large")" = "$sum" ]; }

at_work() {
  mkdir "$dir/busy"
  (
    n=0
    while [ ! -e "$TEST_TMP/enough" ] && echo "$n" >"$dir/busy/$n" && mv "$dir/busy/$n" "$dir/busy/done-$n"; do
      n=$((n + 1))
      echo "$n" >"$TEST_TMP/written"
    done
  ) &
  writer=$!
  wait_for test -s "$TEST_TMP/written"
  rekey --json "$dir" >"$TEST_TMP/report"
  [ "$(field '(epoch, resumed, rewritten_bytes > 40000000)' <"$TEST_TMP/report")" = "(2, False, True)" ]
  rekey --json --cipher xchacha20-poly1305 "$volume" >"$TEST_TMP/report"
  [ "$(field epoch <"$TEST_TMP/report")" = 3 ]
  touch "$TEST_TMP/enough"
  wait "$writer"
  last=$(($(cat "$TEST_TMP/written") - 1))
  n=0
  while [ $n -le $last ]; do
    [ "$(cat "$dir/busy/done-$n")" = $n ]
    n=$((n + 1))
  done
  same
  not rotating
}
check "a rotation beside a writer, twice, once to another cipher" at_work

slowly() {
  rekey --rate 4M "$dir" >/dev/null 2>&1 &
  slow=$!
  wait_for rotating
  "$NACRE" status "$dir" | grep -q 'keys being rotated (.* %)'
  refused 5 rekey "$dir"
  grep -q "rotated already" "$TEST_TMP/refused.log"
  "$NACRE" verify "$dir" | grep -q ' 0 problems$'
  "$NACRE" sync "$dir"
  kill -TERM $slow
  slow_code=0
  wait $slow || slow_code=$?
  [ $slow_code -eq 143 ]
  rotating
  same
  refused 5 rekey --slots-only "$dir"
}
check "a slow one: seen by status, alone, beside verify and sync, and ended with its command" slowly

by_itself() {
  rotating
  unmount "$dir"
  mount_at "$volume" "$dir"
  wait_for not rotating
  same
  [ "$(rekey --json "$dir" | field '(epoch, resumed)')" = "(5, False)" ]
}
check "what was broken off goes on at the next mount by itself" by_itself

# The rate is remembered with the rotation. A look that comes late, when all may be done at that rate as well, proves nothing.
at_its_rate() {
  rekey --rate 1M "$dir" >/dev/null 2>&1 &
  slow=$!
  wait_for rotating
  kill -TERM $slow
  wait $slow || :
  left_s=$((($(status rekey_total_bytes) - $(status rekey_done_bytes)) / 1048576))
  unmount "$dir"
  began=$(date +%s)
  mount_at "$volume" "$dir"
  sleep 4
  rotating || [ $(($(date +%s) - began)) -ge $((left_s - 1)) ]
  rekey --rate 1G "$dir" 2>/dev/null # to its end, or, if it came to that, another one
  not rotating
  same
}
check "and at the rate that it was begun with" at_its_rate

unmounted() {
  rekey --rate 4M "$dir" >"$TEST_TMP/slow.log" 2>&1 &
  slow=$!
  wait_for rotating
  unmount "$dir"
  slow_code=0
  wait $slow || slow_code=$?
  cat "$TEST_TMP/slow.log"
  [ $slow_code -eq 1 ]
  grep -q "broken off" "$TEST_TMP/slow.log"
  mount_at "$volume" "$dir"
  rekey "$dir" 2>/dev/null
  not rotating
  same
}
check "an unmount breaks it off, and nothing is lost" unmounted

read_only() {
  unmount "$dir"
  mount_at "$volume" "$dir" -o ro
  rekey "$dir" >"$TEST_TMP/ro.log" 2>&1 && return 1
  grep -q "read-only" "$TEST_TMP/ro.log"
  same
}
check "not of a volume that is mounted read-only" read_only
check "umount" unmount "$dir"
check "the volume verifies afterwards" "$NACRE" verify --passfile "$TEST_TMP/pass" "$volume"
finish
