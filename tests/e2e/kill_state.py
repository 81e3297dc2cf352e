"""A small tree in memory, the steps that change it, and how the same tree looks in a folder.

A step is one system call that changes something, so that a crash leaves either all of it or nothing.
"""

import ctypes
import hashlib
import os
import random
import stat

FILE_MAX_BYTES = 200000
WRITE_MAX_BYTES = 60000
OBJECTS_MAX = 40
PUNCH = 0x03  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
LIBC = ctypes.CDLL(None, use_errno=True)


def pattern(seed, length):
    return random.Random(seed).randbytes(length)


class Object:
    """What an inode is. `digest` is of its content and attributes."""

    def __init__(self, kind, mode, target=""):
        self.kind, self.mode, self.target = kind, mode, target
        self.data = bytearray()
        self.xattrs = {}
        self.cached = None

    def digest(self):
        if self.cached is None:
            text = repr((self.kind, self.mode, self.target, len(self.data), sorted(self.xattrs.items())))
            self.cached = hashlib.blake2b(text.encode() + bytes(self.data), digest_size=12).hexdigest()
        return self.cached

    def __str__(self):
        return "%s %o, %d bytes, %d attributes" % (self.kind, self.mode, len(self.data), len(self.xattrs))


class Tree:
    """Invariant: the folder of each path is there; several paths may have one object."""

    def __init__(self):
        self.paths = {}

    def entries(self):
        """Path: its object's digest and the first path of the same object."""
        first, found = {}, {}
        for path in sorted(self.paths):
            thing = self.paths[path]
            found[path] = (thing.digest(), first.setdefault(id(thing), path))
        return found

    def digest(self):
        return hashlib.blake2b(repr(sorted(self.entries().items())).encode(), digest_size=16).digest()

    def of_kind(self, kind):
        return sorted(path for path, thing in self.paths.items() if thing.kind == kind)

    def is_empty(self, folder):
        return not any(path.startswith(folder + "/") for path in self.paths)

    # Each step by name, on this tree.

    def create(self, path, mode):
        self.paths[path] = Object("file", mode)

    def mkdir(self, path, mode):
        self.paths[path] = Object("folder", mode)

    def symlink(self, path, target):
        self.paths[path] = Object("link", 0o777, target)

    def write(self, path, offset, length, seed):
        thing = self.paths[path]
        if len(thing.data) < offset:
            thing.data.extend(bytes(offset - len(thing.data)))
        thing.data[offset:offset + length] = pattern(seed, length)
        thing.cached = None

    def truncate(self, path, size):
        thing = self.paths[path]
        del thing.data[size:]
        thing.data.extend(bytes(size - len(thing.data)))
        thing.cached = None

    def punch(self, path, offset, length):
        thing = self.paths[path]
        end = min(offset + length, len(thing.data))
        if end > offset:
            thing.data[offset:end] = bytes(end - offset)
        thing.cached = None

    def chmod(self, path, mode):
        self.paths[path].mode = mode
        self.paths[path].cached = None

    def setxattr(self, path, name, length, seed):
        self.paths[path].xattrs[name] = pattern(seed, length)
        self.paths[path].cached = None

    def removexattr(self, path, name):
        del self.paths[path].xattrs[name]
        self.paths[path].cached = None

    def link(self, old, new):
        self.paths[new] = self.paths[old]

    def unlink(self, path):
        del self.paths[path]

    def rmdir(self, path):
        del self.paths[path]

    def rename(self, old, new):
        if self.paths.get(new) is self.paths[old]:
            return  # two names of one file: POSIX has nothing happen
        moved = {path: thing for path, thing in self.paths.items() if path == old or path.startswith(old + "/")}
        for path in moved:
            del self.paths[path]
        for path, thing in moved.items():
            self.paths[new + path[len(old):]] = thing

    def sync(self, _how):
        pass

    def apply(self, step):
        getattr(self, step[0])(*step[1:])


