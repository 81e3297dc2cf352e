"""Locks: flock, POSIX record locks and those of open files, between processes, and their end."""

import errno
import fcntl
import os
import signal
import struct
import time

from mount_harness import check, fails, need_root, put, same
from rules import GROUP, OTHER_GROUP, OWNER, Cases, as_groups, outcome, touch

READ, WRITE, NONE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK
FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux


def record(fd, command, kind, start=0, length=0):
    """One call of fcntl for a record lock; what the kernel answers: kind, start, length, pid."""
    packed = fcntl.fcntl(fd, command, struct.pack(FLOCK, kind, os.SEEK_SET, start, length, 0))
    kind, _, start, length, pid = struct.unpack(FLOCK, packed)
    return kind, start, length, pid


def close_if_open(fd):
    try:
        os.close(fd)
    except OSError:
        pass


class Helper:
    """Another process that opens the file and does as it is told."""

    def __init__(self, path="f"):
        self.orders, orders = os.pipe()
        answers, self.answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            # What is inherited would hold the parent's locks.
            for fd in range(3, 100):
                if fd not in (self.orders, self.answers):
                    close_if_open(fd)
            self.serve(os.open(path, os.O_RDWR))
        os.close(self.orders)
        os.close(self.answers)
        self.orders, self.answers = orders, answers

    def serve(self, fd):
        try:
            while True:
                order = os.read(self.orders, 1000)
                if not order:
                    break
                result = eval(order.decode(), dict(globals(), fd=fd))  # our own text
                os.write(self.answers, repr(result).encode() + b"\n")
        finally:
            os._exit(0)

    def send(self, order):
        os.write(self.orders, order.encode())

    def answer(self):
        return eval(os.read(self.answers, 1000))

    def ask(self, order):
        self.send(order)
        return self.answer()

    def end(self, number=None):
        if number:
            os.kill(self.pid, number)
        os.close(self.orders)
        os.waitpid(self.pid, 0)
        os.close(self.answers)


def tries(kind, start=0, length=0, command="fcntl.F_SETLK"):
    return "outcome(record, fd, %s, %d, %d, %d)" % (command, kind, start, length)


