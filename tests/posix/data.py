"""Data of files: holes, every mode of fallocate, O_DIRECT, O_APPEND, copy_file_range, vectors and ends of files."""

import errno
import mmap
import os
import random

from mount_harness import check, fails, get, put, same
from rules import (COLLAPSE_RANGE, INSERT_RANGE, KEEP_SIZE, PUNCH_HOLE, UNSHARE_RANGE, ZERO_RANGE, Cases,
                   fallocate, only_nacre, outcome, touch)

BLOCK = 65536  # holes of this size and alignment show, whatever the size of chunks


def map_of(fd):
    """Pieces of data and holes by SEEK_DATA and SEEK_HOLE, as triples: data, begin, end."""
    end, at, pieces = os.fstat(fd).st_size, 0, []
    while at < end:
        try:
            data = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            same(error.errno, errno.ENXIO)
            data = end
        if data > at:
            pieces.append((False, at, data))
        if data < end:
            at = os.lseek(fd, data, os.SEEK_HOLE)
            pieces.append((True, data, at))
        else:
            at = end
    return pieces


@check
def maps_of_holes():
    """SEEK_DATA and SEEK_HOLE walk through every pattern of eight blocks, before and after fsync"""
    cases = Cases()
    for pattern in range(256):
        fd = os.open("f", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        wanted = []
        for block in range(8):
            filled = bool(pattern >> block & 1)
            if filled:
                os.pwrite(fd, bytes([block + 1]) * BLOCK, block * BLOCK)
            if wanted and wanted[-1][0] == filled:
                wanted[-1] = (filled, wanted[-1][1], (block + 1) * BLOCK)
            else:
                wanted.append((filled, block * BLOCK, (block + 1) * BLOCK))
        os.ftruncate(fd, 8 * BLOCK)
        cases.expect("%02x" % pattern, map_of(fd), wanted)
        if pattern % 16 == 5:
            os.fsync(fd)
            cases.expect("%02x on disk" % pattern, map_of(fd), wanted)
        os.close(fd)
    cases.done()


@check
def seeks():
    """SEEK_DATA and SEEK_HOLE inside of pieces, at ends and behind them"""
    cases = Cases()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    cases.expect("data of nothing", outcome(os.lseek, fd, 0, os.SEEK_DATA), "ENXIO")
    cases.expect("hole of nothing", outcome(os.lseek, fd, 0, os.SEEK_HOLE), "ENXIO")
    os.pwrite(fd, b"x" * 10, BLOCK)
    cases.expect("inside a hole", os.lseek(fd, 5, os.SEEK_HOLE), 5)
    cases.expect("inside data", os.lseek(fd, BLOCK + 5, os.SEEK_DATA), BLOCK + 5)
    cases.expect("the hole at the end", os.lseek(fd, BLOCK + 5, os.SEEK_HOLE), BLOCK + 10)
    cases.expect("data at the end", outcome(os.lseek, fd, BLOCK + 10, os.SEEK_DATA), "ENXIO")
    cases.expect("hole at the end", outcome(os.lseek, fd, BLOCK + 10, os.SEEK_HOLE), "ENXIO")
    cases.expect("negative", outcome(os.lseek, fd, -1, os.SEEK_DATA) in ("ENXIO", "EINVAL"), True)
    cases.expect("position", os.lseek(fd, 0, os.SEEK_CUR), BLOCK + 10)
    os.close(fd)
    cases.done()


class Plain:
    """What a file should hold."""

    def __init__(self, data=b""):
        self.data = bytearray(data)

    def grow(self, size):
        self.data += bytes(max(0, size - len(self.data)))

    def clear(self, offset, length, keep):
        if not keep:
            self.grow(offset + length)
        end = min(offset + length, len(self.data))
        if end > offset:
            self.data[offset:end] = bytes(end - offset)


@check
def fallocate_everywhere():
    """allocating, punching and zeroing at all kinds of offsets change what they should and nothing else"""
    cases = Cases()
    edges = (0, 1, 100, 4095, 4096, 4097, 16383, 16384, 16385, 65536, 99999, 100000, 100001, 150000)
    full = random.Random(3).randbytes(100000)
    for mode in (0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE):
        for begin in edges:
            for end in edges:
                if end <= begin:
                    continue
                put("f", full)
                plain = Plain(full)
                fd = os.open("f", os.O_RDWR)
                fallocate(fd, mode, begin, end - begin)
                if mode & (PUNCH_HOLE | ZERO_RANGE):
                    plain.clear(begin, end - begin, mode & KEEP_SIZE)
                elif not mode & KEEP_SIZE:
                    plain.grow(end)
                says = "mode %d, %d to %d" % (mode, begin, end)
                cases.expect(says, os.fstat(fd).st_size, len(plain.data))
                cases.expect(says + " data", os.pread(fd, 200000, 0) == plain.data, True)
                os.ftruncate(fd, 200000)
                cases.expect(says + " and behind", os.pread(fd, 100000, 100000) == (plain.data + bytes(100000))[
                    100000:200000], True)
                os.close(fd)
    cases.done()


@check
def fallocate_refused():
    """modes of fallocate that make no sense, or that there are none of, change nothing"""
    cases = Cases()
    put("f", b"data" * 5000)
    fd = os.open("f", os.O_RDWR)
    for what, mode in (("PUNCH_HOLE alone", PUNCH_HOLE), ("unknown", 0x4000),
                       ("both", PUNCH_HOLE | ZERO_RANGE | KEEP_SIZE),
                       ("COLLAPSE_RANGE that keeps the size", COLLAPSE_RANGE | KEEP_SIZE)):
        cases.expect(what, outcome(fallocate, fd, mode, 0, 4096) in ("EINVAL", "ENOTSUP"), True)
    for mode in (0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE):
        cases.expect("nothing, %d" % mode, outcome(fallocate, fd, mode, 0, 0), "EINVAL")
        cases.expect("negative, %d" % mode, outcome(fallocate, fd, mode, -1, 5), "EINVAL")
        cases.expect("negative length, %d" % mode, outcome(fallocate, fd, mode, 5, -1), "EINVAL")
        cases.expect("too far, %d" % mode, outcome(fallocate, fd, mode, 2**63 - 5, 10), "EFBIG")
    cases.expect("unharmed", get("f") == b"data" * 5000, True)
    os.close(fd)
    cases.done()


@check
def collapse_and_insert():
    """COLLAPSE_RANGE, INSERT_RANGE and UNSHARE_RANGE are refused, and change nothing"""
    only_nacre("ext4 has the first two")
    put("f", b"data" * 50000)
    fd = os.open("f", os.O_RDWR)
    for mode in (COLLAPSE_RANGE, INSERT_RANGE, UNSHARE_RANGE):
        fails(errno.EOPNOTSUPP, fallocate, fd, mode, 65536, 65536)
    assert get("f") == b"data" * 50000
    os.close(fd)


@check
def room_of_holes():
    """blocks are counted: none for holes, those of the data, fewer after a punch, more after fallocate"""
    cases = Cases()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)

    def blocks():
        os.fsync(fd)
        return os.fstat(fd).st_blocks * 512

    os.ftruncate(fd, 2**40)
    cases.expect("a hole", blocks(), 0)
    os.pwrite(fd, os.urandom(16 * BLOCK), 2**39)
    cases.expect("data", 16 * BLOCK <= blocks() <= 17 * BLOCK, True)
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 2**39 + BLOCK, 10 * BLOCK)
    cases.expect("punched", 6 * BLOCK <= blocks() <= 7 * BLOCK, True)
    cases.expect("around", (os.pread(fd, 1, 2**39 + BLOCK - 1) != b"", os.pread(fd, 9, 2**39 + BLOCK)),
                 (True, bytes(9)))
    os.ftruncate(fd, 2**39)
    cases.expect("cut", blocks(), 0)
    os.close(fd)
    cases.done()


