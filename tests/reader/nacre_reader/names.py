"""14. Folders and 15. attributes: names in buckets, found by hash."""

from .constants import (ATTRIBUTE_BYTES, ATTRIBUTE_SEED, BUCKET_ENTRIES, DIRENT_TYPES, PART_BYTES, VALUE_IN_PARTS)
from .fields import Fields, need
from .primitives import siphash
from .records import join_parts, record_fields

ACL_NONE = 0xFFFFFFFF
ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER = 1, 2, 4, 8, 16, 32


def folder_bucket(seed, name):
    hashed = siphash(seed, name) & 0x7FFFFFFFFFFFFFF0
    return 16 if hashed < 16 else min(hashed, 0x7FFFFFFFFFFFFFE0)


def attribute_bucket(name):
    return siphash(ATTRIBUTE_SEED, name) & 0xFFFFFFFFFFFFF000


class Name:
    """An entry of a folder."""

    def __init__(self, name, inode, mode_type, position):
        self.name, self.inode, self.type, self.position = name, inode, mode_type, position


def check_indices(indices, names, what):
    need(1 <= len(names) <= BUCKET_ENTRIES, "%s of %d entries" % (what, len(names)))
    need(all(a < b for a, b in zip(indices, indices[1:])), "the indices in %s do not ascend" % what)
    need(len(set(names)) == len(names), "a name stands twice in %s" % what)


def parse_folder_bucket(value, offset, seed):
    fields = record_fields(value, "a folder's bucket")
    entries, indices, at = [], [], 1
    while at < len(value):
        inode, packed, length = fields.u48(at), fields.u8(at + 6), fields.u8(at + 7)
        name = fields.bytes(at + 8, length)
        at += 8 + length
        need(inode, "a name of inode 0")
        need(name and b"\0" not in name and b"/" not in name and name not in (b".", b".."), "a name is %r" % name)
        need(packed & 15 in DIRENT_TYPES, "the name %r has type %d" % (name, packed & 15))
        need(folder_bucket(seed, name) == offset, "the name %r is in the wrong bucket" % name)
        indices.append(packed >> 4)
        entries.append(Name(name, inode, DIRENT_TYPES[packed & 15], offset | packed >> 4))
    check_indices(indices, [entry.name for entry in entries], "a folder's bucket")
    return entries


class Attribute:
    """`value` is None while it is in parts, which `part_offset` says where to find."""

    def __init__(self, name, length, value, part_offset):
        self.name, self.length, self.value, self.part_offset = name, length, value, part_offset


def parse_attribute_bucket(value, offset):
    fields = record_fields(value, "an attributes' bucket")
    need(offset & 0xFFF == 0, "an attributes' bucket at 0x%x" % offset)
    entries, indices, at = [], [], 1
    while at < len(value):
        packed, name_length, length = fields.u8(at), fields.u8(at + 1), fields.u32(at + 2)
        need(packed & ~(15 | VALUE_IN_PARTS) == 0, "an attribute has flags 0x%x" % packed)
        need(length <= ATTRIBUTE_BYTES, "an attribute of %d bytes" % length)
        name = fields.bytes(at + 6, name_length)
        at += 6 + name_length
        need(name and b"\0" not in name, "an attribute's name is %r" % name)
        need(attribute_bucket(name) == offset, "the attribute %r is in the wrong bucket" % name)
        index = packed & 15
        if packed & VALUE_IN_PARTS:
            need(length, "an empty attribute in parts")
            entries.append(Attribute(name, length, None, offset | index << 8))
        else:
            entries.append(Attribute(name, length, fields.bytes(at, length), None))
            at += length
        indices.append(index)
    check_indices(indices, [entry.name for entry in entries], "an attributes' bucket")
    return entries


def attach_parts(attributes, parts):
    """Give the attributes in parts their values; every part is somebody's. `parts` is offset: bytes."""
    left = dict(parts)
    for attribute in attributes:
        if attribute.value is not None:
            continue
        count = -(-attribute.length // PART_BYTES)
        ours = {n: left.pop(attribute.part_offset | n) for n in range(count) if attribute.part_offset | n in left}
        attribute.value = join_parts(ours, attribute.length, "the attribute %r" % attribute.name)
    need(not left, "parts of no attribute at %s" % ", ".join("0x%x" % offset for offset in left))


def parse_acl(value):
    """Entries (tag, permissions, id) of the form that Linux has; version 2, canonical order."""
    fields = Fields(value, "an ACL")
    need(len(value) % 8 == 4 and fields.u32(0) == 2, "an ACL of an unknown form")
    entries = [(fields.u16(at), fields.u16(at + 2), fields.u32(at + 4)) for at in range(4, len(value), 8)]
    tags = [tag for tag, _, _ in entries]
    for tag, permissions, who in entries:
        need(tag in (ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER), "an ACL has tag %d" % tag)
        need(permissions < 8, "an ACL has permissions 0%o" % permissions)
        need((who == ACL_NONE) == (tag not in (ACL_USER, ACL_GROUP)), "an ACL's entry of tag %d has id %d" % (tag, who))
    for tag in (ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_OTHER):
        need(tags.count(tag) == 1, "an ACL has %d entries of tag %d" % (tags.count(tag), tag))
    named = ACL_USER in tags or ACL_GROUP in tags
    need(tags.count(ACL_MASK) <= 1 and (not named or ACL_MASK in tags), "an ACL without its mask")
    need(tags == sorted(tags), "an ACL out of order")
    return entries


def check_access_acl(value, mode):
    entries = parse_acl(value)
    permissions = {tag: bits for tag, bits, _ in entries if tag not in (ACL_USER, ACL_GROUP)}
    need(len(entries) > 3, "an ACL that says no more than the mode")
    group = permissions.get(ACL_MASK, permissions[ACL_GROUP_OBJ])
    said = permissions[ACL_USER_OBJ] << 6 | group << 3 | permissions[ACL_OTHER]
    need(said == mode & 0o777, "an ACL says 0%o, the mode 0%o" % (said, mode & 0o777))
