"""What calls refuse, and how: paths and names that are too long, wrong kinds, flags of open, descriptors."""

import errno
import os
import resource
import signal
import stat

from mount_harness import check, fails, get, put, same
from rules import Cases, open_close, outcome, renameat2, touch

# Calls on a path, of which the last component is tested.
ON_A_NAME = {
    "stat": os.stat, "lstat": os.lstat, "open": lambda path: open_close(path, os.O_RDONLY),
    "create": touch, "mkdir": os.mkdir, "mkfifo": os.mkfifo, "mknod": lambda path: os.mknod(path, stat.S_IFREG | 0o600),
    "symlink": lambda path: os.symlink("x", path), "link": lambda path: os.link("f", path),
    "link of": lambda path: os.link(path, "linked"), "unlink": os.unlink, "rmdir": os.rmdir,
    "rename": lambda path: os.rename(path, "renamed"), "rename to": lambda path: os.rename("f", path),
    "exchange": lambda path: renameat2(path, "f", 2), "readlink": os.readlink, "chmod": lambda path: os.chmod(path, 0o700),
    "chown": lambda path: os.chown(path, -1, -1), "truncate": lambda path: os.truncate(path, 0), "utime": os.utime,
    "listing": os.listdir, "chdir": os.chdir, "access": lambda path: os.stat(path, follow_symlinks=True),
    "statvfs": os.statvfs, "getxattr": lambda path: os.getxattr(path, "user.a"),
    "setxattr": lambda path: os.setxattr(path, "user.a", b""), "listxattr": os.listxattr,
    "removexattr": lambda path: os.removexattr(path, "user.a"), "statfs": os.statvfs,
}
MAKES = ("create", "mkdir", "mkfifo", "mknod", "symlink", "link", "rename to")


@check
def long_components():
    """every call takes a name of 255 bytes and refuses one of 256"""
    cases = Cases()
    touch("f")
    for name, call in ON_A_NAME.items():
        for path in ("x" * 256, "x" * 256 + "/y", "y/../" + "\u00e4" * 128, "." + "x" * 4000):
            os.makedirs("y", exist_ok=True)
            cases.expect("%s of %d" % (name, len(path)), outcome(call, path), "ENAMETOOLONG")
        if name not in MAKES:
            cases.expect(name + " of 255", outcome(call, "x" * 255), "ENOENT")
    cases.expect("left", sorted(os.listdir(".")), ["f", "y"])
    cases.done()


@check
def long_paths():
    """every call takes a path of 4095 bytes and refuses one of 4096"""
    cases = Cases()
    touch("f")
    step = "./" * 2047
    same(len(step), 4094)
    for name, call in ON_A_NAME.items():
        cases.expect(name, outcome(call, step + "xx"), "ENAMETOOLONG")
        if name not in MAKES:
            cases.expect(name + " of 4095", outcome(call, step + "x"), "ENOENT")
    touch(step + "x")
    os.unlink(step + "x")
    cases.done()


@check
def file_as_folder():
    """every call refuses to go through what is no folder"""
    cases = Cases()
    touch("f")
    os.mkfifo("p")
    os.symlink("f", "l")
    for name, call in ON_A_NAME.items():
        for path in ("f/x", "p/x", "l/x", "f/.", "f/.."):
            cases.expect("%s of %s" % (name, path), outcome(call, path), "ENOTDIR")
    cases.expect("slash", outcome(os.stat, "f/"), "ENOTDIR")
    cases.expect("listing", outcome(os.listdir, "f"), "ENOTDIR")
    cases.expect("chdir", outcome(os.chdir, "f"), "ENOTDIR")
    cases.expect("rmdir", outcome(os.rmdir, "f"), "ENOTDIR")
    cases.expect("O_DIRECTORY", outcome(os.open, "f", os.O_DIRECTORY), "ENOTDIR")
    cases.done()


@check
def nothing_there():
    """every call says so where a name, or a folder on the way, is missing"""
    cases = Cases()
    touch("f")
    os.symlink("none", "dangling")
    for name, call in ON_A_NAME.items():
        if name not in MAKES:
            cases.expect(name, outcome(call, "none"), "ENOENT")
        for path in ("none/x", "dangling/x", ""):
            cases.expect("%s of %r" % (name, path), outcome(call, path), "ENOENT")
    cases.done()


