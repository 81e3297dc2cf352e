"""Which call changes which time, and which times are kept: utimensat, nanoseconds, before 1970, far future."""

import errno
import mmap
import os
import struct
import time

from mount_harness import check, fails, get, put, same
from rules import (AT_FDCWD, AT_SYMLINK_NOFOLLOW, EXCHANGE, KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, Cases, fallocate,
                   only_nacre, open_close, outcome, renameat2, system_call, touch)

UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
OLD = 10**18  # in 2001
TICK_NS = 2 * 10**7  # by which the clock of a filesystem may be behind


def utimensat(path, atime, mtime, flags=0):
    """Times are pairs of seconds and nanoseconds."""
    system_call("utimensat", AT_FDCWD, os.fsencode(path), struct.pack("<qqqq", *atime, *mtime), flags)


def with_fd(path, flags, function):
    fd = os.open(path, flags)
    function(fd)
    os.close(fd)


def write_mapping(path):
    def write(fd):
        with mmap.mmap(fd, 4) as area:
            area[0:4] = b"mmap"
            area.flush()

    with_fd(path, os.O_RDWR, write)


def copy_from(path):
    source = os.open("d/source", os.O_RDONLY)
    with_fd(path, os.O_WRONLY, lambda fd: os.copy_file_range(source, fd, 4))
    os.close(source)


def failing(number, function, *args):
    return lambda: fails(number, function, *args)


# What happens to the file d/f, and which times of d/f and d change by it.
CHANGES = {
    "write": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: os.write(fd, b"x")), "mc", ""),
    "write of nothing": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: os.write(fd, b"")), "", ""),
    "append": (lambda: with_fd("d/f", os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"x")), "mc", ""),
    "pwrite far out": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: os.pwrite(fd, b"x", 10**7)), "mc", ""),
    "write of a mapping": (lambda: write_mapping("d/f"), "amc", ""),
    "copy_file_range": (lambda: copy_from("d/f"), "mc", ""),
    "truncate": (lambda: os.truncate("d/f", 2), "mc", ""),
    "truncate that grows": (lambda: os.truncate("d/f", 9999), "mc", ""),
    "ftruncate": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: os.ftruncate(fd, 1)), "mc", ""),
    "open with O_TRUNC": (lambda: open_close("d/f", os.O_WRONLY | os.O_TRUNC), "mc", ""),
    "open with O_CREAT": (lambda: open_close("d/f", os.O_WRONLY | os.O_CREAT), "", ""),
    "open and close": (lambda: open_close("d/f", os.O_RDWR), "", ""),
    "fsync": (lambda: with_fd("d/f", os.O_RDWR, os.fsync), "", ""),
    "fallocate": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: fallocate(fd, 0, 0, 9999)), "mc", ""),
    "punch": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 3)), "mc", ""),
    "zero range": (lambda: with_fd("d/f", os.O_WRONLY, lambda fd: fallocate(fd, ZERO_RANGE, 0, 3)), "mc", ""),
    "read": (lambda: get("d/f"), "a", ""),
    "stat": (lambda: os.stat("d/f"), "", ""),
    "listing": (lambda: os.listdir("d"), "", "a"),
    "chmod": (lambda: os.chmod("d/f", 0o600), "c", ""),
    "chmod to the same": (lambda: os.chmod("d/f", 0o644), "c", ""),
    "chown": (lambda: os.chown("d/f", os.getuid(), os.getgid()), "c", ""),
    "setxattr": (lambda: os.setxattr("d/f", "user.a", b"1"), "c", ""),
    "removexattr": (lambda: os.removexattr("d/f", "user.was"), "c", ""),
    "getxattr": (lambda: os.getxattr("d/f", "user.was"), "", ""),
    "link": (lambda: os.link("d/f", "d/g"), "c", "mc"),
    "link elsewhere": (lambda: os.link("d/f", "g"), "c", ""),
    "unlink of another name": (lambda: os.unlink("d/also"), "c", "mc"),
    "rename": (lambda: os.rename("d/f", "d/h"), "c", "mc"),
    "rename over another": (lambda: os.rename("d/f", "d/other"), "c", "mc"),
    "rename to itself": (lambda: os.rename("d/f", "d/f"), "", ""),
    "rename to its other name": (lambda: os.rename("d/f", "d/also"), "", ""),
    "move": (lambda: os.rename("d/f", "h"), "c", "mc"),
    "exchange": (lambda: renameat2("d/f", "d/other", EXCHANGE), "c", "mc"),
    "create": (lambda: touch("d/new"), "", "mc"),
    "mkdir": (lambda: os.mkdir("d/new"), "", "mc"),
    "rmdir": (lambda: os.rmdir("d/e"), "", "mc"),
    "symlink": (lambda: os.symlink("x", "d/new"), "", "mc"),
    "mkfifo": (lambda: os.mkfifo("d/new"), "", "mc"),
    "create in a folder below": (lambda: touch("d/e/new"), "", ""),
    "chmod of the folder": (lambda: os.chmod("d", 0o700), "", "c"),
    "create what exists": (failing(errno.EEXIST, os.open, "d/f", os.O_CREAT | os.O_EXCL), "", ""),
    "mkdir of what exists": (failing(errno.EEXIST, os.mkdir, "d/f"), "", ""),
    "link over what exists": (failing(errno.EEXIST, os.link, "d/f", "d/other"), "", ""),
    "unlink of nothing": (failing(errno.ENOENT, os.unlink, "d/none"), "", ""),
    "rename over a folder": (failing(errno.EISDIR, os.rename, "d/f", "d/e"), "", ""),
    "rmdir of a file": (failing(errno.ENOTDIR, os.rmdir, "d/f"), "", ""),
}


