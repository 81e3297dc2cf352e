"""22. The intent log: the records that go with a commit, and the state that they make of it."""

from .constants import (CHUNK_MAX_BYTES, INODES_MAX, INTENT_BODY, INTENT_CHUNKS_BYTES, INTENT_HEAD, INTENT_INLINE_BYTES, INTENT_ITEM_BYTES,
                        INTENT_ITEMS_BYTES, RECORD_TYPES, UNIT, VALUE_BYTES)
from .data import content_hash, stored_pieces
from .fields import Damaged, Fields, need, need_zero
from .objects import Collector
from .tree import Key
from .volume_checks import check_tree

PUT, DELETE, WHOLE, PART = 1, 2, 3, 4


class Head:
    """`before` is the record before, or None; raises Damaged where the fields of one that goes on make no sense."""

    def __init__(self, plain, tag_field):
        self.fields, self.tag_field = Fields(plain, "an intent record's head"), tag_field
        self.id, self.number, self.before = (self.fields.bytes(0, 16), self.fields.u64(16), self.fields.bytes(24, 32))
        self.generation = self.fields.u64(152)
        self.next_inode, self.inodes = self.fields.u64(56), self.fields.u64(64)
        self.length = self.fields.u32(88)
        self.body_nonce, self.body_tag = self.fields.bytes(96, 24), self.fields.bytes(120, 32)

    def goes_on(self, superblock, number, tag_before):
        return ((self.id, self.generation, self.number, self.before) ==
                (superblock.intent_id, superblock.intent_generation, number, tag_before))

    @property
    def body_units(self):
        need(1 <= self.length <= INTENT_ITEMS_BYTES, "an intent record of %d bytes" % self.length)
        return -(-self.body_length // UNIT)

    @property
    def body_length(self):
        return max(0, self.length - INTENT_INLINE_BYTES)

    def check(self, least_inode):
        need(least_inode <= self.next_inode <= INODES_MAX, "an intent record's next inode is %d" % self.next_inode)
        need(self.inodes < self.next_inode, "an intent record has more inodes than numbers were given")
        self.fields.zero(92, 4, "the field after the length")
        if not self.body_units:
            self.fields.zero(96, 56, "a body's nonce and tag where there is none")
            self.fields.zero(160 + self.length, INTENT_INLINE_BYTES - self.length, "the end")

    def inline_items(self):
        return self.fields.bytes(160, self.length - self.body_length)


class Overlay:
    """What the log has of one chunk: the whole of it, or parts that go over what the commit stores there."""

    def __init__(self):
        self.whole, self.parts = None, []

    def put_whole(self, data):
        self.whole, self.parts = bytes(data), []

    def put_part(self, offset, data):
        self.parts.append((offset, data))

    @property
    def end(self):
        return max([len(self.whole or b"")] + [offset + len(data) for offset, data in self.parts])

    def over(self, stored):
        """The chunk; `stored` gives what extents have, and is asked only where that is needed."""
        plain = bytearray(stored() if self.whole is None else self.whole)
        for offset, data in self.parts:
            plain.extend(bytes(max(0, offset + len(data) - len(plain))))
            plain[offset:offset + len(data)] = data
        return bytes(plain)


class Log:
    """What all records of a commit say together. `puts` has None for what is deleted."""

    def __init__(self, container, superblock):
        self.container, self.superblock = container, superblock
        self.records, self.used_units = 0, 0
        self.next_inode, self.inodes = superblock.next_inode, superblock.inodes
        self.counts = dict.fromkeys((PUT, DELETE, WHOLE, PART), 0)
        self.puts, self.chunks = {}, {}
        self.places = []  # unit, head, items of each record, for those who test
        self.epoch = None  # of the records; not written anywhere
        if superblock.intent_units:
            self._read()
            self._look_behind()

    def _look_behind(self):
        """A power cut tears the last record, and no other."""
        start = self.superblock.intent_half_unit
        for unit in range(start + self.used_units + 1, start + self.superblock.intent_units):
            sealed = self.container.read(unit * UNIT, UNIT)
            plain = self._unseal_head(sealed) if any(sealed) else None
            if plain is not None:
                head = Head(plain, sealed[24:56])
                need((head.id, head.generation) != (self.superblock.intent_id, self.superblock.intent_generation),
                     "an intent record stands behind the end of the log")

    def _read(self):
        tag = bytes(32)
        while True:
            found = self._record(tag)
            if found is None:
                return
            head, items = found
            self.next_inode, self.inodes, tag = head.next_inode, head.inodes, head.tag_field
            self._items(items)
            self.places.append((self.superblock.intent_half_unit + self.used_units, head, items))
            self.records += 1
            self.used_units += 1 + head.body_units

    def _record(self, tag_before):
        """(head, items), or None where the log ends."""
        sb, number = self.superblock, self.records
        if self.used_units >= sb.intent_units:
            return None
        unit = sb.intent_half_unit + self.used_units
        sealed = self.container.read(unit * UNIT, UNIT)
        plain = self._unseal_head(sealed)
        if plain is None:
            return None
        head = Head(plain, sealed[24:56])
        if not head.goes_on(sb, number, tag_before):
            return None
        head.check(self.next_inode)
        units = head.body_units
        if units == 0:
            return head, head.inline_items()
        if self.used_units + 1 + units > sb.intent_units:
            return None
        sealed = self.container.read((unit + 1) * UNIT, units * UNIT)
        try:
            body = self._unseal(INTENT_BODY, head.body_nonce, head.body_tag, sealed)
        except Damaged:
            return None
        need_zero(body[head.body_length:], "the end of an intent record's body")
        return head, head.inline_items() + body[:head.body_length]

    def _unseal_head(self, sealed):
        for epoch in self.container.keys if self.records == 0 else [self.epoch]:
            self.epoch = epoch
            try:
                return self._unseal(INTENT_HEAD, sealed[:24], sealed[24:56], sealed[56:])
            except Damaged:
                pass
        return None

    def _unseal(self, kind, nonce, tag_field, sealed):
        return self.container.unseal(kind, 0, self.epoch, self.superblock.intent_generation, nonce, tag_field, sealed)

    def _items(self, items):
        fields, at = Fields(items, "the items of an intent record"), 0
        take = {PUT: self._put, DELETE: self._delete, WHOLE: self._whole, PART: self._part}
        while at < len(items):
            kind, length = fields.u8(at), fields.u32(at + 1)
            need(kind in take, "an intent item of kind %d" % kind)
            where = fields.bytes(at + 5, 21)
            take[kind](where, fields.bytes(at + INTENT_ITEM_BYTES, length))
            self.counts[kind] += 1
            at += INTENT_ITEM_BYTES + length

    @staticmethod
    def _check_key(where):
        key = Key(where)
        need(key.type in RECORD_TYPES, "an intent item for a record of type %d" % key.type)

    def _put(self, where, data):
        self._check_key(where)
        need(len(data) <= VALUE_BYTES, "an intent item puts a value of %d bytes" % len(data))
        self.puts[where] = data

    def _delete(self, where, data):
        self._check_key(where)
        need(not data, "an intent item deletes with %d bytes" % len(data))
        self.puts[where] = None

    @staticmethod
    def _place(where):
        fields = Fields(where, "an intent item's place")
        fields.zero(20, 1, "its end")
        inode, number, offset = fields.u64(0), fields.u64(8), fields.u32(16)
        need(1 <= inode < INODES_MAX, "a chunk of inode %d" % inode)
        return (inode, number), offset

    def _whole(self, where, data):
        chunk, offset = self._place(where)
        need(offset == 0, "a whole chunk that begins at %d" % offset)
        need(len(data) <= CHUNK_MAX_BYTES, "a chunk of %d bytes" % len(data))
        self.chunks.setdefault(chunk, Overlay()).put_whole(data)

    def _part(self, where, data):
        chunk, offset = self._place(where)
        need(1 <= len(data) and offset + len(data) <= CHUNK_MAX_BYTES,
             "a part of %d bytes at %d of a chunk" % (len(data), offset))
        self.chunks.setdefault(chunk, Overlay()).put_part(offset, data)


class View:
    """The superblock with what the log's last record says in its place."""

    def __init__(self, superblock, log):
        self._superblock = superblock
        self.next_inode, self.inodes = log.next_inode, log.inodes
        # Of the commit that will hold what was made since.
        self.inode_generation = superblock.generation + 1

    def __getattr__(self, name):
        return getattr(self._superblock, name)


class Replayed:
    """A commit with its log: the same to a caller as a Commit."""

    def __init__(self, commit, log, report):
        self.commit, self.log, self.report = commit, log, report
        self.container, self.nodes = commit.container, commit.nodes
        self.superblock = View(commit.superblock, log)
        collector = Collector(self.superblock, replayed=True)
        for data, value, pointer in self.raw_records():
            with report.guard("replayed"):
                key = Key(data)
                with report.guard("replayed, %s" % key):
                    collector.visit(key, value, pointer)
        self._add_chunks(collector.objects)
        collector.finish(report)
        self.records = collector.records
        self.objects, self.orphans, self.branches = collector.objects, collector.orphans, collector.branches
        self._check_extents()

    def raw_records(self):
        """(key, value, pointer of the leaf) in order of the keys; those of the log have no leaf."""
        records = {data: (value, pointer) for data, value, pointer in self.commit.raw}
        for data, value in self.log.puts.items():
            if value is not None:
                records[data] = value, None
            else:
                records.pop(data, None)
        for data in sorted(records):
            value, pointer = records[data]
            yield data, value, pointer

    def _add_chunks(self, objects):
        size = 0
        for (inode, number), data in self.log.chunks.items():
            found = objects.get(inode)
            if found is not None and found.inode is not None:
                found.chunks[number] = data
                size += found.inode.chunk_size
        need(size <= INTENT_CHUNKS_BYTES, "the intent log has %d bytes of chunks" % size)

    def _check_extents(self):
        """No record allocates or frees anything."""
        def extents(objects):
            return {(number, extent.first, extent.unit, extent.units)
                    for number, found in objects.items() for extent in found.extents}
        if extents(self.objects) != extents(self.commit.objects):
            self.report.problem("replayed", "the log allocates or frees")

    def check_structure(self, ring=()):
        return check_tree(self, ring)

    def check_data(self, found, hashes):
        """The hash of its content; `hashes` are those of the commit, where every chunk was opened."""
        number = found.number
        changed = found.chunks or any(Key(data).object == number for data in self.log.puts)
        if not changed and number in hashes:
            return hashes[number]
        return content_hash(stored_pieces(self.container, found, lambda offset, error: self.report.problem(
            "replayed, inode %d" % number, "at byte %d: %s" % (offset, error))))
