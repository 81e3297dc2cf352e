# shellcheck shell=sh
# What the suites of the independent reader share. Sourced from a script in this folder; needs NACRE and TEST_TMP.
set -u

: "${NACRE:?the program under test}" "${TEST_TMP:?an empty folder}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/report.sh
. "$here/../support/report.sh"
# Debian's own Python has Debian's modules; another one first in the path has not.
python=/usr/bin/python3
export PYTHONDONTWRITEBYTECODE=1
if ! $python -c 'import argon2, cryptography, nacl' 2>/dev/null; then
  echo "skip - ${0##*/}: no python3-nacl, python3-argon2 or python3-cryptography"
  exit 0
fi

# check NAME COMMAND...: it ends with 0; what it printed is shown where it does not.
check() {
  check_name=$1
  shift
  if "$@" >"$TEST_TMP/check.log" 2>&1; then
    ok "$check_name"
  else
    not_ok "$check_name"
    sed 's/^/# /' "$TEST_TMP/check.log" | head -40
  fi
}

# ends CODE COMMAND...: with that exit code.
ends() {
  ends_code=$1
  shift
  ends_got=0
  "$@" || ends_got=$?
  echo "exit code $ends_got"
  [ $ends_got -eq "$ends_code" ]
}

printf 'correct horse battery staple\n' >"$TEST_TMP/pass"
printf 'another fine long passphrase\n' >"$TEST_TMP/pass2"
pass="--passfile $TEST_TMP/pass"
cheap="--kdf-memory 32M --kdf-passes 1 --kdf-lanes 1"

# make_volume PATH [OPTION...]; fails without a word where the cipher is not in this build.
make_volume() {
  path=$1
  shift
  # shellcheck disable=SC2086
  "$NACRE" create $pass $cheap "$@" "$path" 2>/dev/null
}

# put VOLUME SOURCE... PATH
put() {
  # shellcheck disable=SC2086
  "$NACRE" put $pass --preserve-special "$@"
}

# read_volume VOLUME [OPTION...]: check everything, as it must be where nothing has crashed.
read_volume() {
  # shellcheck disable=SC2086
  $python "$here/nacre-read.py" $pass --at-rest "$@"
}

# read_json FILE VOLUME [OPTION...]
read_json() {
  json_file=$1
  shift
  read_volume --json "$@" >"$json_file"
}

# json FILE EXPRESSION: what a Python expression makes of the parsed `r`; `says` is true where that is so.
json() { $python -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }
says() {
  says_got=$(json "$1" "$2")
  echo "$2: $says_got, to be $3"
  [ "$says_got" = "$3" ]
}
