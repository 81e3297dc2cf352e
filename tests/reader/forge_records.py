"""11 to 16. Nodes and records, forged: `TABLE` breaks one rule in each line."""

import stat
import struct

from nacre_reader.constants import (ATTRIBUTE_BUCKET, ATTRIBUTE_PART, BRANCH, EXTENT, FOLDER_BUCKET, INODE, KEY_BYTES,
                                    LINK_PART, NODE, NODE_BYTES, ORPHAN, TAIL)
from nacre_reader.fields import Report
from nacre_reader.volume import Commit


def key_of(number, kind, offset):
    return struct.pack(">IQBQ", 1, number, kind, offset)


def parts_of(key):
    _, number, kind, offset = struct.unpack(">IQBQ", key)
    return number, kind, offset


def parse_leaf(plain):
    records, at = [], 32
    for _ in range(struct.unpack_from("<H", plain, 2)[0]):
        length = struct.unpack_from("<H", plain, at + KEY_BYTES)[0]
        records.append((plain[at:at + KEY_BYTES], plain[at + KEY_BYTES + 2:at + KEY_BYTES + 2 + length]))
        at += KEY_BYTES + 2 + length
    return records


def build_leaf(records):
    body = b"".join(key + struct.pack("<H", len(value)) + value for key, value in records)
    node = struct.pack("<BBH28x", 0, 1, len(records)) + body
    return node.ljust(NODE_BYTES, b"\0")


# ---- Which record: the first of that kind whose object is as wanted ----

def regular(found):
    return found.inode.is_regular and not found.orphan


def with_tail(found):
    return regular(found) and found.tail is not None


def with_extent(found):
    return regular(found) and len(found.extents) == 1 and found.extents[0].count > 1


def with_extents(found):
    return regular(found) and len(found.extents) > 1


def subfolder(found):
    return found.inode.is_folder and found.number != 1 and found.names


def crowded(found):
    pairs = zip(found.names, found.names[1:])
    return found.inode.is_folder and any(a.position >> 4 == b.position >> 4 for a, b in pairs)


def long_link(found):
    return found.inode.is_link and len(found.link_parts) == 2


def device(found):
    return found.inode.is_device


def fifo(found):
    return found.inode.type == stat.S_IFIFO


def with_acl(found):
    return b"system.posix_acl_access" in found.attribute_values() and found.inode.is_regular


def with_parts(found):
    return bool(found.attribute_parts)


def orphan(found):
    return found.orphan


# ---- What is done to it: (key, value) becomes a list of records ----

def patch(offset, code, value):
    new = struct.pack(code, value)
    return lambda key, old: [(key, old[:offset] + new + old[offset + len(new):])]


def add(offset, code, number):
    def change(key, old):
        value = struct.unpack_from(code, old, offset)[0] + number
        return patch(offset, code, value)(key, old)
    return change


def drop(_key, _value):
    return []


def replace(make):
    return lambda key, value: [(key, make(value))]


def move(number=0, kind=0, offset=0):
    def change(key, value):
        n, k, o = parts_of(key)
        return [(key_of(n + number, k + kind, o + offset), value)]
    return change


def extra(number, kind, offset, value):
    """That record after the one found."""
    def change(key, old):
        n, k, _ = parts_of(key)
        return [(key, old), (key_of(n + number, k if kind is None else kind, offset), value)]
    return change


def second_entry(value):
    """Where the second entry of a folder's bucket begins."""
    return 1 + 8 + value[8]


