"""One step of the model: draws what to do, and gives it as text and as a function of a world (one of the two folders).

A function's result, or the errno that it fails with, has to be the same in both worlds.
"""

import fcntl
import mmap
import os
import stat
import struct

from model_calls import (KEEP_SIZE, PUNCH_HOLE, RENAME_EXCHANGE, RENAME_NOREPLACE, UTIME_NOW, UTIME_OMIT, ZERO_RANGE,
                         fallocate, renameat2, statx, utimens)

SLOTS = 8  # files that are open at a time
PIECES = 1 << 16
FILE_MOST = 2 << 20
SPARSE_MOST = 1 << 41
NAMES = [b"a", b"b", b"c", b"d", b"e", b"f", b"g.txt", b" ", b"-n", b"new\nline", b"\xff\xfe\x01", "\u00fc\u4e2d".encode(),
         b"*", b"n" * 255]
FOLDERS = [b"one", b"two", b"three", b"four"]
XATTRS = ["user.one", "user.two", "user." + "x" * 200, "trusted.three", "security.four"]
USERS = [1000, 1001, 65534]
# Setgid never stands without the group's x: whether a write clears it then depends on the kernel's age, and a FUSE
# server is asked to leave it. So no umask meets it, and every ACL here gives the group's class its x.
MODES = [0o644, 0o600, 0o640, 0o666, 0o755, 0o777, 0o700, 0o444, 0o000, 0o4755, 0o2755, 0o6755, 0o1777, 0o2770]


class World:
    def __init__(self, root):
        self.root = os.fsencode(root)
        self.slots = [None] * SLOTS

    def at(self, path):
        return os.path.join(self.root, path) if path else self.root

    def fd(self, slot):
        if self.slots[slot] is None:
            raise OSError(9, "nothing is open here")
        return self.slots[slot]

    def put(self, slot, fd):
        self.close(slot)
        self.slots[slot] = fd

    def close(self, slot):
        if self.slots[slot] is not None:
            fd, self.slots[slot] = self.slots[slot], None
            os.close(fd)

    def close_all(self):
        for slot in range(SLOTS):
            self.close(slot)


class Abilities:
    """What this user may do and the host's filesystem can; steps that need more are left out."""

    def __init__(self, root, times, zero_range, xattrs, acls, writeback):
        self.root, self.times, self.zero_range, self.xattrs, self.acls = root, times, zero_range, xattrs, acls
        self.writeback = writeback  # the kernel keeps sizes and times of what is open in the volume


