"""Direct input and output beside the page cache: who reads what was just written, whichever way."""

import ctypes
import mmap
import os
import platform
import signal
import struct
import threading

from mount_harness import Skip, check, put, same
from rules import FULL, LIBC, system_call

SIZE = 640 * 1024
PIECE = 64 * 1024
ROUNDS = 3000 if FULL else 300
# io_setup, io_destroy, io_getevents, io_submit
CALLS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
IOCB_PWRITE = 1


class Queue:
    """Linux's own asynchronous writes."""

    def __init__(self, depth):
        if platform.machine() not in CALLS:
            raise Skip("the numbers of io_submit and its kin are not known here")
        self.setup, self.destroy, self.getevents, self.submit = CALLS[platform.machine()]
        self.context = ctypes.c_ulong(0)
        system_call("syscall", self.setup, depth, ctypes.byref(self.context))
        self.waiting = []

    def write(self, fd, address, size, offset):
        control = ctypes.create_string_buffer(
            struct.pack("<QIIHhIQQqQII", 0, 0, 0, IOCB_PWRITE, 0, fd, address, size, offset, 0, 0, 0))
        pointer = ctypes.c_void_p(ctypes.addressof(control))
        same(system_call("syscall", self.submit, self.context, ctypes.c_long(1), ctypes.byref(pointer)), 1)
        self.waiting.append(control)

    def wait(self):
        """Until all are done, each as a whole."""
        count = len(self.waiting)
        events = ctypes.create_string_buffer(32 * count)
        done = 0
        while done < count:
            done += system_call("syscall", self.getevents, self.context, ctypes.c_long(1), ctypes.c_long(count - done),
                                ctypes.byref(events, 32 * done), None)
        for i in range(count):
            same(struct.unpack_from("<QQqq", events.raw, 32 * i)[2], SIZE)
        self.waiting = []

    def close(self):
        LIBC.syscall(self.destroy, self.context)


def read_on(path):
    """A process that reads the file through the page cache until it is killed."""
    child = os.fork()
    if child == 0:
        fd = os.open(path, os.O_RDONLY)
        while True:
            for offset in range(0, SIZE, mmap.PAGESIZE):
                os.pread(fd, mmap.PAGESIZE, offset)
    return child


@check
def asynchronous_direct_writes():
    """what an asynchronous direct write has written is read through the page cache, whoever read meanwhile"""
    put("f", bytes(SIZE))
    fd, cached = os.open("f", os.O_RDWR | os.O_DIRECT), os.open("f", os.O_RDONLY)
    area = mmap.mmap(-1, SIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    queue = Queue(64)
    readers = [read_on("f") for _ in range(2)]
    try:
        for turn in range(1, ROUNDS + 1):
            ctypes.memset(address, turn % 255 + 1, SIZE)
            queue.write(fd, address, SIZE, 0)
            queue.wait()
            seen = os.pread(cached, SIZE, 0)
            assert seen == bytes([turn % 255 + 1]) * SIZE, "turn %d reads %s" % (turn, sorted(set(seen)))
    finally:
        for reader in readers:
            os.kill(reader, signal.SIGKILL)
            os.waitpid(reader, 0)
        queue.close()
    os.close(cached)
    os.close(fd)


@check
def direct_writes_of_threads():
    """what threads write directly, each its piece, is read through the page cache and a mapping"""
    put("f", bytes(SIZE))
    fd, cached = os.open("f", os.O_RDWR | os.O_DIRECT), os.open("f", os.O_RDONLY)
    mapping = mmap.mmap(cached, SIZE, prot=mmap.PROT_READ)
    trouble = []

    def work(who):
        area = mmap.mmap(-1, PIECE)
        for turn in range(1, ROUNDS + 1):
            area[:] = bytes([turn % 255 + 1]) * PIECE
            os.pwritev(fd, [area], who * PIECE)
            for seen in (os.pread(cached, PIECE, who * PIECE), mapping[who * PIECE:(who + 1) * PIECE]):
                if seen != area[:]:
                    trouble.append((who, turn, sorted(set(seen))))

    readers = [read_on("f")]
    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for reader in readers:
            os.kill(reader, signal.SIGKILL)
            os.waitpid(reader, 0)
    same(trouble[:5], [])
    os.close(cached)
    os.close(fd)
