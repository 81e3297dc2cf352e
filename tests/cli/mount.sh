#!/bin/sh
# mount, umount, status, sync.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
if ! can_mount; then
  skip "mount" "no /dev/fuse or no fusermount3 here"
  exit 0
fi
trap end_mounts EXIT
top=$(pwd -P)
mount_v() {
  # shellcheck disable=SC2086
  "$NACRE" mount $pass "$@"
}
pid_of() { "$NACRE" status --json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["mounts"][0]["pid"])'; }
make_volume v
make_volume w
mkdir m n full
echo x >full/x

exec 8<pass 9>elsewhere
works "mount" mount_v v m
exec 8<&- 9>&-
holds "it is there" mounted "$top/m"
echo hello >m/file
works "status" "$NACRE" status
holds "says what is where" grep -qF "$top/v on $top/m, pid " "$out"
works "status --json" "$NACRE" status --json m
holds "fields" json_is "$out" 'sorted(r["mounts"][0])' \
  "['dir', 'dirty_bytes', 'failed', 'failure', 'free_bytes', 'generation', 'pid', 'read_only', 'rekey_done_bytes', 'rekey_stopped', 'rekey_total_bytes', 'rekeying', 'since_s', 'uid', 'used_bytes', 'volume']"
works "status by the container's name" "$NACRE" status v
works "sync" "$NACRE" sync m
fails "sync of what is not mounted: 6" 6 "not mounted" "$NACRE" sync n
fails "and of that and another: that is done, 10" 10 "not mounted" "$NACRE" sync n m
works "info says where" "$NACRE" info --json v
holds "in use, on m" json_is "$out" 'r["in_use"], r["mounted_on"]' "(True, '$top/m')"
fails "a second mount: 5, and where it is" 5 "$top/m" mount_v v n
# shellcheck disable=SC2086
fails "ls without the mount: 5, and where it is" 5 "$top/m" "$NACRE" ls $pass v
works "verify, without a credential" "$NACRE" verify v
works "verify of the folder" "$NACRE" verify m
holds "has a summary" grep -q '^1 files and 1 folders, .* 0 problems$' "$out"
# shellcheck disable=SC2086
fails "create --force over it: 5" 5 "$top/m" "$NACRE" create --force $pass $cheap v
pid=$(pid_of m)
if [ "$(id -u)" -eq 0 ]; then
  holds "its process has kept no descriptor of the caller's" sh -c "! ls -l /proc/$pid/fd | grep -e elsewhere -e /pass"
  holds "nor a terminal or a pipe" sh -c "ls -l /proc/$pid/fd/0 /proc/$pid/fd/1 /proc/$pid/fd/2 | grep -c /dev/null | grep -qx 3"
fi
holds "its process takes no core dump" grep -Eq '^Max core file size +0 +0 ' "/proc/$pid/limits"
if [ "$(id -u)" -ne 0 ]; then
  holds "and can't be looked into" sh -c "! cat /proc/$pid/environ >/dev/null 2>&1"
fi
holds "no passphrase in its arguments" sh -c "! tr '\\0' '\\n' </proc/$pid/cmdline | grep -q 'correct horse'"
fails "a folder that isn't empty" 1 "nonempty" mount_v w full
fails "a folder that isn't there" 1 "no such folder" mount_v w none
fails "an option that there isn't: 2" 2 "unknown mount option" mount_v -o frobnicate w n
fails "a wrong passphrase: 3" 3 "wrong passphrase" "$NACRE" mount --passfile wrong w n
fails "no volume: 6" 6 "none" mount_v none n
holds "nothing is mounted by these" sh -c "! grep -q ' $top/n ' /proc/self/mounts"

(cd m && exec sleep 600) &
sleeper=$!
holds "somebody works in it" eventually sh -c "[ /proc/$sleeper/cwd -ef m ] && grep -qx sleep /proc/$sleeper/comm"
fails "umount while busy: 5, and who" 5 "sleep ($sleeper)" "$NACRE" umount m
holds "it is still there" test -f m/file
kill $sleeper
wait $sleeper 2>/dev/null
works "umount" "$NACRE" umount m
holds "it is gone" sh -c "! grep -q ' $top/m ' /proc/self/mounts"
holds "and so is its process" gone "$pid"
works "umount again is done already" "$NACRE" umount m
# shellcheck disable=SC2086
works "the file is in the volume" "$NACRE" cat $pass v file
holds "with its text" test "$(cat "$out")" = hello

