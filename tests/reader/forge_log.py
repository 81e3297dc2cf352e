#!/usr/bin/python3
"""forge_log.py PROGRAM FOLDER: logs that somebody who has the keys wrote. PROGRAM is reader-log, FOLDER has volumes
that it made. What the document calls damage is refused by the reader and by the library; where the document lets the
log end, both end it without a word, at the same record."""

import copy
import os
import shutil
import struct
import subprocess
import sys

import nacl.bindings
from forge_records import key_of
from memory import Checks
from nacre_reader.constants import (EXTENT, GROUP_STARTS, INODE, INTENT_BODY, INTENT_HEAD, INTENT_INLINE_BYTES,
                                    INTENT_ITEM_BYTES, ORPHAN, RAW_KEY, RING_OFFSET, RING_SLOTS, RING_STRIDE,
                                    SUPERBLOCK, TAIL, UNIT, VERSION)
from nacre_reader.container import Container
from nacre_reader.credential import Credential
from nacre_reader.fields import Damaged, Refused
from nacre_reader.intent import DELETE, PART, PUT, WHOLE
from nacre_reader.listing import manifest
from nacre_reader.volume import Volume

CREDENTIAL = Credential(RAW_KEY, bytes(range(32)))
REFUSED, FELL_BACK = 2, 3
# What the library takes, and the document does not.
LAX = ("an inode of too late a generation",)


def body_units(items):
    return -(-max(0, len(items) - INTENT_INLINE_BYTES) // UNIT)


class Record:
    """One record to seal; a test changes its fields. `head` has (offset, struct code, value) to write over the rest."""

    def __init__(self, head, items):
        self.items, self.next_inode, self.inodes = items, head.next_inode, head.inodes
        self.id, self.generation, self.number, self.before = head.id, head.generation, head.number, None
        self.birth = self.body_birth = head.generation
        self.head, self.length, self.end, self.body_flip, self.body_units = [], None, b"", 0, None


class Sealer:
    """Seals records as section 22 says, with the superblock's keys. Only for XChaCha20-Poly1305."""

    def __init__(self, container, superblock):
        self.key, self.epoch = container.keys[superblock.epoch]["log"], superblock.epoch
        self.superblock = superblock

    def seal(self, kind, birth, plain):
        """Nonce, tag field and ciphertext."""
        nonce = os.urandom(24)
        associated = struct.pack("<BBBBIIQ", kind, 0, VERSION, 0, self.epoch, len(plain), birth)
        sealed = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, nonce, self.key)
        return nonce, sealed[-16:].ljust(32, b"\0"), sealed[:-16]

    def record(self, record, tag_before):
        """The bytes of head and body, and the head's tag field."""
        length = len(record.items) if record.length is None else record.length
        nonce, tag, body, inline = bytes(24), bytes(32), b"", record.items[:INTENT_INLINE_BYTES]
        units = body_units(record.items)
        if units:
            plain = (record.items[INTENT_INLINE_BYTES:] + record.end).ljust(units * UNIT, b"\0")
            nonce, tag, body = self.seal(INTENT_BODY, record.body_birth, plain)
            body = body[:-1] + bytes([body[-1] ^ record.body_flip])
        else:
            inline += record.end
        before = tag_before if record.before is None else record.before
        plain = bytearray(struct.pack("<16sQ32sQQQQII24s32sQ", record.id, record.number, before, record.next_inode,
                                      record.inodes, 0, 0, length, 0, nonce, tag, record.generation) + inline)
        plain += bytes(UNIT - 56 - len(plain))
        for offset, code, value in record.head:
            struct.pack_into(code, plain, offset, value)
        nonce, tag, sealed = self.seal(INTENT_HEAD, record.birth, bytes(plain))
        return nonce + tag + sealed + body, tag

    def log(self, records):
        out, tag = b"", bytes(32)
        for record in records:
            sealed, tag = self.record(record, tag)
            out += sealed
        return out


def item(kind, where, data, length=None):
    return struct.pack("<BI", kind, len(data) if length is None else length) + where + data


def place(inode, number, offset=0, end=0):
    return struct.pack("<QQIB", inode, number, offset, end)


