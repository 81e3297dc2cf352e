"""What is asked of the machine: mounts, caches, processes."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time

# A descendant may end while it is looked at: what a daemon starts for a moment.
GONE = (FileNotFoundError, ProcessLookupError)
DROP_CACHES = "/proc/sys/vm/drop_caches"
LOOK_S = 0.5  # at the processor, for what is withheld


def filesystem_of(path):
    """The type of the filesystem that a path is in."""
    device = os.stat(path).st_dev
    wanted = "%d:%d" % (os.major(device), os.minor(device))
    best, kind = "", "unknown"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            left, right = line.split(" - ", 1)
            place = left.split()[4].encode().decode("unicode_escape")
            inside = os.path.realpath(path).startswith(place.rstrip("/") + "/")
            if left.split()[2] == wanted and inside and len(place) >= len(best):
                best, kind = place, right.split()[0]
    return kind


def is_mounted(place):
    """As something of its own: what is mounted there last."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        return any(line.split()[4].encode().decode("unicode_escape") == place for line in mounts)


def settle(folder):
    """Nothing that was written before is written during what is measured next."""
    subprocess.run(["sync", "-f", folder], check=True)


def may_drop_caches():
    return os.access(DROP_CACHES, os.W_OK)


def forget(folder):
    """Files below a folder are no longer in the host's page cache; as root neither are names and inodes."""
    settle(folder)
    if may_drop_caches():
        with open(DROP_CACHES, "w", encoding="ascii") as drop:
            drop.write("3\n")
        return
    for root, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(root, name)
            if os.path.isfile(path) and not os.path.islink(path):
                fd = os.open(path, os.O_RDONLY)
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(fd)


def how_cold():
    """In words, for whoever reads the results."""
    if may_drop_caches():
        return "unmounted, the host's caches of pages, names and inodes dropped (drop_caches), mounted again"
    return "unmounted, the container's pages dropped (posix_fadvise), mounted again; the host still knows its names"


def raise_readahead(place, kib):
    """Of a mount, where that is permitted."""
    device = os.stat(place).st_dev
    path = "/sys/class/bdi/%d:%d/read_ahead_kb" % (os.major(device), os.minor(device))
    if os.access(path, os.W_OK):
        with open(path, "w", encoding="ascii") as limit:
            limit.write("%d\n" % kib)


def family(pid):
    """A process and its descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parents.setdefault(int(_stat(int(name))[1]), []).append(int(name))
            except GONE:
                continue
    found, left = [], [pid]
    while left:
        found.append(left.pop())
        left += parents.get(found[-1], [])
    return found


def _stat(pid):
    """The fields of stat(5) after the name."""
    with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as stat:
        return stat.read().rsplit(")", 1)[1].split()


def cpu_seconds(pid):
    """Of a process, its threads and its children, those that have ended included."""
    ticks = 0
    for one in family(pid):
        with contextlib.suppress(*GONE):
            ticks += sum(int(field) for field in _stat(one)[11:13])
    ended = sum(int(field) for field in _stat(pid)[13:15])
    return (ticks + ended) / os.sysconf("SC_CLK_TCK")


def reset_peak(pid):
    """VmHWM begins anew; not without root for a process that hides its memory: the key derivation is in it then."""
    for one in family(pid):
        with contextlib.suppress(PermissionError, *GONE):
            with open("/proc/%d/clear_refs" % one, "w", encoding="ascii") as refs:
                refs.write("5\n")


def memory_mib(pid, field):
    """VmRSS or VmHWM of a process and its children."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(*GONE), open("/proc/%d/status" % one, encoding="utf-8", errors="replace") as status:
            found = re.search(field + r":\s+(\d+) kB", status.read())
            total += int(found.group(1)) if found else 0  # one that has ended has no memory
    return total / 1024


def stored_bytes(folder):
    """What the files below a folder take of the host's storage."""
    out = subprocess.run(["du", "-s", "--block-size=1", folder], check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(out.split()[0])


def processor_ticks():
    """So far: what was done by all cores, and what a hypervisor withheld of what was to be done (steal in proc(5))."""
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq, steal = [int(field) for field in stat.readline().split()[1:9]]
    return user + nice + system + irq + softirq, steal


def withheld_since(before):
    """In percent of the processor time that was wanted."""
    after = processor_ticks()
    done, withheld = after[0] - before[0], after[1] - before[1]
    return 100 * withheld / (done + withheld) if done + withheld > 0 else 0.0


def withheld_now():
    """In percent, of two processes that wake each other: a core that never sleeps is seldom taken away."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            here.close()
            while there.send(there.recv(1)):
                pass
        finally:
            os._exit(0)  # whatever came: what is above in the stack is the parent's
    there.close()
    try:
        before, end = processor_ticks(), time.monotonic() + LOOK_S
        while time.monotonic() < end:
            here.send(b"x")
            here.recv(1)
        return withheld_since(before)
    finally:
        here.close()
        os.waitpid(child, 0)


def describe():
    """The machine, for the record."""
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as info:
        found = re.search(r"model name\s*:\s*(.*)", info.read())
    return {"processor": found.group(1) if found else "unknown", "cores": os.cpu_count(),
            "kernel": os.uname().release, "load_before": round(os.getloadavg()[0], 2),
            "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20}


def package_version(name):
    """Of Debian's package, if the program came from one."""
    if not shutil.which("dpkg-query"):
        return None
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, check=False)
    return found.stdout or None