@check
def direct():
    """O_DIRECT reads and writes aligned pieces, beside cached descriptors and past the end"""
    cases = Cases()
    area = mmap.mmap(-1, 4 * BLOCK)
    plain = Plain(random.Random(1).randbytes(5 * BLOCK + 100))
    put("f", bytes(plain.data))
    fd, cached = os.open("f", os.O_RDWR | os.O_DIRECT), os.open("f", os.O_RDWR)
    for step in range(60):
        dice = random.Random(step)
        offset, size = dice.randrange(12) * 32768, dice.choice((4096, 16384, BLOCK))
        if step % 3 == 0:
            area[:size] = dice.randbytes(size)
            cases.expect("write", os.pwritev(fd, [memoryview(area)[:size]], offset), size)
            plain.grow(offset + size)
            plain.data[offset:offset + size] = area[:size]
        elif step % 3 == 1:
            os.pwrite(cached, bytes([step]) * size, offset + 7)
            plain.grow(offset + 7 + size)
            plain.data[offset + 7:offset + 7 + size] = bytes([step]) * size
        got = os.preadv(fd, [area], offset)
        cases.expect("read", bytes(area[:got]) == plain.data[offset:offset + 4 * BLOCK], True)
        cases.expect("cached read", os.pread(cached, 4 * BLOCK, offset) == plain.data[offset:offset + 4 * BLOCK], True)
    cases.expect("behind the end", os.preadv(fd, [area], 32 * BLOCK), 0)
    cases.expect("size", os.fstat(fd).st_size, len(plain.data))
    os.close(cached)
    os.close(fd)
    cases.done()


