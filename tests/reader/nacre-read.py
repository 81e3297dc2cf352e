#!/usr/bin/python3
"""Open a Nacre volume without Nacre's code: check everything, list it, extract it.

Exit codes: 0 all is well; 3 the credential or the volume was refused; 4 something is damaged.
"""

import argparse
import json
import sys

from nacre_reader.age import identity as age_identity
from nacre_reader.constants import ESCROW, FIDO2, KEY_FILE, PASSPHRASE, RAW_KEY, RECOVERY_KEY, UNATTENDED
from nacre_reader.container import Container
from nacre_reader.credential import Both, Credential, Escrow, recovery_key
from nacre_reader.extract import Extractor
from nacre_reader.fields import Damaged, Refused
from nacre_reader.listing import document, manifest
from nacre_reader.volume import Volume


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume")
    parser.add_argument("--passfile", help="the passphrase is the first line of this file")
    parser.add_argument("--key-file", help="the key is the bytes of this file; with --passfile both are needed")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--recovery-file", help="the recovery key is the text in this file")
    which.add_argument("--identity", help="an age identity is in this file")
    for name, what in (("raw", "the key"), ("escrow", "what age made of the slot's body"),
                       ("unattended", "what clevis made of it"), ("fido2", "what the token made of it")):
        which.add_argument("--%s-key" % name, help=what + ": 32 bytes, given as hexadecimal digits")
    parser.add_argument("--slot", type=int, help="use only this keyslot")
    parser.add_argument("--at-rest", action="store_true", help="what only a crash or a repair may leave is damage, too")
    parser.add_argument("--json", action="store_true", help="print everything that is known")
    parser.add_argument("--manifest", action="store_true", help="print a line for each name")
    parser.add_argument("--extract", metavar="FOLDER", help="copy everything into this new folder")
    return parser.parse_args()


def credential(args):
    def content(path):
        with open(path, "rb") as file:
            return file.read()
    if args.passfile:
        line = content(args.passfile).split(b"\n")[0].removesuffix(b"\r")
        if args.key_file:
            return Both(line, content(args.key_file))
        return Credential(PASSPHRASE, line)
    if args.key_file:
        return Credential(KEY_FILE, content(args.key_file))
    if args.recovery_file:
        return Credential(RECOVERY_KEY, recovery_key(content(args.recovery_file).decode("ascii", "replace")))
    if args.identity:
        return Escrow(age_identity(content(args.identity).decode("ascii", "replace")))
    for kind, digits in ((RAW_KEY, args.raw_key), (ESCROW, args.escrow_key), (UNATTENDED, args.unattended_key),
                         (FIDO2, args.fido2_key)):
        if digits:
            return Credential(kind, bytes.fromhex(digits))
    raise Refused("no credential was given")


def main():
    args = parse()
    try:
        volume = Volume(Container(args.volume), credential(args), args.slot)
        volume.check()
    except Refused as error:
        print("nacre-read: %s: %s" % (args.volume, error), file=sys.stderr)
        return 3
    except Damaged as error:
        print("nacre-read: %s: %s" % (args.volume, error), file=sys.stderr)
        return 4
    if args.json:
        json.dump(document(volume), sys.stdout, indent=1)
        print()
    if args.manifest:
        sys.stdout.write(manifest(volume))
    problems = volume.report.problems + (volume.report.notes if args.at_rest else [])
    for problem in problems:
        print("problem: " + problem, file=sys.stderr)
    if args.extract:
        extractor = Extractor(volume, args.extract)
        extractor.run()
        for refused in extractor.refused:
            print("extract: " + refused, file=sys.stderr)
    return 4 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
