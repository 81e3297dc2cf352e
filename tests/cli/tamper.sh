#!/bin/sh
# timeout: 180
# What the program says, and with which exit code, of containers that were tampered with: docs/cli.md's promises.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1

# harm FILE ACTION...: overwrite, flip or copy bytes of a container. docs/format.md has the places.
cat >harm.py <<'END'
import os, struct, sys
GROUPS, HEADER, GROUP, UNIT = (0, 16 << 20), 256 << 10, 512 << 10, 4096
path, action, args = sys.argv[1], sys.argv[2], sys.argv[3:]
data = bytearray(open(path, "rb").read())

def slot(i):
    return GROUPS[i % 2] + HEADER + (i // 2) * (64 << 10)

def changed(other):
    """Units outside of the groups that differ from another container's."""
    old = open(other, "rb").read()
    fixed = [range(g // UNIT, (g + GROUP) // UNIT) for g in GROUPS]
    return [u for u in range(len(data) // UNIT) if not any(u in f for f in fixed)
            and data[u * UNIT:(u + 1) * UNIT] != old[u * UNIT:(u + 1) * UNIT]]

def fill(offset, size):
    data[offset:offset + size] = os.urandom(size)

if action == "flip":           # COPIES OFFSET: a bit in the headers' copies 1, 2 or both (3)
    for copy in range(2):
        if int(args[0]) >> copy & 1:
            data[GROUPS[copy] + int(args[1])] ^= 4
elif action == "u32":          # OFFSET VALUE, in both headers
    for g in GROUPS:
        struct.pack_into("<I", data, g + int(args[0]), int(args[1]))
elif action == "u64":
    for g in GROUPS:
        struct.pack_into("<Q", data, g + int(args[0]), int(args[1]))
elif action == "headers":      # COPIES FROM: of another container; - for noise
    other = None if args[1] == "-" else open(args[1], "rb").read()
    for copy in range(2):
        if int(args[0]) >> copy & 1:
            g = GROUPS[copy]
            data[g:g + HEADER] = other[g:g + HEADER] if other else os.urandom(HEADER)
elif action == "slots":        # SLOT...: noise
    for i in args:
        fill(slot(int(i)), UNIT)
elif action == "longest-run":  # OLDER: a unit in the middle of the longest run of what is new since
    runs = []
    for u in changed(args[0]):
        if runs and runs[-1][1] == u:
            runs[-1][1] = u + 1
        else:
            runs.append([u, u + 1])
    first, end = max(runs, key=lambda r: r[1] - r[0])
    fill((first + end) // 2 * UNIT, UNIT)
elif action == "since":        # OLDER: noise over everything that is new since, but for the groups
    for u in changed(args[0]):
        fill(u * UNIT, UNIT)
elif action == "body":         # FROM: all but the groups
    other = open(args[0], "rb").read()
    for u in range(min(len(data), len(other)) // UNIT):
        if not any(g <= u * UNIT < g + GROUP for g in GROUPS):
            data[u * UNIT:(u + 1) * UNIT] = other[u * UNIT:(u + 1) * UNIT]
open(path, "wb").write(data)
END
harm() { python3 harm.py "$@"; }
# again: t is the sound volume once more, and nobody remembers what became of the last one.
export XDG_STATE_HOME="$TEST_TMP/state"
again() {
  rm -rf "$XDG_STATE_HOME"
  cp sound t
}
public_table=112 slot_area=4096 sealed=135200

head -c 3000000 /dev/urandom >big
head -c 20000 /dev/urandom >middle
echo small >small
make_volume v --label box
# shellcheck disable=SC2086
"$NACRE" put $pass v small middle / && cp v before-big && "$NACRE" put $pass v big / || not_ok "making a volume"
# shellcheck disable=SC2086
"$NACRE" key add $pass --new-passfile pass2 $cheap v 2>/dev/null || not_ok "adding a key"
cp v with-two-keys
# shellcheck disable=SC2086
"$NACRE" key remove $pass --slot 1 v 2>/dev/null || not_ok "removing a key"
cp v before-last
# shellcheck disable=SC2086
"$NACRE" mkdir $pass v /last || not_ok "making a folder"
cp v sound
# shellcheck disable=SC2086
works "untouched: verify" "$NACRE" verify $pass v

again
harm t longest-run before-big
# shellcheck disable=SC2086
works "a damaged chunk: ls" "$NACRE" ls -l $pass t
# shellcheck disable=SC2086
fails "a damaged chunk: cat: 4" 4 "big" "$NACRE" cat $pass t /big
mkdir out1
# shellcheck disable=SC2086
fails "a damaged chunk: get of the tree: 10" 10 "big" "$NACRE" get $pass t / out1
holds "the file itself is left out" test ! -e out1/big
holds "the others are there" cmp middle out1/middle
# shellcheck disable=SC2086
run "$NACRE" verify $pass t
[ "$got" -eq 4 ] && grep -q '/big' "$out"
judge "a damaged chunk: verify names the file: 4" $?
# shellcheck disable=SC2086
run "$NACRE" verify --json $pass t
[ "$got" -eq 4 ] && json_is "$out" 'r["problem_count"] == len(r["problems"]) == 1' True
judge "a damaged chunk: verify --json: 4, one problem" $?
# shellcheck disable=SC2086
works "a damaged chunk: rm" "$NACRE" rm $pass t /big
# shellcheck disable=SC2086
works "then nothing is wrong" "$NACRE" verify $pass t

again
harm t headers 1 -
works "one header gone: info" "$NACRE" info --json t
holds "it counts one" json_is "$out" 'r["header_copies_valid"]' 1
# shellcheck disable=SC2086
works "one header gone: reading" "$NACRE" cat $pass t /small
holds "it is as it was" cmp small "$out"
# shellcheck disable=SC2086
works "one header gone: writing" "$NACRE" mkdir $pass t /more
"$NACRE" info --json t >"$out"
holds "it is made anew" json_is "$out" 'r["header_copies_valid"]' 2

again
harm t headers 3 -
# shellcheck disable=SC2086
fails "both headers gone: 6" 6 "not a Nacre volume" "$NACRE" ls $pass t
fails "both headers gone: info: 6" 6 "not a Nacre volume" "$NACRE" info t

for part in "label 50" "slot-table $((public_table + 24 * 9 + 8))" "unused-slot $((slot_area + 4096 * 20))" \
  "sealed $sealed" "random 200000" "mac 262120"; do
  # shellcheck disable=SC2086
  set -- $part
  again
  harm t flip 3 "$2"
  # shellcheck disable=SC2086
  fails "a bit of both headers flipped, $1: 4" 4 "" "$NACRE" ls $pass t
  again
  harm t flip 2 "$2"
  # shellcheck disable=SC2086
  works "in one of them: nothing is lost" "$NACRE" ls $pass t
done
again
harm t flip 3 $((slot_area + 40))
# shellcheck disable=SC2086
fails "a keyslot's commitment: 3, as for a wrong passphrase" 3 "wrong passphrase" "$NACRE" ls $pass t
again
harm t u64 $((public_table + 16)) $((1 << 41))
# shellcheck disable=SC2086
fails "a keyslot asks for 2 TiB: 8" 8 "more memory or time" "$NACRE" ls $pass t
again
harm t u64 $((public_table + 16)) $((1 << 20))
# shellcheck disable=SC2086
fails "a keyslot made cheap: 3" 3 "" "$NACRE" ls $pass t
again
harm t u32 8 7
# shellcheck disable=SC2086
fails "another format version: 8" 8 "format version 7" "$NACRE" ls $pass t
again
harm t u32 12 99
# shellcheck disable=SC2086
fails "an unknown cipher: 8" 8 "cipher 99" "$NACRE" ls $pass t
again
harm t u64 32 4096
# shellcheck disable=SC2086
fails "an unknown feature: 8" 8 "features" "$NACRE" ls $pass t

again
harm t headers 3 with-two-keys
# shellcheck disable=SC2086
fails "the old headers put back: 9" 9 "older" "$NACRE" ls $pass t
fails "and for the passphrase that was removed: 9" 9 "older" "$NACRE" ls --passfile pass2 t
# shellcheck disable=SC2086
run "$NACRE" ls --json $pass t
[ "$got" -eq 9 ] && json_is "$err" 'r["error"]["name"]' rolled-back
judge "its name in JSON" $?
again
harm t headers 2 with-two-keys
fails "one old header: the passphrase that was removed: 3" 3 "wrong passphrase" "$NACRE" ls --passfile pass2 t
# shellcheck disable=SC2086
works "one old header: nothing is lost" "$NACRE" ls $pass t

again
harm t slots 0 1 2 3 4 5 6 7
# shellcheck disable=SC2086
fails "no superblock left: 4" 4 "superblock" "$NACRE" ls $pass t
again
harm t slots 0 2 4 6
# shellcheck disable=SC2086
fails "half of the superblocks gone: writing: 4" 4 "superblocks" "$NACRE" mkdir $pass t /more
# shellcheck disable=SC2086
run "$NACRE" cat $pass t /small
[ "$got" -eq 0 ] && cmp -s small "$out"
judge "half of the superblocks gone: reading" $?
# shellcheck disable=SC2086
run "$NACRE" verify $pass t
[ "$got" -eq 4 ] && grep -q superblocks "$out"
judge "half of the superblocks gone: verify: 4" $?
# shellcheck disable=SC2086
works "half of the superblocks gone: --accept-rollback writes" "$NACRE" mkdir $pass --accept-rollback t /more
holds "says that there may have been newer commits" grep -q 'warning: .*superblocks' "$err"
# shellcheck disable=SC2086
run "$NACRE" mkdir $pass t /again
[ "$got" -eq 0 ] && [ ! -s "$err" ]
judge "afterwards it is as any other" $?
# shellcheck disable=SC2086
works "and sound" "$NACRE" verify $pass t

again
harm t since before-last
# shellcheck disable=SC2086
run "$NACRE" ls $pass t
[ "$got" -eq 0 ] || [ "$got" -eq 4 ]
judge "the newest commits gone, but for their superblocks: an older one, or 4" $?

again
truncate -s 16500K t
# shellcheck disable=SC2086
fails "cut short: 4" 4 "cut short" "$NACRE" ls $pass t
truncate -s 1M t
# shellcheck disable=SC2086
fails "cut shorter than any: 4" 4 "cut short" "$NACRE" ls $pass t
truncate -s 1000 t
# shellcheck disable=SC2086
fails "next to nothing left: 6" 6 "not a Nacre volume" "$NACRE" ls $pass t
again
head -c 100000 /dev/urandom >>t
# shellcheck disable=SC2086
works "lengthened: verify" "$NACRE" verify $pass t

make_volume other
# shellcheck disable=SC2086
"$NACRE" put $pass other big / || not_ok "making another volume"
again
harm t body other
# shellcheck disable=SC2086
fails "the blocks of another volume with the same passphrase: 4" 4 "" "$NACRE" ls $pass t
again
harm t headers 3 other
# shellcheck disable=SC2086
fails "the headers of another volume with the same passphrase: 4" 4 "" "$NACRE" ls $pass t
again
harm t headers 1 other
# shellcheck disable=SC2086
run "$NACRE" cat $pass t /small
[ "$got" -eq 0 ] && cmp -s small "$out"
judge "one header of it: this volume, none the less" $?

if can_mount; then
  trap end_mounts EXIT
  again
  harm t longest-run before-big
  mkdir m
  # shellcheck disable=SC2086
  works "a damaged chunk: mount" "$NACRE" mount $pass t m
  run cat m/big
  [ "$got" -ne 0 ] && grep -q 'Input/output error' "$err"
  judge "reading it is an I/O error" $?
  holds "another file is whole" cmp middle m/middle
  works "umount" "$NACRE" umount m
else
  skip "a mount" "no FUSE here"
fi
finish