def make_aged():
    """A folder and file whose times are old, so that any change shows, and atime is due by relatime."""
    os.mkdir("d")
    os.mkdir("d/e")
    for name in ("d/f", "d/other", "d/source"):
        put(name, b"some data")
    os.setxattr("d/f", "user.was", b"")
    os.link("d/f", "d/also")
    for name in ("d/f", "d"):
        os.utime(name, ns=(OLD, OLD))
    time.sleep(0.01)


def stamps(path_or_fd):
    found = os.stat(path_or_fd)
    return {"a": found.st_atime_ns, "m": found.st_mtime_ns, "c": found.st_ctime_ns}


def changed(before, after):
    return "".join(which for which in "amc" if before[which] != after[which])


@check
def each_change():
    """each call changes the times that it should, of the file and of its folder, to now, and no other"""
    cases = Cases()
    for what, (change, of_file, of_folder) in CHANGES.items():
        make_aged()
        file, folder = os.open("d/f", os.O_PATH), os.open("d", os.O_PATH)
        before = stamps(file), stamps(folder)
        low = time.time_ns() - TICK_NS
        change()
        high = time.time_ns()
        after = stamps(file), stamps(folder)
        for index, name, wanted in ((0, "file", of_file), (1, "folder", of_folder)):
            got = changed(before[index], after[index])
            cases.expect("%s: %s" % (what, name), got, wanted)
            for which in got:
                cases.expect("%s: %s's %stime is now" % (what, name, which), low <= after[index][which] <= high, True)
        os.close(file)
        os.close(folder)
        os.mkdir("done")
        os.rename("d", "done/d")
        for name in ("g", "h"):
            if os.path.exists(name):
                os.rename(name, "done/" + name)
        os.rename("done", "done-" + what.replace(" ", "-"))
    cases.done()


@check
def new_things():
    """what is made has one time for all three, that of its folder's change"""
    cases = Cases()
    os.utime(".", ns=(OLD, OLD))
    for what, make in (("file", lambda: touch("n")), ("folder", lambda: os.mkdir("n")),
                       ("fifo", lambda: os.mkfifo("n")), ("link", lambda: os.symlink("x", "n"))):
        low = time.time_ns() - TICK_NS
        make()
        found = os.lstat("n")
        cases.expect(what, found.st_atime_ns == found.st_mtime_ns == found.st_ctime_ns, True)
        cases.expect(what + " now", low <= found.st_mtime_ns <= time.time_ns(), True)
        os.rename("n", what)
    cases.done()


@check
def utimensat_now_and_omit():
    """utimensat sets, sets to now, or leaves each of the two times, on files, folders and links"""
    cases = Cases()
    touch("f")
    os.mkdir("d")
    os.symlink("f", "l")
    os.mkfifo("p")
    kinds = {"set": (1234567890, 987654321), "now": (0, UTIME_NOW), "omit": (0, UTIME_OMIT)}
    for path in ("f", "d", "l", "p"):
        for atime in kinds:
            for mtime in kinds:
                says = "%s: atime %s, mtime %s: " % (path, atime, mtime)
                utimensat(path, (5, 6), (7, 8), AT_SYMLINK_NOFOLLOW)
                before = os.lstat(path)
                time.sleep(0.005)
                utimensat(path, kinds[atime], kinds[mtime], AT_SYMLINK_NOFOLLOW)
                after = os.lstat(path)
                for name, how, was, got in (("atime", atime, 5000000006, after.st_atime_ns),
                                            ("mtime", mtime, 7000000008, after.st_mtime_ns)):
                    if how == "now":
                        cases.expect(says + name, abs(got - time.time_ns()) < 60 * 10**9, True)
                    else:
                        cases.expect(says + name, got, 1234567890987654321 if how == "set" else was)
                cases.expect(says + "ctime", after.st_ctime_ns > before.st_ctime_ns, (atime, mtime) != ("omit", "omit"))
    cases.done()


