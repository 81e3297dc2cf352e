"""The rows measured on one contestant, in groups that each begin with an empty one."""

import os
import subprocess
import time

import host
import programs
import rows
from contestants import Failed

GIB = 1 << 30
MB = 1e6
IDLE_AFTER_S = 2


class Turn:
    """One contestant's turn at one group: values by row, and why those that are not there are not."""

    def __init__(self, contestant, options, material, tools):
        self.contestant, self.options, self.material, self.tools = contestant, options, material, tools
        self.values, self.failures = {}, {}
        self.took_s, self.withheld, self.tries = 0.0, 0.0, 1
        self.empty_bytes = 0

    def path(self, name):
        return os.path.join(self.contestant.place, name)

    def load(self, work, name, **options):
        return programs.load(self.tools, work, self.path(name), **options)

    def cold(self):
        self.contestant.cold()

    def steps(self, *steps):
        """Each a function and the rows that it measures. Where one fails, so do those after it."""
        why = None
        for step, names in steps:
            if why is None:
                try:
                    step(self)
                except (Failed, OSError, subprocess.SubprocessError, StopIteration) as error:
                    why = str(error)
            for name in names:
                if why is not None and name not in self.values:
                    self.failures[name] = why


# ---- A large file ----

def _write(turn):
    before = turn.contestant.cpu_seconds()
    report = turn.load("write", "large", bytes=turn.options.size)
    turn.values["write"] = report["bytes"] / MB / report["seconds"]
    _add_cpu(turn, "cpu-write", before)


def _add_beyond(turn, row, before, size):
    """Anew, since some store what they have only when they end."""
    turn.cold()
    turn.values[row] = (turn.contestant.stored_bytes() - before - size) / size * 100


def _add_cpu(turn, row, before):
    if before is not None:
        turn.values[row] = (turn.contestant.cpu_seconds() - before) / (turn.options.size / GIB)


def _read(turn):
    turn.cold()
    before = turn.contestant.cpu_seconds()
    report = turn.load("read", "large", bytes=turn.options.size)
    turn.values["read-cold"] = report["bytes"] / MB / report["seconds"]
    _add_cpu(turn, "cpu-read", before)
    report = turn.load("read", "large", bytes=turn.options.size)
    turn.values["read-cached"] = report["bytes"] / MB / report["seconds"]
    _add_beyond(turn, "beyond-large", turn.empty_bytes, turn.options.size)


def _random_read(turn):
    for jobs in 1, 4:
        turn.cold()
        report = turn.load("random-read", "large", bytes=turn.options.size, jobs=jobs, seconds=turn.options.seconds)
        turn.values["random-read-%d" % jobs] = report["count"] / report["seconds"]


def _random_write(turn):
    how = {"bytes": turn.options.size, "seconds": turn.options.seconds}
    host.settle(turn.contestant.folder)
    buffered = turn.load("random-write", "large", **how)
    turn.values["random-write"] = buffered["count"] / buffered["seconds"]
    turn.values["random-write-then-sync"] = buffered["count"] / (buffered["seconds"] + buffered["fsync_seconds"])
    synced = turn.load("random-write-synced", "large", **how)
    turn.values["random-write-synced"] = synced["count"] / synced["seconds"]
    turn.values["random-write-synced-p99"] = synced["p99_us"]
    turn.cold()
    turn.load("verify", "large", bytes=turn.options.size, buffered=buffered["count"], synced=synced["count"])


