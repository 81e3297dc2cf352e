#!/bin/sh
# Slots of FIDO2 tokens: libfido2's own code, and the program's around it, talk to tokens made of software (ctap_token.py)
# through reports of 64 bytes, as they would to a device; and to those that are absent, several, others, locked, that
# nobody touches, that are taken out, that answer nonsense, or nothing.
# timeout: 240
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --slot-name first
plug=${NACRE_BUILD:?its folder}/tests/support/token_plug.so
if [ ! -e "$plug" ]; then
  # shellcheck disable=SC2086
  fails "built without libfido2: 8" 8 "it needs libfido2" "$NACRE" key add $pass --fido2 v
  skip "cli/fido2 with tokens" "built without libfido2"
  finish
fi
if ! /usr/bin/python3 -c 'import cryptography' 2>/dev/null; then
  skip "cli/fido2 with tokens" "no python3-cryptography here"
  finish
fi
pin=73914206
other_pin=55500011
mkdir tokens
# A sanitizer has to be there before anything else that is preloaded.
sanitizer=$(ldd "$NACRE" 2>/dev/null | sed -n 's/.*lib[at]san[^ ]* => \([^ ]*\) .*/\1/p' | tr '\n' ' ')
cat >plugged <<EOP
#!/bin/sh
NACRE_TOKENS='$TEST_TMP/tokens' LD_PRELOAD='$sanitizer$plug' exec '$NACRE' "\$@"
EOP
chmod +x plugged

# plug_in NAME [SETTING...]: it stays what it is, and forgets what a power cycle makes it forget.
plug_in() {
  token=$1
  shift
  /usr/bin/python3 -B "$here/ctap_token.py" "state.$token" "tokens/$token.token" "mood.$token" "$@" 2>"said.$token" &
  echo $! >"pid.$token"
  tries=0
  until [ -S "tokens/$token.token" ] || [ $tries -gt 400 ]; do
    sleep 0.05
    tries=$((tries + 1))
  done
}
pull_out() {
  kill "$(cat "pid.$1")" 2>/dev/null
  wait "$(cat "pid.$1")" 2>/dev/null
  rm -f "tokens/$1.token"
  sed 's/^/# token: /' "said.$1"
}
mood() { echo "$2" >"mood.$1"; }
state_is() {
  [ "$(/usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "state.$1" "$2")" = "$3" ]
}
# with ARGUMENT...: the program. It is stopped where it waits without end.
with() { timeout 100 ./plugged "$@"; }
# verdict NAME CODE TEXT: as `fails`, about what was just run, which may have asked for touches before.
verdict() {
  said=$(grep -v 'touch the FIDO2 token when it blinks' "$err")
  good=1
  if [ "$got" -eq "$2" ] && [ "$(echo "$said" | wc -l)" -eq 1 ]; then
    case $said in "nacre: "*"$3"*) good=0 ;; esac
  fi
  judge "$1" $good
}
# refused NAME CODE TEXT ARGUMENT...
refused() {
  name=$1 code=$2 text=$3
  shift 3
  run with "$@"
  verdict "$name" "$code" "$text"
}
# typed NAME CODE ANSWER... -- ARGUMENT...: at a terminal, which must show no PIN. Answers end with one --.
typed() {
  name=$1 code=$2
  shift 2
  got=0
  /usr/bin/python3 "$here/at_terminal.py" "$@" >"$out" 2>"$err" || got=$?
  [ "$got" -eq "$code" ] && ! grep -qE "$pin|$other_pin" "$out"
  judge "$name" $?
}
slots_are() {
  "$NACRE" key list --passfile pass --json "$1" >listed 2>/dev/null && json_is listed 'len(r["slots"])' "$2"
}

# ---- One token, without a PIN ----
# shellcheck disable=SC2086
refused "no token: 3" 3 "no FIDO2 token is plugged in" key add $pass --fido2 v
plug_in a
# shellcheck disable=SC2086
works "key add --fido2" with key add $pass --fido2 --name yubi v
holds "which says when to touch it" grep -q 'touch the FIDO2 token' "$err"
holds "twice it was touched" state_is a touched 2
# shellcheck disable=SC2086
works "key list" with key list $pass --json v
holds "has it" json_is "$out" '[(s["index"], s["kind"], s["name"]) for s in r["slots"]]' \
  "[(0, 'passphrase', 'first'), (1, 'fido2', 'yubi')]"