@check
def utimensat_refused():
    """utimensat refuses nanoseconds of a second and more, unless a time is left alone"""
    cases = Cases()
    touch("f")
    for nanoseconds in (10**9, -1, 2**31, UTIME_NOW - 2, -2**62):
        cases.expect("atime %d" % nanoseconds, outcome(utimensat, "f", (0, nanoseconds), (0, 0)), "EINVAL")
        cases.expect("mtime %d" % nanoseconds, outcome(utimensat, "f", (0, 0), (0, nanoseconds)), "EINVAL")
    cases.expect("nowhere", outcome(utimensat, "none", (0, UTIME_OMIT), (0, UTIME_OMIT)) in ("ok", "ENOENT"), True)
    cases.expect("ignored seconds", outcome(utimensat, "f", (-2**63, UTIME_OMIT), (2**63 - 1, UTIME_NOW)), "ok")
    cases.done()


@check
def every_second_counts():
    """times keep their nanoseconds from 1901 to 2446"""
    cases = Cases()
    touch("f")
    os.mkdir("d")
    os.symlink("f", "l")
    seconds = [0, 1, -1, -2**31 + 1, -2**31 + 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 15032385534, 10**9]
    for path in ("f", "d", "l"):
        for second in seconds:
            for nanosecond in (0, 1, 500000000, 999999999):
                stamp = second * 10**9 + nanosecond
                os.utime(path, ns=(stamp, stamp), follow_symlinks=False)
                found = os.lstat(path)
                cases.expect(path, (found.st_atime_ns, found.st_mtime_ns), (stamp, stamp))
    cases.done()


@check
def far_times():
    """times are kept for billions of years either way"""
    only_nacre("ext4 has 34 bits for the seconds")
    cases = Cases()
    touch("f")
    for second in (-2**33, 2**34, 2**40, -2**40, 2**55, -2**55):
        utimensat("f", (second, 1), (second, 999999999))
        found = os.stat("f")
        cases.expect("atime %d" % second, found.st_atime_ns, second * 10**9 + 1)
        cases.expect("mtime %d" % second, found.st_mtime_ns, second * 10**9 + 999999999)
    cases.done()


@check
def change_time_cannot_be_set():
    """the change time never goes back, whatever is set"""
    touch("f")
    last = os.stat("f").st_ctime_ns
    for stamp in (0, OLD, 4 * OLD, -OLD):
        time.sleep(0.005)
        os.utime("f", ns=(stamp, stamp))
        now = os.stat("f").st_ctime_ns
        assert last < now <= time.time_ns()
        last = now


@check
def reading_a_link():
    """readlink changes a link's access time by the same rule as reading a file"""
    os.symlink("x", "l")
    os.utime("l", ns=(OLD, OLD), follow_symlinks=False)
    os.readlink("l")
    found = os.lstat("l")
    assert found.st_atime_ns > OLD
    same(found.st_mtime_ns, OLD)


@check
def times_of_the_unnamed():
    """a file without a name keeps time: unlink changes ctime, a write mtime, utimensat what it says"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    before = stamps(fd)
    time.sleep(0.01)
    os.unlink("f")
    after = stamps(fd)
    same(changed(before, after), "c")
    os.utime(fd, ns=(OLD, OLD + 1))
    same((os.fstat(fd).st_atime_ns, os.fstat(fd).st_mtime_ns), (OLD, OLD + 1))
    os.write(fd, b"x")
    assert os.fstat(fd).st_mtime_ns > OLD + 1
    os.close(fd)


@check
def times_of_the_replaced():
    """a file that loses one of its names to a rename changes ctime, and nothing else"""
    put("f", b"1")
    os.link("f", "g")
    put("h", b"2")
    before = stamps("g")
    time.sleep(0.01)
    os.rename("h", "f")
    same(changed(before, stamps("g")), "c")