@check
def flocks():
    """flock: shared and exclusive, up and down, between processes"""
    cases = Cases()
    touch("f")
    fd, other = os.open("f", os.O_RDONLY), Helper()
    for mine, theirs, wanted in ((fcntl.LOCK_SH, fcntl.LOCK_SH, "ok"), (fcntl.LOCK_SH, fcntl.LOCK_EX, "EAGAIN"),
                                 (fcntl.LOCK_EX, fcntl.LOCK_SH, "EAGAIN"), (fcntl.LOCK_EX, fcntl.LOCK_EX, "EAGAIN"),
                                 (fcntl.LOCK_UN, fcntl.LOCK_EX, "ok")):
        fcntl.flock(fd, mine)
        cases.expect("%d and %d" % (mine, theirs),
                     other.ask("outcome(fcntl.flock, fd, %d)" % (theirs | fcntl.LOCK_NB)), wanted)
        other.ask("fcntl.flock(fd, fcntl.LOCK_UN)")
    fcntl.flock(fd, fcntl.LOCK_EX)
    copy = os.dup(fd)
    os.close(fd)
    cases.expect("a copy keeps it", other.ask("outcome(fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)"), "EAGAIN")
    os.close(copy)
    cases.expect("closed", other.ask("outcome(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)"), "ok")
    fd = os.open("f", os.O_RDONLY)
    fails(errno.EAGAIN, fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    other.end(signal.SIGKILL)
    cases.expect("killed", outcome(fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB), "ok")
    os.close(fd)
    os.mkdir("d")
    folder, again = os.open("d", os.O_RDONLY), os.open("d", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    cases.expect("folder", outcome(fcntl.flock, again, fcntl.LOCK_EX | fcntl.LOCK_NB), "EAGAIN")
    os.close(folder)
    os.close(again)
    cases.done()


@check
def records():
    """POSIX locks: conflicts by kind and range, whether ranges touch, overlap or hold each other"""
    cases = Cases()
    put("f", bytes(1000))
    fd, other = os.open("f", os.O_RDWR), Helper()
    for mine in (READ, WRITE):
        record(fd, fcntl.F_SETLK, mine, 100, 100)
        for theirs in (READ, WRITE):
            for start, length, overlaps in ((0, 100, False), (0, 101, True), (150, 10, True), (199, 1, True),
                                            (200, 1, False), (0, 0, True), (200, 0, False), (50, 500, True)):
                conflict = overlaps and WRITE in (mine, theirs)
                cases.expect("%d and %d at %d+%d" % (mine, theirs, start, length),
                             other.ask(tries(theirs, start, length)), "EAGAIN" if conflict else "ok")
                other.ask(tries(NONE))
                asked = other.ask("record(fd, fcntl.F_GETLK, %d, %d, %d)" % (theirs, start, length))
                if conflict:
                    cases.expect("who", asked, (mine, 100, 100, os.getpid()))
                else:
                    cases.expect("nobody", asked[0], NONE)
    other.end()
    os.close(fd)
    cases.done()


@check
def record_ranges():
    """POSIX locks split, join, change kind and end where they are told"""
    cases = Cases()
    put("f", b"")
    fd, other = os.open("f", os.O_RDWR), Helper()

    def held():
        """The locks of this process, byte by byte up to 12, as the other one sees them."""
        kinds = ""
        for at in range(12):
            asked = other.ask("record(fd, fcntl.F_GETLK, %d, %d, 1)" % (WRITE, at))
            kinds += {NONE: ".", READ: "r", WRITE: "w"}[asked[0]]
        return kinds

    for kind, start, length, wanted in ((WRITE, 2, 8, "..wwwwwwww.."), (NONE, 5, 2, "..www..www.."),
                                        (READ, 4, 4, "..wwrrrrww.."), (WRITE, 5, 1, "..wwrwrrww.."),
                                        (NONE, 0, 3, "...wrwrrww.."), (READ, 0, 0, "rrrrrrrrrrrr"),
                                        (NONE, 11, 0, "rrrrrrrrrrr."), (NONE, 0, 0, "............")):
        record(fd, fcntl.F_SETLK, kind, start, length)
        cases.expect("%d at %d+%d" % (kind, start, length), held(), wanted)
    record(fd, fcntl.F_SETLK, WRITE, 0, 0)
    os.close(os.open("f", os.O_RDONLY))
    cases.expect("any close ends them", held(), "............")
    record(fd, fcntl.F_SETLK, WRITE, 2**62, 5)
    cases.expect("far out", other.ask(tries(READ, 2**62 + 4, 1)), "EAGAIN")
    other.end()
    os.close(fd)
    cases.done()


@check
def record_ends():
    """POSIX locks go with the process, are not inherited, and need a descriptor of their kind"""
    cases = Cases()
    put("f", b"data")
    fd = os.open("f", os.O_RDWR)
    for number in (None, signal.SIGKILL):
        other = Helper()
        other.ask(tries(WRITE))
        cases.expect("held", outcome(record, fd, fcntl.F_SETLK, READ), "EAGAIN")
        other.end(number)
        cases.expect("ended", outcome(record, fd, fcntl.F_SETLK, WRITE), "ok")
        record(fd, fcntl.F_SETLK, NONE)
    record(fd, fcntl.F_SETLK, WRITE)
    child = os.fork()
    if child == 0:
        os._exit(0 if outcome(record, fd, fcntl.F_SETLK, READ) == "EAGAIN" else 1)
    cases.expect("not inherited", os.waitpid(child, 0)[1], 0)
    reader, writer = os.open("f", os.O_RDONLY), os.open("f", os.O_WRONLY)
    cases.expect("write lock by a reader", outcome(record, reader, fcntl.F_SETLK, WRITE), "EBADF")
    cases.expect("read lock by a writer", outcome(record, writer, fcntl.F_SETLK, READ), "EBADF")
    cases.expect("unknown kind", outcome(record, fd, fcntl.F_SETLK, 77), "EINVAL")
    for each in (fd, reader, writer):
        os.close(each)
    cases.done()


@check
def waiting():
    """who waits for a POSIX lock gets it at its release, and a ring of waiters is EDEADLK"""
    put("f", bytes(10))
    fd, other = os.open("f", os.O_RDWR), Helper()
    record(fd, fcntl.F_SETLK, WRITE, 0, 1)
    same(other.ask(tries(WRITE, 1, 1)), "ok")
    other.send(tries(WRITE, 0, 1, "fcntl.F_SETLKW"))
    wait_until_blocked(other.pid)
    fails(errno.EDEADLK, record, fd, fcntl.F_SETLKW, WRITE, 1, 1)
    record(fd, fcntl.F_SETLK, NONE, 0, 1)
    same(other.answer(), "ok")
    fails(errno.EAGAIN, record, fd, fcntl.F_SETLK, WRITE, 0, 1)
    other.end()
    os.close(fd)


def wait_until_blocked(pid):
    """Until its lock is in the kernel's list of those that wait."""
    while True:
        with open("/proc/locks", encoding="ascii") as locks:
            if any("->" in line and " %d " % pid in line for line in locks):
                return
        time.sleep(0.01)


@check
def open_file_locks():
    """locks of open files: between two of one process, against POSIX ones, until the last close"""
    cases = Cases()
    put("f", bytes(100))
    first, second, other = os.open("f", os.O_RDWR), os.open("f", os.O_RDWR), Helper()
    ofd = "fcntl.F_OFD_SETLK"
    record(first, fcntl.F_OFD_SETLK, WRITE, 0, 10)
    cases.expect("same process", outcome(record, second, fcntl.F_OFD_SETLK, READ, 5, 1), "EAGAIN")
    cases.expect("next to it", outcome(record, second, fcntl.F_OFD_SETLK, READ, 10, 1), "ok")
    cases.expect("POSIX lock of the same process", outcome(record, first, fcntl.F_SETLK, READ, 5, 1), "EAGAIN")
    cases.expect("other process", other.ask(tries(WRITE, 5, 1, ofd)), "EAGAIN")
    cases.expect("who", record(second, fcntl.F_OFD_GETLK, WRITE, 5, 1), (WRITE, 0, 10, -1))
    os.close(os.open("f", os.O_RDONLY))
    cases.expect("another close", other.ask(tries(WRITE, 5, 1, ofd)), "EAGAIN")
    copy = os.dup(first)
    os.close(first)
    cases.expect("a copy keeps it", other.ask(tries(WRITE, 5, 1, ofd)), "EAGAIN")
    os.close(copy)
    cases.expect("last close", other.ask(tries(WRITE, 5, 1, ofd)), "ok")
    cases.expect("theirs", outcome(record, second, fcntl.F_OFD_SETLK, READ, 5, 1), "EAGAIN")
    other.end(signal.SIGKILL)
    cases.expect("killed", outcome(record, second, fcntl.F_OFD_SETLK, WRITE, 5, 1), "ok")
    os.close(second)
    cases.done()


@check
def locks_and_users():
    """locks hold between users, and stay with a file that loses its name"""
    need_root()
    put("f", b"x")
    os.chmod("f", 0o666)
    fd = os.open("f", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    record(fd, fcntl.F_OFD_SETLK, WRITE)

    def as_owner():
        other = os.open("f", os.O_RDWR)
        fails(errno.EAGAIN, fcntl.flock, other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fails(errno.EAGAIN, record, other, fcntl.F_SETLK, READ)

    as_groups(OWNER, [GROUP, OTHER_GROUP], as_owner)
    again = os.open("f", os.O_RDWR)
    os.unlink("f")
    fails(errno.EAGAIN, fcntl.flock, again, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(fd)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)
