#!/bin/sh
# Escrow slots, with the real age both ways; a passphrase and a key file together; the volume that is expected.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --slot-name first
if ! command -v age >/dev/null; then
  echo "skip - cli/escrow: no age here"
  finish
fi
age-keygen -o alice 2>/dev/null
age-keygen -o bob 2>/dev/null
age-keygen -o carol 2>/dev/null
alice=$(sed -n 's/^# public key: //p' alice)
bob=$(sed -n 's/^# public key: //p' bob)

# shellcheck disable=SC2086
works "key add --escrow" "$NACRE" key add $pass --escrow "$alice" --name 'head office' v
# shellcheck disable=SC2086
works "and one for another" "$NACRE" key add $pass --escrow "$bob" v
# shellcheck disable=SC2086
works "they are listed" "$NACRE" key list $pass --json v
holds "with kind and name" json_is "$out" '[(s["kind"], s["name"], s["kdf"]) for s in r["slots"]][1:]' \
  "[('escrow', 'head office', None), ('escrow', None, None)]"
works "info knows them without a credential" "$NACRE" info --json v
holds "as escrow slots" json_is "$out" '[s["kind"] for s in r["slots"]]' "['passphrase', 'escrow', 'escrow']"
works "--identity opens" "$NACRE" ls --identity alice v
works "the other one, too" "$NACRE" key test --identity bob --json v
holds "its own slot" json_is "$out" '(r["slot"], r["kind"])' "(2, 'escrow')"
fails "an identity that is nobody's here: 3" 3 "wrong age identity" "$NACRE" ls --identity carol v
fails "one that is of another slot than --slot says: 3" 3 "wrong age identity" "$NACRE" ls --identity bob --slot 1 v
works "and --slot with the right one" "$NACRE" ls --identity bob --slot 2 v
cat carol alice >several
works "a file of several identities" "$NACRE" ls --identity several v
got=0
"$NACRE" ls --identity - v <alice >"$out" 2>"$err" || got=$?
judge "an identity on stdin" $got

# What age makes of it.
works "key escrow writes the slot out" "$NACRE" key escrow --slot 1 -o one.age v
holds "an age file of the usual length" test "$(wc -c <one.age)" -eq 232
holds "which age opens" age -d -i alice -o one.key one.age
holds "to 32 bytes" test "$(wc -c <one.key)" -eq 32
works "which open the volume" "$NACRE" ls --slot-key one.key v
works "that slot" "$NACRE" key test --slot-key one.key v
holds "and no other" grep -q '^slot 1 (escrow)$' "$out"
if age -d -i carol one.age >/dev/null 2>&1; then not_ok "age has nothing for others"; else ok "age has nothing for others"; fi
fails "key escrow makes no file that is there: 1" 1 "File exists" "$NACRE" key escrow --slot 1 -o one.age v
fails "of two slots it wants to know which: 2" 2 "--slot" "$NACRE" key escrow v
fails "a passphrase's slot has nothing to write: 3" 3 "no escrow slot" "$NACRE" key escrow --slot 0 v
fails "nor has an empty one: 3" 3 "no escrow slot" "$NACRE" key escrow --slot 9 v
head -c 32 /dev/urandom >noise
fails "32 other bytes: 3" 3 "wrong escrow key" "$NACRE" ls --slot-key noise v
head -c 31 one.key >short
fails "fewer: 3" 3 "32" "$NACRE" ls --slot-key short v

# The other way: age makes the file, around the key that Nacre gives it, and Nacre opens it by itself. Where Nacre leaves a
# recipient to age, as it does a plugin's, this one stands in its place and asks the real one for what AS says.
mkdir stand-in
cat >stand-in/age <<END
#!/bin/sh
exec $(command -v age) -e \$AS
END
chmod +x stand-in/age
by_age() { env PATH="$TEST_TMP/stand-in:$PATH" AS="$1" "$NACRE" key add --passfile pass --escrow age1any1thing --json "$2"; }
make_volume w
works "age makes an escrow slot's file" by_age "-r $alice" w
works "Nacre opens it" "$NACRE" key test --identity alice --json w
holds "as that slot" json_is "$out" '(r["slot"], r["kind"])' "(1, 'escrow')"
works "one for two recipients" by_age "-r $bob -r $alice" w
for who in bob alice; do
  works "opens for $who" "$NACRE" key test --identity $who --slot 2 --json w
