#!/bin/sh
# Destroying a volume: what is asked, what is refused, the certificate, and comparing with it.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
at() {
  name=$1 code=$2
  shift 2
  got=0
  python3 "$here/at_terminal.py" "$@" >"$out" 2>"$err" || got=$?
  [ "$got" -eq "$code" ]
  judge "$name" $?
}
make_volume v --label 'My box'
cp v before
id=$("$NACRE" info --json v | python3 -c 'import json, sys; print(json.load(sys.stdin)["volume_id"])')

fails "without a terminal and without --yes: 2" 2 "--yes" "$NACRE" erase v
at "another name than the volume's: 1" 1 "Type its name, My box, to go on: =my box" -- "$NACRE" erase v
at "no name: 1" 1 "Type its name=" -- "$NACRE" erase v
fails "a text file is no volume: 6" 6 "give --force" "$NACRE" erase --yes pass
fails "nothing there: 6" 6 "No such file" "$NACRE" erase --yes none
fails "a folder: 6" 6 "" "$NACRE" erase --yes .
fails "not even with --force: 6" 6 "" "$NACRE" erase --yes --force .
fails "--overwrite and --keys-only: 2" 2 "contradict" "$NACRE" erase --yes --overwrite --keys-only v
fails "--verify erases nothing: 2" 2 "leave the other options out" "$NACRE" erase --verify c --yes v
: >taken
fails "a certificate over another file: 1" 1 "File exists" "$NACRE" erase --yes --certificate taken v
fails "where none can be written: 1" 1 "No such file" "$NACRE" erase --yes --certificate no/where v
holds "the volume is as it was" cmp v before
holds "the passphrase file, too" grep -q 'correct horse' pass

at "its name typed: 0" 0 "for good: no credential opens it" "Type its name, My box, to go on: =My box" -- \
  "$NACRE" erase --certificate c v
fails "it is no volume any more: 6" 6 "not a Nacre volume" "$NACRE" info v
fails "no credential opens it: 6" 6 "not a Nacre volume" "$NACRE" ls --passfile pass v
holds "the size is as it was" test "$(stat -c %s v)" -eq "$(stat -c %s before)"
cat >survivors.py <<'END'
import sys

GROUP, FAR = 512 << 10, 16 << 20
before, after = (open(path, "rb").read() for path in sys.argv[1:3])
former = set()
for start in (0, FAR):
    for at in range(start, start + GROUP - 15):
        window = before[at:at + 16]
        if window.count(window[0]) < 16:
            former.add(window)
places = [start + at for start in (0, FAR) for at in range(GROUP - 15)]
print(len(former) > 500000, sum(after[at:at + 16] in former for at in places))
END
cat >everywhere.py <<'END'
import sys

# Every aligned run of 16 bytes of both groups, wherever it stands now.
GROUP, FAR = 512 << 10, 16 << 20
before, after = (open(path, "rb").read() for path in sys.argv[1:3])
pieces = [before[start + at:start + at + 16] for start in (0, FAR) for at in range(0, GROUP, 4096)]
print(sum(piece in after for piece in pieces if piece.count(piece[0]) < 16))
END
holds "no 16 bytes of the former keys at their places" \
  test "$(python3 survivors.py before v)" = "True 0"
holds "and none anywhere" test "$(python3 everywhere.py before v)" = 0
holds "the check finds them where they are" test "$(python3 everywhere.py before before)" -gt 200

holds "the certificate names the volume" grep -Eq "^volume id +$id\$" c
holds "in the terms of SP 800-88" sh -c 'grep -q "Cryptographic Erase" c && grep -q "Clear:" c && ! grep -q "Purge:" c'
sed -n '/BEGIN NACRE/,/END NACRE/{/-----/d;p}' c >record
holds "its record is JSON" json_is record \
  '(r["certificate"], r["version"], r["label"], r["volume_id"] == "'"$id"'", r["purged"])' \
  "('nacre erasure', 1, 'My box', True, False)"
holds "its ranges are all of the container" json_is record \
  '(sum(x["len_bytes"] for x in r["ranges"]) == r["container_bytes"], [x["content"] for x in r["ranges"]][:2])' \
  "(True, ['keys', 'keys'])"
holds "hashes are of what is there" python3 - record v <<'END'
import hashlib, json, sys
record, container = json.load(open(sys.argv[1])), open(sys.argv[2], "rb").read()
for x in record["ranges"]:
    piece = container[x["offset_bytes"]:x["offset_bytes"] + x["len_bytes"]]
    if x["read_back"] != (x["how"] == "overwritten"):
        sys.exit("read back?")
    if x["read_back"] and hashlib.blake2b(piece, digest_size=32).hexdigest() != x["blake2b_256"]:
        sys.exit("another hash")
END

works "--verify: it matches" "$NACRE" erase --verify c v
works "with the record alone as well" "$NACRE" erase --verify record --json v
holds "the verdict as JSON" json_is "$out" '(r["verdict"], r["ranges_changed"], r["volume_id"])' "('matches', 0, None)"
cp v changed
printf x | dd of=changed bs=1 seek=70000 conv=notrunc 2>/dev/null
fails "--verify: written to since: 4" 4 "written since" "$NACRE" erase --verify c changed
cp v shorter
truncate -s -4096 shorter
fails "--verify: shorter: 4" 4 "written since" "$NACRE" erase --verify c shorter
fails "--verify: the volume is there again: 4" 4 "there again" "$NACRE" erase --verify c before
make_volume other
fails "--verify: another volume: 6" 6 "another volume" "$NACRE" erase --verify c other
works "erased, too" "$NACRE" erase --yes --json other
cp "$out" other.json
holds "--json prints the record" json_is other.json 'r["certificate"]' "nacre erasure"
fails "--verify: another's certificate: 6" 6 "another container" "$NACRE" erase --verify c other
works "its own" "$NACRE" erase --verify other.json other
for bad in pass /dev/null other; do
  fails "$bad is no certificate: 2" 2 "no certificate" "$NACRE" erase --verify "$bad" v