@check
def folder_as_file():
    """a folder can't be opened for writing, truncated, read or unlinked"""
    cases = Cases()
    os.mkdir("d")
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDONLY | os.O_TRUNC, os.O_CREAT, os.O_CREAT | os.O_WRONLY):
        cases.expect("open %o" % flags, outcome(os.open, "d", flags), "EISDIR")
    cases.expect("O_EXCL", outcome(os.open, "d", os.O_CREAT | os.O_EXCL), "EEXIST")
    cases.expect("truncate", outcome(os.truncate, "d", 0), "EISDIR")
    cases.expect("unlink", outcome(os.unlink, "d"), "EISDIR")
    fd = os.open("d", os.O_RDONLY)
    cases.expect("read", outcome(os.read, fd, 1), "EISDIR")
    cases.expect("write", outcome(os.write, fd, b"x"), "EBADF")
    cases.expect("ftruncate", outcome(os.ftruncate, fd, 0), "EINVAL")
    os.close(fd)
    cases.done()


@check
def what_exists():
    """making what exists is refused, whatever exists there"""
    cases = Cases()
    touch("f")
    for name, make in (("file", touch), ("folder", os.mkdir), ("fifo", os.mkfifo),
                       ("link", lambda path: os.symlink("none", path))):
        make(name)
        for call in ("mkdir", "mkfifo", "mknod", "symlink", "link"):
            cases.expect("%s over a %s" % (call, name), outcome(ON_A_NAME[call], name), "EEXIST")
        cases.expect("O_EXCL over a " + name, outcome(os.open, name, os.O_CREAT | os.O_EXCL), "EEXIST")
    cases.done()


@check
def removing_folders():
    """rmdir and unlink refuse full folders, . and .., and the folder of the mount"""
    cases = Cases()
    os.makedirs("d/e")
    cases.expect("full", outcome(os.rmdir, "d"), "ENOTEMPTY")
    cases.expect(".", outcome(os.rmdir, "d/e/."), "EINVAL")
    cases.expect("..", outcome(os.rmdir, "d/e/.."), "ENOTEMPTY")
    cases.expect("unlink .", outcome(os.unlink, "d/."), "EISDIR")
    cases.expect("mkdir .", outcome(os.mkdir, "d/."), "EEXIST")
    cases.expect("mkdir ..", outcome(os.mkdir, "d/.."), "EEXIST")
    os.rmdir("d/e/")
    os.mkdir("d/e/")
    cases.expect("slash", os.listdir("d"), ["e"])
    cases.done()


@check
def flags_of_open():
    """open's flags do what they say"""
    cases = Cases()
    put("f", b"data")
    os.symlink("f", "l")
    os.mkdir("d")
    for what, path, flags, wanted in (
            ("O_NOFOLLOW of a link", "l", os.O_NOFOLLOW, "ELOOP"), ("O_NOFOLLOW", "f", os.O_NOFOLLOW, "ok"),
            ("O_PATH of a link", "l", os.O_PATH | os.O_NOFOLLOW, "ok"), ("O_DIRECTORY", "d", os.O_DIRECTORY, "ok"),
            ("O_DIRECTORY of a file", "f", os.O_DIRECTORY, "ENOTDIR"), ("O_EXCL", "f", os.O_CREAT | os.O_EXCL, "EEXIST"),
            ("O_EXCL of a link", "l", os.O_CREAT | os.O_EXCL, "EEXIST"), ("O_CREAT", "f", os.O_CREAT, "ok"),
            ("O_CREAT and O_DIRECTORY", "new", os.O_CREAT | os.O_DIRECTORY, "EINVAL"),
            ("O_SYNC", "f", os.O_WRONLY | os.O_SYNC, "ok"), ("O_DSYNC", "f", os.O_WRONLY | os.O_DSYNC, "ok"),
            ("O_NONBLOCK", "f", os.O_RDWR | os.O_NONBLOCK, "ok"), ("O_DIRECT", "f", os.O_RDWR | os.O_DIRECT, "ok"),
            ("O_CREAT with a slash", "new/", os.O_CREAT | os.O_WRONLY, "EISDIR"),
            ("a file with a slash", "f/", os.O_RDONLY, "ENOTDIR")):
        cases.expect(what, outcome(open_close, path, flags), wanted)
    cases.expect("unharmed", get("f"), b"data")
    open_close("f", os.O_RDONLY | os.O_TRUNC)
    cases.expect("O_TRUNC for reading", os.stat("f").st_size, 0)
    cases.expect("names", sorted(os.listdir(".")), ["d", "f", "l"])
    cases.done()


