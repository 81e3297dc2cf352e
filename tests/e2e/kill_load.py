"""Writers that change folders of a mount and note outside of it what they do, and the judgement of what a crash left.

A note is made before and after each step, with the time. So each step that was seen to end before another began must
not be missing where the other is there: a state of several writers together is one of the volume's own only if there
was a moment at which it was. Later than that moment began every step that is missing, or was still under way.
"""

import errno
import json
import os
import random
import time
import traceback

from kill_state import Chooser, differences, perform

# What the kernel says when the daemon is gone; and while it goes by itself.
DAEMON_GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV)
DAEMON_GOES = DAEMON_GONE + (errno.EIO,)
FOREVER = 1 << 63


class Notes:
    """Lines "start time step" and "end time", in a file outside of the volume."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def begin(self, step):
        os.write(self.fd, b"%d %s\n" % (time.monotonic_ns(), json.dumps(step).encode()))

    def end(self):
        os.write(self.fd, b"%d\n" % time.monotonic_ns())

    def fault(self, text):
        os.write(self.fd, b"fault " + json.dumps(text).encode() + b"\n")


def sync(root, how, tree):
    files = tree.of_kind("file")
    if how == "folder" or not files:
        os.fsync(root)
        return
    fd = os.open(files[0], os.O_RDONLY, dir_fd=root)
    try:
        if how == "fdatasync":
            os.fdatasync(fd)
        else:
            os.fsync(fd)
    finally:
        os.close(fd)


def write_until_killed(root, tree, seed, sync_share, notes):
    rng = random.Random(seed)
    chooser = Chooser(rng, tree)
    while True:
        step = chooser.step(sync_share)
        notes.begin(step)
        if step[0] == "sync":
            sync(root, step[1], tree)
        else:
            perform(root, step)
        notes.end()
        tree.apply(step)


def start_writer(folder, tree, seed, sync_share, path, expected):
    """Its process id. `expected` are the errors that may end it, `tree` what the folder has now. It is opened before
    anybody may end the mount."""
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    child = os.fork()
    if child != 0:
        os.close(root)
        return child
    notes = Notes(path)
    try:
        os.umask(0)
        write_until_killed(root, tree, seed, sync_share, notes)
    except OSError as error:
        if error.errno not in expected:
            notes.fault(traceback.format_exc())
    except BaseException:
        notes.fault(traceback.format_exc())
    finally:
        os._exit(0)


class Noted:
    def __init__(self, start, step):
        self.start, self.step, self.end = start, step, FOREVER


def read_notes(path):
    steps, faults = [], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            first, _, rest = line.rstrip("\n").partition(" ")
            if first == "fault":
                faults.append(json.loads(rest))
            elif rest:
                steps.append(Noted(int(first), json.loads(rest)))
            else:
                steps[-1].end = int(first)
    return steps, faults


class Writer:
    """One writer's side of a judgement."""

    def __init__(self, name, before, notes_path):
        self.name, self.before = name, before
        self.steps, self.faults = read_notes(notes_path)

    def acknowledged(self):
        """When the last sync began that came back: all that had ended by then is durable."""
        return max([s.start for s in self.steps if s.step[0] == "sync" and s.end != FOREVER], default=0)

    def moments(self, got, since):
        """The spans of time in which the volume may have been as `got`: after the last step that it shows began, before
        the next ended. None but those that reach beyond `since`. Advances `before` to the state that was found."""
        wanted = got.digest()
        tree, spans, nearest = self.before, [], None
        for at in range(len(self.steps) + 1):
            end = self.steps[at].end if at < len(self.steps) else FOREVER
            if end > since:
                if tree.digest() == wanted:
                    spans.append((self.steps[at - 1].start if at > 0 else 0, end))
                else:
                    lines = differences(got, tree)
                    if nearest is None or len(lines) < len(nearest[1]):
                        nearest = (at, lines)
            if at < len(self.steps):
                tree.apply(self.steps[at].step)
        return spans, nearest

    def explain(self, nearest):
        lines = ["%s: its folder is in none of the %d states since the last acknowledged sync" % (
            self.name, sum(s.end > self.acknowledged() for s in self.steps) + 1)]
        if nearest is not None:
            at, what = nearest
            lines.append("nearest is the state after step %d of %d:" % (at, len(self.steps)))
            lines += ["  " + line for line in what]
            lines += ["  step %d: %r" % (at + n, s.step) for n, s in enumerate(self.steps[at:at + 3])]
        return lines


def judge(writers, folders):
    """Whether what the folders have now is the state of one moment, no earlier than the last acknowledged sync. Gives
    the list of what is wrong."""
    wrong = []
    since = max(w.acknowledged() for w in writers)
    spans = [(since, FOREVER)]
    for writer in writers:
        wrong += ["%s: %s" % (writer.name, fault) for fault in writer.faults]
        found, nearest = writer.moments(folders[writer.name], since)
        if not found:
            wrong += writer.explain(nearest)
        spans = [(max(a, c), min(b, d)) for a, b in spans for c, d in found if max(a, c) < min(b, d)]
    if not wrong and not spans:
        wrong.append("each folder is in a state that it had, but no moment is common to all of them")
    return wrong
