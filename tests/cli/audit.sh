#!/bin/sh
# Finding volumes and judging them, without any credential; labels, names and records that mean harm.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
XDG_STATE_HOME=$TEST_TMP/state
export XDG_STATE_HOME
mkdir -p all/sub/deep empty
label=$(printf '<script>alert(1)</script>\033[2J\342\200\256x"'"'"'&</style>\377')
# shellcheck disable=SC2086
"$NACRE" create $pass --kdf-memory 64M --kdf-passes 3 --recovery-key --label Accounts all/sub/good >/dev/null 2>&1
make_volume all/hostile --label "$label"
make_volume "all/sub/deep/one copy"
make_volume all/sub/none
make_volume all/cut
truncate -s 1M all/cut
dd if=/dev/urandom of="all/sub/deep/one copy" bs=4096 count=1 conv=notrunc 2>/dev/null
cp all/sub/none all/cheap
# A header of which the other copy is gone, and this one is broken.
python3 - <<'END'
import struct
def change(path, edits):
    data = bytearray(open(path, "rb").read())
    for at in (0, 16 << 20):
        for offset, value in edits:
            data[at + offset:at + offset + len(value)] = value
    open(path, "wb").write(data)
change("all/sub/none", [(4000, b"x")])                                          # not zero: damaged
change("all/cheap", [(16, b"I" * 16), (128, struct.pack("<Q", 1 << 20))])      # another id; 1 MiB
END
"$NACRE" header backup all/sub/good all/sub/good.header 2>/dev/null
echo "nothing" >all/text
ln -s .. all/sub/loop
ln -s "$PWD/all/hostile" all/link
mkfifo all/fifo

fails "no operand: 2" 2 "too few" "$NACRE" audit
works "a folder without any" "$NACRE" audit empty
holds "says so" grep -q '^0 volumes: 0 at risk' "$out"
works "one that is well kept: 0" "$NACRE" audit all/sub/good
holds "is good" grep -q ': good$' "$out"
# 2^39 guesses, 2^26 bytes, moved 3 * 3 - 1 times: 2^68 bytes, at 2.5 * 10^16 for a dollar.
holds "what guessing costs is told" grep -q 'guessing.*40 bits: \$12 thousand' "$out"
works "in figures, too" "$NACRE" audit --json all/sub/good
holds "as reckoned by hand" json_is "$out" 'round(r["volumes"][0]["guessing"][1]["usd"])' 11806
# An RTX 4090 guesses 1,667 a second at this cost (hashcat, 2025); the cheapest was $0.15 an hour.
holds "and no dearer than guesses were measured to be, nor by much cheaper" json_is "$out" \
  '0.8 < r["volumes"][0]["guessing"][1]["usd"] / (2**39 / 1667 / 3600 * 0.15) < 1' True
works "one that is weak: 0" "$NACRE" audit --json all/hostile
holds "why" json_is "$out" '(r["volumes"][0]["verdict"], len(r["volumes"][0]["reasons"]))' "('weak', 2)"

run "$NACRE" audit all
[ "$got" -eq 13 ]
judge "a folder with some at risk: 13" $?
cp "$out" text
holds "no control byte or wrong UTF-8 of a label gets out" python3 -c '
import sys
text = open("text", "rb").read().decode("utf-8")
sys.exit(any(ord(c) < 32 and c != "\n" or c == "\u202e" for c in text))'
run "$NACRE" audit --json --html page.html all all/sub/good
[ "$got" -eq 13 ]
judge "as JSON and as a page" $?
cp "$out" json
holds "all, once, sorted" json_is json '[(v["path"], v["origin"], v["verdict"]) for v in r["volumes"]]' \
  "[('all/cheap', 'container', 'at-risk'), ('all/cut', 'container', 'at-risk'), ('all/hostile', 'container', 'weak'), \
('all/sub/deep/one copy', 'container', 'at-risk'), ('all/sub/good', 'container', 'good'), \
('all/sub/good.header', 'header-backup', 'weak'), ('all/sub/none', 'container', 'at-risk')]"
holds "the totals" json_is json 'sorted(r["totals"].items())' \
  "[('at_risk', 4), ('good', 1), ('unreadable', 0), ('volumes', 7), ('weak', 2)]"
holds "the reasons" json_is json \
  '[r["volumes"][i]["reasons"][0].split(":")[0] for i in (0, 1, 3, 6)]' \
  "['slot 0', 'it is cut short', 'one of the two copies of its header is destroyed; opening it once for writing mends that', \"its header can't be used\"]"
holds "escrow and recovery" json_is json '[(v["recovery"], v["escrow"]) for v in r["volumes"]][4]' "(True, False)"
holds "guessing is dearer with each bit" json_is json \
  '[[g["bits"] for g in v["guessing"]] == [30, 40, 50, 60] and v["guessing"][1]["usd"] == 1024 * v["guessing"][0]["usd"] for v in r["volumes"][:6]]' \
  "[True, True, True, True, True, True]"
