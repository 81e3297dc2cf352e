#!/bin/sh
# timeout: 150
# A volume mounted over the very home that keeps what is remembered of it: commits go on, also those after which it is
# remembered anew (every 30 s), and what they tell goes to the folder underneath.
. "$(dirname "$0")/mount_lib.sh"
volume=$TEST_TMP/v.nacre
home=$TEST_TMP/home
below=$TEST_TMP/below # the same folder by another way, which the mount does not cover
on_failure=end_mounts
make_volume "$volume" || not_ok "create"
mkdir "$home" "$below"
HOME=$home
export HOME

remembered() { (cd "$below" && cksum .local/state/nacre/anchors/*); }

live_in_it() {
  mount_at "$volume" "$home" -o nonempty
  mkdir -p "$home/.local/state"
  echo one >"$home/file"
  timeout 60 "$NACRE" sync "$home"
  first=$(remembered)
  sleep 31
  echo two >"$home/file"
  timeout 60 "$NACRE" sync "$home"
  [ "$(remembered)" != "$first" ]
  [ ! -e "$home/.local/state/nacre" ]
  unmount "$home"
}

if [ "$(id -u)" -eq 0 ] && mount --bind "$home" "$below" && mount --make-private "$below"; then
  check "a home is mounted, lived in and remembered" live_in_it
  check "and comes back without a word" mount_at "$volume" "$home" -o nonempty
  check "for it is remembered underneath" unmount "$home"
  umount "$below"
else
  skip "a home is mounted" "only root can look below it"
fi
exit $failed