TABLE = [
    ("an inode of another version", INODE, regular, patch(0, "B", 1), "version"),
    ("an inode that is too short", INODE, regular, replace(lambda v: v[:-1]), "bytes"),
    ("a folder's inode that is too short", INODE, subfolder, replace(lambda v: v[:96]), "bytes"),
    ("a chunk size of 2^17", INODE, regular, patch(1, "B", 17), "chunk size"),
    ("an inode compressed", INODE, regular, patch(2, "B", 1), "compressed"),
    ("a name hash in a file", INODE, regular, patch(3, "B", 1), "name hash"),
    ("another name hash in a folder", INODE, subfolder, patch(3, "B", 2), "name hash"),
    ("no type", INODE, regular, patch(4, "<H", 0o644), "mode"),
    ("an unknown flag", INODE, regular, patch(6, "<H", 32), "flags"),
    ("case folding", INODE, subfolder, patch(6, "<H", 16), "flags"),
    ("a tail's flag in a folder", INODE, subfolder, patch(6, "<H", 1), "flags"),
    ("no tail's flag", INODE, with_tail, patch(6, "<H", 0), "tail's flag"),
    ("no attributes' flag", INODE, with_parts, patch(6, "<H", 0), "attribute flags"),
    ("an ACL's flag without one", INODE, fifo, patch(6, "<H", 6), "attribute flags"),
    ("permissions that are not the ACL's", INODE, with_acl, add(4, "<H", -1), "an ACL says"),
    ("one link more", INODE, regular, add(16, "<I", 1), "names and"),
    ("a folder's links", INODE, subfolder, add(16, "<I", 1), "links"),
    ("too many links", INODE, fifo, patch(16, "<I", 1000001), "links"),
    ("an orphan with a link", INODE, orphan, patch(16, "<I", 1), "orphan has 1 links"),
    ("a size in a fifo", INODE, fifo, patch(24, "<Q", 1), "size"),
    ("too large a file", INODE, regular, patch(24, "<Q", 1 << 62), "a file of"),
    ("a shorter link", INODE, long_link, patch(24, "<Q", 3800), "parts"),
    ("an empty link", INODE, long_link, patch(24, "<Q", 0), "a link of 0"),
    ("a file cut before its extents", INODE, with_extent, patch(24, "<Q", 0), "behind the end"),
    ("units of another number", INODE, with_extent, add(32, "<Q", 1), "the inode says"),
    ("units in a fifo", INODE, fifo, patch(32, "<Q", 1), "units"),
    ("a generation that is not there", INODE, regular, patch(40, "<Q", 1 << 40), "not there yet"),
    ("too many nanoseconds", INODE, regular, patch(56, "<I", 10 ** 9), "nanoseconds"),
    ("a device of 33 bits", INODE, device, patch(96, "<Q", 1 << 32), "32 bits"),
    ("another seed", INODE, subfolder, patch(96, "B", 0x77), "wrong bucket"),
    ("another parent", INODE, subfolder, patch(112, "<Q", 2), "parent"),
    ("another number of names", INODE, subfolder, add(120, "<Q", 1), "says"),
    ("no inode", INODE, fifo, drop, "no inode"),
    ("an inode at another offset", INODE, fifo, move(offset=1), "offset"),
    ("a bucket with inode 0", FOLDER_BUCKET, subfolder, patch(1, "<I", 0), "inode 0"),
    ("a name of what is not there", FOLDER_BUCKET, subfolder, patch(1, "<I", 44444), "there is no inode"),
    ("a type that is none", FOLDER_BUCKET, subfolder, patch(7, "B", 3), "type 3"),
    ("a type that is not the inode's", FOLDER_BUCKET, subfolder, patch(7, "B", 6), "not its inode's"),
    ("a name with a slash", FOLDER_BUCKET, subfolder, patch(9, "B", 0x2F), "a name is"),
    ("a name with a NUL", FOLDER_BUCKET, subfolder, patch(9, "B", 0), "a name is"),
    ("a name that is the dot", FOLDER_BUCKET, subfolder, replace(lambda v: v[:8] + b"\1."), "a name is"),
    ("a name of no bytes", FOLDER_BUCKET, subfolder, replace(lambda v: v[:8] + b"\0"), "a name is"),
    ("another name", FOLDER_BUCKET, subfolder, patch(9, "B", 0x7E), "wrong bucket"),
    ("a bucket cut short", FOLDER_BUCKET, subfolder, replace(lambda v: v[:-1]), "cut short"),
    ("a bucket of nothing", FOLDER_BUCKET, subfolder, replace(lambda v: v[:1]), "0 entries"),
    ("a bucket at another offset", FOLDER_BUCKET, subfolder, move(offset=1), "wrong bucket"),
    ("no bucket", FOLDER_BUCKET, subfolder, drop, "says"),
    ("indices that do not ascend", FOLDER_BUCKET, crowded,
     replace(lambda v: v[:7] + bytes([v[7] | 0xF0]) + v[8:]), "ascend"),
    ("a name twice", FOLDER_BUCKET, crowded, replace(
        lambda v: v[:second_entry(v)] + v[1:7] + bytes([v[7] | 0x20]) + v[8:second_entry(v)]), "twice"),
    ("an attribute's unknown flag", ATTRIBUTE_BUCKET, with_parts, patch(1, "B", 0x20), "flags"),
    ("an attribute too long", ATTRIBUTE_BUCKET, with_acl, patch(3, "<I", 65537), "65537"),
    ("an attribute cut short", ATTRIBUTE_BUCKET, with_acl, replace(lambda v: v[:-1]), "cut short"),
    ("an attribute's other name", ATTRIBUTE_BUCKET, with_acl, patch(8, "B", 0x7E), "wrong bucket"),
    ("an attribute's bucket elsewhere", ATTRIBUTE_BUCKET, with_acl, move(offset=4096), "wrong bucket"),
    ("an attribute's bucket between", ATTRIBUTE_BUCKET, with_acl, move(offset=1), "bucket at"),
    ("no attributes' bucket", ATTRIBUTE_BUCKET, orphan, drop, "flags"),
    ("an attribute's part missing", ATTRIBUTE_PART, with_parts, drop, "parts"),
    ("an attribute's part of none", ATTRIBUTE_PART, with_parts, move(offset=15), "parts"),
    ("an attribute's part too long", ATTRIBUTE_PART, with_parts, replace(lambda v: v + b"x"), "of 380"),
    ("an attribute's part too short", ATTRIBUTE_PART, with_parts, replace(lambda v: v[:-1]), "wrong length"),
    ("a link's part missing", LINK_PART, long_link, drop, "parts"),
    ("a link's part too short", LINK_PART, long_link, replace(lambda v: v[:-1]), "wrong length"),
    ("a NUL in a link", LINK_PART, long_link, patch(7, "B", 0), "NUL"),
    ("a link's part of another version", LINK_PART, long_link, patch(0, "B", 0x82), "version"),
    ("an extent's flags", EXTENT, with_extent, patch(1, "B", 1), "reserved"),
    ("an extent's compression", EXTENT, with_extent, patch(2, "B", 1), "reserved"),
    ("an extent's reserved byte", EXTENT, with_extent, patch(3, "B", 1), "reserved"),
    ("an extent of no chunks", EXTENT, with_extent, patch(4, "<H", 0), "0 chunks"),
    ("an extent of too many", EXTENT, with_extent, patch(4, "<H", 121), "121 chunks"),
    ("an extent of more than it has", EXTENT, with_extent, add(4, "<H", 1), "extent of"),
    ("an extent's second reserved field", EXTENT, with_extent, patch(6, "<H", 1), "reserved"),
    ("an extent of other chunks", EXTENT, with_extent, patch(8, "<I", 8192), "another chunk size"),
    ("an extent of odd chunks", EXTENT, with_extent, patch(8, "<I", 5000), "chunks of 5000"),
    ("an extent with no last chunk", EXTENT, with_extent, patch(12, "<I", 0), "last chunk"),
    ("an extent with too large a last chunk", EXTENT, with_extent, patch(12, "<I", 8192), "last chunk"),
    ("an extent of an unknown epoch", EXTENT, with_extent, patch(16, "<I", 9), "epoch 9"),
    ("an extent's third reserved field", EXTENT, with_extent, patch(20, "<I", 1), "reserved"),
    ("an extent at unit 0", EXTENT, with_extent, patch(24, "<Q", 0), "unit 0"),
    ("an extent behind the end", EXTENT, with_extent, patch(24, "<Q", 4223), "behind the end"),
    ("an extent in a group", EXTENT, with_extent, patch(24, "<Q", 5), "lie in a group"),
    ("an extent born never", EXTENT, with_extent, patch(32, "<Q", 0), "birth"),
    ("an extent born after it was written", EXTENT, with_extent, patch(32, "<Q", 1 << 40), "above"),
    ("an extent from the future", EXTENT, with_extent, patch(40, "<Q", 1 << 40), "not there yet"),
    ("an extent's other nonce", EXTENT, with_extent, add(48, "B", 1), "authenticate"),
    ("an extent's nonce that wraps", EXTENT, with_extent, patch(64, "<Q", (1 << 64) - 1), ""),
    ("an extent's other tag", EXTENT, with_extent, patch(72, "<Q", 1), "authenticate"),
    ("an extent's tag that is too long", EXTENT, with_extent, patch(90, "B", 1), "tag field"),
    ("an extent over the next", EXTENT, with_extents, move(offset=1), "overlap"),
    ("an extent behind the file", EXTENT, with_extent, move(offset=1 << 40), "behind the end"),
    ("no extent", EXTENT, with_extent, drop, "the inode says"),
    ("a tail elsewhere", TAIL, with_tail, add(1, "<Q", 4096), "a tail of"),
    ("a tail too short", TAIL, with_tail, replace(lambda v: v + b"x"), "a tail of"),
    ("a tail of nothing", TAIL, with_tail, replace(lambda v: v[:9]), "a tail of 0"),
    ("a tail at another offset", TAIL, with_tail, move(offset=1), "offset"),
    ("no tail", TAIL, with_tail, drop, "tail's flag"),
    ("a tail of a folder", FOLDER_BUCKET, subfolder, extra(0, TAIL, 0, b"\x81" + bytes(8) + b"x"), "what is no file"),
    ("an orphan of another kind", ORPHAN, None, patch(1, "B", 2), "unknown kind"),
    ("an orphan that is not there", ORPHAN, None, move(offset=1000), "no such inode"),
    ("an orphan that has a name", ORPHAN, None, lambda k, v: [(key_of(0, ORPHAN, 1), v), (k, v)], "orphan"),
    ("an orphan that nobody knows", ORPHAN, None, drop, "no name"),
    ("a record of an unknown type", FOLDER_BUCKET, subfolder, extra(0, 12, 0, b"\x81"), "unknown type"),
    ("a branch that is too short", BRANCH, None, replace(lambda v: v[:-1]), "bytes"),
    ("a branch of another version", BRANCH, None, patch(0, "B", 1), "version"),
    ("a branch of number 0", BRANCH, None, patch(17, "<Q", 0), "number 0"),
    ("a branch of another number", BRANCH, None, patch(17, "<Q", 2), ""),
    ("a branch of too high a number", BRANCH, None, patch(17, "<Q", 1 << 40), "number"),
    ("a branch from itself", BRANCH, None, patch(25, "<Q", 1 << 40), "began from"),
    ("a first branch from another", BRANCH, None, patch(33, "B", 1), "first branch"),
    ("a branch from the future", BRANCH, None, move(offset=1 << 40), "begins at"),
    ("a branch missing", BRANCH, None, drop, "missing"),
    ("a volume's record of an unknown type", ORPHAN, None, extra(0, 12, 0, b"\x81"), "unknown type"),
    ("a key of another tree", TAIL, with_tail, lambda k, v: [(b"\0\0\0\2" + k[4:], v)], ""),
    ("keys that do not ascend", TAIL, with_tail, lambda k, v: [(k, v), (k, v)], "ascend"),
    ("an inode that was not given yet", TAIL, with_tail, move(number=1 << 40), ""),
]
# Of a whole node: offset, struct code, value.
LEAF = [("a leaf of another level", 0, "B", 1, "level"), ("a leaf of another version", 1, "B", 2, "version"),
        ("a leaf's reserved field", 31, "B", 1, "reserved"), ("a leaf of no entries", 2, "<H", 0, ""),
        ("a leaf of more entries", 2, "<H", 60000, ""), ("a leaf's end", NODE_BYTES - 1, "B", 1, "end")]
