#!/bin/sh
# Credentials: where they come from, and the slots that they open.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --slot-name first
works "--passfile" "$NACRE" ls --passfile pass v
printf 'correct horse battery staple\r\nmore\n' >crlf
works "the first line, CRLF or not" "$NACRE" ls --passfile crlf v
printf 'correct horse battery staple' >bare
works "without a line's end" "$NACRE" ls --passfile bare v
got=0
"$NACRE" ls --passfile - v <pass >"$out" 2>"$err" || got=$?
judge "--passfile - is stdin" $got
got=0
"$NACRE" ls --passphrase-fd 7 v 7<pass >"$out" 2>"$err" || got=$?
judge "--passphrase-fd" $got
works "--extpass" "$NACRE" ls --extpass "cat '$TEST_TMP/pass'" v
fails "--extpass that fails: 3" 3 "exit code 9" "$NACRE" ls --extpass 'exit 9' v
fails "a wrong passphrase: 3" 3 "wrong passphrase" "$NACRE" ls --passfile wrong v
fails "a passfile that is not there: 3" 3 "cannot open" "$NACRE" ls --passfile no-such-file v
fails "no credential and no terminal: 3" 3 "no terminal" "$NACRE" ls v
head -c 100 /dev/urandom >key
fails "a key file where there is no slot for one: 3" 3 "" "$NACRE" ls --key-file key v
run env -i PASSPHRASE=x "$NACRE" ls v
[ "$got" -eq 3 ]
judge "the environment is not read" $?

# shellcheck disable=SC2086
works "key add: a key file" "$NACRE" key add $pass --new-key-file key $cheap --name 'the key' v
works "it opens" "$NACRE" ls --key-file key v
# shellcheck disable=SC2086
works "key add: a passphrase" "$NACRE" key add --key-file key --new-passfile pass2 $cheap v
works "it opens, too" "$NACRE" ls --passfile pass2 v
# shellcheck disable=SC2086
works "key add: a recovery key" "$NACRE" key add $pass --new-recovery-key --name paper v
cp "$out" recovery
works "and that" "$NACRE" ls --passfile recovery v
sed 's/^\(.\)\(.\)/\2\1/; t; s/^./0/' recovery >slip
if cmp -s slip recovery; then sed 's/^./Z/' recovery >slip; fi
fails "a slip in it is noticed and placed" 3 "group 1" "$NACRE" ls --recovery-key --passfile slip v
# shellcheck disable=SC2086
fails "a weak new passphrase: 3" 3 "too weak" sh -c "echo abc123 | $NACRE key add $pass --new-passfile - v"

# shellcheck disable=SC2086
works "key list --json" "$NACRE" key list $pass --json v
holds "kinds and names" json_is "$out" '[(s["index"], s["kind"], s["name"]) for s in r["slots"]]' \
  "[(0, 'passphrase', 'first'), (1, 'key-file', 'the key'), (2, 'passphrase', None), (3, 'recovery-key', 'paper')]"
holds "dates" json_is "$out" 'all(1600000000 < s["created_s"] < 10000000000 for s in r["slots"])' True
holds "what the volume key has sealed" json_is "$out" \
  '20 < r["sealed_blocks"] < 10000 and r["sealed_bytes"] > 4040 * r["sealed_blocks"]' True
# shellcheck disable=SC2086
works "key list" "$NACRE" key list $pass v
holds "a line each" test "$(wc -l <"$out")" -eq 4
works "key test says which" "$NACRE" key test --key-file key --json v
holds "the key file's" json_is "$out" '(r["slot"], r["kind"])' "(1, 'key-file')"
works "key test as text" "$NACRE" key test --passfile pass2 v
holds "the second passphrase's" grep -q '^slot 2 (passphrase)$' "$out"
fails "key test with a wrong one: 3" 3 "wrong passphrase" "$NACRE" key test --passfile wrong v

# shellcheck disable=SC2086
works "key change: the slot of the credential that is given" "$NACRE" key change --passfile pass2 --new-passfile wrong $cheap v
works "the new one opens" "$NACRE" key test --passfile wrong --json v
holds "the same slot" json_is "$out" 'r["slot"]' 2
fails "the old one no more: 3" 3 "wrong passphrase" "$NACRE" key test --passfile pass2 v
# shellcheck disable=SC2086
works "key change --slot" "$NACRE" key change $pass --slot 2 --new-passfile pass2 $cheap v
fails "so that the other is gone" 3 "wrong passphrase" "$NACRE" ls --passfile wrong v

