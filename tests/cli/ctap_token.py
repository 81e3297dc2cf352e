"""A FIDO2 token made of software: CTAPHID's frames on a socket of packets, to which tests/support/token_plug.c
connects libfido2. It is plugged in while this runs.

ctap_token.py STATE SOCKET MOOD [SETTING...]: for STATE and SETTING see ctap_authenticator.py. The file MOOD says what
is wrong at the moment; missing or empty: nothing."""

import os
import random
import socket
import sys
import threading

import ctap_authenticator

REPORT = 64
EVERYBODY = b"\xff" * 4
CHANNEL = b"\x00\x12\x34\x56"
INIT, CBOR, CANCEL, KEEPALIVE, ERROR = 0x86, 0x90, 0x91, 0xbb, 0xbf
ERROR_COMMAND, ERROR_LENGTH, ERROR_SEQUENCE, ERROR_BUSY, ERROR_CHANNEL = 1, 3, 4, 6, 11
CAN_CBOR, CAN_NO_MSG = 4, 8
MESSAGE_MAX = REPORT - 7 + 128 * (REPORT - 5)
NEEDS_TOUCH = 2
# The same at each run: some noise makes libcbor ask for gigabytes, which it does not touch, but a sanitizer does.
NOISE = random.Random(4).randbytes(200)
# Moods of whoever is to touch it, and what the token makes of them.
PEOPLE = {"nobody": ctap_authenticator.USER_ACTION_TIMEOUT, "denied": ctap_authenticator.OPERATION_DENIED}


class Gone(Exception):
    pass


class Wire:
    """Messages on one connection."""

    def __init__(self, connection):
        self.connection = connection

    def report(self):
        try:
            report = self.connection.recv(REPORT + 1)
        except OSError as error:
            raise Gone from error
        if len(report) != REPORT:
            raise Gone
        return report

    def send(self, channel, command, payload, claimed=None):
        length = len(payload) if claimed is None else claimed
        head = channel + bytes([command]) + length.to_bytes(2, "big")
        reports, rest = [head + payload[:REPORT - 7]], payload[REPORT - 7:]
        while rest:
            reports.append(channel + bytes([len(reports) - 1]) + rest[:REPORT - 5])
            rest = rest[REPORT - 5:]
        try:
            for report in reports:
                self.connection.send(report.ljust(REPORT, b"\0"))
        except OSError as error:
            raise Gone from error

    def receive(self):
        """The next whole message: channel, command, payload. What breaks the rules of frames is answered here."""
        while True:
            first = self.report()
            channel, command, length = first[:4], first[4], int.from_bytes(first[5:7], "big")
            if not command & 0x80:
                continue  # the rest of what was refused
            if length > MESSAGE_MAX:
                self.send(channel, ERROR, bytes([ERROR_LENGTH]))
                continue
            payload, sequence = first[7:], 0
            while len(payload) < length:
                more = self.report()
                if more[:5] != channel + bytes([sequence]):
                    self.send(channel, ERROR, bytes([ERROR_SEQUENCE]))
                    break
                payload += more[5:]
                sequence += 1
            else:
                return channel, command, payload[:length]


class Token:
    def __init__(self, state, mood_path, settings):
        self.mood_path = mood_path
        self.authenticator = ctap_authenticator.Authenticator(state, settings, self.mood, self.person)
        self.wire = None
        self.asked_for_touch = False

    def mood(self):
        try:
            with open(self.mood_path, encoding="ascii") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def person(self):
        mood = self.mood()
        self.asked_for_touch = True
        self.wire.send(CHANNEL, KEEPALIVE, bytes([NEEDS_TOUCH]))
        if mood == "withdrawn":
            raise Gone
        if mood == "dead":
            threading.Event().wait(600)
        while mood == "blinks":
            threading.Event().wait(0.1)
            self.wire.send(CHANNEL, KEEPALIVE, bytes([NEEDS_TOUCH]))
        return PEOPLE.get(mood, 0)

    def init(self, channel, payload):
        if len(payload) != 8:
            self.wire.send(channel, ERROR, bytes([ERROR_LENGTH]))
        elif self.mood() == "init-other":  # an answer to somebody else
            self.wire.send(channel, INIT, os.urandom(8) + CHANNEL + bytes([2, 5, 0, 0, CAN_CBOR]))
        elif self.mood() == "init-short":
            self.wire.send(channel, INIT, payload + CHANNEL)
        elif self.mood() == "u2f":
            self.wire.send(channel, INIT, payload + CHANNEL + bytes([2, 5, 0, 0, 0]))
        else:
            self.wire.send(channel, INIT, payload + CHANNEL + bytes([2, 5, 0, 0, CAN_CBOR | CAN_NO_MSG]))

    def cbor(self, payload):
        """Answers, and spoils what it says as the mood has it: "info-..." when it is asked what it is, "pin-..." about
        its PIN and its key, "ask-..." whether it has a credential, "touch-..." where somebody had to touch it."""
        self.asked_for_touch = False
        reply = self.authenticator.command(payload)
        about, _, kind = self.mood().partition("-")
        if about != ("touch" if self.asked_for_touch else {2: "ask", 4: "info", 6: "pin"}.get(payload[0])):
            self.wire.send(CHANNEL, CBOR, reply)
        elif kind == "noise":
            self.wire.send(CHANNEL, CBOR, b"\0" + NOISE)
        elif kind == "cut":
            self.wire.send(CHANNEL, CBOR, reply[:len(reply) * 2 // 3])
        elif kind == "deep":
            self.wire.send(CHANNEL, CBOR, b"\0" + b"\x81" * 1000)
        elif kind == "endless":  # a map of 2^64 - 1
            self.wire.send(CHANNEL, CBOR, b"\0\xbb" + b"\xff" * 8)
        elif kind == "empty":
            self.wire.send(CHANNEL, CBOR, b"")
        elif kind == "map":
            self.wire.send(CHANNEL, CBOR, b"\0\xa0")
        elif kind == "huge":
            self.wire.send(CHANNEL, CBOR, reply + NOISE * 35)
        elif kind == "unfinished":
            self.wire.send(CHANNEL, CBOR, reply, claimed=len(reply) + 500)
        elif kind == "other":
            self.wire.send(b"\x01\x01\x01\x01", CBOR, reply)
        elif kind == "busy":
            self.wire.send(CHANNEL, ERROR, bytes([ERROR_BUSY]))

    def serve(self, connection):
        self.wire = Wire(connection)
        while True:
            channel, command, payload = self.wire.receive()
            if self.mood() == "silent":
                continue
            if command == INIT:
                self.init(channel, payload)
            elif channel != CHANNEL:
                self.wire.send(channel, ERROR, bytes([ERROR_CHANNEL]))
            elif command == CBOR and payload:
                self.cbor(payload)
            elif command != CANCEL:
                self.wire.send(channel, ERROR, bytes([ERROR_COMMAND]))


def main():
    state, path, mood, settings = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    token = Token(state, mood, settings)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path + ".soon")
        listener.listen()
        os.rename(path + ".soon", path)
        while True:
            connection, _ = listener.accept()
            with connection:
                try:
                    token.serve(connection)
                except Gone:
                    pass


main()
