"""The same random steps in a mounted volume and in a folder of the host's filesystem: results, errors and what is left
in the end have to be the same.

Every so many steps the two trees are compared, then everything is closed, the volume verified, mounted again and
compared with nothing in the kernel's cache.
"""

import argparse
import errno
import fcntl
import os
import random
import stat
import subprocess
import sys
import time

from model_calls import KEEP_SIZE, UTIME_NOW, UTIME_OMIT, ZERO_RANGE, fallocate, utimens
from model_compare import Rules, compare
from model_steps import SLOTS, Abilities, Steps, World, acl

COMPARE_EVERY = 1000
REMOUNT_EVERY = 4000
OPEN_READ = 2 << 20  # at either end of an open file
USER = 1000
HOUR_NS = 3600 * 10 ** 9
TIMES_WIDE = (-2 ** 31, 15 * 10 ** 9)
TIMES_NARROW = (0, 2 ** 31 - 1)


class Mismatch(Exception):
    pass


class Mount:
    """The volume and how it is mounted."""

    def __init__(self, args):
        self.nacre, self.passfile, self.volume = os.environ["NACRE"], args.passfile, args.volume
        self.folder, self.options = args.ours, args.options

    def nacre_does(self, *argv):
        result = subprocess.run([self.nacre, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if result.returncode != 0:
            raise Mismatch("nacre %s: exit code %d: %s" % (argv[0], result.returncode, result.stdout.decode()))

    def remount(self):
        self.nacre_does("umount", self.folder)
        self.nacre_does("verify", "--passfile", self.passfile, self.volume)
        self.nacre_does("mount", "--passfile", self.passfile, "-o", self.options, self.volume, self.folder)


def works(function, *args):
    try:
        function(*args)
        return True
    except OSError:
        return False


def probe(host, options):
    """What the host's filesystem can do, tried on a file, and how the volume is mounted."""
    path = os.path.join(os.fsencode(host), b"probe")
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    times = TIMES_WIDE
    utimens(fd, ((TIMES_WIDE[0], 1), (TIMES_WIDE[1], 999999999)))
    found = os.fstat(fd)
    if (found.st_atime_ns, found.st_mtime_ns) != (TIMES_WIDE[0] * 10 ** 9 + 1, TIMES_WIDE[1] * 10 ** 9 + 999999999):
        times = TIMES_NARROW
    plain = [(1, 6, 0xFFFFFFFF), (2, 6, USER), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    can = Abilities(
        root=os.geteuid() == 0,
        times=times,
        zero_range=works(fallocate, fd, ZERO_RANGE | KEEP_SIZE, 0, 1),
        xattrs=works(os.setxattr, path, "user.probe", b"x"),
        acls=works(os.setxattr, path, "system.posix_acl_access", acl(plain)),
        writeback="writeback" in options.split(","))
    # Whether a read moves an access time that is older than the last change.
    os.pwrite(fd, b"x", 0)
    utimens(fd, ((1, 0), (0, UTIME_OMIT)))
    os.pread(fd, 1, 0)
    atimes = os.fstat(fd).st_atime_ns != 10 ** 9
    os.close(fd)
    os.unlink(path)
    return can, atimes


class Run:
    def __init__(self, args):
        self.mount = Mount(args)
        self.dice = random.Random(args.seed)
        self.can, self.atimes = probe(args.host, args.options)
        self.worlds = World(args.ours), World(args.host)
        self.steps = Steps(self.dice, self.can, self.worlds[1])
        self.start = time.time_ns()
        self.history = []
        self.errors = 0
        self.compared = 0
        self.every = args.every
        self.by_user = False

    def attempt(self, step, world):
        try:
            return step(world)
        except OSError as error:
            return errno.errorcode[error.errno]
        except AssertionError as why:
            raise Mismatch("in %r: %s" % (world.root, why)) from why

    def become(self, by_user):
        """Some of root's steps are an ordinary user's, so that permissions count."""
        if by_user == self.by_user:
            return
        self.by_user = by_user
        if by_user:
            os.setegid(USER)
            os.seteuid(USER)
        else:
            os.seteuid(0)
            os.setegid(0)

    def step(self, number):
        self.become(False)
        text, step = self.steps.draw()
        self.become(self.can.root and self.dice.random() < 0.3)
        if self.by_user:
            text += " (as user %d)" % USER
        self.history.append("%d: %s" % (number, text))
        ours, host = (self.attempt(step, world) for world in self.worlds)
        self.errors += isinstance(host, str) and host.startswith("E")
        if ours != host:
            raise Mismatch("%r, on the host %r" % (shorten(ours), shorten(host)))
        slot = getattr(step, "touch", None)
        if slot is not None and self.worlds[1].slots[slot] is not None:
            self.become(False)
            for world in self.worlds:
                utimens(world.slots[slot], ((0, UTIME_OMIT), (0, UTIME_NOW)))

    def compare(self, fresh=False):
        self.become(False)
        # Alternately what the kernel's cache has and what the server gives.
        rules = Rules(self.start - HOUR_NS, time.time_ns() + HOUR_NS, self.atimes,
                      drop_cache=not fresh and len(self.history) // COMPARE_EVERY % 2 == 0)
        differences, count = compare(self.worlds[0].root, self.worlds[1].root, rules)
        self.compared += count
        differences += self.compare_open()
        if differences:
            raise Mismatch("the trees differ:\n" + "\n".join(differences[:20]))
        # What is gone is no longer chosen.
        self.steps.known = [(path, is_folder) for path, is_folder in dict(self.steps.known).items()
                            if os.path.lexists(self.worlds[1].at(path))]

    def compare_open(self):
        """Open files, which may have no name any more."""
        differences = []
        for slot in range(SLOTS):
            ours, host = (look_at(world.slots[slot]) for world in self.worlds)
            if ours != host:
                differences.append("slot %d: %r, on the host %r" % (slot, shorten(ours), shorten(host)))
        return differences

    def remount(self):
        for world in self.worlds:
            world.close_all()
        self.become(False)
        os.umask(0o022)
        self.mount.remount()
        self.compare(fresh=True)

    def go(self, count):
        for number in range(1, count + 1):
            self.step(number)
            if number % self.every == 0:
                self.compare()
            if number % REMOUNT_EVERY == 0:
                self.remount()
        self.compare()
        self.remount()


def look_at(fd):
    if fd is None:
        return None
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        return stat.S_IFMT(info.st_mode)
    data = b""
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY:
        data = os.pread(fd, OPEN_READ, 0) + os.pread(fd, OPEN_READ, max(0, info.st_size - OPEN_READ))
    return info.st_size, info.st_mode, info.st_nlink, info.st_uid, info.st_gid, os.lseek(fd, 0, os.SEEK_CUR), data


def shorten(value):
    text = repr(value)
    return value if len(text) < 300 else text[:150] + " ... " + text[-100:]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ops", type=int, default=12000)
    parser.add_argument("--every", type=int, default=COMPARE_EVERY, help="compare the trees after so many steps")
    parser.add_argument("--options", default="rw", help="to mount with again")
    parser.add_argument("--history", help="where all steps are written if the two differ")
    parser.add_argument("--passfile", required=True)
    parser.add_argument("--volume", required=True)
    parser.add_argument("ours", help="where the volume is mounted")
    parser.add_argument("host", help="an empty folder of the host's filesystem")
    return parser.parse_args()


def main():
    args = parse()
    os.umask(0o022)
    if os.geteuid() == 0:
        os.setgroups([])
    for folder in (args.ours, args.host):
        os.chmod(folder, 0o777)
    run = Run(args)
    name = "%d steps from seed %d with -o %s" % (args.ops, args.seed, args.options)
    started = time.monotonic()
    try:
        run.go(args.ops)
    except Mismatch as why:
        run.become(False)
        print("not ok - %s agree with the host's filesystem" % name)
        print("# " + str(why).replace("\n", "\n# "))
        print("# the last steps:\n# " + "\n# ".join(run.history[-15:]))
        if args.history:
            with open(args.history, "w", encoding="utf-8") as file:
                file.write("\n".join(run.history) + "\n")
        return 1
    print("ok - %s agree with the host's filesystem" % name)
    print("# %.1f s; %d steps were refused in both; %d things compared" % (time.monotonic() - started, run.errors,
                                                                         run.compared))
    return 0


if __name__ == "__main__":
    sys.exit(main())
