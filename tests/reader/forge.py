#!/usr/bin/python3
"""What an enemy with the keys may write: each rule of the document broken once in a golden volume, behind its
authentication. The reader must refuse it, and for that reason."""

import copy
import struct
import sys

import forge_records
import forge_space
from memory import CREDENTIAL, Checks, Memory, golden_bytes
from nacre_reader.fields import Damaged, Refused, Report
from nacre_reader.header import Header, SealedPart
from nacre_reader.lineage import check_branches
from nacre_reader.superblock import Superblock, check_ring
from nacre_reader.volume import Commit, Volume


def patched(data, offset, code, value):
    """The data with a field of a struct code overwritten."""
    new = struct.pack(code, value) if isinstance(code, str) else value
    return data[:offset] + new + data[offset + len(new):]


def refused(parse, *args):
    try:
        parse(*args)
        return "nothing"
    except (Damaged, Refused) as error:
        return str(error)


# A generation that belongs into the slot behind.
OTHER_SLOT = object()
# Offset, struct code, value, and a part of what the reader then says.
HEADER = [
    (0, "B", 0, "no magic"), (8, "<I", 1, "format version 1"), (12, "<I", 4, "unknown cipher"),
    (32, "<Q", 1, "incompatible"), (32, "<Q", 8, "incompatible"), (40, "<Q", 0, "sequence 0"), (111, "B", 1, "follows the label"),
    (112, "<I", 9, "unknown kind"), (124, "<I", 1, "reserved"), (128, "<Q", 33554433, "multiple of 1024"),
    (128, "<Q", 0, "without costs"), (116, "<I", 0, "without costs"), (120, "<I", 0, "without costs"),
    (112, "<I", 0, "costs of a slot"), (112 + 24 * 2 + 4, "<I", 1, "costs of a slot"), (880, "B", 1, "public part"),
    (4095, "B", 1, "public part"), (4096 + 216, "<I", 1, "body where none is"),
    (4096 + 7168 * 7 + 216, "<I", 0, "body where none is"), (4096 + 7168 * 7 + 216, "<I", 6949, "a slot's body of")]
SEALED = [
    (32, "<I", 2, "no key"), (32, "<I", 0, "no key"), (36, "<I", 1, "after the epoch"), (44, "<I", 4, "unknown cipher"),
    (44, "<I", 0, "unknown cipher"), (84, "<I", 1, "unused epoch"),
    (80, "<I", 1, "twice"), (88, "B", 1, "unused epoch"), (400 + 63, "B", 1, "slot's name"),
    (360 + 104 * 31, "B", 1, "empty slot"), (3696, "B", 1, "the end"), (4039, "B", 1, "the end")]
NEWEST = [
    (16, "<Q", 1, "incompatible"), (24, "<Q", 0, "stands in slot"), (24, "<Q", OTHER_SLOT, "stands in slot"),
    (48, "16s", bytes(16), "no parent"), (64, "<Q", 0, "header sequence"), (80, "<Q", 4225, "multiple of 64"),
    (80, "<Q", 4160, "out of bounds"), (80, "<Q", 1 << 44, "out of bounds"),
    (88, "<Q", (1 << 44) + 64, "out of bounds"),
    (96, "<Q", 0, "next inode"), (96, "<Q", (1 << 48) + 1, "next inode"), (104, "<Q", 1 << 47, "more inodes"),
    (112, "<Q", 4225, "more units"), (120, "<I", 8192, "chunk size"), (124, "<I", 8192, "node size"),
    (128, "B", 12, "level"), (129, "B", 1, "root's level"), (136, "<Q", 0, "unit 0"),
    (136, "<Q", 4224, "behind the end"), (136, "<Q", 127, "in a group"), (136, "<Q", 4096, "in a group"),
    (144, "<I", 4096, "root's size"), (148, "B", 1, "reserved"), (149, "B", 1, "reserved"), (150, "B", 1, "reserved"),
    (152, "<I", 1, "reserved"), (160, "<Q", 1 << 40, "above the allocation"), (160, "<Q", 0, "birth"),
    (168, "<Q", 1 << 40, "not there yet"), (232, "<Q", 4096, "overlap"), (232, "<Q", 1, "overlap"),
    (240, "<Q", 1 << 20, "overlap"), (264, "<Q", 4223, "overlap"), (240, "<Q", 3, "smaller than its checkpoint"),
    (280, "<Q", 1, "too little room"), (288, "<I", 3, "log set 3"), (288, "<I", 1, "start of its set"),
    (292, "<I", 1, "set in use"), (304, "<I", 4097, "length"), (304, "<I", 0, "length"),
    (304, "<I", 16384 * 4, "index is too long"),
    (392, "<Q", 1, "in a group"), (392, "<Q", 128, "before the log part"), (488, "<Q", 1, "next record"), (488, "<Q", 4224, "next record"),
    (528, "<Q", 0, "unbroken"), (528, "<Q", 1 << 40, "unbroken"), (568, "<Q", 0, "branch begins"),
    (568, "<Q", 1 << 40, "branch begins"), (576, "<Q", 0, "branch has"), (576, "<Q", 1 << 40, "branch has"),
    (584, "<Q", 0, "counts as generation"), (584, "<Q", 1 << 40, "counts as generation"), (592, "<Q", 1, "counts as another"),
    (16, "<Q", 2, "incompatible"), (16, "<Q", 8, "incompatible"), (16, "<Q", 0, "feature is not set"),
    (608, "<Q", 0, "no intent log"), (608, "<Q", 4096, "overlap"), (616, "<Q", 0, "halves of 0"),
    (616, "<Q", 31, "halves of 31"), (616, "<Q", 4097, "halves of 4097"), (624, "<I", 2, "half 2"),
    (628, "<I", 1, "half of the intent log"), (648, "<Q", 0, "intent log of generation"),
    (648, "<Q", 1 << 40, "intent log of generation"), (656, "B", 1, "the end"), (4039, "B", 1, "the end")]


