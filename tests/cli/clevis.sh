#!/bin/sh
# Unattended slots: clevis with a real tang server on loopback, with a TPM 2.0 (swtpm), with both; and where the server is
# gone, silent or mad, the TPM in another state, another volume in the place of the one meant.
# timeout: 240
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
make_volume v --slot-name first
# shellcheck disable=SC2086
id=$("$NACRE" key id $pass v)

# Without the program, whatever is installed here.
mkdir empty
# shellcheck disable=SC2086
fails "no clevis: 8" 8 "no clevis program" env PATH="$TEST_TMP/empty" "$NACRE" key add $pass --clevis 'tpm2 {}' v
# shellcheck disable=SC2086
fails "--clevis that is no pin and configuration: 2" 2 "takes a pin" "$NACRE" key add $pass --clevis tang v
# shellcheck disable=SC2086
fails "nor JSON: 2" 2 "takes a pin" "$NACRE" key add $pass --clevis 'tang {' v
# shellcheck disable=SC2086
fails "nor a pin's name: 2" 2 "takes a pin" "$NACRE" key add $pass --clevis '../tang {}' v
# shellcheck disable=SC2086
fails "--trust alone: 2" 2 "goes with --clevis" "$NACRE" key add $pass --trust v
fails "no unattended slot: 3" 3 "no unattended slot" "$NACRE" ls --unattended v

# A clevis that does what it is told: encrypts to a JWE of no meaning, decrypts as the file `answer` says.
mkdir fake
cat >fake/clevis <<'FAKE'
#!/bin/sh
case $1 in
encrypt) cat >"$FAKE_DIR/key"; echo 'aaaa..bbbb.cccc.dddd' ;;
decrypt) cat >/dev/null; . "$FAKE_DIR/answer" ;;
esac
FAKE
chmod +x fake/clevis
faked() { FAKE_DIR="$TEST_TMP/fake" PATH="$TEST_TMP/fake:$PATH" "$@"; }
make_volume f --slot-name first
# shellcheck disable=SC2086
works "key add --clevis" faked "$NACRE" key add $pass --clevis 'tpm2 {}' --name rack f
holds "clevis was given 43 characters" test "$(wc -c <fake/key)" -eq 43
echo "cat '$TEST_TMP/fake/key'" >fake/answer
works "--unattended opens" faked "$NACRE" ls --unattended f
works "with --slot" faked "$NACRE" ls --unattended --slot 1 f
fails "another --slot: 3" 3 "no such unattended slot" faked "$NACRE" ls --unattended --slot 0 f
cp fake/key fake/first
make_volume two
# shellcheck disable=SC2086
works "a slot" faked "$NACRE" key add $pass --clevis 'tpm2 {}' two
# shellcheck disable=SC2086
works "and another" faked "$NACRE" key add $pass --clevis 'tpm2 {}' two
cat >fake/answer <<'ANSWER'
[ -e "$FAKE_DIR/asked" ] || { touch "$FAKE_DIR/asked"; echo "no such server" >&2; exit 1; }
printf '%043d' 0
ANSWER
for command in 'key test' 'key list' 'header backup'; do
  rm -f fake/asked
  backup=
  [ "$command" = 'header backup' ] && backup=two.backup
  # shellcheck disable=SC2086
  fails "the first fails, the second gives a wrong key: $command: 3" 3 "" faked "$NACRE" $command --unattended two $backup
done
cp fake/first fake/key
echo "cat '$TEST_TMP/fake/key'" >fake/answer
if can_mount; then
  mkdir on
  works "mount --unattended with that clevis" faked "$NACRE" mount --unattended f on
  works "by the mounted folder, too" faked "$NACRE" key list --unattended on
  # shellcheck disable=SC2086
  works "mounted: key add --clevis" faked "$NACRE" key add --unattended --clevis 'tpm2 {}' --name second on
  works "mounted: it opens" faked "$NACRE" key test --unattended --slot 2 on
  fails "mounted: the first one's key is another: 3" 3 "wrong key" faked "$NACRE" key test --unattended --slot 1 on
  works "mounted: key change --clevis" faked "$NACRE" key change --unattended --open-slot 2 --slot 1 --clevis 'tpm2 {}' on
  works "mounted: that opens" faked "$NACRE" key test --unattended --slot 1 on
  fails "mounted: the second no more: 3" 3 "wrong key" faked "$NACRE" key test --unattended --slot 2 on
  works "mounted: key remove" faked "$NACRE" key remove --unattended --open-slot 1 --slot 2 on
  fails "mounted: it is gone: 3" 3 "no such unattended slot" faked "$NACRE" key test --unattended --slot 2 on
  "$NACRE" umount on 2>/dev/null
