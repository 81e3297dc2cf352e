import ctypes
import errno
import fcntl
import mmap
import os
import random
import threading
import time

from mount_harness import Skip, check, fails, get, main, put, same

LIBC = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
MIB = 1 << 20


def fallocate(fd, mode, offset, length):
    if LIBC.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


@check
def sizes():
    """files of every awkward size come back"""
    for size in (0, 1, 100, 4095, 4096, 4097, 16383, 16384, 16385, 65536, 131072 + 1, MIB, 3 * MIB + 5):
        data = noise(size, size)
        put("f%d" % size, data)
        same(os.stat("f%d" % size).st_size, size)
        assert get("f%d" % size) == data


@check
def random_writes():
    """random writes and truncations agree with a plain buffer"""
    dice = random.Random(7)
    model = bytearray()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    for step in range(600):
        offset = dice.randrange(300000)
        if dice.random() < 0.1:
            os.ftruncate(fd, offset)
            model = model[:offset] + bytes(max(0, offset - len(model)))
            continue
        data = dice.randbytes(dice.choice((1, 100, 4096, 20000, 70000)))
        other = os.open("f", os.O_WRONLY) if step % 3 == 0 else os.dup(fd)
        os.pwrite(other, data, offset)
        os.close(other)
        if len(model) < offset:
            model += bytes(offset - len(model))
        model[offset:offset + len(data)] = data
        if step % 50 == 0:
            assert os.pread(fd, len(model) + 1, 0) == bytes(model)
    assert get("f") == bytes(model)
    os.close(fd)


@check
def append():
    """O_APPEND writes go to the end, from several processes at once"""
    put("f", b"start\n")
    children = []
    for who in range(4):
        child = os.fork()
        if child == 0:
            fd = os.open("f", os.O_WRONLY | os.O_APPEND)
            for i in range(200):
                os.lseek(fd, 0, os.SEEK_SET)
                os.write(fd, b"%d-%d\n" % (who, i))
            os._exit(0)
        children.append(child)
    for child in children:
        same(os.waitpid(child, 0)[1], 0)
    lines = get("f").split(b"\n")
    same((lines[0], lines[-1], len(lines)), (b"start", b"", 802))
    for who in range(4):
        same([line for line in lines if line.startswith(b"%d-" % who)], [b"%d-%d" % (who, i) for i in range(200)])


@check
def truncate():
    """truncation cuts, and growing gives zeroes"""
    put("f", b"x" * 100000)
    os.truncate("f", 50001)
    os.truncate("f", 100000)
    same(get("f"), b"x" * 50001 + bytes(49999))
    os.truncate("f", 0)
    same((os.stat("f").st_size, os.stat("f").st_blocks), (0, 0))
    os.truncate("f", 1 << 43)
    same(os.stat("f").st_size, 1 << 43)
    fd = os.open("f", os.O_RDWR)
    os.pwrite(fd, b"far", (1 << 43) - 3)
    same(os.pread(fd, 10, (1 << 43) - 3), b"far")
    os.close(fd)
    put("g", b"long" * 5000)
    put("g", b"short")
    same(get("g"), b"short")


@check
def truncate_times():
    """writing and truncating change the times"""
    put("f", b"abc")
    for change in (lambda: put("f", b"d"), lambda: os.truncate("f", 9)):
        before = os.stat("f")
        time.sleep(0.02)
        change()
        after = os.stat("f")
        assert after.st_mtime_ns > before.st_mtime_ns and after.st_ctime_ns > before.st_ctime_ns


@check
def holes():
    """holes take no room, read as zeroes, and SEEK_DATA and SEEK_HOLE find them"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.pwrite(fd, b"a" * 65536, MIB)
    os.pwrite(fd, b"b" * 65536, 3 * MIB)
    os.ftruncate(fd, 5 * MIB)
    assert os.fstat(fd).st_blocks * 512 < MIB
    same(os.lseek(fd, 0, os.SEEK_HOLE), 0)
    same(os.lseek(fd, 0, os.SEEK_DATA), MIB)
    same(os.lseek(fd, MIB, os.SEEK_HOLE), MIB + 65536)
    same(os.lseek(fd, MIB + 65536, os.SEEK_DATA), 3 * MIB)
    same(os.lseek(fd, 3 * MIB, os.SEEK_HOLE), 3 * MIB + 65536)
    fails(errno.ENXIO, os.lseek, fd, 4 * MIB, os.SEEK_DATA)
    fails(errno.ENXIO, os.lseek, fd, 5 * MIB, os.SEEK_HOLE)
    same(os.lseek(fd, 4 * MIB, os.SEEK_HOLE), 4 * MIB)
    assert os.pread(fd, MIB, 0) == bytes(MIB)
    os.close(fd)


@check
def fallocate_plain():
    """fallocate grows the size, or keeps it, and leaves the data alone"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"data")
    fallocate(fd, KEEP_SIZE, 0, MIB)
    same(os.fstat(fd).st_size, 4)
    fallocate(fd, 0, 0, MIB)
    same(os.fstat(fd).st_size, MIB)
    assert os.pread(fd, 2 * MIB, 0) == b"data" + bytes(MIB - 4)
    fails(errno.EINVAL, fallocate, fd, 0, 0, 0)
    os.close(fd)


