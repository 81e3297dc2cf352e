#!/usr/bin/env python3
"""supervise.py SECONDS COMMAND...

Run a command in a session of its own with a fresh folder in TEST_TMP. Whatever happens, nothing outlives it: what is
mounted under the folder is unmounted, what still runs is killed, the folder is removed. Where the command itself went
well, each of these leftovers is reported as a failed check.
"""

import ctypes
import glob
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_S = 10
LIBC = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    pass


def on_signal(number, _frame):
    raise Stopped("stopped by signal %d" % number)


def unescape(path):
    return path.encode("utf-8", "surrogateescape").decode("unicode_escape").encode("latin-1").decode(
        "utf-8", "surrogateescape")


def mounts_under(folder):
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            point = unescape(line.split()[4])
            if point == folder or point.startswith(folder + "/"):
                found.append(point)
    return sorted(found, key=len, reverse=True)


def unmount(point):
    tries = [["umount", point], ["umount", "-l", point]]
    if os.geteuid() != 0:
        tries = [["fusermount3", "-u", point], ["fusermount3", "-uz", point], ["sudo", "-n", "umount", "-l", point]]
    for argv in tries:
        try:
            if subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=30, check=False).returncode == 0:
                return
        except (OSError, subprocess.TimeoutExpired):
            pass


def descendants():
    """Process ids below this one; orphans count, since this process adopts them."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2:].split()[:2]
        name = text[text.index("(") + 1:text.rindex(")")]
        if state != "Z":
            children.setdefault(int(parent), []).append((int(entry), name))
    found, todo = [], [os.getpid()]
    while todo:
        for pid, name in children.get(todo.pop(), []):
            found.append((pid, name))
            todo.append(pid)
    return found


def reap():
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def wait_for_none(seconds):
    deadline = time.monotonic() + seconds
    while True:
        reap()
        left = descendants()
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def kill_all():
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid, _ in descendants():
            try:
                os.kill(pid, number)
            except OSError:
                pass
        if not wait_for_none(3):
            return


def remove(folder):
    def open_up(function, path, _info):
        # A folder without permission bits is a test's right.
        try:
            os.chmod(os.path.dirname(path), stat.S_IRWXU)
            os.chmod(path, stat.S_IRWXU)
            function(path)
        except OSError:
            pass

    if not mounts_under(folder):
        shutil.rmtree(folder, onerror=open_up)
    return not os.path.lexists(folder)


def clean_up(folder):
    """Undo what is left; say what it was."""
    said = []
    for point in mounts_under(folder):
        said.append("leaves no mount behind: " + os.path.relpath(point, folder))
        unmount(point)
    left = wait_for_none(GRACE_S)
    if left:
        said.append("leaves no process behind: " + ", ".join("%s (%d)" % (name, pid) for pid, name in left))
        kill_all()
    return said


def sanitizer_reports(reports):
    said = []
    for path in sorted(glob.glob(os.path.join(reports, "*"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            print(file.read())
        said.append("sanitizer has nothing to report: " + os.path.basename(path))
    return said


def environment(folder, reports):
    env = dict(os.environ, TEST_TMP=os.path.join(folder, "tmp"), HOME=os.path.join(folder, "home"),
               XDG_RUNTIME_DIR=os.path.join(folder, "run"), LC_ALL="C.UTF-8")
    env["PATH"] = env.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"  # mkfs and the like
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        env.pop(name, None)
    for name, mode in (("tmp", 0o755), ("home", 0o700), ("run", 0o700)):
        os.mkdir(os.path.join(folder, name))
        os.chmod(os.path.join(folder, name), mode)
    # A daemon's stderr leads nowhere, so that reports go to files.
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in env:
            env[name] += ":log_path=" + os.path.join(reports, "report")
    return env


def wait_for(process, seconds):
    """Its exit code, or None if it doesn't end in time. Adopted orphans are reaped meanwhile: none must look alive."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == process.pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode
        if pid == 0:
            time.sleep(0.01)
    return None


def in_child():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(argv, seconds, env):
    try:
        # pylint: disable=subprocess-popen-preexec-fn
        process = subprocess.Popen(argv, env=env, start_new_session=True, preexec_fn=in_child)
    except OSError as error:
        print("not ok - starts: %s" % error)
        return 126
    try:
        code = wait_for(process, seconds)
        if code is not None:
            return code
        why = "still running after %d s" % seconds
    except Stopped as error:
        why = str(error)
    print("not ok - ends in time: " + why, flush=True)
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(process, GRACE_S)
    return 124


def main():
    seconds, argv = int(sys.argv[1]), sys.argv[2:]
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    folder = os.path.realpath(tempfile.mkdtemp(prefix="nacre-test-"))
    os.chmod(folder, 0o711)  # a test may let other users in
    reports = os.path.join(folder, "sanitizer")
    os.mkdir(reports)
    code = 1
    try:
        code = run(argv, seconds, environment(folder, reports))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        sys.stdout.flush()
        said = clean_up(folder) + sanitizer_reports(reports)
        if not remove(folder):
            said.append("leaves no file behind: " + folder)
        for line in said:
            print("not ok - " + line)
        if said and code == 0:
            code = 1
        sys.stdout.flush()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
