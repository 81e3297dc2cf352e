#!/bin/sh
# Making volumes, and what is in the way.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
# shellcheck disable=SC2086
works "create makes a volume" "$NACRE" create $pass $cheap --label 'a label' v
holds "its file is the owner's alone" test "$(stat -c %a v)" = 600
works "info knows it without a credential" "$NACRE" info --json v
holds "info: fields" json_is "$out" 'r["label"], r["format_version"], r["in_use"], r["mounted_on"], r["header_copies_valid"], len(r["volume_id"]), r["slots"]' \
  "('a label', 0, False, None, 2, 32, [{'index': 0, 'kind': 'passphrase', 'kdf': {'memory_bytes': 33554432, 'passes': 1, 'lanes': 4, 'low': True}}])"
works "info as text" "$NACRE" info v
holds "info as text says the same" grep -q '^slot 0 .*passphrase, Argon2id 32 MiB' "$out"
# shellcheck disable=SC2086
works "the root folder is the creator's, 0700" "$NACRE" ls -ld $pass v /
holds "mode and owner" grep -q "^drwx------ .* $(id -un) " "$out"

sum=$(sha256sum v)
# shellcheck disable=SC2086
fails "a volume is not overwritten" 1 "it holds a Nacre volume; --force overwrites it" "$NACRE" create $pass $cheap v
echo hello >plain
# shellcheck disable=SC2086
fails "nor a file" 1 "is not empty; --force overwrites it" "$NACRE" create $pass $cheap plain
holds "both are untouched" test "$sum $(cat plain)" = "$(sha256sum v) hello"
# shellcheck disable=SC2086
works "--force overwrites" "$NACRE" create $pass $cheap --force plain
works "what it made is a volume" "$NACRE" info plain
: >empty
# shellcheck disable=SC2086
works "an empty file may be used" "$NACRE" create $pass $cheap empty
# shellcheck disable=SC2086
fails "a folder may not" 1 "neither a file nor a block device" "$NACRE" create $pass $cheap --force .
# shellcheck disable=SC2086
run "$NACRE" create $pass $cheap no/such/folder/v
[ "$got" -eq 6 ] || [ "$got" -eq 1 ]
judge "a folder that is not there" $?
if command -v mkfs.vfat >/dev/null; then
  truncate -s 4M fat
  mkfs.vfat -n STICK fat >/dev/null
  # shellcheck disable=SC2086
  fails "what is there is named" 1 "it holds vfat labelled 'STICK'" "$NACRE" create $pass $cheap fat
else
  skip "what is there is named" "no mkfs.vfat"
fi

for cipher in aes-256-gcm xchacha20-poly1305; do
  # shellcheck disable=SC2086
  works "create --cipher $cipher" "$NACRE" create $pass $cheap --cipher $cipher --chunk 64K --json "c-$cipher"
  holds "it has $cipher" json_is "$out" 'r["cipher"], r["recovery_key"], r["volume"]' "('$cipher', None, 'c-$cipher')"
done
# shellcheck disable=SC2086
run "$NACRE" create $pass $cheap --cipher aegis-256 c-aegis
if [ "$got" -eq 0 ]; then
  ok "aegis-256 is in this build"
else
  [ "$got" -eq 8 ] && [ ! -e c-aegis ]
  judge "a cipher that this build lacks: 8" $?
fi
# shellcheck disable=SC2086
works "--portable is xchacha20-poly1305" "$NACRE" create $pass $cheap --portable --json portable
holds "as it says" json_is "$out" 'r["cipher"]' xchacha20-poly1305

# shellcheck disable=SC2086
works "--recovery-key prints one" "$NACRE" create $pass $cheap --recovery-key r
holds "alone on a line" grep -Eq '^[0-9A-Z]{5}(-[0-9A-Z]{5}){7}$' "$out"
cp "$out" recovery
works "it opens the volume like a passphrase" "$NACRE" ls --passfile recovery r
tr 'A-Z-' 'a-z ' <recovery >recovery2
works "in lower case and with blanks, too" "$NACRE" ls --passfile recovery2 --recovery-key r

# Weak passphrases.
printf 'password1\n' >weak
# shellcheck disable=SC2086
fails "a weak passphrase is refused: 3" 3 "too weak" "$NACRE" create $cheap --passfile weak w
holds "with the reason" grep -q 'common words' "$err"
holds "and the cost of guessing it" grep -Eq 'guessing it takes .* with 1000 cores' "$err"
holds "never the passphrase" sh -c '! grep -q password1 "$1"' sh "$err"
holds "and nothing is made" test ! -e w
# shellcheck disable=SC2086
works "--weak-ok insists" "$NACRE" create $cheap --passfile weak --weak-ok w
printf '\n' >nothing
# shellcheck disable=SC2086
fails "an empty passphrase" 3 "is empty" "$NACRE" create $cheap --passfile nothing --weak-ok w2
fails "no terminal to ask at: 3" 3 "no terminal" "$NACRE" create w2

# What fails leaves nothing behind.
mkdir small
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=20M none small 2>/dev/null; then
  # shellcheck disable=SC2086
  works "a volume on a small filesystem" "$NACRE" create $pass $cheap small/v
  rm -f small/v
  dd if=/dev/zero of=small/fill bs=1M count=19 2>/dev/null || :
  # shellcheck disable=SC2086
  fails "no space: 7" 7 "" "$NACRE" create $pass $cheap small/v
  holds "and no half volume" test ! -e small/v
  umount small
else
  skip "no space: 7" "not root"
fi
if [ "$(id -u)" -eq 0 ] && truncate -s 64M image && loop=$(losetup -f --show image 2>/dev/null); then
  mkfs.vfat -n OLD "$loop" >/dev/null
  # shellcheck disable=SC2086
  fails "a block device: what is there" 1 "it holds vfat labelled 'OLD'" "$NACRE" create $pass $cheap "$loop"
  mkfs.ext4 -q "$loop"
  mkdir -p on
  if mount "$loop" on 2>/dev/null; then
    # shellcheck disable=SC2086
    fails "one that is mounted, --force or not: 5" 5 "in use" "$NACRE" create $pass $cheap --force "$loop"
    umount on
  else
    skip "a device that is mounted" "it can't be mounted here"
  fi
  # shellcheck disable=SC2086
  works "--force takes it" "$NACRE" create $pass $cheap --force "$loop"
  echo text >t
  # shellcheck disable=SC2086
  works "put into it" "$NACRE" put $pass "$loop" t /
  # shellcheck disable=SC2086
  works "and read it" "$NACRE" cat $pass "$loop" t
  holds "the same" cmp "$out" t
  # shellcheck disable=SC2086
  works "verify a device" "$NACRE" verify $pass "$loop"
  losetup -d "$loop"
else
  skip "block devices" "no loop device, or not root"
fi
finish
