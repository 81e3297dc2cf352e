"""Who may do what: modes of files and folders, sticky folders, what only an owner or root may change, umask."""

import errno
import os
import stat

from mount_harness import check, fails, need_root, put, same
from rules import (GROUP, MEMBER, OTHER_GROUP, OWNER, STRANGER, Cases, as_groups, mode_of, open_close, outcome, touch)

# Everybody's user, own group and further groups, and how far the mode is to be shifted for them.
CLASSES = (("owner", OWNER, [GROUP], 6), ("owner outside of the group", OWNER, [OTHER_GROUP], 6),
           ("group", MEMBER, [GROUP], 3), ("further group", MEMBER, [OTHER_GROUP, GROUP], 3),
           ("other", STRANGER, [OTHER_GROUP], 0))


CHANGES = ((touch, ("/new",)), (os.mkdir, ("/dir",)), (os.mkfifo, ("/fifo",)), (os.rename, ("/moved", "/there")),
           (os.link, ("/linked", "/link")), (os.unlink, ("/removed",)), (os.rmdir, ("/folder",)))


def allowed(mode, shift, wanted):
    return (mode >> shift & wanted) == wanted


@check
def every_mode_of_a_file():
    """each of the 512 modes lets each class read, write and run what it says"""
    need_root()
    for mode in range(512):
        put("%03o" % mode, b"#!/bin/sh\n")
        os.chown("%03o" % mode, OWNER, GROUP)
        os.chmod("%03o" % mode, mode)

    def look(name, shift):
        cases = Cases()
        for mode in range(512):
            path = "%03o" % mode
            for flags, wanted in ((os.O_RDONLY, 4), (os.O_WRONLY, 2), (os.O_RDWR, 6)):
                cases.expect("%s opens %s with %d" % (name, path, flags), outcome(open_close, path, flags),
                             "ok" if allowed(mode, shift, wanted) else "EACCES")
            cases.expect("%s may run %s" % (name, path), os.access(path, os.X_OK), allowed(mode, shift, 1))
        cases.done()

    for name, uid, groups, shift in CLASSES:
        as_groups(uid, groups, look, name, shift)


@check
def every_mode_of_a_folder():
    """each class may list, pass through and change a folder as each mode says"""
    need_root()

    def look(name):
        cases = Cases()
        for bits in range(8):
            path = "%s/%d" % (name, bits)
            says = "%s with %d: " % (name, bits)
            passes, changes = bool(bits & 1), bits & 3 == 3
            cases.expect(says + "list", outcome(os.listdir, path), "ok" if bits & 4 else "EACCES")
            cases.expect(says + "stat", outcome(os.stat, path + "/old"), "ok" if passes else "EACCES")
            cases.expect(says + "stat of nothing", outcome(os.stat, path + "/x"), "ENOENT" if passes else "EACCES")
            cases.expect(says + "chdir", outcome(in_folder, path), "ok" if passes else "EACCES")
            for call, args in CHANGES:
                cases.expect(says + call.__name__, outcome(call, *[path + arg for arg in args]),
                             "ok" if changes else "EACCES")
        cases.done()

    def in_folder(path):
        here = os.open(".", os.O_PATH)
        os.chdir(path)
        os.fchdir(here)
        os.close(here)

    for name, uid, groups, shift in CLASSES:
        os.mkdir(name)
        for bits in range(8):
            path = "%s/%d" % (name, bits)
            os.makedirs(path + "/folder")
            for file in ("old", "moved", "linked", "removed"):
                touch(path + "/" + file)
                os.chown(path + "/" + file, uid, groups[0])  # or it could not be linked to
            os.chown(path, OWNER, GROUP)
            os.chmod(path, 0o777 & ~(7 << shift) | bits << shift)
        as_groups(uid, groups, look, name)


