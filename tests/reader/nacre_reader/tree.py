"""11. The tree: a walk through every node, which gives the records in order."""

from .constants import (BRANCH_ENTRIES, INODES_MAX, KEY_BYTES, NODE, NODE_BYTES, TREE_FILESYSTEM, VALUE_BYTES)
from .container import Pointer
from .fields import Damaged, Fields, need

LOWEST = bytes(KEY_BYTES)


class Key:
    __slots__ = ("object", "type", "offset")

    def __init__(self, data):
        need(int.from_bytes(data[:4], "big") == TREE_FILESYSTEM, "a key of an unknown tree")
        self.object = int.from_bytes(data[4:12], "big")
        self.type = data[12]
        self.offset = int.from_bytes(data[13:], "big")
        need(self.object < INODES_MAX, "object number %d" % self.object)

    def __str__(self):
        return "object %d, type %d, offset 0x%x" % (self.object, self.type, self.offset)


class Walk:
    """`visit(key, value, pointer)` gets each record with the pointer of its leaf; `raw`, a list, the same with the
    key's bytes."""

    def __init__(self, container, superblock, report, visit, on_node=None, raw=None):
        self.container, self.superblock, self.report = container, superblock, report
        self.visit, self.on_node = visit, on_node
        self.nodes, self.raw = 0, raw

    def run(self):
        self._node(self.superblock.root, self.superblock.level, LOWEST, None)

    def _node(self, pointer, level, lowest, above):
        self.nodes += 1
        if self.on_node:
            self.on_node(pointer)
        with self.report.guard("node at unit %d" % pointer.unit):
            node = Fields(self.container.open_block(NODE, level, pointer), "a node")
            need(node.u8(0) == level, "the node has another level")
            need(node.u8(1) == 1, "the node has version %d" % node.u8(1))
            count = node.u16(2)
            node.zero(4, 28, "a reserved field")
            entries = self._leaf(node, count) if level == 0 else self._branch(node, count)
            self._check_keys([key for key, _ in entries], lowest, above)
            is_root = pointer is self.superblock.root
            need(entries or (level == 0 and is_root), "an empty node")
            if level == 0:
                self._records(entries, pointer)
            else:
                self._children(entries, pointer, level, lowest, above)

    @staticmethod
    def _leaf(node, count):
        entries, at = [], 32
        for _ in range(count):
            length = node.u16(at + KEY_BYTES)
            need(length <= VALUE_BYTES, "a value of %d bytes" % length)
            entries.append((node.bytes(at, KEY_BYTES), node.bytes(at + KEY_BYTES + 2, length)))
            at += KEY_BYTES + 2 + length
        node.zero(at, NODE_BYTES - at, "the end")
        return entries

    def _branch(self, node, count):
        need(count <= BRANCH_ENTRIES, "a branch of %d entries" % count)
        entries, at = [], 32
        for _ in range(count):
            child = Pointer(node.bytes(at + KEY_BYTES, 96), self.superblock.limit)
            need(child.length == NODE_BYTES, "a node of %d bytes" % child.length)
            entries.append((node.bytes(at, KEY_BYTES), child))
            at += KEY_BYTES + 96
        node.zero(at, NODE_BYTES - at, "the end")
        return entries

    @staticmethod
    def _check_keys(keys, lowest, above):
        for key, following in zip(keys, keys[1:]):
            need(key < following, "keys do not ascend")
        if keys:
            need(lowest <= keys[0], "a key is below the node's bound")
            need(above is None or keys[-1] < above, "a key is above the node's limit")

    def _children(self, entries, pointer, level, lowest, above):
        for i, (bound, child) in enumerate(entries):
            check_generations(pointer, child)
            low = lowest if i == 0 else bound
            high = entries[i + 1][0] if i + 1 < len(entries) else above
            self._node(child, level - 1, low, high)

    def _records(self, entries, pointer):
        for data, value in entries:
            try:
                key = Key(data)
            except Damaged as error:
                self.report.problem("node at unit %d" % pointer.unit, error)
                continue
            if self.raw is not None:
                self.raw.append((data, value, pointer))
            with self.report.guard(key):
                self.visit(key, value, pointer)


def check_generations(node, inner):
    """10: a node's generations are at least those of what it points to."""
    need(node.birth >= inner.birth, "a node was born before what it points to")
    need(node.allocated >= inner.allocated, "a node was written before what it points to")
