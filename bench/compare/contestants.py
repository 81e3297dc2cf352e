"""Who is compared: a folder of the host, the floor, the encrypted peers, Nacre.

A contestant stores what it has in `store`, shows it in `place`, and is one process in the foreground while mounted.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

import host

MOUNT_LIMIT_S = 90
END_LIMIT_S = 120
PEERS = ("gocryptfs", "securefs", "encfs", "cryfs")
TUNED_READAHEAD_KIB = 512
NACRE_NOT_POSSIBLE = 8
PASSPHRASE = b"a bench needs no secret passphrase"


class Failed(Exception):
    """It could not do what was asked; the text says why."""


class Contestant:
    """What all have in common. `start` and `create` are the kinds' own."""

    def __init__(self, name, tools):
        self.name, self.tools = name, tools
        self.title = name
        self.process = self.folder = self.store = self.place = self.log = None
        self.peak_mib = 0

    def missing(self):
        """Why it can't take part; None if it can."""
        return None

    def version(self):
        return None

    def prepare(self, folder):
        """New and empty, and mounted."""
        self.folder = folder
        self.store, self.place = os.path.join(folder, "store"), os.path.join(folder, "place")
        self.log = os.path.join(folder, "log")
        for path in self.store, self.place, os.path.join(folder, "home"):
            os.makedirs(path, mode=0o700)
        self.peak_mib = 0
        self.create()
        self.mount()

    def environment(self):
        home = os.path.join(self.folder, "home")
        return dict(os.environ, HOME=home, XDG_RUNTIME_DIR=home, XDG_STATE_HOME=home, XDG_CONFIG_HOME=home,
                    CRYFS_FRONTEND="noninteractive", CRYFS_NO_UPDATE_CHECK="true", CRYFS_LOCAL_STATE_DIR=home)

    def passphrase_file(self):
        path = os.path.join(self.folder, "passphrase")
        if not os.path.exists(path):
            with open(path, "wb") as out:
                out.write(PASSPHRASE)
        return path

    def run(self, *words, given=b""):
        """A command that ends; what it prints."""
        done = subprocess.run(words, env=self.environment(), input=given, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=END_LIMIT_S, check=False)
        if done.returncode != 0:
            raise Failed("%s: %s" % (words[0], done.stdout.decode(errors="replace").strip()[-300:]))
        return done.stdout.decode(errors="replace")

    def serve(self, *words, given=b""):
        """A command that stays until it is unmounted."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, env=self.environment(), stdin=subprocess.PIPE, stdout=log,
                                            stderr=log, start_new_session=True)
        self.process.stdin.write(given)
        self.process.stdin.close()

    def create(self):
        pass

    def start(self):
        raise NotImplementedError

    def mount(self):
        self.start()
        end = time.monotonic() + MOUNT_LIMIT_S
        while not host.is_mounted(self.place):
            if self.process.poll() is not None or time.monotonic() > end:
                self.abandon()
                raise Failed("%s did not mount: %s" % (self.name, self.last_words()))
            time.sleep(0.02)
        os.listdir(self.place)
        host.reset_peak(self.process.pid)

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read().strip()[-300:]

    def ask_to_unmount(self):
        self.run("fusermount3", "-u", self.place)

    def umount(self):
        self.note_peak()
        self.ask_to_unmount()
        try:
            self.process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise Failed("%s did not end within %d s" % (self.name, END_LIMIT_S)) from error
        self.process = None

    def note_peak(self):
        self.peak_mib = max(self.peak_mib, host.memory_mib(self.process.pid, "VmHWM"))

    def idle_mib(self):
        return host.memory_mib(self.process.pid, "VmRSS")

    def abandon(self):
        """Whatever state it is in: nothing is mounted afterwards, no process is left."""
        self.detach()
        if self.process is None:
            return
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None
        self.detach()

    def detach(self):
        if self.place and host.is_mounted(self.place):
            subprocess.run(["fusermount3", "-u", "-z", self.place], stderr=subprocess.DEVNULL, check=False)

    def remove(self):
        self.abandon()
        if self.place and host.is_mounted(self.place):
            raise Failed("%s is still mounted on %s" % (self.name, self.place))
        if self.folder:
            shutil.rmtree(self.folder)
        self.folder = self.place = None

    def cold(self):
        self.umount()
        host.forget(self.folder)
        self.mount()

    def cpu_seconds(self):
        return host.cpu_seconds(self.process.pid)

    def stored_bytes(self):
        host.settle(self.folder)
        return host.stored_bytes(self.store)


class Plain(Contestant):
    """The host's own filesystem, without any of this."""

    def prepare(self, folder):
        self.folder = folder
        self.store = self.place = os.path.join(folder, "place")
        os.makedirs(self.place)

    def abandon(self):
        pass

    def cold(self):
        host.forget(self.folder)

    def cpu_seconds(self):
        return None

    def note_peak(self):
        self.peak_mib = None

    def idle_mib(self):
        return None

    def remove(self):
        if self.folder:
            shutil.rmtree(self.folder)
        self.folder = self.place = None


