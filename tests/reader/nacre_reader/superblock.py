"""8. The superblock ring."""

from .constants import (CHUNK_SIZES, FEATURE_INTENT, GROUP_STARTS, GROUP_UNITS, INCOMPATIBLE_KNOWN, INODES_MAX,
                        INTENT_HALF_UNITS, LEVELS, NODE_BYTES, RING_SLOTS, SMALLEST_UNITS, SUPERBLOCK,
                        SUPERBLOCK_BYTES, UNIT, UNITS_MAX)
from .container import Limit, Pointer
from .fields import Damaged, Fields, Refused, need
from .space import checkpoint_units


class LogSet:
    def __init__(self, unit, units):
        self.unit, self.units = unit, units
        self.end = unit + units


class Superblock:
    def __init__(self, plain, slot, epoch=None):
        self.plain, self.epoch = plain, epoch
        fields = Fields(plain, "the superblock")
        self.compatible, self.read_only_compatible, incompatible = (fields.u64(0), fields.u64(8), fields.u64(16))
        if incompatible & ~INCOMPATIBLE_KNOWN:
            raise Refused("unknown incompatible features 0x%x" % incompatible)
        self.generation = fields.u64(24)
        need(self.generation and self.generation % RING_SLOTS == slot,
             "generation %d stands in slot %d" % (self.generation, slot))
        self.inode_generation = self.generation
        self.commit_id, self.parent_id = fields.bytes(32, 16), fields.bytes(48, 16)
        need((self.generation == 1) == (not any(self.parent_id)), "only generation 1 has no parent")
        self.header_sequence = fields.u64(64)
        self.time = fields.i64(72)
        self.units_end, self.units_limit = fields.u64(80), fields.u64(88)
        self.next_inode, self.inodes, self.used = fields.u64(96), fields.u64(104), fields.u64(112)
        self.chunk_size, self.node_size = fields.u32(120), fields.u32(124)
        self.level = fields.u8(128)
        fields.zero(129, 7, "what follows the root's level")
        self._check_sizes()
        self.limit = Limit(self.units_end, self.generation)
        self.root = Pointer(fields.bytes(136, 96), self.limit)
        need(self.root.length == NODE_BYTES, "the root's size is %d" % self.root.length)
        self.sets = [LogSet(fields.u64(232 + 16 * i), fields.u64(240 + 16 * i)) for i in range(3)]
        self.checkpoint_units, self.set_in_use = fields.u64(280), fields.u32(288)
        fields.zero(292, 4, "what follows the set in use")
        self.index = Pointer(fields.bytes(296, 96), self.limit)
        newest = fields.bytes(392, 96)
        self.record = None if Pointer.is_none(newest) else Pointer(newest, self.limit)
        self.next_record = fields.u64(488)
        self.header_mac = fields.bytes(496, 32)
        self.unbroken = fields.u64(528)
        need(1 <= self.unbroken <= self.generation, "the unbroken ring begins at %d" % self.unbroken)
        self.sealed_blocks, self.sealed_bytes = fields.u64(536), fields.u64(544)
        self.branch_id, self.branch_first, self.branch_number = fields.bytes(552, 16), fields.u64(568), fields.u64(576)
        need(1 <= self.branch_first <= self.generation, "the branch begins at generation %d" % self.branch_first)
        need(1 <= self.branch_number <= self.branch_first, "the branch has number %d" % self.branch_number)
        self.point_generation, self.point_id = fields.u64(584), fields.bytes(592, 16)
        need(self.branch_first <= self.point_generation <= self.generation,
             "it counts as generation %d" % self.point_generation)
        need(self.point_generation == self.generation or self.generation == self.unbroken,
             "it counts as another, in the midst of its ring")
        need((self.point_generation == self.generation) == (self.point_id == self.commit_id),
             "it counts as another commit of its generation, or as itself under another")
        if not self.compatible and not self.read_only_compatible:
            fields.zero(656, 3384, "the end")
        self._intent(fields, bool(incompatible & FEATURE_INTENT))
        self._check_sets()

    def _intent(self, fields, is_there):
        """22. Where the intent log's area is."""
        self.intent_unit, self.intent_units = fields.u64(608), fields.u64(616)
        half, self.intent_id, self.intent_generation = fields.u32(624), fields.bytes(632, 16), fields.u64(648)
        fields.zero(628, 4, "what follows the half of the intent log")
        need(half in (0, 1), "half %d of the intent log" % half)
        if is_there:
            need(self.intent_units in INTENT_HALF_UNITS, "halves of %d units of the intent log" % self.intent_units)
            need(self.intent_unit, "no intent log, of which the feature is set")
            need(1 <= self.intent_generation <= self.generation,
                 "an intent log of generation %d" % self.intent_generation)
        else:
            need(not any((self.intent_unit, self.intent_units, half, self.intent_generation, *self.intent_id)),
                 "an intent log of which the feature is not set")
        self.intent_half_unit = self.intent_unit + half * self.intent_units

    def _check_sizes(self):
        need(self.units_end % 64 == 0, "units_end is no multiple of 64")
        need(SMALLEST_UNITS <= self.units_end <= self.units_limit <= UNITS_MAX, "units_end is out of bounds")
        need(self.used <= self.units_end, "more units are used than there are")
        need(1 <= self.next_inode <= INODES_MAX, "the next inode number is out of bounds")
        need(self.inodes < self.next_inode, "more inodes than numbers were given")
        need(self.chunk_size in CHUNK_SIZES, "chunk size %d" % self.chunk_size)
        need(self.node_size == NODE_BYTES, "node size %d" % self.node_size)
        need(self.level < LEVELS, "the root has level %d" % self.level)
        need(self.header_sequence, "minimum header sequence 0")

    def _check_sets(self):
        """17. Where checkpoint, records and the next one lie."""
        runs = [(start // UNIT, GROUP_UNITS) for start in GROUP_STARTS] + [(s.unit, s.units) for s in self.sets]
        if self.intent_units:
            runs.append((self.intent_unit, 2 * self.intent_units))
        runs.sort()
        for (unit, units), (following, _) in zip(runs, runs[1:]):
            need(unit + units <= following, "log sets, groups and the intent log overlap")
        need(runs[-1][0] + runs[-1][1] <= self.units_end, "a log set, or the intent log, lies behind the end")
        need(all(s.units >= self.checkpoint_units for s in self.sets), "a log set is smaller than its checkpoint")
        need(self.checkpoint_units >= checkpoint_units(self.units_end), "the checkpoint has too little room")
        need(self.set_in_use < 3, "log set %d is in use" % self.set_in_use)
        ours = self.sets[self.set_in_use]
        need(self.index.unit == ours.unit, "the checkpoint is not at the start of its set")
        need(self.index.units <= self.checkpoint_units, "the checkpoint's index is too long")
        log_start = ours.unit + self.checkpoint_units
        behind = log_start
        if self.record:
            need(self.record.unit >= log_start, "the newest record lies before the log part")
            behind = self.record.unit + self.record.units
        need(behind <= self.next_record <= ours.end, "the next record's place is not behind the newest one")


def read_ring(container, keys, report):
    """9.5: the superblocks of the slots that open, by slot number."""
    found = {}
    for slot in range(RING_SLOTS):
        data = container.ring_slot(slot)
        plain = None
        for epoch in keys:
            try:
                plain = container.unseal(SUPERBLOCK, 0, epoch, 0, data[:24], data[24:56], data[56:])
                break
            except Damaged:
                continue
        if plain is None:
            report.note("slot %d of the ring does not open" % slot)
            continue
        need(len(plain) == SUPERBLOCK_BYTES, "a superblock's length")
        try:
            found[slot] = Superblock(plain, slot, epoch)
        except Damaged as error:
            report.problem("slot %d of the ring" % slot, error)
    return found


def follows_in_log(superblock, before):
    """22. A commit takes the other half and a new id, or both of its parent."""
    if not superblock.intent_units or not before.intent_units:
        return True
    if superblock.intent_generation == superblock.generation:
        return (superblock.intent_half_unit != before.intent_half_unit and superblock.intent_id != before.intent_id)
    return ((superblock.intent_half_unit, superblock.intent_id, superblock.intent_generation) ==
            (before.intent_half_unit, before.intent_id, before.intent_generation))


def check_ring(ring, newest, report):
    """9.9, and what each superblock says of the one before it."""
    by_generation = {superblock.generation: superblock for superblock in ring.values()}
    lowest = max(newest.unbroken, newest.generation - RING_SLOTS + 1)
    for generation in range(lowest, newest.generation):
        if generation not in by_generation:
            what = "generation %d is missing in the ring" % generation
            # The slot after the newest commit's is the one that a power cut may tear.
            if generation == newest.generation - RING_SLOTS + 1:
                report.note(what)
            else:
                report.problem("ring", what)
    for generation, superblock in sorted(by_generation.items()):
        before = by_generation.get(generation - 1)
        if before is None or generation <= newest.unbroken:
            continue
        where = "generation %d" % generation
        if superblock.parent_id != before.commit_id:
            report.problem(where, "its parent is not the commit before")
        if superblock.next_inode < before.next_inode:
            report.problem(where, "the next inode number went down")
        if superblock.header_sequence < before.header_sequence:
            report.problem(where, "the minimum header sequence went down")
        if not follows_in_log(superblock, before):
            report.problem(where, "its intent log is where the one of the commit before is")
    ids = [superblock.commit_id for superblock in ring.values()]
    if len(set(ids)) != len(ids):
        report.problem("ring", "two commits have the same id")
