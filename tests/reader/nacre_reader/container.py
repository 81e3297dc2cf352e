"""3. The layout, 7. sealed blocks, 10. pointers: how bytes come out of a container."""

import os
import struct

from .constants import (DATA, GROUP_STARTS, GROUP_UNITS, HEADER_BYTES, LABEL_OF, RING_OFFSET, RING_STRIDE, UNIT,
                        VERSION)
from .fields import Damaged, Fields, need
from .primitives import nonce_add, open_aead

class Container:
    """A file or block device; the keys come when the header is open."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)
        self.size = os.lseek(self.fd, 0, os.SEEK_END)
        self.ciphers, self.keys = {}, {}

    def close(self):
        os.close(self.fd)

    def set_keys(self, ciphers, keys):
        self.ciphers, self.keys = ciphers, keys

    def read(self, offset, size):
        parts = []
        while size:
            part = os.pread(self.fd, size, offset)
            need(part, "the container ends too soon")
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def headers(self):
        for start in GROUP_STARTS:
            try:
                yield self.read(start, HEADER_BYTES)
            except Damaged:
                yield None

    def ring_slot(self, number):
        return self.read(GROUP_STARTS[number % 2] + RING_OFFSET + number // 2 * RING_STRIDE, UNIT)

    def unseal(self, kind, level, epoch, birth, nonce, tag_field, ciphertext):
        """The plaintext of one block; Damaged where it does not authenticate."""
        need(epoch in self.keys, "epoch %d is not in the table" % epoch)
        associated = struct.pack("<BBBBIIQ", kind, level, VERSION, 0, epoch, len(ciphertext), birth)
        return open_aead(self.ciphers[epoch], self.keys[epoch][LABEL_OF[kind]], nonce, associated, ciphertext, tag_field)

    def open_block(self, kind, level, pointer):
        return self.unseal(kind, level, pointer.epoch, pointer.birth, pointer.nonce, pointer.tag_field,
                           self.read(pointer.unit * UNIT, pointer.length))

    def open_chunk(self, extent, index):
        """The plaintext of a chunk of an extent, as long as it was sealed."""
        unit = extent.unit + index * (extent.chunk_size // UNIT)
        return self.unseal(DATA, 0, extent.epoch, extent.birth, nonce_add(extent.nonce, index),
                           extent.tag_fields[index], self.read(unit * UNIT, extent.chunk_length(index)))

class Pointer:
    """96 bytes that name a block. `limit` is what they may name: units_end and the highest generation."""

    def __init__(self, data, limit):
        fields = Fields(data, "a pointer")
        self.bytes = data
        self.unit, self.length = fields.u64(0), fields.u32(8)
        fields.zero(12, 8, "a reserved field")
        self.epoch, self.birth, self.allocated = fields.u32(20), fields.u64(24), fields.u64(32)
        self.nonce, self.tag_field = fields.bytes(40, 24), fields.bytes(64, 32)
        need(self.length and self.length % UNIT == 0, "a pointer's length is %d" % self.length)
        self.units = self.length // UNIT
        limit.check(self.unit, self.units)
        limit.check_generations(self.birth, self.allocated)

    @staticmethod
    def is_none(data):
        return not any(data)

class Limit:
    """What the newest commit's pointers and extents stay within."""

    def __init__(self, units_end, generation):
        self.units_end, self.generation = units_end, generation

    def check(self, unit, units):
        need(unit, "unit 0 is pointed to")
        need(unit + units <= self.units_end, "units %d+%d lie behind the end" % (unit, units))
        for start in GROUP_STARTS:
            first = start // UNIT
            need(unit + units <= first or unit >= first + GROUP_UNITS, "units %d+%d lie in a group" % (unit, units))

    def check_generations(self, birth, allocated):
        need(birth, "birth generation 0")
        need(birth <= allocated, "birth %d is above the allocation's generation %d" % (birth, allocated))
        need(allocated <= self.generation, "generation %d is not there yet" % allocated)