def _writers(turn):
    os.unlink(turn.path("large"))
    host.settle(turn.contestant.folder)
    mib = max(turn.options.size // 4 >> 20, 1)
    report = turn.load("writers", "own", bytes=mib << 20, jobs=4)
    turn.values["writers"] = report["bytes"] / MB / report["seconds"]


def _idle(turn):
    turn.cold()
    os.listdir(turn.contestant.place)
    time.sleep(IDLE_AFTER_S)
    idle = turn.contestant.idle_mib()
    if idle is not None:
        turn.values["memory-idle"] = idle


def large(turn):
    """A file of `size`, then four of a quarter of it."""
    turn.empty_bytes = turn.contestant.stored_bytes()
    turn.steps((_write, ["write", "cpu-write"]), (_read, ["read-cold", "cpu-read", "read-cached", "beyond-large"]),
               (_random_read, ["random-read-1", "random-read-4"]),
               (_random_write, ["random-write", "random-write-then-sync", "random-write-synced",
                                "random-write-synced-p99"]),
               (_writers, ["writers"]), (_idle, ["memory-idle"]))


# ---- Small files ----

def _small(work, row, is_cold):
    def step(turn):
        if is_cold:
            turn.cold()
        report = turn.load(work, "small", count=turn.options.files)
        turn.values[row] = report["count"] / report["seconds"]
    return step, [row]


def _creators(turn):
    host.settle(turn.contestant.folder)
    report = turn.load("create", "by-four", count=turn.options.files, jobs=4)
    turn.values["creators"] = report["count"] / report["seconds"]
    turn.load("read-small", "by-four", count=turn.options.files, jobs=4)


def small(turn):
    """Files of 4 KiB: one after the other, then by four at once."""
    turn.steps(_small("create", "create", False), _small("stat", "stat", True),
               _small("read-small", "read-small", True), _small("delete", "delete", False), (_creators, ["creators"]))


# ---- What people do ----

def _timed(*words, wanted=None):
    begin = time.monotonic()
    out = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout.strip()
    if wanted is not None and out != wanted:
        raise Failed("%s gave %r" % (" ".join(words[:4]), out[:100]))
    return time.monotonic() - begin


def _untar(turn):
    folder = turn.path("tree")
    os.mkdir(folder)
    turn.values["untar"] = _timed("tar", "-xf", turn.material.archive, "-C", folder)


def _read_tree(turn):
    turn.cold()
    report = turn.load("read-tree", "tree")
    if report["sum"] != turn.material.tree_sum:
        raise Failed("the tree came back with another sum")
    turn.values["read-tree"] = report["seconds"]
    _add_beyond(turn, "beyond-tree", turn.empty_bytes, turn.material.tree_bytes)


def _git(turn):
    clone = turn.path("clone")
    host.settle(turn.contestant.folder)
    own = ("git", "-c", "safe.directory=*")
    took = _timed(*own, "clone", "-q", "--no-local", turn.material.repository, clone)
    took += _timed(*own, "-C", clone, "status", "--porcelain", wanted="")
    took += _timed(*own, "-C", clone, "fsck", "--no-progress", wanted="")
    _timed(*own, "-C", clone, "rev-parse", "HEAD", wanted=turn.material.head)
    turn.values["git"] = took


def tree(turn):
    """An archive unpacked, and a repository cloned."""
    turn.empty_bytes = turn.contestant.stored_bytes()
    turn.steps((_untar, ["untar"]), (_read_tree, ["read-tree", "beyond-tree"]), (_git, ["git"]))


def _rows_each(turn):
    report = turn.load("rows-each", "each.db", count=max(turn.options.rows // 100, 1))
    turn.values["rows-each"] = report["count"] / report["seconds"]


def _rows_at_once(turn):
    report = turn.load("rows-at-once", "at-once.db", count=turn.options.rows)
    turn.values["rows-at-once"] = report["count"] / report["seconds"]


def database(turn):
    """Two databases; that there is no shared memory for the first one's log is no matter to the second."""
    turn.steps((_rows_at_once, ["rows-at-once"]))
    turn.steps((_rows_each, ["rows-each"]))


GROUPS = {"large": large, "small": small, "tree": tree, "database": database}


def fail_group(turn, group, why):
    for row in rows.ROWS:
        if row.group == group and row.name not in turn.values:
            turn.failures.setdefault(row.name, why)


def take_turn(group, turn, folder):
    """The contestant is made for it, and gone afterwards."""
    contestant = turn.contestant
    try:
        contestant.prepare(folder)
        GROUPS[group](turn)
        contestant.note_peak()
    except (Failed, OSError, subprocess.SubprocessError) as error:
        fail_group(turn, group, str(error))
    finally:
        contestant.remove()
    if contestant.peak_mib:
        turn.values["memory-peak"] = contestant.peak_mib
