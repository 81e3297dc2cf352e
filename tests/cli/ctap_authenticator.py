"""The commands of a CTAP2 authenticator made of software: one that keeps no resident keys and knows hmac-secret.

What it gives for a salt depends on the token's secret, the credential, and on whether the user was verified. It is
strict: what the standard lets it refuse, it refuses."""

import hashlib
import hmac
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import ctap_cbor
from ctap_pin import ECDH_ES_HKDF_256, Protocol, cose_key

INVALID_CBOR, MISSING_PARAMETER, UNSUPPORTED_ALGORITHM, OPERATION_DENIED = 0x12, 0x14, 0x26, 0x27
UNSUPPORTED_OPTION, NO_CREDENTIALS, USER_ACTION_TIMEOUT, PIN_INVALID, PIN_BLOCKED = 0x2b, 0x2e, 0x2f, 0x31, 0x32
PIN_AUTH_INVALID, PIN_AUTH_BLOCKED, PIN_NOT_SET, PIN_REQUIRED, UV_INVALID = 0x33, 0x34, 0x35, 0x36, 0x3f
INVALID_COMMAND, INVALID_PARAMETER = 1, 2

PIN_TRIES, PIN_TRIES_IN_A_ROW = 8, 3
MAKE, ASSERT = 1, 2  # the permissions, too
USER_PRESENT, USER_VERIFIED, HAS_CREDENTIAL, HAS_EXTENSIONS = 1, 4, 0x40, 0x80
ES256 = -7


class CtapError(Exception):
    def __init__(self, code):
        super().__init__("0x%02x" % code)
        self.code = code