fi
works "the JWE is written out" "$NACRE" key escrow --slot 1 f
holds "as clevis made it" sh -c "printf 'aaaa..bbbb.cccc.dddd' | cmp - '$out'"
got=0
"$NACRE" ls --slot-key - f <fake/key >"$out" 2>"$err" || got=$?
judge "and what clevis gives opens" $got
works "a header's backup" faked "$NACRE" header backup --unattended f backup
works "put back unattended" faked "$NACRE" header restore --unattended f backup
says() {
  echo "$2" >fake/answer
  fails "$1" 3 "$3" faked "$NACRE" ls --unattended --unattended-timeout 2 f
}
says "clevis fails: 3, with its reason" 'echo "some reason" >&2; exit 1' "some reason"
says "clevis gives nothing: 3" 'exit 0' "no slot's key"
says "another key: 3" "sed 's/^A/B/; t; s/^./A/' '$TEST_TMP/fake/key'" "wrong key for unattended opening"
says "far more than a key: 3" 'yes' "within 2 s"
says "a long answer: 3" 'head -c 100000 /dev/zero' "no slot's key"
says "no answer: 3, in bounded time" 'sleep 1000 & echo $! >"$FAKE_DIR/pid"; wait' "within 2 s"
holds "and nothing of it is left" gone "$(cat fake/pid)"
says "whoever holds its output open is waited for no longer: 3" 'sleep 1001 & echo $! >"$FAKE_DIR/pid"; exit 1' "within 2 s"
holds "nor left" gone "$(cat fake/pid)"
cat >fake/clevis <<'FAKE'
#!/bin/sh
cat >/dev/null
echo 'no JWE'
FAKE
# shellcheck disable=SC2086
fails "a clevis that makes no JWE adds no slot: 1" 1 "no JWE" faked "$NACRE" key add $pass --clevis 'tpm2 {}' f
cat >fake/clevis <<'FAKE'
#!/bin/sh
cat >/dev/null
printf a; head -c 6950 /dev/zero | tr '\0' a; echo '.b.c.d.e'
FAKE
# shellcheck disable=SC2086
fails "nor one that is too long: 1" 1 "no room" faked "$NACRE" key add $pass --clevis 'tpm2 {}' f
# shellcheck disable=SC2086
works "key list" "$NACRE" key list $pass --json f
holds "has the one" json_is "$out" '[(s["kind"], s["name"]) for s in r["slots"]]' \
  "[('passphrase', 'first'), ('unattended', 'rack')]"
# Somebody wrote into the slot: nobody is asked to decrypt that.
/usr/bin/python3 -c '
with open("f", "r+b") as f:
    for copy in (0, 16 << 20):
        f.seek(copy + 4096 + 7168 + 220)
        f.write(b"what is this, then?!")'
fails "a slot that holds no JWE: 4" 4 "no JWE" "$NACRE" ls --unattended f

if ! command -v clevis >/dev/null; then
  echo "skip - cli/clevis with tang and a TPM: no clevis here"
  finish
fi

