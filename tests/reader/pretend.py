#!/usr/bin/python3
"""pretend.py VOLUME PASSFILE OTHER: give a volume that the passphrase opens the public id and the label of another one.

What a thief can do who knows his own volume's keys: its header is sealed and authenticated anew, with the next
sequence, in both copies. The identity secret, which he doesn't know of the other, stays his own."""

import os
import struct
import sys

import nacl.bindings

from nacre_reader.constants import GROUP_STARTS, HEADER_BYTES, PASSPHRASE
from nacre_reader.container import Container
from nacre_reader.credential import Credential
from nacre_reader.fields import Report
from nacre_reader.header import MAC_OFFSET, SEALED_OFFSET, read_copies
from nacre_reader.primitives import blake2b, subkey


def master_key(header, credential):
    for index, entry in enumerate(header.slots):
        if entry.kind == credential.kind:
            opened = header.try_slot(index, credential)
            if opened is not None:
                return opened[0]
    sys.exit("the passphrase opens no slot")


def sealed_anew(header, master, volume_id, label):
    plain = header.open_sealed(master).plain
    data = bytearray(header.data)
    data[16:32] = volume_id
    data[40:48] = struct.pack("<Q", header.sequence + 1)
    data[48:112] = label
    nonce = os.urandom(24)
    associated = bytes(data[16:32] + data[8:12] + data[40:48])
    box = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, nonce,
                                                                   subkey(master, "header seal"))
    data[SEALED_OFFSET:SEALED_OFFSET + 4096] = nonce + box[-16:] + bytes(16) + box[:-16]
    data[MAC_OFFSET:] = blake2b(bytes(data[:MAC_OFFSET]), 32, subkey(master, "header mac"))
    return bytes(data)


def main(path, passfile, other):
    with open(passfile, "rb") as file:
        credential = Credential(PASSPHRASE, file.readline().rstrip(b"\n"))
    ours, theirs = Container(path), Container(other)
    header = read_copies(ours, Report())[0][1]
    public = theirs.read(0, HEADER_BYTES)
    data = sealed_anew(header, master_key(header, credential), public[16:32], public[48:112])
    ours.close()
    theirs.close()
    with open(path, "r+b") as file:
        for start in GROUP_STARTS:
            file.seek(start)
            file.write(data)


main(*sys.argv[1:])
