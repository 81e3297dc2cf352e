#!/usr/bin/python3
"""flips.py [COUNT]: flip COUNT bits in each kind of area of a golden volume; the reader must see every one that means
something, and none of those that the document says mean nothing."""

import random
import sys

from memory import CREDENTIAL, Checks, Memory, complaints, golden_bytes
from nacre_reader.constants import GROUP_BYTES, GROUP_STARTS, HEADER_BYTES, RING_OFFSET, RING_STRIDE, UNIT
from nacre_reader.volume import Volume


EMPTY_LOG = "an intent log without records"


def area_of(offset, size, log):
    """What a span that the reader reads is, by where and how long it is."""
    if offset in log:
        return EMPTY_LOG
    for number, start in enumerate(GROUP_STARTS):
        if start <= offset < start + GROUP_BYTES:
            return "header copy %d" % number if size == HEADER_BYTES else "superblocks"
    return "blocks of %d bytes" % size


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    checks, dice = Checks(), random.Random(1)
    container = Memory(golden_bytes())
    said = complaints(container)
    checks.check("the volume is as it should be", not said, said)
    newest = Volume(container, CREDENTIAL).newest
    log = range(newest.intent_unit * UNIT, (newest.intent_unit + 2 * newest.intent_units) * UNIT)
    areas = {}
    for offset, size in sorted(container.spans):
        areas.setdefault(area_of(offset, size, log), []).append((offset, size))
    for area, spans in sorted(areas.items()):
        if area == EMPTY_LOG:
            continue
        missed = []
        for number in range(count):
            # Each span in turn, so that none is left out where there are few.
            offset, size = spans[number % len(spans)] if len(spans) <= count else dice.choice(spans)
            container.flipped = offset + dice.randrange(size)
            if not complaints(container):
                missed.append(container.flipped)
        checks.check("%d flipped bits in %s are seen" % (count, area), not missed, missed)
    noticed = []
    fillers = [start + RING_OFFSET + RING_STRIDE * place + UNIT for start in GROUP_STARTS for place in range(4)]
    for offset in dice.sample(fillers, min(count, len(fillers)) // 2):
        container.flipped = offset + dice.randrange(RING_STRIDE - UNIT)
        noticed += complaints(container, data=False)
    for _ in range(count):
        container.flipped = log.start + dice.randrange(len(log))
        noticed += complaints(container, data=False)
    checks.check("what the document calls random is ignored", not noticed, noticed)
    return checks.failed


if __name__ == "__main__":
    sys.exit(main())