class Floor(Contestant):
    """FUSE and no cryptography."""

    def missing(self):
        return None if os.access(self.tools.floor, os.X_OK) else "not built: needs libfuse3"

    def start(self):
        words = [self.tools.floor] + ["--tuned"] * (self.name == "tuned") + [self.store, self.place]
        self.serve(*words)

    def mount(self):
        super().mount()
        if self.name == "tuned":
            host.raise_readahead(self.place, TUNED_READAHEAD_KIB)


class Peer(Contestant):
    """An encrypted filesystem from Debian, as it is by default."""

    def missing(self):
        return None if shutil.which(self.name) else "not installed"

    def version(self):
        return host.package_version(self.name)

    def create(self):
        if self.name == "gocryptfs":
            self.run("gocryptfs", "-init", "-q", "-scryptn", "10", "-passfile", self.passphrase_file(), self.store)
        elif self.name == "securefs":
            self.run("securefs", "create", self.store, given=(PASSPHRASE + b"\n") * 2)

    def start(self):
        if self.name == "gocryptfs":
            self.serve("gocryptfs", "-fg", "-q", "-passfile", self.passphrase_file(), self.store, self.place)
        elif self.name == "securefs":
            self.serve("securefs", "mount", self.store, self.place, given=PASSPHRASE + b"\n")
        elif self.name == "encfs":
            self.serve("encfs", "-f", "--standard", "--stdinpass", self.store, self.place, given=PASSPHRASE + b"\n")
        else:
            self.serve("cryfs", "-f", self.store, self.place, given=PASSPHRASE + b"\n")


class Nacre(Contestant):
    """A volume with one of the ciphers; or with the first of them, and the kernel's cache written back later."""

    def __init__(self, name, tools):
        super().__init__(name, tools)
        kind = name.split("-", 1)[1]
        self.cipher = kind if kind in CIPHERS else "aes-256-gcm"
        # AEGIS-256 may come with another libsodium, which the others then don't get.
        self.program = tools.nacre_aegis if self.cipher == "aegis-256" else tools.nacre
        self.mount_options = ["-o", "writeback"] if kind == "writeback" else []
        self.title = "Nacre " + CIPHERS.get(kind, kind)

    def missing(self):
        if not os.access(self.program, os.X_OK):
            return "not built"
        with tempfile.TemporaryDirectory() as folder:
            passphrase = os.path.join(folder, "passphrase")
            with open(passphrase, "wb") as out:
                out.write(PASSPHRASE)
            tried = subprocess.run(self.creation(os.path.join(folder, "volume"), passphrase), check=False,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return "this build has no %s" % self.cipher if tried.returncode == NACRE_NOT_POSSIBLE else None

    def version(self):
        return subprocess.run([self.program, "--version"], check=True, stdout=subprocess.PIPE,
                              text=True).stdout.strip()

    def container(self):
        return os.path.join(self.store, "volume.nacre")

    def creation(self, container, passphrase):
        # The cheapest derivation that is allowed: it is none of what is compared.
        return [self.program, "create", container, "--size", self.tools.volume_size, "--cipher", self.cipher,
                "--passfile", passphrase, "--kdf-memory", "32M", "--kdf-passes", "1"]

    def create(self):
        self.run(*self.creation(self.container(), self.passphrase_file()))

    def start(self):
        self.serve(self.program, "mount", "-f", *self.mount_options, self.container(), self.place, "--passfile",
                   self.passphrase_file())

    def ask_to_unmount(self):
        self.run(self.program, "umount", self.place)

    def stored_bytes(self):
        """Of the volume, not of its container: freed space is given back by later commits."""
        touched = os.path.join(self.place, ".touched")
        for _ in range(3):
            with open(touched, "w", encoding="ascii") as out:
                out.write("x")
            self.run(self.program, "sync", self.place)
        os.unlink(touched)
        self.run(self.program, "sync", self.place)
        st = os.statvfs(self.place)
        return (st.f_blocks - st.f_bfree) * st.f_frsize


CIPHERS = {"aes-256-gcm": "AES-GCM", "xchacha20-poly1305": "XChaCha20", "aegis-256": "AEGIS-256"}
ALL = ("plain", "floor", "tuned") + PEERS + tuple("nacre-" + kind for kind in (*CIPHERS, "writeback"))


def make(name, tools):
    if name == "plain":
        return Plain(name, tools)
    if name in ("floor", "tuned"):
        return Floor(name, tools)
    return Peer(name, tools) if name in PEERS else Nacre(name, tools)
