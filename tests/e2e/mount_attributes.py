import errno
import mmap
import os
import shutil
import stat
import struct
import subprocess
import time

from mount_harness import Skip, as_user, check, fails, get, main, need_root, put, run, same

NOBODY = 65534
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)  # cap_net_bind_service+ep


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def acl(path):
    return run("getfacl", "-cpE", path).decode().split()


def need_acl():
    if shutil.which("setfacl") is None:
        raise Skip("no setfacl here")


@check
def xattr_basics():
    """user attributes are set, read, listed and removed"""
    put("f")
    os.setxattr("f", "user.a", b"1")
    os.setxattr("f", "user.empty", b"")
    os.setxattr("f", "user." + "n" * 250, bytes(range(256)))
    same(os.getxattr("f", "user.a"), b"1")
    same(os.getxattr("f", "user.empty"), b"")
    same(os.getxattr("f", "user." + "n" * 250), bytes(range(256)))
    same(sorted(os.listxattr("f")), sorted(["user.a", "user.empty", "user." + "n" * 250]))
    fails(errno.EEXIST, os.setxattr, "f", "user.a", b"", os.XATTR_CREATE)
    fails(errno.ENODATA, os.setxattr, "f", "user.b", b"", os.XATTR_REPLACE)
    os.setxattr("f", "user.a", b"22", os.XATTR_REPLACE)
    same(os.getxattr("f", "user.a"), b"22")
    os.removexattr("f", "user.a")
    fails(errno.ENODATA, os.getxattr, "f", "user.a")
    fails(errno.ENODATA, os.removexattr, "f", "user.a")
    fails(errno.EOPNOTSUPP, os.setxattr, "f", "nonsense.a", b"")


@check
def xattr_sizes():
    """attribute values up to 64 KiB come back, on folders too"""
    os.mkdir("d")
    for size in (0, 1, 255, 4000, 4096, 16384, 65536):
        value = bytes(i * 7 % 256 for i in range(size))
        os.setxattr("d", "user.v", value)
        assert os.getxattr("d", "user.v") == value
    for i in range(100):
        os.setxattr("d", "user.%d" % i, b"x" * i)
    same(len(os.listxattr("d")), 101)
    for i in range(100):
        same(os.getxattr("d", "user.%d" % i), b"x" * i)


@check
def xattr_times():
    """an attribute changes the change time, and not the modification time"""
    put("f")
    before = os.stat("f")
    time.sleep(0.02)
    os.setxattr("f", "user.a", b"1")
    after = os.stat("f")
    assert after.st_ctime_ns > before.st_ctime_ns
    same(after.st_mtime_ns, before.st_mtime_ns)


@check
def xattr_namespaces():
    """trusted and security attributes are root's, and others do not see trusted ones"""
    need_root()
    put("f")
    os.symlink("f", "l")
    os.setxattr("f", "trusted.t", b"t")
    os.setxattr("f", "security.s", b"s")
    os.setxattr("f", "user.u", b"u")
    os.setxattr("l", "trusted.l", b"l", follow_symlinks=False)
    same(os.getxattr("l", "trusted.l", follow_symlinks=False), b"l")
    same(sorted(os.listxattr("f")), ["security.s", "trusted.t", "user.u"])
    here = os.getcwd()
    as_user(NOBODY, NOBODY, lambda: same(sorted(os.listxattr(here + "/f")), ["security.s", "user.u"]))
    as_user(NOBODY, NOBODY, fails, errno.ENODATA, os.getxattr, "f", "trusted.t")


@check
def acl_sets_mode():
    """an access ACL sets the mode, and chmod sets the ACL's mask"""
    need_acl()
    put("f", mode=0o640)
    run("setfacl", "-m", "u:4242:rwx,g:4343:rx", "f")
    same(mode("f"), 0o670)
    same(acl("f"), ["user::rw-", "user:4242:rwx", "group::r--", "group:4343:r-x", "mask::rwx", "other::---"])
    os.chmod("f", 0o604)
    same(acl("f"), ["user::rw-", "user:4242:rwx", "group::r--", "group:4343:r-x", "mask::---", "other::r--"])
    run("setfacl", "-b", "f")
    same((mode("f"), acl("f")), (0o604, ["user::rw-", "group::---", "other::r--"]))


