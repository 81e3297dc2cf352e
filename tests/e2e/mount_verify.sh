#!/bin/sh
# nacre verify of a mounted volume: in the mount's process, without a credential, with everybody at work.
. "$(dirname "$0")/mount_lib.sh"
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
make_volume "$volume" || not_ok "create"
mount_at "$volume" "$dir" || not_ok "mount"

verify() { "$NACRE" verify "$@" </dev/null; }
field() { python3 -c 'import json, sys; print(eval(sys.argv[1], json.load(sys.stdin)))' "$1"; }

# exits CODE COMMAND...: its output is in exits.out and exits.err.
exits() {
  exits_wanted=$1
  shift
  exits_got=0
  "$@" >"$TEST_TMP/exits.out" 2>"$TEST_TMP/exits.err" || exits_got=$?
  cat "$TEST_TMP/exits.out" "$TEST_TMP/exits.err"
  [ "$exits_got" -eq "$exits_wanted" ]
}

under_a_writer() {
  mkdir "$dir/busy"
  (
    n=0
    while [ ! -e "$TEST_TMP/enough" ] && echo "$n" >"$dir/busy/$n"; do
      n=$((n + 1))
      echo "$n" >"$TEST_TMP/written"
    done
  ) &
  writer=$!
  for name in "$dir" "$volume" "$dir"; do
    wait_for test -s "$TEST_TMP/written"
    exits 0 verify "$name"
    grep -q ' files and .* 0 problems$' "$TEST_TMP/exits.out"
    [ ! -s "$TEST_TMP/exits.err" ]
    rm "$TEST_TMP/written"
    wait_for test -s "$TEST_TMP/written"
  done
  touch "$TEST_TMP/enough"
  wait "$writer"
  last=$(($(cat "$TEST_TMP/written") - 1))
  [ "$(cat "$dir/busy/$last")" = "$last" ]
}
check "a healthy volume under a writer, which goes on" under_a_writer

same_report() {
  (cd "$TEST_TMP" && verify --json m) >"$TEST_TMP/mounted.json"
  [ "$(field 'volume, problems, problem_count, files > 0' <"$TEST_TMP/mounted.json")" = "('m', [], 0, True)" ]
  unmount "$dir"
  verify --json --passfile "$TEST_TMP/pass" "$volume" >"$TEST_TMP/alone.json"
  mount_at "$volume" "$dir"
  for name in nodes chunks inodes directories files data_bytes; do
    [ "$(field $name <"$TEST_TMP/mounted.json")" = "$(field $name <"$TEST_TMP/alone.json")" ]
  done
  [ "$(field 'sorted(k for k in globals() if k[0] != "_")' <"$TEST_TMP/mounted.json")" = \
    "$(field 'sorted(k for k in globals() if k[0] != "_")' <"$TEST_TMP/alone.json")" ]
}
check "--json, with what the volume alone gives" same_report

read_only() {
  unmount "$dir"
  mount_at "$volume" "$dir" --read-only
  verify "$dir"
  "$NACRE" sync "$dir"
  unmount "$dir"
  mount_at "$volume" "$dir"
}
check "mounted read-only" read_only

as_another() {
  exits 5 as_nobody "$NACRE" verify "$dir"
}
if [ "$(id -u)" -eq 0 ] && as_nobody test -x "$NACRE"; then
  check "another user is refused" as_another
else
  skip "another user is refused" "needs root, and the program where nobody may go"
fi

# The client is ended as soon as it has begun, several times over; each time the mount must go on.
killed() {
  daemon=$(daemon_of "$dir")
  head -c 100000000 /dev/urandom >"$dir/large"
  for signal in INT TERM KILL INT TERM KILL; do
    python3 -c '
import signal, subprocess, sys, time
client = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL)
time.sleep(0.02)
client.send_signal(getattr(signal, "SIG" + sys.argv[1]))
assert client.wait() in (0, -getattr(signal, "SIG" + sys.argv[1]))' $signal "$NACRE" verify "$dir"
    echo "$signal" >"$dir/after"
    [ "$(daemon_of "$dir")" = "$daemon" ]
  done
  wait_for verify "$dir"
  rm "$dir/large"
}
check "a client that is ended ends the check, and no more" killed

