# shellcheck shell=sh
# A line a check, and the exit code, as dev.d/suites.py wants them. Sourced.
failed=0

ok() { echo "ok - $1"; }
not_ok() {
  echo "not ok - $1"
  failed=1
}
skip() { echo "skip - $1: $2"; }
finish() { exit $failed; }
