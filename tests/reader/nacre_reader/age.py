"""age-encryption.org/v1, for X25519 identities and payloads of one chunk."""

import base64
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .fields import Refused, need
from .primitives import x25519_public

BECH32 = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
PREFIX = "AGE-SECRET-KEY-1"
SECRET_DIGITS, CHECK_DIGITS = 52, 6


def identity(text):
    """The secret key in a file of age-keygen's. The checksum is for whoever types it."""
    lines = [line for line in text.splitlines() if line.startswith(PREFIX)]
    if not lines or len(lines[0]) != len(PREFIX) + SECRET_DIGITS + CHECK_DIGITS:
        raise Refused("no age identity")
    number = 0
    for letter in lines[0][len(PREFIX):-CHECK_DIGITS]:
        number = number << 5 | BECH32.index(letter)
    return (number >> 4).to_bytes(32, "big")


def _hkdf(key, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(key)


def _base64(text):
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def _open(key, nonce, sealed):
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, None)
    except InvalidTag:
        return None


def _stanzas(lines):
    """(arguments, body) of each recipient, then the last line."""
    line = next(lines)
    while line.startswith(b"-> "):
        arguments, body = line[3:].split(b" "), b""
        while True:
            part = next(lines)
            body += _base64(part)
            if len(part) < 64:
                break
        yield arguments, body
        line = next(lines)
    yield line, None


def decrypt(secret, data):
    """The plaintext, or None where the file is for other identities."""
    head, mark, rest = data.partition(b"\n--- ")
    mac, _, payload = rest.partition(b"\n")
    lines = iter((head + b"\n---").split(b"\n"))
    need(mark and next(lines) == b"age-encryption.org/v1", "not an age file")
    public, file_key = x25519_public(secret), None
    for arguments, body in _stanzas(lines):
        if body is not None and arguments[0] == b"X25519" and file_key is None:
            share = _base64(arguments[1])
            shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(share))
            file_key = _open(_hkdf(shared, share + public, b"age-encryption.org/v1/X25519"), bytes(12), body)
    if file_key is None:
        return None
    ours = hmac.digest(_hkdf(file_key, b"", b"header"), head + b"\n---", "sha256")
    need(hmac.compare_digest(ours, _base64(mac)), "the age file's header does not authenticate")
    plain = _open(_hkdf(file_key, payload[:16], b"payload"), bytes(11) + b"\1", payload[16:])
    need(plain is not None, "the age file's payload does not authenticate")
    return plain
