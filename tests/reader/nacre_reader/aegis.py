"""AEGIS-256 with a tag of 32 bytes, from draft-irtf-cfrg-aegis-aead. Slow: Debian's Python has no library for it.

A state is six 128-bit blocks, held as 24 words in one flat sequence; an AES round goes through the four usual tables.
"""

import hmac
import struct


def _tables():
    inverse = [0] * 256
    power, log = [0] * 255, [0] * 256
    value = 1
    for exponent in range(255):
        power[exponent], log[value] = value, exponent
        value ^= value << 1 ^ (0x11B if value & 0x80 else 0)
    for byte in range(1, 256):
        inverse[byte] = power[-log[byte] % 255]
    found = [[], [], [], []]
    for byte in range(256):
        x, s = inverse[byte], 0x63
        for turn in range(5):
            s ^= (x << turn | x >> (8 - turn)) & 0xFF
        double = (s << 1 ^ (0x11B if s & 0x80 else 0)) & 0xFF
        # A column of the little-endian word (2s, s, s, 3s), and its rotations for the other rows.
        word = double | s << 8 | s << 16 | (double ^ s) << 24
        for row in range(4):
            found[row].append((word << 8 * row | word >> (32 - 8 * row)) & 0xFFFFFFFF)
    return found


_T0, _T1, _T2, _T3 = _tables()
_C0 = struct.unpack("<4I", bytes.fromhex("000101020305080d1522375990e97962"))
_C1 = struct.unpack("<4I", bytes.fromhex("db3d18556dc22ff12011314273b528dd"))


def _round(block, key, t0=_T0, t1=_T1, t2=_T2, t3=_T3):
    """One AES round of the block, with that round key."""
    a, b, c, d = block
    k, l, m, n = key
    return (t0[a & 255] ^ t1[b >> 8 & 255] ^ t2[c >> 16 & 255] ^ t3[d >> 24] ^ k,
            t0[b & 255] ^ t1[c >> 8 & 255] ^ t2[d >> 16 & 255] ^ t3[a >> 24] ^ l,
            t0[c & 255] ^ t1[d >> 8 & 255] ^ t2[a >> 16 & 255] ^ t3[b >> 24] ^ m,
            t0[d & 255] ^ t1[a >> 8 & 255] ^ t2[b >> 16 & 255] ^ t3[c >> 24] ^ n)


def _xor(p, q):
    return (p[0] ^ q[0], p[1] ^ q[1], p[2] ^ q[2], p[3] ^ q[3])


def _update(state, message):
    s0, s1, s2, s3, s4, s5 = state
    return (_round(s5, _xor(s0, message)), _round(s0, s1), _round(s1, s2), _round(s2, s3), _round(s3, s4),
            _round(s4, s5))


def _keystream(state):
    _, s1, s2, s3, s4, s5 = state
    return tuple(s1[i] ^ s4[i] ^ s5[i] ^ (s2[i] & s3[i]) for i in range(4))


def _blocks(data):
    for offset in range(0, len(data), 16):
        yield struct.unpack("<4I", data[offset:offset + 16].ljust(16, b"\0"))


def _start(key, nonce):
    k0, k1 = _blocks(key)
    n0, n1 = _blocks(nonce)
    state = (_xor(k0, n0), _xor(k1, n1), _C1, _C0, _xor(k0, _C0), _xor(k1, _C1))
    for _ in range(4):
        for message in (k0, k1, _xor(k0, n0), _xor(k1, n1)):
            state = _update(state, message)
    return state


def _finish(state, associated_len, message_len):
    lengths = struct.unpack("<4I", struct.pack("<QQ", 8 * associated_len, 8 * message_len))
    last = _xor(state[3], lengths)
    for _ in range(7):
        state = _update(state, last)
    halves = (_xor(_xor(state[0], state[1]), state[2]), _xor(_xor(state[3], state[4]), state[5]))
    return b"".join(struct.pack("<4I", *half) for half in halves)


def decrypt(key, nonce, associated, ciphertext, tag):
    """The plaintext, or None where the 32-byte tag is not the right one."""
    state = _start(key, nonce)
    for block in _blocks(associated):
        state = _update(state, block)
    plain = bytearray()
    for block in _blocks(ciphertext):
        message = _xor(block, _keystream(state))
        rest = len(ciphertext) - len(plain)
        if rest < 16:
            part = struct.pack("<4I", *message)[:rest]
            plain += part
            message = next(_blocks(part))
        else:
            plain += struct.pack("<4I", *message)
        state = _update(state, message)
    if not hmac.compare_digest(_finish(state, len(associated), len(ciphertext)), tag):
        return None
    return bytes(plain)
