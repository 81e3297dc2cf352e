"""File handles, by which NFS servers and others find an inode again that everybody has forgotten."""

import ctypes
import errno
import os
import struct
import time

from mount_harness import Skip, check, fails, get, need_root, put, same
from rules import AT_FDCWD, Cases, outcome, system_call

HANDLE_MAX = 128
CLOSED_S = 10


class Handle:
    """What name_to_handle_at says of a path."""

    def __init__(self, path):
        self.data = ctypes.create_string_buffer(struct.pack("<Ii", HANDLE_MAX, 0), 8 + HANDLE_MAX)
        mount = ctypes.c_int()
        system_call("name_to_handle_at", AT_FDCWD, os.fsencode(path), self.data, ctypes.byref(mount), 0)

    def open(self, flags=os.O_RDONLY):
        here = os.open(".", os.O_RDONLY)
        try:
            return system_call("open_by_handle_at", here, self.data, flags)
        finally:
            os.close(here)

    def read(self):
        with os.fdopen(self.open(), "rb") as file:
            return file.read()


def forget():
    """Have the kernel forget every inode that nobody uses."""
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("2")
    except OSError as error:
        raise Skip("the kernel can't be told to forget: %s" % error.strerror)


@check
def found_again():
    """files, folders and links are found by their handles when the kernel has forgotten them"""
    need_root()
    cases = Cases()
    os.makedirs("d/e/f")
    for i in range(50):
        put("d/e/%d" % i, b"%d" % i)
    handles = [Handle("d/e/%d" % i) for i in range(50)]
    folder, top = Handle("d/e/f"), Handle("d")
    numbers = os.stat("d/e/f").st_ino, os.stat("d").st_ino
    os.rename("d/e/7", "d/seven")
    os.rename("d", "moved")
    forget()
    for i, handle in enumerate(handles):
        cases.expect("%d" % i, outcome(handle.read), "ok")
        cases.expect("%d's data" % i, handle.read(), b"%d" % i)
    for handle, number, path in ((folder, numbers[0], "moved/e/f"), (top, numbers[1], "moved")):
        forget()
        fd = handle.open(os.O_RDONLY | os.O_DIRECTORY)
        cases.expect(path, os.fstat(fd).st_ino, number)
        # The way up is found too, so that the path is known.
        cases.expect(path + "'s path", os.readlink("/proc/self/fd/%d" % fd), os.path.abspath(path))
        cases.expect(path + "'s entries", sorted(os.listdir(fd)), sorted(os.listdir(path)))
        os.close(fd)
    cases.done()


def stays(handle):
    """Whether it still finds its inode, when the kernel has been told to forget."""
    forget()
    try:
        os.close(handle.open())
    except OSError:
        return False
    return True


@check
def stale():
    """handles of what is gone are stale, also when new files have come, and an open one is found while it is"""
    need_root()
    put("gone", b"1")
    put("held", b"2")
    os.mkdir("folder")
    gone, held, folder = Handle("gone"), Handle("held"), Handle("folder")
    fd = os.open("held", os.O_RDONLY)
    os.unlink("gone")
    os.unlink("held")
    os.rmdir("folder")
    for i in range(100):
        put("new-%d" % i, b"new")
    forget()
    fails(errno.ESTALE, gone.open)
    fails(errno.ESTALE, folder.open)
    same(os.pread(fd, 9, 0), b"2")
    os.close(fd)
    # A mount hears of the last close a moment after it.
    deadline = time.monotonic() + CLOSED_S
    while stays(held) and time.monotonic() < deadline:
        time.sleep(0.01)
    fails(errno.ESTALE, held.open)
    same(get("new-5"), b"new")
