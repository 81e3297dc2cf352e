"""Access control lists: whom they let in, the mask, inheritance, what is refused. As their raw attributes."""

import errno
import os
import stat
import struct

from mount_harness import check, fails, need_root, put, same
from rules import (GROUP, HOST, MEMBER, OTHER_GROUP, OWNER, STRANGER, Cases, as_groups, mode_of, open_close, outcome,
                   touch)

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
TAGS = {"user": 1, "named user": 2, "group": 4, "named group": 8, "mask": 16, "other": 32}


def encode(entries):
    packed = b"".join(struct.pack("<HHI", TAGS[tag], perm, who) for tag, perm, who in entries)
    return struct.pack("<I", 2) + packed


def acl(user, group, other, mask=None, users=(), groups=()):
    """Of permissions and pairs (id, permissions)."""
    entries = [("user", user, 2**32 - 1)]
    entries += [("named user", perm, who) for who, perm in users]
    entries += [("group", group, 2**32 - 1)]
    entries += [("named group", perm, who) for who, perm in groups]
    if mask is not None:
        entries.append(("mask", mask, 2**32 - 1))
    return encode(entries + [("other", other, 2**32 - 1)])


def allows(uid, groups, entries):
    """POSIX 1003.1e's algorithm: which of the permissions a process has. Linux does not look at a list with an empty
    mask, so that named users and groups are others then."""
    user, users, group, named, mask, other = entries
    if uid == OWNER:
        return lambda wanted: user & wanted == wanted
    if uid in users and mask:
        return lambda wanted: users[uid] & mask & wanted == wanted
    matching = [group] if GROUP in groups else []
    matching += [perm for who, perm in named.items() if who in groups and mask]
    if matching:
        return lambda wanted: any(perm & mask & wanted == wanted for perm in matching)
    return lambda wanted: other & wanted == wanted


@check
def whom_a_list_lets_in():
    """each permission with each mask lets in named users, groups and others by the rule"""
    need_root()
    lists = {}
    for perm in range(8):
        for mask in range(8):
            path = "%d%d" % (perm, mask)
            touch(path)
            os.chown(path, OWNER, GROUP)
            # The named group has the opposite, so that a process in both groups gets what one of them allows.
            lists[path] = (perm, {MEMBER: perm}, perm, {OTHER_GROUP: 7 - perm}, mask, 7 - perm)
            os.setxattr(path, ACCESS, acl(perm, perm, 7 - perm, mask, [(MEMBER, perm)], [(OTHER_GROUP, 7 - perm)]))

    def look(uid, groups):
        cases = Cases()
        for path, entries in lists.items():
            may = allows(uid, groups, entries)
            for flags, wanted in ((os.O_RDONLY, 4), (os.O_WRONLY, 2), (os.O_RDWR, 6)):
                cases.expect("%d %s opens %s with %d" % (uid, groups, path, flags),
                             outcome(open_close, path, flags), "ok" if may(wanted) else "EACCES")
            cases.expect("%d %s runs %s" % (uid, groups, path), os.access(path, os.X_OK), may(1))
        cases.done()

    for uid in (OWNER, MEMBER, STRANGER):
        for groups in ([GROUP], [OTHER_GROUP], [1, GROUP, OTHER_GROUP], [1]):
            as_groups(uid, groups, look, uid, groups)


@check
def list_and_mode():
    """the mode shows the list's owner, mask and others, and chmod changes those"""
    cases = Cases()
    touch("f")
    os.chmod("f", 0o6644)
    os.setxattr("f", ACCESS, acl(7, 5, 1, 6, [(MEMBER, 7)]))
    cases.expect("mode", mode_of("f") & 0o777, 0o761)
    for mode in (0o000, 0o777, 0o124, 0o640):
        os.chmod("f", mode)
        cases.expect("%03o" % mode, os.getxattr("f", ACCESS),
                     acl(mode >> 6, 5, mode & 7, mode >> 3 & 7, [(MEMBER, 7)]))
    os.setxattr("f", ACCESS, acl(6, 4, 0))
    cases.expect("no more than a mode", (mode_of("f") & 0o777, outcome(os.getxattr, "f", ACCESS)), (0o640, "ENODATA"))
    os.setxattr("f", ACCESS, acl(6, 4, 0, 7))
    cases.expect("a mask alone", (mode_of("f") & 0o777, os.getxattr("f", ACCESS)), (0o670, acl(6, 4, 0, 7)))
    os.removexattr("f", ACCESS)
    cases.expect("removed", (mode_of("f") & 0o777, outcome(os.getxattr, "f", ACCESS)), (0o670, "ENODATA"))
    cases.expect("removed again", outcome(os.removexattr, "f", ACCESS), "ok")
    cases.done()


def inherited(mode, default):
    """Owner, mask and others of the default list, less what the mode at creation lacks."""
    user, group, other, mask = default
    return acl(user & mode >> 6, group, other & mode, mask & mode >> 3, [(MEMBER, 7)])


