#!/bin/sh
# mount(8) and umount(8) with their helpers, as root: flags, remounts, and who waits for the last commit.
. "$(dirname "$0")/mount_lib.sh"
if [ "$(id -u)" -ne 0 ]; then
  skip "mount(8) and umount(8)" "needs root, in whose /sbin they look for their helpers"
  exit 0
fi
need_nobody "mount(8) and umount(8)"

# /sbin and umount(8)'s table as this suite alone sees them.
with_helpers() {
  mount -t tmpfs none "$TEST_TMP/sbin" && mkdir "$TEST_TMP/sbin/upper" "$TEST_TMP/sbin/work" &&
    mount -t overlay -o "lowerdir=$sbin,upperdir=$TEST_TMP/sbin/upper,workdir=$TEST_TMP/sbin/work" none "$sbin" &&
    mkdir -p /run/mount && mount -t tmpfs none /run/mount || return 1
  for helper in mount.nacre mount.fuse.nacre umount.nacre umount.fuse.nacre; do
    ln -sf "$NACRE" "$sbin/$helper" || return 1
  done
}
# A copy of another's mount would keep its process alive.
leave_others() {
  awk '$3 == "fuse.nacre" {print $2}' /proc/self/mounts | while read -r others; do
    umount -i -l "$others"
  done
}
sbin=$(cd /sbin && pwd -P)
if [ "${HELPERS_APART-}" != $$ ]; then # which is not passed on by accident
  exec env HELPERS_APART=$$ unshare -m "$0"
fi
leave_others
mkdir -p "$TEST_TMP/sbin"
if ! with_helpers; then
  skip "mount(8) and umount(8)" "no overlay can be put over /sbin here"
  exit 0
fi

on_failure=end_mounts # each check starts with nothing mounted
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
mkdir -p "$dir" "$TEST_TMP/copy"
make_volume "$volume" || not_ok "create"
chmod 711 "$TEST_TMP"

# by_mount [OPTIONS]: the way that a line of fstab goes.
by_mount() {
  echo "$volume $dir ${kind-nacre} passfile=$TEST_TMP/pass${1:+,$1} 0 0" >"$TEST_TMP/fstab"
  mount -T "$TEST_TMP/fstab" "$dir"
}
has_flag() { awk -v dir="$dir" '$2 == dir {print "," $4 ","}' /proc/self/mounts | tail -1 | grep -q ",$1,"; }
in_use() { "$NACRE" info --json "$volume" | grep -Eq '"in_use": *true'; }
fails_with() {
  want=$1
  shift
  with_got=0
  "$@" || with_got=$?
  [ "$with_got" -eq "$want" ]
}

# ---- Flags ----

flags_of_mount() {
  for kind in nacre fuse.nacre; do
    by_mount
    not has_flag nosuid
    not has_flag nodev
    not has_flag noexec
    umount "$dir"
  done
  by_mount nosuid,nodev
  has_flag nosuid
  has_flag nodev
  umount "$dir"
  by_mount user
  has_flag nosuid
  has_flag nodev
  has_flag noexec
  umount "$dir"
  by_mount user,exec,suid
  not has_flag nosuid
  has_flag nodev
  not has_flag noexec
  umount "$dir"
  mount_at "$volume" "$dir"
  has_flag nosuid
  has_flag nodev
  umount "$dir"
}
check "to mount(8) no nosuid is suid, to nacre mount it isn't" flags_of_mount

setuid_counts() {
  by_mount allow_other
  chmod 755 "$dir"
  cp "$(command -v id)" "$dir/id" && chmod 4755 "$dir/id"
  mknod -m 666 "$dir/null" c 1 3
  [ "$(as_nobody "$dir/id" -u)" = 0 ]
  as_nobody sh -c "echo gone >'$dir/null'"
  umount "$dir"
  by_mount allow_other,nosuid,nodev
  [ "$(as_nobody "$dir/id" -u)" = 65534 ]
  not as_nobody sh -c "echo gone >'$dir/null'"
  umount "$dir"
}
check "setuid bits and device nodes count as the flags say" setuid_counts

