"""Listing folders: positions, changes meanwhile, types and numbers, and folders of very many entries."""

import ctypes
import errno
import os
import random
import socket
import stat

from mount_harness import check, fails, same
from rules import FULL, LIBC, Cases, outcome, touch

LIBC.opendir.restype = LIBC.readdir64.restype = ctypes.c_void_p
LIBC.telldir.restype = ctypes.c_long
CROWD = 1000000 if FULL else 20000


class Dirent(ctypes.Structure):
    """struct dirent64 of glibc."""
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_uint16),
                ("type", ctypes.c_uint8), ("name", ctypes.c_char * 256)]


class Folder:
    """A stream of opendir(3)."""

    def __init__(self, path="."):
        self.stream = LIBC.opendir(os.fsencode(path))
        if not self.stream:
            raise OSError(ctypes.get_errno(), "opendir")
        self.stream = ctypes.c_void_p(self.stream)

    def read(self):
        """The next entry, or None at the end."""
        ctypes.set_errno(0)
        found = LIBC.readdir64(self.stream)
        if not found:
            if ctypes.get_errno():
                raise OSError(ctypes.get_errno(), "readdir")
            return None
        return Dirent.from_address(found)

    def name(self):
        entry = self.read()
        return None if entry is None else os.fsdecode(entry.name)

    def names(self):
        found = []
        while (name := self.name()) is not None:
            found.append(name)
        return found

    def tell(self):
        return LIBC.telldir(self.stream)

    def seek(self, position):
        LIBC.seekdir(self.stream, ctypes.c_long(position))

    def rewind(self):
        LIBC.rewinddir(self.stream)

    def close(self):
        LIBC.closedir(self.stream)


def fill(count, prefix="f"):
    made = {"%s-%d" % (prefix, i) for i in range(count)}
    for name in made:
        touch(name)
    return made


