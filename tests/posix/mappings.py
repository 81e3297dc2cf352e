"""Memory mappings: two processes, mappings beside read and write, truncation, ends of files."""

import ctypes
import errno
import mmap
import os
import signal

from mount_harness import check, fails, get, put, same
from rules import PUNCH_HOLE, KEEP_SIZE, Cases, fallocate, outcome

PAGE = mmap.PAGESIZE


class Turns:
    """Two processes take turns; each side's wait is for the other's pass."""

    def __init__(self):
        self.pipes = os.pipe(), os.pipe()
        self.side = 0

    def take_other_side(self):
        self.side = 1

    def hand_over(self):
        os.write(self.pipes[self.side][1], b".")

    def wait(self):
        same(os.read(self.pipes[1 - self.side][0], 1), b".")


def beside(other, mine):
    """Both functions get the turns; `mine` begins."""
    turns = Turns()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            turns.take_other_side()
            other(turns)
            code = 0
        finally:
            os._exit(code)
    try:
        mine(turns)
    finally:
        for pipe in turns.pipes:
            for fd in pipe:
                os.close(fd)
        ended = os.waitpid(child, 0)[1]
    same(ended, 0)


def swap_places(step, area_or_fd):
    """One step of either side: write at one place, by mapping or by call."""
    text = b"step %4d" % step
    if isinstance(area_or_fd, mmap.mmap):
        area_or_fd[step * 700:step * 700 + 9] = text
    else:
        os.pwrite(area_or_fd, text, step * 700)


def sees(step, area_or_fd):
    if isinstance(area_or_fd, mmap.mmap):
        got = area_or_fd[step * 700:step * 700 + 9]
    else:
        got = os.pread(area_or_fd, 9, step * 700)
    same(got, b"step %4d" % step)


def ways(path):
    """All ways to reach a file: a mapping of it, and descriptors of each kind."""
    fd = os.open(path, os.O_RDWR)
    return {"mapping": (mmap.mmap(fd, 0),) * 2, "descriptor": (fd, fd),
            "writer": (os.open(path, os.O_WRONLY), fd), "new mapping": (mmap.mmap(fd, 0),) * 2}


@check
def two_processes():
    """what one process writes by mapping or call the other sees by mapping or call, at once"""
    put("f", bytes(200 * 700))
    for mine in ("mapping", "descriptor", "writer", "new mapping"):
        for theirs in ("mapping", "descriptor", "writer"):
            def play(turns, way, first):
                writes, reads = ways("f")[way]
                for step in range(first, 100, 2):
                    if step:
                        turns.wait()
                        sees(step - 1, reads)
                    swap_places(step, writes)
                    turns.hand_over()

            beside(lambda turns, way=theirs: play(turns, way, 1), lambda turns, way=mine: play(turns, way, 0))
            put("f", bytes(200 * 700))


@check
def counted_by_many():
    """several processes count up in one mapping, each under a lock, and none is lost"""
    put("f", bytes(PAGE * 3))
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            fd = os.open("f", os.O_RDWR)
            area = mmap.mmap(fd, 0)
            for _ in range(200):
                os.lockf(fd, os.F_LOCK, 0)
                count = int.from_bytes(area[PAGE:PAGE + 4], "little")
                area[PAGE:PAGE + 4] = (count + 1).to_bytes(4, "little")
                os.lseek(fd, 0, os.SEEK_SET)
                os.lockf(fd, os.F_ULOCK, 0)
            os._exit(0)
        children.append(child)
    for child in children:
        same(os.waitpid(child, 0)[1], 0)
    same(int.from_bytes(get("f")[PAGE:PAGE + 4], "little"), 800)


