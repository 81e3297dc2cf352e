import ctypes
import errno
import os
import socket
import stat
import time

from mount_harness import Skip, check, fails, get, main, need_root, put, same

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


def rename2(old, new, flags):
    if LIBC.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


@check
def create_and_remove():
    """a file is made, found, read and removed"""
    fails(errno.ENOENT, os.stat, "f")
    put("f", b"hello")
    same(get("f"), b"hello")
    same(os.stat("f").st_nlink, 1)
    fails(errno.EEXIST, os.open, "f", os.O_CREAT | os.O_EXCL)
    os.unlink("f")
    fails(errno.ENOENT, os.stat, "f")
    fails(errno.ENOENT, os.unlink, "f")


@check
def folders():
    """folders are made, counted as links, and removed only when empty"""
    os.mkdir("d")
    same(os.stat("d").st_nlink, 2)
    os.mkdir("d/e")
    same(os.stat("d").st_nlink, 3)
    fails(errno.EEXIST, os.mkdir, "d")
    fails(errno.ENOTEMPTY, os.rmdir, "d")
    fails(errno.EISDIR, os.open, "d", os.O_WRONLY)
    os.rmdir("d/e")
    same(os.stat("d").st_nlink, 2)
    os.rmdir("d")
    put("f")
    fails(errno.ENOTDIR, os.rmdir, "f")
    fails(errno.ENOTDIR, os.stat, "f/g")
    fails(errno.ENOTDIR, os.mkdir, "f/g")