# shellcheck disable=SC2086
works "key remove --slot" "$NACRE" key remove $pass --slot 1 v
run "$NACRE" ls --key-file key v
[ "$got" -eq 3 ]
judge "the key file opens no more" $?
# shellcheck disable=SC2086
run "$NACRE" key remove $pass --slot 1 v
[ "$got" -eq 1 ]
judge "a slot that is empty: 1" $?
works "key remove: one's own" "$NACRE" key remove --passfile pass2 v
works "and the recovery key" "$NACRE" key remove --passfile recovery v
# shellcheck disable=SC2086
fails "the last one stays: 1" 1 "--force" "$NACRE" key remove $pass v
works "and opens" "$NACRE" ls --passfile pass v
# shellcheck disable=SC2086
works "--force removes even that" "$NACRE" key remove $pass --force v
run "$NACRE" ls --passfile pass v
[ "$got" -eq 3 ]
judge "then nothing opens: 3" $?

# A slot that is named is the one that is tried, and no other.
make_volume named
make_volume two
works "a second slot" "$NACRE" key add --passfile pass --new-key-file key $cheap named
works "key test --slot" "$NACRE" key test --passfile pass --slot 0 named
fails "key test of another slot: 3" 3 "slot 1" "$NACRE" key test --passfile pass --slot 1 named
fails "of one that is empty: 3" 3 "slot 9" "$NACRE" key test --passfile pass --slot 9 named
fails "of one that there is not: 2" 2 "0 to 31" "$NACRE" key test --passfile pass --slot 32 named
fails "key list of another slot: 3" 3 "slot 1" "$NACRE" key list --passfile pass --slot 1 named
fails "key remove with --open-slot another: 3" 3 "slot 1" "$NACRE" key remove --passfile pass --open-slot 1 --slot 1 named
fails "header backup of another slot: 3" 3 "slot 1" "$NACRE" header backup --passfile pass --slot 1 named backup
holds "makes no backup" test ! -e backup
fails "header backup --slot without a credential is no unchecked one: 2" 2 "go with a credential" \
  "$NACRE" header backup --slot 0 named backup
works "header backup --slot" "$NACRE" header backup --key-file key --slot 1 named backup
fails "header restore with another slot: 3" 3 "slot 0" "$NACRE" header restore --key-file key --slot 0 --dry-run named backup
works "header restore --slot" "$NACRE" header restore --key-file key --slot 1 --dry-run named backup
fails "key change of a slot that there is not: 2" 2 "0 to 31" "$NACRE" key change --key-file key --slot 32 --new-recovery-key named
fails "key change to a recovery key of an empty one: 1" 1 "slot 9 is empty" "$NACRE" key change --key-file key --slot 9 --new-recovery-key named
id=$("$NACRE" key id --passfile pass named)
works "key test --expect-id" "$NACRE" key test --passfile pass --expect-id "$id" named
fails "key test of another volume: 12" 12 "another volume" "$NACRE" key test --passfile pass --expect-id "$id" two
fails "header backup of another volume: 12" 12 "another volume" "$NACRE" header backup --passfile pass --expect-id "$id" two b2

# The second line of a descriptor is the new credential.
got=0
# shellcheck disable=SC2086
cat pass pass2 | "$NACRE" key change --passphrase-fd 0 --new-passphrase-fd 0 $cheap two >"$out" 2>"$err" || got=$?
judge "old and new from one descriptor" $got
works "the new one opens" "$NACRE" ls --passfile pass2 two

