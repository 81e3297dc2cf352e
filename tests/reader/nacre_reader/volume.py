"""9. Opening a volume, and the check of everything in it."""

from .constants import NODE, UNIT
from .fields import Damaged, Refused, Report, need
from .data import content_hash, stored_pieces
from .header import read_copies, unlock
from .intent import Log, Replayed
from .objects import Collector
from .space import Map, compare, fixed_runs, replay
from .superblock import check_ring, read_ring
from .tree import Walk
from .volume_checks import check_tree


class Commit:
    """What one superblock leads to: objects, orphans, and the units that they take."""

    def __init__(self, container, superblock, report):
        self.container, self.superblock, self.report = container, superblock, report
        self.walked = Map(superblock.units_end)
        for unit, units, what in fixed_runs(superblock):
            with report.guard("walk"):
                self.walked.mark(unit, units, what)
        collector = Collector(superblock)
        self.raw = []  # (key, value, pointer of the leaf) of every record
        walk = Walk(container, superblock, report, collector.visit, self._mark_node, self.raw)
        walk.run()
        self.nodes, self.records = walk.nodes, collector.records
        collector.finish(report)
        self.objects, self.orphans, self.branches = collector.objects, collector.orphans, collector.branches
        self._mark_extents()

    def _mark_node(self, pointer):
        with self.report.guard("walk"):
            self.walked.mark(pointer.unit, pointer.units, "a node")

    def _mark_extents(self):
        for number, found in self.objects.items():
            for extent in found.extents:
                with self.report.guard("inode %d" % number):
                    self.walked.mark(extent.unit, extent.units, "an extent")

    def check_structure(self, ring=()):
        """Everything but the file data. Gives the paths as (path, object). `ring` has the other superblocks."""
        paths = check_tree(self, ring)
        with self.report.guard("free space"):
            compare(replay(self.container, self.superblock), self.walked, self.report)
        return paths

    def check_data(self, found, known=None):
        """Open every chunk of a file; the hash of its content. `known` are extents that were read already."""
        if known is not None:
            unread = [extent for extent in found.extents if (extent.unit, extent.nonce) not in known]
            found_again, found.extents = found.extents, unread
        try:
            return content_hash(stored_pieces(self.container, found, lambda offset, error: self.report.problem(
                "inode %d" % found.number, "at byte %d: %s" % (offset, error))))
        finally:
            if known is not None:
                found.extents = found_again


class Volume:
    """An opened volume. Raises Refused or Damaged where it can't be opened at all."""

    def __init__(self, container, credential, only_slot=None):
        self.container, self.report = container, Report()
        self.header = None
        copies = read_copies(container, self.report)
        try:
            self._find_newest(copies, credential, only_slot)
        except (Damaged, Refused) as first:
            others = [(number, header) for number, header in copies if self.header not in (None, header)]
            if not others or others[0][1].data == self.header.data:
                raise
            try:
                self._find_newest(others, credential, only_slot)
            except (Damaged, Refused):
                raise first
        check_ring(self.ring, self.newest, self.report)
        self._choose()
        # What is shown of the volume: the commit, or it with its log.
        self.commit = self.paths = None
        self.hashes = {}

    def _choose(self):
        """9.7 and 9.8: `opened` is the newest commit, or where that is damaged its parent; `log` goes with it."""
        try:
            self.opened = self.newest
            self._begin(self.newest)
        except Damaged as error:
            parent = self.parent()
            if parent is None:
                raise
            self.report.problem("the newest commit", error)
            self.opened = parent
            self._begin(parent)
        # 22: a log that makes no sense is no reason to fall back.
        self.log = Log(self.container, self.opened)

    def _begin(self, superblock):
        need(superblock.units_end * UNIT <= self.container.size, "the container is cut short")
        replay(self.container, superblock)
        self.container.open_block(NODE, superblock.level, superblock.root)

    def _find_newest(self, copies, credential, only_slot):
        """9.2 to 9.6"""
        report = Report()
        self.header, self.sealed, self.slot = unlock(copies, credential, only_slot, report)
        self.container.set_keys(self.sealed.ciphers,
                                {epoch: self.sealed.keys(epoch) for epoch in self.sealed.volume_keys})
        self.ring = read_ring(self.container, self.container.keys, report)
        need(self.ring, report.problems[0] if report.problems else "no superblock opens")
        self.newest = max(self.ring.values(), key=lambda superblock: superblock.generation)
        self._check_header_is_current()
        self.report.problems += report.problems
        self.report.notes += report.notes

    def _check_header_is_current(self):
        if self.header.sequence < self.newest.header_sequence:
            raise Refused("the header is older than the newest superblock demands")
        if self.header.sequence == self.newest.header_sequence and self.header.mac != self.newest.header_mac:
            raise Refused("the header is not the one that the newest superblock names")

    def parent(self):
        """The newest superblock's parent, where it is in the ring."""
        for superblock in self.ring.values():
            if superblock.generation < self.newest.generation and superblock.commit_id == self.newest.parent_id:
                return superblock
        return None

    def check(self, data=True):
        self.commit, self.paths, self.hashes = self._check_state(self.opened, self.log, data, None)
        if self.log.records:
            self.report.note("the intent log has %d records" % self.log.records)
        parent = self.parent() if self.opened is self.newest else None
        if parent is None:
            self.report.note("the commit before is not in the ring, or is the one that was opened")
        else:
            self._check_parent(parent, data)

    def _check_state(self, superblock, log, data, known):
        """The commit, free space included, then with its log; what is there in the end. `known` as for check_data."""
        commit = Commit(self.container, superblock, self.report)
        paths = commit.check_structure(self.ring.values())
        hashes = {}
        if data:
            for number, found in sorted(commit.objects.items()):
                if found.inode.is_regular:
                    hashes[number] = commit.check_data(found, known)
        if not log.records:
            return commit, paths, hashes
        replayed = Replayed(commit, log, self.report)
        paths = replayed.check_structure(self.ring.values())
        if data:
            hashes = {number: replayed.check_data(found, hashes)
                      for number, found in sorted(replayed.objects.items()) if found.inode.is_regular}
        return replayed, paths, hashes

    def _check_parent(self, superblock, data):
        """17, the pending rule: the commit before the newest one is whole, too; 22: and so is its log."""
        before = len(self.report.problems)
        known = {(extent.unit, extent.nonce) for found in self.commit.objects.values() for extent in found.extents}
        with self.report.guard(""):
            self._check_state(superblock, Log(self.container, superblock), data, known)
        for at in range(before, len(self.report.problems)):
            self.report.problems[at] = "the commit before: " + self.report.problems[at]

    def read(self, found):
        """(offset, bytes) of what a file stores; Damaged where a chunk is."""
        def stop(offset, error):
            raise Damaged("at byte %d: %s" % (offset, error))
        return stored_pieces(self.container, found, stop)
