"""What two folders on different filesystems have in common: everything but what is listed here.

Not compared, with the reason:
- the size of a folder: each filesystem counts its entries in its own way;
- st_blocks, st_blksize, st_ino, st_dev: say how and where something is stored. That two names are one inode in both
  places or in neither is compared;
- st_nlink of a folder against the host's: some filesystems always say 1. Ours is held to 2 and one for each subfolder;
- change and birth times: nobody can set them;
- the access time of a folder: the kernel does not say with what flags a FUSE server's folder is opened, so that
  O_NOATIME of the comparison itself has no effect there;
- times that nobody set, beyond being of this run: the two were not made at the same moment;
- an access time unless someone set it in both places: the server hears of a read only where the kernel's cache lacks
  the data, and of what the kernel reads ahead perhaps after the time was set;
- where SEEK_DATA and SEEK_HOLE put the borders: chunks differ. What they call a hole must be zeroes.
"""

import os
import stat

from model_calls import data_segments

PIECE = 1 << 20
READ_WHOLE = 4 << 20  # larger files are sparse: only what either calls data is read
EDGE = 128 << 10  # what a hole may lose at each of its ends to chunks


class Rules:
    """after, before: a time outside them was set by someone. atimes: whether access times that were set are compared.
    drop_cache: read ours from the server, not from the kernel's cache. holes: ours has those of the host."""

    def __init__(self, after=None, before=None, atimes=False, drop_cache=False, holes=False):
        self.after, self.before, self.atimes = after, before, atimes
        self.drop_cache, self.holes = drop_cache, holes

    def was_set(self, time_ns):
        return self.after is None or not self.after <= time_ns <= self.before


def open_quietly(path, flags=0):
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME | flags)
    except PermissionError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | flags)


def listing(path):
    fd = open_quietly(path, os.O_DIRECTORY)
    try:
        with os.scandir(fd) as entries:
            found = sorted((os.fsencode(entry.name), entry.inode(), entry.stat(follow_symlinks=False))
                           for entry in entries)
    finally:
        os.close(fd)
    for name, ino, info in found:
        assert ino == info.st_ino, "%r: listed as inode %d, is %d" % (name, ino, info.st_ino)
    return [(name, info) for name, _, info in found]


def xattrs(path):
    return {name: os.getxattr(path, name, follow_symlinks=False)
            for name in os.listxattr(path, follow_symlinks=False) if name != "security.selinux"}