done
fails "and for nobody else: 3" 3 "wrong age identity" "$NACRE" ls --identity carol w
works "Nacre writes out what age made" "$NACRE" key escrow --slot 2 -o two.age w
holds "and age opens it again" sh -c "age -d -i bob two.age | '$NACRE' key test --slot-key - w"
# What isn't an age file, or not one around a slot's key, is kept from the slot.
run by_age "-a -r $alice" w
[ "$got" -eq 1 ] && grep -q "no age file" "$err"
judge "one in ASCII armour makes no slot: 1" $?
bad_age() {
  printf '#!/bin/sh\n%s\n' "$1" >stand-in/age
  run env PATH="$TEST_TMP/stand-in:$PATH" "$NACRE" key add --passfile pass --escrow age1any1thing w
  [ "$got" -eq 1 ] && grep -q "no age file" "$err"
  judge "$2: 1" $?
}
bad_age 'cat >/dev/null; echo nonsense' "something else than an age file"
bad_age 'cat >/dev/null' "nothing at all"
bad_age "cat >/dev/null; head -c 200 '$TEST_TMP/two.age'" "a truncated age file"
bad_age "cat >/dev/null; cat '$TEST_TMP/two.age'; echo" "one with a byte too many"
bad_age "head -c 31 | $(command -v age) -e -r $alice" "one of another key's length"
# shellcheck disable=SC2086
"$NACRE" key list $pass --json w >"$out"
holds "none of these added a slot" json_is "$out" 'len(r["slots"])' 3

# A rotation knows the slot's public key alone, and keeps what it holds.
cp one.age before.age
# shellcheck disable=SC2086
"$NACRE" rekey --slots-only $pass v >/dev/null 2>&1
works "after a rotation the identity opens" "$NACRE" ls --identity alice --slot 1 v
"$NACRE" key escrow --slot 1 -o after.age v
holds "and the age file is the same" cmp before.age after.age

# A header of its own.
# shellcheck disable=SC2086
"$NACRE" create $pass $cheap --header head d 2>/dev/null
# shellcheck disable=SC2086
works "key add --escrow with a detached header" "$NACRE" key add $pass --header head --escrow "$alice" d
works "key escrow --header" "$NACRE" key escrow --header head -o head.age d
works "ls --header --identity" "$NACRE" ls --header head --identity alice d

# Files that are no identities.
echo 'nothing of the kind' >nothing
fails "a file without identities: 3" 3 "no file of age identities" "$NACRE" ls --identity nothing v
printf '# only a comment\n\n' >comment
fails "only comments: 3" 3 "no age identity" "$NACRE" ls --identity comment v
sed 's/^AGE-SECRET-KEY-1X/AGE-SECRET-KEY-1Q/; t; s/^AGE-SECRET-KEY-1./AGE-SECRET-KEY-1X/' alice >slip
fails "a mistyped identity: 3" 3 "checksum" "$NACRE" ls --identity slip v
echo AGE-PLUGIN-YUBIKEY-1QQQQQQ >token
fails "a plugin's identity: 3, and how it is done" 3 "nacre key escrow v | age -d -i token" "$NACRE" ls --identity token v
age -e -r "$alice" -o alice.age alice
fails "an identity file that is encrypted: 3" 3 "encrypted itself" "$NACRE" ls --identity alice.age v
fails "no file: 3" 3 "cannot open" "$NACRE" ls --identity no-such-file v
fails "an identity and a passphrase: 2" 2 "one source" "$NACRE" ls --identity alice --passfile pass v
# shellcheck disable=SC2086
fails "a recipient that is none: 2" 2 "not an age recipient" "$NACRE" key add $pass --escrow age1nothing v
# shellcheck disable=SC2086
fails "an identity in the place of a recipient: 2" 2 "not an age recipient" "$NACRE" key add $pass \
  --escrow "$(tail -n 1 alice)" v

# While the volume is mounted.
if can_mount; then
  mkdir at
  # shellcheck disable=SC2086
  "$NACRE" mount $pass v at 2>/dev/null
  works "mounted: key escrow" "$NACRE" key escrow --slot 1 -o mounted.age v
  holds "as before" cmp mounted.age one.age
  works "mounted: key test" "$NACRE" key test --identity alice v
  # shellcheck disable=SC2086
  works "mounted: key add" "$NACRE" key add $pass --escrow "$bob" --json v
  slot=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["slot"])' "$out")
  works "what was added opens it" "$NACRE" key test --identity bob at
  fails "mounted: another identity: 3" 3 "age identity" "$NACRE" key test --identity alice --slot "$slot" at
  works "mounted: key change by the identity" "$NACRE" key change --identity bob --slot "$slot" --escrow "$bob" --name bob at
  works "mounted: key list" "$NACRE" key list --identity bob --json at
  holds "has it" json_is "$out" '[(s["kind"], s["name"]) for s in r["slots"]][-1]' "('escrow', 'bob')"
  # shellcheck disable=SC2086
  works "mounted: key remove" "$NACRE" key remove $pass --slot "$slot" v
  "$NACRE" umount at 2>/dev/null
