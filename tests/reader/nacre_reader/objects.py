"""The objects of a volume: the records of the tree gathered by inode number, each object checked as a whole."""

from .constants import (ACCESS_ACL, ATTRIBUTE_BUCKET, ATTRIBUTE_PART, BRANCH, DEFAULT_ACL, EXTENT, FOLDER_BUCKET,
                        HAS_ACCESS_ACL, HAS_ATTRIBUTES, HAS_DEFAULT_ACL, HAS_TAIL, INODE, LINK_PART, ORPHAN, TAIL)
from .fields import Damaged, need
from .lineage import Branch
from .names import attach_parts, check_access_acl, parse_acl, parse_attribute_bucket, parse_folder_bucket
from .records import Extent, Inode, Tail, join_parts, orphan_number, part
from .tree import check_generations


class Object:
    def __init__(self, number, replayed=False):
        self.number, self.replayed = number, replayed
        self.chunks = {}  # of a file, in the intent log
        self.inode = None
        self.names = []  # of a folder
        self.attributes, self.attribute_parts = [], {}
        self.link_parts, self.target = {}, None
        self.extents, self.tail = [], None
        self.orphan = False

    def check(self):
        """What can be said of the object alone. An orphan's size, units and tail may be anything."""
        self._check_attributes()
        inode = self.inode
        if inode.is_link:
            self.target = join_parts(self.link_parts, inode.size, "the target")
            need(b"\0" not in self.target, "a NUL in a link's target")
        else:
            need(not self.link_parts, "a target of what is no link")
        if inode.is_folder:
            need(inode.names == len(self.names), "a folder of %d names says %d" % (len(self.names), inode.names))
        self._check_overlap()
        if not inode.is_regular:
            need(not self.extents and self.tail is None and not self.chunks, "data of what is no file")
        elif not self.orphan:
            self._check_file()
        for number, overlay in self.chunks.items():
            need(overlay.end <= inode.chunk_size, "a chunk of %d bytes in the intent log" % overlay.end)
            need(number * inode.chunk_size < inode.size, "a chunk of the intent log behind the end of the file")
            need(overlay.whole is not None or self.tail is None or self.tail.start // inode.chunk_size != number,
                 "a part over the tail's chunk")

    def _check_file(self):
        inode = self.inode
        need(bool(inode.flags & HAS_TAIL) == (self.tail is not None), "the tail's flag is wrong")
        if self.tail is not None:
            (self.tail.check_replayed if self.replayed else self.tail.check)(inode.size)
        units = sum(extent.units for extent in self.extents)
        need(units == inode.units, "extents of %d units, the inode says %d" % (units, inode.units))
        for extent in self.extents:
            need(extent.first * extent.chunk_size < inode.size, "an extent behind the end of the file")

    def _check_overlap(self):
        for extent in self.extents:
            need(extent.chunk_size == self.inode.chunk_size, "an extent has another chunk size than its inode")
        for extent, following in zip(self.extents, self.extents[1:]):
            need(extent.end <= following.first, "extents overlap")

    def _check_attributes(self):
        attach_parts(self.attributes, self.attribute_parts)
        flags, by_name = self.inode.flags, self.attribute_values()
        need(len(by_name) == len(self.attributes), "an attribute stands twice")
        for flag, truth in ((HAS_ATTRIBUTES, bool(by_name)), (HAS_ACCESS_ACL, ACCESS_ACL in by_name),
                            (HAS_DEFAULT_ACL, DEFAULT_ACL in by_name)):
            need(bool(flags & flag) == truth, "attribute flags 0x%x are wrong" % flags)
        if ACCESS_ACL in by_name:
            check_access_acl(by_name[ACCESS_ACL], self.inode.mode)
        if DEFAULT_ACL in by_name:
            parse_acl(by_name[DEFAULT_ACL])

    def attribute_values(self):
        return {attribute.name: attribute.value for attribute in self.attributes}


class Collector:
    """Takes the tree's records, in the order of their keys."""

    def __init__(self, superblock, replayed=False):
        self.superblock, self.replayed = superblock, replayed
        self.objects, self.orphans, self.branches = {}, [], []
        self.records = 0
        self._take = {INODE: self._inode, FOLDER_BUCKET: self._folder_bucket, ATTRIBUTE_BUCKET: self._attribute_bucket,
                      ATTRIBUTE_PART: self._attribute_part, LINK_PART: self._link_part, EXTENT: self._extent,
                      TAIL: self._tail}

    def visit(self, key, value, pointer):
        self.records += 1
        if key.object == 0:
            self._volume_record(key, value)
            return
        need(key.type in self._take, "a record of an unknown type")
        need(key.object < self.superblock.next_inode, "an inode number that was not given yet")
        found = self.objects.setdefault(key.object, Object(key.object, self.replayed))
        if key.type != INODE:
            need(found.inode is not None, "a record without an inode")
        self._take[key.type](found, key, value, pointer)

    def _volume_record(self, key, value):
        need(key.type in (ORPHAN, BRANCH), "a record of an unknown type")
        if key.type == ORPHAN:
            self.orphans.append(orphan_number(value, key.offset))
        else:
            self.branches.append(Branch(value, key.offset, self.superblock))

    def _inode(self, found, key, value, _pointer):
        need(key.offset == 0, "an inode's offset is not 0")
        found.inode = Inode(value, self.superblock)

    @staticmethod
    def _folder_bucket(found, key, value, _pointer):
        need(found.inode.is_folder, "names in what is no folder")
        found.names += parse_folder_bucket(value, key.offset, found.inode.seed)

    @staticmethod
    def _attribute_bucket(found, key, value, _pointer):
        found.attributes += parse_attribute_bucket(value, key.offset)

    @staticmethod
    def _attribute_part(found, key, value, _pointer):
        found.attribute_parts[key.offset] = part(value, "a part of an attribute")

    @staticmethod
    def _link_part(found, key, value, _pointer):
        found.link_parts[key.offset] = part(value, "a part of a link")

    def _extent(self, found, key, value, pointer):
        extent = Extent(value, key.offset, self.superblock.limit)
        if pointer is not None:
            check_generations(pointer, extent)
        found.extents.append(extent)

    @staticmethod
    def _tail(found, key, value, _pointer):
        need(key.offset == 0, "a tail's offset is not 0")
        found.tail = Tail(value)

    def finish(self, report):
        """Drop what has no inode, mark the orphans, check each object."""
        for number in [n for n, found in self.objects.items() if found.inode is None]:
            report.problem("inode %d" % number, "its inode record is missing or wrong")
            del self.objects[number]
        for number in self.orphans:
            if number not in self.objects:
                report.problem("orphan %d" % number, "there is no such inode")
            else:
                self.objects[number].orphan = True
        for number, found in self.objects.items():
            try:
                found.check()
            except Damaged as error:
                report.problem("inode %d" % number, error)