# Of the newest superblock: offset, struct code, value, and a part of what the reader says.
SUPERBLOCK_FIELDS = [
    (16, "<Q", 0, "feature is not set"), (608, "<Q", 0, "no intent log"), (608, "<Q", 1, "overlap"),
    (608, "<Q", 4095, "overlap"), (608, "<Q", 1 << 40, "behind the end"), (608, "<Q", (1 << 64) - 1, "behind the end"),
    (616, "<Q", 0, "halves of 0"), (616, "<Q", 31, "halves of 31"), (616, "<Q", 4097, "halves of 4097"),
    (616, "<Q", 4096, "overlap"), (616, "<Q", (1 << 64) - 1, "halves of"), (624, "<I", 2, "half 2"),
    (628, "<I", 1, "half of the intent log"), (648, "<Q", 0, "of generation 0"), (648, "<Q", 1 << 40, "of generation"),
    (656, "B", 1, "the end")]


class Forger:
    def __init__(self, checks, program, path):
        self.checks, self.program, self.path = checks, program, path
        volume = Volume(Container(path), CREDENTIAL)
        volume.check()
        self.superblock_key = volume.container.keys[volume.newest.epoch]["superblock"]
        self.sealer, self.superblock = Sealer(volume.container, volume.newest), volume.newest
        self.records = [Record(head, items) for _, head, items in volume.log.places]
        self.offset = self.superblock.intent_half_unit * UNIT
        self.objects, self.raw = volume.commit.objects, list(volume.commit.raw_records())
        self.lines = manifest(volume)
        self.names = {path: found.number for path, found in volume.paths}
        volume.container.close()
        with open(path, "rb") as file:
            file.seek(self.offset)
            # Also what is behind the half, which a body that is too long reaches.
            self.original = file.read((self.superblock.intent_units + 1) * UNIT)

    def _put(self, data):
        with open(self.path, "r+b") as file:
            file.seek(self.offset)
            file.write(data)

    def _read(self):
        """What the reader says against the volume, how many records it finds, and its manifest."""
        container = Container(self.path)
        try:
            volume = Volume(container, CREDENTIAL)
            volume.check()
            return volume.report.problems, volume.log.records, manifest(volume)
        except (Damaged, Refused) as error:
            return [str(error)], None, ""
        finally:
            container.close()

    def _list(self):
        done = subprocess.run([self.program, "list", self.path], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def _verify(self):
        """Of a copy, since the log is in the tree when that is done."""
        copied = self.path + ".copy"
        shutil.copyfile(self.path, copied)
        done = subprocess.run([self.program, "recover", copied], capture_output=True, text=True, check=False)
        os.remove(copied)
        return done.returncode, done.stdout

    def disagrees(self, what, data, expected):
        """Where the log's records are what they should be, and what they put is not: the reader says so at once, the
        library at the latest when it has made a commit of it and verifies that."""
        self._put(data)
        said, _, _ = self._read()
        code, out = self._verify()
        self._put(self.original)
        self.checks.check("the reader sees: " + what, any(expected in line for line in said), said)
        if what not in LAX:
            self.checks.check("so does the library that verifies: " + what, code != 0, out[-200:])

    def run(self, what, data, expected, count=None, lax=False):
        """`expected`: a part of what the reader says, or None where the log ends behind `count` records. Where the
        library is `lax`, it is not asked. A power cut ends a log at its last record only: one that ends before that is
        damaged."""
        if expected is None and count + 1 < len(self.records):
            expected = "stands behind the end"
        self._put(data)
        said, records, lines = self._read()
        code, listed, error = self._list()
        self._put(self.original)
        if expected is None:
            self.checks.check("the reader ends the log: " + what, not said and records == count, (records, said))
            if not lax:
                self.checks.check("so does the library: " + what, code == 0 and listed == lines, (code, error))
        else:
            self.checks.check("the reader refuses: " + what, any(expected in line for line in said), said)
        if expected is not None and not lax:
            self.checks.check("so does the library: " + what, code in (REFUSED, FELL_BACK), (code, error))

    def passes_over(self, what, data, expected):
        """Both take the superblock before; it has a log of its own."""
        self._put(data)
        said, _, lines = self._read()
        code, listed, error = self._list()
        self._put(self.original)
        self.checks.check("the reader refuses: " + what, any(expected in line for line in said), said)
        self.checks.check("both open the commit before: " + what, code in (0, FELL_BACK) and listed == lines and
                          listed != self.lines, (code, error))

    def change(self, what, expected, change, at=-1, count=None, lax=False):
        """A change of one record, with those behind it sealed anew so that they go on from it."""
        records = copy.deepcopy(self.records)
        change(records[at])
        self.run(what, self.sealer.log(records), expected, len(records) - 1 if count is None else count, lax)

    def with_one_more(self, items):
        last = copy.deepcopy(self.records[-1])
        last.items, last.number = items, len(self.records)
        return self.sealer.log(self.records + [last])

    def add(self, what, expected, items, lax=False):
        self.run(what, self.with_one_more(items), expected, len(self.records) + 1, lax)


def setter(**values):
    return lambda record: vars(record).update(values)


def patch(offset, code, value):
    return lambda record: record.head.append((offset, code, value))


def forge_superblocks(forger):
    plain = forger.superblock.plain
    sealer = copy.copy(forger.sealer)
    sealer.key = forger.superblock_key
    slot = forger.superblock.generation % RING_SLOTS
    forger.offset = GROUP_STARTS[slot % 2] + RING_OFFSET + slot // 2 * RING_STRIDE
    with open(forger.path, "rb") as file:
        file.seek(forger.offset)
        forger.original = file.read(UNIT)
    for offset, code, value, expected in SUPERBLOCK_FIELDS:
        forged = bytearray(plain)
        struct.pack_into(code, forged, offset, value)
        nonce, tag, sealed = sealer.seal(SUPERBLOCK, 0, bytes(forged))
        forger.passes_over("a superblock's %d at %d" % (value, offset), nonce + tag + sealed, expected)


def forge_heads(forger):
    last = forger.records[-1]
    everything = len(forger.records)
    same = forger.sealer.log(forger.records)
    forger.run("no more than there is, sealed anew", same, None, everything)
    for what, change in (
            ("another id", setter(id=bytes(16))), ("another generation", setter(generation=last.generation + 1)),
            ("another number", setter(number=last.number + 1)),
            ("a number sealed as another", setter(birth=last.birth + 1)),
            ("another tag before", setter(before=bytes(32)))):
        forger.change(what, None, change)
        forger.change(what + ", in the midst", None, change, 2, 2)
    forger.change("another id, and a field that makes no sense", None,
                  setter(id=bytes(16), head=[(92, "<I", 1)]))
    forger.change("a first record with a tag before", None, setter(before=b"x" * 32), 0, 0)
    for what, change, expected in (
            ("a next inode that goes down", setter(next_inode=last.next_inode - 1), "next inode"),
            ("a next inode out of bounds", setter(next_inode=(1 << 48) + 1), "next inode"),
            ("more inodes than numbers", setter(inodes=last.next_inode), "more inodes"),
            ("no items", setter(items=b""), "of 0 bytes"),
            ("a length that is too high", setter(length=524289), "of 524289 bytes"),
            ("a reserved field", patch(92, "<I", 1), "after the length"),
            ("a nonce of no body", patch(96, "B", 1), "where there is none"),
            ("a tag of no body", patch(151, "B", 1), "where there is none"),
            ("an end that is not zero", setter(end=b"\0x"), "the end")):
        forger.change(what, expected, change)
        if what != "a next inode that goes down":
            forger.change(what + ", in the midst", expected, change, 2)


def forge_bodies(forger):
    at = 3
    forger.change("a body that does not open", None, setter(body_flip=1), at, at)
    forger.change("a body sealed as another's", None, setter(body_birth=at + 1), at, at)
    forger.change("a body that does not open, of a head that makes no sense", "after the length",
                  setter(body_flip=1, head=[(92, "<I", 1)]), at)
    forger.change("a body's end", "end of an intent record's body", setter(end=b"x"), at)
    forger.change("an item in the head of a record with a body", "kind 255", patch(160, "B", 0xff), at)
    # A body of which the last unit is behind the half, and whole.
    used = sum(1 + body_units(r.items) for r in forger.records)
    rest, big = forger.superblock.intent_units - used, forger.names[b"big"]
    forger.checks.check("the half has room for a test", 8 < rest < 128, rest)
    for units, fits in ((rest - 1, True), (rest, False)):
        items, room = b"", INTENT_INLINE_BYTES + units * UNIT
        while room > INTENT_ITEM_BYTES:
            items += item(PART, place(big, 0), b"y" * min(room - INTENT_ITEM_BYTES, 16000))
            room = INTENT_INLINE_BYTES + units * UNIT - len(items)
        forger.run("a body that " + ("just fits" if fits else "reaches over the half's end"),
                   forger.with_one_more(items), None, len(forger.records) + fits)


def forge_bytes(forger):
    """Records that are torn, and what is left of others."""
    places, at = [], 0
    for record in forger.records:
        body = body_units(record.items)
        places.append((at, body))
        at += UNIT * (1 + body)
    original = forger.original
    for number, (start, body) in enumerate(places):
        torn = original[:start + 2048] + bytes(2048) + original[start + UNIT:]
        forger.run("half of head %d" % number, torn, None, number)
        if body:
            torn = original[:start + body * UNIT] + os.urandom(UNIT) + original[start + (body + 1) * UNIT:]
            forger.run("the body of record %d without its end" % number, torn, None, number)
    # A record of the same log at another place.
    start, body = places[2]
    size = UNIT * (1 + body)
    forger.run("a record twice", original[:start + size] + original[start:start + size] +
               original[start + 2 * size:], None, 3)
    forger.run("the log without its first record", original[places[1][0]:], None, 0)


def forge_items(forger):
    big, folder, cut, small = (forger.names[name] for name in (b"big", b"many", b"cut", b"many/5"))
    inode = key_of(big, INODE, 0)
    chunk = place(big, 0)
    whole = item(WHOLE, chunk, b"x")
    for what, items, expected in (
            ("an item of kind 0", item(0, inode, b"x"), "kind 0"),
            ("an item of kind 5", item(5, chunk, b"x"), "kind 5"),
            ("an item cut short", item(PUT, inode, b"x", 2), "cut short"),
            ("an item's head cut short", item(DELETE, inode, b"")[:-1], "cut short"),
            ("an item behind a good one, cut short", item(DELETE, key_of(big, TAIL, 5), b"") + b"\1", "cut short"),
            ("a value that is too long", item(PUT, inode, bytes(4033)), "4033"),
            ("a delete with bytes", item(DELETE, inode, b"x"), "deletes with"),
            ("a key of another tree", item(DELETE, b"\0\0\0\2" + inode[4:], b""), "unknown tree"),
            ("a key of object 2^48", item(DELETE, key_of(1 << 48, INODE, 0), b""), "object number"),
            *(("a key of type %d" % kind, item(DELETE, key_of(big, kind, 0), b""), "of type %d" % kind)
              for kind in (0, 9, 10, 12)),
            ("a chunk's end", item(WHOLE, place(big, 0, 0, 1), b"x"), "its end"),
            ("a whole chunk that begins later", item(WHOLE, place(big, 0, 1), b"x"), "begins at 1"),
            ("a chunk of 65537 bytes", item(WHOLE, chunk, bytes(65537)), "65537"),
            ("a chunk longer than its file's", item(WHOLE, chunk, bytes(16385)), "16385"),
            ("a chunk of a folder", item(WHOLE, place(folder, 0), b"x"), "no file"),
            ("a chunk of inode 0", item(WHOLE, place(0, 0), b"x"), "inode 0"),
            ("a chunk behind the end", item(WHOLE, place(big, 1000), b"x"), "behind the end"),
            ("a chunk that begins at the end", item(WHOLE, place(cut, 192), b"x"), "behind the end"),
            ("a chunk of a number that overflows", item(WHOLE, place(big, 1 << 60), b"x"), "behind the end"),
            ("a part over the tail's chunk", item(PART, place(small, 0), b"x"), "over the tail's chunk"),
            ("a part behind the end", item(PART, place(big, 1000), b"x"), "behind the end"),
            ("a part of no bytes", whole + item(PART, chunk, b""), "a part of 0"),
            ("a part behind the chunk's end", whole + item(PART, place(big, 0, 16384), b"x"), "a chunk of"),
            ("a part that reaches over its end", whole + item(PART, place(big, 0, 16383), b"xy"), "a chunk of"),
            ("a part at 2^32 - 1", whole + item(PART, place(big, 0, (1 << 32) - 1), b"x"), "a part of 1")):
        forger.add(what, expected, items, what in LAX)
    for what, items in (
            ("a delete of what is not there", item(DELETE, key_of(big, TAIL, 5), b"")),
            ("a chunk of an inode that is not there", item(WHOLE, place(1 << 40, 7), b"x")),
            ("a part over what is stored", item(PART, place(big, 3, 9000), b"xy")),
            ("a part over a hole", item(PART, place(cut, 60, 16383), b"x")),
            ("a part, and then the whole", item(PART, place(big, 3), b"xy") + item(WHOLE, place(big, 3), b"z")),
            ("a whole chunk of no bytes", item(WHOLE, chunk, b"")),
            ("a part that is longer than what the chunk has", whole + item(PART, place(big, 0, 9000), b"yy")),
            ("two whole chunks, the second shorter", item(WHOLE, chunk, b"z" * 9000) + whole)):
        forger.add(what, None, items)


def forge_values(forger):
    big, tailed = (forger.objects[forger.names[name]] for name in (b"big", b"many/5"))
    values = {key: value for key, value, _ in forger.raw}
    inode = values[key_of(big.number, INODE, 0)]
    generation, size = forger.superblock.generation, tailed.inode.size
    unlisted = forger.objects[1].number + (1 << 40)
    for what, key, value, expected in (
            ("an extent that goes", key_of(big.number, EXTENT, 0), None, "allocates or frees"),
            ("an inode that goes", key_of(big.number, INODE, 0), None, ""),
            ("an inode of another version", key_of(big.number, INODE, 0), b"\x82" + inode[1:], "version"),
            ("an inode cut short", key_of(big.number, INODE, 0), inode[:-1], "an inode of 95"),
            ("an inode of too late a generation", key_of(big.number, INODE, 0),
             inode[:40] + struct.pack("<Q", generation + 1000) + inode[48:], "not there yet"),
            ("an inode that was not given yet", key_of(unlisted, INODE, 0), inode, "not given yet"),
            ("an orphan that is not there", key_of(0, ORPHAN, unlisted), b"\x81\1", "no such inode"),
            ("a tail of no flag", key_of(big.number, TAIL, 0), b"\x81" + bytes(8) + b"x", "tail's flag"),
            ("a tail behind the end", key_of(tailed.number, TAIL, 0),
             b"\x81" + struct.pack("<Q", size + -size % UNIT) + b"x", "a tail of"),
            ("a tail that is at no unit", key_of(tailed.number, TAIL, 0), b"\x81" + struct.pack("<Q", 1) + b"x",
             "a tail of")):
        one = item(DELETE, key, b"") if value is None else item(PUT, key, value)
        forger.disagrees(what, forger.with_one_more(one), expected)
    records = copy.deepcopy(forger.records)
    records[-1].inodes -= 1
    forger.disagrees("another number of inodes", forger.sealer.log(records), "inodes, the superblock says")


def main():
    program, folder = sys.argv[1:]
    checks = Checks()
    forger = Forger(checks, program, os.path.join(folder, "data"))
    forge_heads(forger)
    forge_items(forger)
    forge_values(forger)
    forge_bytes(forger)
    forge_superblocks(forger)
    forger = Forger(checks, program, os.path.join(folder, "names"))
    forger.change("a next inode below that of the record before", "next inode",
                  setter(next_inode=forger.superblock.next_inode, inodes=1))
    forger = Forger(checks, program, os.path.join(folder, "bodies"))
    forge_bodies(forger)
    forge_bytes(forger)
    return checks.failed


if __name__ == "__main__":
    sys.exit(main())