@check
def acl_inherited():
    """a default ACL is inherited, takes the umask's place, and passes on to folders"""
    need_acl()
    os.mkdir("d")
    run("setfacl", "-d", "-m", "u::rwx,g::rx,o::-,u:4242:rwx,m::rwx", "d")
    os.umask(0o077)
    put("d/f", mode=0o666)
    os.mkdir("d/e", 0o777)
    same(acl("d/f"), ["user::rw-", "user:4242:rwx", "group::r-x", "mask::rw-", "other::---"])
    same(mode("d/f"), 0o660)
    wanted = ["user::rwx", "user:4242:rwx", "group::r-x", "mask::rwx", "other::---"]
    same(acl("d/e"), wanted + ["default:" + entry for entry in wanted])
    put("d/e/f", mode=0o600)
    same(acl("d/e/f"), ["user::rw-", "user:4242:rwx", "group::r-x", "mask::---", "other::---"])
    os.symlink("x", "d/l")
    same(stat.S_IMODE(os.lstat("d/l").st_mode), 0o777)


@check
def acl_effect():
    """an ACL lets in whom it names, at once, and keeps out others"""
    need_root()
    need_acl()
    put("f", b"secret", mode=0o600)
    path = os.path.abspath("f")
    as_user(NOBODY, NOBODY, fails, errno.EACCES, get, path)
    run("setfacl", "-m", "u:%d:r" % NOBODY, "f")
    as_user(NOBODY, NOBODY, lambda: same(get(path), b"secret"))
    as_user(NOBODY, NOBODY, fails, errno.EACCES, os.open, path, os.O_WRONLY)
    as_user(4242, NOBODY, fails, errno.EACCES, get, path)
    run("setfacl", "-x", "u:%d" % NOBODY, "f")
    as_user(NOBODY, NOBODY, fails, errno.EACCES, get, path)
    run("setfacl", "-m", "g:%d:rw" % NOBODY, "f")
    as_user(4242, NOBODY, lambda: same(get(path), b"secret"))


@check
def permissions():
    """modes apply to others, to folders on the way too"""
    need_root()
    os.mkdir("d", 0o700)
    put("d/f", b"x", mode=0o666)
    path = os.path.abspath("d/f")
    as_user(NOBODY, NOBODY, fails, errno.EACCES, os.stat, path)
    os.chmod("d", 0o711)
    as_user(NOBODY, NOBODY, get, path)
    as_user(NOBODY, NOBODY, fails, errno.EACCES, os.listdir, os.path.dirname(path))
    as_user(NOBODY, NOBODY, fails, errno.EACCES, os.unlink, path)
    as_user(NOBODY, NOBODY, fails, errno.EPERM, os.chmod, path, 0o777)
    os.chmod("d", 0o700)
    as_user(NOBODY, NOBODY, fails, errno.EACCES, os.stat, path)


@check
def owners():
    """owners are kept, large ids too"""
    need_root()
    put("f")
    for owner in ((1, 2), (65535, 65536), (2**32 - 2, 2**31)):
        os.chown("f", *owner)
        same((os.stat("f").st_uid, os.stat("f").st_gid), owner)
    os.chmod(".", 0o777)
    as_user(4242, 4343, put, "g")
    same((os.stat("g").st_uid, os.stat("g").st_gid), (4242, 4343))


def privileged(path, bits):
    put(path, b"data" * 100, mode=0o755)
    os.chown(path, NOBODY, NOBODY)
    os.chmod(path, bits | 0o777)
    same(mode(path), bits | 0o777)


@check
def setuid_cleared_on_write():
    """another's write clears setuid and setgid, by any kind of open file"""
    need_root()

    def write(path, flags):
        fd = os.open(path, flags)
        os.write(fd, b"x")
        os.close(fd)

    for bits in (stat.S_ISUID, stat.S_ISGID, stat.S_ISUID | stat.S_ISGID):
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_TRUNC):
            privileged("f", bits)
            as_user(4242, 4242, write, "f", flags)
            same(mode("f"), 0o777)
            os.unlink("f")


