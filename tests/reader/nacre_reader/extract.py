"""Everything out of a volume, into a new folder of the host, with all the metadata that the host lets us set."""

import os
import stat

from .fields import Damaged


class Extractor:
    def __init__(self, volume, folder):
        self.volume, self.folder = volume, os.fsencode(folder)
        self.made = {}  # inode number: first path
        self.refused = []

    def run(self):
        os.mkdir(self.folder, 0o700)
        for path, found in self.volume.paths:
            if path:
                self._make(os.path.join(self.folder, path), found)
        # Deepest first, so that a folder's times are not touched again and its permissions don't bar the way.
        for path, found in reversed(self.volume.paths):
            if self.made.get(found.number, path) == path or not path:
                self._dress(os.path.join(self.folder, path) if path else self.folder, found)

    def _make(self, path, found):
        inode = found.inode
        first = self.made.setdefault(found.number, os.path.relpath(path, self.folder))
        first = os.path.join(self.folder, first)
        if first != path:
            os.link(first, path, follow_symlinks=False)
        elif inode.is_folder:
            os.mkdir(path, 0o700)
        elif inode.is_link:
            os.symlink(found.target, path)
        elif inode.is_regular:
            self._write(path, found)
        else:
            self._try(path, os.mknod, path, inode.type | 0o600, os.makedev(*inode.device) if inode.is_device else 0)

    def _write(self, path, found):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(fd, found.inode.size)
            for offset, data in self.volume.read(found):
                while data:
                    done = os.pwrite(fd, data, offset)
                    offset, data = offset + done, data[done:]
        except Damaged as error:
            self.refused.append("%r: %s" % (path, error))
        finally:
            os.close(fd)

    def _dress(self, path, found):
        inode = found.inode
        if not os.path.lexists(path):
            return
        self._try(path, os.chown, path, inode.uid, inode.gid, follow_symlinks=False)
        for name, value in found.attribute_values().items():
            self._try(path, os.setxattr, path, name, value, follow_symlinks=False)
        if not inode.is_link:
            self._try(path, os.chmod, path, stat.S_IMODE(inode.mode))
        times = tuple(seconds * 10 ** 9 + nanoseconds for seconds, nanoseconds in inode.times[:2])
        self._try(path, os.utime, path, ns=times, follow_symlinks=False)

    def _try(self, path, call, *args, **kwargs):
        try:
            call(*args, **kwargs)
        except OSError as error:
            self.refused.append("%r: %s: %s" % (path, call.__name__, error.strerror))