flags_of_users() {
  mkdir -p "$TEST_TMP/theirs"
  cp "$volume" "$TEST_TMP/theirs.nacre"
  chown 65534:65534 "$TEST_TMP/theirs" "$TEST_TMP/theirs.nacre" "$TEST_TMP/pass"
  as_nobody "$sbin/mount.nacre" "$TEST_TMP/theirs.nacre" "$TEST_TMP/theirs" -o "rw,passfile=$TEST_TMP/pass"
  theirs() { awk -v dir="$TEST_TMP/theirs" '$2 == dir {print "," $4 ","}' /proc/self/mounts; }
  theirs | grep -q ,nosuid,nodev,
  mount -o remount,noexec "$TEST_TMP/theirs"
  "$sbin/mount.nacre" "$TEST_TMP/theirs.nacre" "$TEST_TMP/theirs" -o remount,rw,suid,dev
  theirs | grep -q ,nosuid,nodev,
  not sh -c "grep ' $TEST_TMP/theirs ' /proc/self/mounts | grep -q ,noexec,"
  fails_with 1 as_nobody "$sbin/mount.nacre" "$TEST_TMP/theirs.nacre" "$TEST_TMP/theirs" -o remount,ro
  as_nobody "$sbin/umount.nacre" "$TEST_TMP/theirs"
  chown 0:0 "$TEST_TMP/pass"
}
check "a user's own mount is nosuid,nodev, whoever remounts it" flags_of_users

# ---- Remounts ----

remounts() {
  by_mount
  daemon=$(daemon_of "$dir")
  echo before >"$dir/f"
  touch -a -d 2001-01-01 "$dir/f"
  mount -o remount,ro "$dir"
  has_flag ro
  not touch "$dir/new"
  cat "$dir/f"
  stat -c %x "$dir/f" | grep -q ^2001
  "$NACRE" status --json "$dir" | grep -Eq '"read_only": *true'
  mount -o remount,rw,noexec "$dir"
  has_flag rw
  has_flag noexec
  cat "$dir/f"
  stat -c %x "$dir/f" | grep -vq ^2001
  echo after >"$dir/f"
  mount -o remount,ro "$dir"
  kill -9 "$daemon"
  wait_for gone "$daemon"
  umount "$dir"
  by_mount
  [ "$(cat "$dir/f")" = after ]
  umount "$dir"
}
check "remount,ro commits and refuses changes, remount,rw lets them in again" remounts

remounts_without_helper() {
  by_mount
  touch -a -d 2001-01-01 "$dir/f"
  mount -i -o remount,ro "$dir"
  wait_for sh -c "'$NACRE' status --json '$dir' | grep -Eq '\"read_only\": *true'"
  cat "$dir/f"
  stat -c %x "$dir/f" | grep -q ^2001
  umount "$dir"
}
check "the process hears of a remount by others" remounts_without_helper

remounts_atime() {
  by_mount
  touch -a -d 2001-01-01 "$dir/f"
  mount -o remount,noatime "$dir"
  has_flag noatime
  wait_for same_table
  cat "$dir/f"
  stat -c %x "$dir/f" | grep -q ^2001
  mount -o remount,strictatime "$dir"
  not has_flag noatime
  not has_flag relatime
  same_table
  cat "$dir/f"
  first=$(stat -c %x "$dir/f")
  sleep 0.02
  cat "$dir/f"
  [ "$(stat -c %x "$dir/f")" != "$first" ]
  umount "$dir"
}
# The process has read the table of mounts before it answers.
same_table() { "$NACRE" status "$dir"; }
check "access times follow a remount" remounts_atime

remount_busy() {
  by_mount
  exec 7>"$dir/open"
  fails_with 32 mount -o remount,ro "$dir"
  has_flag rw
  echo fine >&7
  exec 7>&-
  umount "$dir"
  by_mount ro
  fails_with 32 mount -o remount,rw "$dir"
  has_flag ro
  umount "$dir"
  by_mount
  for option in allow_other sync dirsync; do
    fails_with 32 mount -o "remount,$option" "$dir"
  done
  umount "$dir"
  fails_with 32 "$sbin/mount.nacre" "$volume" "$dir" -o remount,ro
}
check "remounts that can't be are refused" remount_busy