@check
def default_list():
    """files, folders, fifos and nodes take a default list, whatever the umask; folders pass it on; links don't"""
    cases = Cases()
    os.mkdir("d")
    for default in ((7, 5, 0, 7), (6, 4, 4, 6), (7, 7, 7, 7), (0, 0, 0, 0), (5, 1, 2, 3)):
        listed = acl(default[0], default[1], default[2], default[3], [(MEMBER, 7)])
        os.chmod("d", 0o755)
        os.setxattr("d", DEFAULT, listed)
        cases.expect("the folder's own mode", mode_of("d"), 0o755)
        for mask in (0, 0o077, 0o777):
            os.umask(mask)
            for mode in (0o777, 0o666, 0o600, 0o124, 0):
                says = "%s, %03o: " % (default, mode)
                for kind, make in (("file", touch), ("folder", os.mkdir), ("fifo", os.mkfifo),
                                   ("node", lambda path, mode: os.mknod(path, stat.S_IFREG | mode))):
                    make("d/n", mode)
                    cases.expect(says + kind, os.getxattr("d/n", ACCESS), inherited(mode, default))
                    bits = (default[0] << 6 | default[3] << 3 | default[2]) & mode
                    cases.expect(says + kind + "'s mode", mode_of("d/n"), bits)
                    if kind == "folder":
                        cases.expect(says + "passed on", os.getxattr("d/n", DEFAULT), listed)
                        os.rmdir("d/n")
                    else:
                        cases.expect(says + kind, outcome(os.getxattr, "d/n", DEFAULT), "ENODATA")
                        os.unlink("d/n")
    os.symlink("x", "d/l")
    cases.expect("link", mode_of("d/l"), 0o777)
    os.umask(0)
    os.setxattr("d", DEFAULT, acl(7, 5, 0))
    touch("d/plain", 0o666)
    cases.expect("a plain default", (mode_of("d/plain"), outcome(os.getxattr, "d/plain", ACCESS)), (0o640, "ENODATA"))
    os.removexattr("d", DEFAULT)
    touch("d/free", 0o666)
    cases.expect("none any more", mode_of("d/free"), 0o666)
    cases.done()


@check
def lists_refused():
    """what is no list is refused, and so is a default one on anything but a folder"""
    cases = Cases()
    touch("f")
    os.mkdir("d")
    good = acl(7, 5, 1, 7, [(1, 7), (2, 7)])
    entry = struct.pack("<HHI", 2, 7, 1)
    for what, value, wanted in (
            ("empty", b"", "EINVAL"), ("half an entry", good[:-3], "EINVAL"),
            ("version 1", struct.pack("<I", 1) + good[4:], "ENOTSUP"),
            ("no owner", good[:4] + good[12:], "EINVAL"), ("no others", good[:-8], "EINVAL"),
            ("no mask", acl(7, 5, 1, None, [(1, 7)]), "EINVAL"), ("unknown tag", good + struct.pack("<HHI", 64, 7, 1),
                                                                  "EINVAL"),
            ("wrong order", good + entry, "EINVAL"), ("permission 8", acl(8, 5, 1), "EINVAL"),
            ("two owners", good[:12] + good[4:], "EINVAL")):
        for path, name in (("f", ACCESS), ("d", ACCESS), ("d", DEFAULT)):
            got = outcome(os.setxattr, path, name, value)
            # The kernel takes an empty value for the list's removal.
            cases.expect("%s: %s of %s" % (what, name, path), got, "ok" if value == b"" else wanted)
    cases.expect("default of a file", outcome(os.setxattr, "f", DEFAULT, good), "EACCES")
    os.symlink("f", "l")
    cases.expect("link", outcome(os.setxattr, "l", ACCESS, good, follow_symlinks=False), "ENOTSUP")
    cases.expect("mode", mode_of("f"), 0o644)
    cases.done()


@check
def who_may_set_a_list():
    """only the owner and root set a list; everyone reads it"""
    need_root()
    touch("f")
    os.chown("f", OWNER, GROUP)
    listed = acl(6, 4, 4, 6, [(MEMBER, 6)])
    as_groups(OWNER, [GROUP], os.setxattr, "f", ACCESS, listed)

    def member():
        same(os.getxattr("f", ACCESS), listed)
        open_close("f", os.O_RDWR)
        fails(errno.EPERM, os.setxattr, "f", ACCESS, acl(7, 7, 7))
        fails(errno.EPERM, os.removexattr, "f", ACCESS)

    as_groups(MEMBER, [OTHER_GROUP], member)
    same(os.getxattr("f", ACCESS), listed)


@check
def folder_lists():
    """a list on a folder says who lists, passes and changes it"""
    need_root()
    cases = Cases()
    for perm in range(8):
        path = "d%d" % perm
        os.mkdir(path, 0o700)
        touch(path + "/f")
        os.chmod(path + "/f", 0o644)
        os.chown(path, OWNER, GROUP)
        os.setxattr(path, ACCESS, acl(7, 0, 0, 7, [(MEMBER, perm)]))

    def look():
        for perm in range(8):
            path = "d%d" % perm
            cases.expect(path + " list", outcome(os.listdir, path), "ok" if perm & 4 else "EACCES")
            cases.expect(path + " pass", outcome(open_close, path + "/f", os.O_RDONLY), "ok" if perm & 1 else "EACCES")
            cases.expect(path + " change", outcome(touch, path + "/g"), "ok" if perm & 3 == 3 else "EACCES")
        cases.done()

    as_groups(MEMBER, [1], look)


@check
def long_lists():
    """lists of hundreds of names work, longer ones are refused and change nothing"""
    cases = Cases()
    touch("f")
    os.mkdir("d")
    most = 400 if not HOST else 100
    for count in (10, most):
        listed = acl(6, 4, 0, 6, [(1000 + i, 6) for i in range(count)])
        os.setxattr("f", ACCESS, listed)
        cases.expect("%d" % count, os.getxattr("f", ACCESS), listed)
        os.setxattr("d", DEFAULT, listed)
        put("d/%d" % count, b"x", 0o666)
        cases.expect("%d inherited" % count, os.getxattr("d/%d" % count, ACCESS), listed)
    refused = outcome(os.setxattr, "f", ACCESS, acl(6, 4, 0, 6, [(1000 + i, 6) for i in range(8000)]))
    cases.expect("too long", refused in ("E2BIG", "ENOSPC", "EINVAL", "ERANGE"), True)
    cases.expect("unchanged", len(os.getxattr("f", ACCESS)), 4 + 8 * (most + 4))
    cases.done()
