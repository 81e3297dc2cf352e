"""A file whose map was destroyed beneath a mount, and who is told that what was written to it is lost.

mount_losses.py make FILE: of so many extents that its map does not fit one node.
mount_losses.py told FILE CONTAINER: in a fresh mount, which has read the root alone.
mount_losses.py lose FILE: once more, and nobody asks.
"""

import errno
import os
import sys

CHUNK = 16384
EXTENTS = 3000
MIB = 1 << 20
# All but the two groups that have the headers and superblocks.
DATA = ((MIB, 16 * MIB), (17 * MIB, None))


def make(path):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    for i in range(EXTENTS):
        os.pwrite(fd, os.urandom(CHUNK), 2 * i * CHUNK)
    os.fsync(fd)
    os.close(fd)


def destroy(container):
    with open(container, "r+b") as file:
        for begin, end in DATA:
            file.seek(begin)
            left = (os.fstat(file.fileno()).st_size if end is None else end) - begin
            while left > 0:
                left -= file.write(os.urandom(min(left, MIB)))


def is_told(path):
    """Whether fsync of a new opening fails with EIO."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        return error.errno == errno.EIO
    finally:
        os.close(fd)
    return False


def told(path, container):
    os.stat(path)
    destroy(container)
    fd = os.open(path, os.O_WRONLY)
    written = os.pwrite(fd, b"x" * CHUNK, EXTENTS * CHUNK)
    os.close(fd)
    yield "a whole chunk is taken, and closing the file has nothing to say", written == CHUNK
    yield "fsync of a later opening fails", is_told(path)
    yield "once", not is_told(path)


def lose(path):
    fd = os.open(path, os.O_WRONLY)
    os.pwrite(fd, b"x" * CHUNK, (EXTENTS + 2) * CHUNK)
    os.close(fd)


def main():
    if sys.argv[1] in ("make", "lose"):
        {"make": make, "lose": lose}[sys.argv[1]](sys.argv[2])
        return 0
    failed = False
    for name, right in told(sys.argv[2], sys.argv[3]):
        print(("ok - " if right else "not ok - ") + name, flush=True)
        failed = failed or not right
    return 1 if failed else 0


sys.exit(main())