works "it opens" with ls --fido2 v
holds "with one touch" state_is a touched 3
works "that slot" with key test --fido2 --json v
holds "and no other" json_is "$out" '(r["slot"], r["kind"])' "(1, 'fido2')"
holds "the token was asked with the slot's salt" /usr/bin/python3 -c '
import json, sys
with open("v", "rb") as f:
    header = f.read(1 << 20)
at = header.index(b"\1\4\5\0\x40\0\0\0")
sys.exit(header[at + 8:at + 40].hex() != json.load(open("state.a"))["salt"])'
# shellcheck disable=SC2086
works "without a touch the passphrase does" with ls $pass v
holds "as before" state_is a touched 4
works "a file goes in by it" with put --fido2 v pass /
works "and comes out" with cat --fido2 v /pass
holds "the same" cmp pass "$out"
works "another slot of the same token, opened by it" with key add --open-fido2 --fido2 --name second v
works "has a key of its own" with ls --fido2 --slot 2 v
works "a header's backup" with header backup --fido2 v backup
works "a new master key by it" with rekey --slots-only --fido2 v
works "which leaves its slots" with ls --fido2 --slot 1 v
pull_out a
refused "no token to open with: 3" 3 "no FIDO2 token is plugged in" ls --fido2 v

# ---- Others ----
plug_in b
refused "another token: 3" 3 "no token that is plugged in made this slot" ls --fido2 v
holds "which nobody had to touch" state_is b touched 0
plug_in a
works "both: the right one is found" with ls --fido2 v
holds "and only that one touched" state_is b touched 0
# shellcheck disable=SC2086
refused "a new slot where two are plugged in: 3" 3 "more than one" key add $pass --fido2 v
pull_out b
plug_in b no-hmac-secret
works "one that can't do it, beside" with ls --fido2 v
mood b silent
works "one that says nothing, beside" env NACRE_TOKEN_HURRY=5 timeout 100 ./plugged ls --fido2 v
pull_out a
mood b ""
refused "it alone: 3" 3 "no token that is plugged in made this slot" ls --fido2 v
# shellcheck disable=SC2086
refused "no hmac-secret, no slot: 8" 8 "has no hmac-secret" key add $pass --fido2 v
mood b u2f
# shellcheck disable=SC2086
refused "nor by one of the days before FIDO2: 8" 8 "has no hmac-secret" key add $pass --fido2 v
pull_out b
holds "no slot came of all that" slots_are v 3

# ---- What goes wrong ----
plug_in a
cp v was
# bad MOOD CODE TEXT [CODE TEXT]: the slot opens nothing, no slot is added.
bad() {
  mood a "$1"
  refused "$1: opens nothing: $2" "$2" "$3" ls --fido2 v
  # shellcheck disable=SC2086
  refused "$1: adds nothing: ${4-$2}" "${4-$2}" "${5-$3}" key add $pass --fido2 v
  mood a ""
}
nonsense="no answer that makes sense"
bad nobody 3 "nobody touched"
bad denied 3 "nobody touched"
bad withdrawn 3 "$nonsense"
bad init-short 3 "$nonsense"
for how in noise cut deep endless empty huge busy; do
  bad info-$how 3 "$nonsense"
  bad touch-$how 3 "FIDO2 token"
  bad pin-$how 3 "the FIDO2 token failed"
done
for how in noise cut busy; do
  mood a ask-$how
  refused "ask-$how: opens nothing: 3" 3 "FIDO2" ls --fido2 v
  mood a ""