# ---- Unmounting ----

write_some() { head -c "${1:-8000000}" /dev/urandom >"$dir/data"; }
waits() {
  for _ in 1 2 3 4 5; do
    by_mount
    write_some 24000000
    umount "$dir"
    not in_use
    not grep -F "$dir" /run/mount/utab
  done
  mount_at "$volume" "$dir"
  write_some
  umount "$dir"
  not in_use
}
check "umount(8) returns when the container is free" waits

mounts_after() {
  for _ in 1 2 3 4 5; do
    by_mount
    write_some 24000000
    umount -i "$dir"
    by_mount ro
    umount -i "$dir"
  done
}
check "a mount straight after waits for the last commit" mounts_after

busy() {
  by_mount
  exec 7>"$dir/busy"
  fails_with 32 umount "$dir" 2>"$TEST_TMP/why"
  grep -q "in use by " "$TEST_TMP/why"
  umount -r "$dir" && return 1 # open for writing
  exec 7>&- 8<"$dir/busy"
  umount -r "$dir"
  has_flag ro
  exec 8<&-
  umount "$dir"
}
check "a busy mount is refused, and with -r made read-only" busy

lazy() {
  by_mount
  daemon=$(daemon_of "$dir")
  exec 7>"$dir/lazy"
  umount -l "$dir"
  not mounted "$dir"
  echo "written after" >&7
  exec 7>&-
  wait_for gone "$daemon"
  by_mount
  [ "$(cat "$dir/lazy")" = "written after" ]
  umount "$dir"
}
check "umount -l lets what is open go on" lazy

force() {
  by_mount
  echo forced >"$dir/forced"
  exec 7>>"$dir/forced"
  umount -f "$dir"
  not in_use
  not sh -c 'echo late >&7' 2>/dev/null
  exec 7>&-
  by_mount
  [ "$(cat "$dir/forced")" = forced ]
  umount "$dir"
}
check "umount -f ends a busy mount and commits" force

copies() {
  by_mount
  mount --bind "$dir" "$TEST_TMP/copy"
  umount "$dir"
  not mounted "$dir"
  echo bound >"$TEST_TMP/copy/bound"
  in_use
  "$sbin/umount.nacre" "$TEST_TMP/copy" # umount(8) does not know that it is one of ours
  not in_use
  by_mount
  [ "$(cat "$dir/bound")" = bound ]
  umount "$dir"
}
check "umount(8) of one place leaves another, and that one's waits" copies

elsewhere() {
  by_mount
  unshare -m --propagation private sleep 100 &
  sleeper=$!
  wait_for sh -c "grep -q nacre /proc/$sleeper/mounts && ! [ /proc/$sleeper/ns/mnt -ef /proc/self/ns/mnt ]"
  umount -N "$sleeper" "$dir"
  not grep -qF " $dir " "/proc/$sleeper/mounts"
  mounted "$dir"
  [ -d "$dir" ]
  kill "$sleeper"
  wait "$sleeper" || :
  umount "$dir"
  fails_with 32 "$sbin/mount.nacre" "$volume" "$dir" -N /proc/self/ns/mnt
}
check "umount -N works in the other namespace" elsewhere

lives_on() {
  by_mount
  unshare -m --propagation private sleep 100 &
  sleeper=$!
  wait_for sh -c "grep -q nacre /proc/$sleeper/mounts && ! [ /proc/$sleeper/ns/mnt -ef /proc/self/ns/mnt ]"
  echo kept >"$dir/kept"
  umount "$dir" 2>"$TEST_TMP/why"
  grep -q "lives on in another namespace" "$TEST_TMP/why"
  "$NACRE" status --json "$volume" | grep -Eq '"dirty_bytes": *0'
  grep -qF " $dir " "/proc/$sleeper/mounts"
  fails_with 32 by_mount 2>"$TEST_TMP/why"
  grep -q "lives on in another mount namespace" "$TEST_TMP/why"
  "$NACRE" umount "$volume"
  not in_use
  kill "$sleeper"
  wait "$sleeper" || :
  by_mount
  [ "$(cat "$dir/kept")" = kept ]
  umount "$dir"
}
check "what another namespace keeps is said, and nacre umount ends it" lives_on