@check
def root_and_modes():
    """root reads and writes everything, and runs what anybody may run"""
    need_root()
    cases = Cases()
    put("f", b"#!/bin/sh\n")
    for mode in range(512):
        os.chmod("f", mode)
        cases.expect("open %03o" % mode, outcome(open_close, "f", os.O_RDWR), "ok")
        cases.expect("run %03o" % mode, os.access("f", os.X_OK), mode & 0o111 != 0)
    os.mkdir("d", 0)
    cases.expect("folder", outcome(touch, "d/f"), "ok")
    cases.expect("list", os.listdir("d"), ["f"])
    cases.done()


@check
def opened_before():
    """what was opened stays open to its opener when the mode is taken away"""
    need_root()
    os.chmod(".", 0o777)

    def use():
        fd = os.open("f", os.O_RDWR | os.O_CREAT, 0)
        os.write(fd, b"data")
        same(os.pread(fd, 9, 0), b"data")
        os.ftruncate(fd, 1)
        os.fchmod(fd, 0o400)
        same(os.fstat(fd).st_size, 1)
        fails(errno.EACCES, os.open, "f", os.O_RDWR)
        fails(errno.EACCES, os.truncate, "f", 0)
        os.close(fd)
        open_close("f", os.O_RDONLY)

    as_groups(OWNER, [GROUP], use)


def sticky_allows(actor, folder, owner):
    return actor in (0, folder, owner)


@check
def sticky_folder():
    """in a sticky folder a name is its owner's, the folder's owner's and root's, whatever the call"""
    need_root()
    users = (0, OWNER, MEMBER, STRANGER)

    def make(folder, owner):
        if not os.path.exists("d"):
            os.mkdir("d")
        os.chown("d", folder, GROUP)
        os.chmod("d", 0o1777)
        for name in ("d/a", "d/b", "d/c", "d/victim"):
            touch(name)
            os.chown(name, owner, GROUP)
        os.makedirs("d/e", exist_ok=True)
        os.chown("d/e", owner, GROUP)

    def act(cases, actor, folder, owner):
        says = "%d in the folder of %d, file of %d: " % (actor, folder, owner)
        wanted = "ok" if sticky_allows(actor, folder, owner) else "EPERM"
        cases.expect(says + "rename", outcome(os.rename, "d/b", "d/b2"), wanted)
        cases.expect(says + "move out", outcome(os.rename, "d/c", "out/c%d" % actor), wanted)
        touch("d/mine-%d" % actor)
        cases.expect(says + "replace", outcome(os.rename, "d/mine-%d" % actor, "d/victim"), wanted)
        cases.expect(says + "rmdir", outcome(os.rmdir, "d/e"), wanted)
        cases.expect(says + "unlink", outcome(os.unlink, "d/a"), wanted)
        cases.done()

    os.mkdir("out")
    os.chmod("out", 0o777)
    for folder in (0, OWNER):
        for owner in (0, OWNER, MEMBER):
            for actor in users:
                make(folder, owner)
                as_groups(actor, [GROUP], act, Cases(), actor, folder, owner)
                os.rename("d", "done-%d-%d-%d" % (folder, owner, actor))


@check
def moving_a_folder():
    """a folder that gets another parent has to be writable, one that keeps it need not be"""
    need_root()
    os.mkdir("a")
    os.mkdir("b")
    for path in ("a", "b"):
        os.chmod(path, 0o777)
    for name in ("mine", "readonly", "theirs"):
        os.mkdir("a/" + name)
    os.chown("a/mine", OWNER, GROUP)
    os.chown("a/readonly", OWNER, GROUP)
    os.chmod("a/readonly", 0o555)

    def act():
        os.rename("a/mine", "b/mine")
        os.rename("a/readonly", "a/still")
        fails(errno.EACCES, os.rename, "a/still", "b/still")
        os.rename("a/theirs", "a/renamed")
        fails(errno.EACCES, os.rename, "a/renamed", "b/renamed")

    as_groups(OWNER, [GROUP], act)