done
bad info-map 3 "no token that is plugged in made this slot" 8 "has no hmac-secret"
bad pin-map 3 "the FIDO2 token failed"
bad touch-map 8 "has no hmac-secret" 3 "the FIDO2 token failed"
bad hmac-none 8 "has no hmac-secret"
bad hmac-short 3 "$nonsense"
bad hmac-long 3 "$nonsense"
bad hmac-uneven 3 "the FIDO2 token failed"
bad hmac-many 3 "the FIDO2 token failed"
bad forgets 3 "no token that is plugged in made this slot"
mood a hmac-other
refused "another secret than before opens nothing: 3" 3 "wrong key" ls --fido2 v
mood a ""
# What is waited for, which has a limit.
export NACRE_TOKEN_HURRY=50
for how in init-other info-unfinished touch-unfinished pin-other touch-other; do bad $how 3 "FIDO2 token"; done
bad silent 3 "$nonsense"
bad blinks 3 "$nonsense"
mood a dead
refused "a token that dies at the touch: 3" 3 "$nonsense" ls --fido2 v
unset NACRE_TOKEN_HURRY
pull_out a
rm mood.a
plug_in a
holds "the container is as it was, byte by byte" cmp v was
holds "no slot came of all that" slots_are v 3
works "and the token's opens it" with ls --fido2 v
# shellcheck disable=SC2086
works "as the passphrase does" "$NACRE" ls $pass v
# The flags of the record, which somebody changed: what the slot was sealed with is its hash, too.
cp v changed
/usr/bin/python3 -c '
with open("changed", "r+b") as f:
    for copy in (0, 16 << 20):
        f.seek(copy)
        at = f.read(1 << 20).index(b"\1\4\5\0\x40\0\0\0")
        f.seek(copy + at + 1)
        f.write(b"\0")'
refused "a record that was changed opens nothing: 4" 4 "damaged" ls --fido2 --slot 1 changed
/usr/bin/python3 -c '
with open("changed", "r+b") as f:
    for copy in (0, 16 << 20):
        f.seek(copy)
        at = f.read(1 << 20).index(b"\1\0\5\0\x40\0\0\0")
        f.seek(copy + at + 4)
        f.write(b"\xff\xff")'
refused "nor one that is none: 4" 4 "no FIDO2 credential" ls --fido2 --slot 1 changed

# ---- Removed, changed ----
works "removed by itself" with key remove --fido2 --slot 1 v
refused "opens nothing: 3" 3 "no such FIDO2 slot" ls --fido2 --slot 1 v
works "the other does" with ls --fido2 v
works "changed to a passphrase, by the token" with key change --open-fido2 --new-passfile pass2 $cheap v
works "which opens" "$NACRE" ls --passfile pass2 v
refused "no slot of a token's is left: 3" 3 "no FIDO2 slot" ls --fido2 v
pull_out a

# ---- PINs ----
# A PIN that was set makes it needed, in both generations of the protocol.
for generation in old new; do
  set --
  [ $generation = old ] || set -- new
  w=w-$generation
  make_volume $w
  plug_in $generation "$@"
  # shellcheck disable=SC2086
  works "$generation: a slot of before there was a PIN" with key add $pass --fido2 "$w"
  pull_out $generation
  plug_in $generation "$@" pin=$pin
  # shellcheck disable=SC2086
  refused "$generation: nobody can be asked for the PIN: 3" 3 "no terminal" key add $pass --fido2 "$w"
  typed "$generation: key add asks for it" 0 "PIN of the FIDO2 token: =$pin" -- ./plugged key add --passfile pass --fido2 "$w"
  typed "$generation: and so does opening" 0 "PIN of the FIDO2 token: =$pin" -- ./plugged ls --fido2 --slot 2 "$w"
  works "$generation: the slot of before needs none" with ls --fido2 --slot 1 "$w"
  refused "$generation: without a terminal: 3" 3 "no terminal" ls --fido2 --slot 2 "$w"
  typed "$generation: a wrong one is said, with what is left" 0 "PIN of the FIDO2 token: =12345678" \
    "it takes wrong ones: 7. PIN of the FIDO2 token: =$pin" -- ./plugged ls --fido2 --slot 2 "$w"
  holds "$generation: and a right one counts anew" state_is $generation left 8
  typed "$generation: two wrong ones are enough: 3" 3 "token: =1111" "token: =2222" -- ./plugged ls --fido2 --slot 2 "$w"
  holds "$generation: one line says what is left" grep -q "nacre: $w: wrong PIN of .*: 6" "$out"
  typed "$generation: a third in a row: 3" 3 "token: =3333" -- ./plugged ls --fido2 --slot 2 "$w"
  holds "$generation: it is to be plugged in anew" grep -q 'until it is plugged in anew; .*: 5' "$out"
  typed "$generation: the right one does not help: 3" 3 "token: =$pin" -- ./plugged ls --fido2 --slot 2 "$w"
  holds "$generation: nor counts" state_is $generation left 5
  typed "$generation: an empty one gives up: 3" 3 "token: =" -- ./plugged ls --fido2 --slot 2 "$w"
  pull_out $generation
  plug_in $generation "$@" pin=$other_pin
  typed "$generation: plugged in anew, with another PIN" 0 "token: =$other_pin" -- ./plugged ls --fido2 --slot 2 "$w"
  /usr/bin/python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); s["left"] = 1; json.dump(s, open(sys.argv[1], "w"))' \
    state.$generation
  pull_out $generation
  plug_in $generation "$@" pin=$pin
  plug_in other "$@" pin=$other_pin
  typed "$generation: the last wrong one: 3" 3 "token: =4444" -- ./plugged ls --fido2 --slot 2 "$w"
  holds "$generation: it is blocked for good" grep -q "nacre: $w: the FIDO2 token.s PIN is blocked for good" "$out"
  holds "$generation: the other token's was not spent" state_is other left 8
  pull_out other
  typed "$generation: blocked: 3" 3 "token: =$pin" -- ./plugged ls --fido2 --slot 2 "$w"
  # shellcheck disable=SC2086
  works "$generation: the passphrase opens" "$NACRE" ls $pass "$w"
  pull_out $generation
