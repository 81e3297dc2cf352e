#!/bin/sh
# A recovery key on paper: the line, the QR code, the page. What the pictures say is read by zbar, where it is here.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --label 'tax & <law>'
reads_as() {
  /usr/bin/python3 "$here/picture.py" "$1" "$2" picture.pbm && zbarimg --quiet --raw picture.pbm >scanned 2>/dev/null &&
    [ "$(cat scanned)" = "$3" ]
}
scans() {
  if command -v zbarimg >/dev/null; then
    holds "$@"
  else
    echo "skip - $1: no zbarimg here"
  fi
}

# shellcheck disable=SC2086
works "a recovery key, where stdout is no terminal" "$NACRE" key add $pass --new-recovery-key v
holds "is one line and no more" test "$(wc -l <"$out")" -eq 1
# shellcheck disable=SC2086
works "--qr" "$NACRE" key add $pass --new-recovery-key --qr v
cp "$out" shown
key=$(head -n 1 shown)
holds "has the key in its first line" sh -c "printf '%s\n' '$key' | grep -qxE '([0-9A-Z]{5}-){7}[0-9A-Z]{5}'"
holds "and a picture without colours" sh -c '! grep -q "$(printf "\033")" shown'
scans "which says the same" reads_as art shown "$key"
printf '%s\n' "$key" >typed
works "and opens the volume" "$NACRE" ls --passfile typed v

# shellcheck disable=SC2086
works "--print" "$NACRE" key add $pass --new-recovery-key --print page.html --name paper v
key=$(cat "$out")
holds "prints the key as well" test "${#key}" -eq 47
holds "and says that the page is to be deleted" grep -q 'deleted' "$err"
holds "the page is its maker's alone" test "$(stat -c %a page.html)" = 600
holds "has the key" sh -c "sed 's/<[^>]*>//g' page.html | grep -qx '$key'"
scans "and its picture" reads_as page page.html "$key"
holds "label and id, escaped" sh -c "grep -q 'tax &amp; &lt;law>' page.html &&
  grep -q '$("$NACRE" info v | sed -n 's/^volume id *//p')' page.html"
holds "and nothing from elsewhere" sh -c '! grep -qE "(src|href)=|url\(|@import|<script" page.html'
holds "the slot by its number and its name, and how it is withdrawn" sh -c "grep -q '<dt>Slot</dt><dd>3, paper</dd>' page.html &&
  grep -q 'nacre key remove --slot 3</code>.*paper' page.html"
holds "well-formed" /usr/bin/python3 -c '
import html.parser, sys
class Page(html.parser.HTMLParser):
    open = []
    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "wbr", "br", "rect", "path"):
            self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        pass
    def handle_endtag(self, tag):
        assert self.open.pop() == tag
page = Page()
page.feed(open("page.html").read())
assert not page.open'
slots=$("$NACRE" info --json v >info && json info 'len(r["slots"])')
# shellcheck disable=SC2086
fails "--print makes no file that is there: 1" 1 "File exists" "$NACRE" key add $pass --new-recovery-key --print page.html v
# shellcheck disable=SC2086
fails "nor where it can't: 1" 1 "cannot make" "$NACRE" key add $pass --new-recovery-key --print no/such/page.html v
"$NACRE" info --json v >info
holds "and adds no slot then" json_is info 'len(r["slots"])' "$slots"
# shellcheck disable=SC2086
fails "--print without a recovery key: 2" 2 "recovery key" "$NACRE" key add $pass --new-key-file pass --print p.html v
# shellcheck disable=SC2086
fails "--qr without: 2" 2 "recovery key" "$NACRE" key change $pass --new-key-file pass --qr v
works "create --recovery-key --print" "$NACRE" create --passfile pass --kdf-memory 32M --kdf-passes 1 --recovery-key \
  --print new.html w
scans "has its picture, too" reads_as page new.html "$(cat "$out")"
cp "$out" typed
works "and that key opens it" "$NACRE" ls --recovery-key --passfile typed w

holds "slot and name are on its page" grep -q '<dt>Slot</dt><dd>1, recovery key</dd>' new.html
names() { "$NACRE" key list --passfile pass --json "$1" | python3 -c 'import json, sys; print([(s["index"], s["name"]) for s in json.load(sys.stdin)["slots"]])'; }
make_volume named
"$NACRE" key add --passfile pass --new-recovery-key named >typed 2>/dev/null
holds "without a name it is called what it is" test "$(names named)" = "[(0, None), (1, 'recovery key')]"