@check
def who_may_chmod_and_chown():
    """the owner changes the mode, and the group to one of their own; nobody gives a file away"""
    need_root()
    touch("f")
    os.chown("f", OWNER, GROUP)
    os.chmod(".", 0o777)

    def owner():
        os.chmod("f", 0o600)
        os.chown("f", OWNER, GROUP)
        os.chown("f", -1, OTHER_GROUP)
        os.chown("f", -1, GROUP)
        fails(errno.EPERM, os.chown, "f", MEMBER, -1)
        fails(errno.EPERM, os.chown, "f", -1, 1)
        fails(errno.EPERM, os.chown, "f", MEMBER, OTHER_GROUP)
        os.symlink("f", "l")
        os.lchown("l", -1, OTHER_GROUP)
        same(os.lstat("l").st_gid, OTHER_GROUP)
        same(os.stat("f").st_gid, GROUP)

    def member():
        fails(errno.EPERM, os.chmod, "f", 0o777)
        fails(errno.EPERM, os.chown, "f", -1, GROUP)
        fails(errno.EPERM, os.lchown, "l", -1, GROUP)
        fails(errno.EPERM, os.chown, "f", MEMBER, -1)

    as_groups(OWNER, [GROUP, OTHER_GROUP], owner)
    as_groups(MEMBER, [GROUP], member)
    same((os.stat("f").st_uid, os.stat("f").st_gid, mode_of("f")), (OWNER, GROUP, 0o600))


@check
def who_may_set_times():
    """others with write permission may set a file's times to now, and to nothing else"""
    need_root()
    touch("f")
    os.chown("f", OWNER, GROUP)
    os.chmod("f", 0o664)

    def writer():
        os.utime("f")
        fails(errno.EPERM, os.utime, "f", (1, 2))

    as_groups(OWNER, [GROUP], os.utime, "f", (1, 2))
    as_groups(MEMBER, [GROUP], writer)
    as_groups(STRANGER, [OTHER_GROUP], fails, errno.EACCES, os.utime, "f")
    as_groups(STRANGER, [OTHER_GROUP], fails, errno.EPERM, os.utime, "f", (1, 2))


@check
def noatime_is_the_owners():
    """only the owner opens with O_NOATIME"""
    need_root()
    touch("f")
    os.chown("f", OWNER, GROUP)
    as_groups(OWNER, [GROUP], open_close, "f", os.O_RDONLY | os.O_NOATIME)
    as_groups(MEMBER, [GROUP], fails, errno.EPERM, os.open, "f", os.O_RDONLY | os.O_NOATIME)


@check
def umask_everywhere():
    """the umask takes its bits from files, folders, fifos and nodes, and from nothing else"""
    cases = Cases()
    for mask in list(range(0, 0o1000, 7)) + [0o777]:
        os.umask(mask)
        touch("f", 0o777)
        os.mkdir("d", 0o777)
        os.mkfifo("p", 0o777)
        os.mknod("n", stat.S_IFREG | 0o777)
        os.symlink("x", "l")
        for name in ("f", "d", "p", "n"):
            cases.expect("%s with umask %03o" % (name, mask), mode_of(name), 0o777 & ~mask)
        cases.expect("link with umask %03o" % mask, mode_of("l"), 0o777)
        os.chmod("f", 0o666)
        cases.expect("chmod with umask %03o" % mask, mode_of("f"), 0o666)
        for name in ("f", "p", "n", "l"):
            os.unlink(name)
        os.rmdir("d")
    cases.done()


@check
def created_without_permission():
    """a file is made with a mode that would not let its maker open it, and is open nevertheless"""
    need_root()
    os.chmod(".", 0o777)

    def make():
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            fd = os.open("f%d" % flags, os.O_CREAT | os.O_EXCL | flags, 0)
            same(os.fstat(fd).st_mode, stat.S_IFREG)
            if flags != os.O_RDONLY:
                os.write(fd, b"x")
            os.close(fd)
            fails(errno.EACCES, os.open, "f%d" % flags, os.O_CREAT | flags, 0o644)

    as_groups(OWNER, [GROUP], make)
