"""Extended attributes: limits, errors, namespaces and who may use them."""

import ctypes
import os
import stat

from mount_harness import check, need_root, put, same
from rules import (GROUP, HOST, LIBC, MEMBER, OTHER_GROUP, OWNER, STRANGER, Cases, as_groups, only_nacre, outcome,
                   system_call, touch)

NAME_MAX, VALUE_MAX = 255, 65536
LIBC.getxattr.restype = LIBC.listxattr.restype = ctypes.c_ssize_t


def get_into(path, name, size):
    """The length, of a value that goes into a buffer of that size."""
    return system_call("getxattr", os.fsencode(path), name.encode(), ctypes.create_string_buffer(max(size, 1)),
                       ctypes.c_size_t(size))


def list_into(path, size):
    return system_call("listxattr", os.fsencode(path), ctypes.create_string_buffer(max(size, 1)), ctypes.c_size_t(size))


@check
def names():
    """names of all lengths up to 255 bytes, with any bytes, and none longer"""
    cases = Cases()
    touch("f")
    for name in ("user.x", "user." + "n" * (NAME_MAX - 5), "user. ", "user.a.b.c", "user.\u00e4", "user.\n",
                 "user.\udcff", "user.USER", "user.user"):
        os.setxattr("f", name, name.encode("utf-8", "surrogateescape"))
    listed = os.listxattr("f")
    cases.expect("count", len(listed), 9)
    for name in listed:
        cases.expect(name, os.getxattr("f", name), name.encode("utf-8", "surrogateescape"))
    too_long = "user." + "n" * (NAME_MAX - 4)
    for call, args in ((os.setxattr, (b"",)), (os.getxattr, ()), (os.removexattr, ())):
        for what, name, wanted in (("long", too_long, "ERANGE"), ("nothing", "", "ERANGE"),
                                   ("prefix alone", "user.", "EINVAL"), ("no prefix", "name", "ENOTSUP"),
                                   ("unknown prefix", "system.other", "ENOTSUP")):
            cases.expect("%s of %s" % (call.__name__, what), outcome(call, "f", name, *args), wanted)
    cases.done()


@check
def values():
    """values of all lengths up to 64 KiB, and none longer"""
    cases = Cases()
    touch("f")
    sizes = [0, 1, 2, 127, 128, 255, 256, 1000, 2047, 2048, 3000]
    if not HOST:  # one block of ext4 holds them all
        sizes += [3071, 3072, 3073, 4000, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 16384, 32767, 65535, VALUE_MAX]
    for size in sizes + sizes[::-1]:
        value = os.urandom(size)
        os.setxattr("f", "user.v", value)
        cases.expect("%d" % size, os.getxattr("f", "user.v") == value, True)
    cases.expect("too long", outcome(os.setxattr, "f", "user.v", bytes(VALUE_MAX + 1)), "E2BIG")
    cases.expect("unchanged", os.getxattr("f", "user.v") == value, True)
    cases.done()


@check
def buffers():
    """a size of nothing asks for the length, a buffer that is too small is ERANGE"""
    cases = Cases()
    touch("f")
    cases.expect("empty list", list_into("f", 0), 0)
    for name, value in (("user.a", b"12345"), ("user.empty", b""), ("user.b", b"x" * 1000)):
        os.setxattr("f", name, value)
        size = len(value)
        cases.expect(name, get_into("f", name, 0), size)
        cases.expect(name + " exactly", get_into("f", name, max(size, 1)), size)
        cases.expect(name + " more", get_into("f", name, size + 100), size)
        if size > 1:
            cases.expect(name + " less", outcome(get_into, "f", name, size - 1), "ERANGE")
    size = len("user.a\0user.empty\0user.b\0")
    cases.expect("list", list_into("f", 0), size)
    cases.expect("list exactly", list_into("f", size), size)
    cases.expect("list less", outcome(list_into, "f", size - 1), "ERANGE")
    cases.done()


@check
def create_and_replace():
    """XATTR_CREATE and XATTR_REPLACE, what isn't there, and unknown flags"""
    cases = Cases()
    put("f")
    for path in ("f", "."):
        for flags, before, wanted in ((0, False, "ok"), (0, True, "ok"), (1, False, "ok"), (1, True, "EEXIST"),
                                      (2, False, "ENODATA"), (2, True, "ok"), (4, True, "EINVAL")):
            if before:
                os.setxattr(path, "user.a", b"old")
            cases.expect("flags %d, %s" % (flags, before), outcome(os.setxattr, path, "user.a", b"new", flags), wanted)
            there = before or wanted == "ok"
            if there:
                cases.expect("value", os.getxattr(path, "user.a"), b"new" if wanted == "ok" else b"old")
                os.removexattr(path, "user.a")
            cases.expect("gone", outcome(os.getxattr, path, "user.a"), "ENODATA")
            cases.expect("gone already", outcome(os.removexattr, path, "user.a"), "ENODATA")
    cases.done()


