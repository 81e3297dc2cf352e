"""Checks of a filesystem's behaviour, each in a folder of its own under the folder given as argument.

They hold on any POSIX filesystem with the Linux extensions that Nacre promises, so that running them on the host's
shows whether a check is right.
"""

import errno
import os
import subprocess
import sys
import tempfile
import traceback

CHECKS = []


class Skip(Exception):
    """Not possible here, and why."""


def check(function):
    CHECKS.append(function)
    return function


def same(got, wanted):
    assert got == wanted, "%r, not %r" % (got, wanted)


def fails(number, function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
    except OSError as error:
        same(errno.errorcode[error.errno], errno.errorcode[number])
        return
    raise AssertionError("gave %r instead of %s" % (result, errno.errorcode[number]))


def put(path, data=b"", mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    while data:
        data = data[os.write(fd, data):]
    os.close(fd)


def get(path):
    with open(path, "rb") as file:
        return file.read()


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def as_user(uid, gid, function, *args):
    """Run a function in a child as another user; an exception there is one here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            function(*args)
        except BaseException:
            text = traceback.format_exc()
        os.write(writer, text.encode()[:60000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    assert not text, "as uid %d: %s" % (uid, text)


def run(*argv, **kwargs):
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **kwargs)
    assert result.returncode == 0, "%s: exit code %d: %s" % (argv[0], result.returncode, result.stdout.decode())
    return result.stdout


def main():
    failed = False
    for function in CHECKS:
        name = function.__doc__
        folder = tempfile.mkdtemp(prefix=function.__name__ + ".", dir=sys.argv[1])
        os.chmod(folder, 0o755)
        os.chdir(folder)
        os.umask(0o022)
        try:
            function()
            print("ok - " + name, flush=True)
        except Skip as why:
            print("skip - %s: %s" % (name, why), flush=True)
        except Exception:
            failed = True
            print("not ok - " + name)
            print("# " + traceback.format_exc().rstrip().replace("\n", "\n# "), flush=True)
    os.chdir("/")
    sys.exit(1 if failed else 0)