@check
def direct_unaligned():
    """O_DIRECT with odd offsets and sizes either works or is EINVAL, and never writes half"""
    put("f", b"a" * BLOCK)
    fd = os.open("f", os.O_RDWR | os.O_DIRECT)
    area = mmap.mmap(-1, BLOCK)
    area[:100] = b"b" * 100
    wrote = outcome(os.pwritev, fd, [memoryview(area)[:100]], 7)
    assert wrote in ("ok", "EINVAL")
    same(get("f"), b"a" * 7 + b"b" * 100 + b"a" * (BLOCK - 107) if wrote == "ok" else b"a" * BLOCK)
    if wrote == "ok":
        same(os.preadv(fd, [memoryview(area)[:9]], 5), 9)
        same(area[:9], b"aabbbbbbb")
    os.close(fd)


@check
def append_from_everywhere():
    """O_APPEND writes of several processes, kinds and sizes lie one behind the other, whole"""
    touch("f")
    children = []
    sizes = (1, 17, 4096, 70000)
    for who in range(4):
        child = os.fork()
        if child == 0:
            fd = os.open("f", os.O_APPEND | (os.O_WRONLY if who % 2 else os.O_RDWR))
            for turn in range(60):
                os.writev(fd, [b"<%d,%03d>" % (who, turn), bytes([65 + who]) * sizes[turn % 4], b"\n"])
            os._exit(0)
        children.append(child)
    for child in children:
        same(os.waitpid(child, 0)[1], 0)
    lines = get("f").split(b"\n")
    seen = {who: [] for who in range(4)}
    for line in lines[:-1]:
        who, turn = int(line[1:2]), int(line[3:6])
        seen[who].append(turn)
        assert line[7:] == bytes([65 + who]) * sizes[turn % 4], "a piece is torn: %r" % line[:30]
    same(seen, {who: list(range(60)) for who in range(4)})


@check
def append_and_positions():
    """O_APPEND moves the position to the end; pwrite appends too, as Linux does; truncation in between counts"""
    put("f", b"0123")
    fd = os.open("f", os.O_RDWR | os.O_APPEND)
    same(os.lseek(fd, 0, os.SEEK_CUR), 0)
    os.write(fd, b"45")
    same(os.lseek(fd, 0, os.SEEK_CUR), 6)
    os.pwrite(fd, b"67", 0)
    same(get("f"), b"01234567")
    os.truncate("f", 2)
    os.write(fd, b"x")
    other = os.open("f", os.O_WRONLY)
    os.pwrite(other, b"yz", 5)
    os.close(other)
    os.write(fd, b"!")
    same(get("f"), b"01x\0\0yz!")
    os.close(fd)


