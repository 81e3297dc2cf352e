#!/bin/sh
# The golden volumes, by the independent reader: each cipher, each kind of credential. The program's part is tests/golden.
# timeout: 180
. "$(dirname "$0")/reader_lib.sh"
golden=$(cd "$here/../golden" && pwd)
cd "$TEST_TMP" || exit 1
printf 'the golden passphrase' >passphrase
$python -c 'import sys; sys.stdout.buffer.write(bytes(range(100)))' >key
echo 000G4-40R4F-0M30Y-E209X-185GE-R38EY-1W81B-24GK1 >recovery
echo AGE-SECRET-KEY-1LPR6TAYQTAU854W386Z87SKN24FQD8EVMZKTTNT37KSXYUTVE0WQYPRFW9 >identity
raw=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f

holds_manifest() {
  $python "$here/nacre-read.py" --at-rest --manifest "$@" >manifest && cmp manifest "$golden/manifest"
}

for cipher in aes-256-gcm xchacha20-poly1305 aegis-256; do
  $python "$golden/golden.py" expand "$golden/$cipher.golden" volume
  check "$cipher: a passphrase, and all is as the manifest says" holds_manifest volume --passfile passphrase
  # The reader's own AEGIS is slow, and slots know nothing of the volume's cipher.
  [ $cipher != aegis-256 ] || continue
  check "$cipher: a key file" holds_manifest volume --key-file key
  check "$cipher: a recovery key" holds_manifest volume --recovery-file recovery
  check "$cipher: a raw key" holds_manifest volume --raw-key $raw
  check "$cipher: a passphrase and a key file" holds_manifest volume --passfile passphrase --key-file key
  check "$cipher: an age identity" holds_manifest volume --identity identity
  for kind in unattended fido2; do
    check "$cipher: the key of an $kind slot" holds_manifest volume --$kind-key $raw
  done
  check "$cipher: another raw key is refused" ends 3 holds_manifest volume --raw-key "$(echo $raw | tr 1 2)"
done

# That they hold what they are meant to hold.
$python "$golden/golden.py" expand "$golden/aes-256-gcm.golden" volume
read_golden() { $python "$here/nacre-read.py" --at-rest --passfile passphrase --json volume >golden.json; }
check "everything as JSON" read_golden
check "the tree has levels, some thousand names, an orphan and two names of one hash" says golden.json \
  'r["newest"]["level"] >= 1, len(r["entries"]) > 2000, len(r["orphans"]), r["largest_bucket"]' '(True, True, 1, 2)'
check "each type is there" says golden.json 'sorted({e["type"] for e in r["entries"]})' \
  "['block', 'char', 'fifo', 'file', 'folder', 'link', 'socket']"
check "each kind of slot" says golden.json '[s["kind"] for s in r["slots"]]' \
  "['passphrase', 'key-file', 'recovery-key', 'raw-key', 'passphrase+key-file', 'escrow', 'unattended', 'fido2']"
check "tails, extents of several chunks, and cut ones" says golden.json \
  '[any(f(e) for e in r["entries"] if e["type"] == "file") for f in (lambda e: e["tail_bytes"], lambda e: any(x[1] > 1 for x in e["extents"]), lambda e: len(e["extents"]) > 1)]' \
  "[True, True, True]"
check "times before 1970" says golden.json 'any(e["atime"].startswith("-") for e in r["entries"])' True
check "links of 1 and of 4095 bytes, names of 255, attributes of 0 and of 65536" says golden.json \
  '[any(e["size"] == n for e in r["entries"] if e["type"] == "link") for n in (1, 4095)] + [any(len(e["path"].split("/")[-1]) == 255 for e in r["entries"])] + [any(len(v) == n for e in r["entries"] for v in e["attributes"].values()) for n in (0, 87384)]' \
  "[True, True, True, True, True]"
check "access control lists of both kinds" says golden.json \
  'sorted({n for e in r["entries"] for n in e["attributes"] if n.startswith("system")})' \
  "['system.posix_acl_access', 'system.posix_acl_default']"
finish