else
  echo "skip - slots of a mounted volume: no FUSE here"
fi

# The body changed behind its wrap: the length of a truncated age file, in one copy of the header, then in both.
truncate_slot() {
  /usr/bin/python3 -c '
import sys
with open(sys.argv[1], "r+b") as f:
    for copy in sys.argv[2:]:
        f.seek(int(copy) + 4096 + 7168 + 216)
        f.write((100).to_bytes(4, "little"))' "$@"
}
cp v spoilt
truncate_slot spoilt 0
works "a truncated age file in one copy of the header: the other one opens" "$NACRE" ls --identity alice --slot 1 spoilt
truncate_slot spoilt 0 16777216
fails "in both: 4" 4 "damaged" "$NACRE" ls --identity alice --slot 1 spoilt
fails "so is all the header then: 4" 4 "damaged" "$NACRE" ls --identity bob --slot 2 spoilt

# shellcheck disable=SC2086
works "key change to another recipient" "$NACRE" key change $pass --slot 2 --escrow "$alice" v
fails "the former one opens nothing: 3" 3 "wrong age identity" "$NACRE" ls --identity bob v
works "opening one slot and removing another" "$NACRE" key remove --identity alice --open-slot 1 --slot 2 v
fails "which then is empty: 3" 3 "" "$NACRE" ls --identity alice --slot 2 v
works "an identity removes its own slot" "$NACRE" key remove --identity alice v
fails "and opens nothing more: 3" 3 "no slot for the age identity" "$NACRE" ls --identity alice v
fails "nor does what age once gave: 3" 3 "no such slot" "$NACRE" ls --slot-key one.key v

# A recipient of a plugin: age runs it, and so it does for the identity.
cat >age-plugin-nacretest <<'PLUGIN'
#!/usr/bin/python3
# A plugin that wraps the file key by XOR with a constant: the least that speaks age's protocol.
import base64, sys
def read():
    lines = [sys.stdin.buffer.readline().decode().rstrip("\n")]
    while len(lines) == 1 or len(lines[-1]) == 64:
        lines.append(sys.stdin.buffer.readline().decode().rstrip("\n"))
    body = "".join(lines[1:])
    return lines[0].split()[1:], base64.b64decode(body + "=" * (-len(body) % 4))
def write(words, body=b""):
    print("-> " + words + "\n" + base64.b64encode(body).decode().rstrip("="), flush=True)
twist = lambda key: bytes(b ^ 0x5a for b in key)
keys, stanzas = [], []
while True:
    words, body = read()
    if words[0] == "wrap-file-key":
        keys.append(body)
    if words[0] == "recipient-stanza":
        stanzas.append((words, body))
    if words[0] == "done":
        break
if sys.argv[1] == "--age-plugin=recipient-v1":
    for key in keys:
        write("recipient-stanza 0 nacretest x", twist(key))
        read()
else:
    for words, body in stanzas:
        if words[2] == "nacretest":
            write("file-key 0", twist(body))
            read()
            break

write("done")
PLUGIN
chmod +x age-plugin-nacretest
plugin_keys() {
  /usr/bin/python3 -c '
import sys
digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
def text(hrp, data):
    check = 1
    for value in [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp] + data + [0] * 6:
        top = check >> 25
        check = (check & 0x1ffffff) << 5 ^ value
        for i, g in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            check ^= g if top >> i & 1 else 0
    check ^= 1
    return hrp + "1" + "".join(digits[d] for d in data + [check >> 5 * (5 - i) & 31 for i in range(6)])
print(text("age1nacretest", [0] * 8), text("age-plugin-nacretest-", [0] * 8).upper())'
}
plugin=$(plugin_keys)
echo "${plugin#* }" >token
PATH="$TEST_TMP:$PATH"
export PATH
# shellcheck disable=SC2086
works "a plugin's recipient: age makes the slot's file" "$NACRE" key add $pass --escrow "${plugin% *}" v
run sh -c "'$NACRE' key escrow v | age -d -i token | '$NACRE' key test --slot-key - v"
judge "and opens it" $got
holds "as an escrow slot" grep -q '(escrow)$' "$out"
finish
