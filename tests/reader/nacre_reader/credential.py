"""5. Credentials: their kinds, the text of a recovery key, and the 64 bytes that each gives for a slot."""

from .constants import KEY_FILE, PASSPHRASE, RAW_KEY, RECOVERY_KEY
from .fields import Refused
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


class Credential:
    def __init__(self, kind, secret):
        self.kind, self.secret = kind, secret
        longest = {PASSPHRASE: 1 << 20, KEY_FILE: 16 << 20, RECOVERY_KEY: 20, RAW_KEY: 32}[kind]
        shortest = 1 if kind in (PASSPHRASE, KEY_FILE) else longest
        if not shortest <= len(secret) <= longest:
            raise Refused("a credential of this kind has %d to %d bytes" % (shortest, longest))

    def derive(self, salt, cost):
        """The wrapping key and the commitment."""
        if self.kind == PASSPHRASE:
            out = argon2id(self.secret, salt, b"nacre passphrase", cost.memory, cost.passes, cost.lanes)
        elif self.kind == KEY_FILE:
            out = argon2id(blake2b(self.secret, 64), salt, b"nacre key file", cost.memory, cost.passes, cost.lanes)
        elif self.kind == RECOVERY_KEY:
            out = expand(salt, "nacre recovery key", self.secret)
        else:
            out = expand(salt, "nacre raw key", self.secret)
        return out[:32], out[32:]
