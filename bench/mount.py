#!/usr/bin/env python3
"""Measure a real mount, and print a table and a line of JSON.

The daemon starts anew before everything that is called cold, and the host forgets what it has of the container.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20
TREES = ["/usr/include", "/usr/share", "/usr/lib/python3"]
MEMORY_LIMIT = 200 * MIB


class Results:
    """Values of all rounds, by what was measured."""

    def __init__(self):
        self.values = {}
        self.failed = []

    def add(self, what, unit, value):
        self.values.setdefault((what, unit), []).append(value)
        print("  %-58s %12.1f %s" % (what, value, unit), flush=True)

    def expect(self, what, good):
        print("  %-58s %s" % (what, "yes" if good else "NO"), flush=True)
        if not good:
            self.failed.append(what)

    def show(self):
        print("%-60s %12s %12s %12s" % ("mount", "median", "least", "most"))
        lines = []
        for (what, unit), values in self.values.items():
            median = statistics.median(values)
            print("  %-58s %12.1f %12.1f %12.1f %s" % (what, median, min(values), max(values), unit))
            lines.append({"what": what, "unit": unit, "median": round(median, 3), "least": round(min(values), 3),
                          "most": round(max(values), 3), "rounds": len(values)})
        print(json.dumps({"bench": "mount", "results": lines, "failed": self.failed}))


class Volume:
    """A new container, mounted."""

    def __init__(self, nacre, folder):
        self.nacre = nacre
        self.folder = folder
        self.container = os.path.join(folder, "bench.nacre")
        self.mount_point = os.path.join(folder, "mnt")
        self.key = os.path.join(folder, "key")
        os.makedirs(self.mount_point, exist_ok=True)
        runtime = os.path.join(folder, "run")
        os.makedirs(runtime, mode=0o700, exist_ok=True)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=runtime, XDG_STATE_HOME=runtime)
        self.mounted = False

    def run(self, *words):
        return subprocess.run([self.nacre, *words], env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def create(self):
        with open(self.key, "wb") as key:
            key.write(os.urandom(64))
        if os.path.exists(self.container):
            os.unlink(self.container)
        # The least that is allowed, so that the daemon's memory is not the key derivation's.
        self.run("create", self.container, "--size", "64G", "--new-key-file", self.key, "--kdf-memory", "32M",
                 "--kdf-passes", "1")
        self.mount()

    def mount(self):
        self.run("mount", self.container, self.mount_point, "--key-file", self.key)
        self.mounted = True

    def umount(self):
        if self.mounted:
            self.run("umount", self.mount_point)
            self.mounted = False

    def cold(self):
        self.umount()
        forget(self.container)
        self.mount()

    def sync(self):
        self.run("sync", self.mount_point)

    def pid(self):
        return int(re.search(r"pid (\d+)", self.run("status", self.mount_point)).group(1))

    def used_bytes(self):
        """Settled: freed space is given back by later commits."""
        for _ in range(3):
            with open(os.path.join(self.mount_point, ".touch"), "w", encoding="ascii") as touch:
                touch.write("x")
            self.sync()
        os.unlink(os.path.join(self.mount_point, ".touch"))
        self.sync()
        st = os.statvfs(self.mount_point)
        return (st.f_blocks - st.f_bfree) * st.f_frsize

    def path(self, name):
        return os.path.join(self.mount_point, name)


def forget(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def timed(function, *args):
    started = time.monotonic()
    function(*args)
    return time.monotonic() - started


def fio(folder, name, *options):
    job = ["fio", "--name=" + name, "--filename=" + os.path.join(folder, name), "--output-format=json",
           "--ioengine=psync", "--fallocate=none", *options]
    report = json.loads(subprocess.run(job, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return report["jobs"][0]


# ---- Large files ----

def sequential(results, label, folder, mib, make_cold):
    size = "--size=%dM" % mib
    job = fio(folder, "large", "--rw=write", "--bs=1M", "--end_fsync=1", size)
    results.add(label + "write in order, then fsync", "MiB/s", mib / (job["job_runtime"] / 1000))
    make_cold()
    job = fio(folder, "large", "--rw=read", "--bs=1M", "--invalidate=0", size)
    results.add(label + "read in order, cold", "MiB/s", job["read"]["bw_bytes"] / MIB)


def scattered(results, volume, mib, seconds):
    size = "--size=%dM" % mib
    limit = ["--time_based", "--runtime=%d" % seconds]
    volume.cold()
    job = fio(volume.mount_point, "large", "--rw=randread", "--bs=4k", "--invalidate=0", size, *limit)
    results.add("read 4 KiB at random", "thousand/s", job["read"]["iops"] / 1000)
    job = fio(volume.mount_point, "large", "--rw=randwrite", "--bs=4k", "--end_fsync=1", size, *limit)
    results.add("write 4 KiB at random, then fsync", "thousand/s",
                job["write"]["total_ios"] / (job["job_runtime"] / 1000) / 1000)


# ---- Small files ----

def create_files(folder, count, data):
    for i in range(count):
        if i % 1000 == 0:
            os.mkdir(os.path.join(folder, "folder%d" % (i // 1000)))
        fd = os.open(small_path(folder, i), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        os.close(fd)


def small_path(folder, i):
    return os.path.join(folder, "folder%d" % (i // 1000), "file%d" % i)


def list_files(folder):
    for root in os.scandir(folder):
        for entry in os.scandir(root.path):
            entry.stat()


def read_files(folder, count):
    for i in range(count):
        fd = os.open(small_path(folder, i), os.O_RDONLY)
        os.read(fd, 8192)
        os.close(fd)


def small_files(results, volume, count):
    folder = volume.path("small")
    os.mkdir(folder)
    took = timed(create_files, folder, count, os.urandom(4096))
    results.add("files of 4 KiB: create and write", "files/s", count / took)
    results.add("files of 4 KiB: ... with a sync behind it", "files/s", count / (took + timed(volume.sync)))
    volume.cold()
    results.add("files of 4 KiB: list and stat, cold", "files/s", count / timed(list_files, folder))
    volume.cold()
    results.add("files of 4 KiB: read, cold", "files/s", count / timed(read_files, folder, count))
    results.add("files of 4 KiB: delete", "files/s", count / timed(shutil.rmtree, folder))
    volume.sync()


def untar(results, volume, archive, count):
    folder = volume.path("untarred")
    os.mkdir(folder)
    took = timed(subprocess.check_call, ["tar", "-xf", archive, "-C", folder]) + timed(volume.sync)
    results.add("untar a source tree, then sync", "files/s", count / took)
    results.add("untar a source tree, then sync", "MiB/s", os.path.getsize(archive) / MIB / took)
    shutil.rmtree(folder)


# ---- Memory ----

class MemoryWatch(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.most = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, status_bytes(self.pid, "VmRSS"))


def status_bytes(pid, field):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return int(re.search(field + r":\s+(\d+) kB", status.read()).group(1)) * 1024


def memory(results, volume, gib):
    volume.cold()
    watch = MemoryWatch(volume.pid())
    watch.start()
    source = os.path.join(volume.folder, "source")
    with open(source, "wb") as out:
        for _ in range(gib * 16):
            out.write(os.urandom(4 * MIB) * 16)
    back = os.path.join(volume.folder, "back")
    subprocess.check_call(["cp", source, volume.path("copied")])
    volume.sync()
    subprocess.check_call(["cp", volume.path("copied"), back])
    watch.done.set()
    watch.join()
    results.add("daemon's memory while %d GiB go in and out" % gib, "MiB", watch.most / MIB)
    results.add("... at most since it started, key derivation included", "MiB",
                status_bytes(watch.pid, "VmHWM") / MIB)
    results.expect("... is below %d MiB" % (MEMORY_LIMIT / MIB), watch.most < MEMORY_LIMIT)
    same = subprocess.call(["cmp", "-s", source, back]) == 0
    results.expect("... and what came out is what went in", same)
    for path in source, back, volume.path("copied"):
        os.unlink(path)


# ---- Overhead ----

def tree_size(top):
    """Bytes of regular files, each once, and how many things there are."""
    seen, size, count = set(), 0, 0
    for root, folders, files in os.walk(top):
        count += len(folders) + len(files)
        for name in files:
            st = os.lstat(os.path.join(root, name))
            if os.path.islink(os.path.join(root, name)) or (st.st_dev, st.st_ino) in seen:
                continue
            seen.add((st.st_dev, st.st_ino))
            size += st.st_size
    return size, count


def overhead(results, volume, mib):
    before = volume.used_bytes()
    tree = volume.path("tree")
    os.mkdir(tree)
    for source in TREES:
        if os.path.isdir(source):
            subprocess.check_call(["cp", "-a", source, os.path.join(tree, source.strip("/").replace("/", "-"))])
    size, count = tree_size(tree)
    share = (volume.used_bytes() - before - size) / size * 100
    results.add("real tree: things in it", "thousand", count / 1000)
    results.add("real tree: its own size", "MiB", size / MIB)
    results.add("real tree: what the container needs beyond that", "%", share)
    results.expect("... is below 8 %", share < 8)
    shutil.rmtree(tree)
    before = volume.used_bytes()
    fio(volume.mount_point, "solid", "--rw=write", "--bs=1M", "--end_fsync=1", "--size=%dM" % mib)
    share = (volume.used_bytes() - before - mib * MIB) / (mib * MIB) * 100
    results.add("large file: what the container needs beyond its size", "%", share)
    results.expect("... is below 1 %", share < 1)
    os.unlink(volume.path("solid"))


def make_archive(folder):
    """Of what looks like sources."""
    archive = os.path.join(folder, "sources.tar")
    subprocess.check_call(["tar", "-cf", archive, "-C", "/usr", "include", "lib/python3"], stderr=subprocess.DEVNULL)
    listing = subprocess.run(["tar", "-tf", archive], check=True, stdout=subprocess.PIPE, text=True).stdout
    return archive, listing.count("\n")


def measure(args, results, volume, folder):
    archive, archived = make_archive(folder) if "small" in args.parts else (None, 0)
    host = os.path.join(folder, "host")
    os.makedirs(host, exist_ok=True)
    for _ in range(args.rounds):
        volume.create()
        if "large" in args.parts:
            sequential(results, "host's folder: ", host, args.large_mib, lambda: forget(os.path.join(host, "large")))
            sequential(results, "", volume.mount_point, args.large_mib, volume.cold)
            scattered(results, volume, args.large_mib, args.seconds)
        if "small" in args.parts:
            small_files(results, volume, args.files)
            untar(results, volume, archive, archived)
        volume.umount()
    volume.create()
    if "memory" in args.parts:
        memory(results, volume, args.memory_gib)
    if "overhead" in args.parts:
        overhead(results, volume, args.large_mib)
    volume.umount()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large-mib", type=int, default=2048)
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--seconds", type=int, default=8, help="of each job with random access")
    parser.add_argument("--memory-gib", type=int, default=4)
    parser.add_argument("--folder", default=os.environ.get("NACRE_BENCH_DIR", "/var/tmp"), help="where to work")
    parser.add_argument("--parts", default="large,small,memory,overhead", type=lambda text: text.split(","))
    return parser.parse_args()


def main():
    args = parse()
    nacre = os.environ.get("NACRE") or shutil.which("nacre")
    if not nacre or not os.path.exists("/dev/fuse") or not shutil.which("fio"):
        print("mount: needs nacre ($NACRE), /dev/fuse and fio; skipped")
        return 0
    results = Results()
    folder = tempfile.mkdtemp(prefix="nacre-bench-", dir=args.folder)
    volume = Volume(os.path.abspath(nacre), folder)
    try:
        measure(args, results, volume, folder)
    finally:
        volume.umount()
        shutil.rmtree(folder)
    results.show()
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
