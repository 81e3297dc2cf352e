"""The rows of the table: what is measured, in which group of loads and unit, and what Nacre has to reach."""

from collections import namedtuple

# relation: "times" (of that contestant's value), "plus" (at most so much above it), "limit" (absolute)
Want = namedtuple("Want", "relation reference number")
Row = namedtuple("Row", "group name title unit more_is_better wants")


def _times(reference, number):
    return Want("times", reference, number)


ROWS = [
    Row("large", "write", "write {size} in order, fsync", "MB/s", True,
        [_times("floor", 0.9), _times("gocryptfs", 1.4)]),
    Row("large", "read-cold", "read it cold", "MB/s", True, [_times("floor", 0.9)]),
    Row("large", "read-cached", "read it again, from the page cache", "MB/s", True, [_times("floor", 1)]),
    Row("large", "random-read-1", "random read 4 KiB cold, 1 job", "IOPS", True, [_times("floor", 1)]),
    Row("large", "random-read-4", "random read 4 KiB cold, 4 jobs", "IOPS", True, [_times("floor", 1)]),
    Row("large", "random-write", "random write 4 KiB, buffered", "IOPS", True,
        [_times("floor", 1), _times("gocryptfs", 3)]),
    Row("large", "random-write-then-sync", "random write 4 KiB, fsync at the end counted", "IOPS", True, []),
    Row("large", "random-write-synced", "random write 4 KiB, fsync each", "IOPS", True, [_times("floor", 1)]),
    Row("large", "random-write-synced-p99", "random write 4 KiB, fsync each, p99", "µs", False, [_times("floor", 1)]),
    Row("small", "create", "create {files} files of 4 KiB", "files/s", True, [_times("gocryptfs", 4)]),
    Row("small", "stat", "stat them all, cold", "files/s", True, [_times("gocryptfs", 1.5)]),
    Row("small", "read-small", "read them all, cold", "files/s", True, [_times("gocryptfs", 2.5)]),
    Row("small", "delete", "delete them", "files/s", True, [_times("gocryptfs", 4)]),
    Row("tree", "untar", "untar {tree} files", "s", False, [_times("gocryptfs", 0.3)]),
    Row("tree", "read-tree", "read that tree back, cold", "s", False, [_times("gocryptfs", 0.6)]),
    Row("tree", "git", "git clone, status, fsck", "s", False, [_times("gocryptfs", 0.9)]),
    Row("database", "rows-each", "SQLite WAL, a row a transaction", "txn/s", True, [_times("gocryptfs", 2)]),
    Row("database", "rows-at-once", "SQLite, {rows} rows at once", "rows/s", True, [_times("gocryptfs", 2)]),
    Row("large", "writers", "4 writers at once", "MB/s", True, [_times("floor", 1)]),
    Row("small", "creators", "4 creators at once", "files/s", True, [_times("gocryptfs", 3)]),
    Row("large", "cpu-write", "CPU of the daemon per GiB written", "s", False, [Want("plus", "floor", 0.6)]),
    Row("large", "cpu-read", "CPU of the daemon per GiB read", "s", False, [Want("plus", "floor", 0.6)]),
    Row(None, "memory-peak", "memory of the daemon, at most", "MiB", False, [Want("limit", None, 96)]),
    Row("large", "memory-idle", "memory of the daemon, idle", "MiB", False, [Want("limit", None, 12)]),
    Row("large", "beyond-large", "storage beyond a large file's size", "%", False, [Want("limit", None, 1)]),
    Row("tree", "beyond-tree", "storage beyond the tree's contents", "%", False, [Want("limit", None, 8)]),
]
BY_NAME = {row.name: row for row in ROWS}


def title(row, options):
    size = "%d GiB" % (options.size >> 30) if options.size % (1 << 30) == 0 else "%d MiB" % (options.size >> 20)
    return row.title.format(size=size, files="{:,}".format(options.files), tree="{:,}".format(options.tree_files),
                            rows="{:,}".format(options.rows))


def want_text(row, want):
    if want.relation == "limit":
        return "<= %g" % want.number
    if want.relation == "plus":
        return "<= %s + %g" % (want.reference, want.number)
    sign = ">=" if row.more_is_better else "<="
    return "%s %s%s" % (sign, "" if want.number == 1 else "%g x " % want.number, want.reference)


def reached(row, want, value, references):
    """True, False, or None where there is nothing to compare with. `references` are medians by contestant."""
    reference = references.get(want.reference)
    if want.relation == "limit":
        return value <= want.number
    if reference is None:
        return None
    bound = reference * want.number if want.relation == "times" else reference + want.number
    return value >= bound if row.more_is_better else value <= bound