# Names: changed with the credential, or alone.
names() { "$NACRE" key list --passfile "$1" --json two | python3 -c 'import json, sys; print([(s["index"], s["kind"], s["name"], s["created_s"]) for s in json.load(sys.stdin)["slots"]])'; }
works "key add --name" "$NACRE" key add --passfile pass2 --new-key-file key $cheap --name phone two
before=$(names pass2)
works "key change --name: renames another's slot" "$NACRE" key change --passfile pass2 --slot 1 --name 'old phone' two
holds "and says that no more was done" grep -q 'what opens it stays' "$err"
holds "kind and date stay" test "$(names pass2)" = "$(echo "$before" | sed "s/'phone'/'old phone'/")"
works "the key file still opens" "$NACRE" key test --key-file key --slot 1 two
works "without --slot one's own" "$NACRE" key change --passfile pass2 --name mine --json two
holds "which --json tells" json_is "$out" 'r' "{'slot': 0, 'recovery_key': None}"
works "with a new credential: both" "$NACRE" key change --key-file key --new-passfile pass $cheap --name desk two
works "with --same: both" "$NACRE" key change --passfile pass2 --same $cheap --name 'still mine' two
works "without it the name stays" "$NACRE" key change --passfile pass --new-passfile wrong $cheap two
holds "all of that" sh -c "echo '$(names wrong | tr -d "'")' | grep -q '(0, passphrase, still mine, .*(1, passphrase, desk,'"
works "an empty name is none" "$NACRE" key change --passfile wrong --name '' two
holds "then" sh -c "echo '$(names wrong | tr -d "'")' | grep -q '(1, passphrase, None,'"
fails "one that is too long: 1" 1 "63 bytes" "$NACRE" key change --passfile wrong --name "$(printf '%064d' 0)" two
run "$NACRE" key change --passfile wrong --slot 7 --name x two
[ "$got" -eq 1 ]
judge "a slot that is empty can't be renamed: 1" $?