@check
def removed_folder():
    """a folder that is removed while it is open is empty and takes nothing"""
    os.mkdir("d")
    fd = os.open("d", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir("d")
    same(os.listdir(fd), [])
    fails(errno.ENOENT, os.open, "f", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd)
    same(os.fstat(fd).st_nlink, 0)
    os.close(fd)


@check
def rename_plain():
    """rename moves, replaces a file, and replaces an empty folder"""
    put("a", b"a")
    put("b", b"b")
    os.rename("a", "b")
    same((os.listdir("."), get("b")), (["b"], b"a"))
    os.mkdir("d")
    os.mkdir("e")
    os.rename("b", "d/b")
    os.rename("d", "e")
    same(get("e/b"), b"a")
    os.mkdir("f")
    fails(errno.ENOTEMPTY, os.rename, "f", "e")
    os.rename("e/b", "e/b")
    same(get("e/b"), b"a")


@check
def rename_refused():
    """rename refuses what makes no sense"""
    os.makedirs("a/b")
    put("f")
    fails(errno.EINVAL, os.rename, "a", "a/b/c")
    fails(errno.ENOTDIR, os.rename, "a", "f")
    fails(errno.EISDIR, os.rename, "f", "a")
    fails(errno.ENOENT, os.rename, "x", "y")
    fails(errno.ENOENT, os.rename, "f", "x/y")


@check
def rename_links():
    """rename between two links of one file does nothing"""
    put("a", b"a")
    os.link("a", "b")
    os.rename("a", "b")
    same(sorted(os.listdir(".")), ["a", "b"])


@check
def rename_folder_links():
    """a folder that moves takes its link from one parent to the other"""
    os.makedirs("a/d")
    os.mkdir("b")
    os.rename("a/d", "b/d")
    same((os.stat("a").st_nlink, os.stat("b").st_nlink), (2, 3))
    same(os.stat("b/d/..").st_ino, os.stat("b").st_ino)


@check
def rename_noreplace():
    """RENAME_NOREPLACE refuses a name that exists"""
    put("a", b"a")
    put("b", b"b")
    fails(errno.EEXIST, rename2, "a", "b", NOREPLACE)
    rename2("a", "c", NOREPLACE)
    same((get("c"), get("b")), (b"a", b"b"))


@check
def rename_exchange():
    """RENAME_EXCHANGE swaps two names, of any kind"""
    put("a", b"a")
    os.makedirs("p/d")
    put("p/d/x", b"x")
    rename2("a", "p/d", EXCHANGE)
    same((get("a/x"), get("p/d")), (b"x", b"a"))
    same(os.stat("p").st_nlink, 2)
    same(os.stat("a/..").st_ino, os.stat(".").st_ino)
    fails(errno.ENOENT, rename2, "a", "none", EXCHANGE)


@check
def rename_open():
    """a file that was replaced while open keeps its data"""
    put("a", b"old")
    put("b", b"new")
    with open("a", "rb") as file:
        os.rename("b", "a")
        same(file.read(), b"old")
        same(os.fstat(file.fileno()).st_nlink, 0)
    same(get("a"), b"new")


@check
def hard_links():
    """hard links share one inode, and the count and change time follow"""
    put("a", b"1")
    os.mkdir("d")
    before = os.stat("a").st_ctime_ns
    time.sleep(0.02)
    os.link("a", "d/b")
    same(os.stat("a").st_nlink, 2)
    assert os.stat("a").st_ctime_ns > before
    same(os.stat("a").st_ino, os.stat("d/b").st_ino)
    put("d/b", b"22")
    same((get("a"), os.stat("a").st_size), (b"22", 2))
    before = os.stat("d/b").st_ctime_ns
    time.sleep(0.02)
    os.unlink("a")
    same(os.stat("d/b").st_nlink, 1)
    assert os.stat("d/b").st_ctime_ns > before
    fails(errno.EEXIST, os.link, "d/b", "d/b")
    fails(errno.EPERM, os.link, "d", "e")


@check
def link_count_of_replaced():
    """replacing one link of a file by rename lowers the count of the others"""
    put("a", b"1")
    os.link("a", "b")
    same(os.stat("b").st_nlink, 2)
    put("c", b"2")
    os.rename("c", "a")
    same(os.stat("b").st_nlink, 1)


@check
def symlinks():
    """symbolic links hold their target as it was given"""
    for target in ("f", "none", "/", "../" * 100, "x" * 4095, "\udcff\udcfe"):
        os.symlink(target, "l")
        same(os.readlink("l"), target)
        same(os.lstat("l").st_size, len(os.fsencode(target)))
        same(stat.S_IMODE(os.lstat("l").st_mode), 0o777)
        os.unlink("l")
    put("f", b"data")
    os.symlink("f", "l")
    same(get("l"), b"data")
    os.symlink("loop", "loop")
    fails(errno.ELOOP, os.stat, "loop")


@check
def odd_names():
    """names are bytes: all but / and NUL, up to 255 of them"""
    names = [bytes([b]) for b in range(1, 256) if b not in (0x2F, 0x2E)]
    names += [b"x" * 255, b"...", b" ", b"-rf", b"\n", "ä".encode(), "a\u0308".encode(), b"\xff" * 255, b"%s%n"]
    names = sorted(set(names))
    for name in names:
        put(name, name)
    same(sorted(os.listdir(b".")), names)
    for name in names:
        same(get(name), name)
        os.unlink(name)
    same(os.listdir("."), [])
    fails(errno.ENAMETOOLONG, put, "x" * 256)
    fails(errno.ENAMETOOLONG, os.stat, "x" * 256)
    put("A")
    fails(errno.ENOENT, os.stat, "a")


@check
def deep():
    """folders nest a thousand deep"""
    top = os.open(".", os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d")
        os.chdir("d")
    put("f", b"deep")
    for _ in range(1000):
        os.chdir("..")
    same(os.fstat(top).st_ino, os.stat(".").st_ino)
    os.close(top)


@check
def special_files():
    """fifos, sockets and device nodes are what they were made as"""
    os.mkfifo("fifo", 0o640)
    same(os.stat("fifo").st_mode, stat.S_IFIFO | 0o640)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        server.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("sock")
    assert stat.S_ISSOCK(os.stat("sock").st_mode)
    os.mknod("regular", stat.S_IFREG | 0o600)
    same(get("regular"), b"")
    child = os.fork()
    if child == 0:
        put("fifo", b"through")
        os._exit(0)
    same(get("fifo"), b"through")
    os.waitpid(child, 0)


@check
def device_nodes():
    """device numbers come back, large ones too"""
    need_root()
    for number in ((1, 3), (8, 17), (259, 1048575), (4095, 300)):
        for kind in (stat.S_IFCHR, stat.S_IFBLK):
            os.mknod("node", kind | 0o600, os.makedev(*number))
            found = os.lstat("node")
            same((found.st_mode, os.major(found.st_rdev), os.minor(found.st_rdev)), (kind | 0o600,) + number)
            os.unlink("node")


@check
def many_entries():
    """a folder of several thousand entries lists each once, with its inode and type"""
    count = 4000
    for i in range(count):
        put("file-%d" % i)
    seen = {}
    with os.scandir(".") as entries:
        for entry in entries:
            assert entry.name not in seen
            seen[entry.name] = entry.inode()
            assert entry.is_file(follow_symlinks=False)
    same(len(seen), count)
    for i in range(0, count, 397):
        same(os.stat("file-%d" % i).st_ino, seen["file-%d" % i])
    with os.scandir(".") as entries:
        for removed, entry in enumerate(entries):
            os.unlink(entry.name)
    same(removed + 1, count)
    same(os.listdir("."), [])


@check
def list_while_changing():
    """an entry that stays is listed exactly once while others come and go"""
    stay = {"stay-%d" % i for i in range(1000)}
    for name in stay:
        put(name)
    seen = []
    with os.scandir(".") as entries:
        for i, entry in enumerate(entries):
            seen.append(entry.name)
            if i >= 1500:  # new names may come too, and a loop that makes one for each would not end
                break
            put("new-%d" % i)
            if i > 0:
                os.unlink("new-%d" % (i - 1))
        seen += [entry.name for entry in entries]
    for name in stay:
        same(seen.count(name), 1)


@check
def modes_and_umask():
    """modes follow the umask, and chmod sets every bit"""
    os.umask(0o027)
    put("f", mode=0o666)
    os.mkdir("d", 0o777)
    same(stat.S_IMODE(os.stat("f").st_mode), 0o640)
    same(stat.S_IMODE(os.stat("d").st_mode), 0o750)
    for mode in (0o000, 0o777, 0o1777, 0o4755, 0o7777):
        os.chmod("d", mode)
        same(stat.S_IMODE(os.stat("d").st_mode), mode)
    os.chmod("d", 0o700)


@check
def setgid_folder():
    """what is made in a setgid folder has its group, and folders pass the bit on"""
    need_root()
    os.mkdir("d")
    os.chown("d", 0, 4242)
    os.chmod("d", 0o2775)
    put("d/f")
    os.mkdir("d/e")
    same(os.stat("d/f").st_gid, 4242)
    same(os.stat("d/e").st_gid, 4242)
    assert os.stat("d/e").st_mode & stat.S_ISGID
    assert not os.stat("d/f").st_mode & stat.S_ISGID


@check
def times():
    """times are kept to the nanosecond, before 1970 and after 2106 too"""
    put("f")
    for seconds in (0, 1, 1700000000, -5, 5000000000):
        stamp = seconds * 10**9 + 123456789
        os.utime("f", ns=(stamp, stamp + 7))
        found = os.stat("f")
        same((found.st_atime_ns, found.st_mtime_ns), (stamp, stamp + 7))
    os.symlink("f", "l")
    os.utime("l", ns=(5, 6), follow_symlinks=False)
    same((os.lstat("l").st_atime_ns, os.lstat("l").st_mtime_ns), (5, 6))
    os.utime("f")
    assert abs(os.stat("f").st_mtime - time.time()) < 60


@check
def times_of_folders():
    """making and removing a name changes its folder's times"""
    def stamp():
        time.sleep(0.02)
        found = os.stat("d")
        same(found.st_mtime_ns, found.st_ctime_ns)
        return found.st_mtime_ns

    os.mkdir("d")
    put("d/0")
    last = stamp()
    for change in (lambda: put("d/a"), lambda: os.mkdir("d/d"), lambda: os.link("d/a", "d/b"),
                   lambda: os.rename("d/a", "d/c"), lambda: os.unlink("d/b"), lambda: os.rmdir("d/d"),
                   lambda: os.symlink("x", "d/l")):
        change()
        now = stamp()
        assert now > last, "no change"
        last = now


@check
def sticky():
    """in a sticky folder only the owner removes a file"""
    need_root()
    from mount_harness import as_user
    os.chmod(".", 0o1777)
    put("f")
    try:
        as_user(65534, 65534, os.stat, os.getcwd())
    except AssertionError:
        raise Skip("others may not enter this mount")
    as_user(65534, 65534, fails, errno.EPERM, os.unlink, "f")


@check
def unlinked_open():
    """an unlinked open file keeps working until it is closed"""
    fd = os.open("f", os.O_RDWR | os.O_CREAT)
    os.write(fd, b"data")
    os.unlink("f")
    same(os.fstat(fd).st_nlink, 0)
    os.pwrite(fd, b"DA", 0)
    same(os.pread(fd, 10, 0), b"DAta")
    os.fchmod(fd, 0o600)
    os.ftruncate(fd, 1)
    same(os.fstat(fd).st_size, 1)
    os.close(fd)


main()