def acl(entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class Steps:
    def __init__(self, dice, abilities, host):
        self.dice, self.can, self.host = dice, abilities, host
        self.known = []  # (path, whether it is a folder), perhaps gone by now
        self.noise = dice.randbytes(PIECES * 2)
        listed = [
            (self.create, 10), (self.reopen, 7), (self.close, 5), (self.write, 12), (self.append, 5),
            (self.overwrite_all, 5), (self.read, 7), (self.resize, 5), (self.resize_path, 3), (self.fallocate, 8),
            (self.mapped, 4), (self.copy_range, 2), (self.sync, 2), (self.mkdir, 6), (self.rmdir, 3), (self.rename, 7),
            (self.rename_flags, 4), (self.link, 4), (self.symlink, 3), (self.mknod, 2), (self.unlink, 5),
            (self.remove_tree, 0.15), (self.chmod, 5), (self.times, 5), (self.look, 6), (self.list, 4),
            (self.readlink, 1), (self.seek, 3), (self.umask, 0.5), (self.odd_arguments, 1),
        ]
        if abilities.root:
            listed.append((self.chown, 4))
        if abilities.xattrs:
            listed += [(self.setxattr, 5), (self.getxattr, 2), (self.removexattr, 2)]
        if abilities.acls:
            listed += [(self.set_acl, 3), (self.remove_acl, 1)]
        if abilities.root and abilities.xattrs:
            listed.append((self.set_capability, 1))
        self.choices = [step for step, _ in listed]
        self.weights = [weight for _, weight in listed]

    def draw(self):
        # A tree that has grown large shrinks.
        if len(self.known) > 500 and self.dice.random() < 0.2:
            return self.dice.choice((self.unlink, self.remove_tree))()
        return self.dice.choices(self.choices, self.weights)[0]()

    # ---- Arguments ----

    def chosen(self, fits):
        """A known path that fits, and mostly one that is there; what is found to be gone is forgotten."""
        for _ in range(40):
            if not self.known:
                break
            at = self.dice.randrange(len(self.known))
            path, is_folder = self.known[at]
            if not fits(is_folder):
                continue
            if self.dice.random() < 0.03 or os.path.lexists(self.host.at(path)):
                return path
            self.known[at] = self.known[-1]
            self.known.pop()
        return None

    def folder(self):
        if self.dice.random() < 0.15:
            return b""
        return self.chosen(lambda is_folder: is_folder) or b""

    def new_path(self, folder=False):
        parent = self.folder()
        if parent.count(b"/") > 4:
            parent = b""
        name = self.dice.choice(FOLDERS if folder else NAMES)
        path = os.path.join(parent, name)
        self.known.append((path, folder))
        return path

    def old_path(self, folder=None):
        path = self.chosen(lambda is_folder: folder in (None, is_folder))
        return path or os.path.join(self.folder(), self.dice.choice(NAMES + FOLDERS))

    def old_file(self):
        return self.old_path(False)

    def slot(self):
        """Mostly one that is in use; to open into, any."""
        used = [slot for slot in range(SLOTS) if self.host.slots[slot] is not None]
        return self.dice.choice(used) if used and self.dice.random() < 0.97 else self.dice.randrange(SLOTS)

    def data(self):
        length = self.dice.choice((0, 1, 7, 100, 100, 1000, 3000, 4096, 5000, 16384, 40000, PIECES, PIECES + 1))
        start = self.dice.randrange(PIECES - 1)
        return (self.noise if self.dice.random() < 0.9 else bytes(2 * PIECES))[start:start + length]

    def offset(self):
        kind = self.dice.random()
        if kind < 0.3:
            return self.dice.randrange(1000)
        if kind < 0.6:
            return 4096 * self.dice.randrange(16)
        if kind < 0.95:
            return self.dice.randrange(300000)
        return self.dice.randrange(FILE_MOST)

    def size(self):
        kind = self.dice.random()
        if kind < 0.15:
            return 0
        if kind < 0.97:
            return self.offset()
        return self.dice.choice((SPARSE_MOST, SPARSE_MOST // 3, 5 << 20, (1 << 32) + 1))

    def mode(self):
        return self.dice.choice(MODES)

    def new_mode(self):
        return self.mode() & ~stat.S_ISGID

    # ---- Open files ----

    def create(self):
        path, slot, mode = self.new_path(), self.dice.randrange(SLOTS), self.new_mode() | 0o600
        flags = self.dice.choice((os.O_RDWR, os.O_RDWR, os.O_WRONLY)) | os.O_CREAT
        for flag, chance in ((os.O_EXCL, 0.3), (os.O_TRUNC, 0.2), (os.O_APPEND, 0.15), (os.O_SYNC, 0.01)):
            if self.dice.random() < chance:
                flags |= flag
        return self.opening("create", path, slot, flags, mode)

    def reopen(self):
        flags = self.dice.choice((os.O_RDONLY, os.O_RDWR, os.O_RDWR, os.O_WRONLY))
        for flag, chance in ((os.O_TRUNC, 0.1), (os.O_APPEND, 0.1), (os.O_NOFOLLOW, 0.3), (os.O_DIRECTORY, 0.05)):
            if self.dice.random() < chance:
                flags |= flag
        return self.opening("open", self.old_file(), self.dice.randrange(SLOTS), flags, 0)

    @staticmethod
    def opening(what, path, slot, flags, mode):
        def run(world):
            # A fifo must not block, and a device node of ours is not to be opened.
            try:
                kind = stat.S_IFMT(os.stat(world.at(path)).st_mode)
            except OSError:
                kind = stat.S_IFREG
            if kind not in (stat.S_IFREG, stat.S_IFDIR):
                return "not opened"
            world.put(slot, os.open(world.at(path), flags, mode))
            return "open"
        return "%s %r in slot %d flags %o mode %o" % (what, path, slot, flags, mode), run

    def close(self):
        slot = self.slot()
        return "close slot %d" % slot, lambda world: world.close(slot)

    def write(self):
        slot, data, offset = self.slot(), self.data(), self.offset()

        def run(world):
            at = min(offset, os.fstat(world.fd(slot)).st_size + 2 * PIECES)
            return at, os.pwrite(world.fd(slot), data, at), os.fstat(world.fd(slot)).st_size
        return "pwrite %d bytes at %d to slot %d" % (len(data), offset, slot), run

    def append(self):
        slot, data = self.slot(), self.data()

        def run(world):
            fd = world.fd(slot)
            if os.fstat(fd).st_size > FILE_MOST:
                os.lseek(fd, 0, os.SEEK_SET)
            else:
                os.lseek(fd, 0, os.SEEK_END)
            return os.write(fd, data), os.lseek(fd, 0, os.SEEK_CUR)
        return "append %d bytes to slot %d" % (len(data), slot), run

    def overwrite_all(self):
        path, pieces = self.old_file(), [self.data() for _ in range(self.dice.randrange(4))]

        def run(world):
            if not stat.S_ISREG(os.stat(world.at(path)).st_mode):
                return "no file"
            fd = os.open(world.at(path), os.O_WRONLY | os.O_TRUNC)
            try:
                return [os.write(fd, piece) for piece in pieces]
            finally:
                os.close(fd)
        return "overwrite %r with pieces of %r" % (path, [len(piece) for piece in pieces]), run

    def read(self):
        slot, offset, length = self.slot(), self.offset(), self.dice.choice((1, 100, 4096, PIECES, 4 * PIECES))
        return ("pread %d bytes at %d from slot %d" % (length, offset, slot),
                lambda world: os.pread(world.fd(slot), length, offset))

    def resize(self):
        slot, size = self.slot(), self.size()
        return "ftruncate slot %d to %d" % (slot, size), lambda world: os.ftruncate(world.fd(slot), size)

    def resize_path(self):
        path, size = self.old_path(), self.size()

        def run(world):
            now = os.stat(world.at(path))
            if stat.S_IFMT(now.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                return "no file"
            # Then the kernel sets the time of truncate(2) itself, and only where the size changes. POSIX leaves the
            # other case open; filesystems on a disk take it as a change too.
            if self.can.writeback and stat.S_ISREG(now.st_mode) and now.st_size == size:
                return "no change"
            return os.truncate(world.at(path), size)
        return "truncate %r to %d" % (path, size), run

    def fallocate(self):
        modes = [0, KEEP_SIZE, KEEP_SIZE | PUNCH_HOLE, KEEP_SIZE | PUNCH_HOLE]
        if self.can.zero_range:
            modes += [ZERO_RANGE, ZERO_RANGE | KEEP_SIZE]
        slot, mode, offset = self.slot(), self.dice.choice(modes), self.offset()
        length = self.dice.choice((1, 100, 4096, 5000, PIECES, 3 * PIECES, 10 * PIECES))

        def run(world):
            return fallocate(world.fd(slot), mode, offset, length)
        # Whether it counts as a change where it changes nothing is each filesystem's own.
        run.touch = slot
        return "fallocate slot %d mode %d at %d length %d" % (slot, mode, offset, length), run

    def mapped(self):
        slot, share, data, flush = self.slot(), self.dice.random(), self.data(), self.dice.random() < 0.5

        def run(world):
            fd = world.fd(slot)
            size = os.fstat(fd).st_size
            if not stat.S_ISREG(os.fstat(fd).st_mode) or not 0 < size <= FILE_MOST:
                return "not mapped"
            with mmap.mmap(fd, size) as area:
                start = int(size * share)
                end = min(size, start + len(data))
                area[start:end] = data[:end - start]
                if flush:
                    area.flush()
                return area[max(0, start - 100):end + 100]
        return "write %d bytes through a mapping of slot %d, flush %r" % (len(data), slot, flush), run

    def copy_range(self):
        source, target, length = self.slot(), self.slot(), self.dice.choice((1, 5000, PIECES))
        offsets = self.offset(), self.offset()

        def run(world):
            done = 0
            while done < length:
                got = os.copy_file_range(world.fd(source), world.fd(target), length - done, offsets[0] + done,
                                         offsets[1] + done)
                if got == 0:
                    break
                done += got
            return done
        return "copy_file_range %d bytes slot %d at %d to slot %d at %d" % (length, source, offsets[0], target,
                                                                           offsets[1]), run

    def sync(self):
        slot, call = self.slot(), self.dice.choice((os.fsync, os.fdatasync))
        return "%s slot %d" % (call.__name__, slot), lambda world: call(world.fd(slot))

    def seek(self):
        slot, share = self.slot(), self.dice.random()

        def run(world):
            """Where data begins is each filesystem's own; what a hole holds, and where no data is left, is not."""
            fd = world.fd(slot)
            size = os.fstat(fd).st_size
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return "no file"
            kept = os.lseek(fd, 0, os.SEEK_CUR)
            at = int(size * share)
            try:
                hole = os.lseek(fd, at, os.SEEK_HOLE)
                assert at <= hole <= size, "SEEK_HOLE from %d of %d: %d" % (at, size, hole)
                try:
                    data = os.lseek(fd, at, os.SEEK_DATA)
                    assert at <= data < size, "SEEK_DATA from %d of %d: %d" % (at, size, data)
                except OSError as error:
                    assert error.errno == 6, error
                    data = size
                readable = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY
                for first in range(at, min(data, at + 8 * PIECES) if readable else at, PIECES):
                    assert not os.pread(fd, min(PIECES, data - first), first).strip(b"\0"), "data in a hole"
            finally:
                os.lseek(fd, kept, os.SEEK_SET)
            return "plausible"
        return "SEEK_DATA and SEEK_HOLE in slot %d at %.3f" % (slot, share), run

    # ---- Names ----

    def mkdir(self):
        path, mode = self.new_path(folder=True), self.mode() | 0o700
        return "mkdir %r mode %o" % (path, mode), lambda world: os.mkdir(world.at(path), mode)

    def rmdir(self):
        path = self.old_path(self.dice.random() < 0.8)
        return "rmdir %r" % path, lambda world: os.rmdir(world.at(path))

    def renamed(self):
        folder = self.dice.random() < 0.3
        source = self.old_path(folder)
        target = self.new_path(folder) if self.dice.random() < 0.5 else self.old_path()
        if folder:
            below = [path[len(source):] for path, _ in self.known if path.startswith(source + b"/")]
            self.known += [(target + rest, False) for rest in below[:30]]
        return source, target

    def rename(self):
        source, target = self.renamed()
        return "rename %r to %r" % (source, target), lambda world: os.rename(world.at(source), world.at(target))

    def rename_flags(self):
        source, target = self.renamed()
        flags = self.dice.choice((RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, 3))
        return ("renameat2 %r and %r flags %d" % (source, target, flags),
                lambda world: renameat2(world.at(source), world.at(target), flags))

    def link(self):
        source, target = self.old_file(), self.new_path()
        return ("link %r as %r" % (source, target),
                lambda world: os.link(world.at(source), world.at(target), follow_symlinks=False))

    def symlink(self):
        # Never one that leads out of the tree to where a file could be made: the two worlds would meet there.
        target, path = self.dice.choice((self.old_path(), b"a", b"./b", b"/proc/nowhere", b"x" * 4000)), self.new_path()
        return "symlink %r at %r" % (target, path), lambda world: os.symlink(target, world.at(path))

    def readlink(self):
        path = self.old_file()
        return "readlink %r" % path, lambda world: os.readlink(world.at(path))

    def mknod(self):
        path, mode = self.new_path(), self.new_mode()
        kinds = [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFREG] + [stat.S_IFCHR, stat.S_IFBLK] * self.can.root
        kind = self.dice.choice(kinds)
        device = os.makedev(*self.dice.choice(((1, 3), (8, 300000), (4000, 77)))) if kind in (
            stat.S_IFCHR, stat.S_IFBLK) else 0
        return ("mknod %r mode %o device %d" % (path, kind | mode, device),
                lambda world: os.mknod(world.at(path), kind | mode, device))

    def unlink(self):
        path = self.old_path(self.dice.random() < 0.05)
        return "unlink %r" % path, lambda world: os.unlink(world.at(path))

    def remove_tree(self):
        path = self.old_path(True)

        def remove(folder):
            for name in sorted(os.listdir(folder)):
                below = os.path.join(folder, name)
                if stat.S_ISDIR(os.lstat(below).st_mode):
                    remove(below)
                else:
                    os.unlink(below)
            os.rmdir(folder)

        def run(world):
            if not path or os.path.islink(world.at(path)):
                return "left"
            return remove(world.at(path))
        return "remove all of %r" % path, run

    def list(self):
        path = self.folder()

        def run(world):
            with os.scandir(world.at(path)) as entries:
                return sorted((entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink())
                              for entry in entries)
        return "list %r" % path, run

    # ---- Metadata ----

    def target(self):
        """A path, or an open file: as text and as a function."""
        if self.dice.random() < 0.25:
            slot = self.slot()
            return "slot %d" % slot, lambda world: world.fd(slot)
        path = self.old_path()
        return "%r" % path, lambda world: world.at(path)

    def chmod(self):
        (text, get), mode = self.target(), self.mode()

        def run(world):
            target = get(world)
            # Python's os.chmod follows links, and so might lead out of the tree.
            if not isinstance(target, int) and os.path.islink(target):
                return "a link"
            return os.chmod(target, mode)
        return "chmod %s to %o" % (text, mode), run

    def chown(self):
        # Never both -1: a FUSE server does not learn of that, and so cannot clear setuid for it.
        (text, get), pair = self.target(), [self.dice.choice((0, 1000, 1001, 70000)) for _ in range(2)]
        keep = self.dice.randrange(4)
        if keep < 2:
            pair[keep] = -1

        def run(world):
            target = get(world)
            if isinstance(target, int):
                return os.fchown(target, *pair)
            return os.lchown(target, *pair)
        return "chown %s to %r" % (text, pair), run

    def time(self):
        kind = self.dice.random()
        if kind < 0.15:
            return 0, UTIME_OMIT
        if kind < 0.3:
            return 0, UTIME_NOW
        low, high = self.can.times
        return self.dice.choice((0, -1, low, high, self.dice.randrange(10 ** 9))), self.dice.choice(
            (0, 1, 999999999, self.dice.randrange(10 ** 9)))

    def times(self):
        (text, get), pair, follow = self.target(), (self.time(), self.time()), self.dice.random() < 0.3

        def run(world):
            target = get(world)
            inside = isinstance(target, int) or not os.path.islink(target)
            return utimens(target, pair, follow and inside)
        return "utimens %s to %r" % (text, pair), run

    def look(self):
        text, get = self.target()

        def run(world):
            found = statx(get(world))
            if stat.S_ISDIR(found.mode):
                found = found._replace(size=0, nlink=0)
            return found
        return "statx %s" % text, run

    def xattr_target(self):
        text, get = self.target()
        return text, get, lambda target: {} if isinstance(target, int) else {"follow_symlinks": False}

    def setxattr(self):
        text, get, how = self.xattr_target()
        name, flags = self.dice.choice(XATTRS), self.dice.choice((0, 0, 0, os.XATTR_CREATE, os.XATTR_REPLACE))
        value = self.noise[:self.dice.choice((0, 1, 10, 100, 300))]
        return ("setxattr %s %s of %d bytes flags %d" % (text, name, len(value), flags),
                lambda world: os.setxattr(get(world), name, value, flags, **how(get(world))))

    def getxattr(self):
        text, get, how = self.xattr_target()
        name = self.dice.choice(XATTRS)

        def run(world):
            names = os.listxattr(get(world), **how(get(world)))
            return (sorted(name for name in names if name != "security.selinux"),
                    os.getxattr(get(world), name, **how(get(world))))
        return "listxattr, getxattr %s %s" % (text, name), run

    def removexattr(self):
        text, get, how = self.xattr_target()
        name = self.dice.choice(XATTRS)
        return ("removexattr %s %s" % (text, name),
                lambda world: os.removexattr(get(world), name, **how(get(world))))

    def set_capability(self):
        path = self.old_file()
        value = struct.pack("<IIIII", 0x02000001, 1 << self.dice.randrange(30), 0, 0, 0)
        return ("setxattr %r security.capability" % path,
                lambda world: os.setxattr(world.at(path), "security.capability", value, follow_symlinks=False))

    def set_acl(self):
        path, name = self.old_path(), self.dice.choice(("system.posix_acl_access", "system.posix_acl_default"))
        bits = [self.dice.randrange(8) for _ in range(6)]
        bits[2] |= 1
        bits[4] |= 1
        entries = [(1, bits[0], 0xFFFFFFFF), (2, bits[1], self.dice.choice(USERS)), (4, bits[2], 0xFFFFFFFF),
                   (8, bits[3], self.dice.choice(USERS)), (16, bits[4], 0xFFFFFFFF), (32, bits[5], 0xFFFFFFFF)]
        kind = self.dice.random()
        if kind < 0.2:
            entries = [entries[0], entries[2], entries[5]]  # no more than a mode says
        elif kind < 0.3:
            entries = entries[:3]  # not a valid one
        return ("setxattr %r %s %r" % (path, name, entries),
                lambda world: os.setxattr(world.at(path), name, acl(entries), follow_symlinks=False))

    def remove_acl(self):
        path, name = self.old_path(), self.dice.choice(("system.posix_acl_access", "system.posix_acl_default"))
        return ("removexattr %r %s" % (path, name),
                lambda world: os.removexattr(world.at(path), name, follow_symlinks=False))

    # ---- The rest ----

    def umask(self):
        mask = self.dice.choice((0o022, 0o022, 0, 0o027, 0o077))

        def run(world):
            del world
            os.umask(mask)
        return "umask %o" % mask, run

    def odd_arguments(self):
        path, slot = self.old_path(), self.slot()
        odd = [
            ("a name of 256 bytes", lambda world: os.open(world.at(b"n" * 256), os.O_RDWR | os.O_CREAT)),
            ("a file as a folder", lambda world: os.listdir(world.at(os.path.join(path, b"x")))),
            ("mkdir .", lambda world: os.mkdir(world.at(b"."))),
            ("rmdir %r/." % path, lambda world: os.rmdir(world.at(os.path.join(path, b".")))),
            ("rename %r to below itself" % path,
             lambda world: os.rename(world.at(path), world.at(os.path.join(path, b"x")))),
            ("pread past the end of slot %d" % slot, lambda world: os.pread(world.fd(slot), 10, 1 << 50)),
            ("fallocate of nothing in slot %d" % slot, lambda world: fallocate(world.fd(slot), 0, 0, 0)),
            ("fallocate of an unknown mode in slot %d" % slot, lambda world: fallocate(world.fd(slot), 0x800, 0, 1)),
            ("an attribute of no known kind of %r" % path,
             lambda world: os.setxattr(world.at(path), "other.one", b"", follow_symlinks=False)),
            ("statx %r/" % path, lambda world: statx(os.path.join(world.at(path), b"")).mode),
        ]
        return self.dice.choice(odd)
