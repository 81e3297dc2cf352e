"""kill.py --kills N --seed SEED [--rotate] VOLUME DIR PASSFILE

Kill a mount's daemon again and again, at random moments under the load of several writers, while it opens, and while
it ends. Each time mount again, with no repair, and compare with what the writers noted. With --rotate the volume's
keys are rotated all the time, from cipher to cipher: that is carried on, too.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time

from kill_daemon import Daemon, tell
from kill_load import DAEMON_GOES, DAEMON_GONE, Writer, judge, start_writer
from kill_state import Tree, read_tree

WRITERS = 3
LOAD_LONGEST_S = 1.5
OPENING_LONGEST_S = 0.3
ENDING_LONGEST_S = 0.05
KILLS_A_VOLUME = 40
CIPHERS = "aes-256-gcm", "xchacha20-poly1305"
BALLAST_BYTES = 48 << 20
ROTATION_RATE = "32M"
KINDS = ("aes-256-gcm", "16K", []), ("xchacha20-poly1305", "4K", []), ("aes-256-gcm", "64K", ["--memory", "16M"])


def delay(rng, longest_s):
    """Short ones more often than long ones."""
    return longest_s * rng.random() ** 2


class Counts:
    def __init__(self):
        self.of = dict.fromkeys(("under load", "opening", "ending"), 0)
        self.steps = self.syncs = self.rotating = 0

    def add(self, writers):
        for writer in writers:
            self.steps += len(writer.steps)
            self.syncs += sum(s.step[0] == "sync" for s in writer.steps)

    def __str__(self):
        return "%s; %d steps, %d of them syncs; %d times a rotation was found to be carried on" % (
            ", ".join("%d %s" % (count, where) for where, count in self.of.items()), self.steps, self.syncs,
            self.rotating)


class Volume:
    """One container, from its making on. `trees`: what each writer's folder had when it was last looked at."""

    def __init__(self, args, number, counts):
        cipher, chunk, self.options = KINDS[number % len(KINDS)]
        self.args, self.counts = args, counts
        self.daemon = Daemon(args.volume, args.folder, args.passfile)
        self.daemon.create("--cipher", cipher, "--chunk", chunk)
        self.trees = {"w%d" % n: Tree() for n in range(WRITERS)}
        self.daemon.mount(*self.options)
        for name in self.trees:
            os.mkdir(os.path.join(args.folder, name), 0o755)
        if args.rotate:
            self.ballast = os.urandom(1 << 20) * (BALLAST_BYTES >> 20)
            with open(os.path.join(args.folder, "ballast"), "wb") as file:
                file.write(self.ballast)
        self.daemon.run("sync", args.folder)

    def rotate(self, rng):
        """In the mount's process, until that is killed. What is under way takes no cipher."""
        more = [] if self.is_rotating() else ["--cipher", rng.choice(CIPHERS)]
        return subprocess.Popen([os.environ["NACRE"], "rekey", "--rate", ROTATION_RATE, *more, self.args.folder],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_rotating(self):
        status = subprocess.run([os.environ["NACRE"], "status", "--json", self.args.folder], stdout=subprocess.PIPE,
                                check=True)
        return json.loads(status.stdout)["mounts"][0]["rekeying"]

    def look_at_rotation(self):
        """The ballast after the last kill; what is under way is so by itself."""
        if not self.args.rotate:
            return []
        self.counts.rotating += self.is_rotating()
        with open(os.path.join(self.args.folder, "ballast"), "rb") as file:
            found = hashlib.sha256(file.read()).digest()
        return [] if found == hashlib.sha256(self.ballast).digest() else ["the ballast is another"]

    def notes_of(self, name):
        return "%s.%s.notes" % (self.args.volume, name)

    def load(self, rng, end, expected):
        """Writers, until `end` has killed the daemon below them."""
        share = rng.choice([0, 0.005, 0.02, 0.1])
        writers = [start_writer(os.path.join(self.args.folder, name), tree, rng.randrange(1 << 40), share,
                                self.notes_of(name), expected) for name, tree in self.trees.items()]
        rotation = self.rotate(rng) if self.args.rotate else None
        time.sleep(delay(rng, LOAD_LONGEST_S))
        end()
        if rotation is not None:
            rotation.wait()
        for pid in writers:
            os.waitpid(pid, 0)

    def one_kill(self, rng):
        """What is wrong after it."""
        if rng.random() < 0.8:
            end, where, expected = self.daemon.kill, "under load", DAEMON_GONE
        else:
            end, where = lambda: self.daemon.kill_while_ending(delay(rng, ENDING_LONGEST_S)), "ending"
            expected = DAEMON_GOES
        self.load(rng, end, expected)
        self.counts.of[where] += 1
        self.daemon.detach()
        while rng.random() < 0.3:
            self.daemon.kill_while_opening(rng.choice([None, delay(rng, OPENING_LONGEST_S)]), *self.options)
            self.counts.of["opening"] += 1
        return self.look()

    def look(self):
        self.daemon.mount(*self.options)
        writers = [Writer(name, tree, self.notes_of(name)) for name, tree in self.trees.items()]
        self.counts.add(writers)
        found = {name: read_tree(os.path.join(self.args.folder, name)) for name in self.trees}
        wrong = judge(writers, found) + self.look_at_rotation()
        self.daemon.unmount()
        self.daemon.verify()
        self.trees = found
        self.daemon.mount(*self.options)
        return wrong

    def remove(self):
        if self.args.rotate:
            self.daemon.run("rekey", "--json", self.args.folder)
        self.daemon.unmount()
        self.daemon.verify()
        self.daemon.forget()
        os.unlink(self.args.volume)


def run(args):
    counts, volume, number = Counts(), None, 0
    while sum(counts.of.values()) < args.kills:
        rng = random.Random("%d %d" % (args.seed, number))
        if number % KILLS_A_VOLUME == 0:
            if volume is not None:
                volume.remove()
            volume = Volume(args, number // KILLS_A_VOLUME, counts)
        wrong = volume.one_kill(rng)
        if wrong:
            return ["round %d:" % number] + wrong, counts
        number += 1
    volume.remove()
    if args.rotate and counts.rotating == 0:
        return ["no rotation was ever cut"], counts
    return [], counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[2])
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rotate", action="store_true")
    for name in ("volume", "folder", "passfile"):
        parser.add_argument(name)
    args = parser.parse_args()
    beside = ", while keys are rotated" if args.rotate else ""
    return tell("a killed daemon leaves one committed state, no older than the last sync" + beside, run, args)


if __name__ == "__main__":
    sys.exit(main())
