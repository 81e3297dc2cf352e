"""Steps of large.sh: each makes or checks one large thing in a mount, and fails by an exception."""
import ctypes
import os
import random
import subprocess
import sys
import threading
import time

TIB = 1 << 40
MIB = 1 << 20
PIECE = 4096
LISTERS = 3
PATIENCE_S = 120
LIBC = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE = 1, 2


def same(got, wanted, what):
    assert got == wanted, "%s: %r, not %r" % (what, got, wanted)


def piece(number):
    return (number + 1).to_bytes(8, "little") * (PIECE // 8)


# ---- A folder of many names ----


def name(number):
    return "a name of some length %08d" % number


def names_make(folder, count):
    os.mkdir(folder)
    for i in range(int(count)):
        os.close(os.open(os.path.join(folder, name(i)), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))


def names_change(folder, stop):
    i = 0
    while not stop.is_set():
        path = os.path.join(folder, "passing %d" % (i % 100))
        if i // 100 % 2 == 0:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
        else:
            os.unlink(path)
        i += 1
    for entry in os.listdir(folder):
        if entry.startswith("passing"):
            os.unlink(os.path.join(folder, entry))


def names_list(folder, count):
    """Several lists at once, and other names come and go: who stays is in each list once."""
    wanted = sorted(name(i) for i in range(int(count)))
    found = [[] for _ in range(LISTERS)]

    def read(into):
        into.extend(entry.name for entry in os.scandir(folder) if not entry.name.startswith("passing"))

    stop = threading.Event()
    changer = threading.Thread(target=names_change, args=(folder, stop))
    readers = [threading.Thread(target=read, args=(into,)) for into in found]
    for thread in [changer] + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    changer.join()
    for got in found:
        same(len(got), len(wanted), "names listed")
        assert sorted(got) == wanted, "a name is missing or comes twice"


def names_look(folder, count):
    for i in random.Random(1).sample(range(int(count)), 1000):
        os.stat(os.path.join(folder, name(i)))


def names_remove(folder, count):
    for i in range(int(count)):
        os.unlink(os.path.join(folder, name(i)))
    same(os.listdir(folder), [], "what is left")
    os.rmdir(folder)


# ---- A sparse file ----


def places():
    """Where pieces are: scattered, two side by side, the first and the very last."""
    some = random.Random(2).sample(range(2, TIB // PIECE - 1), 300)
    return sorted([0, some[0] - 1, TIB // PIECE - 1] + some)


def segments(path):
    """The data in it, as the filesystem tells it: lists of pieces' numbers."""
    found = []
    fd = os.open(path, os.O_RDONLY)
    end = os.fstat(fd).st_size
    at = 0
    while at < end:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, start, os.SEEK_HOLE)
        # A chunk is the least that can be a hole.
        found.extend(range(start // PIECE, (at + PIECE - 1) // PIECE))
    os.close(fd)
    return found


def sparse_expect(path, size, numbers):
    same(os.stat(path).st_size, size, "size")
    same(os.stat(path).st_blocks * 512, len(numbers) * PIECE, "bytes allocated")
    same(segments(path), numbers, "data")
    fd = os.open(path, os.O_RDONLY)
    for i, number in enumerate(numbers):
        same(os.pread(fd, PIECE, number * PIECE), piece(number), "piece")
        after = number + 1
        if after * PIECE < size and (i + 1 == len(numbers) or numbers[i + 1] != after):
            same(os.pread(fd, 16 * PIECE, after * PIECE)[:PIECE], bytes(min(PIECE, size - after * PIECE)), "hole")
    os.close(fd)


def sparse_make(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(fd, TIB)
    for number in random.Random(3).sample(places(), len(places())):
        os.pwrite(fd, piece(number), number * PIECE)
    os.fsync(fd)
    os.close(fd)
    sparse_check(path)


def sparse_check(path):
    sparse_expect(path, TIB, places())


def sparse_copy(path):
    subprocess.run(["cp", "--sparse=auto", path, path + " copy"], check=True)
    sparse_check(path + " copy")
    os.unlink(path + " copy")


def sparse_cut(path):
    fd = os.open(path, os.O_RDWR)
    if LIBC.fallocate(fd, KEEP_SIZE | PUNCH_HOLE, ctypes.c_int64(TIB // 4), ctypes.c_int64(TIB // 2)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")
    quarter = TIB // 4 // PIECE
    rest = [n for n in places() if n < quarter or n >= 3 * quarter]
    sparse_expect(path, TIB, rest)
    os.ftruncate(fd, TIB // 4 - 5)
    rest = [n for n in rest if n < quarter]
    sparse_expect(path, TIB // 4 - 5, rest)
    os.ftruncate(fd, 100)
    os.ftruncate(fd, TIB)
    os.fsync(fd)
    same(os.pread(fd, 2 * PIECE, 0), piece(0)[:100] + bytes(2 * PIECE - 100), "the start that was kept")
    same(os.pread(fd, PIECE, TIB - PIECE), bytes(PIECE), "the end that was cut off")
    os.close(fd)


# ---- A file of many extents ----


def extents_make(path, count):
    """Every other chunk, in an order of chance, so that no two are side by side in the file or were written so."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    for i in random.Random(4).sample(range(int(count)), int(count)):
        os.pwrite(fd, piece(2 * i + 1), (2 * i + 1) * PIECE)
    os.fsync(fd)
    os.close(fd)


def extents_check(path, count):
    same(os.stat(path).st_size, 2 * int(count) * PIECE, "size")
    same(os.stat(path).st_blocks * 512, int(count) * PIECE, "bytes allocated")
    at = 0
    with open(path, "rb", buffering=0) as file:
        while True:
            got = file.read(MIB)
            if not got:
                break
            first = at // PIECE
            wanted = b"".join(piece(n) if n % 2 else bytes(PIECE) for n in range(first, first + len(got) // PIECE))
            assert got == wanted, "what was read at %d is another" % at
            at += len(got)
        for i in random.Random(5).sample(range(int(count)), 1000):
            same(os.pread(file.fileno(), PIECE, (2 * i + 1) * PIECE), piece(2 * i + 1), "piece")
    same(at, 2 * int(count) * PIECE, "bytes read")


def extents_cut(path, count):
    half = int(count) // 2
    os.truncate(path, 2 * half * PIECE)
    extents_check(path, half)


def extents_remove(path):
    folder = os.path.dirname(path)
    before = os.statvfs(folder)
    taken = os.stat(path).st_blocks * 512
    os.unlink(path)
    # It is deleted when the kernel has forgotten it, which nobody waits for.
    gained = 0
    for _ in range(PATIENCE_S * 10):
        gained = (os.statvfs(folder).f_bfree - before.f_bfree) * before.f_frsize
        if gained >= taken:
            return
        time.sleep(0.1)
    raise AssertionError("%d bytes came free of %d" % (gained, taken))


STEPS = {f.__name__: f for f in (names_make, names_list, names_look, names_remove, sparse_make, sparse_check, sparse_copy,
                                 sparse_cut, extents_make, extents_check, extents_cut, extents_remove)}

if __name__ == "__main__":
    STEPS[sys.argv[1]](*sys.argv[2:])
