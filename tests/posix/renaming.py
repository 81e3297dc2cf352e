"""Rename in all its cases."""

import errno
import os
import stat
import tempfile

from mount_harness import check, fails, get, put, same
from rules import EXCHANGE, NOREPLACE, WHITEOUT, Cases, linkat, only_nacre, outcome, renameat2, touch

FOLDERS = ("empty folder", "full folder")
KINDS = FOLDERS + ("file", "fifo", "link to a file", "link to a folder", "dangling link")


def make(kind, path):
    if kind == "nothing":
        return
    if kind in FOLDERS:
        os.mkdir(path)
        if kind == "full folder":
            os.mkdir(path + "/sub")
    elif kind == "file":
        put(path, path.encode())
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        os.symlink({"link to a file": "../target", "link to a folder": "..", "dangling link": "none"}[kind], path)


def rule(source, target, flags):
    if target == "nothing":
        return "ENOENT" if flags == EXCHANGE else "ok"
    if flags == NOREPLACE:
        return "EEXIST"
    if flags == EXCHANGE:
        return "ok"
    if source in FOLDERS:
        return {"empty folder": "ok", "full folder": "ENOTEMPTY"}.get(target, "ENOTDIR")
    return "EISDIR" if target in FOLDERS else "ok"


def number(path):
    return os.lstat(path).st_ino if os.path.lexists(path) else None


def subfolders(path):
    return sum(stat.S_ISDIR(os.lstat(path + "/" + name).st_mode) for name in os.listdir(path))


def try_one(cases, source, target, flags, parents):
    """Rename within or between the folders, and look at names, numbers, link counts and the way up."""
    says = "%s to %s, flags %d, %s to %s: " % ((source, target, flags) + parents)
    old, new = parents[0] + "/old", parents[1] + "/new"
    make(source, old)
    make(target, new)
    before = number(old), number(new)
    wanted = rule(source, target, flags)
    cases.expect(says + "outcome", outcome(renameat2, old, new, flags), wanted)
    if wanted != "ok":
        after = before
    elif flags == EXCHANGE:
        after = before[1], before[0]
    else:
        after = None, before[0]
    cases.expect(says + "inodes", (number(old), number(new)), after)
    for parent in set(parents):
        cases.expect(says + "links of " + parent, os.stat(parent).st_nlink, 2 + subfolders(parent))
    for parent, path in zip(parents, (old, new)):
        if os.path.isdir(path) and not os.path.islink(path):
            cases.expect(says + "..", os.stat(path + "/..").st_ino, os.stat(parent).st_ino)
        if os.path.lexists(path):
            os.rename(path, "done/%d" % len(os.listdir("done")))


@check
def every_pair():
    """each kind replaces, does not replace or changes places with each kind as it should, within and between folders"""
    cases = Cases()
    touch("target")
    for folder in ("a", "b", "done"):
        os.mkdir(folder)
    for source in KINDS:
        for target in KINDS + ("nothing",):
            for flags in (0, NOREPLACE, EXCHANGE):
                for parents in (("a", "a"), ("a", "b")):
                    try_one(cases, source, target, flags, parents)
    cases.done()


@check
def beneath_itself():
    """no folder moves beneath itself, replaces or changes places with one that holds it"""
    cases = Cases()
    os.makedirs("a/b/c/d")
    touch("a/b/f")
    for flags in (0, NOREPLACE, EXCHANGE):
        for new in ("a/x", "a/b/x", "a/b/c/d/x"):
            wanted = "ENOENT" if flags == EXCHANGE else "EINVAL"
            cases.expect("a to %s, %d" % (new, flags), outcome(renameat2, "a", new, flags), wanted)
        for new in ("a/b", "a/b/c/d", "a/b/f"):
            wanted = "EEXIST" if flags == NOREPLACE else "EINVAL"
            cases.expect("a to %s, %d" % (new, flags), outcome(renameat2, "a", new, flags), wanted)
        for old in ("a/b/c", "a/b/c/d", "a/b/f"):
            wanted = {0: "ENOTEMPTY", NOREPLACE: "EEXIST", EXCHANGE: "EINVAL"}[flags]
            cases.expect("%s to a, %d" % (old, flags), outcome(renameat2, old, "a", flags), wanted)
    cases.expect("tree", os.path.isdir("a/b/c/d"), True)
    cases.done()


@check
def to_itself():
    """a name renamed to itself, or to another name of the same file, stays, by whatever flag"""
    cases = Cases()
    put("f", b"f")
    os.link("f", "g")
    os.mkdir("d")
    for name in ("f", "d"):
        cases.expect(name, outcome(os.rename, name, name), "ok")
        cases.expect(name + " exchanged", outcome(renameat2, name, name, EXCHANGE), "ok")
        cases.expect(name + " not replaced", outcome(renameat2, name, name, NOREPLACE), "EEXIST")
    cases.expect("other name", outcome(os.rename, "f", "g"), "ok")
    cases.expect("other name exchanged", outcome(renameat2, "f", "g", EXCHANGE), "ok")
    cases.expect("other name not replaced", outcome(renameat2, "f", "g", NOREPLACE), "EEXIST")
    cases.expect("names", (sorted(os.listdir(".")), os.stat("f").st_nlink), (["d", "f", "g"], 2))
    cases.done()


