"""Linux calls that Python's os module has not, raising OSError as it does."""

import collections
import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
STATX_BASIC_STATS = 0x7FF

Statx = collections.namedtuple("Statx", "mask nlink uid gid mode size rdev")


def call(function, *args):
    result = function(*args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def fallocate(fd, mode, offset, length):
    call(LIBC.fallocate, fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length))


def renameat2(source, target, flags):
    call(LIBC.renameat2, AT_FDCWD, source, AT_FDCWD, target, ctypes.c_uint(flags))


def utimens(target, times, follow=True):
    """times: two of (seconds, nanoseconds or UTIME_NOW or UTIME_OMIT); the target: a path or a descriptor."""
    packed = struct.pack("=qqqq", *times[0], *times[1])
    if isinstance(target, int):
        call(LIBC.futimens, target, packed)
    else:
        call(LIBC.utimensat, AT_FDCWD, target, packed, 0 if follow else AT_SYMLINK_NOFOLLOW)


def statx(target):
    """Of a path, not following a symbolic link, or of a descriptor."""
    buf = ctypes.create_string_buffer(256)
    if isinstance(target, int):
        call(LIBC.statx, target, b"", AT_EMPTY_PATH, STATX_BASIC_STATS, buf)
    else:
        call(LIBC.statx, AT_FDCWD, target, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, buf)
    mask, _blksize, _attributes, nlink, uid, gid, mode, _ino, size = struct.unpack_from("=IIQIIIHxxQQ", buf, 0)
    rdev = struct.unpack_from("=II", buf, 128)
    return Statx(mask & STATX_BASIC_STATS, nlink, uid, gid, mode, size, rdev)


def data_segments(fd, size):
    """The (start, end) that SEEK_DATA and SEEK_HOLE give."""
    segments, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == 6:  # ENXIO: no more data
                break
            raise
        end = os.lseek(fd, start, os.SEEK_HOLE)
        assert at <= start < end <= size, "SEEK_DATA from %d: %d, SEEK_HOLE: %d, size %d" % (at, start, end, size)
        segments.append((start, end))
        at = end
    return segments
