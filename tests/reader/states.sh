#!/bin/sh
# Volumes as use leaves them: many commits, grown, given back, full, and with their daemon killed.
# timeout: 180
. "$(dirname "$0")/reader_lib.sh"
cd "$TEST_TMP" || exit 1
run_nacre() {
  verb=$1
  shift
  # shellcheck disable=SC2086
  "$NACRE" $verb $pass "$@"
}

make_volume v --cipher xchacha20-poly1305
check "a new volume" read_json new.json v
check "has an empty root folder, and its superblock in all eight slots" \
  says new.json 'len(r["entries"]), r["entries"][0]["links"], len(r["ring"])' '(1, 2, 8)'

# Names enough for a tree of three levels.
mkdir many few
(cd many && seq -f '%.0f, a name that is long enough to fill the nodes of a tree' 1 12000 | xargs -d '\n' touch)
check "twelve thousand names" put v many /
check "read" read_json many.json v
check "the tree has three levels" says many.json 'r["newest"]["level"]' 2

# Enough commits that the log is full and a checkpoint is written.
cp "$here"/*.sh few
round=0
while [ $round -lt 30 ]; do
  put v few / && run_nacre rm -r v /few || break
  round=$((round + 1))
done
put v few /
check "after many commits" read_json commits.json v
check "there is a later checkpoint" says commits.json 'r["newest"]["checkpoint_generation"] > 1' True

head -c 30000000 /dev/zero | tr '\0' 'x' >big
check "a file that makes the container grow" put v big /
check "grown" read_volume v
size=$(stat -c %s v)
run_nacre rm v /big
check "given back" [ "$(stat -c %s v)" -lt "$size" ]
check "and read" read_volume v

make_volume full --size 24M
put full big / 2>/dev/null
check "a full volume" read_volume full

if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
  skip "crashed volumes" "no /dev/fuse that this user may open"
  finish
fi
mkdir m
"$NACRE" mount --passfile pass v m
cp -r "$here" m/copied
echo open >m/open
exec 9<>m/open
rm m/open
mkdir m/gone
"$NACRE" sync m
cp --sparse=always v synced
pid=$("$NACRE" status --json m | $python -c 'import json, sys; print(json.load(sys.stdin)["mounts"][0]["pid"])')
cp -r "$here" m/copied2
dd if=pass of=m/fsynced conv=fsync 2>/dev/null
kill -9 "$pid"
exec 9<&-
umount -l m 2>/dev/null || fusermount3 -uz m
read_crashed() { $python "$here/nacre-read.py" --passfile pass "$@"; }
read_synced() { read_crashed synced --json >synced.json; }
check "a copy of a mounted volume after a sync" read_synced
check "has an orphan" says synced.json 'len(r["orphans"])' 1
check "and what was copied in" says synced.json \
  'sum(e["path"].startswith("/copied/") and e["type"] == "file" for e in r["entries"]) > 5' True
read_killed() { read_crashed v --json >killed.json; }
check "a volume whose daemon was killed" read_killed
check "has what an fsync made durable" says killed.json \
  'any(e["path"] == "/fsynced" and e["size"] == 29 for e in r["entries"])' True
check "opened once more" run_nacre mkdir v /after
check "it has no orphan left" read_json after.json v
check "none" says after.json 'len(r["orphans"])' 0
finish
