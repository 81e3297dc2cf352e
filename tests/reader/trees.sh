#!/bin/sh
# Whole trees, put by the program and read by the independent reader, with every cipher and chunk size.
# timeout: 180
. "$(dirname "$0")/reader_lib.sh"
cd "$TEST_TMP" || exit 1
$python "$here/../e2e/tree.py" make tree || not_ok "a tree is made"

same() {
  rm -rf out
  read_volume v --extract out && $python "$here/../e2e/tree.py" compare out "$1"
}

for cipher in aes-256-gcm xchacha20-poly1305; do
  for chunk in 4K 16K 64K; do
    rm -f v
    make_volume v --cipher "$cipher" --chunk "$chunk"
    check "$cipher, $chunk: put" put v tree/. /
    check "$cipher, $chunk: read, and the same as what was put" same tree
  done
done

# The reader's own AEGIS takes more than a second for a MiB.
rm -rf v out small
mkdir small
cp -a tree/links tree/special tree/attributes small
if make_volume v --cipher aegis-256; then
  check "aegis-256: put" put v small/. /
  check "aegis-256: read, and the same as what was put" same small
else
  skip "aegis-256" "this libsodium has none"
fi
finish