@check
def refused_flags():
    """unknown flags and both flags together are refused, and so is RENAME_WHITEOUT"""
    cases = Cases()
    touch("f")
    touch("g")
    for flags in (NOREPLACE | EXCHANGE, EXCHANGE | WHITEOUT, 8, 1 << 31, 15):
        cases.expect("%d" % flags, outcome(renameat2, "f", "g", flags), "EINVAL")
    cases.expect("names", sorted(os.listdir(".")), ["f", "g"])
    cases.done()


@check
def whiteout():
    """RENAME_WHITEOUT is refused, and moves nothing"""
    only_nacre("ext4 makes whiteouts")
    touch("f")
    for flags in (WHITEOUT, WHITEOUT | NOREPLACE):
        fails(errno.EINVAL, renameat2, "f", "g", flags)
    same(os.listdir("."), ["f"])


@check
def dots_and_slashes():
    """rename refuses . and .., and a slash behind what is no folder"""
    cases = Cases()
    os.mkdir("d")
    os.mkdir("e")
    touch("f")
    os.symlink("d", "l")
    for what, old, new, wanted in (
            ("from .", "d/.", "x", "EBUSY"), ("from ..", "d/..", "x", "EBUSY"), ("to .", "e", "d/.", "EBUSY"),
            ("to ..", "e", "d/..", "EBUSY"), ("file with slash", "f/", "x", "ENOTDIR"),
            ("file to slash", "f", "x/", "ENOTDIR"), ("file to a folder's slash", "f", "d/", "ENOTDIR"),
            ("link with slash", "l/", "x", "ENOTDIR"), ("folder with slash", "d/", "y/", "ok"),
            ("folder to a file's slash", "y", "f/", "ENOTDIR"), ("empty", "", "x", "ENOENT"),
            ("to empty", "f", "", "ENOENT"), ("file as folder", "f/x", "x", "ENOTDIR"),
            ("to a file's folder", "e", "f/x", "ENOTDIR"), ("long", "f", "x" * 256, "ENAMETOOLONG"),
            ("from long", "x" * 256, "f", "ENAMETOOLONG")):
        got = outcome(os.rename, old, new)
        cases.expect(what, got, wanted)
    cases.expect("names", sorted(os.listdir(".")), ["e", "f", "l", "y"])
    cases.done()


@check
def while_open():
    """what is renamed while it is open, or a current folder, goes on under its new name"""
    put("f", b"data")
    os.makedirs("d/e")
    fd = os.open("f", os.O_RDWR)
    os.chdir("d/e")
    os.rename("../../d", "../../moved")
    os.rename("../../f", "../g")
    os.write(fd, b"DA")
    same((get("../g"), os.path.basename(os.path.dirname(os.getcwd()))), (b"DAta", "moved"))
    put("h", b"h")
    os.rename("h", "../g")
    same((os.pread(fd, 9, 0), os.fstat(fd).st_nlink, get("../g")), (b"DAta", 0, b"h"))
    os.close(fd)


@check
def replaced_folder():
    """an empty folder that is replaced while open is one that was removed"""
    os.makedirs("a/sub")
    os.mkdir("b")
    fd = os.open("b", os.O_RDONLY | os.O_DIRECTORY)
    os.rename("a", "b")
    same((os.listdir(fd), os.fstat(fd).st_nlink, os.listdir("b")), ([], 0, ["sub"]))
    fails(errno.ENOENT, os.mkdir, "x", dir_fd=fd)
    os.close(fd)


@check
def deep_and_back():
    """folders move up and down a deep tree and stay where .. says"""
    path = "/".join("d%d" % i for i in range(60))
    os.makedirs(path)
    os.mkdir("m")
    touch("m/f")
    os.rename("m", path + "/m")
    same(os.stat(path + "/m/..").st_ino, os.stat(path).st_ino)
    os.rename(path, "top")
    os.rename("top", "d0/d1/d2/down")
    same(os.listdir("d0/d1/d2/down/m"), ["f"])
    fails(errno.EINVAL, os.rename, "d0", "d0/d1/d2/down/m/d0")


@check
def long_names():
    """names of all lengths replace each other"""
    cases = Cases()
    for size in (1, 2, 100, 254, 255):
        put("x" * size, b"%d" % size)
        os.rename("x" * size, "y" * (256 - size))
        cases.expect("%d" % size, get("y" * (256 - size)), b"%d" % size)
    cases.expect("entries", len(os.listdir(".")), 5)
    cases.done()


@check
def attributes_move_along():
    """a renamed inode keeps number, times, owner, mode and attributes; an exchange swaps none of them"""
    put("f", b"f")
    os.chmod("f", 0o604)
    os.setxattr("f", "user.a", b"1")
    os.utime("f", ns=(11, 22))
    put("g", b"g")
    before = os.stat("f")
    renameat2("f", "g", EXCHANGE)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        os.rename("g", folder + "/h")
        linkat(folder + "/h", "h")
    after = os.stat("h")
    same([getattr(after, "st_" + field) for field in ("ino", "mode", "uid", "gid", "size", "mtime_ns", "atime_ns")],
         [getattr(before, "st_" + field) for field in ("ino", "mode", "uid", "gid", "size", "mtime_ns", "atime_ns")])
    same((os.getxattr("h", "user.a"), os.listxattr("f")), (b"1", []))
