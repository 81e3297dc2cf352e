# shellcheck shell=sh
# What the suites of the protocol's models share. Sourced from a script in this folder; needs TEST_TMP.
set -u

: "${TEST_TMP:?an empty folder}"
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/support/report.sh
. "$here/../support/report.sh"
if ! command -v spin >/dev/null; then
  echo "skip - ${0##*/}: there is no spin"
  exit 0
fi

# explore MODEL DEFINE...: all states of it, in the folder $TEST_TMP/run. Its report is in report there.
explore() {
  model=$1
  shift
  rm -rf "$TEST_TMP/run"
  mkdir "$TEST_TMP/run"
  (
    cd "$TEST_TMP/run" &&
      spin -a "$@" "$here/$model" >report 2>&1 &&
      "${CC:-cc}" "$optimize" -w -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=6000 -o pan pan.c >>report 2>&1 &&
      ./pan -m400000 -w22 >report 2>&1
  )
}

found_errors() { sed -n 's/.*, errors: //p' "$TEST_TMP/run/report"; }
states() { sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$TEST_TMP/run/report"; }
complain() { sed 's/^/# /' "$TEST_TMP/run/report" | head -n 30; }

# holds NAME MODEL DEFINE...: no state breaks a promise, and none was left out.
holds() {
  name=$1
  shift
  optimize=-O1
  explore "$@"
  if [ "$(found_errors)" = 0 ] && ! grep -q 'Search not completed\|max search depth too small' "$TEST_TMP/run/report"; then
    echo "ok - $name ($(states) states)"
  else
    not_ok "$name"
    complain
  fi
}

# caught NAME MODEL DEFINE...: with a rule broken, a promise is.
caught() {
  name=$1
  shift
  optimize=-O0
  explore "$@"
  if grep -q 'assertion violated' "$TEST_TMP/run/report" && [ "$(found_errors)" -gt 0 ]; then
    echo "ok - caught: $name ($(states) states)"
  else
    not_ok "caught: $name"
    complain
  fi
}

# names_exist MODEL: each function that it says it mirrors is defined in the file that it names.
names_exist() {
  missing=
  mirrored=$(sed -n 's/^ \*   \(lib\/[a-z_/]*\.c\): \(.*\)/\1 \2/p' "$here/$1")
  while read -r file functions; do
    for function in $functions; do
      grep -q "^[a-z].*[ *]$function(" "$here/../../$file" || missing="$missing $file:$function"
    done
  done <<EOF
$mirrored
EOF
  if [ -n "$mirrored" ] && [ -z "$missing" ]; then
    echo "ok - $1 mirrors functions that exist"
  else
    not_ok "$1 mirrors functions that exist"
    echo "# missing:$missing"
  fi
}
