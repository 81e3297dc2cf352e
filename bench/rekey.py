#!/usr/bin/env python3
"""rekey.py [--size-gib N] [--folder DIR] [--rate SIZE]

Rotation of a mounted volume's keys: its speed beside that of plain writing in the same run, and what a load in the
mount loses by it. NACRE is the program.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20
PIECE = 64 << 10
LOAD_FILE_BYTES = 64 * MIB
ALONE_S = 10


class Load(threading.Thread):
    """Random reads of the large file and random writes to another, every sixteenth made durable."""

    def __init__(self, folder, size):
        super().__init__(daemon=True)
        self.folder, self.size = folder, size
        self.ops, self.ending = 0, False

    def run(self):
        rng = random.Random(1)
        piece = os.urandom(PIECE)
        large = os.open(os.path.join(self.folder, "large"), os.O_RDONLY)
        own = os.open(os.path.join(self.folder, "own"), os.O_RDWR | os.O_CREAT, 0o600)
        os.posix_fadvise(large, 0, 0, os.POSIX_FADV_RANDOM)
        while not self.ending:
            os.pread(large, PIECE, rng.randrange(self.size // PIECE) * PIECE)
            os.pwrite(own, piece, rng.randrange(LOAD_FILE_BYTES // PIECE) * PIECE)
            if self.ops % 16 == 0:
                os.fsync(own)
            self.ops += 1
        os.close(large)
        os.close(own)

    def rate_while(self, work):
        """Operations a second while `work` runs, and what that gives."""
        ops, begin = self.ops, time.monotonic()
        result = work()
        return (self.ops - ops) / (time.monotonic() - begin), result


def nacre(*args):
    return subprocess.run([os.environ["NACRE"], *args], check=True, stdout=subprocess.PIPE).stdout


def rekey(folder, *options):
    """MiB a second."""
    begin = time.monotonic()
    report = json.loads(nacre("rekey", "--json", *options, folder).splitlines()[-1])
    return report["rewritten_bytes"] / MIB / (time.monotonic() - begin)


def write_large(folder, size):
    """MiB a second, made durable."""
    noise = os.urandom(64 * MIB)
    begin = time.monotonic()
    with open(os.path.join(folder, "large"), "wb", buffering=0) as file:
        for _ in range(size // len(noise)):
            file.write(noise)
        os.fsync(file.fileno())
    return size / MIB / (time.monotonic() - begin)


def measure(args, scratch):
    volume, folder, passfile = (os.path.join(scratch, name) for name in ("v.nacre", "m", "pass"))
    os.mkdir(folder)
    with open(passfile, "w", encoding="ascii") as file:
        file.write("a bench needs no secret passphrase\n")
    nacre("create", "--passfile", passfile, "--kdf-memory", "32M", "--kdf-passes", "1", volume)
    nacre("mount", "--no-anchor", "--passfile", passfile, volume, folder)
    try:
        size = args.size_gib << 30
        write = write_large(folder, size)
        before = os.stat(volume).st_size
        idle = rekey(folder)
        load = Load(folder, size)
        load.start()
        alone, _ = load.rate_while(lambda: time.sleep(ALONE_S))
        beside, busy = load.rate_while(lambda: rekey(folder))
        gently, slow = load.rate_while(lambda: rekey(folder, "--rate", args.rate))
        load.ending = True
        load.join()
        grown = os.stat(volume).st_size
    finally:
        nacre("umount", folder)
    print("plain writing        %7.0f MiB/s" % write)
    print("rotation, idle       %7.0f MiB/s, %.2f of writing" % (idle, idle / write))
    print("load alone           %7.0f operations/s" % alone)
    print("rotation under load  %7.0f MiB/s, %.2f of writing; load %.0f/s, %.2f of alone" %
          (busy, busy / write, beside, beside / alone))
    print("the same, --rate %-4s%7.0f MiB/s; load %.0f/s, %.2f of alone" % (args.rate, slow, gently, gently / alone))
    print("container            %.2f of its size before" % (grown / before))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[2])
    parser.add_argument("--size-gib", type=int, default=4)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--rate", default="100M")
    args = parser.parse_args()
    scratch = tempfile.mkdtemp(prefix="nacre-rekey.", dir=args.folder)
    try:
        measure(args, scratch)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