@check
def wrong_descriptors():
    """descriptors allow what they were opened for"""
    cases = Cases()
    put("f", b"data")
    reader, writer, path = os.open("f", os.O_RDONLY), os.open("f", os.O_WRONLY), os.open("f", os.O_PATH)
    for name, fd in (("reader", reader), ("path", path)):
        cases.expect("write by " + name, outcome(os.write, fd, b"x"), "EBADF")
        cases.expect("pwrite by " + name, outcome(os.pwrite, fd, b"x", 0), "EBADF")
        cases.expect("fallocate by " + name, outcome(os.posix_fallocate, fd, 0, 1), "EBADF")
    cases.expect("ftruncate by reader", outcome(os.ftruncate, reader, 0), "EINVAL")
    cases.expect("ftruncate by path", outcome(os.ftruncate, path, 0), "EBADF")
    for name, fd in (("writer", writer), ("path", path)):
        cases.expect("read by " + name, outcome(os.read, fd, 1), "EBADF")
        cases.expect("pread by " + name, outcome(os.pread, fd, 1, 0), "EBADF")
    cases.expect("fchmod by path", outcome(os.fchmod, path, 0o600), "EBADF")
    cases.expect("fsync by path", outcome(os.fsync, path), "EBADF")
    cases.expect("fstat by path", os.fstat(path).st_size, 4)
    cases.expect("listing by file", outcome(os.listdir, reader), "ENOTDIR")
    for fd in (reader, writer, path):
        os.close(fd)
    cases.done()


@check
def offsets():
    """negative offsets and lengths are refused, and so is what would end behind the largest file"""
    cases = Cases()
    put("f", b"data")
    fd = os.open("f", os.O_RDWR)
    cases.expect("pread", outcome(os.pread, fd, 1, -1), "EINVAL")
    cases.expect("pwrite", outcome(os.pwrite, fd, b"x", -1), "EINVAL")
    cases.expect("truncate", outcome(os.truncate, "f", -1), "EINVAL")
    cases.expect("ftruncate", outcome(os.ftruncate, fd, -1), "EINVAL")
    cases.expect("ftruncate to the end of numbers", outcome(os.ftruncate, fd, 2**63 - 1), "EFBIG")
    cases.expect("pwrite past the end of numbers", outcome(os.pwrite, fd, b"xx", 2**63 - 1), "EINVAL")
    cases.expect("pwrite behind the largest file", outcome(os.pwrite, fd, b"xx", 2**62 + 5), "EFBIG")
    cases.expect("lseek", outcome(os.lseek, fd, -1, os.SEEK_SET), "EINVAL")
    cases.expect("lseek before the beginning", outcome(os.lseek, fd, -5, os.SEEK_END), "EINVAL")
    cases.expect("lseek from nowhere", outcome(os.lseek, fd, 0, 99), "EINVAL")
    cases.expect("lseek behind the end", os.lseek(fd, 100, os.SEEK_END), 104)
    cases.expect("read there", os.read(fd, 9), b"")
    cases.expect("fallocate", outcome(os.posix_fallocate, fd, -1, 1), "EINVAL")
    cases.expect("fallocate of nothing", outcome(os.posix_fallocate, fd, 0, 0), "EINVAL")
    cases.expect("fallocate of too much", outcome(os.posix_fallocate, fd, 2**62, 2**62), "EFBIG")
    cases.expect("unharmed", get("f"), b"data")
    os.close(fd)
    cases.done()


@check
def size_limit():
    """RLIMIT_FSIZE stops writes, truncation and fallocate where it says, with EFBIG"""
    put("f", b"")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))
            for flags in (os.O_WRONLY, os.O_RDWR):
                fd = os.open("f", flags)
                os.ftruncate(fd, 0)
                same(os.pwrite(fd, b"x" * 9000, 5000), 5000)
                fails(errno.EFBIG, os.pwrite, fd, b"x", 10000)
                fails(errno.EFBIG, os.ftruncate, fd, 10001)
                fails(errno.EFBIG, os.posix_fallocate, fd, 0, 10001)
                os.close(fd)
            code = 0
        finally:
            os._exit(code)
    same(os.waitpid(child, 0)[1], 0)
    same(os.stat("f").st_size, 10000)