@check
def which_inodes():
    """user attributes are for files and folders alone, trusted and security ones for all"""
    need_root()
    cases = Cases()
    touch("file")
    os.mkdir("folder")
    os.mkfifo("fifo")
    os.mknod("socket", stat.S_IFSOCK | 0o600)
    os.mknod("device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.symlink("file", "link")
    for path in ("file", "folder", "fifo", "socket", "device", "link"):
        for name in ("user.a", "trusted.a", "security.a"):
            allowed = name != "user.a" or path in ("file", "folder")
            says = "%s of %s" % (name, path)
            cases.expect(says, outcome(os.setxattr, path, name, b"1", follow_symlinks=False),
                         "ok" if allowed else "EPERM")
            cases.expect("getting " + says, outcome(os.getxattr, path, name, follow_symlinks=False),
                         "ok" if allowed else "ENODATA")
        wanted = ["security.a", "trusted.a"] + (["user.a"] if path in ("file", "folder") else [])
        cases.expect("list of " + path, sorted(os.listxattr(path, follow_symlinks=False)), wanted)
    os.setxattr("link", "user.through", b"1")
    cases.expect("through the link", os.getxattr("file", "user.through"), b"1")
    cases.done()


@check
def who_may():
    """user attributes follow the file's permissions, the others are root's"""
    need_root()
    put("f", b"x")
    os.chown("f", OWNER, GROUP)
    os.setxattr("f", "user.a", b"1")
    os.setxattr("f", "trusted.a", b"1")
    os.setxattr("f", "security.a", b"1")

    def look(reads, writes):
        cases = Cases()
        cases.expect("get", outcome(os.getxattr, "f", "user.a"), "ok" if reads else "EACCES")
        for call, args in ((os.setxattr, ("user.b", b"1")), (os.removexattr, ("user.b",))):
            cases.expect(call.__name__, outcome(call, "f", *args), "ok" if writes else "EACCES")
        cases.expect("trusted", outcome(os.getxattr, "f", "trusted.a"), "ENODATA")
        cases.expect("setting trusted", outcome(os.setxattr, "f", "trusted.b", b""), "EPERM")
        cases.expect("removing trusted", outcome(os.removexattr, "f", "trusted.a"), "EPERM")
        cases.expect("security", outcome(os.getxattr, "f", "security.a"), "ok")
        cases.expect("setting security", outcome(os.setxattr, "f", "security.b", b""), "EPERM")
        cases.expect("removing security", outcome(os.removexattr, "f", "security.a"), "EPERM")
        cases.expect("list", sorted(os.listxattr("f")), ["security.a", "user.a"])
        cases.done()

    for mode, reads, writes in ((0o640, True, False), (0o660, True, True), (0o620, False, True), (0o600, False, False)):
        os.chmod("f", mode)
        as_groups(MEMBER, [GROUP], look, reads, writes)
    as_groups(OWNER, [GROUP], look, True, True)
    as_groups(STRANGER, [OTHER_GROUP], look, False, False)


@check
def sticky_folder_attributes():
    """in a sticky folder's own attributes only its owner writes"""
    need_root()
    os.mkdir("d")
    os.chown("d", OWNER, GROUP)
    os.chmod("d", 0o1777)
    cases = Cases()

    def act(wanted):
        cases.expect("set", outcome(os.setxattr, "d", "user.a", b"1"), wanted)
        cases.done()

    as_groups(STRANGER, [OTHER_GROUP], act, "EPERM")
    as_groups(OWNER, [GROUP], act, "ok")


@check
def belongs_to_the_inode():
    """attributes are one for all names of a file, survive a rename, and go with the last name"""
    put("f")
    os.setxattr("f", "user.a", b"1")
    os.link("f", "g")
    os.setxattr("g", "user.a", b"2")
    os.rename("f", "h")
    same((os.getxattr("h", "user.a"), os.listxattr("g")), (b"2", ["user.a"]))
    fd = os.open("h", os.O_RDWR)
    os.unlink("h")
    os.unlink("g")
    os.setxattr(fd, "user.b", b"3")
    same(sorted(os.listxattr(fd)), ["user.a", "user.b"])
    os.close(fd)
    put("f")
    same(os.listxattr("f"), [])


@check
def list_limit():
    """names are added up to a list of 64 KiB, and the next one is refused"""
    only_nacre("one block of ext4 holds all attributes")
    cases = Cases()
    touch("f")
    count = VALUE_MAX // 256
    for i in range(count):
        os.setxattr("f", "user.%0250d" % i, b"%d" % i)
    cases.expect("list", len(os.listxattr("f")), count)
    cases.expect("one more", outcome(os.setxattr, "f", "user.one", b""), "E2BIG")
    cases.expect("replacing", outcome(os.setxattr, "f", "user.%0250d" % 7, b"new"), "ok")
    for i in range(0, count, 17):
        cases.expect("%d" % i, os.getxattr("f", "user.%0250d" % i), b"%d" % i)
    os.removexattr("f", "user.%0250d" % 0)
    cases.expect("room again", outcome(os.setxattr, "f", "user.one", b""), "ok")
    cases.done()
