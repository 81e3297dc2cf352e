"""What a volume holds, as JSON with all metadata and as a manifest, a line a name, that the program can give, too."""

import base64
import hashlib
import stat

from .constants import CIPHERS, SLOT_KINDS, UNIT
from .intent import DELETE, PART, PUT, WHOLE

TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
TIMES = ("atime", "mtime", "ctime", "btime")


def text(data):
    """Bytes as ASCII, with \\xHH for what is no printable character, and for blank and backslash."""
    return "".join(chr(b) if 0x21 <= b <= 0x7E and b != 0x5C else "\\x%02x" % b for b in data)


def entry(volume, path, found):
    inode = found.inode
    says = {"path": text(b"/" + path), "inode": found.number, "type": TYPES[inode.type],
            "mode": "%04o" % (inode.mode & 0o7777), "uid": inode.uid, "gid": inode.gid, "links": inode.links,
            "size": inode.size,
            "allocated_bytes": inode.units * UNIT, "generation": inode.generation, "project": inode.project,
            "chunk_bytes": inode.chunk_size, "flags": inode.flags}
    says.update((name, "%d.%09d" % time) for name, time in zip(TIMES, inode.times))
    says["attributes"] = {text(name): base64.b64encode(value).decode()
                          for name, value in sorted(found.attribute_values().items())}
    if inode.is_device:
        says["device"] = "%d:%d" % inode.device
    if inode.is_link:
        says["target"] = text(found.target or b"")
    if inode.is_folder:
        says["names"] = inode.names
    if inode.is_regular:
        says["content"] = volume.hashes.get(found.number)
        says["extents"] = [[e.first, e.count, e.unit, e.last_size] for e in found.extents]
        says["log_chunks"] = sorted(found.chunks)
        says["tail_bytes"] = len(found.tail.data) if found.tail is not None else 0
    return says


def superblock(found):
    return {"generation": found.generation, "commit_id": found.commit_id.hex(), "parent_id": found.parent_id.hex(),
            "time_s": found.time, "units_end": found.units_end, "units_limit": found.units_limit,
            "next_inode": found.next_inode, "inodes": found.inodes, "used_units": found.used,
            "chunk_bytes": found.chunk_size, "level": found.level, "header_sequence": found.header_sequence,
            "unbroken": found.unbroken, "branch": found.branch_number, "branch_first": found.branch_first,
            "sealed_blocks": found.sealed_blocks, "sealed_bytes": found.sealed_bytes,
            "checkpoint_generation": found.index.birth, "root_unit": found.root.unit,
            "intent_id": found.intent_id.hex(),
            "intent_unit": found.intent_half_unit, "intent_units": found.intent_units}


def slots(volume):
    for index, (public, sealed) in enumerate(zip(volume.header.slots, volume.sealed.slots)):
        if public.kind:
            yield {"index": index, "kind": SLOT_KINDS[public.kind], "memory_bytes": public.memory,
                   "passes": public.passes, "lanes": public.lanes, "name": text(sealed["name"]),
                   "created_s": sealed["created"]}


def document(volume):
    report, commit = volume.report, volume.commit
    return {
        "volume_id": volume.header.volume_id.hex(), "fingerprint": volume.sealed.fingerprint.hex(),
        "cipher": CIPHERS[volume.header.cipher], "label": text(volume.header.label),
        "header_sequence": volume.header.sequence, "slot": volume.slot, "slots": list(slots(volume)),
        "epochs": sorted(volume.sealed.volume_keys), "newest": superblock(volume.newest),
        "ring": [superblock(found) for _, found in sorted(volume.ring.items())],
        "opened_generation": volume.opened.generation,
        "log": {"records": volume.log.records, "units": volume.log.used_units, "next_inode": volume.log.next_inode,
                "inodes": volume.log.inodes,
                **{name: volume.log.counts[kind] for name, kind in
                   (("puts", PUT), ("deletes", DELETE), ("wholes", WHOLE), ("parts", PART))}},
        "nodes": commit.nodes, "records": commit.records, "orphans": commit.orphans,
        "branches": [{"number": branch.number, "first": branch.first, "id": branch.id.hex(), "parent": branch.parent,
                      "parent_id": branch.parent_id.hex(), "time_s": branch.time} for branch in commit.branches],
        "largest_bucket": largest_bucket(commit.objects),
        "problems": report.problems, "notes": report.notes,
        "entries": [entry(volume, path, found) for path, found in volume.paths]}


def largest_bucket(objects):
    sizes = {}
    for number, found in objects.items():
        for name in found.names:
            key = number, name.position >> 4
            sizes[key] = sizes.get(key, 0) + 1
    return max(sizes.values(), default=0)


def manifest_line(says):
    """One line: the path, then what the public interface tells of it."""
    words = [says["path"], says["type"], says["mode"], "%d:%d" % (says["uid"], says["gid"]), "links=%d" % says["links"],
             "size=%d" % says.get("names", says["size"]), "inode=%d.%d" % (says["inode"], says["generation"])]
    words += ["%s=%s" % (name, says[name]) for name in TIMES]
    if "device" in says:
        words.append("device=" + says["device"])
    if "target" in says:
        words.append("target=" + says["target"])
    if "content" in says:
        words.append("content=%s" % says["content"])
    for name, value in says["attributes"].items():
        value = base64.b64decode(value)
        words.append("attribute=%s:%d:%s" % (name, len(value), hashlib.sha256(value).hexdigest()))
    return " ".join(words)


def manifest(volume):
    """Sorted by path; an inode's further names say just which one it is."""
    lines, seen = [], set()
    for says in sorted((entry(volume, path, found) for path, found in volume.paths), key=lambda says: says["path"]):
        if says["inode"] in seen:
            lines.append("%s inode=%d.%d" % (says["path"], says["inode"], says["generation"]))
        else:
            lines.append(manifest_line(says))
        seen.add(says["inode"])
    return "".join(line + "\n" for line in lines)