def forge_fields(checks, volume):
    header, sealed = volume.header, volume.sealed
    slot = volume.newest.generation % 8
    for what, table, data, parse, args in (
            ("header", HEADER, header.data, Header, ()), ("sealed part", SEALED, sealed.plain, SealedPart, (header,)),
            ("superblock", NEWEST, volume.newest.plain, Superblock, (slot,))):
        for offset, code, value, expected in table:
            value = volume.newest.generation + 1 if value is OTHER_SLOT else value
            said = refused(parse, patched(data, offset, code, value), *args)
            checks.check("%s, %s at %d: %s" % (what, value, offset, expected), expected in said, said)


def forge_ring(checks, volume):
    """9.9 and the chain of the commits: superblocks that are gone, or tell of another past."""
    newest = volume.newest

    def said(change):
        ring = {slot: Superblock(found.plain, slot) for slot, found in volume.ring.items()}
        change(ring)
        report = Report()
        check_ring(ring, ring[newest.generation % 8], report)
        return report.problems, report.notes
    problems, notes = said(lambda ring: None)
    checks.check("the ring as it is", not problems and not notes, problems + notes)
    for back in range(1, 7):
        problems, _ = said(lambda ring, b=back: ring.pop((newest.generation - b) % 8))
        checks.check("ring, the superblock %d before the newest is gone" % back, problems, problems)
    problems, notes = said(lambda ring: ring.pop((newest.generation - 7) % 8))
    checks.check("ring, the oldest is gone: what a crash may do", notes and not problems, problems)
    for name, value in (("parent_id", bytes(16)), ("next_inode", 1), ("header_sequence", 0)):
        problems, _ = said(lambda ring, n=name, v=value: setattr(ring[newest.generation % 8], n, v))
        checks.check("ring, %s of the newest is another" % name, problems, problems)


def forge_lineage(checks, volume, branches):
    """16. Lists of branches that are no history."""
    newest = volume.newest
    ring = {other.generation: other for other in volume.ring.values()}

    def said(change):
        changed = [copy.copy(branch) for branch in branches]
        change(changed)
        report = Report()
        check_branches(changed, newest, ring, report)
        return report.problems
    checks.check("lineage as it is, with some branches", len(branches) > 2 and not said(lambda b: None), branches)
    last = branches[-1]
    for what, change in (
            ("none", list.clear), ("the last is gone", list.pop), ("the first is gone", lambda b: b.pop(0)),
            ("one is gone", lambda b: b.pop(1)),
            ("two with one id", lambda b: setattr(b[0], "id", b[1].id)),
            ("another last id", lambda b: setattr(b[-1], "id", bytes(16))),
            ("a number that is not the next", lambda b: setattr(b[1], "number", 7)),
            ("a parent of before the branch before", lambda b: setattr(b[-1], "parent", b[-2].first - 1)),
            ("another parent than the commit that is there", lambda b: setattr(b[-1], "parent_id", bytes(16)))):
        checks.check("lineage: " + what, said(change), "nothing is said")
    checks.check("the ring still has the last branch's parent", last.parent in ring, last.parent)


def main():
    checks = Checks()
    container = Memory(golden_bytes())
    volume = Volume(container, CREDENTIAL)
    forge_fields(checks, volume)
    forge_ring(checks, volume)
    forge_space.run(checks, container, volume.newest)
    clean = Commit(container, volume.newest, Report())
    forge_lineage(checks, volume, clean.branches)
    forge_records.run(checks, container, volume.newest)
    return checks.failed


if __name__ == "__main__":
    sys.exit(main())