# Costs: profiles, what is low, and raising it.
# has EXPRESSION: of the costs of slot 0 in `info`: m MiB, p passes, l lanes.
has() { json_is info "(lambda m, p, l, low: $1)(*[(s['kdf']['memory_bytes'] >> 20, s['kdf']['passes'], s['kdf']['lanes'], s['kdf']['low']) for s in r['slots']][0])" True; }
ram_mib=$(($(getconf _PHYS_PAGES) / 1024 * $(getconf PAGE_SIZE) / 1024))
for profile in phone:64:3 laptop:256:1 server:1024:1; do
  most=${profile#*:} least=${profile##*:} profile=${profile%%:*}
  most=${most%:*}
  works "create --kdf-profile $profile" "$NACRE" create --passfile pass --kdf-profile $profile --force p
  cp "$err" said
  "$NACRE" info --json p >info
  holds "at most its memory, and a quarter of what there is" has "32 <= m <= min($most, max(32, $ram_mib // 4)) and $least <= p <= 20 and l == 4"
  holds "a line says what, and why" test "$(grep -c "^nacre: --kdf-profile $profile: .* MiB (.*), .* pass.* (.*), 4 lanes\|^nacre: --kdf-profile $profile: 1 GiB (" said)" -eq 1
done
works "what is given goes before it" "$NACRE" create --passfile pass --kdf-profile server --kdf-memory 40M --kdf-passes 2 --kdf-lanes 1 --force p
holds "as given" grep -q 'server: 40 MiB (as given), 2 passes (as given), 1 lanes' "$err"
"$NACRE" info --json p >info
holds "and is what is made" has "(m, p, l) == (40, 2, 1)"
works "only its passes" "$NACRE" create --passfile pass --kdf-profile phone --kdf-passes 4 --force p
"$NACRE" info --json p >info
holds "with the profile's memory" has "(m, p) == (min(64, max(32, $ram_mib // 4)), 4)"
# within MIB COMMAND...: with so much address space.
within() {
  # shellcheck disable=SC3045
  (ulimit -v $(($1 * 1024)) && shift && exec "$@")
}
if ! ldd "$NACRE" 2>/dev/null | grep -q 'lib[at]san' && within 200 "$NACRE" --version >/dev/null 2>&1 && [ "$ram_mib" -ge 1024 ]; then
  works "server in 1 GiB of address space" within 1024 "$NACRE" create --passfile pass --kdf-profile server --force p
  holds "says that it is less than the profile's" grep -q 'server: 256 MiB (a quarter .* 1 GiB that can be had here; the profile has 1 GiB)' "$err"
  "$NACRE" info --json p >info
  holds "a quarter of it" has "m == 256"
  works "opens within the same" within 1024 "$NACRE" ls --passfile pass p
  works "laptop in 200 MiB" within 200 "$NACRE" create --passfile pass --kdf-profile laptop --force p
  "$NACRE" info --json p >info
  holds "50 MiB, and more passes for it" has "m == 50 and p >= 1 and low"
  works "opens within 200 MiB" within 200 "$NACRE" ls --passfile pass p
  works "no profile in 200 MiB" within 200 "$NACRE" create --passfile pass --force p
  "$NACRE" info --json p >info
  holds "takes no more" has "m == 50"
  works "phone in 100 MiB" within 100 "$NACRE" create --passfile pass --kdf-profile phone --force p
  holds "says that it is the floor" grep -q 'phone: 32 MiB (the floor' "$err"
  "$NACRE" info --json p >info
  holds "32 MiB, not less" has "m == 32 and p >= 3"
  # From where the program starts at all, there is less than the floor left.
  room=10
  until within $room "$NACRE" --version >/dev/null 2>&1; do room=$((room + 2)); done
  fails "no room for the floor: 1" 1 "32 MiB of memory, is not to be had" within $((room + 8)) "$NACRE" create --passfile pass --kdf-profile phone q
  holds "makes nothing" test ! -e q
else
  skip "profiles with little memory" "the address space can't be limited here"
fi
works "create --kdf-profile phone" "$NACRE" create --passfile pass --kdf-profile phone --kdf-passes 3 --force p
works "key add --kdf-profile server, with fewer passes" "$NACRE" key add --passfile pass --new-passfile pass2 \
  --kdf-profile server --kdf-passes 1 p
"$NACRE" info --json p >info
holds "each with its own" json_is info '[s["kdf"]["passes"] for s in r["slots"]]' "[3, 1]"
fails "a profile that is none: 2" 2 "phone, laptop and server" "$NACRE" key add --passfile pass --kdf-profile desk p
make_volume c
works "a cheap slot is listed" "$NACRE" key list --passfile pass c
holds "as low" grep -q '(low)' "$out"
holds "with what to do" grep -q 'nacre key change --same' "$err"
works "key change --same" "$NACRE" key change --passfile pass --same --kdf-profile phone c
"$NACRE" info --json c >info
holds "raises it" has "m == 64 and p >= 3 and not low"
works "and the passphrase is the same" "$NACRE" ls --passfile pass c
fails "--same of another's slot: 3" 3 "opens slot 0, not slot 1" "$NACRE" key change --passfile pass --same --slot 1 p
fails "--same and a new one: 2" 2 "leave out" "$NACRE" key change --passfile pass --same --new-passfile pass2 c
"$NACRE" key add --passfile pass --new-recovery-key c >typed 2>/dev/null
fails "--same of what has no cost: 2" 2 "no cost" "$NACRE" key change --passfile typed --same c
works "the recovery key still opens" "$NACRE" ls --passfile typed c

# As many as there are places for.
make_volume full
fill_slots() {
  number=1
  while [ $number -lt 32 ]; do
    head -c 64 /dev/urandom >"key$number" &&
      "$NACRE" key add --passfile pass --new-key-file "key$number" $cheap --name "device $number" full || return 1
    number=$((number + 1))
  done
}
works "31 more slots" fill_slots
works "key list --json of them all" "$NACRE" key list --passfile pass --json full
holds "32, each with its name" json_is "$out" \
  '[(s["index"], s["name"]) for s in r["slots"]] == [(0, None)] + [(i, "device %d" % i) for i in range(1, 32)]' True
fails "there is no 33rd: 1" 1 "slot" "$NACRE" key add --passfile pass --new-key-file key $cheap full
works "the last one opens" "$NACRE" ls --key-file key31 full
works "and the first" "$NACRE" ls --passfile pass full
works "one of them goes" "$NACRE" key remove --passfile pass --slot 17 full
fails "and opens nothing: 3" 3 "" "$NACRE" ls --key-file key17 full
works "its place is free" "$NACRE" key add --passfile pass --new-key-file key $cheap full
works "key test of the new one" "$NACRE" key test --key-file key --json full
holds "it has that place" json_is "$out" 'r["slot"]' 17
finish
