"""4. The header, 5. keyslots, 6. keys."""

import hmac

from .constants import (BODY_BYTES, CIPHERS, EPOCHS, HEADER_BYTES, INCOMPATIBLE_KNOWN, MAGIC, SEALED_OUTSIDE,
                        SLOT_BYTES, SLOT_KINDS, SLOTS, STRETCHED, VERSION)
from .fields import Damaged, Fields, Refused, le32, need, need_zero
from .primitives import blake2b, open_sealed_box, open_xchacha, subkey, x25519_public

MAC_OFFSET = HEADER_BYTES - 32
SEALED_OFFSET = 233472
SLOTS_OFFSET = 4096
LANES_MAX = 64
MEMORY_MAX = 4 << 30
WORK_MAX = 256 << 30


class SlotEntry:
    """Kind and costs of a slot, from the table in the public part."""

    def __init__(self, fields, offset):
        self.bytes = fields.bytes(offset, 24)
        self.kind = fields.u32(offset)
        self.lanes, self.passes = fields.u32(offset + 4), fields.u32(offset + 8)
        fields.zero(offset + 12, 4, "a slot entry's reserved field")
        self.memory = fields.u64(offset + 16)
        need(self.kind == 0 or self.kind in SLOT_KINDS, "a slot of unknown kind %d" % self.kind)
        if self.kind in STRETCHED:
            need(self.memory % 1024 == 0, "a slot's memory is no multiple of 1024")
            need(self.memory and self.passes and self.lanes, "a slot without costs")
        else:
            need_zero(self.bytes[4:], "the costs of a slot that has none")

    def affordable(self):
        return (self.lanes <= LANES_MAX and self.memory <= MEMORY_MAX and
                self.memory * self.passes <= WORK_MAX)


class Header:
    """One copy: its public part is parsed at once, the sealed one when the master key is known."""

    def __init__(self, data):
        public = Fields(data, "header")
        need(data[:8] == MAGIC, "no magic")
        self.data = data
        self.mac = data[MAC_OFFSET:]
        if public.u32(8) != VERSION:
            raise Refused("format version %d" % public.u32(8))
        self.cipher = public.u32(12)
        if self.cipher not in CIPHERS:
            raise Refused("unknown cipher %d" % self.cipher)
        self.volume_id = public.bytes(16, 16)
        if public.u64(32) & ~INCOMPATIBLE_KNOWN:
            raise Refused("unknown incompatible features 0x%x" % public.u64(32))
        self.sequence = public.u64(40)
        need(self.sequence != 0, "header: sequence 0")
        self.label = public.text(48, 64, "the label")
        self.slots = [SlotEntry(public, 112 + 24 * i) for i in range(SLOTS)]
        public.zero(880, 3216, "the public part's end")
        self.bodies = [self._body(i) if self.slots[i].kind else b"" for i in range(SLOTS)]

    def keyslot(self, index):
        return self.data[SLOTS_OFFSET + SLOT_BYTES * index:SLOTS_OFFSET + SLOT_BYTES * (index + 1)]

    def _body(self, index):
        slot = Fields(self.keyslot(index), "slot %d" % index)
        length = slot.u32(216)
        need(length <= BODY_BYTES, "a slot's body of %d bytes" % length)
        need((length != 0) == (self.slots[index].kind in SEALED_OUTSIDE), "a slot's body where none is, or none")
        return slot.bytes(220, length)

    def same_slot(self, other, index):
        return self.slots[index].bytes == other.slots[index].bytes and self.keyslot(index) == other.keyslot(index)

    def mac_is_right(self, master):
        mac = blake2b(self.data[:MAC_OFFSET], 32, subkey(master, "header mac"))
        return hmac.compare_digest(mac, self.mac)

    def try_slot(self, index, credential):
        """The master key and the slot's public key, or None where the credential is another's."""
        entry, slot = self.slots[index], self.keyslot(index)
        salt, commitment, nonce = slot[:32], slot[32:64], slot[64:88]
        wrapping_key, ours = credential.derive(salt, entry, self.bodies[index])
        if not hmac.compare_digest(ours, commitment):
            return None
        associated = entry.bytes[:12] + entry.bytes[16:24] + salt + commitment + blake2b(self.bodies[index])
        secret = open_xchacha(wrapping_key, nonce, associated, slot[88:120], slot[120:136])
        return open_sealed_box(slot[136:216], secret), x25519_public(secret)

    def open_sealed(self, master):
        sealed = self.data[SEALED_OFFSET:SEALED_OFFSET + 4096]
        need_zero(sealed[40:56], "the end of the header's tag field")
        associated = self.volume_id + self.data[8:12] + self.data[40:48]
        plain = open_xchacha(subkey(master, "header seal"), sealed[:24], associated, sealed[56:], sealed[24:40])
        return SealedPart(plain, self)


