"""statvfs, and what the file system says of itself."""

import os

from mount_harness import check, same
from rules import KEEP_SIZE, PUNCH_HOLE, Cases, fallocate, only_nacre, outcome, touch

MIB = 1 << 20


@check
def statvfs_fields():
    """statvfs is the same for all files of the volume, and its numbers fit together"""
    cases = Cases()
    touch("f")
    os.mkdir("d")
    fd = os.open("f", os.O_RDONLY)
    here = os.statvfs(".")
    for what in ("f", "d", fd):
        found = os.statvfs(what)
        cases.expect("%s" % what, (found.f_bsize, found.f_frsize, found.f_namemax, found.f_flag, found.f_fsid),
                     (here.f_bsize, here.f_frsize, here.f_namemax, here.f_flag, here.f_fsid))
    os.close(fd)
    cases.expect("blocks", 0 < here.f_bavail <= here.f_bfree <= here.f_blocks, True)
    cases.expect("files", 0 < here.f_favail <= here.f_ffree <= here.f_files, True)
    cases.expect("power of two", here.f_frsize & (here.f_frsize - 1), 0)
    cases.expect("names", here.f_namemax, 255)
    cases.expect("read-only", here.f_flag & os.ST_RDONLY, 0)
    cases.done()


@check
def files_are_counted():
    """files that are made are in use, and free again when they are removed"""
    only_nacre("others use it meanwhile")

    def used():
        fd = os.open(".", os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        found = os.statvfs(".")
        return found.f_files - found.f_ffree

    before = used()
    for i in range(300):
        touch("f%d" % i)
    same(used() - before, 300)
    for i in range(300):
        os.unlink("f%d" % i)
    same(used() - before, 0)


@check
def room_comes_back():
    """writing takes room, and cutting, punching and unlinking give it back"""
    only_nacre("others use it meanwhile")

    def free():
        folder = os.open(".", os.O_RDONLY)
        # Twice: what one commit frees, the one after it may use. An fsync of so much is a commit.
        for _ in range(3):
            for i in range(300):
                touch("tick%d" % i)
            for i in range(300):
                os.unlink("tick%d" % i)
            os.fsync(folder)
        os.close(folder)
        found = os.statvfs(".")
        return found.f_bfree * found.f_frsize

    before = free()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, os.urandom(32 * MIB))
    taken = before - free()
    assert 32 * MIB <= taken < 34 * MIB, "%d taken" % taken
    os.ftruncate(fd, 16 * MIB)
    taken = before - free()
    assert 16 * MIB <= taken < 18 * MIB, "%d taken" % taken
    fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 0, 8 * MIB)
    taken = before - free()
    assert 8 * MIB <= taken < 10 * MIB, "%d taken" % taken
    os.unlink("f")
    os.close(fd)
    taken = before - free()
    assert taken < MIB, "%d not given back" % taken


@check
def more_than_there_is():
    """fallocate of more than the volume has is ENOSPC, and takes nothing"""
    only_nacre("it would fill the host")
    touch("f")
    before = os.statvfs(".")
    fd = os.open("f", os.O_RDWR)
    same(outcome(fallocate, fd, 0, 0, (before.f_blocks + 1000) * before.f_frsize), "ENOSPC")
    same(os.fstat(fd).st_size, 0)
    os.pwrite(fd, b"still", 0)
    os.close(fd)


@check
def stat_blocks():
    """st_blksize is a sensible size, st_blocks counts 512 bytes, st_dev is one for all"""
    cases = Cases()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.mkdir("d")
    os.write(fd, os.urandom(MIB))
    os.fsync(fd)
    found = os.fstat(fd)
    cases.expect("blksize", found.st_blksize >= 512 and found.st_blksize & (found.st_blksize - 1) == 0, True)
    cases.expect("blocks", MIB <= found.st_blocks * 512 < 2 * MIB, True)
    cases.expect("device", (found.st_dev, os.stat("d").st_dev), (os.stat(".").st_dev,) * 2)
    cases.expect("numbers differ", found.st_ino != os.stat("d").st_ino, True)
    os.close(fd)
    cases.done()