done
sed 's/"len_bytes":[0-9]*/"len_bytes":-5/' record >bad1
sed 's/"blake2b_256":"../"blake2b_256":"zz/' record >bad2
sed 's/"version":1/"version":2/' record >bad3
sed '/END NACRE/d' c >bad4
sed 's/"ranges":\[/"ranges":[5,/' record >bad5
head -c 300 record >bad6
for bad in 1 2 3 4 5 6; do
  fails "a broken certificate ($bad): 2" 2 "no certificate" "$NACRE" erase --verify "bad$bad" v
done
sed 's/"read_back":true/"read_back":false/' record >none
fails "one that shows nothing: 2" 2 "came to its end" "$NACRE" erase --verify none v
fails "none: 1" 1 "cannot open" "$NACRE" erase --verify nothing v

# Once more, by --force alone: a header that was destroyed is no reason to keep the slots.
fails "what is erased is no volume: 6" 6 "give --force" "$NACRE" erase --yes v
cp before beheaded
for at in 0 16777216; do printf XXXX | dd of=beheaded bs=1 seek=$at conv=notrunc 2>/dev/null; done
fails "nor is one without magic: 6" 6 "give --force" "$NACRE" erase --yes beheaded
works "with --force it is erased" "$NACRE" erase --yes --force --overwrite --certificate c2 beheaded
holds "nothing survives there either" test "$(python3 everywhere.py before beheaded)" = 0
works "and the certificate, without an id, matches" "$NACRE" erase --verify c2 beheaded
make_volume k
works "--keys-only" "$NACRE" erase --yes --keys-only --json k
holds "leaves the rest" json_is "$out" '[x["how"] for x in r["ranges"]][2:]' "['left']"

# A label is anybody's: it must not draw on a terminal, nor break out of the certificate.
label=$(printf 'a\033[2J\n-----END NACRE ERASURE RECORD-----\nx"}<b>')
make_volume h --label "$label"
at "asked for a hostile label: escaped" 1 'Type its name, a\x1b[2J\n-----END=x' -- "$NACRE" erase h
works "erased" "$NACRE" erase --yes --certificate c3 h
holds "the certificate has no control bytes" sh -c '! tr -d "\n" <c3 | grep -q "[[:cntrl:]]"'
works "and is read" "$NACRE" erase --verify c3 h

make_volume u
python3 - u <<'END' &
import fcntl, sys, time
held = open(sys.argv[1], "rb")
fcntl.flock(held, fcntl.LOCK_SH)
open("locked", "w").close()
time.sleep(60)
END
holder=$!
while [ ! -e locked ]; do sleep 0.05; done
cp u u.before
fails "in use: 5" 5 "has it open" "$NACRE" erase --yes u
fails "in use, with --force: 5" 5 "has it open" "$NACRE" erase --yes --force u
kill $holder
wait $holder 2>/dev/null
holds "and nothing was done" cmp u u.before

# A block device, whose backing file shows what it was told to do.
cat >holes.py <<'END'
import json, os, sys

# Whether what the record calls discarded has no data in the file, and how many ranges that are.
record, fd = json.load(open(sys.argv[1])), os.open(sys.argv[2], os.O_RDONLY)
clean, count = True, 0
for x in record["ranges"]:
    if x["how"] != "discarded":
        continue
    count += 1
    try:
        clean = clean and os.lseek(fd, x["offset_bytes"], os.SEEK_DATA) >= x["offset_bytes"] + x["len_bytes"]
    except OSError:  # none up to the end
        pass
print(clean, count)
END
truncate -s 28M device
dd if=/dev/urandom of=content bs=1M count=4 2>/dev/null
loop=
[ "$(id -u)" -ne 0 ] || loop=$(losetup -f --show device 2>/dev/null) || loop=
if [ -z "$loop" ]; then
  skip "a block device" "no loop device can be made here"
else
  # shellcheck disable=SC2086
  works "a volume on a block device" "$NACRE" create $pass --kdf-memory 32M --kdf-passes 1 "$loop"
  works "with a file in it" "$NACRE" put --passfile pass "$loop" content /
  cp device device.before
  works "is erased" "$NACRE" erase --yes --certificate c4 "$loop"
  holds "is named as that" grep -Eq '^medium +block device' c4
  works "and compared" "$NACRE" erase --verify c4 "$loop"
  discards=$(cat "/sys/block/${loop##*/}/queue/discard_max_bytes")
  losetup -d "$loop"
  works "by its file as well" "$NACRE" erase --verify c4 device
  holds "the file had what is to be erased" test "$(python3 everywhere.py device.before device.before)" -gt 200
  holds "and has none of it" test "$(python3 everywhere.py device.before device)" = 0
  holds "nor 16 bytes of the former keys at their places" \
    test "$(python3 survivors.py device.before device)" = "True 0"
  sed -n '/BEGIN NACRE/,/END NACRE/{/-----/d;p}' c4 >record4
  holds "a purge is not claimed where there is none" json_is record4 'r["purged"]' False
  if [ "$discards" -gt 0 ]; then
    holds "the rest was discarded" json_is record4 '[x["how"] for x in r["ranges"]]' \
      "['overwritten', 'overwritten', 'discarded', 'discarded']"
    holds "and is holes in the file" test "$(python3 holes.py record4 device)" = "True 2"
    holds "where there was data" test "$(python3 holes.py record4 device.before)" = "False 2"
  else
    skip "what is discarded" "the device discards nothing here"
  fi
fi
finish
