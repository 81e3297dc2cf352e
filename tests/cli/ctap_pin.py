"""The two PIN protocols of CTAP2: what the token and who asks it encrypt and authenticate for each other."""

import hashlib
import hmac
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ECDH_ES_HKDF_256 = -25


def cose_key(public, algorithm):
    numbers = public.public_numbers()
    return {1: 2, 3: algorithm, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}


def _aes_cbc(key, vector, data, decrypting):
    cipher = Cipher(algorithms.AES(key), modes.CBC(vector))
    run = cipher.decryptor() if decrypting else cipher.encryptor()
    return run.update(data) + run.finalize()


class Protocol:
    """One of the two, with this power cycle's key for the agreement. ValueError: what came is not what it should be."""

    def __init__(self, number):
        self.number = number
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pin_token = os.urandom(32)

    def agree(self, peer):
        if not isinstance(peer, dict) or (peer.get(1), peer.get(3), peer.get(-1)) != (2, ECDH_ES_HKDF_256, 1):
            raise ValueError("no key for this agreement")
        point = ec.EllipticCurvePublicNumbers(int.from_bytes(peer[-2], "big"), int.from_bytes(peer[-3], "big"),
                                              ec.SECP256R1())
        shared = self.key.exchange(ec.ECDH(), point.public_key())  # which refuses a point off the curve
        if self.number == 1:
            digest = hashlib.sha256(shared).digest()
            return digest, digest
        return tuple(HKDF(hashes.SHA256(), 32, b"\0" * 32, b"CTAP2 " + use + b" key").derive(shared)
                     for use in (b"AES", b"HMAC"))

    def encrypt(self, keys, data):
        if self.number == 1:
            return _aes_cbc(keys[0], b"\0" * 16, data, False)
        vector = os.urandom(16)
        return vector + _aes_cbc(keys[0], vector, data, False)

    def decrypt(self, keys, data):
        vector = b"\0" * 16
        if self.number == 2:
            vector, data = data[:16], data[16:]
        if not data or len(data) % 16 or len(vector) != 16:
            raise ValueError("no whole blocks")
        return _aes_cbc(keys[0], vector, data, True)

    def vouches(self, key, data, mac):
        whole = hmac.new(key, data, hashlib.sha256).digest()
        return hmac.compare_digest(whole[:16] if self.number == 1 else whole, mac)