class SealedPart:
    def __init__(self, plain, header):
        self.plain = plain
        fields = Fields(plain, "the header's sealed part")
        self.identity = fields.bytes(0, 32)
        self.epoch = fields.u32(32)
        fields.zero(36, 4, "the field after the epoch")
        self.volume_keys = {}
        self.ciphers = {}
        for i in range(EPOCHS):
            offset = 40 + 40 * i
            epoch = fields.u32(offset)
            if epoch == 0:
                fields.zero(offset, 40, "an unused epoch entry")
                continue
            need(epoch not in self.volume_keys, "an epoch stands twice")
            need(fields.u32(offset + 4) in CIPHERS, "an epoch has an unknown cipher")
            self.ciphers[epoch] = fields.u32(offset + 4)
            self.volume_keys[epoch] = fields.bytes(offset + 8, 32)
        need(self.epoch in self.volume_keys, "the current epoch has no key")
        need(self.epoch == max(self.volume_keys), "an epoch is later than the current one")
        need(len(self.volume_keys) <= 2, "more than two epochs are in use")
        need(self.ciphers[self.epoch] == header.cipher, "the current epoch has another cipher than the volume")
        self.slots = []
        for i in range(SLOTS):
            offset = 360 + 104 * i
            if header.slots[i].kind == 0:
                fields.zero(offset, 104, "an empty slot's entry")
            self.slots.append({"public_key": fields.bytes(offset, 32), "created": fields.i64(offset + 32),
                               "name": fields.text(offset + 40, 64, "a slot's name")})
        self.rekey_rate = fields.u64(3688)
        fields.zero(3696, 344, "the end")
        self.fingerprint = subkey(self.identity, "fingerprint")

    def keys(self, epoch):
        """The four subkeys of an epoch, by label."""
        context = blake2b(self.identity) + le32(epoch) + le32(self.ciphers[epoch])
        return {label: subkey(self.volume_keys[epoch], label, context)
                for label in ("node", "data", "superblock", "log")}


def read_copies(container, report):
    """9.1: the copies that can be used, as (number, Header)."""
    copies, reasons = [], []
    for number, data in enumerate(container.headers()):
        if data is None or data[:8] != MAGIC:
            reasons.append("header copy %d has no magic" % number)
            continue
        try:
            copies.append((number, Header(data)))
        except (Damaged, Refused) as error:
            reasons.append("header copy %d: %s" % (number, error))
            if isinstance(error, Refused):
                reasons.insert(0, reasons.pop())
    if not copies:
        raise Refused(reasons[0])
    for reason in reasons:
        report.note(reason)
    return copies


def unlock(copies, credential, only_slot, report):
    """9.2 and 9.3: the copy to use, its sealed part, the number of the slot that opened it."""
    for _, header in copies:
        for index, entry in enumerate(header.slots):
            if entry.kind != credential.kind or only_slot not in (None, index):
                continue
            if not entry.affordable():
                report.note("slot %d asks for more than this reader gives" % index)
                continue
            try:
                opened = header.try_slot(index, credential)
            except Damaged as error:
                report.note("slot %d: %s" % (index, error))
                continue
            if opened is not None:
                return choose(copies, header, index, *opened, report)
    raise Refused("no slot of this kind opens with this credential")


def choose(copies, opened_in, index, master, public_key, report):
    good = [(number, header) for number, header in copies if header.mac_is_right(master)]
    for number, header in copies:
        if not any(header is usable for _, usable in good):
            report.note("header copy %d: wrong MAC" % number)
    if not good:
        raise Damaged("no header copy has the right MAC")
    best = max((header for _, header in good), key=lambda header: (header.sequence, header is opened_in))
    if not best.same_slot(opened_in, index):
        raise Refused("the credential was removed")
    sealed = best.open_sealed(master)
    need(sealed.slots[index]["public_key"] == public_key, "slot %d has another public key" % index)
    if len(copies) == 2 and copies[0][1].data != copies[1][1].data:
        report.note("the header's copies differ")
    return best, sealed, index
