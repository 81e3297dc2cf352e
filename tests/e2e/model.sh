#!/bin/sh
# A mounted volume against the host's filesystem: the same random steps in both give the same.
# model.sh [--seed N] [--ops N] [--history FILE]: one run of that seed and length in place of the usual ones; the file
# gets all steps where the two differ. Ten times as long where NACRE_TORTURE is set; NACRE_SEED makes it another run.
# timeout: 240
. "$(dirname "$0")/mount_lib.sh"

# model NAME SEED STEPS MOUNT-OPTIONS [CREATE-OPTION...]
model() {
  name=$1 seed=$2 steps=$3 options=$4
  shift 4
  [ "$(id -u)" -ne 0 ] || options=$options,suid,dev,allow_other
  volume=$TEST_TMP/$name.nacre
  mkdir "$TEST_TMP/$name.host"
  if ! make_volume "$volume" "$@" || ! mount_at "$volume" "$TEST_TMP/$name" -o "$options"; then
    not_ok "$name: mount"
    return
  fi
  PYTHONPATH=$here python3 -B "$here/model.py" --seed "$seed" --ops "$steps" --options "$options" \
    ${history:+--history "$history"}     --passfile "$TEST_TMP/pass" --volume "$volume" "$TEST_TMP/$name" "$TEST_TMP/$name.host" || failed=1
  check "$name: umount" unmount "$TEST_TMP/$name"
  rm -rf "$TEST_TMP/$name.host" "$volume"
}

seed=
ops=12000
history=
while [ $# -gt 0 ]; do
  case $1 in
  --seed) seed=$2 ;;
  --ops) ops=$2 seed=${seed:-1} ;;
  --history) history=$2 ;;
  *) echo "usage: ${0##*/} [--seed N] [--ops N] [--history FILE]" >&2 && exit 2 ;;
  esac
  shift 2
done

if [ -n "$seed" ]; then
  model chosen "$seed" "$ops" rw
else
  base=$((${NACRE_SEED:-0} * 10))
  longer=1
  [ -z "${NACRE_TORTURE-}" ] || longer=10
  model usual $((base + 1)) $((12000 * longer)) rw
  model small-chunks $((base + 2)) $((8000 * longer)) rw --chunk 4K
  model writeback $((base + 3)) $((4000 * longer)) writeback
fi
finish