done

# ---- Fingers ----
for generation in old new; do
  set --
  [ $generation = old ] || set -- new
  w=finger-$generation.nacre
  make_volume "$w"
  plug_in finger-$generation "$@" finger pin=$pin
  # shellcheck disable=SC2086
  works "$generation, with a finger: key add asks for no PIN" with key add $pass --fido2 "$w"
  works "$generation, with a finger: opens" with ls --fido2 --slot 1 "$w"
  mood finger-$generation stranger
  refused "$generation, with a stranger's: 3" 3 "did not know the finger" ls --fido2 --slot 1 "$w"
  pull_out finger-$generation
done

# ---- Mounted ----
if ! can_mount; then
  skip "mount --fido2" "no FUSE here"
  finish
fi
w=$TEST_TMP/mounted
at=$TEST_TMP/at
make_volume "$w"
mkdir at
plug_in m pin=$pin
typed "mount: key add" 0 "token: =$pin" -- ./plugged key add --passfile pass --fido2 --name pinned "$w"
typed "mount --fido2" 0 "token: =$pin" -- ./plugged mount --fido2 --slot 1 "$w" "$at"
holds "is mounted" mounted "$TEST_TMP/at"
secret=$(/usr/bin/python3 -c 'import json; print(json.load(open("state.m"))["told"])')
daemon=$(pgrep -f "nacre mount .*$w $at" | head -n 1)
[ -z "$sanitizer" ] || skip "neither the PIN nor what the token told is in its memory" "a sanitizer keeps what is freed"
[ -n "$sanitizer" ] || holds "neither the PIN nor what the token told is in its memory" env PYTHONPATH="$here/../e2e" /usr/bin/python3 -B -c '
import sys
from leak_memory import places
found = places(int(sys.argv[1]), {"PIN": sys.argv[2].encode(), "told": bytes.fromhex(sys.argv[3]),
                                  "folder": sys.argv[4].encode()})
for name, mapping in found:
    print(name, mapping)
sys.exit({name for name, _ in found} != {"folder"})' "$daemon" "$pin" "$secret" "$at"
typed "a slot of the mounted volume" 0 "token: =$pin" -- ./plugged key add --passfile pass --fido2 at
typed "opens it" 0 "token: =$pin" -- ./plugged key test --fido2 --slot 2 "$w"
typed "changed by the token, to the token" 0 "token: =$pin" "token: =$pin" -- ./plugged key change --open-fido2 --open-slot 2 --slot 2 --fido2 at
typed "opens it, by the folder" 0 "token: =$pin" -- ./plugged key test --fido2 --slot 2 at
typed "is removed by the token" 0 "token: =$pin" -- ./plugged key remove --fido2 --open-slot 1 --slot 2 at
pull_out m
works "umount" "$NACRE" umount at
refused "unmounted, no token: 3" 3 "no FIDO2 token" ls --fido2 --slot 1 "$w"
finish