# ---- Other users ----

mount_theirs() {
  [ -e "$TEST_TMP/theirs.nacre" ] || cp "$volume" "$TEST_TMP/theirs.nacre"
  mkdir -p "$TEST_TMP/theirs"
  chown 65534:65534 "$TEST_TMP/theirs" "$TEST_TMP/theirs.nacre" "$TEST_TMP/pass"
  as_nobody "$NACRE" mount --passfile "$TEST_TMP/pass" "$@" "$TEST_TMP/theirs.nacre" "$TEST_TMP/theirs"
  chown 0:0 "$TEST_TMP/pass"
}
others_names() {
  by_mount
  mount_theirs -o "owner=me,fsname=$dir"
  "$sbin/mount.nacre" "$volume" "$dir" -o remount,ro
  has_flag ro
  as_nobody touch "$TEST_TMP/theirs/new"
  "$sbin/umount.nacre" "$dir"
  not mounted "$dir"
  mounted "$TEST_TMP/theirs"
  fails_with 32 "$sbin/umount.nacre" "$dir"
  mounted "$TEST_TMP/theirs"
  as_nobody "$NACRE" umount "$TEST_TMP/theirs"
}
check "what another user calls a mount takes nothing else's place" others_names

# In /run/user, where root looks for users' processes.
pretend() {
  as_nobody python3 -B "$here/mount_pretender.py" /run/user/65534/nacre "$@" &
  wait_for test -S /run/user/65534/nacre/1.sock
}
end_pretender() {
  kill "$(cat /run/user/65534/nacre/pid)"
  wait $! || :
  rm /run/user/65534/nacre/1.sock
}
pretenders() {
  mkdir -p /run/user && mount -t tmpfs none /run/user
  install -d -o 65534 -g 65534 -m 700 /run/user/65534 /run/user/65534/nacre
  by_mount
  pretend "$volume" "$dir"
  daemon=$(daemon_of "$dir")
  kill -9 "$daemon"
  wait_for gone "$daemon"
  umount -f "$dir"
  not mounted "$dir"
  by_mount
  "$NACRE" umount "$dir"
  not mounted "$dir"
  end_pretender
  mount_theirs -o owner=me
  pretend "$TEST_TMP/theirs.nacre" "$TEST_TMP/theirs"
  fails_with 32 timeout 30 "$sbin/mount.nacre" "$TEST_TMP/theirs.nacre" "$dir" -o "passfile=$TEST_TMP/pass"
  timeout 30 "$sbin/umount.nacre" "$TEST_TMP/theirs"
  not mounted "$TEST_TMP/theirs"
  end_pretender
  umount /run/user
}
check "who only says that a mount is theirs is not asked" pretenders

# ---- Processes that died ----

died() {
  by_mount
  daemon=$(daemon_of "$dir")
  kill -9 "$daemon"
  wait_for gone "$daemon"
  by_mount # takes the dead one away
  [ "$(grep -cF " TARGET=$dir " /run/mount/utab)" -eq 1 ]
  kill -9 "$(daemon_of "$dir")"
  umount "$dir"
  not mounted "$dir"
  not grep -F "$dir" /run/mount/utab
  by_mount
  daemon=$(daemon_of "$dir")
  kill -9 "$daemon"
  wait_for gone "$daemon"
  "$NACRE" umount "$dir"
  not grep -F "$dir" /run/mount/utab
}
check "a mount whose process has died is taken away" died

wrong() {
  fails_with 1 "$sbin/umount.nacre"
  fails_with 1 "$sbin/umount.nacre" "$dir" -x
  fails_with 32 "$sbin/umount.nacre" "$dir"
}
check "umount.nacre has umount(8)'s exit codes" wrong
finish