def touches(area, at):
    """Whether the byte can be read, tried in a child, which a bus error would end."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        os._exit(0 if area[at] is not None else 1)
    status = os.waitpid(child, 0)[1]
    return "bus error" if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGBUS else status


@check
def truncated_under_a_mapping():
    """truncation cuts a mapping off: a bus error behind the last page, zeroes in it, data again after growing"""
    cases = Cases()
    put("f", b"x" * (PAGE * 8))
    fd = os.open("f", os.O_RDWR)
    area = mmap.mmap(fd, PAGE * 8)
    cases.expect("whole", touches(area, PAGE * 7), 0)
    os.ftruncate(fd, PAGE * 3 + 100)
    cases.expect("behind", touches(area, PAGE * 4), "bus error")
    cases.expect("last page", area[PAGE * 3:PAGE * 3 + 200], b"x" * 100 + bytes(100))
    os.truncate("f", PAGE * 6)
    cases.expect("grown", area[PAGE * 3 + 50:PAGE * 6], b"x" * 50 + bytes(PAGE * 3 - 100))
    cases.expect("still behind", touches(area, PAGE * 7), "bus error")
    area[PAGE * 5:PAGE * 5 + 4] = b"back"
    cases.expect("written again", os.pread(fd, 4, PAGE * 5), b"back")
    open_truncated = os.open("f", os.O_WRONLY | os.O_TRUNC)
    cases.expect("O_TRUNC", touches(area, 0), "bus error")
    os.pwrite(open_truncated, b"new", 0)
    cases.expect("new", area[:4], b"new\0")
    for each in (fd, open_truncated):
        os.close(each)
    cases.done()


@check
def end_of_the_last_page():
    """what a mapping writes behind the end never comes into the file"""
    for size in (1, 100, PAGE - 1, PAGE + 1, 3 * PAGE + 7):
        put("f", b"a" * size)
        fd = os.open("f", os.O_RDWR)
        end = (size + PAGE - 1) // PAGE * PAGE
        with mmap.mmap(fd, size) as area:
            # Python keeps to the size it was told; the page goes on.
            address = ctypes.addressof(ctypes.c_char.from_buffer(area))
            ctypes.memset(address + size, ord("z"), end - size)
            ctypes.memset(address, ord("b"), 1)
        os.fsync(fd)
        same(os.fstat(fd).st_size, size)
        os.ftruncate(fd, end + 10)
        same(os.pread(fd, end + 10, 0), b"b" + b"a" * (size - 1) + bytes(end + 10 - size))
        os.close(fd)


@check
def punched_under_a_mapping():
    """a punched hole reads as zeroes through a mapping that had the data"""
    put("f", b"x" * (PAGE * 32))
    fd = os.open("f", os.O_RDWR)
    with mmap.mmap(fd, 0) as area:
        same(area[PAGE * 10], ord("x"))
        area[PAGE * 11] = ord("y")
        fallocate(fd, PUNCH_HOLE | KEEP_SIZE, PAGE * 10 - 5, PAGE * 4)
        wanted = b"x" * (PAGE * 10 - 5) + bytes(PAGE * 4) + b"x" * (PAGE * 18 + 5)
        assert area[:] == wanted
        assert os.pread(fd, PAGE * 32, 0) == wanted
    os.close(fd)


@check
def private_mapping():
    """a private mapping keeps its changes to itself, and sees others' before it has any"""
    put("f", b"x" * PAGE * 2)
    fd = os.open("f", os.O_RDWR)
    with mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE) as area:
        os.pwrite(fd, b"seen", 10)
        same(area[10:14], b"seen")
        area[PAGE:PAGE + 4] = b"mine"
        same((os.pread(fd, 4, PAGE), get("f")[PAGE:PAGE + 4]), (b"xxxx", b"xxxx"))
        same(area[PAGE:PAGE + 4], b"mine")
    os.close(fd)


@check
def mapping_without_a_name():
    """a mapping lives on when its file is closed, renamed, replaced and unlinked"""
    put("f", b"x" * PAGE * 4)
    fd = os.open("f", os.O_RDWR)
    area = mmap.mmap(fd, 0)
    reader = os.open("f", os.O_RDONLY)
    os.close(fd)
    os.rename("f", "g")
    area[0:4] = b"1st "
    same(get("g")[:4], b"1st ")
    put("h", b"other")
    os.rename("h", "g")
    area[4:8] = b"2nd "
    area.flush()
    same((os.pread(reader, 8, 0), os.fstat(reader).st_nlink, get("g")), (b"1st 2nd ", 0, b"other"))
    os.close(reader)
    area.close()


@check
def rights_of_mappings():
    """a shared mapping for writing needs a descriptor for both, reading one for reading"""
    cases = Cases()
    put("f", b"x" * PAGE)
    for flags, prot, kind, wanted in (
            (os.O_RDONLY, mmap.PROT_READ, mmap.MAP_SHARED, "ok"),
            (os.O_RDONLY, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, "EACCES"),
            (os.O_RDONLY, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, "ok"),
            (os.O_WRONLY, mmap.PROT_READ, mmap.MAP_SHARED, "EACCES"),
            (os.O_WRONLY, mmap.PROT_WRITE, mmap.MAP_SHARED, "EACCES"),
            (os.O_RDWR, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, "ok")):
        fd = os.open("f", flags)
        cases.expect("%d, %d, %d" % (flags, prot, kind), outcome(mmap.mmap, fd, PAGE, kind, prot), wanted)
        os.close(fd)
    folder = os.open(".", os.O_RDONLY)
    cases.expect("folder", outcome(mmap.mmap, folder, PAGE, mmap.MAP_SHARED, mmap.PROT_READ), "ENODEV")
    os.close(folder)
    cases.done()


@check
def kept_without_msync():
    """what mappings wrote is in the file after fsync by any descriptor, and after the process is killed"""
    put("f", bytes(PAGE * 64))

    def write():
        fd = os.open("f", os.O_RDWR)
        area = mmap.mmap(fd, 0)
        for page in range(64):
            area[page * PAGE:page * PAGE + 2] = page.to_bytes(2, "little")
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        write()
    same(os.WTERMSIG(os.waitpid(child, 0)[1]), signal.SIGKILL)
    fd = os.open("f", os.O_RDONLY)
    os.fsync(fd)
    for page in range(64):
        same(os.pread(fd, 2, page * PAGE), page.to_bytes(2, "little"))
    fails(errno.EBADF, os.write, fd, b"x")
    os.close(fd)