@check
def copies():
    """copy_file_range copies whole files, ranges, holes and within a file, and says what it can't"""
    cases = Cases()
    data = random.Random(9).randbytes(300000)
    put("a", data)
    source = os.open("a", os.O_RDONLY)
    target = os.open("b", os.O_RDWR | os.O_CREAT)
    done = 0
    while done < len(data):
        done += os.copy_file_range(source, target, len(data) - done, done, done)
    cases.expect("whole", get("b") == data, True)
    cases.expect("at the end", os.copy_file_range(source, target, 100, 300000, 0), 0)
    cases.expect("near the end", os.copy_file_range(source, target, 100, 299990, 5), 10)
    cases.expect("there", os.pread(target, 20, 0), data[:5] + data[-10:] + data[15:20])
    cases.expect("behind the end", os.copy_file_range(source, target, 50, 0, 400000), 50)
    cases.expect("a gap", os.pread(target, 100051, 300000), bytes(100000) + data[:50])
    cases.expect("within", os.copy_file_range(target, target, 1000, 0, 2000), 1000)
    cases.expect("within, there", os.pread(target, 1000, 2000), os.pread(target, 1000, 0))
    cases.expect("overlapping", outcome(os.copy_file_range, target, target, 1000, 0, 500), "EINVAL")
    cases.expect("nothing", os.copy_file_range(source, target, 0), 0)
    cases.expect("backwards", outcome(os.copy_file_range, target, source, 10), "EBADF")
    appender = os.open("b", os.O_WRONLY | os.O_APPEND)
    cases.expect("O_APPEND", outcome(os.copy_file_range, source, appender, 10), "EBADF")
    folder = os.open(".", os.O_RDONLY)
    cases.expect("folder", outcome(os.copy_file_range, folder, target, 10) in ("EISDIR", "EINVAL"), True)
    for fd in (source, target, appender, folder):
        os.close(fd)
    cases.done()


@check
def vectors():
    """readv, writev, preadv and pwritev gather and scatter, also across the end"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    same(os.writev(fd, [b"ab", b"", b"cde" * 10000, b"f"]), 30003)
    same(os.pwritev(fd, [b"X", b"Y"], 1), 2)
    first, second, third = bytearray(3), bytearray(29998), bytearray(50)
    same(os.preadv(fd, [first, second, third], 0), 30003)
    same((bytes(first), bytes(third[:3])), (b"aXY", b"ef\0"))
    same(os.preadv(fd, [bytearray(5)], 30003), 0)
    os.close(fd)


@check
def ends():
    """what grows by truncation or a write far out reads as zeroes, whatever was there before"""
    cases = Cases()
    for cut in (0, 1, 100, 4095, 4096, 4097, 16383, 16384, 16385, 70000):
        for grown in (cut, cut + 1, 20000, 65536, 100000):
            if grown < cut:
                continue
            put("f", b"x" * 80000)
            os.truncate("f", cut)
            fd = os.open("f", os.O_RDWR)
            if grown > cut and grown % 2:
                os.pwrite(fd, b"y", grown - 1)
            else:
                os.ftruncate(fd, grown)
            wanted = b"x" * cut + bytes(grown - cut)
            if grown > cut and grown % 2:
                wanted = wanted[:-1] + b"y"
            cases.expect("%d to %d" % (cut, grown), os.pread(fd, 200000, 0) == wanted, True)
            os.close(fd)
    cases.done()


@check
def one_volume_of_holes():
    """a file of exbibytes has data at its very end"""
    only_nacre("ext4 ends at 16 TiB")
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    last = 2**62 - 1
    os.ftruncate(fd, last)
    os.pwrite(fd, b"end", last - 3)
    same((os.pread(fd, 9, last - 3), os.fstat(fd).st_size), (b"end", last))
    same(os.lseek(fd, 0, os.SEEK_DATA) > last - 2 * BLOCK, True)
    fails(errno.EFBIG, os.ftruncate, fd, last + 1)
    fails(errno.EFBIG, os.pwrite, fd, b"x", last)
    os.ftruncate(fd, 0)
    os.close(fd)
