"""Hard and symbolic links, nodes of all types, and what loses its name while it is open."""

import errno
import os
import socket
import stat
import tempfile

from mount_harness import Skip, check, fails, get, need_root, put, same
from rules import (AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, FULL, GROUP, HOST, OWNER, Cases, as_groups, linkat,
                   only_nacre, open_close, outcome, touch)


@check
def links_to_every_kind():
    """files, fifos, sockets and symbolic links get further names, folders do not"""
    cases = Cases()
    touch("file")
    os.mkfifo("fifo")
    os.mknod("socket", stat.S_IFSOCK | 0o600)
    os.symlink("file", "symlink")
    os.mkdir("folder")
    for name in ("file", "fifo", "socket", "symlink"):
        linkat(name, name + "-2")
        cases.expect(name, os.lstat(name + "-2").st_ino, os.lstat(name).st_ino)
        cases.expect(name + " count", os.lstat(name).st_nlink, 2)
        os.unlink(name)
        cases.expect(name + " left", os.lstat(name + "-2").st_nlink, 1)
        os.rename(name + "-2", name)
    cases.expect("folder", outcome(linkat, "folder", "folder-2"), "EPERM")
    cases.expect("through a symbolic link", outcome(linkat, "symlink", "followed", AT_SYMLINK_FOLLOW), "ok")
    cases.expect("which was followed", os.lstat("followed").st_ino, os.stat("file").st_ino)
    cases.done()


@check
def links_refused():
    """link says what is wrong"""
    cases = Cases()
    touch("f")
    touch("g")
    os.mkdir("d")
    os.symlink("none", "dangling")
    for what, old, new, wanted in (
            ("existing name", "f", "g", "EEXIST"), ("itself", "f", "f", "EEXIST"), ("folder there", "f", "d", "EEXIST"),
            ("dangling link there", "f", "dangling", "EEXIST"), ("no such file", "x", "y", "ENOENT"),
            ("no such folder", "f", "x/y", "ENOENT"), ("file as folder", "f", "g/y", "ENOTDIR"),
            ("file as the source's folder", "g/y", "x", "ENOTDIR"), ("empty source", "", "x", "ENOENT"),
            ("empty name", "f", "", "ENOENT"), ("trailing slash", "f", "x/", "ENOENT"),
            ("the folder", ".", "x", "EPERM"), ("long name", "f", "x" * 256, "ENAMETOOLONG")):
        cases.expect(what, outcome(linkat, old, new), wanted)
    cases.expect("unknown flags", outcome(linkat, "f", "x", 0x4000), "EINVAL")
    cases.done()


@check
def link_of_an_open_file():
    """an open file gets a further name by its descriptor, and none once it has lost its last one"""
    need_root()
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    linkat("", "g", AT_EMPTY_PATH, fd)
    same(os.stat("g").st_ino, os.fstat(fd).st_ino)
    os.unlink("f")
    linkat("/proc/self/fd/%d" % fd, "h", AT_SYMLINK_FOLLOW)
    os.unlink("g")
    os.unlink("h")
    same(os.fstat(fd).st_nlink, 0)
    fails(errno.ENOENT, linkat, "", "i", AT_EMPTY_PATH, fd)
    fails(errno.ENOENT, linkat, "/proc/self/fd/%d" % fd, "i", AT_SYMLINK_FOLLOW)
    os.close(fd)


@check
def many_links():
    """a file has ten thousand names, in ten folders, and loses them one by one"""
    put("f", b"data")
    for i in range(10000):
        folder = "d%d" % (i % 10)
        if i < 10:
            os.mkdir(folder)
        os.link("f", "%s/%d" % (folder, i))
    same(os.stat("f").st_nlink, 10001)
    for i in range(9999):
        os.unlink("d%d/%d" % (i % 10, i))
    os.unlink("f")
    same((os.stat("d9/9999").st_nlink, get("d9/9999")), (1, b"data"))


@check
def most_links():
    """the millionth name is the last, with EMLINK after it, and giving one up makes room"""
    only_nacre("ext4 ends at 65,000")
    if not FULL:
        raise Skip("NACRE_TORTURE=1 takes the minutes for it")
    touch("f")
    os.mkdir("d")
    for i in range(1, 1000000):
        os.link("f", "d/%d" % i)
    same(os.stat("f").st_nlink, 1000000)
    fails(errno.EMLINK, os.link, "f", "d/x")
    touch("g")
    os.rename("g", "d/1")
    os.link("f", "d/x")
    fails(errno.EMLINK, os.link, "f", "d/y")
    for i in range(1, 1000000):
        os.unlink("d/%d" % i)
    same(os.stat("f").st_nlink, 2)


