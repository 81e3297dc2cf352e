"""13. File data: what a file's extents and tail make of it."""

import hashlib

from .constants import UNIT
from .fields import Damaged, le64


def stored_pieces(container, found, on_damage):
    """(offset, bytes) of what is stored, in order, within the file's size; `on_damage` gets (offset, error)."""
    inode, size = found.inode, found.inode.size
    tail_start = found.tail.start if found.tail is not None else size
    for extent in found.extents:
        for index in range(extent.count):
            offset = (extent.first + index) * inode.chunk_size
            try:
                plain = container.open_chunk(extent, index)
            except Damaged as error:
                on_damage(offset, error)
                continue
            # Bytes behind the end mean nothing, and the tail takes precedence.
            plain = plain[:max(0, tail_start - offset)]
            if plain:
                yield offset, plain
    if found.tail is not None:
        yield tail_start, found.tail.data


def content_hash(pieces):
    """SHA-256 over the 4096-byte blocks that are not all zero: each one's number (8 bytes), then its bytes.

    It is the same for a hole and for zeroes that were written, and a file of any size is as cheap as what it stores."""
    total = hashlib.sha256()
    for offset, data in pieces:
        for at in range(0, len(data), UNIT):
            block = data[at:at + UNIT]
            if any(block):
                total.update(le64((offset + at) // UNIT) + block.ljust(UNIT, b"\0"))
    return total.hexdigest()
