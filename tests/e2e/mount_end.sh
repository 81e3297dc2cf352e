#!/bin/sh
# However a mount ends, what was written is there afterwards; after a kill, what was fsynced.
. "$(dirname "$0")/mount_lib.sh"
on_failure=end_mounts # each check starts with nothing mounted
volume=$TEST_TMP/v.nacre
dir=$TEST_TMP/m
make_volume "$volume" || not_ok "create"

again() { mount_at "$volume" "$dir" "$@"; }
end_of() { wait_for gone "$1" && not mounted "$dir"; }

# ends NAME COMMAND...: write, end the mount by the command, and look after a remount.
ends() {
  ends_name=$1
  shift
  check "$ends_name" one_end "$@"
}

one_end() {
  again
  daemon=$(daemon_of "$dir")
  echo "$*" >"$dir/last"
  mkdir "$dir/$daemon"
  head -c 3000000 /dev/urandom >"$dir/$daemon/data"
  sum=$(cksum <"$dir/$daemon/data")
  "$@"
  end_of "$daemon"
  again
  [ "$(cat "$dir/last")" = "$*" ]
  [ "$(cksum <"$dir/$daemon/data")" = "$sum" ]
  unmount "$dir"
  not mounted "$dir"
}

terminate() { kill "-$1" "$(daemon_of "$dir")"; }

ends "nacre umount commits" unmount "$dir"
ends "fusermount3 -u commits" fusermount3 -u "$dir"
if [ "$(id -u)" -eq 0 ]; then
  ends "umount commits" umount "$dir"
else
  skip "umount commits" "only root may"
fi
for signal in TERM INT HUP; do
  ends "SIG$signal commits and unmounts" terminate $signal
done

busy_and_terminated() {
  again
  daemon=$(daemon_of "$dir")
  echo before >"$dir/busy"
  exec 7>>"$dir/busy"
  echo after >&7
  terminate TERM
  end_of "$daemon"
  not echo late 2>/dev/null >&7
  exec 7>&-
  again
  [ "$(cat "$dir/busy")" = "before
after" ]
  unmount "$dir"
}
check "SIGTERM ends a busy mount too" busy_and_terminated

mapped_and_terminated() {
  again
  daemon=$(daemon_of "$dir")
  python3 -c '
import mmap, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 100000)
area = mmap.mmap(fd, 0)
area[50000:50006] = b"mapped"
os.kill(int(sys.argv[2]), signal.SIGTERM)
import time
for _ in range(200):
    try:
        os.kill(int(sys.argv[2]), 0)
    except ProcessLookupError:
        break
    time.sleep(0.05)
os._exit(0)' "$dir/mapped" "$daemon"
  end_of "$daemon"
  again
  tail -c +50001 "$dir/mapped" | head -c 6 | grep -qx mapped
  unmount "$dir"
}
check "SIGTERM keeps what a living mapping wrote" mapped_and_terminated

# More than the kernel shows the process at once: it must ask for the rest before it goes.
much_mapped() {
  again
  daemon=$(daemon_of "$dir")
  python3 -c '
import mmap, os, signal, sys, time
pages = 25000
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, pages * 4096)
area = mmap.mmap(fd, 0)
for page in range(pages):
    area[page * 4096:page * 4096 + 4] = page.to_bytes(4, "big")
os.kill(int(sys.argv[2]), signal.SIGTERM)
while sys.argv[3] in open("/proc/self/mounts").read():
    time.sleep(0.05)
os._exit(0)' "$dir/much" "$daemon" "$dir"
  end_of "$daemon"
  again
  python3 -c '
import sys
with open(sys.argv[1], "rb") as file:
    pages = iter(lambda: file.read(4096), b"")
    lost = [n for n, page in enumerate(pages) if int.from_bytes(page[:4], "big") != n]
sys.exit(f"{len(lost)} pages lost, from page {lost[0]}" if lost else 0)' "$dir/much"
  rm "$dir/much"
  unmount "$dir"
}
check "SIGTERM keeps what is still to be written of a large living mapping" much_mapped

unmount_busy() {
  again
  exec 7>"$dir/open"
  refused=0
  unmount "$dir" 2>/dev/null || refused=$?
  [ $refused -eq 5 ]
  mounted "$dir"
  echo fine >&7
  exec 7>&-
  [ "$(cat "$dir/open")" = fine ]
  unmount "$dir"
}
check "a busy mount is refused and goes on" unmount_busy

# What df and others hold for a moment, and no /proc shows: an open folder on its way through a socket.
unmount_passing() {
  again
  python3 -c '
import os, socket, subprocess, sys, time
ends = socket.socketpair()
folder = os.open(sys.argv[2], os.O_PATH)
socket.send_fds(ends[0], [b"x"], [folder])
os.close(folder)
with subprocess.Popen([sys.argv[1], "umount", sys.argv[2]]) as unmount:
    time.sleep(0.5)
    for end in ends: # what is on its way goes with them, and is never a descriptor that /proc shows
        end.close()
    sys.exit(unmount.wait())' "$NACRE" "$dir"
  not mounted "$dir"
}
check "who is in a mount for a moment doesn't keep it from being unmounted" unmount_passing