class Authenticator:
    """settings: "new" (CTAP 2.1, else 2.0), "finger", "no-hmac-secret", and "pin=..." as texts. The file `state`
    outlives a power cycle, which is the life of this object. mood() is what goes wrong, or "". `person` is asked for
    a touch: an error code, or 0."""

    def __init__(self, state, settings, mood, person):
        self.state_path, self.settings, self.mood, self.person = state, settings, mood, person
        self.protocols = {number: Protocol(number) for number in ((2, 1) if "new" in settings else (1,))}
        self.wrong_in_a_row = 0
        self.granted = {}  # protocol: (permissions, relying party)
        pins = [text[4:] for text in settings if text.startswith("pin=")]
        try:
            with open(state, encoding="ascii") as file:
                self.state = json.load(file)
        except FileNotFoundError:
            self.state = {"secret": os.urandom(32).hex(), "left": PIN_TRIES, "counter": 0, "touched": 0}
        self.state["pin"] = hashlib.sha256(pins[0].encode()).digest()[:16].hex() if pins else ""
        self.keep()

    def keep(self):
        with open(self.state_path + ".new", "w", encoding="ascii") as file:
            json.dump(self.state, file)
        os.rename(self.state_path + ".new", self.state_path)

    def command(self, message):
        """The reply to a command: its status and, where that is 0, a map."""
        commands = {1: self.make_credential, 2: self.get_assertion, 4: self.get_info, 6: self.client_pin}
        if not message or message[0] not in commands:
            return bytes([INVALID_COMMAND])
        try:
            asked = ctap_cbor.decode(message[1:]) if len(message) > 1 else {}
            if not isinstance(asked, dict):
                raise CtapError(INVALID_CBOR)
            answer = commands[message[0]](asked)
        except CtapError as error:
            return bytes([error.code])
        except ctap_cbor.Malformed:
            return bytes([INVALID_CBOR])
        except KeyError:
            return bytes([MISSING_PARAMETER])
        except (ValueError, TypeError):
            return bytes([INVALID_PARAMETER])
        return b"\0" + (ctap_cbor.encode(answer) if answer else b"")

    # ---- What it is ----

    def get_info(self, _asked):
        new = "new" in self.settings
        options = {"rk": False, "up": True, "plat": False, "clientPin": bool(self.state["pin"])}
        if "finger" in self.settings:
            options["uv"] = True
        if new:
            options["pinUvAuthToken"] = True
        info = {1: ["FIDO_2_0", "FIDO_2_1"] if new else ["FIDO_2_0"], 3: b"software token.."[:16], 4: options, 5: 1200,
                6: list(self.protocols)}
        if "no-hmac-secret" not in self.settings:
            info[2] = ["hmac-secret"]
        return info

    # ---- The PIN ----

    def protocol(self, number):
        if number not in self.protocols:
            raise CtapError(INVALID_PARAMETER)
        return self.protocols[number]

    def check_pin(self, protocol, keys, encrypted):
        if not self.state["pin"]:
            raise CtapError(PIN_NOT_SET)
        if self.state["left"] == 0:
            raise CtapError(PIN_BLOCKED)
        if self.wrong_in_a_row >= PIN_TRIES_IN_A_ROW:
            raise CtapError(PIN_AUTH_BLOCKED)
        self.state["left"] -= 1
        self.keep()  # before it is looked at: no power cut gives a try back
        if hmac.compare_digest(protocol.decrypt(keys, encrypted), bytes.fromhex(self.state["pin"])):
            self.state["left"], self.wrong_in_a_row = PIN_TRIES, 0
            self.keep()
            return
        protocol.key = ec.generate_private_key(ec.SECP256R1())
        self.wrong_in_a_row += 1
        if self.state["left"] == 0:
            raise CtapError(PIN_BLOCKED)
        raise CtapError(PIN_AUTH_BLOCKED if self.wrong_in_a_row >= PIN_TRIES_IN_A_ROW else PIN_INVALID)

    def client_pin(self, asked):
        protocol, what = self.protocol(asked.get(1, 0)), asked[2]
        if what == 1:
            return {3: self.state["left"], 4: self.wrong_in_a_row >= PIN_TRIES_IN_A_ROW}
        if what == 2:
            return {1: cose_key(protocol.key.public_key(), ECDH_ES_HKDF_256)}
        new = "new" in self.settings
        if what not in ((5, 6, 9) if new else (5,)):
            raise CtapError(INVALID_PARAMETER)
        permissions, party = (asked[9], asked[10]) if what != 5 else (MAKE | ASSERT, None)
        keys = protocol.agree(asked[3])
        if what == 6:
            self.touch(verifying=True)
        else:
            self.check_pin(protocol, keys, asked[6])
        protocol.pin_token = os.urandom(32)
        self.granted[protocol.number] = (permissions, party)
        return {2: protocol.encrypt(keys, protocol.pin_token)}

    def verified(self, command, asked, party, options, proof_at):
        """Whether the user is known: by the PIN, or by a finger where that is asked for."""
        if proof_at in asked:
            protocol = self.protocol(asked.get(proof_at + 1, 0))
            hash_at = 1 if command == MAKE else 2
            if not protocol.vouches(protocol.pin_token, asked[hash_at], asked[proof_at]):
                raise CtapError(PIN_AUTH_INVALID)
            permissions, bound_to = self.granted.get(protocol.number, (0, None))
            if not permissions & command or bound_to not in (None, party):
                raise CtapError(PIN_AUTH_INVALID)
            return True
        if not options.get("uv", False):
            return False
        if "finger" not in self.settings:
            raise CtapError(UNSUPPORTED_OPTION)
        self.touch(verifying=True)
        return True

    def touch(self, verifying=False):
        code = self.person()
        if code == 0 and verifying and self.mood() == "stranger":
            code = UV_INVALID
        if code:
            raise CtapError(code)
        self.state["touched"] += 1
        self.keep()

    # ---- Credentials ----

    def derive(self, *parts):
        text = b"".join(len(part).to_bytes(2, "big") + part for part in parts)
        return hmac.new(bytes.fromhex(self.state["secret"]), text, hashlib.sha256).digest()

    def signing_key(self, credential):
        return ec.derive_private_key(int.from_bytes(self.derive(b"signing", credential), "big") >> 1, ec.SECP256R1())

    def auth_data(self, party, flags, rest=b""):
        self.state["counter"] += 1
        self.keep()
        head = hashlib.sha256(party.encode()).digest() + bytes([flags])
        return head + self.state["counter"].to_bytes(4, "big") + rest

    def make_credential(self, asked):
        party, options = asked[2]["id"], asked.get(7, {})
        if not {"type": "public-key", "alg": ES256} in asked[4]:
            raise CtapError(UNSUPPORTED_ALGORITHM)
        if options.get("rk", False) or "up" in options or len(asked[1]) != 32 or not asked[3]["id"]:
            raise CtapError(UNSUPPORTED_OPTION)
        known = self.verified(MAKE, asked, party, options, 8)
        if not known and (self.state["pin"] or "finger" in self.settings):
            raise CtapError(PIN_REQUIRED)
        self.touch()
        nonce = os.urandom(32)
        credential = nonce + self.derive(b"mark", party.encode(), nonce)
        signing = self.signing_key(credential)
        flags = USER_PRESENT | HAS_CREDENTIAL | (USER_VERIFIED if known else 0)
        rest = bytes(16) + len(credential).to_bytes(2, "big") + credential
        rest += ctap_cbor.encode(cose_key(signing.public_key(), ES256))
        if asked.get(6, {}).get("hmac-secret") is True and "no-hmac-secret" not in self.settings:
            flags |= HAS_EXTENSIONS
            rest += ctap_cbor.encode({"hmac-secret": True})
        data = self.auth_data(party, flags, rest)
        signature = signing.sign(data + asked[1], ec.ECDSA(hashes.SHA256()))
        return {1: "packed", 2: data, 3: {"alg": ES256, "sig": signature}}

    def hmac_secret(self, credential, asked, known):
        protocol = self.protocol(asked.get(4, 1))
        keys = protocol.agree(asked[1])
        if not protocol.vouches(keys[1], asked[2], asked[3]):
            raise CtapError(PIN_AUTH_INVALID)
        salt = protocol.decrypt(keys, asked[2])
        if len(salt) not in (32, 64):
            raise CtapError(INVALID_PARAMETER)
        random = self.derive(b"known" if known else b"anyone", credential)
        told = b"".join(hmac.digest(random, salt[at:at + 32], "sha256") for at in range(0, len(salt), 32))
        self.state["salt"], self.state["told"] = salt.hex(), told.hex()
        self.keep()
        changes = {"hmac-short": told[:16], "hmac-long": told * 2, "hmac-other": bytes(len(told)), "hmac-uneven": None}
        told = changes.get(self.mood(), told)
        return protocol.encrypt(keys, told) if told is not None else os.urandom(31)

    def get_assertion(self, asked):
        party, options, extensions = asked[1], asked.get(5, {}), asked.get(4, {})
        if options.get("rk", False) or len(asked[2]) != 32:
            raise CtapError(UNSUPPORTED_OPTION)
        present = options.get("up", True)
        ours = [item["id"] for item in asked.get(3, []) if item["type"] == "public-key" and len(item["id"]) == 64
                and hmac.compare_digest(item["id"][32:], self.derive(b"mark", party.encode(), item["id"][:32]))]
        known = self.verified(ASSERT, asked, party, options, 6)
        if not ours or (present and self.mood() == "forgets"):
            raise CtapError(NO_CREDENTIALS)
        if present:
            self.touch()
        flags, rest = (USER_PRESENT if present else 0) | (USER_VERIFIED if known else 0), b""
        if "hmac-secret" in extensions and "no-hmac-secret" not in self.settings and self.mood() != "hmac-none":
            if not present:
                raise CtapError(UNSUPPORTED_OPTION)
            flags |= HAS_EXTENSIONS
            rest = ctap_cbor.encode({"hmac-secret": self.hmac_secret(ours[0], extensions["hmac-secret"], known)})
        data = self.auth_data(party, flags, rest)
        answer = {1: {"id": ours[0], "type": "public-key"}, 2: data,
                  3: self.signing_key(ours[0]).sign(data + asked[2], ec.ECDSA(hashes.SHA256()))}
        if present and self.mood() == "hmac-many":
            answer[5] = 2
        return answer
