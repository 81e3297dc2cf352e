"""17. Free space: the allocation log's checkpoint and records, replayed."""

from .constants import (CHECKPOINT_INDEX, CHECKPOINT_SEGMENT, GROUP_STARTS, GROUP_UNITS, LOG_RECORD,
                        MAP_GROUP_UNITS, SEGMENT_BYTES, UNIT)
from .container import Pointer
from .fields import Fields, need, need_zero
from .primitives import nonce_add

MAP_BYTES = MAP_GROUP_UNITS // 8


def round_up(number, to):
    return -(-number // to)


def checkpoint_units(units):
    """The units that the checkpoint part of a container of that many units has."""
    body = round_up(units, MAP_GROUP_UNITS) * (1 + 2 * MAP_BYTES)
    segments = round_up(body, SEGMENT_BYTES)
    return round_up(48 + 32 * segments, UNIT) + round_up(body, UNIT)


def bits_of(data):
    """The numbers of the bits that are set."""
    for at, byte in enumerate(data):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield 8 * at + bit


class Map:
    """Units in use, pending ones included, and the pending ones with the generation that freed them."""

    def __init__(self, units_end):
        self.units_end = units_end
        self.used = bytearray(units_end)
        self.pending = {}

    def mark(self, unit, units, what):
        need(unit + units <= self.units_end, "%s: %d+%d lies behind the end" % (what, unit, units))
        need(not any(self.used[unit:unit + units]), "%s: a unit of %d+%d is in use already" % (what, unit, units))
        self.used[unit:unit + units] = b"\1" * units

    def free(self, unit, units, generation):
        need(unit + units <= self.units_end, "freed units %d+%d lie behind the end" % (unit, units))
        need(all(self.used[unit:unit + units]), "a freed unit of %d+%d was not in use" % (unit, units))
        for number in range(unit, unit + units):
            need(number not in self.pending, "unit %d is freed twice" % number)
            self.pending[number] = generation

    def settle(self, generation):
        """What was freed before that generation is free."""
        for number in [n for n, freed in self.pending.items() if freed < generation]:
            self.used[number] = 0
            del self.pending[number]


def load_checkpoint(container, superblock, space):
    pointer = superblock.index
    index = Fields(container.open_block(CHECKPOINT_INDEX, 0, pointer), "the checkpoint's index")
    units_end, length, segments = index.u64(0), index.u64(8), index.u32(16)
    index.zero(20, 4, "a reserved field")
    need(units_end % 64 == 0 and 0 < units_end <= superblock.units_end, "the checkpoint's units_end is out of bounds")
    need(segments == round_up(length, SEGMENT_BYTES), "the checkpoint has %d segments" % segments)
    need(pointer.units == round_up(48 + 32 * segments, UNIT), "the checkpoint's index has a wrong length")
    need(pointer.units + round_up(length, UNIT) <= superblock.checkpoint_units, "the checkpoint is too long")
    nonce = index.bytes(24, 24)
    index.zero(48 + 32 * segments, pointer.length - 48 - 32 * segments, "the end")
    body = bytearray()
    offset = (pointer.unit + pointer.units) * UNIT
    for i in range(segments):
        size = min(SEGMENT_BYTES, length - len(body))
        padded = UNIT * round_up(size, UNIT)
        plain = container.unseal(CHECKPOINT_SEGMENT, 0, pointer.epoch, pointer.birth, nonce_add(nonce, i),
                                 index.bytes(48 + 32 * i, 32), container.read(offset, padded))
        need_zero(plain[size:], "a segment's end")
        body += plain[:size]
        offset += padded
    load_body(bytes(body), units_end, pointer.birth, space)


def load_body(body, units_end, generation, space):
    fields = Fields(body, "the checkpoint's body")
    at = 0
    for first in range(0, units_end, MAP_GROUP_UNITS):
        count = min(MAP_GROUP_UNITS, units_end - first)
        kind = fields.u8(at)
        at += 1
        need(kind <= 3, "a group of kind %d" % kind)
        if kind == 1:
            space.used[first:first + count] = b"\1" * count
        if kind >= 2:
            for unit in bits_of(fields.bytes(at, MAP_BYTES)):
                if unit < count:
                    space.used[first + unit] = 1
            at += MAP_BYTES
        if kind == 3:
            for unit in bits_of(fields.bytes(at, MAP_BYTES)):
                if unit < count:
                    need(space.used[first + unit], "unit %d is pending but not in use" % (first + unit))
                    space.pending[first + unit] = generation
            at += MAP_BYTES
    need(at == len(body), "the checkpoint's body is too long")


class Record:
    def __init__(self, plain, pointer, limit):
        fields = Fields(plain, "a log record")
        self.generation = fields.u64(0)
        need(self.generation == pointer.birth, "a log record's generation is not its pointer's")
        before = fields.bytes(8, 96)
        self.before = None if Pointer.is_none(before) else Pointer(before, limit)
        allocated, freed = fields.u32(104), fields.u32(108)
        used = 112 + 12 * (allocated + freed)
        need(pointer.units == round_up(used, UNIT), "a log record of a wrong length")
        runs = [(fields.u64(at), fields.u32(at + 8)) for at in range(112, used, 12)]
        need(all(unit and units for unit, units in runs), "an empty run in a log record")
        self.allocated, self.freed = runs[:allocated], runs[allocated:]
        fields.zero(used, len(plain) - used, "the end")


def read_records(container, superblock):
    """The records since the checkpoint, oldest first."""
    ours = superblock.sets[superblock.set_in_use]
    records, pointer = [], superblock.record
    unit, generation = superblock.next_record, superblock.generation + 1
    while pointer is not None:
        need(pointer.unit >= ours.unit + superblock.checkpoint_units, "a log record lies outside of the log part")
        need(pointer.unit + pointer.units <= unit, "log records overlap, or go up")
        need(superblock.index.birth < pointer.birth < generation, "the generations of log records do not go down")
        record = Record(container.open_block(LOG_RECORD, 0, pointer), pointer, superblock.limit)
        unit, generation = pointer.unit, record.generation
        records.append(record)
        pointer = record.before
    return records[::-1]


def replay(container, superblock):
    space = Map(superblock.units_end)
    load_checkpoint(container, superblock, space)
    last = superblock.index.birth
    for record in read_records(container, superblock):
        space.settle(last)
        for unit, units in record.allocated:
            space.mark(unit, units, "the allocation log")
        for unit, units in record.freed:
            space.free(unit, units, record.generation)
        last = record.generation
    need(last == superblock.generation, "the allocation log ends at generation %d" % last)
    space.settle(superblock.generation)
    need(sum(space.used) == superblock.used,
         "%d units are in use, but the superblock says %d" % (sum(space.used), superblock.used))
    return space


def fixed_runs(superblock):
    """What is in use besides the tree and its data."""
    for start in GROUP_STARTS:
        yield start // UNIT, GROUP_UNITS, "a group"
    for number, log_set in enumerate(superblock.sets):
        yield log_set.unit, log_set.units, "log set %d" % number
    if superblock.intent_units:
        yield superblock.intent_unit, 2 * superblock.intent_units, "the intent log"


def compare(space, walked, report):
    """The log's map and the walk's must agree: what is in use is reached, or pending."""
    reached = walked.used
    lost = wrong = 0
    for unit in range(space.units_end):
        pending = unit in space.pending
        if reached[unit] and (pending or not space.used[unit]):
            wrong += 1
        elif space.used[unit] and not reached[unit] and not pending:
            lost += 1
    if wrong:
        report.problem("free space", "%d units that are in use are free or pending in the log" % wrong)
    if lost:
        report.problem("free space", "%d units that the log has in use are reached by nothing" % lost)
