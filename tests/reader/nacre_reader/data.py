"""13. File data: what a file's extents and tail make of it."""

import hashlib

from .constants import UNIT
from .fields import Damaged, le64


def stored_pieces(container, found, on_damage):
    """(offset, bytes) of what is stored, in order, within the file's size; `on_damage` gets (offset, error)."""
    inode = found.inode
    # Chunks in the intent log take the place of what extents and tail have there; the tail's bytes are of one chunk.
    tail = found.tail
    if tail is not None and tail.start // inode.chunk_size in found.chunks:
        tail = None
    places = {extent.first + index: (extent, index) for extent in found.extents for index in range(extent.count)}
    numbers = set(places) | set(found.chunks)
    if tail is not None:
        numbers.add(tail.start // inode.chunk_size)
    for number in sorted(numbers):
        offset, plain = number * inode.chunk_size, b""
        def stored(number=number):
            return container.open_chunk(*places[number]) if number in places else b""

        try:
            plain = found.chunks[number].over(stored) if number in found.chunks else stored()
        except Damaged as error:
            on_damage(offset, error)
        if number not in found.chunks:
            # What is behind the place of the tail meant nothing when the extent was the newest.
            if found.tail is not None:
                plain = plain[:max(0, found.tail.start - offset)]
        # Bytes behind the end mean nothing.
        plain = plain[:max(0, inode.size - offset)]
        if plain:
            yield offset, plain
        if tail is not None and number == tail.start // inode.chunk_size:
            yield tail.start, tail.data


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
