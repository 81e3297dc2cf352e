"""Numbers out of bytes that an enemy may have written, and the ways to say that they are wrong."""

import contextlib
import struct


class Damaged(Exception):
    """What was read is not what the document says."""


class Refused(Exception):
    """The volume can't be opened, for a reason that is no damage: the credential, the version, a feature."""


def need(truth, what):
    if not truth:
        raise Damaged(what)


def need_zero(data, what):
    need(not any(data), what + " is not zero")


class Fields:
    """Little-endian fields of a byte string, each by its offset."""

    def __init__(self, data, what):
        self.data, self.what = data, what

    def _number(self, code, offset):
        size = struct.calcsize(code)
        need(offset + size <= len(self.data), self.what + " is cut short")
        return struct.unpack_from(code, self.data, offset)[0]

    def u8(self, offset):
        return self._number("<B", offset)

    def u16(self, offset):
        return self._number("<H", offset)

    def u32(self, offset):
        return self._number("<I", offset)

    def u48(self, offset):
        return self.u32(offset) | self.u16(offset + 4) << 32

    def u64(self, offset):
        return self._number("<Q", offset)

    def i64(self, offset):
        return self._number("<q", offset)

    def bytes(self, offset, size):
        need(offset + size <= len(self.data), self.what + " is cut short")
        return self.data[offset:offset + size]

    def zero(self, offset, size, name):
        need_zero(self.bytes(offset, size), "%s: %s" % (self.what, name))

    def text(self, offset, size, name):
        """Bytes, NUL-terminated, zeroes to the end."""
        text, nul, rest = self.bytes(offset, size).partition(b"\0")
        need(nul, "%s: %s has no NUL" % (self.what, name))
        need_zero(rest, "%s: what follows %s" % (self.what, name))
        return text


def le32(number):
    return struct.pack("<I", number)


def le64(number):
    return struct.pack("<Q", number)


class Report:
    """What was found wrong. A problem is a breach of the document; a note is a state that a crash may leave, too."""

    def __init__(self):
        self.problems, self.notes = [], []

    def problem(self, where, what):
        self.problems.append("%s: %s" % (where, what) if where else str(what))

    def note(self, what):
        self.notes.append(str(what))

    @contextlib.contextmanager
    def guard(self, where):
        """What is Damaged inside is a problem, and what follows goes on."""
        try:
            yield
        except Damaged as error:
            self.problem(where, error)