works "mount --read-only" mount_v --read-only v m
holds "can't be written" sh -c '! (echo x >m/new) 2>/dev/null'
works "umount by the container's name" "$NACRE" umount v
works "-o ro" mount_v -o ro,noexec v m
holds "in the options" grep -Eq " $top/m fuse.nacre [^ ]*ro,[^ ]*noexec" /proc/self/mounts
works "umount" "$NACRE" umount m
cp pass 'pa,ss'
works "commas in values of -o" "$NACRE" mount -o "ro,,passfile=$TEST_TMP/pa\\,ss,fsname=a\\,b,noexec" v m
holds "in the name" grep -Eq "^a,b $top/m fuse.nacre [^ ]*ro,[^ ]*noexec" /proc/self/mounts
works "umount" "$NACRE" umount m
# Others of this user's mounts must stay: root hides their sockets, others look first whether there are any.
cat >all.sh <<'END'
if [ "$(id -u)" -eq 0 ]; then
  unset XDG_RUNTIME_DIR
  for folder in /run/nacre /run/user; do
    [ ! -d $folder ] || mount -t tmpfs -o mode=700 none $folder || exit 77
  done
fi
[ "$("$NACRE" status | wc -l)" -eq 0 ] || exit 77
trap 'for dir in m n; do umount -l $dir 2>/dev/null || fusermount3 -uqz $dir; done' EXIT
"$NACRE" mount --passfile pass v m && "$NACRE" mount --passfile pass w n || exit 1
[ "$("$NACRE" status | wc -l)" -eq 2 ] || exit 2
"$NACRE" umount --all || exit 3
! grep -q " $PWD/" /proc/self/mounts
END
apart=""
[ "$(id -u)" -ne 0 ] || apart="unshare -m"
# shellcheck disable=SC2086
run $apart sh all.sh
if [ "$got" -eq 77 ]; then
  skip "umount --all" "it would reach other mounts"
else
  judge "umount --all takes all away" "$got"
fi
end_mounts
fails "umount of nothing: 2" 2 "--all" "$NACRE" umount

works "mount" mount_v v m
echo kept >m/kept
"$NACRE" sync m
pid=$(pid_of m)
kill -9 "$pid"
holds "killed: it ends" gone "$pid"
holds "the folder answers no more" sh -c '! ls m >/dev/null 2>&1'
works "umount takes it away" "$NACRE" umount m
works "mount again" mount_v v m
holds "what was synced is there" test "$(cat m/kept)" = kept
pid=$(pid_of m)
kill -9 "$pid"
holds "killed again" gone "$pid"
works "mount takes a dead one away" mount_v v m
works "umount --lazy" "$NACRE" umount --lazy m
works "mount --idle" mount_v --idle 1 v m
not_mounted() { ! mounted "$1"; }
holds "it ends when nobody uses it" eventually not_mounted "$top/m"

# shellcheck disable=SC2086
"$NACRE" mount --foreground $pass v m 2>"$err" &
pid=$!
holds "mount --foreground" eventually mounted "$top/m"
echo late >m/late
kill -TERM $pid
got=0
wait $pid || got=$?
judge "SIGTERM commits and unmounts" $got
# shellcheck disable=SC2086
works "the file is there" "$NACRE" cat $pass v late

ln -s "$NACRE" mount.nacre
ln -s "$NACRE" mount.fuse.nacre
for helper in mount.nacre mount.fuse.nacre; do
  works "$helper" "./$helper" "$top/v" "$top/m" -o "rw,noauto,x-something,passfile=$TEST_TMP/pass"
  holds "has mounted" mounted "$top/m"
  works "umount" "$NACRE" umount m
done
works "-f only pretends" ./mount.nacre "$top/v" "$top/m" -f -o "passfile=$TEST_TMP/pass"
holds "indeed" sh -c "! grep -q ' $top/m ' /proc/self/mounts"
run ./mount.nacre "$top/v"
[ "$got" -eq 1 ]
judge "wrong usage is 1" $?
run ./mount.nacre "$top/v" "$top/m" -o "passfile=$TEST_TMP/wrong"
[ "$got" -eq 32 ]
judge "a failure is 32" $?

# A process that is stopped keeps nobody waiting who wants something else.
make_volume w
# shellcheck disable=SC2086
works "mount" "$NACRE" mount $pass v m
"$NACRE" status --json m >status.json
pid=$(json status.json 'r["mounts"][0]["pid"]')
kill -STOP "$pid"
# shellcheck disable=SC2086
works "another volume is verified beside a stopped mount" timeout 60 "$NACRE" verify $pass w
works "status lists what answers" timeout 60 "$NACRE" status
holds "and says that one doesn't" grep -q "warning: 1 more mount is there" "$err"
fails "umount --all doesn't claim to have taken it away: 5" 5 "doesn't answer" timeout 60 "$NACRE" umount --all
holds "it hasn't" mounted "$top/m"
kill -CONT "$pid"
works "and goes on" "$NACRE" umount m
finish
