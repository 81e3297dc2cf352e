"""tree.py make FOLDER: a small tree of everything that is seldom met.
tree.py list COUNT ROOT...: the names, NUL-terminated, of files in these folders, and of what lies between.
tree.py compare OURS HOST: every difference between two trees.
tree.py sizes FOLDER: the bytes of its files, holes apart, each inode once."""

import os
import random
import socket
import stat
import struct
import sys

from model_calls import data_segments, utimens
from model_compare import Rules, compare
from model_steps import acl

LARGEST = 256 << 10
OLD = 10 ** 9


def put(path, data=b"", mode=0o644):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, data)
    os.fchmod(fd, mode)
    os.close(fd)


def odd_names(top, dice):
    folder = os.path.join(top, b"names")
    os.mkdir(folder)
    for value in range(1, 256):
        if value != ord("/"):
            put(os.path.join(folder, b"<" + bytes([value]) + b">"), bytes([value]))
            if value != ord("."):
                os.mkdir(os.path.join(folder, bytes([value])))
    for filling in (b"n", b"\xff", "\u4e2d".encode()):
        long_name = (filling * 255)[:255]
        put(os.path.join(folder, long_name), long_name)
    for number in range(300):
        name = bytes(dice.choice([c for c in range(1, 256) if c != ord("/")]) for _ in range(dice.randrange(3, 256)))
        put(os.path.join(folder, name), name)


def sparse(top, dice):
    folder = os.path.join(top, b"sparse")
    os.mkdir(folder)
    # rsync reads all of a hole: no larger ones.
    for number, size in enumerate((1 << 20, 20 << 20, (64 << 20) + 12345)):
        put(os.path.join(folder, b"%d" % number))
        fd = os.open(os.path.join(folder, b"%d" % number), os.O_RDWR)
        os.ftruncate(fd, size)
        for _ in range(number * 5):
            os.pwrite(fd, dice.randbytes(dice.randrange(1, 200000)), dice.randrange(size - 200000))
        os.close(fd)
    put(os.path.join(folder, b"hole only"))
    os.truncate(os.path.join(folder, b"hole only"), 10 << 20)
    put(os.path.join(folder, b"zeroes"), bytes(300000))


def links(top):
    folder = os.path.join(top, b"links")
    os.mkdir(folder)
    for number in range(50):
        name = os.path.join(folder, b"file%d" % number)
        put(name, b"linked %d\n" % number)
        for other in range(number % 7):
            os.link(name, os.path.join(folder, b"also%d-%d" % (number, other)))
    many = os.path.join(folder, b"many")
    put(many)
    for number in range(500):
        os.link(many, os.path.join(folder, b"many%d" % number))
    for name, target in ((b"up", b"../names"), (b"dangling", b"/nowhere/at/all"), (b"self", b"self"),
                         (b"long", b"y" * 4095), (b"odd", b"\xff\n\x01")):
        os.symlink(target, os.path.join(folder, name))
    os.symlink(b"twice", os.path.join(folder, b"symlink"))
    os.link(os.path.join(folder, b"symlink"), os.path.join(folder, b"symlink too"), follow_symlinks=False)


