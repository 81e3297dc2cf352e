"""leak.py VOLUME DIR PASSFILE WORK BUILD

Look for what must not get out: contents, names, attributes, the passphrase and every key, in the container (freed
blocks too), in the files and folders that a program may leave things in, in the memory of the process that serves a
mount, and in its core dump. WORK has TMPDIR, HOME and the XDG folders.
"""

import argparse
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import traceback
import zlib

from kill_daemon import Daemon, has_ended, is_mounted, wait_until
from leak_memory import mappings, places

UNIT_BYTES = 4096
HEADER_BYTES = 256 << 10
HEADER_UNITS = range(33)  # of each copy: the public part and the keyslots, which are partly clear
GROUPS = 0, 16 << 20
# Once the volume is open nothing needs these any more, nor the passphrase.
SPENT = "wrapping-key", "slot-secret"
PT_LOAD = 1
CIPHERS = "aes-256-gcm", "xchacha20-poly1305"

failed = False


def report(name, wrong):
    global failed
    failed = failed or bool(wrong)
    print(("not ok - " if wrong else "ok - ") + name, flush=True)
    for line in wrong[:20]:
        print("# " + line)


def token(kind):
    return ("%s:%s" % (kind, os.urandom(9).hex())).encode()


class Planted:
    """What is written into a volume, by kind; `gone` is what was there and is no more."""

    KINDS = ("name", "folder", "old-name", "target", "small", "tail", "large", "attribute", "long-attribute", "slot",
             "deleted", "deleted-name", "overwritten", "truncated", "old-attribute")

    def __init__(self):
        self.tokens = {kind: token(kind) for kind in self.KINDS}

    def text(self, kind):
        return self.tokens[kind].decode()

    def write(self, folder, name, kind, length):
        with open(os.path.join(folder, name), "wb") as file:
            file.write((self.tokens[kind] * (length // len(self.tokens[kind]) + 1))[:length])
            os.fsync(file.fileno())

    def plant(self, top):
        folder = os.path.join(top, self.text("folder"))
        os.mkdir(folder)
        self.write(folder, self.text("name"), "small", 200)
        self.write(folder, "tail", "tail", 20000)
        self.write(folder, "large", "large", 3000000)
        os.symlink(self.text("target"), os.path.join(folder, "link"))
        os.setxattr(os.path.join(folder, "tail"), "user.a", self.tokens["attribute"])
        os.setxattr(os.path.join(folder, "tail"), "user.b", self.tokens["long-attribute"] * 200)
        os.setxattr(os.path.join(folder, "tail"), "user.c", self.tokens["old-attribute"])
        self.write(folder, self.text("old-name"), "small", 10)
        self.write(folder, self.text("deleted-name"), "deleted", 500000)
        self.write(folder, "over", "overwritten", 500000)
        self.write(folder, "cut", "truncated", 500000)

    def change(self, top):
        folder = os.path.join(top, self.text("folder"))
        os.rename(os.path.join(folder, self.text("old-name")), os.path.join(folder, "new name"))
        os.unlink(os.path.join(folder, self.text("deleted-name")))
        os.removexattr(os.path.join(folder, "tail"), "user.c")
        self.write(folder, "over", "small", 500000)
        os.truncate(os.path.join(folder, "cut"), 10)


def known_keys(build, container, passphrase):
    done = subprocess.run([os.path.join(build, "tests/leak/leak-keys"), container, passphrase], check=True,
                          stdout=subprocess.PIPE, text=True)
    keys = {name: bytes.fromhex(text) for name, text in map(str.split, done.stdout.splitlines())}
    assert len(keys) >= 11, keys.keys()
    return keys


def found_in(data, secrets, where):
    return ["%s in %s" % (name, where) for name, text in secrets.items() if text in data]


def is_noise(unit):
    """Zeroes were never written; what is sealed or random has no shorter form."""
    return not any(unit) or len(zlib.compress(unit, 1)) >= len(unit)


def look_into_container(path, secrets, noise):
    """`noise` keeps what was found to be random, as most of it is looked at again."""
    with open(path, "rb") as file:
        data = file.read()
    wrong = found_in(data, secrets, "the container")
    clear = {start // UNIT_BYTES + unit for start in GROUPS for unit in HEADER_UNITS}
    for unit in range(len(data) // UNIT_BYTES):
        text = data[unit * UNIT_BYTES:(unit + 1) * UNIT_BYTES]
        if unit in clear or text in noise:
            continue
        if is_noise(text):
            noise.add(text)
        else:
            wrong.append("unit %d does not look random" % unit)
    return wrong


def look_into_folders(top, leave_out, secrets):
    wrong = []
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            wrong += found_in(os.fsencode(name), secrets, "the name of " + path)
            if os.path.isfile(path) and path not in leave_out:
                with open(path, "rb") as file:
                    wrong += found_in(file.read(), secrets, path)
    return wrong


def read_proc(pid, name):
    with open("/proc/%d/%s" % (pid, name), "rb") as file:
        return file.read()


def look_at_descriptors(pid, container):
    """Beside these the folder of anchors, whose files are sealed and looked into as all others outside, and the table
    of mounts."""
    state = os.path.join(os.environ.get("XDG_STATE_HOME") or os.environ["HOME"] + "/.local/state", "nacre", "anchors")
    known = (container, state, "/dev/fuse", "/dev/null", "/proc/%d/mountinfo" % pid)
    wrong = []
    for fd in os.listdir("/proc/%d/fd" % pid):
        target = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        if target not in known and not target.startswith(("socket:", "pipe:", "anon_")):
            wrong.append("descriptor %s is %s" % (fd, target))
    return wrong


def look_into_memory(pid, spent, keys):
    """Keys that are needed are where neither swap nor a core dump gets them."""
    wrong = []
    for name, mapping in places(pid, {**spent, **keys}):
        if name in spent:
            wrong.append("%s is still in %s" % (name, mapping))
        elif "dd" not in mapping.flags or "lo" not in mapping.flags:
            wrong.append("%s is in %s" % (name, mapping))
    return wrong


def may_lock():
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return soft == resource.RLIM_INFINITY or soft >= 1 << 20


def look_at_limits(pid):
    wrong = []
    if b"Max core file size        0                    0 " not in read_proc(pid, "limits"):
        wrong.append("the core's size is not limited to 0")
    if int(read_proc(pid, "coredump_filter"), 16) != 0:
        wrong.append("a core dump would have memory: " + read_proc(pid, "coredump_filter").decode())
    if os.stat("/proc/%d/environ" % pid).st_uid != 0:
        wrong.append("it is dumpable")
    return wrong


class Scene:
    """A volume of one cipher, with things planted."""

    def __init__(self, args, cipher):
        self.args, self.cipher = args, cipher
        self.planted, self.noise = Planted(), set()
        with open(args.passfile, encoding="utf-8") as file:
            self.passphrase = file.readline().rstrip("\n")
        self.daemon = Daemon(args.volume, args.folder, args.passfile)
        self.daemon.create("--cipher", cipher, "--slot-name", self.planted.text("slot"))
        self.keys = known_keys(args.build, args.volume, self.passphrase)
        self.spent = {name: self.keys.pop(name) for name in SPENT}
        self.spent["passphrase"] = self.passphrase.encode()
        self.secrets = {**self.planted.tokens, **self.keys, **self.spent}

    def say(self, name, wrong):
        report("%s: %s" % (self.cipher, name), wrong)

    def look_outside(self, when):
        self.say("the container tells nothing " + when,
                 look_into_container(self.args.volume, self.secrets, self.noise))
        leave_out = {self.args.volume, self.args.passfile}
        self.say("no file outside of it tells anything " + when,
                 look_into_folders(self.args.work, leave_out, self.secrets))

    def look_at_process(self):
        pid = self.daemon.pid
        shown = b"".join(read_proc(pid, name) for name in ("environ", "cmdline", "maps", "status", "comm"))
        self.say("environment, arguments and maps tell nothing", found_in(shown, self.secrets, "/proc"))
        self.say("nothing but the container is open", look_at_descriptors(pid, self.args.volume))
        if may_lock():
            self.say("the passphrase and what it opened are wiped, keys are locked and out of core dumps",
                     look_into_memory(pid, self.spent, self.keys))
        else:
            print("skip - %s: keys in memory: no memory may be locked here" % self.cipher)
        self.say("the process is not dumpable, and its core would be empty", look_at_limits(pid))

    def run(self):
        self.daemon.mount()
        self.planted.plant(self.args.folder)
        self.look_outside("while mounted")
        if os.geteuid() == 0:
            self.look_at_process()
        else:
            print("skip - %s: the process's memory: only root may see it" % self.cipher)
        self.planted.change(self.args.folder)
        for _ in range(3):
            self.daemon.run("sync", self.args.folder)
        self.look_outside("after deletions")
        pid = self.daemon.pid
        self.daemon.unmount()
        wait_until("the end of the process", lambda: has_ended(pid))
        self.look_outside("when unmounted")
        self.dump_core()
        os.unlink(self.args.volume)

    def dump_core(self):
        name = "a core dump that is forced tells nothing"
        with open("/proc/sys/kernel/core_pattern", encoding="utf-8") as file:
            pattern = file.read().strip()
        if pattern.startswith("|") or "/" in pattern:
            print("skip - %s: %s: cores go to %s here" % (self.cipher, name, pattern))
            return
        folder = os.path.join(self.args.work, "core")
        os.makedirs(folder, exist_ok=True)
        self.say(name, self.forced_core(folder))

    def forced_core(self, folder):
        """Of a program that was kept from protecting itself by the outside, not by its memory."""
        env = dict(os.environ, LD_PRELOAD=os.path.join(self.args.build, "tests/leak/leak-dumpable.so"))
        argv = [self.daemon.nacre, "mount", "--foreground", "--passfile", self.args.passfile, self.args.volume,
                self.args.folder]
        with subprocess.Popen(argv, env=env, cwd=folder, stdin=subprocess.DEVNULL, preexec_fn=unlimited) as process:
            wait_until("the mount", lambda: is_mounted(self.args.folder))
            pid = json.loads(self.daemon.run("status", "--json", self.args.folder))["mounts"][0]["pid"]
            with open(os.path.join(self.args.folder, self.planted.text("folder"), "large"), "rb") as file:
                file.read()
            self.planted.write(self.args.folder, "unwritten", "small", 100000)
            os.kill(pid, signal.SIGABRT)
            process.wait()
        self.daemon.detach()
        cores = [os.path.join(folder, name) for name in os.listdir(folder)]
        if len(cores) != 1:
            return ["there are %d cores" % len(cores)]
        with open(cores[0], "rb") as file:
            data = file.read()
        os.unlink(cores[0])
        memory = dumped_memory(data)
        return found_in(memory, self.secrets, "a core with %d bytes of memory" % len(memory))


def dumped_memory(core):
    """Of an ELF core what it has of the process's memory. The registers of its threads, which hold whatever was last
    copied, are always there."""
    assert core[:5] == b"\x7fELF\x02", "not a 64-bit core"
    table, = struct.unpack_from("=Q", core, 32)
    entry_bytes, count = struct.unpack_from("=HH", core, 54)
    memory = []
    for at in range(table, table + count * entry_bytes, entry_bytes):
        kind, _flags, offset, _address, _physical, length = struct.unpack_from("=IIQQQQ", core, at)
        if kind == PT_LOAD:
            memory.append(core[offset:offset + length])
    assert memory, "a core without segments"
    return b"".join(memory)


def unlimited():
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[2])
    for name in ("volume", "folder", "passfile", "work", "build"):
        parser.add_argument(name)
    args = parser.parse_args()
    try:
        for cipher in CIPHERS:
            Scene(args, cipher).run()
    except Exception:
        report("runs", traceback.format_exc().splitlines())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
