"""Setuid and setgid bits: what clears them, who may set them, what setgid folders pass on."""

import os
import stat

from mount_harness import check, need_root, put, same
from rules import (GROUP, KEEP_SIZE, MEMBER, OTHER_GROUP, OWNER, STRANGER, Cases, as_groups, fallocate, mode_of,
                   outcome, touch)

SUID, SGID = stat.S_ISUID, stat.S_ISGID
MODES = [bits | mode for bits in (SUID, SGID, SUID | SGID) for mode in (0o777, 0o767, 0o666, 0o676)]
ACTORS = (("root", 0, [0]), ("owner", OWNER, [GROUP]), ("owner outside of the group", OWNER, [OTHER_GROUP]),
          ("member", MEMBER, [GROUP]), ("stranger", STRANGER, [OTHER_GROUP]))


def with_fd(path, flags, function):
    fd = os.open(path, flags)
    function(fd)
    os.close(fd)


def copy(path):
    source = os.open("source", os.O_RDONLY)
    with_fd(path, os.O_WRONLY, lambda fd: os.copy_file_range(source, fd, 3))
    os.close(source)


CHANGES = {
    "write": lambda path: with_fd(path, os.O_WRONLY, lambda fd: os.write(fd, b"x")),
    "write by a reader": lambda path: with_fd(path, os.O_RDWR, lambda fd: os.write(fd, b"x")),
    "append": lambda path: with_fd(path, os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"x")),
    "truncate": lambda path: os.truncate(path, 1),
    "ftruncate": lambda path: with_fd(path, os.O_WRONLY, lambda fd: os.ftruncate(fd, 9)),
    "open with O_TRUNC": lambda path: with_fd(path, os.O_WRONLY | os.O_TRUNC, lambda fd: None),
    "fallocate": lambda path: with_fd(path, os.O_WRONLY, lambda fd: fallocate(fd, 0, 0, 100)),
    "fallocate that keeps the size": lambda path: with_fd(path, os.O_WRONLY, lambda fd: fallocate(fd, KEEP_SIZE, 0, 9)),
    "copy_file_range": copy,
}


def after_change(mode, uid, groups):
    """Linux's rule for what changes a file's data."""
    if uid == 0:
        return mode
    kept = mode & ~SUID
    if mode & 0o010 or GROUP not in groups:
        kept &= ~SGID
    return kept


@check
def cleared_by_changes():
    """writing, truncating, allocating and copying clear what they should, for each mode and actor"""
    need_root()
    put("source", b"data")
    cases = Cases()
    for what, change in CHANGES.items():
        for name, uid, groups in ACTORS:
            for mode in MODES:
                put("f", b"data")
                os.chown("f", OWNER, GROUP)
                os.chmod("f", mode | 0o666)
                as_groups(uid, groups, change, "f")
                cases.expect("%s of %04o by %s" % (what, mode | 0o666, name), "%04o" % mode_of("f"),
                             "%04o" % after_change(mode | 0o666, uid, groups))
                os.unlink("f")
    cases.done()


@check
def cleared_by_chown():
    """a change of owner or group clears setuid, and setgid where the group may run the file"""
    need_root()
    cases = Cases()
    for what, owner in (("owner", (STRANGER, -1)), ("group", (-1, OTHER_GROUP)), ("both", (STRANGER, OTHER_GROUP)),
                        ("nothing new", (OWNER, GROUP))):
        for mode in MODES:
            put("f", b"data")
            os.chown("f", OWNER, GROUP)
            os.chmod("f", mode)
            os.chown("f", *owner)
            wanted = mode & ~SUID & ~(SGID if mode & 0o010 else 0)
            cases.expect("%s of %04o" % (what, mode), "%04o" % mode_of("f"), "%04o" % wanted)
            os.unlink("f")
    for bits in (SUID, SGID, SUID | SGID):
        os.mkdir("d")
        os.chmod("d", bits | 0o755)
        os.chown("d", OWNER, GROUP)
        cases.expect("folder", mode_of("d"), bits | 0o755)
        os.rmdir("d")
    cases.done()


