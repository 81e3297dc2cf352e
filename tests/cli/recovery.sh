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

# On a terminal the picture comes without being asked for.
/usr/bin/python3 - "$NACRE" >terminal 2>/dev/null <<'TERMINAL'
import os, pty, sys
def copy(fd):
    return os.read(fd, 65536)
pty.spawn([sys.argv[1], "key", "add", "--passfile", "pass", "--new-recovery-key", "v"], copy)
TERMINAL
tr -d '\r' <terminal >shown
holds "on a terminal the picture has colours" grep -q "$(printf '\033\[40;97m')" shown
scans "and says what the line says" reads_as art shown "$(grep -E '^([0-9A-Z]{5}-){7}' shown)"
finish
