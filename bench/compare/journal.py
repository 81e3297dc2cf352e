"""Turns kept in a file as they are measured, so that a run that was ended goes on where it was."""

import glob
import hashlib
import json
import os


class OtherRun(Exception):
    """The file is of other programs, another machine, or with other options."""


def fingerprint(tools):
    """Of what is measured: the programs and, beside them, the library."""
    sums = {}
    for name in ("nacre", "nacre_aegis", "floor", "load"):
        program = getattr(tools, name)
        whole = hashlib.sha256()
        for path in [program, *sorted(glob.glob(os.path.join(os.path.dirname(program), "lib", "*.so")))]:
            with open(path, "rb") as file:
                whole.update(file.read())
        sums[name] = whole.hexdigest()
    return sums


class Journal:
    """A line of JSON for the run, and one for each turn. Without a path nothing is kept."""

    def __init__(self, path, run):
        self.path, self.known = path, {}
        if path is None:
            return
        lines = self._read()
        if lines and lines[0] != run:
            raise OtherRun("%s is of another run: take another name, or remove it" % path)
        for line in lines[1:]:
            self.known[line["round"], line["group"], line["contestant"]] = line
        if not lines:
            self._append(run)

    def _read(self):
        """All whole lines; the last may have been cut off."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding="utf-8") as file:
            whole = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.writelines(whole)
        os.replace(self.path + ".new", self.path)
        return [json.loads(line) for line in whole]

    def _append(self, line):
        if self.path is None:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def recall(self, number, group, turn):
        """Make a new turn what it was. False where there was none, or of another version."""
        found = self.known.get((number, group, turn.contestant.name))
        if found is None or found["version"] != turn.contestant.version():
            return False
        for name in ("values", "failures", "took_s", "withheld", "tries"):
            setattr(turn, name, found[name])
        return True

    def keep(self, number, group, turn):
        self._append({"round": number, "group": group, "contestant": turn.contestant.name,
                      "version": turn.contestant.version(), "values": turn.values, "failures": turn.failures,
                      "took_s": turn.took_s, "withheld": turn.withheld, "tries": turn.tries})
