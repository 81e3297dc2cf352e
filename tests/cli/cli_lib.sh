# shellcheck shell=sh
# What the suites of the command line share. Sourced from a script in this folder; needs NACRE and TEST_TMP.
set -u

: "${NACRE:?the program under test}" "${TEST_TMP:?an empty folder}"
# Without a terminal that could be asked, wherever this is started from.
if [ -z "${CLI_SESSION-}" ]; then
  CLI_SESSION=own exec setsid -w "$0" "$@"
fi
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/report.sh
. "$here/../support/report.sh"
out=$TEST_TMP/out
err=$TEST_TMP/err
got=0

# run COMMAND...: its code in $got, what it printed in $out and $err.
run() {
  got=0
  "$@" >"$out" 2>"$err" </dev/null || got=$?
}

# judge NAME TRUTH: a check by its exit code, with what was last run shown where it fails.
judge() {
  if [ "$2" -eq 0 ]; then
    ok "$1"
  else
    not_ok "$1"
    echo "# exit code $got"
    sed 's/^/# out: /' "$out" | head -20
    sed 's/^/# err: /' "$err" | head -20
  fi
}

# works NAME COMMAND...: exit code 0.
works() {
  name=$1
  shift
  run "$@"
  judge "$name" "$got"
}

# fails NAME CODE TEXT COMMAND...: that exit code, and one line on stderr that begins with "nacre: " and has the text.
fails() {
  name=$1 code=$2 text=$3
  shift 3
  run "$@"
  good=1
  if [ "$got" -eq "$code" ] && [ "$(grep -c . "$err")" -eq 1 ] && grep -q '^nacre: ' "$err" &&
    grep -qF -e "$text" "$err"; then
    good=0
  fi
  judge "$name" $good
}

# holds NAME COMMAND...: a check that is not of the program itself; $out and $err stay as they are.
holds() {
  name=$1
  shift
  if "$@" >"$TEST_TMP/held" 2>&1; then
    ok "$name"
  else
    not_ok "$name"
    sed 's/^/# /' "$TEST_TMP/held" "$out" "$err" | head -40
  fi
}

# Strong enough, and fast to try.
printf 'correct horse battery staple\n' >"$TEST_TMP/pass"
printf 'another fine long passphrase\n' >"$TEST_TMP/pass2"
printf 'wrong but long enough to pass\n' >"$TEST_TMP/wrong"
pass="--passfile $TEST_TMP/pass"
cheap="--kdf-memory 32M --kdf-passes 1"

# make_volume PATH [OPTION...]
make_volume() {
  path=$1
  shift
  # shellcheck disable=SC2086
  "$NACRE" create $pass $cheap "$@" "$path" 2>/dev/null
}

# The modules of the independent reader, which Debian's own Python has.
can_pretend() { /usr/bin/python3 -c 'import argon2, cryptography, nacl' 2>/dev/null; }
# pretend VOLUME OTHER: give it the other one's public id and label, in a header that authenticates.
pretend() { /usr/bin/python3 -B "$here/../reader/pretend.py" "$1" "$TEST_TMP/pass" "$2"; }

# json FILE EXPRESSION: print what a Python expression makes of the parsed `r`.
json() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }
json_is() { [ "$(json "$1" "$2")" = "$3" ]; }

# gone PID: or it will be in a moment: what it had open is closed before it is no more.
gone() {
  gone_left=1200
  while is_there "$1" && [ $gone_left -gt 0 ]; do
    gone_left=$((gone_left - 1))
    sleep 0.05
  done
  ! is_there "$1" || {
    ps -o pid,ppid,pgid,stat,etimes,args -p "$1"
    return 1
  }
}
# Where nobody waits for orphans, they stay as zombies; one with "l" has threads that have not ended yet. A number may be
# a thread's by now, which kill -0 would take for it.
is_there() { ps -o stat= -p "$1" 2>/dev/null | grep -q -e '^[^Z]' -e l; }
# eventually COMMAND...: it succeeds, within a minute: the machine may be busy.
eventually() {
  eventually_left=1200
  until "$@"; do
    eventually_left=$((eventually_left - 1))
    [ $eventually_left -gt 0 ] || return 1
    sleep 0.05
  done
}
mounted() { grep -qF " $1 fuse.nacre " /proc/self/mounts; }
can_mount() { [ -e /dev/fuse ] && { [ "$(id -u)" -eq 0 ] || command -v fusermount3 >/dev/null; }; }
end_mounts() {
  awk -v under="$TEST_TMP/" 'index($2, under) == 1 {print $2}' /proc/self/mounts | sort -r | while read -r end_dir; do
    "$NACRE" umount --lazy "$end_dir" >/dev/null 2>&1 || umount -l "$end_dir"
  done
}