killed() {
  again
  daemon=$(daemon_of "$dir")
  mkdir "$dir/safe"
  seq 1 100000 >"$dir/safe/numbers"
  python3 -c '
import os, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
os.fsync(folder)
fd = os.open(sys.argv[1] + "/later", os.O_WRONLY | os.O_CREAT)
os.write(fd, b"also safe")
os.fsync(fd)' "$dir/safe"
  kill -9 "$daemon"
  wait_for gone "$daemon"
  not stat "$dir/safe"
  fusermount3 -uz "$dir"
  again
  seq 1 100000 | cmp - "$dir/safe/numbers"
  [ "$(cat "$dir/safe/later")" = "also safe" ]
  unmount "$dir"
  "$NACRE" verify --passfile "$TEST_TMP/pass" "$volume"
}
check "after kill -9 what was fsynced is there, and the volume verifies" killed

# Names alone: fsync of the folder brings them there, and is a record in the log as long as the clock does not commit.
folder_synced() {
  again
  daemon=$(daemon_of "$dir")
  python3 -c '
import json, os, subprocess, sys
nacre, folder = sys.argv[1:]
fd, seen = os.open(folder, os.O_RDONLY), []
for number in range(12):
    os.close(os.open("%s/new%d" % (folder, number), os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.rename("%s/new%d" % (folder, number), "%s/named%d" % (folder, number))
    os.fsync(fd)
    status = json.loads(subprocess.check_output([nacre, "status", "--json", folder]))
    seen.append([mount for mount in status["mounts"] if mount["dir"] == folder][0]["generation"])
assert len(set(seen)) < len(seen) / 2, seen' "$NACRE" "$dir"
  kill -9 "$daemon"
  wait_for gone "$daemon"
  fusermount3 -uz "$dir"
  again
  [ "$(find "$dir" -name "named*" | wc -l)" -eq 12 ]
  not stat "$dir/new0"
  unmount "$dir"
  "$NACRE" verify --passfile "$TEST_TMP/pass" "$volume"
}
check "fsync of a folder makes its names durable, without a commit each time" folder_synced

# After each the process dies at once: nothing but the call itself can have made it durable.
killed_after() {
  end_how=$1
  shift
  again -o "$end_how"
  daemon=$(daemon_of "$dir")
  "$@"
  kill -9 "$daemon"
  wait_for gone "$daemon"
  fusermount3 -uz "$dir"
}
write_with() {
  python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_CREAT | eval(sys.argv[2], vars(os)), 0o600)
os.write(fd, b"durable")
os._exit(0)' "$dir/$1" "$2"
}
make_names() { mkdir "$dir/made" && mv "$dir/by-write" "$dir/moved" && ln "$dir/moved" "$dir/linked" && rm "$dir/by-open"; }
synchronous() {
  killed_after rw write_with by-open "O_WRONLY | O_SYNC"
  killed_after rw write_with by-dsync "O_RDWR | O_DSYNC"
  killed_after sync write_with by-write O_WRONLY
  killed_after dirsync make_names
  again
  for sync_name in by-dsync moved linked; do
    [ "$(cat "$dir/$sync_name")" = durable ]
  done
  [ -d "$dir/made" ]
  [ ! -e "$dir/by-open" ]
  [ ! -e "$dir/by-write" ]
  rm -r "$dir/made" "$dir/moved" "$dir/linked" "$dir/by-dsync"
  unmount "$dir"
}
check "after kill -9 what O_SYNC, -o sync and -o dirsync made durable is there" synchronous

killed_at_work() {
  again
  daemon=$(daemon_of "$dir")
  mkdir "$dir/work"
  (
    n=0
    while mkdir "$dir/work/$n" && echo "$n" >"$dir/work/$n/f" && sync -f "$dir/work/$n/f"; do
      n=$((n + 1))
    done
  ) 2>/dev/null &
  worker=$!
  sleep 1.5
  kill -9 "$daemon"
  wait $worker
  fusermount3 -uz "$dir"
  again
  for found in "$dir"/work/*; do
    [ ! -s "$found/f" ] || [ "$(cat "$found/f")" = "${found##*/}" ]
  done
  unmount "$dir"
  "$NACRE" verify --passfile "$TEST_TMP/pass" "$volume"
}
check "after kill -9 in the midst of work the volume opens and verifies" killed_at_work

# A machine that is slow may find the mount idle before the file is open in it: then again.
idle_open() {
  mounted "$dir" || again --idle 1
  command exec 7<"$dir/idle"
}
idle() {
  again
  echo "there before" >"$dir/idle"
  unmount "$dir"
  wait_for idle_open
  daemon=$(daemon_of "$dir")
  sleep 2.5
  mounted "$dir"
  echo "still here" >"$dir/idle"
  exec 7<&-
  end_of "$daemon"
  again
  [ "$(cat "$dir/idle")" = "still here" ]
  unmount "$dir"
}
check "--idle waits for the last open file, then unmounts" idle

no_traces() {
  "$NACRE" status >"$TEST_TMP/list"
  not grep -F "$dir" "$TEST_TMP/list"
  again
  daemon=$(daemon_of "$dir")
  kill -9 "$daemon"
  wait_for gone "$daemon"
  "$NACRE" status >"$TEST_TMP/list"
  not grep -F "$dir" "$TEST_TMP/list"
  fusermount3 -uz "$dir"
}
check "a killed mount is not in the status" no_traces

finish
