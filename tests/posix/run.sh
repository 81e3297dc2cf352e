#!/bin/sh
# What POSIX and Linux promise of a filesystem, asked of a mounted volume.
# run.sh [AREA...]: the files beside this one without their ending; all of them where none is named.
# TARGET=DIR: asked of the filesystem there instead. The host's own is the oracle that shows whether a check is right.
# NACRE_TORTURE=1: the long form, with a million entries in a folder.
# timeout: 1800
here=$(cd "$(dirname "$0")" && pwd)

# posix FOLDER WHAT: the checks of the areas in a fresh folder under FOLDER; WHAT says whose filesystem it is.
posix() {
  PYTHONPATH=$here:$here/../e2e python3 -B "$here/suite.py" "$@"
}

if [ -n "${TARGET-}" ]; then
  scratch=$(mktemp -d "$TARGET/posix.XXXXXX") || exit 1
  trap 'rm -rf "$scratch"' EXIT
  chmod 755 "$scratch"
  posix "$scratch" host "$@"
  exit $?
fi

e2e=$here/../e2e
. "$e2e/mount_lib.sh"
options=suid,dev,allow_other
[ "$(id -u)" -eq 0 ] || options=rw
if ! make_volume "$TEST_TMP/v.nacre" || ! mount_at "$TEST_TMP/v.nacre" "$TEST_TMP/m" -o "$options"; then
  not_ok "mount"
  finish
fi
chmod 755 "$TEST_TMP/m"
posix "$TEST_TMP/m" nacre "$@" || failed=1
check "umount" unmount "$TEST_TMP/m"
check "the volume verifies afterwards" "$NACRE" verify --passfile "$TEST_TMP/pass" "$TEST_TMP/v.nacre"
finish