# harm FROM TO CONTAINER COUNT: turn a bit around in as many units in the midst of the longest that TO has beyond FROM.
harm() {
  python3 - "$@" <<'END'
import sys
before, after = (open(path, "rb").read() for path in sys.argv[1:3])
unit = 4096
changed = [at for at in range(0, len(after), unit)
           if before[at:at + unit] != after[at:at + unit] and any(after[at:at + unit])]
runs = []
for at in changed:
    if runs and runs[-1][1] == at:
        runs[-1][1] = at + unit
    else:
        runs.append([at, at + unit])
start, end = max(runs, key=lambda run: run[1] - run[0])
count = int(sys.argv[4])
with open(sys.argv[3], "r+b") as container:
    for at in range(start, end, unit)[100:100 + count]:
        container.seek(at)
        container.write(bytes([after[at] ^ 1]))
END
}

damaged() {
  "$NACRE" sync "$dir"
  cp --sparse=always "$volume" "$TEST_TMP/before"
  head -c 16000000 /dev/urandom >"$dir/busy/vic=tim %"
  "$NACRE" sync "$dir"
  cp --sparse=always "$volume" "$TEST_TMP/after"
  harm "$TEST_TMP/before" "$TEST_TMP/after" "$volume" 100
  exits 4 verify "$dir"
  grep -q '^/busy/vic=tim %: ' "$TEST_TMP/exits.out"
  grep -q ' files and .* problems*$' "$TEST_TMP/exits.out"
  grep -q '^nacre: .* found; restore .* backup$' "$TEST_TMP/exits.err"
  exits 4 verify --json "$dir"
  [ "$(field 'problem_count > 0, problems[0]["path"]' <"$TEST_TMP/exits.out")" = "(True, '/busy/vic=tim %')" ]
  [ "$(field 'error["code"]' <"$TEST_TMP/exits.err")" = 4 ]
  echo more >"$dir/after"
}
check "damage in the container is found, and the file named" damaged

# More problems than a socket takes: then the check waits for its peer, for a while.
ask_and_not_read() {
  rm -f "$TEST_TMP/asked"
  python3 "$here/mount_verify_peer.py" "$daemon" 30 "$@" >"$TEST_TMP/asked" &
  peer=$!
  wait_for test -s "$TEST_TMP/asked"
  sleep 0.5
}

# tells_loss PROCESS LOG: it ended with the code for damage, and says what is lost.
tells_loss() {
  code=0
  wait "$1" || code=$?
  [ $code -eq 4 ]
  grep -q 'could not be stored and is lost' "$2"
}

all_told() {
  daemon=$(daemon_of "$dir")
  harm "$TEST_TMP/before" "$TEST_TMP/after" "$volume" 3500
  # Into the midst of a chunk whose rest is damaged. During a check it would wait.
  printf lost | dd of="$dir/busy/vic=tim %" bs=1 seek=8000000 conv=notrunc status=none
  ask_and_not_read slowly
  "$NACRE" sync "$dir" 2>"$TEST_TMP/first.err" &
  first=$!
  "$NACRE" sync "$dir" 2>"$TEST_TMP/second.err" &
  second=$!
  sleep 2 # both wait for the check, which waits for its peer
  kill $peer
  wait $peer || true
  tells_loss $first "$TEST_TMP/first.err"
  tells_loss $second "$TEST_TMP/second.err"
  "$NACRE" sync "$dir"
}
check "who syncs while it waits is told of a loss, each of them" all_told

unread() {
  daemon=$(daemon_of "$dir")
  harm "$TEST_TMP/before" "$TEST_TMP/after" "$volume" 3500
  ask_and_not_read
  exits 5 verify "$dir"
  [ "$(daemon_of "$dir")" = "$daemon" ]
  cat "$dir/after"
  timeout 8 "$NACRE" sync "$dir"
  timeout 8 sh -c 'echo written >"$1/after"' - "$dir"
  kill $peer
  wait $peer || true
  exits 4 verify "$dir"
}
check "a peer that does not read is waited for only so long; meanwhile the mount answers" unread

unmounted() {
  daemon=$(daemon_of "$dir")
  ask_and_not_read
  timeout 8 "$NACRE" umount "$dir"
  not mounted "$dir"
  wait_for gone "$daemon"
  kill $peer
  wait $peer || true
}
check "umount breaks the check off" unmounted

terminated() {
  mount_at "$volume" "$dir"
  daemon=$(daemon_of "$dir")
  ask_and_not_read
  kill "$daemon"
  wait_for gone "$daemon"
  not mounted "$dir"
  kill $peer
  wait $peer || true
}
check "so does SIGTERM" terminated

finish