# ---- tang ----
TANGD=$(ls /usr/libexec/tangd /usr/lib/*/tangd /usr/libexec/*/tangd 2>/dev/null | head -n 1)
export TANGD
if [ -n "$TANGD" ]; then
  mkdir keys
  "$(dirname "$TANGD")/tangd-keygen" keys >/dev/null 2>&1
  /usr/bin/python3 "$here/tang_server.py" keys mood >port 2>/dev/null &
  tang=$!
  tries=0
  until [ -s port ] || [ $tries -gt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  url="http://127.0.0.1:$(cat port)"
  # shellcheck disable=SC2086
  fails "a tang server whose keys nobody vouches for: 2" 2 "--trust" "$NACRE" key add $pass --clevis "tang {\"url\": \"$url\"}" v
  # shellcheck disable=SC2086
  works "with --trust" "$NACRE" key add $pass --clevis "tang {\"url\": \"$url\"}" --trust v
  works "tang: --unattended opens" "$NACRE" ls --unattended v
  works "that slot" "$NACRE" key test --unattended v
  holds "and no other" grep -q '^slot 1 (unattended)$' "$out"
  thp=$(for key in keys/*.jwk; do jose jwk use -i "$key" -r -u verify -o /dev/null 2>/dev/null && jose jwk thp -i "$key"; done | head -n 1)
  # shellcheck disable=SC2086
  works "with the thumbprint" "$NACRE" key add $pass --clevis "tang {\"url\": \"$url\", \"thp\": \"$thp\"}" v
  # shellcheck disable=SC2086
  fails "with another's: 1" 1 "" "$NACRE" key add $pass --clevis "tang {\"url\": \"$url\", \"thp\": \"${thp%??}AA\"}" v
  works "--unattended --expect-id" "$NACRE" ls --unattended --expect-id "$id" v
  if can_mount; then
    mkdir at
    works "mount --unattended" "$NACRE" mount --unattended --expect-id "$id" v at
    holds "is mounted" mounted "$TEST_TMP/at"
    "$NACRE" umount at 2>/dev/null
    works "mount -o unattended,expect-id=" "$NACRE" mount -o "unattended,unattended-timeout=20,expect-id=$id" v at
    holds "is mounted as well" mounted "$TEST_TMP/at"
    "$NACRE" umount at 2>/dev/null
  else
    echo "skip - mount --unattended: no FUSE here"
  fi
  # The thief's own volume, with a slot for the same server, and the public id of the one that it stands for.
  make_volume thief
  # shellcheck disable=SC2086
  "$NACRE" key add $pass --clevis "tang {\"url\": \"$url\"}" --trust thief 2>/dev/null
  if can_pretend; then
    pretend thief v || not_ok "the header can't be forged"
    "$NACRE" info --json v >one
    "$NACRE" info --json thief >two
    holds "a thief's volume with the public id of the one that is meant" json_is one 'r["volume_id"]' "$(json two 'r["volume_id"]')"
  else
    skip "a copied public id" "no python3-nacl, python3-argon2 or python3-cryptography"
  fi
  works "in its place opens as well" "$NACRE" ls --unattended --no-anchor thief
  fails "but not with --expect-id: 12" 12 "another volume" "$NACRE" ls --unattended --no-anchor --expect-id "$id" thief
  if can_mount; then
    fails "nor is it mounted: 12" 12 "another volume" "$NACRE" mount --unattended --no-anchor --expect-id "$id" thief at
    holds "nothing is there" sh -c '! grep -qF " $1 fuse.nacre " /proc/self/mounts' - "$TEST_TMP/at"
  fi
  echo nonsense >mood
  fails "the server talks nonsense: 3" 3 "clevis gets no key" "$NACRE" ls --unattended v
  echo silent >mood
  fails "it accepts and says nothing: 3, in bounded time" 3 "within 2 s" "$NACRE" ls --unattended --unattended-timeout 2 v
  rm mood
  mkdir away
  mv keys/*.jwk away/
  "$(dirname "$TANGD")/tangd-keygen" keys >/dev/null 2>&1
  fails "its keys were exchanged: 3" 3 "clevis gets no key" "$NACRE" ls --unattended v
  rm keys/*.jwk
  mv away/*.jwk keys/
  works "with its own again" "$NACRE" ls --unattended v
  kill $tang
  wait $tang 2>/dev/null
  fails "off the network: 3" 3 "clevis gets no key" "$NACRE" ls --unattended v
  # shellcheck disable=SC2086
  works "the passphrase still opens" "$NACRE" ls $pass v
  # shellcheck disable=SC2086
  works "key remove" "$NACRE" key remove $pass --slot 2 v
  # shellcheck disable=SC2086
  works "key change of the other" "$NACRE" key change $pass --slot 1 --new-passfile pass2 $cheap v
  fails "no unattended slot is left: 3" 3 "no unattended slot" "$NACRE" ls --unattended v
else
  echo "skip - a tang server: no tangd here"
fi

# ---- TPM 2.0 ----
if ! command -v swtpm >/dev/null || ! command -v tpm2_pcrextend >/dev/null || ! command -v clevis-encrypt-tpm2 >/dev/null; then
  echo "skip - a TPM: no swtpm, tpm2-tools or clevis-tpm2 here"
  finish
fi
ports=$(/usr/bin/python3 -c '
import socket
while True:
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        try:
            b.bind(("127.0.0.1", a.getsockname()[1] + 1))
        except (OSError, OverflowError):
            continue
        print(a.getsockname()[1])
        break')
tpm_start() {
  swtpm socket --tpm2 --tpmstate "dir=$TEST_TMP/tpm" --server "type=tcp,port=$ports" \
    --ctrl "type=tcp,port=$((ports + 1))" --flags not-need-init,startup-clear --daemon --pid "file=$TEST_TMP/tpm.pid" \
    >/dev/null 2>&1
}
tpm_stop() {
  tpm_pid=$(cat tpm.pid)
  kill "$tpm_pid" 2>/dev/null
  tries=0
  until gone "$tpm_pid" || [ $tries -gt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
}
mkdir tpm
tpm_start
export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$ports"
tries=0
until tpm2_pcrread sha256:0 >/dev/null 2>&1 || [ $tries -gt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
make_volume t
sealed='tpm2 {"pcr_bank": "sha256", "pcr_ids": "16"}'
# shellcheck disable=SC2086
works "tpm2: key add, sealed to a register" "$NACRE" key add $pass --clevis "$sealed" t
works "--unattended opens" "$NACRE" ls --unattended t
works "again" "$NACRE" key test --unattended t
tpm2_pcrextend 16:sha256=0000000000000000000000000000000000000000000000000000000000000001 >/dev/null 2>&1
fails "the TPM's state changed: 3" 3 "clevis gets no key" "$NACRE" ls --unattended t
tpm2_pcrreset 16 >/dev/null 2>&1
works "and is as it was" "$NACRE" ls --unattended t
if [ -n "$TANGD" ]; then
  /usr/bin/python3 "$here/tang_server.py" keys mood >port2 2>/dev/null &
  tang=$!
  tries=0
  until [ -s port2 ] || [ $tries -gt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  url="http://127.0.0.1:$(cat port2)"
  both="sss {\"t\": 2, \"pins\": {\"tpm2\": [{\"pcr_bank\": \"sha256\", \"pcr_ids\": \"16\"}], \"tang\": [{\"url\": \"$url\"}]}}"
  make_volume s
  # shellcheck disable=SC2086
  fails "sss with an untrusted tang: 2" 2 "--trust" "$NACRE" key add $pass --clevis "$both" s
  # shellcheck disable=SC2086
  works "sss of TPM and tang, both needed" "$NACRE" key add $pass --clevis "$both" --trust s
  works "opens with both" "$NACRE" ls --unattended s
  tpm2_pcrextend 16:sha256=0000000000000000000000000000000000000000000000000000000000000001 >/dev/null 2>&1
  fails "not with tang alone: 3" 3 "clevis gets no key" "$NACRE" ls --unattended s
  tpm2_pcrreset 16 >/dev/null 2>&1
  kill $tang
  wait $tang 2>/dev/null
  fails "nor with the TPM alone: 3" 3 "clevis gets no key" "$NACRE" ls --unattended s
fi
tpm_stop
fails "no TPM at all: 3" 3 "clevis gets no key" "$NACRE" ls --unattended t
rm -rf tpm
mkdir tpm
tpm_start
fails "another TPM: 3" 3 "clevis gets no key" "$NACRE" ls --unattended t
tpm_stop
# shellcheck disable=SC2086
works "the passphrase still opens" "$NACRE" ls $pass t
finish
