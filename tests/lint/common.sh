# shellcheck shell=sh
# Sourced by the checks of this folder, from the top one.

# Every source that is the project's own.
sources() {
  git ls-files -co --exclude-standard -- 'include/*.h' 'lib/*.[ch]' 'fuse/*.[ch]' 'cli/*.[ch]' 'tests/*.[ch]' \
    'bench/*.[ch]' | while read -r file; do
    [ ! -f "$file" ] || echo "$file"
  done
}

# each_file CHECK JOBS: run this script with --one FILE for each name on stdin, JOBS at a time.
each_file() {
  xargs -r -n 1 -P "$2" "$1" --one
}

# verdict NAME LOG STATUS: one line, and the log where it is bad.
verdict() {
  if [ "$3" -eq 0 ]; then
    echo "ok - $1"
    return 0
  fi
  { cat "$2"; echo "not ok - $1"; }
  return 1
}

# compile FOLDER TARGETS MESON-OPTION...: build with warnings as errors, one check.
compile() {
  folder=$1 targets=$2
  shift 2
  mkdir -p "$folder"
  log=$folder/check.log
  status=0
  verb=setup
  [ ! -f "$folder/build.ninja" ] || verb=configure
  if meson $verb "$folder" -Dwerror=true "$@" >"$log" 2>&1; then
    # shellcheck disable=SC2086 # a list
    ninja -C "$folder" --quiet -k 0 $targets >"$log" 2>&1 || status=1
  else
    status=1
  fi
  verdict "$folder builds without a warning" "$log" "$status"
}

jobs() {
  nproc
}
