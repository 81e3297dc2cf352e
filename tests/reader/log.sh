#!/bin/sh
# Volumes that were left with an intent log: the reader replays it as the library does, and refuses what the library
# refuses.
# timeout: 180
. "$(dirname "$0")/reader_lib.sh"
log=${NACRE_BUILD:-$here/../../build}/tests/reader/reader-log
if [ ! -x "$log" ]; then
  skip "${0##*/}" "the build has no tests"
  exit 0
fi
cd "$TEST_TMP" || exit 1
raw=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
reads() { $python "$here/nacre-read.py" --raw-key $raw "$@"; }
reads_json() { reads --json "$1" >"$1.json"; }
# Of a volume: what the reader lists is what the library lists.
same() {
  reads --manifest "$1" >"$1.reader" && "$log" list "$1" >"$1.library" && cmp "$1.reader" "$1.library"
}

for scene in data names bodies; do
  check "$scene: made" "$log" make $scene $scene
  check "$scene: the reader replays the log as the library does" same $scene
  check "$scene: but it is not at rest" ends 4 reads --at-rest $scene
  cp $scene opened
  check "$scene: opened for writing, and cut off" "$log" open opened
  check "$scene: nothing is lost" same opened
  check "$scene: the same as before" cmp opened.reader $scene.reader
  cp $scene recovered
  recovers() { "$log" recover recovered >recovered.manifest; }
  check "$scene: opened, verified and closed" recovers
  check "$scene: what that listed" cmp recovered.manifest $scene.reader
  at_rest() { reads --at-rest --manifest recovered >recovered.reader && cmp recovered.reader $scene.reader; }
  check "$scene: the reader finds the same, without a log" at_rest
  check "$scene: as JSON" reads_json $scene
done
check "whole chunks, parts, puts and deletes were replayed" says data.json \
  '[r["log"][n] > 3 for n in ("records", "wholes", "parts", "puts")]' '[True, True, True, True]'
check "names: deletes, and an orphan with bytes" says names.json 'r["log"]["deletes"] > 3, len(r["orphans"])' '(True, 1)'
check "names: a new inode is of the commit to come" says names.json \
  'max(e["generation"] for e in r["entries"]) - r["newest"]["generation"]' 1
check "bodies of several units" says bodies.json 'r["log"]["units"] > 3 * r["log"]["records"]' True
check "a file that has grown past its extents and its tail" says data.json \
  '[(e["size"], e["log_chunks"] != []) for e in r["entries"] if e["path"] in ("/cut", "/short")]' \
  '[(3145728, True), (9000, True)]'

# The newest commit's root is damaged: the commit before has its own log.
check "fallback: made" "$log" make fallback fallback
check "fallback: as JSON" reads_json fallback
check "fallback: the newest and its log" same fallback
mv fallback.reader newest.reader
dd if=/dev/urandom of=fallback bs=4096 count=4 conv=notrunc seek="$(json fallback.json 'r["newest"]["root_unit"]')" 2>/dev/null
falls_back() {
  ends 4 reads --manifest fallback >fallback.reader && ends 3 "$log" list fallback >fallback.library
  grep '^/' fallback.reader >before.reader
  grep '^/' fallback.library >before.library
  cmp before.reader before.library
}
check "the newest damaged: the commit before, with its log, by both" falls_back
check "which is another state" ends 1 cmp -s newest.reader before.reader
check "opened for writing, which restates it, and cut off" "$log" open fallback
restated() {
  reads --manifest fallback >restated.reader
  cmp restated.reader before.reader
}
check "the restated commit has that log" restated
check "as JSON, restated" reads_json fallback
check "of records still" says fallback.json 'r["log"]["records"]' 2

$python "$here/forge_log.py" "$log" . || failed=1
finish
