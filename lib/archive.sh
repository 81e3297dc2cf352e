#!/bin/sh
# archive.sh OBJCOPY AR OUT.a "IN.a..." CC...
# Link static libraries into one object and make its hidden symbols local.
set -eu
objcopy=$1 ar=$2 out=$3 inputs=$4
shift 4

object=$out.o
# shellcheck disable=SC2086 # the inputs are meant to be split
"$@" -r -nostdlib -o "$object" -Wl,--whole-archive $inputs -Wl,--no-whole-archive
"$objcopy" --localize-hidden "$object"
rm -f "$out"
"$ar" rcs "$out" "$object"
rm -f "$object"