@check
def types_and_numbers():
    """entries say the type and number of what they name, . and .. those of the folder and the one above"""
    cases = Cases()
    os.mkdir("d")
    os.chdir("d")
    touch("file")
    os.mkdir("folder")
    os.mkfifo("fifo")
    os.symlink("x", "link")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    if os.geteuid() == 0:
        os.mknod("char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        os.mknod("block", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    folder = Folder()
    seen = []
    while (entry := folder.read()) is not None:
        name = os.fsdecode(entry.name)
        seen.append(name)
        cases.expect(name + "'s number", entry.ino, os.lstat(name).st_ino)
        cases.expect(name + "'s type", entry.type, os.lstat(name).st_mode >> 12)
    folder.close()
    cases.expect("names", sorted(seen), sorted(os.listdir(".") + [".", ".."]))
    cases.done()


@check
def every_position():
    """telldir before each of 600 entries and seekdir back in any order gives the same rest"""
    fill(600)
    folder = Folder()
    order, positions = [], []
    while True:
        positions.append(folder.tell())
        name = folder.name()
        if name is None:
            break
        order.append(name)
    same((len(order), len(set(order))), (602, 602))
    dice = random.Random(5)
    for _ in range(300):
        index = dice.randrange(len(positions))
        folder.seek(positions[index])
        rest = [folder.name() for _ in range(min(3, len(order) - index))]
        same(rest, order[index:index + 3])
    folder.seek(positions[-1])
    same(folder.name(), None)
    folder.rewind()
    same(folder.names(), order)
    folder.close()


def behind(folder, position, stay):
    """Which of `stay` are listed from the position on.

    Linux, to go on from a position in a listing that it has cached, looks for the entry there. Where that one has gone
    and what is cached fills its last page to the last byte, it takes the listing for ended. With another entry it
    doesn't."""
    for name in ("even", "odd"):
        folder.seek(position)
        after = [name for name in folder.names() if name in stay]
        if after:
            break
        touch(name)
        os.listdir(".")
    return after


@check
def positions_under_change():
    """positions hold while names come and go: what stays is listed once, before or after, never twice"""
    stay = fill(400, "stay")
    folder = Folder()
    before, position = [], None
    dice = random.Random(6)
    for turn in range(20):
        folder.rewind()
        fill(100, "turn-%d" % turn)
        for _ in range(dice.randrange(1, 500)):
            folder.name()
        position = folder.tell()
        for name in os.listdir("."):
            if name.startswith("turn-%d-" % (turn - 1)) or (name.startswith("turn-%d-" % turn) and dice.random() < 0.5):
                os.unlink(name)
        fill(50, "late-%d" % turn)
        after = behind(folder, position, stay)
        folder.rewind()
        before = []
        while folder.tell() != position and (name := folder.name()) is not None:
            before.append(name)
        before = [name for name in before if name in stay]
        # The entry at the position may have gone, and the second walk gone past it.
        same(len(after), len(set(after)))
        assert set(before) | set(after) == stay, "%d are missing" % len(stay - set(before) - set(after))
    folder.close()


@check
def renamed_while_listed():
    """whatever is renamed or replaced meanwhile, what is left alone is listed once, and nothing twice"""
    stay = fill(1500, "stay")
    fill(1500, "move")
    folder = Folder()
    seen, turn = [], 0
    while (name := folder.name()) is not None:
        seen.append(name)
        if turn < 1500:
            os.rename("move-%d" % turn, "moved-%d" % turn)
            turn += 1
    folder.close()
    same(len(seen), len(set(seen)))
    same(stay - set(seen), set())
    same({name for name in os.listdir(".") if name.startswith("move-")}, set())


@check
def listed_by_many():
    """streams of several processes list a folder at once, each all that stays, while others change it"""
    stay = fill(800, "stay")
    listers, changers = [], []
    for who in range(2):
        child = os.fork()
        if child == 0:
            turn = 0
            while True:
                touch("x%d-%d" % (who, turn))
                os.rename("x%d-%d" % (who, turn), "y%d" % who)
                os.unlink("y%d" % who)
                turn += 1
        changers.append(child)
    try:
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    for _ in range(15):
                        seen = os.listdir(".")
                        left = [name for name in seen if name in stay]
                        assert len(left) == len(stay) == len(set(left))
                    code = 0
                finally:
                    os._exit(code)
            listers.append(child)
        same([os.waitpid(child, 0)[1] for child in listers], [0] * 3)
    finally:
        for child in changers:
            os.kill(child, 9)
            os.waitpid(child, 0)


@check
def new_ones_show():
    """a rewound stream shows what was made since, and not what was removed"""
    fill(10)
    folder = Folder()
    folder.names()
    touch("new")
    os.unlink("f-3")
    folder.rewind()
    names = folder.names()
    same(("new" in names, "f-3" in names, len(names)), (True, False, 12))
    folder.close()


@check
def removed_while_listed():
    """unlinking each entry as it is listed leaves an empty folder"""
    fill(3000)
    folder = Folder()
    while (name := folder.name()) is not None:
        if name not in (".", ".."):
            os.unlink(name)
    folder.close()
    same(os.listdir("."), [])
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY)
    os.rmdir("d")
    same(os.listdir(fd), [])
    os.close(fd)


@check
def crowd():
    """a folder of 20,000 entries, a million in the long form, lists, finds and removes them all"""
    cases = Cases()
    for i in range(CROWD):
        touch("%d-%s" % (i, "n" * (i % 40)))
    seen = set()
    count = 0
    with os.scandir(".") as entries:
        for entry in entries:
            count += 1
            seen.add(entry.name)
    cases.expect("listed", (count, len(seen)), (CROWD, CROWD))
    for i in range(0, CROWD, 97):
        name = "%d-%s" % (i, "n" * (i % 40))
        cases.expect(name, (name in seen, os.path.exists(name)), (True, True))
        cases.expect(name + "x", outcome(os.stat, name + "x"), "ENOENT")
    cases.expect("rmdir", outcome(os.rmdir, "../" + os.path.basename(os.getcwd())), "ENOTEMPTY")
    # Half of them while they are listed.
    removed = 0
    with os.scandir(".") as entries:
        for entry in entries:
            if int(entry.name.split("-")[0]) % 2:
                os.unlink(entry.name)
                removed += 1
    cases.expect("removed", (removed, len(os.listdir("."))), (CROWD // 2, CROWD // 2))
    for name in os.listdir("."):
        os.unlink(name)
    cases.expect("left", os.listdir("."), [])
    cases.done()


@check
def folders_in_a_folder():
    """a folder's links count the folders in it, hundreds of them"""
    for i in range(500):
        os.mkdir("d%d" % i)
    links = os.stat(".").st_nlink
    same(links, 502)
    for i in range(250):
        os.rmdir("d%d" % i)
    same(os.stat(".").st_nlink, 252)
    fails(errno.ENOTEMPTY, os.rmdir, "../" + os.path.basename(os.getcwd()))
