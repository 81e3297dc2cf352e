#!/bin/sh
# Containers on a stick with an old filesystem, and volumes that other users made. Needs root.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
if [ "$(id -u)" -ne 0 ]; then
  skip "sticks and other users" "not root"
  exit 0
fi
mkdir stick m1 m2
head -c 5000000 /dev/urandom >big
silent='' silent_folder=''
ended() {
  end_mounts
  umount stick 2>/dev/null
  [ -z "$silent" ] || kill "$silent"
  [ -z "$silent_folder" ] || rm -rf "$silent_folder"
}
trap ended EXIT
for kind in vfat exfat; do
  truncate -s 80M "$kind.image"
  if ! command -v mkfs.$kind >/dev/null || ! mkfs.$kind "$kind.image" >/dev/null 2>&1 ||
    ! mount -o loop "$kind.image" stick 2>/dev/null; then
    skip "$kind" "can't be made or mounted here"
    continue
  fi
  # shellcheck disable=SC2086
  works "$kind: create" "$NACRE" create $pass $cheap --portable stick/v
  # shellcheck disable=SC2086
  works "$kind: put" "$NACRE" put $pass stick/v big /
  # shellcheck disable=SC2086
  works "$kind: get" "$NACRE" get $pass stick/v /big back
  holds "$kind: the same" cmp big back
  # shellcheck disable=SC2086
  works "$kind: verify" "$NACRE" verify $pass stick/v
  head -c 90000000 /dev/zero | tr '\0' x >toomuch
  # shellcheck disable=SC2086
  fails "$kind: the stick is full: 7" 7 "" "$NACRE" put $pass stick/v toomuch /
  # shellcheck disable=SC2086
  works "$kind: nothing is lost" "$NACRE" get $pass stick/v /big back
  holds "$kind: still the same" cmp big back
  # shellcheck disable=SC2086
  works "$kind: verify again" "$NACRE" verify $pass stick/v
  rm -f toomuch back
  umount stick
done

# Root asks every user's mounts, and one user's must not make it wait for ever: two sockets take what they are asked,
# one says nothing to it, the other never comes to an end.
mallory=54321
if mkdir -m 700 /tmp/nacre-$mallory; then
  silent_folder=/tmp/nacre-$mallory
  chown $mallory $silent_folder
  setpriv --reuid $mallory --regid $mallory --clear-groups python3 - $silent_folder <<'END' &
import socket
import sys
import time

listeners = []
for name in ("1.sock", "2.sock"):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1] + "/" + name)
    listener.listen()
    listener.setblocking(False)
    listeners.append(listener)
taken = []
while True:
    for number, listener in enumerate(listeners):
        try:
            taken.append((number, listener.accept()[0]))
        except BlockingIOError:
            pass
    for number, connection in taken:
        try:
            connection.send(b"." * number)
        except OSError:
            pass
    time.sleep(0.1)
END
  silent=$!
  until [ -S $silent_folder/2.sock ] || ! kill -0 "$silent" 2>/dev/null; do sleep 0.1; done
  # Away from root's own mounts, whoever's test they are of.
  works "a user's silent sockets don't keep root waiting" timeout 100 unshare -m sh -c '
    mkdir -p /run/nacre && mount -t tmpfs -o mode=700 tmpfs /run/nacre && exec "$0" status' "$NACRE"
  kill "$silent"
  rm -rf $silent_folder
  silent='' silent_folder=''
else
  skip "silent sockets" "there is a /tmp/nacre-$mallory"
fi

chmod 711 "$TEST_TMP"
chmod 755 m1 m2
# fusermount3 wants users with names: two that every Debian has, and that run nothing.
a=$(id -u games) b=$(id -u news)
alice="setpriv --reuid $a --regid $a --clear-groups"
bob="setpriv --reuid $b --regid $b --clear-groups"
if ! $alice test -r "$TEST_TMP/big" || ! $alice test -w /dev/fuse || ! command -v fusermount3 >/dev/null; then
  skip "other users" "they can't reach this folder, or can't mount"
  finish
fi
chown "$a" m1
chown "$b" m2
install -d -o "$a" -m 755 home
chmod 644 pass
# shellcheck disable=SC2086
works "alice makes a volume" $alice "$NACRE" create $pass $cheap "$TEST_TMP/home/v"
# shellcheck disable=SC2086
works "and mounts it" $alice "$NACRE" mount $pass "$TEST_TMP/home/v" "$TEST_TMP/m1"
holds "nothing to say about owners" sh -c '! grep -q owner=me "$1"' sh "$err"
holds "she writes" $alice sh -c 'echo hers >m1/hers && chmod 600 m1/hers'
fails "bob can't unmount it: 11" 11 "another user" $bob "$NACRE" umount "$TEST_TMP/m1"
works "she unmounts" $alice "$NACRE" umount "$TEST_TMP/m1"
chown "$b" home home/v
# shellcheck disable=SC2086
works "bob mounts it" $bob "$NACRE" mount $pass "$TEST_TMP/home/v" "$TEST_TMP/m2"
holds "and is told about owner=me" grep -q "uid $a, .*owner=me" "$err"
works "unmounts" $bob "$NACRE" umount "$TEST_TMP/m2"
# shellcheck disable=SC2086
works "mounts it with owner=me" $bob "$NACRE" mount -o owner=me $pass "$TEST_TMP/home/v" "$TEST_TMP/m2"
holds "nothing more to say" sh -c '! grep -q owner=me "$1"' sh "$err"
holds "reads and writes" $bob sh -c 'test "$(cat m2/hers)" = hers && echo his >m2/his'
works "unmounts" $bob "$NACRE" umount "$TEST_TMP/m2"
finish
