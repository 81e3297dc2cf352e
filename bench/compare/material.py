"""What the loads need, made once on the host: a tree, its archive, a repository. The same at each run."""

import io
import os
import random
import subprocess
import tarfile

import programs

MEAN_SIGMA = 1.6
MEDIAN_BYTES = 3500
MOST_BYTES = 4 << 20
FILES_A_FOLDER = 14
POOL_BYTES = 8 << 20
COMMITS = 10


class Material:
    """Paths and sums of what was made in a folder."""

    def __init__(self, folder, tree_files, tools):
        self.archive = os.path.join(folder, "tree.tar")
        self.tree = os.path.join(folder, "tree")
        self.repository = os.path.join(folder, "repository")
        write_archive(self.archive, tree_files)
        os.makedirs(self.tree)
        subprocess.run(["tar", "-xf", self.archive, "-C", self.tree], check=True)
        report = programs.load(tools, "read-tree", self.tree)
        self.tree_sum, self.tree_bytes = report["sum"], report["bytes"]
        self.head = make_repository(self.tree, self.repository)


def words(rng, size):
    """Text that compresses about as sources do."""
    letters = "abcdefghijklmnopqrstuvwxyz_"
    known = ["".join(rng.choices(letters, k=rng.randint(2, 11))) for _ in range(4000)]
    out = io.StringIO()
    while out.tell() < size:
        out.write(" ".join(rng.choices(known, k=10)) + ";\n")
    return out.getvalue().encode()[:size]


def write_archive(path, files):
    """About 12.6 KB a file, most of them much smaller; 14 a folder, folders four deep."""
    rng = random.Random(11600)
    pool = words(rng, POOL_BYTES)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        folder, seen = "", set()
        for i in range(files):
            if i % FILES_A_FOLDER == 0:
                number = i // FILES_A_FOLDER
                folder = "part%d/area%d/unit%d/leaf%d" % (number % 4, number // 4 % 6, number // 24 % 8, number)
                add_folders(archive, folder, seen)
            size = min(int(rng.lognormvariate(0, MEAN_SIGMA) * MEDIAN_BYTES), MOST_BYTES)
            start = rng.randrange(POOL_BYTES - size)
            entry = member("%s/source_%05d.c" % (folder, i), tarfile.REGTYPE, 0o644)
            entry.size = size
            archive.addfile(entry, io.BytesIO(pool[start:start + size]))


def add_folders(archive, folder, seen):
    parts = folder.split("/")
    for depth in range(1, len(parts) + 1):
        name = "/".join(parts[:depth])
        if name not in seen:
            seen.add(name)
            archive.addfile(member(name, tarfile.DIRTYPE, 0o755))


def member(name, kind, mode):
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, 1700000000
    return entry


def git(folder, *arguments):
    nobody = {"GIT_AUTHOR_NAME": "Bench", "GIT_AUTHOR_EMAIL": "bench@example.org", "GIT_COMMITTER_NAME": "Bench",
              "GIT_COMMITTER_EMAIL": "bench@example.org", "GIT_AUTHOR_DATE": "1700000000 +0000",
              "GIT_COMMITTER_DATE": "1700000000 +0000", "GIT_CONFIG_GLOBAL": "/dev/null",
              "GIT_CONFIG_SYSTEM": "/dev/null"}
    return subprocess.run(["git", "-C", folder, *arguments], check=True, env=dict(os.environ, **nobody),
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()


def make_repository(tree, folder):
    """Of a quarter of the tree, in several commits and one pack; the last one's name."""
    os.makedirs(folder)
    git(folder, "init", "-q", "-b", "main")
    subprocess.run(["cp", "-a", os.path.join(tree, "part0"), folder], check=True)
    leaves = sorted(root for root, _, files in os.walk(os.path.join(folder, "part0")) if files)
    for step in range(COMMITS):
        some = [os.path.relpath(leaf, folder) for leaf in leaves[step::COMMITS]]
        if some:
            git(folder, "add", *some)
            git(folder, "commit", "-q", "-m", "Step %d" % step)
    git(folder, "gc", "-q")
    return git(folder, "rev-parse", "HEAD")
