# shellcheck shell=sh
# What the mount suites share. Sourced from a script in this folder; needs NACRE and TEST_TMP.
set -u

: "${NACRE:?the program under test}" "${TEST_TMP:?an empty folder}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/report.sh
. "$here/../support/report.sh"

if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
  echo "skip - ${0##*/}: no /dev/fuse that this user may open"
  exit 0
fi

# check NAME COMMAND...: the command runs with set -e; what it printed is shown where it fails.
check() {
  check_name=$1
  shift
  (
    set -e
    "$@"
  ) >"$TEST_TMP/check.log" 2>&1
  check_code=$?
  if [ $check_code -eq 0 ]; then
    ok "$check_name"
  else
    not_ok "$check_name"
    echo "# exit code $check_code"
    sed 's/^/# /' "$TEST_TMP/check.log"
    ${on_failure-}
  fi
}

# refused CODE COMMAND...: it fails with that exit code and says why in one line.
refused() {
  refused_code=$1
  shift
  refused_got=0
  "$@" >"$TEST_TMP/refused.log" 2>&1 || refused_got=$?
  cat "$TEST_TMP/refused.log"
  [ "$refused_got" -eq "$refused_code" ] || {
    echo "exit code $refused_got, not $refused_code"
    return 1
  }
  [ "$(wc -l <"$TEST_TMP/refused.log")" -eq 1 ]
}

mounted() { grep -qF " $1 fuse.nacre " /proc/self/mounts; }

# wait_for COMMAND...: until it succeeds, a minute at most: the machine may be busy.
wait_for() {
  wait_left=1200
  until "$@"; do
    wait_left=$((wait_left - 1))
    [ $wait_left -gt 0 ] || return 1
    sleep 0.05
  done
}

not() { ! "$@"; }

printf 'correct horse battery staple\n' >"$TEST_TMP/pass"
chmod 711 "$TEST_TMP"

# As root: a command as an ordinary user, with no environment that could hint at another. Else: the command.
as_nobody() {
  if [ "$(id -u)" -eq 0 ]; then
    setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR HOME=/nonexistent "$@"
  else
    "$@"
  fi
}

# need_nobody NAME: as root, see to it that as_nobody can mount, or end with the check skipped.
need_nobody() {
  [ "$(id -u)" -eq 0 ] || return 0
  if ! as_nobody test -x "$NACRE" || ! as_nobody test -r "$here/mount_lib.sh"; then
    skip "$1" "the program or the tests are where nobody may not go"
    exit 0
  fi
  if ! as_nobody test -w /dev/fuse; then
    # A device node of our own, seen by this suite alone.
    [ -z "${NEED_NOBODY_APART-}" ] || exit 1
    mknod -m 666 "$TEST_TMP/fuse" c 10 229
    # shellcheck disable=SC2016
    exec env NEED_NOBODY_APART=yes unshare -m sh -c 'mount --bind "$TEST_TMP/fuse" /dev/fuse && exec "$0"' "$0"
  fi
}

make_volume() {
  make_path=$1
  shift
  "$NACRE" create --passfile "$TEST_TMP/pass" --kdf-memory 32M --kdf-passes 1 "$@" "$make_path" >"$TEST_TMP/create.log" 2>&1 ||
    { cat "$TEST_TMP/create.log" && return 1; }
}

# mount_at VOLUME DIR [OPTION...]
mount_at() {
  at_volume=$1
  at_dir=$2
  shift 2
  mkdir -p "$at_dir"
  "$NACRE" mount --passfile "$TEST_TMP/pass" "$@" "$at_volume" "$at_dir" >/dev/null
}

unmount() { "$NACRE" umount "$1"; }
daemon_of() {
  "$NACRE" status --json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["mounts"][0]["pid"])'
}
# An orphan that has ended stays in the list of processes until init looks. Its first thread may have ended before
# others that still hold what it had open.
gone() {
  ! kill -0 "$1" 2>/dev/null ||
    { grep -q '^State:.Z' "/proc/$1/status" && [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l)" -le 1 ]; } 2>/dev/null
}

# Whatever happened: nothing of ours stays mounted.
end_mounts() {
  awk -v under="$TEST_TMP/" 'index($2, under) == 1 {print $2}' /proc/self/mounts | sort -r | while read -r end_dir; do
    "$NACRE" umount "$end_dir" >/dev/null 2>&1 || fusermount3 -uz "$end_dir" 2>/dev/null || umount -l "$end_dir"
  done
}

trap end_mounts EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
