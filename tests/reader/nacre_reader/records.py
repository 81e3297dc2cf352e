"""12. Records, 13. extents and tails: the values of the tree, one class a type."""

import stat

from .constants import (EXTENT_CHUNKS, FILE_BYTES, HAS_ACCESS_ACL, HAS_ATTRIBUTES, HAS_DEFAULT_ACL, HAS_TAIL,
                        INODES_MAX, LINKS_MAX, PART_BYTES, RECORD_MARK, TAIL_BYTES, UNIT)
from .fields import Fields, need

NSEC = 10 ** 9


def record_fields(value, what):
    fields = Fields(value, what)
    need(fields.u8(0) == RECORD_MARK, "%s of version 0x%x" % (what, fields.u8(0)))
    return fields


def device_number(encoded):
    """Linux's 32-bit encoding, as (major, minor)."""
    return encoded >> 8 & 0xFFF, encoded & 0xFF | encoded >> 12 & 0xFFF00


class Inode:
    LENGTHS = {stat.S_IFDIR: 128, stat.S_IFCHR: 104, stat.S_IFBLK: 104}
    TYPES = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK)

    def __init__(self, value, superblock):
        fields = record_fields(value, "an inode")
        self.mode = fields.u16(4)
        self.type = stat.S_IFMT(self.mode)
        need(self.type in self.TYPES, "an inode of mode 0%o" % self.mode)
        need(len(value) == self.LENGTHS.get(self.type, 96), "an inode of %d bytes" % len(value))
        self.chunk_log = fields.u8(1)
        need(12 <= self.chunk_log <= 16, "an inode's chunk size is 2^%d" % self.chunk_log)
        need(fields.u8(2) == 0, "an inode is compressed")
        need(fields.u8(3) == (1 if self.is_folder else 0), "an inode has name hash %d" % fields.u8(3))
        self.flags = fields.u16(6)
        known = HAS_ATTRIBUTES | HAS_ACCESS_ACL | (HAS_DEFAULT_ACL if self.is_folder else 0)
        known |= HAS_TAIL if self.is_regular else 0
        need(not self.flags & ~known, "an inode has flags 0x%x" % self.flags)
        self.uid, self.gid = fields.u32(8), fields.u32(12)
        self.links, self.project = fields.u32(16), fields.u32(20)
        self.size, self.units = fields.u64(24), fields.u64(32)
        self.generation = fields.u64(40)
        self.times = [self._time(fields, offset) for offset in (48, 60, 72, 84)]
        self._check_sizes(superblock)
        if self.is_device:
            need(fields.u64(96) < 1 << 32, "a device number of more than 32 bits")
            self.device = device_number(fields.u64(96))
        if self.is_folder:
            self.seed, self.parent, self.names = fields.bytes(96, 16), fields.u64(112), fields.u64(120)

    @staticmethod
    def _time(fields, offset):
        seconds, nanoseconds = fields.i64(offset), fields.u32(offset + 8)
        need(nanoseconds < NSEC, "a time of %d nanoseconds" % nanoseconds)
        return seconds, nanoseconds

    def _check_sizes(self, superblock):
        need(self.generation <= superblock.inode_generation, "an inode of a generation that is not there yet")
        need(self.links <= LINKS_MAX or self.is_folder, "an inode of %d links" % self.links)
        if self.is_regular:
            need(self.size <= FILE_BYTES, "a file of %d bytes" % self.size)
        else:
            need(self.units == 0, "units in what is no file")
            need(self.size == 0 or self.is_link, "a size in what is neither file nor link")
        if self.is_link:
            need(1 <= self.size <= 4095, "a link of %d bytes" % self.size)

    is_regular = property(lambda self: self.type == stat.S_IFREG)
    is_folder = property(lambda self: self.type == stat.S_IFDIR)
    is_link = property(lambda self: self.type == stat.S_IFLNK)
    is_device = property(lambda self: self.type in (stat.S_IFCHR, stat.S_IFBLK))
    chunk_size = property(lambda self: 1 << self.chunk_log)


class Extent:
    """Chunks that were written together. `first` is the number of its first chunk in the file."""

    def __init__(self, value, first, limit):
        fields = record_fields(value, "an extent")
        self.first = first
        fields.zero(1, 3, "flags, compression or a reserved field")
        self.count = fields.u16(4)
        need(1 <= self.count <= EXTENT_CHUNKS, "an extent of %d chunks" % self.count)
        fields.zero(6, 2, "a reserved field")
        self.chunk_size, self.last_size = fields.u32(8), fields.u32(12)
        need(self.chunk_size in (1 << log for log in range(12, 17)), "an extent of chunks of %d" % self.chunk_size)
        need(0 < self.last_size <= self.chunk_size and self.last_size % UNIT == 0,
             "an extent's last chunk has %d bytes" % self.last_size)
        self.epoch = fields.u32(16)
        fields.zero(20, 4, "a reserved field")
        self.unit, self.birth, self.allocated = fields.u64(24), fields.u64(32), fields.u64(40)
        self.nonce = fields.bytes(48, 24)
        need(len(value) == 72 + 32 * self.count, "an extent of %d bytes" % len(value))
        self.tag_fields = [fields.bytes(72 + 32 * i, 32) for i in range(self.count)]
        self.units = ((self.count - 1) * self.chunk_size + self.last_size) // UNIT
        limit.check(self.unit, self.units)
        limit.check_generations(self.birth, self.allocated)

    def chunk_length(self, index):
        return self.last_size if index == self.count - 1 else self.chunk_size

    @property
    def end(self):
        """The first chunk behind it."""
        return self.first + self.count


def part(value, what):
    """A part of a link's target or of an attribute's value."""
    record_fields(value, what)
    need(2 <= len(value) <= 1 + PART_BYTES, "%s of %d bytes" % (what, len(value)))
    return value[1:]


def join_parts(parts, size, what):
    """The parts, by number, are as long as they should be and none is missing."""
    count = -(-size // PART_BYTES)
    need(sorted(parts) == list(range(count)), "%s has parts %s" % (what, sorted(parts)))
    for number in range(count):
        need(len(parts[number]) == min(PART_BYTES, size - number * PART_BYTES), "part %d of %s has a wrong length"
             % (number, what))
    return b"".join(parts[number] for number in range(count))


class Tail:
    def __init__(self, value):
        fields = record_fields(value, "a tail")
        self.start, self.data = fields.u64(1), value[9:]
        need(1 <= len(self.data) <= TAIL_BYTES, "a tail of %d bytes" % len(self.data))

    def check(self, size):
        need(self.start == size - size % UNIT and len(self.data) == size % UNIT,
             "a tail of %d bytes at %d in a file of %d" % (len(self.data), self.start, size))

    def check_replayed(self, size):
        """22. The file may have grown since."""
        need(self.start % UNIT == 0 and self.start + len(self.data) <= size,
             "a tail of %d bytes at %d in a file of %d" % (len(self.data), self.start, size))


def orphan_number(value, offset):
    fields = record_fields(value, "an orphan's record")
    need(len(value) == 2 and fields.u8(1) == 1, "an orphan's record of an unknown kind")
    need(1 <= offset < INODES_MAX, "an orphan's number is %d" % offset)
    return offset