@check
def symlink_targets():
    """symbolic links of every length up to 4095 bytes come back, longer and empty ones are refused"""
    cases = Cases()
    for size in (1, 2, 59, 60, 61, 255, 256, 1023, 1024, 3000, 3071, 3072, 3073, 4000, 4031, 4032, 4033, 4094, 4095):
        os.symlink("x" * size, "l%d" % size)
        cases.expect("%d" % size, (len(os.readlink("l%d" % size)), os.lstat("l%d" % size).st_size), (size, size))
    cases.expect("too long", outcome(os.symlink, "x" * 4096, "l"), "ENAMETOOLONG")
    cases.expect("empty", outcome(os.symlink, "", "l"), "ENOENT")
    cases.expect("existing", outcome(os.symlink, "x", "l1"), "EEXIST")
    touch("f")
    cases.expect("readlink of a file", outcome(os.readlink, "f"), "EINVAL")
    cases.expect("readlink of a folder", outcome(os.readlink, "."), "EINVAL")
    cases.done()


@check
def symlink_chains():
    """forty links in a row are followed, forty-one are a loop, for every call"""
    cases = Cases()
    os.mkdir("end")
    os.symlink("end", "l0")
    for i in range(1, 41):
        os.symlink("l%d" % (i - 1), "l%d" % i)
    cases.expect("forty", os.stat("l39").st_ino, os.stat("end").st_ino)
    os.symlink("round", "about")
    os.symlink("about", "round")
    for path in ("l40", "about", "round/x"):
        for call, args in ((os.stat, ()), (os.open, (os.O_RDONLY,)), (os.truncate, (0,)), (os.chmod, (0o644,)),
                           (os.listdir, ()), (os.chdir, ()), (os.getxattr, ("user.a",)), (os.chown, (-1, -1))):
            cases.expect("%s of %s" % (call.__name__, path), outcome(call, path, *args), "ELOOP")
    for call in (os.mkdir, os.unlink, os.rmdir, os.readlink, os.lstat, os.mkfifo):
        cases.expect("%s in a loop" % call.__name__, outcome(call, "about/x"), "ELOOP")
    cases.expect("rename from", outcome(os.rename, "about/x", "y"), "ELOOP")
    cases.expect("rename to", outcome(os.rename, "end", "about/x"), "ELOOP")
    cases.expect("link", outcome(linkat, "about", "y", AT_SYMLINK_FOLLOW), "ELOOP")
    cases.expect("O_NOFOLLOW", outcome(os.open, "l0", os.O_RDONLY | os.O_NOFOLLOW), "ELOOP")
    cases.expect("O_NOFOLLOW and O_DIRECTORY", outcome(os.open, "l0", os.O_NOFOLLOW | os.O_DIRECTORY), "ENOTDIR")
    cases.expect("O_EXCL", outcome(os.open, "about", os.O_CREAT | os.O_EXCL), "EEXIST")
    cases.done()


@check
def symlinks_in_paths():
    """symbolic links on the way are followed, at the end only where the call follows"""
    cases = Cases()
    os.makedirs("d/e")
    put("d/f", b"data")
    os.symlink("d", "dl")
    os.symlink("../f", "d/e/up")
    os.symlink("new", "dangling")
    cases.expect("through", get("dl/e/up"), b"data")
    cases.expect("rmdir", outcome(os.rmdir, "dl"), "ENOTDIR")
    cases.expect("rmdir with a slash", outcome(os.rmdir, "dl/"), "ENOTDIR")
    cases.expect("unlink with a slash", outcome(os.unlink, "dl/"), "ENOTDIR")
    put("dangling", b"made")
    cases.expect("made what it points to", get("new"), b"made")
    cases.expect("mkdir over", outcome(os.mkdir, "dl"), "EEXIST")
    os.truncate("dangling", 2)
    os.chmod("dangling", 0o600)
    cases.expect("followed", (os.stat("new").st_size, stat.S_IMODE(os.stat("new").st_mode)), (2, 0o600))
    cases.expect("itself", os.lstat("dangling").st_size, 3)
    os.rename("dangling", "renamed")
    cases.expect("renamed itself", os.readlink("renamed"), "new")
    cases.done()


@check
def nodes():
    """mknod makes files, fifos, sockets and devices of all numbers, and nothing else"""
    need_root()
    cases = Cases()
    for kind in (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK, 0):
        for mode in (0, 0o644, 0o777, 0o4755, 0o2711, 0o1777):
            os.umask(0)
            os.mknod("n", kind | mode, os.makedev(12, 34))
            found = os.lstat("n")
            device = os.makedev(12, 34) if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
            cases.expect("%o" % (kind | mode), (found.st_mode, found.st_rdev),
                         ((kind or stat.S_IFREG) | mode, device))
            os.unlink("n")
    for major, minor in ((0, 0), (1, 255), (255, 256), (4095, 1048575), (256, 0), (0, 1048575)):
        os.mknod("n", stat.S_IFCHR | 0o600, os.makedev(major, minor))
        cases.expect("%d:%d" % (major, minor), os.lstat("n").st_rdev, os.makedev(major, minor))
        os.unlink("n")
    cases.expect("folder", outcome(os.mknod, "n", stat.S_IFDIR | 0o755), "EPERM")
    cases.expect("link", outcome(os.mknod, "n", stat.S_IFLNK | 0o777), "EINVAL")
    touch("f")
    cases.expect("existing", outcome(os.mknod, "f", stat.S_IFIFO), "EEXIST")
    os.chmod(".", 0o777)

    def as_owner():
        inner = Cases()
        for kind, wanted in ((stat.S_IFREG, "ok"), (stat.S_IFIFO, "ok"), (stat.S_IFSOCK, "ok"),
                             (stat.S_IFCHR, "EPERM"), (stat.S_IFBLK, "EPERM")):
            inner.expect("user %o" % kind, outcome(os.mknod, "u%o" % kind, kind | 0o600, os.makedev(1, 3)), wanted)
        inner.done()

    as_groups(OWNER, [GROUP], as_owner)
    cases.done()


