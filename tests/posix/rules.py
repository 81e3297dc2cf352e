"""What the areas share: users, system calls that Python lacks, and comparisons that count and collect."""

import ctypes
import errno
import mmap
import os
import stat
import struct

from mount_harness import Skip, as_user, need_root

HOST = False  # on the host's own filesystem, the oracle
FULL = os.environ.get("NACRE_TORTURE") == "1"

OWNER, MEMBER, STRANGER = 4242, 4300, 4400  # users
GROUP, OTHER_GROUP = 5252, 5300

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = -100, 0x100, 0x400, 0x1000
AT_STATX_FORCE_SYNC, STATX_MTIME, STX_MTIME_AT = 0x2000, 0x40, 112
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE, UNSHARE_RANGE = 1, 2, 8, 16, 32, 64


COUNTER = mmap.mmap(-1, 8)  # shared with children


def count_case():
    COUNTER[:] = struct.pack("<Q", cases_counted() + 1)


def cases_counted():
    return struct.unpack("<Q", COUNTER[:])[0]


class Cases:
    """Many cases of one check. All run; the first few that went wrong are told at the end."""

    def __init__(self):
        self.wrong = []

    def expect(self, what, got, wanted):
        count_case()
        if got != wanted:
            self.wrong.append("%s: %s, not %s" % (what, got, wanted))

    def done(self):
        assert not self.wrong, "%d cases: %s" % (len(self.wrong), "; ".join(self.wrong[:20]))


def outcome(function, *args, **kwargs):
    """"ok", or the name of the error."""
    try:
        function(*args, **kwargs)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def only_nacre(why):
    """For a check of what the host's filesystem is allowed to do otherwise."""
    if HOST:
        raise Skip("the host's filesystem differs: " + why)


def as_groups(uid, groups, function, *args):
    """As mount_harness.as_user, with further groups; the first is the own one."""
    def become():
        os.setgroups(groups[1:])
        os.setresgid(groups[0], groups[0], groups[0])
        os.setresuid(uid, uid, uid)
        function(*args)

    need_root()
    as_user(0, 0, become)


def system_call(name, *args):
    result = getattr(LIBC, name)(*args)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def renameat2(old, new, flags):
    system_call("renameat2", AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)


def linkat(old, new, flags=0, old_fd=AT_FDCWD):
    system_call("linkat", old_fd, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)


def fallocate(fd, mode, offset, length):
    system_call("fallocate", fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length))


def stored_mtime_ns(path):
    """The filesystem's answer, not what the kernel remembers of an earlier one."""
    stored = ctypes.create_string_buffer(256)  # struct statx
    system_call("statx", AT_FDCWD, os.fsencode(path), AT_STATX_FORCE_SYNC, STATX_MTIME, stored)
    seconds, nanoseconds = struct.unpack_from("=qI", stored, STX_MTIME_AT)
    return seconds * 10**9 + nanoseconds


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def touch(path, mode=0o644):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))


def open_close(path, flags, mode=0o644):
    os.close(os.open(path, flags, mode))