@check
def fallocate_punch():
    """PUNCH_HOLE and ZERO_RANGE clear just the range, seen by data that was cached, too"""
    for mode in (KEEP_SIZE | PUNCH_HOLE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE):
        data = bytearray(noise(300000))
        put("f", bytes(data))
        fd = os.open("f", os.O_RDWR)
        assert os.pread(fd, 300000, 0) == data
        fallocate(fd, mode, 10001, 200000)
        data[10001:210001] = bytes(200000)
        assert os.pread(fd, 300001, 0) == data
        os.close(fd)
    put("f", b"x" * MIB)
    before = os.stat("f").st_blocks
    fd = os.open("f", os.O_WRONLY)
    fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 0, MIB // 2)
    os.fsync(fd)
    assert os.fstat(fd).st_blocks < before
    fallocate(fd, ZERO_RANGE, MIB - 10, 20)
    same(os.fstat(fd).st_size, MIB + 10)
    os.close(fd)


@check
def mmap_shared():
    """a shared mapping writes the file, and sees what others write"""
    put("f", bytes(3 * 65536))
    fd = os.open("f", os.O_RDWR)
    with mmap.mmap(fd, 0) as area:
        area[100:105] = b"mmap!"
        area.flush()
        same(os.pread(fd, 5, 100), b"mmap!")
        os.pwrite(fd, b"write", 70000)
        same(area[70000:70005], b"write")
        other = os.open("f", os.O_WRONLY)
        os.pwrite(other, b"other", 140000)
        same(area[140000:140005], b"other")
        os.close(other)
    os.close(fd)
    same(get("f")[100:105], b"mmap!")


