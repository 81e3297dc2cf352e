"""12 to 16. What the objects of one state must agree on, whether a commit's or one with its intent log replayed."""

from .constants import FIRST_WITH_ROOT
from .folders import check_names, check_reached, walk_names
from .lineage import check_branches


def check_tree(state, ring):
    """The paths as (path, object). `ring` has the other superblocks."""
    superblock, report = state.superblock, state.report
    check_branches(state.branches, superblock, {other.generation: other for other in ring}, report)
    if len(state.objects) != superblock.inodes:
        report.problem("", "%d inodes, the superblock says %d" % (len(state.objects), superblock.inodes))
    if not state.objects and superblock.generation < FIRST_WITH_ROOT:
        return []
    check_names(state.objects, report)
    paths = list(walk_names(state.objects, report))
    check_reached(state.objects, {found.number for _, found in paths}, report)
    return paths