def special(top):
    folder = os.path.join(top, b"special")
    os.mkdir(folder)
    os.mkfifo(os.path.join(folder, b"fifo"), 0o640)
    os.link(os.path.join(folder, b"fifo"), os.path.join(folder, b"fifo too"))
    if os.geteuid() == 0:
        os.mknod(os.path.join(folder, b"null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(os.path.join(folder, b"disk"), stat.S_IFBLK | 0o660, os.makedev(259, 70000))
    # In a folder of its own, since tar leaves sockets out; a socket's address is short.
    os.mkdir(os.path.join(top, b"socket"))
    back = os.getcwd()
    os.chdir(os.path.join(top, b"socket"))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s")
    os.chdir(back)


def attributes(top, dice):
    folder = os.path.join(top, b"attributes")
    os.mkdir(folder)
    kinds = ["user."] + ["trusted."] * (os.geteuid() == 0)
    for number in range(40):
        name = os.path.join(folder, b"%d" % number)
        put(name)
        try:
            for _ in range(number % 5):
                os.setxattr(name, dice.choice(kinds) + "a" * dice.randrange(1, 200),
                            dice.randbytes(dice.choice((0, 1, 50, 500))))
        except OSError:
            return  # the host's filesystem has none
    if os.geteuid() != 0:
        return
    everyone = 0xFFFFFFFF
    entries = [(1, 7, everyone), (2, 5, 1000), (2, 6, 70000), (4, 5, everyone), (8, 1, 1001), (16, 7, everyone),
               (32, 4, everyone)]
    try:
        for number in range(3):
            os.setxattr(os.path.join(folder, b"%d" % number), "system.posix_acl_access", acl(entries))
        os.mkdir(os.path.join(folder, b"default"))
        os.setxattr(os.path.join(folder, b"default"), "system.posix_acl_default", acl(entries))
        os.setxattr(os.path.join(folder, b"9"), "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0))
    except OSError:
        return


def modes(top):
    folder = os.path.join(top, b"modes")
    os.mkdir(folder)
    for mode in (0, 0o400, 0o644, 0o755, 0o4755, 0o2755, 0o6711, 0o1644, 0o777):
        name = os.path.join(folder, b"%o" % mode)
        put(name, b"mode")
        if os.geteuid() == 0:
            os.chown(name, 1000 + mode, 70000 + mode)
            os.chmod(name, mode)
        elif mode & 0o400:
            os.chmod(name, mode & 0o777)
    for mode in (0o700, 0o1777, 0o2775, 0o3777):
        os.mkdir(os.path.join(folder, b"folder%o" % mode))
        os.chmod(os.path.join(folder, b"folder%o" % mode), mode)


def empty(top):
    os.mkdir(os.path.join(top, b"empty"))
    for number in range(200):
        put(os.path.join(top, b"empty", b"file%d" % number))
        os.mkdir(os.path.join(top, b"empty", b"folder%d" % number))
    deep = os.path.join(top, b"deep")
    for _ in range(60):
        os.mkdir(deep)
        deep = os.path.join(deep, b"folder")


def odd_times(top, dice):
    """rsync takes a folder's nanoseconds, too, and two times of the same second for different ones."""
    choices = [0, 1, -1, -2 ** 31, 2 ** 31, 2 ** 32 + 7, OLD]
    for folder, folders, files in os.walk(top, topdown=False):
        for name in files + folders:
            seconds = dice.choice(choices) if dice.random() < 0.3 else dice.randrange(2 * OLD)
            when = (seconds, dice.randrange(10 ** 9))
            utimens(os.path.join(folder, name), (when, when), False)


def make(top):
    dice = random.Random(11)
    os.umask(0o022)
    os.makedirs(top)
    odd_names(top, dice)
    sparse(top, dice)
    links(top)
    special(top)
    attributes(top, dice)
    modes(top)
    empty(top)
    odd_times(top, dice)


def list_files(count, roots):
    left, out = count, []
    for root in roots:
        for folder, folders, files in os.walk(os.fsencode(root)):
            folders.sort()
            out.append(folder)
            for name in sorted(files) + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                path = os.path.join(folder, name)
                info = os.lstat(path)
                if left > 0 and info.st_size <= LARGEST and (os.access(path, os.R_OK) or stat.S_ISLNK(info.st_mode)):
                    left -= stat.S_ISREG(info.st_mode)
                    out.append(path)
            if left == 0:
                break
    sys.stdout.buffer.write(b"".join(path.lstrip(b"/") + b"\0" for path in out))
    return 0 if left == 0 else "only %d files found" % (count - left)


def sizes(top):
    total, seen = 0, set()
    for folder, _, files in os.walk(top):
        for name in files:
            info = os.lstat(os.path.join(folder, name))
            if stat.S_ISREG(info.st_mode) and info.st_ino not in seen:
                seen.add(info.st_ino)
                fd = os.open(os.path.join(folder, name), os.O_RDONLY)
                total += sum(end - start for start, end in data_segments(fd, info.st_size))
                os.close(fd)
    print(total)


def show_differences(ours, host):
    differences, count = compare(ours, host, Rules(holes=True))
    for difference in differences[:40]:
        print(difference)
    print("%d things compared, %d differences" % (count, len(differences)))
    return 1 if differences or count < 2 else 0


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "make":
        return make(os.fsencode(arguments[0]))
    if verb == "list":
        return list_files(int(arguments[0]), arguments[1:])
    if verb == "sizes":
        return sizes(os.fsencode(arguments[0]))
    return show_differences(*arguments)


if __name__ == "__main__":
    sys.exit(main())