class Chooser:
    """Random steps that must succeed on a given tree."""

    def __init__(self, rng, tree):
        self.rng, self.tree = rng, tree
        self.made = 0

    def new_path(self):
        self.made += 1
        folder = self.rng.choice([""] + [path + "/" for path in self.tree.of_kind("folder") if path.count("/") < 3])
        return "%s%s%d" % (folder, self.rng.choice(["n", "name-", "a rather longer name "]), self.rng.randrange(10**6))

    def offset(self, path):
        size = len(self.tree.paths[path].data)
        return self.rng.choice([0, size, self.rng.randint(0, size), self.rng.randint(0, FILE_MAX_BYTES)])

    def length(self):
        return self.rng.choice([1, 100, 3000, 4096, 16384, self.rng.randint(1, WRITE_MAX_BYTES)])

    def make(self):
        path = self.new_path()
        what = self.rng.random()
        if what < 0.6:
            return ["create", path, self.rng.choice([0o600, 0o644, 0o640])]
        if what < 0.75:
            return ["mkdir", path, 0o755]
        if what < 0.85:
            return ["symlink", path, "target %d" % self.rng.randrange(10**9)]
        files = self.tree.of_kind("file")
        return ["link", self.rng.choice(files), path] if files else ["create", path, 0o600]

    def remove(self):
        folders = [path for path in self.tree.of_kind("folder") if self.tree.is_empty(path)]
        if folders and self.rng.random() < 0.3:
            return ["rmdir", self.rng.choice(folders)]
        return ["unlink", self.rng.choice(self.tree.of_kind("file") + self.tree.of_kind("link"))]

    def move(self):
        old = self.rng.choice(sorted(self.tree.paths))
        kind = self.tree.paths[old].kind
        over = [path for path in self.tree.of_kind(kind) if kind != "folder" and path != old]
        if over and self.rng.random() < 0.5:
            return ["rename", old, self.rng.choice(over)]
        new = self.new_path()
        return ["rename", old, new] if not new.startswith(old + "/") else ["chmod", old, 0o700]

    def change(self, path):
        thing = self.tree.paths[path]
        what = self.rng.random()
        seed = self.rng.randrange(1 << 40)
        if what < 0.6:
            offset = self.offset(path)
            return ["write", path, offset, self.length(), seed]
        if what < 0.75:
            return ["truncate", path, self.rng.choice([0, self.rng.randint(0, FILE_MAX_BYTES)])]
        if what < 0.82:
            return ["punch", path, self.offset(path), self.length()]
        if what < 0.88:
            return ["chmod", path, self.rng.choice([0o600, 0o644, 0o640, 0o660])]
        if thing.xattrs and self.rng.random() < 0.4:
            return ["removexattr", path, self.rng.choice(sorted(thing.xattrs))]
        return ["setxattr", path, "user.%d" % self.rng.randrange(4), self.rng.choice([0, 10, 300, 9000]), seed]

    def step(self, sync_share):
        if self.rng.random() < sync_share:
            return ["sync", self.rng.choice(["fsync", "fdatasync", "folder"])]
        files = self.tree.of_kind("file")
        full = len(self.tree.paths) >= OBJECTS_MAX
        what = self.rng.random()
        if not files or (what < 0.15 and not full):
            return self.make()
        if what < 0.25 or full:
            return self.remove()
        if what < 0.35:
            return self.move()
        return self.change(self.rng.choice(files))


def perform(root, step):
    """The step for real, below the folder open as `root`."""
    name, path = step[0], step[1]
    if name == "create":
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, step[2], dir_fd=root))
    elif name == "mkdir":
        os.mkdir(path, step[2], dir_fd=root)
    elif name == "symlink":
        os.symlink(step[2], path, dir_fd=root)
    elif name == "link":
        os.link(path, step[2], src_dir_fd=root, dst_dir_fd=root)
    elif name == "unlink":
        os.unlink(path, dir_fd=root)
    elif name == "rmdir":
        os.rmdir(path, dir_fd=root)
    elif name == "rename":
        os.rename(path, step[2], src_dir_fd=root, dst_dir_fd=root)
    elif name == "chmod":
        os.chmod(path, step[2], dir_fd=root)
    else:
        change_file(root, step)


def change_file(root, step):
    fd = os.open(step[1], os.O_RDONLY if step[0].endswith("xattr") else os.O_WRONLY, dir_fd=root)
    try:
        if step[0] == "write":
            done = os.pwrite(fd, pattern(step[4], step[3]), step[2])
            assert done == step[3], "a write of %d bytes wrote %d" % (step[3], done)
        elif step[0] == "truncate":
            os.ftruncate(fd, step[2])
        elif step[0] == "punch":
            if LIBC.fallocate(fd, PUNCH, ctypes.c_long(step[2]), ctypes.c_long(step[3])) != 0:
                raise OSError(ctypes.get_errno(), "fallocate")
        elif step[0] == "setxattr":
            os.setxattr(fd, step[2], pattern(step[4], step[3]))
        elif step[0] == "removexattr":
            os.removexattr(fd, step[2])
        else:
            raise AssertionError(step[0])
    finally:
        os.close(fd)


def read_object(path, info):
    if stat.S_ISLNK(info.st_mode):
        return Object("link", 0o777, os.readlink(path))
    thing = Object("folder" if stat.S_ISDIR(info.st_mode) else "file", stat.S_IMODE(info.st_mode))
    for name in os.listxattr(path):
        if name.startswith("user."):
            thing.xattrs[name] = os.getxattr(path, name)
    if thing.kind == "file":
        with open(path, "rb") as file:
            thing.data = bytearray(file.read())
        assert len(thing.data) == info.st_size, "%s: size %d, %d read" % (path, info.st_size, len(thing.data))
    return thing


def read_tree(folder):
    """The tree that is in a folder."""
    tree, things = Tree(), {}
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(top, name)
            info = os.lstat(path)
            if info.st_ino not in things:
                things[info.st_ino] = read_object(path, info)
            tree.paths[os.path.relpath(path, folder)] = things[info.st_ino]
    return tree


def differences(got, wanted):
    """What two trees differ in, a line each, a dozen at most."""
    have, want = got.entries(), wanted.entries()
    lines = []
    for path in sorted(set(have) | set(want)):
        if have.get(path) != want.get(path):
            lines.append("%s: %s, not %s" % (path, got.paths.get(path), wanted.paths.get(path)))
    return lines[:12]
