"""2. Primitives: hashes, key derivation and the three AEADs."""

import hashlib

import nacl.bindings
import nacl.exceptions
from argon2.low_level import Type, core, ffi
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import aegis
from .fields import Damaged, le64, need, need_zero


def blake2b(data, size=32, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def _labelled(label, rest):
    return bytes([len(label)]) + label.encode() + rest


def subkey(key, label, context=b""):
    return blake2b(_labelled(label, context), 32, key)


def expand(salt, label, material):
    return blake2b(_labelled(label, material), 64, salt)


def siphash(key, data):
    return int.from_bytes(nacl.bindings.crypto_shorthash_siphash24(data, key), "little")


def argon2id(password, salt, associated, memory_bytes, passes, lanes):
    """64 bytes. The wrapper's own functions know no associated data, so that the C structure is filled here."""
    out = ffi.new("uint8_t[]", 64)
    held = [ffi.new("uint8_t[]", bytes(part)) for part in (password, salt, associated)]
    context = ffi.new("argon2_context *", {
        "version": 0x13, "out": out, "outlen": 64, "pwd": held[0], "pwdlen": len(password), "salt": held[1],
        "saltlen": len(salt), "secret": ffi.NULL, "secretlen": 0, "ad": held[2], "adlen": len(associated),
        "t_cost": passes, "m_cost": memory_bytes // 1024, "lanes": lanes, "threads": lanes,
        "allocate_cbk": ffi.NULL, "free_cbk": ffi.NULL, "flags": 0})
    code = core(context, Type.ID.value)
    need(code == 0, "Argon2id refuses the costs: code %d" % code)
    return bytes(ffi.buffer(out, 64))


def x25519_public(secret):
    return nacl.bindings.crypto_scalarmult_base(secret)


def open_sealed_box(box, secret):
    """5: 32 bytes of ephemeral public key, then crypto_box with a nonce made of both public keys."""
    ephemeral, sealed = box[:32], box[32:]
    nonce = blake2b(ephemeral + x25519_public(secret), 24)
    try:
        return nacl.bindings.crypto_box_open(sealed, nonce, ephemeral, secret)
    except nacl.exceptions.CryptoError:
        raise Damaged("the sealed master key does not authenticate") from None


def open_xchacha(key, nonce, associated, ciphertext, tag):
    try:
        return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext + tag, associated, nonce, key)
    except nacl.exceptions.CryptoError:
        raise Damaged("does not authenticate") from None


def _aes_block(key, block):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def _xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def _xaes_key(key, nonce):
    mask = int.from_bytes(_aes_block(key, bytes(16)), "big") << 1
    if mask >> 128:
        mask ^= 1 << 128 | 0x87
    mask = mask.to_bytes(16, "big")
    return b"".join(_aes_block(key, _xor(bytes([0, number, 0x58, 0]) + nonce[:12], mask)) for number in (1, 2))


def open_xaes(key, nonce, associated, ciphertext, tag):
    try:
        return AESGCM(_xaes_key(key, nonce)).decrypt(nonce[12:], ciphertext + tag, associated)
    except InvalidTag:
        raise Damaged("does not authenticate") from None


def open_aead(cipher, key, nonce, associated, ciphertext, tag_field):
    """Open with the volume's AEAD, by its number."""
    if cipher == 3:
        plain = aegis.decrypt(key, nonce + bytes(8), associated, ciphertext, tag_field)
        need(plain is not None, "does not authenticate")
        return plain
    need_zero(tag_field[16:], "the end of a tag field")
    opener = open_xaes if cipher == 1 else open_xchacha
    return opener(key, nonce, associated, ciphertext, tag_field[:16])


def nonce_add(nonce, number):
    """The nonce of the block `number` places on in a run."""
    counter = int.from_bytes(nonce[16:], "little") + number
    need(counter < 1 << 64, "a nonce's counter wraps")
    return nonce[:16] + le64(counter)
