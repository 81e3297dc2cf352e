"""A mount's daemon to be killed: starting it, finding it, ending it by force, and mounting again."""

import json
import os
import signal
import subprocess
import time
import traceback

PATIENCE_S = 60


def wait_until(what, condition, pause_s=0.005):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "%s did not come true in %d s" % (what, PATIENCE_S)
        time.sleep(pause_s)


def tell(name, run, args):
    """What came of it, as a check with that name; the exit code. `run` gives what is wrong, and a summary."""
    try:
        wrong, summary = run(args)
    except Exception:
        wrong, summary = traceback.format_exc().splitlines(), ""
    print(("not ok - " if wrong else "ok - ") + name)
    print("# seed %d: %s" % (args.seed, summary))
    for line in wrong:
        print("# " + line)
    return 1 if wrong else 0


def is_mounted(folder):
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as table:
        return any(line.split(" ", 2)[1] == folder for line in table)


def has_ended(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        # Its first thread may have ended before others.
        return fields[0] in "ZX" and int(fields[17]) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return True


class Daemon:
    """nacre mount VOLUME DIR, with a passphrase file. With NACRE_KEEP in the environment, the container as it was after
    the last kill is kept in that folder until `forget`, for whoever looks for the cause of a failure."""

    def __init__(self, volume, folder, passfile):
        self.nacre = os.environ["NACRE"]
        self.volume, self.folder, self.passfile = volume, folder, passfile
        self.pid = None
        # What the program remembers of it lies beside it: a kill must not look like a rollback, whoever's home this is.
        os.environ["XDG_STATE_HOME"] = os.path.join(os.path.dirname(os.path.abspath(volume)), "state")
        keep = os.environ.get("NACRE_KEEP")
        self.kept = os.path.join(keep, os.path.basename(volume)) if keep else None

    def run(self, *args):
        """Its standard output; it must succeed and complain about nothing."""
        done = subprocess.run([self.nacre, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=PATIENCE_S * 10)
        assert done.returncode == 0 and not done.stderr, "nacre %s: exit code %d: %s%s" % (
            args[0], done.returncode, done.stdout, done.stderr)
        return done.stdout

    def create(self, *options):
        cheap = ["--kdf-memory", "32M", "--kdf-passes", "1"]
        done = subprocess.run([self.nacre, "create", "--passfile", self.passfile, *cheap, *options, self.volume],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def mount(self, *options):
        self.run("mount", "--passfile", self.passfile, *options, self.volume, self.folder)
        status = json.loads(self.run("status", "--json", self.folder))
        self.pid = status["mounts"][0]["pid"]

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        wait_until("the end of the daemon", lambda: has_ended(self.pid))

    def kill_while_opening(self, delay_s, *options):
        """After that time, or if there is none as soon as it is mounted."""
        argv = [self.nacre, "mount", "--foreground", "--passfile", self.passfile, *options, self.volume, self.folder]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if delay_s is None:
            wait_until("the mount", lambda: is_mounted(self.folder), 0)
        else:
            time.sleep(delay_s)
        process.kill()
        process.wait(PATIENCE_S)
        self.detach()

    def kill_while_ending(self, delay_s):
        os.kill(self.pid, signal.SIGTERM)
        time.sleep(delay_s)
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        wait_until("the end of the daemon", lambda: has_ended(self.pid))

    def detach(self):
        """Take a mount away whose daemon has died."""
        while is_mounted(self.folder):
            subprocess.run(["fusermount3", "-uz", self.folder], check=True)
        if self.kept:
            subprocess.run(["cp", "--sparse=always", self.volume, self.kept], check=True)

    def forget(self):
        if self.kept and os.path.exists(self.kept):
            os.unlink(self.kept)

    def unmount(self):
        self.run("umount", self.folder)

    def verify(self):
        self.run("verify", "--passfile", self.passfile, self.volume)