@check
def nodes_work():
    """a device node is its device, a fifo carries data, a socket takes connections"""
    need_root()
    os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod("zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    if os.statvfs(".").f_flag & os.ST_NODEV:
        fails(errno.EACCES, os.open, "null", os.O_RDONLY)
    else:
        put("null", b"gone")
        with open("zero", "rb") as zero:
            same(zero.read(5), bytes(5))
    os.mkfifo("fifo")
    both = os.open("fifo", os.O_RDWR)
    os.write(both, b"through")
    same(os.read(both, 99), b"through")
    os.close(both)
    fails(errno.ENXIO, os.open, "fifo", os.O_WRONLY | os.O_NONBLOCK)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("sock")
        fails(errno.ENXIO, os.open, "sock", os.O_RDONLY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", "sock")
        same(server.recv(9), b"hello")


@check
def unlinked_while_open():
    """a file without a name is whole until its last descriptor is closed, in every process"""
    data = os.urandom(300000)
    put("f", data)
    fd = os.open("f", os.O_RDWR)
    again = os.open("f", os.O_RDONLY)
    os.unlink("f")
    put("f", b"another")
    same((os.fstat(fd).st_nlink, os.pread(fd, 400000, 0)), (0, data))
    os.pwrite(fd, b"new", 500000)
    os.close(fd)
    child = os.fork()
    if child == 0:
        os._exit(0 if os.pread(again, 3, 500000) == b"new" and os.pread(again, 300000, 0) == data else 1)
    same(os.waitpid(child, 0)[1], 0)
    copy = os.open("/proc/self/fd/%d" % again, os.O_RDWR)
    os.ftruncate(copy, 7)
    os.fsync(copy)
    same(os.fstat(again).st_size, 7)
    os.close(copy)
    os.close(again)
    same(get("f"), b"another")


@check
def removed_while_open():
    """a folder that is gone while it is somebody's current one takes no new names"""
    os.mkdir("d")
    os.chdir("d")
    os.rmdir("../d")
    cases = Cases()
    cases.expect("listing", os.listdir("."), [])
    for call, args in ((touch, ("f",)), (os.mkdir, ("e",)), (os.symlink, ("x", "l")), (os.mkfifo, ("p",)),
                       (os.rename, ("../g", "g")), (os.link, ("../g", "g")), (os.stat, ("f",)), (os.unlink, ("f",))):
        cases.expect(call.__name__, outcome(call, *args), "ENOENT")
    cases.expect("getcwd", outcome(os.getcwd), "ENOENT")
    cases.expect("nlink", os.stat(".").st_nlink, 0)
    os.chmod(".", 0o700)
    os.utime(".")
    cases.expect("the one above", os.path.exists(".."), True)
    cases.done()


@check
def unnamed_file():
    """O_TMPFILE makes a file without a name: linked by descriptor it gets one, with O_EXCL it can't"""
    try:
        fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP and not HOST:
            raise Skip("libfuse before 3.17 has no O_TMPFILE")
        raise
    same((os.listdir("."), os.fstat(fd).st_nlink, stat.S_IMODE(os.fstat(fd).st_mode)), ([], 0, 0o640))
    os.write(fd, b"unnamed")
    linkat("/proc/self/fd/%d" % fd, "named", AT_SYMLINK_FOLLOW)
    same((get("named"), os.fstat(fd).st_nlink), (b"unnamed", 1))
    os.close(fd)
    fd = os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_EXCL, 0o600)
    fails(errno.ENOENT, linkat, "/proc/self/fd/%d" % fd, "never", AT_SYMLINK_FOLLOW)
    os.close(fd)
    fails(errno.EINVAL, os.open, ".", os.O_TMPFILE | os.O_RDONLY)
    fails(errno.ENOTDIR, os.open, "named", os.O_TMPFILE | os.O_RDWR)
    fails(errno.ENOENT, os.open, "none", os.O_TMPFILE | os.O_RDWR)


@check
def other_filesystems():
    """links and renames to another filesystem say EXDEV, and move nothing"""
    if os.stat("/dev/shm").st_dev == os.stat(".").st_dev:
        raise Skip("there is no other filesystem")
    put("f", b"data")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        fails(errno.EXDEV, os.link, "f", elsewhere + "/f")
        fails(errno.EXDEV, os.rename, "f", elsewhere + "/f")
        same(os.listdir(elsewhere), [])
    same(get("f"), b"data")
    open_close("f", os.O_RDWR)
