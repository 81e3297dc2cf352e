#!/bin/sh
# make.sh BUILD [CIPHER...]: make the golden volumes anew, with the programs of that build folder. Until release 1.0 that
# is right after a change of the format; from then on what is here stays, and is read for ever.
set -eu
build=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- aes-256-gcm xchacha20-poly1305 aegis-256
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for cipher in "$@"; do
  code=0
  "$build/tests/golden/golden-make" "$cipher" "$work/container" "$work/manifest" || code=$?
  if [ $code -eq 77 ]; then
    echo "$cipher: stays as it was"
    continue
  elif [ $code -ne 0 ]; then
    exit $code
  fi
  /usr/bin/python3 golden.py strip "$work/container" "$work/golden"
  mv "$work/golden" "$cipher.golden"
  # It is one for all ciphers.
  mv "$work/manifest" manifest
done
ls -l ./*.golden manifest