class Comparison:
    def __init__(self, ours, host, rules):
        self.ours, self.host, self.rules = ours, host, rules
        self.differences = []
        self.inodes = {}
        self.count = 0
        self.seen = set()

    def differ(self, path, what, ours, host):
        self.differences.append("%r: %s: %r, on the host %r" % (path, what, ours, host))

    def same(self, path, what, ours, host):
        if ours != host:
            self.differ(path, what, ours, host)

    def run(self):
        self.one(b"", os.lstat(self.ours), os.lstat(self.host))
        return self.differences

    def one(self, path, ours, host):
        self.count += 1
        # Two names of one inode there are two names of one inode here.
        if self.inodes.setdefault(("ours", ours.st_ino), host.st_ino) != host.st_ino or \
                self.inodes.setdefault(("host", host.st_ino), ours.st_ino) != ours.st_ino:
            self.differ(path, "inode shared with others", ours.st_ino, host.st_ino)
        for field in ("st_mode", "st_uid", "st_gid"):
            show = oct if field == "st_mode" else int
            self.same(path, field, show(getattr(ours, field)), show(getattr(host, field)))
        if stat.S_IFMT(ours.st_mode) != stat.S_IFMT(host.st_mode):
            return
        kind = stat.S_IFMT(host.st_mode)
        self.times(path, ours, host, kind)
        if kind == stat.S_IFDIR:
            self.folder(path, ours)
        else:
            self.same(path, "st_nlink", ours.st_nlink, host.st_nlink)
            self.same(path, "st_size", ours.st_size, host.st_size)
        if kind in (stat.S_IFBLK, stat.S_IFCHR):
            self.same(path, "st_rdev", ours.st_rdev, host.st_rdev)
        if kind == stat.S_IFLNK:
            self.same(path, "target", os.readlink(self.at(self.ours, path)), os.readlink(self.at(self.host, path)))
        if host.st_ino in self.seen:
            return
        if host.st_nlink > 1 and kind != stat.S_IFDIR:
            self.seen.add(host.st_ino)
        self.same(path, "extended attributes", xattrs(self.at(self.ours, path)), xattrs(self.at(self.host, path)))
        if kind == stat.S_IFREG and ours.st_size == host.st_size:
            self.contents(path, host.st_size)

    @staticmethod
    def at(root, path):
        return os.path.join(root, path) if path else root

    def times(self, path, ours, host, kind):
        was_set = self.rules.was_set
        if was_set(ours.st_mtime_ns) or was_set(host.st_mtime_ns):
            self.same(path, "st_mtime_ns", ours.st_mtime_ns, host.st_mtime_ns)
        if self.rules.atimes and kind != stat.S_IFDIR and was_set(ours.st_atime_ns) and was_set(host.st_atime_ns):
            self.same(path, "st_atime_ns", ours.st_atime_ns, host.st_atime_ns)

    def folder(self, path, ours):
        here, there = listing(self.at(self.ours, path)), listing(self.at(self.host, path))
        self.same(path, "names", [name for name, _ in here], [name for name, _ in there])
        self.same(path, "st_nlink", ours.st_nlink, 2 + sum(stat.S_ISDIR(info.st_mode) for _, info in here))
        other = dict(there)
        for name, info in here:
            if name in other:
                self.one(os.path.join(path, name), info, other[name])

    def contents(self, path, size):
        here, there = open_quietly(self.at(self.ours, path)), open_quietly(self.at(self.host, path))
        try:
            if self.rules.drop_cache:
                os.posix_fadvise(here, 0, 0, os.POSIX_FADV_DONTNEED)
            self.data(path, here, there, size)
        except (AssertionError, OSError) as error:
            self.differ(path, "reading", error, "well")
        finally:
            os.close(here)
            os.close(there)

    def data(self, path, here, there, size):
        segments, host_segments = data_segments(here, size), data_segments(there, size)
        ranges = [(0, size)]
        if size > READ_WHOLE and segments == ranges:
            # All is data where nothing is known of holes, as with writeback: of those a sample is read.
            ranges = sorted(host_segments + [(at, min(size, at + PIECE // 16)) for at in range(0, size, size // 64)])
        elif size > READ_WHOLE:
            ranges = sorted(segments + host_segments)
        for start, end in ranges:
            while start < end:
                length = min(PIECE, end - start)
                mine, other = os.pread(here, length, start), os.pread(there, length, start)
                if mine != other:
                    at = next((i for i, (a, b) in enumerate(zip(mine, other)) if a != b), min(len(mine), len(other)))
                    self.differ(path, "byte %d of %d" % (start + at, size), mine[at:at + 8], other[at:at + 8])
                    return
                if not mine.strip(b"\0"):
                    start += length
                    continue
                self.holes_are_zero(path, segments, start, mine)
                start += length
        if self.rules.holes:
            most = sum(end - start + 2 * EDGE for start, end in host_segments)
            if sum(end - start for start, end in segments) > most:
                self.differ(path, "data by SEEK_DATA", segments, host_segments)

    def holes_are_zero(self, path, segments, start, data):
        at = 0
        for first, last in segments + [(1 << 62, 1 << 62)]:
            hole = data[at:max(0, first - start)]
            if hole.strip(b"\0"):
                self.differ(path, "a hole after byte %d" % (start + at), "data", "data")
                return
            at = max(at, last - start)
            if at >= len(data):
                return


def compare(ours, host, rules):
    """The differences, as text; none where the two are equal. And how much was compared."""
    comparison = Comparison(os.fsencode(ours), os.fsencode(host), rules)
    return comparison.run(), comparison.count