holds "the page is one page, and safe" python3 - page.html <<'END'
import html.parser, sys
text = open(sys.argv[1], encoding="utf-8").read()
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.text, self.open = set(), [], [], []
    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")] + [k for k, v in attrs if k.startswith("on")]
        if tag != "meta":
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
    def handle_data(self, data):
        self.text.append(data)
page = Page()
page.feed(text)
assert not page.open, page.open
assert not page.tags & {"script", "link", "img", "iframe", "object"}, page.tags
assert all(link.startswith("#v") for link in page.links), page.links
shown = "".join(page.text)
assert "<script>alert(1)</script>" in shown and "\u202e" not in text and "\x1b" not in text
assert "url(" not in text and "http" not in text.replace("http-equiv", "")
assert "prefers-color-scheme:dark" in text and "@media print" in text
assert text.count(">its header can't be used<") == 1 and "no passphrase" not in text  # of that one nothing else is known
assert "1 of 1" in shown and "2 of 2" in shown
for number, word in ((7, "volumes"), (4, "at risk"), (2, "weak"), (1, "good")):
    assert "<b>%d</b>%s" % (number, word) in text, word
END
cp -r all/sub/good all/second
run "$NACRE" audit --json all/sub/good all/second
holds "a copy of a volume is noticed" json_is "$out" '[v["verdict"] for v in r["volumes"]]' "['weak', 'weak']"
rm all/second


# Copies of the header that differ: by one byte that nobody can judge without a credential, or by a change of one.
cp all/sub/good flipped
python3 -c '
with open("flipped", "r+b") as file:
    file.seek((16 << 20) + 4096 + 40)
    byte = file.read(1)[0]
    file.seek((16 << 20) + 4096 + 40)
    file.write(bytes([byte ^ 1]))'
cp all/sub/good behind
# shellcheck disable=SC2086
"$NACRE" key add $pass --no-anchor --new-passfile pass2 $cheap behind >/dev/null 2>&1
dd if=all/sub/good of=behind bs=256K count=1 skip=64 seek=64 conv=notrunc 2>/dev/null
for differing in flipped behind; do
  run "$NACRE" audit --json $differing
  [ "$got" -eq 13 ] && json_is "$out" '(r["volumes"][0]["header_copies_valid"], r["volumes"][0]["header_copies_equal"])' "(2, False)"
  judge "a header whose copies differ is at risk ($differing)" $?
  holds "and why" json_is "$out" 'r["volumes"][0]["reasons"][0].split(":")[0]' "the two copies of its header differ"
  works "info" "$NACRE" info $differing
  holds "tells it, too" grep -q '^headers  *2 of 2 readable, and they differ$' "$out"
  "$NACRE" info --json $differing >rec
  run "$NACRE" audit --info rec
  [ "$got" -eq 13 ] && grep -q 'copies of its header differ' "$out"
  judge "so does a record" $?
  cp $differing mended
  # shellcheck disable=SC2086
  "$NACRE" mkdir $pass --no-anchor mended /mends || not_ok "mkdir"
  works "opening it for writing mends that" "$NACRE" audit --json mended
  holds "they are equal" json_is "$out" 'r["volumes"][0]["header_copies_equal"]' True
done
works "two that are equal" "$NACRE" info --json all/sub/good
holds "are said to be" json_is "$out" '(r["header_copies_valid"], r["header_copies_equal"])' "(2, True)"
rm mended

fails "what is not there: 1" 1 "cannot look" "$NACRE" audit nothing
run "$NACRE" audit nothing all/sub/good
[ "$got" -eq 10 ]
judge "beside what is there: 10" $?
fails "a page that can't be written: 1" 1 "cannot write" "$NACRE" audit --html no/where all/sub/good

# Records of devices that are gone.
"$NACRE" info --json all/sub/good >rec1
"$NACRE" info --json all/hostile >rec2
works "records" "$NACRE" audit --info --json rec2 rec1
holds "are judged like the volumes" json_is "$out" \
  '[(v["path"], v["volume"], v["record"], v["origin"], v["verdict"], len(v["slots"])) for v in r["volumes"]]' \
  "[('rec1', 'all/sub/good', True, 'container', 'good', 2), ('rec2', 'all/hostile', True, 'container', 'weak', 1)]"
holds "with the same estimate" sh -c '[ "$1" = "$2" ]' sh \
  "$(json "$out" 'r["volumes"][0]["guessing"]')" "$(json json 'r["volumes"][4]["guessing"]')"
# Whatever it is, its record says the same of it.
cat >same.py <<'END'
import json, sys
def volumes(path, key):
    found = json.load(open(path))["volumes"]
    own = {"path", "volume", "record"}
    return {v[key]: {k: v[k] for k in v if k not in own} for v in found}
direct, told = volumes("direct", "path"), volumes("told", "volume")
assert direct and direct.keys() == told.keys(), (direct.keys(), told.keys())
for path in direct:
    assert direct[path] == told[path], (path, direct[path], told[path])