@check
def mmap_survives():
    """what a mapping wrote is there after it is closed, with no flush"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 100000)
    area = mmap.mmap(fd, 0)
    os.close(fd)
    area[99990:100000] = b"0123456789"
    area.close()
    same(get("f")[99990:], b"0123456789")


@check
def mmap_beside_writer():
    """a mapping made while a write-only file is open sees each later write"""
    writer = os.open("f", os.O_WRONLY | os.O_CREAT)
    os.write(writer, b"1" * 100000)
    reader = os.open("f", os.O_RDONLY)
    with mmap.mmap(reader, 0, prot=mmap.PROT_READ) as area:
        for i in range(50):
            same(area[5000 * (i % 20)], ord("1") if i == 0 else area[5000 * (i % 20)])
            mark = b"%03d" % i
            os.pwrite(writer, mark, 1700 * i)
            same(area[1700 * i:1700 * i + 3], mark)
    os.close(reader)
    os.close(writer)


@check
def follow_writer():
    """a reader follows what a write-only file appends, as tail -f does"""
    writer = os.open("f", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(writer, b"0\n")
    reader = os.open("f", os.O_RDONLY)
    same(os.read(reader, 100), b"0\n")
    for i in range(1, 300):
        line = b"line %d\n" % i
        os.write(writer, line)
        same(os.read(reader, 100), line)
    os.close(writer)
    os.close(reader)


@check
def stale_pages():
    """a reader that comes back sees what was written meanwhile, whoever was open when"""
    put("f", b"a" * 10000)
    same(get("f"), b"a" * 10000)
    writer = os.open("f", os.O_WRONLY)
    os.pwrite(writer, b"b" * 10000, 0)
    same(get("f"), b"b" * 10000)
    os.pwrite(writer, b"c" * 10000, 0)
    same(get("f"), b"c" * 10000)
    reader = os.open("f", os.O_RDONLY)
    same(os.pread(reader, 10, 0), b"c" * 10)
    second = os.open("f", os.O_WRONLY)
    os.pwrite(second, b"d" * 10000, 0)
    os.pwrite(writer, b"e" * 10, 0)
    same(os.pread(reader, 20, 0), b"e" * 10 + b"d" * 10)
    os.close(reader)
    os.pwrite(writer, b"f" * 10000, 0)
    os.close(writer)
    os.close(second)
    same(get("f"), b"f" * 10000)


@check
def writer_and_reader():
    """a reader beside a writer sees only what was written before or is being written"""
    put("f", b"\0" * 4096)
    stop = threading.Event()
    trouble = []

    def write():
        fd = os.open("f", os.O_WRONLY)
        for value in range(1, 256):
            os.pwrite(fd, bytes([value]) * 4096, 0)
            latest[0] = value
        stop.set()
        os.close(fd)

    latest = [0]
    thread = threading.Thread(target=write)
    fd = os.open("f", os.O_RDONLY)
    thread.start()
    while not stop.is_set():
        least = latest[0]
        seen = os.pread(fd, 1, 0)[0]
        if seen < least:
            trouble.append((least, seen))
    thread.join()
    os.close(fd)
    same(trouble, [])


@check
def direct_io():
    """O_DIRECT reads and writes agree with cached ones"""
    put("f", b"a" * 65536)
    same(get("f"), b"a" * 65536)
    try:
        fd = os.open("f", os.O_RDWR | os.O_DIRECT)
    except OSError:
        raise Skip("no O_DIRECT here")
    area = mmap.mmap(-1, 65536)
    area[:] = b"b" * 65536
    same(os.pwritev(fd, [area], 0), 65536)
    same(get("f"), b"b" * 65536)
    put("f", b"c" * 65536)
    same(os.preadv(fd, [area], 0), 65536)
    same(area[:], b"c" * 65536)
    os.close(fd)


@check
def tmpfile():
    """O_TMPFILE makes a file without a name, which can be given one"""
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR):
            raise Skip("this libfuse has no O_TMPFILE")
        raise
    os.write(fd, b"unnamed")
    same((os.listdir("."), os.fstat(fd).st_nlink), ([], 0))
    folder = os.open(".", os.O_RDONLY)
    os.link("/proc/self/fd/%d" % fd, "named", dst_dir_fd=folder, follow_symlinks=True)
    os.close(folder)
    os.close(fd)
    same((get("named"), os.stat("named").st_nlink), (b"unnamed", 1))


@check
def flock_locks():
    """flock keeps another open file out"""
    put("f")
    first, second = os.open("f", os.O_RDONLY), os.open("f", os.O_RDONLY)
    fcntl.flock(first, fcntl.LOCK_EX)
    fails(errno.EAGAIN, fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(first, fcntl.LOCK_UN)
    fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    os.close(second)


@check
def posix_locks():
    """POSIX record locks keep another process out of the range"""
    put("f", bytes(100))
    fd = os.open("f", os.O_RDWR)
    fcntl.lockf(fd, fcntl.LOCK_EX, 10, 20)
    child = os.fork()
    if child == 0:
        try:
            other = os.open("f", os.O_RDWR)
            fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
            fails(errno.EAGAIN, fcntl.lockf, other, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 25)
            os._exit(0)
        finally:
            os._exit(1)
    same(os.waitpid(child, 0)[1], 0)
    os.close(fd)


@check
def fsyncs():
    """fsync, fdatasync and fsync of a folder succeed"""
    fd = os.open("f", os.O_WRONLY | os.O_CREAT)
    os.write(fd, b"x")
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    os.sync()


@check
def space():
    """statfs counts what is written, and gives it back"""
    before = os.statvfs(".")
    same(before.f_namemax, 255)
    assert 0 < before.f_bavail <= before.f_bfree <= before.f_blocks
    put("f", noise(8 * MIB))
    folder = os.open(".", os.O_RDONLY)
    os.fsync(folder)
    during = os.statvfs(".")
    used = (before.f_bfree - during.f_bfree) * before.f_frsize
    assert 8 * MIB <= used < 12 * MIB, "%d bytes used" % used
    assert os.stat("f").st_blocks * 512 >= 8 * MIB
    os.unlink("f")
    for _ in range(100):  # two commits by the clock
        put("g", b"x")
        os.fsync(folder)
        left = (before.f_bfree - os.statvfs(".").f_bfree) * before.f_frsize
        if left < MIB:
            break
        time.sleep(0.2)
    assert left < MIB, "%d bytes are not given back" % left
    os.close(folder)


@check
def threads_of_readers():
    """many threads reading and writing different files get their own data"""
    trouble = []

    def work(who):
        data = noise(200000, who)
        for turn in range(5):
            name = "f%d-%d" % (who, turn)
            put(name, data)
            if get(name) != data:
                trouble.append(name)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same(trouble, [])


main()