# A key that could not be shown opens nothing: to a full disk, where stdout is closed, to a reader that has gone.
into_full() { "$@" >/dev/full; }
into_nothing() { "$@" >&-; }
into_closed_pipe() {
  python3 -c 'import os, subprocess, sys
r, w = os.pipe()
os.close(r)
sys.exit(abs(subprocess.run(sys.argv[1:], stdout=w, stdin=subprocess.DEVNULL).returncode))' "$@"
}
for into in into_full:7 into_nothing:1 into_closed_pipe:1; do
  code=${into#*:} into=${into%:*}
  for json in '' --json; do
    case $json in '') says=fails ;; *) says=ends ;; esac
    # ends NAME CODE TEXT COMMAND...: one line of JSON with the text.
    ends() {
      ends_name=$1 ends_code=$2 ends_text=$3
      shift 3
      run "$@"
      [ "$got" -eq "$ends_code" ] && [ "$(grep -c . "$err")" -eq 1 ] && grep -q "$ends_text" "$err"
      judge "$ends_name" $?
    }
    # shellcheck disable=SC2086
    $says "$into: key add $json: $code" "$code" "recovery key" $into "$NACRE" key add $json --passfile pass --new-recovery-key --print p.html named
    holds "no slot is left" test "$(names named)" = "[(0, None), (1, 'recovery key')]"
    # shellcheck disable=SC2086
    $says "$into: key change $json: $code" "$code" "recovery key" $into "$NACRE" key change $json --passfile typed --new-recovery-key --print p.html named
    works "the slot opens as it did" "$NACRE" key test --passfile typed --slot 1 named
    holds "no page is left" test ! -e p.html
  done
  # shellcheck disable=SC2086
  run $into "$NACRE" create --passfile pass $cheap --recovery-key --print p.html unseen
  [ "$got" -eq "$code" ] && grep -q 'recovery key' "$err"
  judge "$into: create: $code" $?
  holds "no volume is left" test ! -e unseen -a ! -e p.html
done
# Errors go where the key would have gone, and nobody reads them either.
into_closed_pipes() {
  python3 -c 'import os, subprocess, sys
r, w = os.pipe()
os.close(r)
sys.exit(abs(subprocess.run(sys.argv[1:], stdout=w, stderr=w, stdin=subprocess.DEVNULL).returncode))' "$@"
}
run into_closed_pipes "$NACRE" key add --passfile pass --new-recovery-key named
holds "nobody reads the errors: key add: 1" test "$got" -eq 1
holds "no slot is left" test "$(names named)" = "[(0, None), (1, 'recovery key')]"
# shellcheck disable=SC2086
run into_closed_pipes "$NACRE" create --passfile pass $cheap --recovery-key unseen
holds "nobody reads the errors: create: 1" test "$got" -eq 1
holds "no volume is left" test ! -e unseen
: >there
# shellcheck disable=SC2086
run into_full "$NACRE" create --passfile pass $cheap --recovery-key there
[ "$got" -eq 7 ] && grep -q 'has none' "$err"
judge "create in a file that was there: 7" $?
holds "leaves the volume, without a recovery key" test "$(names there)" = "[(0, None)]"
# shellcheck disable=SC2086
fails "a page that can't be made takes the slot back: 1" 1 "cannot make" "$NACRE" key change --passfile typed --new-recovery-key --print no/such.html named
works "the slot is as it was" "$NACRE" key test --passfile typed named
cp typed old
works "key change to a new recovery key" "$NACRE" key change --passfile typed --new-recovery-key --print changed.html named
cp "$out" typed
works "opens by that" "$NACRE" key test --passfile typed --slot 1 named
fails "and not by the old one" 3 "" "$NACRE" key test --passfile old named
holds "with slot and name on its page" grep -q '<dt>Slot</dt><dd>1, recovery key</dd>' changed.html

# On a terminal the picture comes without being asked for.
/usr/bin/python3 - "$NACRE" >terminal 2>/dev/null <<'TERMINAL'
import os, pty, sys
def copy(fd):
    return os.read(fd, 65536)
pty.spawn([sys.argv[1], "key", "add", "--passfile", "pass", "--new-recovery-key", "v"], copy)
TERMINAL
# Without the line about unlocking, which was there before.
tr -d '\r' <terminal | sed "s/^.*$(printf '\033')\[K//" >shown
holds "on a terminal the picture has colours" grep -q "$(printf '\033\[40;97m')" shown
scans "and says what the line says" reads_as art shown "$(grep -E '^([0-9A-Z]{5}-){7}' shown)"
finish
