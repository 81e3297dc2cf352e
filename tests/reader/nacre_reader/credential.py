"""5. Credentials: their kinds, the text of a recovery key, and the 64 bytes that each gives for a slot."""

from . import age
from .constants import BOTH, ESCROW, FIDO2, KEY_FILE, PASSPHRASE, RAW_KEY, RECOVERY_KEY, STRETCHED, UNATTENDED
from .fields import Refused, le64, need
from .primitives import argon2id, blake2b, expand

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP_DIGITS = 8, 4


def _double(element):
    """Times x in GF(32) with x^5 + x^2 + 1."""
    return (element << 1) ^ (0b100101 if element & 16 else 0)


def check_digit(digits, group):
    total = 0
    for digit in digits:
        total = _double(total ^ digit)
    return total ^ group


def recovery_key(text):
    """The 20 bytes that a recovery key's text stands for."""
    digits = []
    for letter in text.upper():
        if letter in " \t\r\n-_.":
            continue
        letter = {"O": "0", "I": "1", "L": "1"}.get(letter, letter)
        if letter not in DIGITS:
            raise Refused("a recovery key has no %r" % letter)
        digits.append(DIGITS.index(letter))
    if len(digits) != GROUPS * (GROUP_DIGITS + 1):
        raise Refused("a recovery key has %d characters" % (GROUPS * (GROUP_DIGITS + 1)))
    number = 0
    for group in range(1, GROUPS + 1):
        *data, check = digits[5 * (group - 1):5 * group]
        if check_digit(data, group) != check:
            raise Refused("group %d of the recovery key is mistyped" % group)
        for digit in data:
            number = number << 5 | digit
    return number.to_bytes(20, "big")


def recovery_text(key):
    number = int.from_bytes(key, "big")
    groups = []
    for group in range(1, GROUPS + 1):
        data = [number >> 5 * (32 - 4 * group + left) & 31 for left in (3, 2, 1, 0)]
        groups.append("".join(DIGITS[digit] for digit in data + [check_digit(data, group)]))
    return "-".join(groups)


LABELS = {PASSPHRASE: "nacre passphrase", KEY_FILE: "nacre key file", RECOVERY_KEY: "nacre recovery key",
          RAW_KEY: "nacre raw key", BOTH: "nacre passphrase and key file", ESCROW: "nacre escrow",
          UNATTENDED: "nacre unattended", FIDO2: "nacre fido2"}
SHORTEST = {PASSPHRASE: 1, KEY_FILE: 1, RECOVERY_KEY: 20, RAW_KEY: 32, ESCROW: 32, UNATTENDED: 32, FIDO2: 32}
LONGEST = {**SHORTEST, PASSPHRASE: 1 << 20, KEY_FILE: 16 << 20}


def _check_length(kind, secret):
    if not SHORTEST[kind] <= len(secret) <= LONGEST[kind]:
        raise Refused("a credential of this kind has %d to %d bytes" % (SHORTEST[kind], LONGEST[kind]))


class Credential:
    def __init__(self, kind, secret):
        _check_length(kind, secret)
        self.kind, self.material = kind, blake2b(secret, 64) if kind == KEY_FILE else secret

    def derive(self, salt, cost, _body):
        """The wrapping key and the commitment."""
        label = LABELS[self.kind]
        if self.kind in STRETCHED:
            out = argon2id(self.material, salt, label.encode(), cost.memory, cost.passes, cost.lanes)
        else:
            out = expand(salt, label, self.material)
        return out[:32], out[32:]


class Both(Credential):
    """A passphrase and a key file together."""

    def __init__(self, passphrase, key_file):
        _check_length(PASSPHRASE, passphrase)
        _check_length(KEY_FILE, key_file)
        self.kind = BOTH
        self.material = blake2b(le64(len(passphrase)) + passphrase + blake2b(key_file, 64), 64)


class Escrow(Credential):
    """An age identity: the slot's key is what it makes of the slot's body."""

    def __init__(self, identity):
        self.kind, self.identity = ESCROW, identity

    def derive(self, salt, cost, body):
        key = age.decrypt(self.identity, body)
        if key is None:
            return bytes(32), bytes(32)  # for somebody else
        need(len(key) == 32, "an escrow slot's age file holds %d bytes" % len(key))
        return Credential(ESCROW, key).derive(salt, cost, body)
