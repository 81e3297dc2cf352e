"""A golden volume in memory, for the tests of the reader itself: bytes can be changed, and plaintexts, too."""

import os
import subprocess
import sys
import tempfile

from nacre_reader.constants import PASSPHRASE
from nacre_reader.container import Container
from nacre_reader.credential import Credential
from nacre_reader.fields import Damaged, Refused, need
from nacre_reader.volume import Volume

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "golden")


def golden_bytes(cipher="aes-256-gcm"):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "container")
        subprocess.run([sys.executable, os.path.join(GOLDEN, "golden.py"), "expand",
                        os.path.join(GOLDEN, cipher + ".golden"), path], check=True)
        with open(path, "rb") as file:
            return bytearray(file.read())


class Memory(Container):
    """`flipped` is the offset of one byte with a bit flipped, or None. `forge` may be a function of a block's kind,
    nonce and plaintext that gives the plaintext to use instead, as if an enemy with the keys had sealed it."""

    def __init__(self, data):  # pylint: disable=super-init-not-called
        self.data, self.size = data, len(data)
        self.ciphers, self.keys = {}, {}
        self.spans = set()
        self.flipped = self.forge = None

    def read(self, offset, size):
        need(offset + size <= self.size, "the container ends too soon")
        self.spans.add((offset, size))
        data = bytes(self.data[offset:offset + size])
        if self.flipped is not None and offset <= self.flipped < offset + size:
            at = self.flipped - offset
            data = data[:at] + bytes([data[at] ^ 1 << self.flipped % 8]) + data[at + 1:]
        return data

    def unseal(self, kind, level, epoch, birth, nonce, tag_field, ciphertext):
        plain = super().unseal(kind, level, epoch, birth, nonce, tag_field, ciphertext)
        return self.forge(kind, nonce, plain) if self.forge else plain


class Remembered(Credential):
    """Derives each slot once."""

    def __init__(self, kind, secret):
        super().__init__(kind, secret)
        self.known = {}

    def derive(self, salt, cost, body):
        key = salt, cost.bytes
        if key not in self.known:
            self.known[key] = super().derive(salt, cost, body)
        return self.known[key]


CREDENTIAL = Remembered(PASSPHRASE, b"the golden passphrase")


def complaints(container, **how):
    """What the reader says against the volume, notes too."""
    try:
        volume = Volume(container, CREDENTIAL)
        said = volume.report.problems + volume.report.notes
        if not said:
            volume.check(**how)
            said = volume.report.problems + volume.report.notes
        return said
    except (Damaged, Refused) as error:
        return [str(error)]


class Checks:
    def __init__(self):
        self.failed = 0

    def check(self, name, truth, details=""):
        if truth:
            print("ok - " + name)
        else:
            print("not ok - %s: %s" % (name, details))
            self.failed = 1