@check
def setuid_cleared_while_open():
    """bits that are set while a file is open for writing go with its next write"""
    need_root()
    privileged("f", 0)
    for flags in (os.O_WRONLY, os.O_RDWR):
        here = os.open("f", flags)
        os.write(here, b"x")

        def write():
            os.write(here, b"y")

        os.chmod("f", 0o6777)
        same(mode("f"), 0o6777)
        as_user(4242, 4242, write)
        same(mode("f"), 0o777)
        os.close(here)


@check
def setuid_cleared_otherwise():
    """truncation, fallocate and chown clear the bits too; root's write does not"""
    need_root()
    privileged("f", 0o6000)
    as_user(4242, 4242, os.truncate, "f", 3)
    same(mode("f"), 0o777)
    privileged("f", 0o6000)

    def allocate():
        fd = os.open("f", os.O_WRONLY)
        os.posix_fallocate(fd, 0, 100000)
        os.close(fd)

    as_user(4242, 4242, allocate)
    same(mode("f"), 0o777)
    privileged("f", 0o6000)
    os.chown("f", 1, 1)
    same(mode("f"), 0o777)
    os.mkdir("d")
    os.chmod("d", 0o2775)
    os.chown("d", 1, 1)
    same(mode("d"), 0o2775)
    privileged("f", 0o6000)
    put("f", b"by root")
    same(mode("f"), 0o6777)


@check
def setuid_takes_effect():
    """a setuid program runs as its owner until somebody writes to it"""
    need_root()
    shutil.copy(shutil.which("id"), "id")
    os.chown("id", NOBODY, NOBODY)
    os.chmod("id", 0o4777)
    if os.statvfs(".").f_flag & os.ST_NOSUID:
        raise Skip("mounted nosuid")
    same(run("./id", "-u").strip(), b"%d" % NOBODY)

    def touch_end():
        fd = os.open("id", os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"\0")
        os.close(fd)

    as_user(4242, 4242, touch_end)
    same(run("./id", "-u").strip(), b"0")


@check
def capability_cleared():
    """any write, root's too, clears a file capability"""
    need_root()
    for flags in (os.O_WRONLY, os.O_RDWR):
        put("f", b"data", mode=0o755)
        os.setxattr("f", "security.capability", CAPABILITY)
        same(len(os.getxattr("f", "security.capability")), len(CAPABILITY))
        fd = os.open("f", flags)
        os.write(fd, b"x")
        os.close(fd)
        fails(errno.ENODATA, os.getxattr, "f", "security.capability")
    os.setxattr("f", "security.capability", CAPABILITY)
    os.chown("f", 1, 1)
    fails(errno.ENODATA, os.getxattr, "f", "security.capability")


@check
def setgid_needs_group():
    """only a member of the group sets a setgid bit, by chmod or ACL"""
    need_root()
    need_acl()
    put("f", mode=0o755)
    os.chown("f", 4242, 4343)
    as_user(4242, 4242, os.chmod, "f", 0o2755)
    same(mode("f"), 0o755)
    as_user(4242, 4343, os.chmod, "f", 0o2755)
    same(mode("f"), 0o2755)
    as_user(4242, 4242, run, "setfacl", "-m", "u:1:rwx", "f")
    same(mode("f") & stat.S_ISGID, 0)


@check
def relative_atime():
    """access times follow the relatime rule"""
    put("f", b"data")
    os.utime("f", ns=(1, 10**18))
    same(get("f"), b"data")
    first = os.stat("f").st_atime_ns
    assert first > 10**18
    time.sleep(0.02)
    same(get("f"), b"data")
    same(os.stat("f").st_atime_ns, first)
    os.utime("f", ns=(first - 2 * 86400 * 10**9, 10**18))
    fd = os.open("f", os.O_RDONLY | getattr(os, "O_DIRECT", 0))
    area = mmap.mmap(-1, 4096)
    os.preadv(fd, [area], 0)
    os.close(fd)
    assert os.stat("f").st_atime_ns > first - 86400 * 10**9
    os.mkdir("d")
    os.utime("d", ns=(1, 2))
    os.listdir("d")
    assert os.stat("d").st_atime_ns > 10**18


@check
def exec_from_mount():
    """a program runs from the mount, and cannot be written while it does"""
    shutil.copy(shutil.which("sleep"), "sleep")
    with subprocess.Popen(["./sleep", "100"]) as program:
        fails(errno.ETXTBSY, os.open, "sleep", os.O_WRONLY)
        program.kill()


main()
