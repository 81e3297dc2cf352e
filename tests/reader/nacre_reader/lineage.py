"""16. Lineage: the branches of a volume's history, a record each."""

from .constants import BRANCHES
from .fields import need, need_zero
from .records import record_fields

BRANCH_BYTES = 57


class Branch:
    def __init__(self, value, offset, superblock):
        fields = record_fields(value, "a branch")
        need(len(value) == BRANCH_BYTES, "a branch of %d bytes" % len(value))
        self.first, self.id, self.number = offset, fields.bytes(1, 16), fields.u64(17)
        self.parent, self.parent_id, self.time = fields.u64(25), fields.bytes(33, 16), fields.i64(49)
        need(1 <= offset <= superblock.generation, "a branch begins at generation %d" % offset)
        need(1 <= self.number <= offset, "a branch has number %d" % self.number)
        need(self.parent < offset, "a branch began from generation %d" % self.parent)
        if self.number == 1:
            need(self.parent == 0, "the first branch began from another")
            need_zero(self.parent_id, "the commit that the first branch began from")
        else:
            need(self.parent, "a branch that began from nothing")


def check_branches(branches, superblock, ring, report):
    """In the order of their keys; `ring` is generation: superblock, as far as there are any."""
    with report.guard("lineage"):
        need(branches, "no branch")
        need(len(branches) <= BRANCHES, "%d branches" % len(branches))
        need(len(branches) == BRANCHES or branches[0].number == 1, "the first branches are missing")
        last = branches[-1]
        need((last.first, last.id, last.number) ==
             (superblock.branch_first, superblock.branch_id, superblock.branch_number),
             "the last branch is not the superblock's")
        need(len({branch.id for branch in branches}) == len(branches), "two branches have one id")
    for before, branch in zip(branches, branches[1:]):
        with report.guard("branch %d" % branch.number):
            need(branch.number == before.number + 1, "the one before has number %d" % before.number)
            need(branch.parent >= before.first, "it began before the branch before")
    for branch in branches:
        with report.guard("branch %d" % branch.number):
            parent = ring.get(branch.parent)
            # A commit of that generation that was fallen back from is not the parent.
            need(parent is None or parent.commit_id == branch.parent_id, "it began from another commit than is there")