END
same_by_record() {
  same_name=$1
  shift
  rm -rf records
  mkdir records
  for same_path in "$@"; do
    "$NACRE" info --json "$same_path" >"records/$(echo "$same_path" | tr '/ ' '__')" 2>/dev/null
  done
  run "$NACRE" audit --json "$@"
  cp "$out" direct
  same_code=$got
  run "$NACRE" audit --json --info records/*
  cp "$out" told
  holds "a record says the same: $same_name" sh -c "[ $got -eq $same_code ] && python3 same.py"
}
make_volume detached --header header
cp all/sub/good short
truncate -s 100000 short
cp all/sub/good later
python3 -c '
with open("later", "r+b") as file:
    for at in (0, 16 << 20):
        file.seek(at + 8)
        file.write(b"\xff\0\0\0")' # a version to come
same_by_record "a good one" all/sub/good
same_by_record "a hostile label" all/hostile
same_by_record "a cheap passphrase" all/cheap
same_by_record "cut short" all/cut
same_by_record "one copy of the header" "all/sub/deep/one copy"
same_by_record "a backup of a header" all/sub/good.header
same_by_record "a damaged header" all/sub/none
same_by_record "copies that differ" flipped behind
same_by_record "cut within the header" short
same_by_record "a version to come" later
same_by_record "a detached header" header
same_by_record "two copies of one volume" all/sub/good flipped
"$NACRE" info --json all/sub/none >rec 2>"$err"
holds "info of a damaged header fails, and has a record of it" sh -c "[ $? -eq 4 ] && grep -q damaged '$err'"
holds "with the reason" json_is rec '(r["volume_id"], r["slots"], "damaged" in r["problem"])' "(None, [], True)"
fails "info without --json has none" 4 "damaged" "$NACRE" info all/sub/none
holds "and prints nothing" test ! -s "$out"
run "$NACRE" info --json all/text
[ "$got" -eq 6 ] && [ ! -s "$out" ]
judge "info of what is no volume: 6, and no record" $?
works "info says what it is" "$NACRE" info all/sub/good.header
holds "a backup, with all the copies that it can have" sh -c "grep -q '^what  *header backup$' '$out' && grep -q '^headers  *1 of 1 readable$' '$out'"

sed 's/"index":0/"index":32/' rec1 >bad1
sed 's/"memory_bytes":[0-9]*/"memory_bytes":-1/' rec1 >bad2
sed 's/"passphrase"/"telepathy"/' rec1 >bad3
sed 's/"volume_id":"../"volume_id":"zz/' rec1 >bad4
head -c 200 rec1 >bad5
printf '[[[[[[[[[[[[' >bad6
sed 's/"slots":\[/"slots":[7,/' rec1 >bad7
sed 's/"header_copies_valid":2/"header_copies_valid":3/' rec1 >bad8
sed 's/"index":1/"index":0/' rec1 >bad9
sed 's/"origin":"container"/"origin":"heaven"/' rec1 >bad10
sed 's/"origin"/"former"/; s/"problem"/"former"/; s/"header_copies_equal"/"former"/' rec1 >older
works "a record of before there were these fields" "$NACRE" audit --info older
holds "is judged by what it has" grep -q '^older: good$' "$out"
for bad in bad1 bad2 bad3 bad4 bad5 bad6 bad7 bad8 bad9 bad10 /dev/null all/hostile; do
  fails "no record ($bad): 2" 2 "no record" "$NACRE" audit --info $bad
done
sed 's/"label":"Accounts"/"label":"a\\u0000b\\u001b<b>"/; s/"memory_bytes":[0-9]*/"memory_bytes":9223372036854775807/
  s/"passes":[0-9]*/"passes":4294967295/' rec1 >odd
works "numbers without sense do no harm" "$NACRE" audit --info --html odd.html odd
holds "and are shown as that" grep -q 'more than there is' odd.html
sed 's/"passes":[0-9]*/"passes":0/' rec1 >none
run "$NACRE" audit --info --json none
holds "no passes at all cost nothing" json_is "$out" '[g["usd"] for g in r["volumes"][0]["guessing"]]' "[0.0, 0.0, 0.0, 0.0]"
holds "nothing of it is markup" sh -c '! grep -q "<b>[^0-9AW]" odd.html'

if [ "$(id -u)" -eq 0 ]; then
  mkdir other
  if mount -t tmpfs none other 2>/dev/null; then
    make_volume other/v
    run "$NACRE" audit .
    judge "another filesystem is left alone" "$(grep -c '^./other/v' "$out")"
    run "$NACRE" audit --cross-filesystems .
    holds "unless it is wanted" grep -q '^./other/v: weak' "$out"
    umount other
  fi
  if loop=$(losetup -f --show all/sub/good 2>/dev/null); then
    works "a block device" "$NACRE" audit "$loop"
    losetup -d "$loop"
  fi
fi
if can_mount && mkdir m && "$NACRE" mount --passfile pass all/sub/good m 2>/dev/null; then
  works "a mounted volume" "$NACRE" audit --json all/sub/good
  holds "and where" json_is "$out" '[v["mounted_on"].endswith("/m") for v in r["volumes"]]' "[True]"
  "$NACRE" umount m
else
  skip "a mounted volume" "can't be mounted here"
fi
finish
