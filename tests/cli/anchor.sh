#!/bin/sh
# The state folder and rollback: what each opening remembers, and what is said when an older container comes back.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
echo one >one
echo two >two
# Whoever runs this alone keeps his own anchors.
HOME=$TEST_TMP/home
export HOME
unset XDG_STATE_HOME
mkdir "$HOME"
state=$HOME/.local/state/nacre/anchors
anchors() { find "$1" -type f | wc -l; }
# shellcheck disable=SC2086
put() { "$NACRE" put $pass "$@"; }
# shellcheck disable=SC2086
ls_of() { "$NACRE" ls $pass "$@"; }

make_volume v
works "a volume in use" put v one /
holds "is remembered" [ "$(anchors "$state")" -eq 1 ]
holds "by its user alone" [ "$(stat -c %a "$state" "$state"/*)" = "700
600" ]
holds "under its fingerprint, in 192 bytes that tell nothing" sh -c "stat -c '%n %s' '$state'/* | grep -Eq '/[0-9a-f]{64} 192\$'"
cp v old
works "it goes on" put v two /
cp v new
cp old v
fails "an older container put back: 9" 9 "it is older than when it was last open here" ls_of v
fails "to write to as well" 9 "--accept-rollback" put v two /
holds "nothing was written" cmp -s old v
run ls_of --json v
if [ "$got" -eq 9 ] && json_is "$err" 'r["error"]["name"]' rolled-back; then ok "as JSON: rolled-back"; else not_ok "as JSON: rolled-back"; fi
works "--no-anchor doesn't look" ls_of --no-anchor v
holds "and says nothing" [ ! -s "$err" ]
works "--accept-rollback to read" ls_of --accept-rollback v
holds "says what it accepts" grep -q '^nacre: v: warning: rolled back from commit' "$err"
run ls_of --json --accept-rollback v
holds "as JSON too" json_is "$err" 'r["warning"]["subject"]' v
fails "and changes nothing about it" 9 "" ls_of v
works "--accept-rollback to write" put --accept-rollback v two /three
works "is a new branch" ls_of v
holds "without a word" [ ! -s "$err" ]
cp new v
fails "what was there before is then the other one" 9 "its history is not the one" ls_of v

# A second machine: another state folder.
make_volume t
works "a volume that travels" put t one /
works "is used elsewhere" env XDG_STATE_HOME="$TEST_TMP/there" "$NACRE" put --passfile pass t two /
works "and again" env XDG_STATE_HOME="$TEST_TMP/there" "$NACRE" mkdir --passfile pass t /dir
works "and comes back" put t one /one-more
holds "without a word " [ ! -s "$err" ]
works "and goes there once more" env XDG_STATE_HOME="$TEST_TMP/there" "$NACRE" ls --passfile pass t
holds "without a word, either" [ ! -s "$err" ]
cp t fork
works "one copy goes on here" put t two /here
for n in 1 2 3 4 5 6; do
  env XDG_STATE_HOME="$TEST_TMP/there" "$NACRE" put --passfile pass fork one "/there$n" || not_ok "a copy goes on there"
done
cp fork t
fails "the other one has more commits, and is noticed: 9" 9 "its history is not the one" ls_of t

# Without a memory there is no alarm; with a broken one there is a word.
make_volume l
works "a third" put l one /
lost=$(find "$state" -type f -printf "%T@ %f\n" | sort -n | tail -1 | cut -d" " -f2)
rm "$state/$lost"
works "whose anchor is lost" ls_of l
holds "no word of it" [ ! -s "$err" ]
printf garbage >"$state/$lost"
works "whose anchor is damaged" ls_of l
holds "is told" grep -q 'warning: what was remembered of it in .* is unusable (damaged)' "$err"
works "once" ls_of l
holds "since it is remembered anew" [ ! -s "$err" ]
rm -r "$HOME/.local/state/nacre"
mkdir -p "$HOME/.local/state" && echo file >"$HOME/.local/state/nacre"
works "a state folder that can't be made" ls_of l
holds "is told, and no reason to stop" grep -q "warning: its state can't be remembered" "$err"
works "unless none is wanted" ls_of --no-anchor l
holds "says nothing of it" [ ! -s "$err" ]
rm "$HOME/.local/state/nacre"
works "read-only media" chmod 400 l
works "are opened" ls_of l
works "again" ls_of l
holds "no word of that" [ ! -s "$err" ]

if can_mount; then
  trap end_mounts EXIT
  mkdir dir
  make_volume m
  cp m before
  # shellcheck disable=SC2086
  works "mount" "$NACRE" mount $pass m dir
  echo text >dir/file
  works "sync" "$NACRE" sync dir
  "$NACRE" status --json dir >status.json
  pid=$(json status.json 'r["mounts"][0]["pid"]')
  kill -9 "$pid"
  umount -l dir 2>/dev/null || fusermount3 -uz dir
  # shellcheck disable=SC2086
  works "mount after the process was killed" "$NACRE" mount $pass m dir
  holds "no word of it" [ ! -s "$err" ]
  works "umount" "$NACRE" umount dir
  cp before m
  # shellcheck disable=SC2086
  fails "mount an older container: 9" 9 "is older" "$NACRE" mount $pass m dir
  # shellcheck disable=SC2086
  fails "read-only too" 9 "is older" "$NACRE" mount --read-only $pass m dir
  # shellcheck disable=SC2086
  works "-o accept-rollback" "$NACRE" mount -o accept-rollback $pass m dir
  holds "says so" grep -q 'warning: rolled back' "$err"
  works "umount of that" "$NACRE" umount dir
  # shellcheck disable=SC2086
  works "from then on it is the one" "$NACRE" mount -o no-anchor $pass m dir
  works "umount at last" "$NACRE" umount dir
else
  skip "mount" "no FUSE here"
fi
finish
