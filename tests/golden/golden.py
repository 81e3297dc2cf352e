#!/usr/bin/python3
"""golden.py strip CONTAINER GOLDEN: keep what means something of a golden volume.
golden.py expand GOLDEN CONTAINER: make the container again.

A golden file is "nacre golden 1", a line end, and pieces: offset, length and source, of 8 bytes each, little-endian.
A source is another offset of the container, where the same bytes stand, or 2^64 - 1, and then the bytes follow. A piece
of length 0 is the last; its offset is the container's size. Kept are the header, the superblocks, and every block that the
newest commit or its parent reaches. What is left of the two groups is random and means nothing: it is 0xa5 here. All
other bytes belong to free units, and are zero here.
"""

import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "reader"))

# pylint: disable=wrong-import-position
from nacre_reader.constants import GROUP_BYTES, GROUP_STARTS, HEADER_BYTES, PASSPHRASE  # noqa: E402
from nacre_reader.container import Container  # noqa: E402
from nacre_reader.credential import Credential  # noqa: E402
from nacre_reader.volume import Volume  # noqa: E402

MAGIC = b"nacre golden 1\n"
NOT_COPIED = (1 << 64) - 1
FILLER = b"\xa5"
PASSPHRASE_BYTES = b"the golden passphrase"


class Watched(Container):
    """Remembers what was read of it."""

    def __init__(self, path):
        super().__init__(path)
        self.spans = set()

    def read(self, offset, size):
        self.spans.add((offset, size))
        return super().read(offset, size)


def strip(path, golden):
    container = Watched(path)
    volume = Volume(container, Credential(PASSPHRASE, PASSPHRASE_BYTES))
    volume.check()
    if volume.report.problems or volume.report.notes:
        sys.exit("%s: %s" % (path, (volume.report.problems + volume.report.notes)[0]))
    with open(golden, "wb") as out:
        out.write(MAGIC)
        for offset, size in sorted(container.spans):
            if offset == GROUP_STARTS[1] and size == HEADER_BYTES:
                out.write(struct.pack("<QQQ", offset, size, GROUP_STARTS[0]))
            else:
                out.write(struct.pack("<QQQ", offset, size, NOT_COPIED) + Container.read(container, offset, size))
        out.write(struct.pack("<QQQ", container.size, 0, 0))


def expand(golden, path):
    with open(golden, "rb") as file, open(path, "w+b") as out:
        if file.read(len(MAGIC)) != MAGIC:
            sys.exit(golden + ": no golden volume")
        for start in GROUP_STARTS:
            out.seek(start)
            out.write(FILLER * GROUP_BYTES)
        while True:
            offset, size, source = struct.unpack("<QQQ", file.read(24))
            if size == 0:
                out.truncate(offset)
                return
            if source == NOT_COPIED:
                data = file.read(size)
            else:
                out.seek(source)
                data = out.read(size)
            out.seek(offset)
            out.write(data)


def main():
    verbs = {"strip": strip, "expand": expand}
    if len(sys.argv) != 4 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