BRANCH = [("a branch of another level", 0, "B", 0, "level"), ("a branch of no entries", 2, "<H", 0, ""),
          ("a branch of too many", 2, "<H", 140, "branch of 140"), ("a branch of fewer", 2, "<H", 1, "end"),
          ("a bound above its child's keys", 32 + 117 + 15, "B", 0xFF, "bound"),
          ("a child at unit 0", 32 + 21, "<Q", 0, "unit 0"), ("a child of another size", 32 + 29, "<I", 4096, "bytes"),
          ("a child's reserved field", 32 + 33, "B", 1, "reserved"),
          ("a child of another epoch", 32 + 41, "<I", 9, "epoch 9"),
          ("a child from the future", 32 + 53, "<Q", 1 << 40, "not there yet"),
          ("a child's other tag", 32 + 85, "B", 7, "authenticate")]


class Forger:
    def __init__(self, checks, container, newest):
        self.checks, self.container, self.newest = checks, container, newest
        self.nodes = {}
        container.forge = self._remember
        self.clean = Commit(container, newest, Report())
        container.forge = None

    def _remember(self, kind, nonce, plain):
        if kind == NODE:
            self.nodes[nonce] = plain
        return plain

    def _said(self, wanted_nonce, forged, number):
        self.container.forge = lambda kind, nonce, plain: forged if nonce == wanted_nonce else plain
        report = Report()
        commit = Commit(self.container, self.newest, report)
        commit.check_structure()
        if not report.problems and number in commit.objects:
            commit.check_data(commit.objects[number])
        self.container.forge = None
        return report.problems

    def record(self, what, kind, wanted, change, expected):
        numbers = {n for n, found in self.clean.objects.items() if wanted(found)} if wanted else {0}
        for nonce, plain in self.nodes.items():
            if plain[0] != 0:
                continue
            records = parse_leaf(plain)
            for at, (key, value) in enumerate(records):
                number, found_kind, _ = parts_of(key)
                if found_kind == kind and number in numbers:
                    changed = sorted(records[:at] + change(key, value) + records[at + 1:], key=lambda r: r[0])
                    said = self._said(nonce, build_leaf(changed), number)
                    self.checks.check("records: " + what, any(expected in line for line in said), said)
                    return
        self.checks.check("records: " + what, False, "there is no such record to forge")

    def node(self, what, level, offset, code, value, expected):
        nonce, plain = next((n, p) for n, p in self.nodes.items() if p[0] == level)
        new = struct.pack(code, value)
        said = self._said(nonce, plain[:offset] + new + plain[offset + len(new):], None)
        self.checks.check("nodes: " + what, any(expected in line for line in said), said)


def run(checks, container, newest):
    forger = Forger(checks, container, newest)
    for line in TABLE:
        forger.record(*line)
    for what, *rest in LEAF:
        forger.node(what, 0, *rest)
    for what, *rest in BRANCH:
        forger.node(what, 1, *rest)