@check
def cleared_by_the_owners_chown():
    """the owner who changes the group clears what a write of theirs would"""
    need_root()
    cases = Cases()
    for groups in ([GROUP, OTHER_GROUP], [OTHER_GROUP]):
        for mode in MODES:
            put("f", b"data")
            os.chown("f", OWNER, GROUP)
            os.chmod("f", mode)
            as_groups(OWNER, groups, os.chown, "f", -1, OTHER_GROUP)
            cases.expect("%04o" % mode, "%04o" % mode_of("f"), "%04o" % after_change(mode, OWNER, groups))
            os.unlink("f")
    cases.done()


@check
def kept_by_the_rest():
    """reading, renaming, linking, times and attributes leave the bits alone"""
    need_root()
    put("f", b"data")
    os.chown("f", OWNER, GROUP)
    os.chmod("f", 0o6777)
    os.chmod(".", 0o777)

    def act():
        with_fd("f", os.O_RDONLY, lambda fd: os.read(fd, 9))
        with_fd("f", os.O_WRONLY, lambda fd: os.write(fd, b""))
        with_fd("f", os.O_WRONLY, os.fsync)
        os.link("f", "g")
        os.rename("g", "h")
        os.utime("f", (1, 1))
        os.setxattr("f", "user.a", b"1")
        same(mode_of("f"), 0o6777)

    as_groups(OWNER, [GROUP], act)


@check
def who_may_set_setgid():
    """chmod drops setgid for an owner who is not in the group, and for folders too"""
    need_root()
    cases = Cases()
    touch("f")
    os.mkdir("d")
    for path in ("f", "d"):
        os.chown(path, OWNER, GROUP)
        for name, uid, groups in ACTORS[:3]:
            for mode in (0o2755, 0o6755, 0o2644, 0o7777):
                as_groups(uid, groups, os.chmod, path, mode)
                wanted = mode if uid == 0 or GROUP in groups else mode & ~SGID
                cases.expect("%s %04o by %s" % (path, mode, name), mode_of(path), wanted)
    cases.done()


@check
def setgid_folder_passes_on():
    """all kinds that are made in a setgid folder get its group; folders get the bit; foreign setgid files don't"""
    need_root()
    os.mkdir("d")
    os.chown("d", 0, GROUP)
    os.chmod("d", 0o2777)
    os.umask(0)

    def make(member):
        cases = Cases()
        touch("d/f", 0o2777)
        touch("d/plain", 0o2767)
        os.mkdir("d/e", 0o777)
        os.mkfifo("d/p", 0o666)
        os.symlink("x", "d/l")
        os.mkdir("d/e/g", 0o755)
        for path in ("d/f", "d/e", "d/p", "d/l", "d/e/g", "d/plain"):
            cases.expect(path, os.lstat(path).st_gid, GROUP)
        cases.expect("folder", mode_of("d/e"), 0o2777)
        cases.expect("folder in folder", mode_of("d/e/g"), 0o2755)
        cases.expect("setgid file", mode_of("d/f"), 0o2777 if member else 0o777)
        cases.expect("setgid file that the group may not run", mode_of("d/plain"), 0o2767)
        for path in ("d/f", "d/p", "d/l", "d/plain"):
            os.unlink(path)
        os.rmdir("d/e/g")
        os.rmdir("d/e")
        cases.done()

    as_groups(MEMBER, [OTHER_GROUP, GROUP], make, True)
    as_groups(STRANGER, [OTHER_GROUP], make, False)


@check
def sticky_bit_on_files():
    """the sticky bit stays on files and folders, for users as for root"""
    need_root()
    cases = Cases()
    touch("f")
    os.mkdir("d")
    for path in ("f", "d"):
        os.chown(path, OWNER, GROUP)
        as_groups(OWNER, [GROUP], os.chmod, path, 0o1755)
        cases.expect(path, mode_of(path), 0o1755)
    cases.expect("stranger", outcome(as_groups, STRANGER, [OTHER_GROUP], os.listdir, "d"), "ok")
    cases.done()
