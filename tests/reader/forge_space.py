"""17. The allocation log and its checkpoint, forged."""

import struct

from nacre_reader.constants import CHECKPOINT_INDEX, CHECKPOINT_SEGMENT, LOG_RECORD
from nacre_reader.fields import Damaged, Report
from nacre_reader.space import compare, replay
from nacre_reader.volume import Commit


def patch(offset, code, value):
    new = struct.pack(code, value)
    return lambda plain: plain[:offset] + new + plain[offset + len(new):]


def flip(offset):
    return lambda plain: plain[:offset] + bytes([plain[offset] ^ 1]) + plain[offset + 1:]


def runs_of(plain):
    return struct.unpack_from("<II", plain, 104)


def change_run(which, field, value):
    """The first run allocated, or the first freed."""
    def change(plain):
        allocated, freed = runs_of(plain)
        if not (allocated, freed)[which]:
            return plain
        at = 112 + 12 * (allocated if which else 0)
        return patch(at + (0, 8)[field], ("<Q", "<I")[field], value)(plain)
    return change


INDEX = [
    ("units_end that is no multiple", patch(0, "<Q", 4223), "units_end"),
    ("units_end behind the end", patch(0, "<Q", 1 << 30), "units_end"),
    ("a longer body", patch(8, "<Q", 1 << 30), "segments"),
    ("another number of segments", patch(16, "<I", 2), "segments"),
    ("a reserved field", patch(20, "<I", 1), "reserved"),
    ("another nonce", flip(24), "authenticate"),
    ("another tag", flip(48), "authenticate"),
    ("an end that is not zero", flip(4095), "the end")]
SEGMENT = [
    ("a group of an unknown kind", patch(0, "B", 4), "kind 4"),
    ("a group all free", patch(0, "B", 0), "too long"),
    ("a unit in use that is free", flip(1 + 520), "")]
RECORD = [
    ("another generation", flip(0), "generation"),
    ("more runs allocated", patch(104, "<I", 5000), "length"),
    ("more runs freed", patch(108, "<I", 5000), "length"),
    ("a run of no units", change_run(0, 1, 0), "empty run"),
    ("a run that is in use already", change_run(0, 0, 1), "in use already"),
    ("a run behind the end", change_run(0, 0, 4224), "behind the end"),
    ("units freed that were not in use", change_run(1, 0, 3000), "not in use"),
    ("another end of the record", flip(4095), "the end")]


def run(checks, container, newest):
    report = Report()
    clean = Commit(container, newest, report)
    clean.check_structure()
    checks.check("the newest commit as it is", not report.problems, report.problems)
    for kind, name, table in ((CHECKPOINT_INDEX, "checkpoint's index", INDEX),
                              (CHECKPOINT_SEGMENT, "checkpoint's segment", SEGMENT),
                              (LOG_RECORD, "log record", RECORD)):
        for what, change, expected in table:
            container.forge = lambda k, _nonce, plain, c=change, wanted=kind: c(plain) if k == wanted else plain
            said = []
            try:
                report = Report()
                compare(replay(container, newest), clean.walked, report)
                said = report.problems
            except Damaged as error:
                said = [str(error)]
            checks.check("%s: %s" % (name, what), any(expected in line for line in said), said)
    container.forge = None
    forge_walk(checks, container, newest, clean)


def forge_walk(checks, container, newest, clean):
    """The two must agree: a unit more or less in the walk is a problem."""
    free = clean.walked.used.index(0)
    used = newest.root.unit
    for what, unit, value in (("a unit is reached that the log has free", free, 1),
                              ("a unit is not reached that the log has in use", used, 0)):
        report = Report()
        clean.walked.used[unit] = value
        compare(replay(container, newest), clean.walked, report)
        clean.walked.used[unit] = 1 - value
        checks.check("free space: " + what, report.problems, report.problems)
