"""What must be one step for everybody else: exclusive creation, replacing, moving, reading beside writing."""

import os
import random
import signal
import time

from mount_harness import check, get, put, same
from rules import EXCHANGE, FULL, NOREPLACE, outcome, renameat2, stored_mtime_ns, touch

ROUNDS = 2000 if FULL else 200


def together(count, function):
    """As many processes run it with their number; their exit codes."""
    go, start = os.pipe()
    children = []
    for who in range(count):
        child = os.fork()
        if child == 0:
            code = 99
            try:
                os.close(start)
                os.read(go, 1)
                code = function(who)
            finally:
                os._exit(code)
        children.append(child)
    os.close(go)
    os.close(start)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def one_wins(attempt):
    """Of several processes that try the same, exactly one succeeds, and the others see that it exists."""
    def play(who):
        won = 0
        for turn in range(ROUNDS):
            got = outcome(attempt, turn, who)
            assert got in ("ok", "EEXIST"), got
            won += got == "ok"
        with open("won-%d" % who, "w", encoding="ascii") as file:
            file.write("%d" % won)
        return 0

    same(together(4, play), [0] * 4)
    wins = [int(get("won-%d" % who)) for who in range(4)]
    same(sum(wins), ROUNDS)


@check
def one_creates():
    """of four processes that create a name with O_EXCL one does"""
    one_wins(lambda turn, who: os.close(os.open("n%d" % turn, os.O_CREAT | os.O_EXCL)))


@check
def one_makes_a_folder():
    """of four processes that make a folder one does"""
    one_wins(lambda turn, who: os.mkdir("n%d" % turn))


@check
def one_links():
    """of four processes that link to a name one does"""
    for who in range(4):
        touch("f%d" % who)
    one_wins(lambda turn, who: os.link("f%d" % who, "n%d" % turn))


@check
def one_renames():
    """of four processes that rename to a name with RENAME_NOREPLACE one does"""
    def attempt(turn, who):
        touch("f%d" % who)
        renameat2("f%d" % who, "n%d" % turn, NOREPLACE)

    one_wins(attempt)


@check
def always_one_of_both():
    """a name that is replaced over and over is never missing, never mixed, seen by open, stat and readlink"""
    put("f", b"0" * 5000)
    writer = os.fork()
    if writer == 0:
        turn = 0
        while True:
            turn += 1
            put("new", bytes([48 + turn % 10]) * 5000)
            os.rename("new", "f")
    try:
        for _ in range(ROUNDS * 5):
            data = get("f")
            assert len(data) == 5000 and data == data[:1] * 5000, "%d bytes, mixed" % len(data)
            same(os.stat("f").st_size, 5000)
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)


@check
def exchanged_never_missing():
    """two names that change places over and over are both there, whoever looks"""
    put("a", b"1")
    os.mkdir("b")
    mover = os.fork()
    if mover == 0:
        while True:
            renameat2("a", "b", EXCHANGE)
    try:
        for _ in range(ROUNDS * 5):
            os.lstat("a")
            os.lstat("b")
            same(len(os.listdir(".")), 2)
    finally:
        os.kill(mover, signal.SIGKILL)
        os.waitpid(mover, 0)


@check
def folders_never_in_a_ring():
    """folders that are moved into each other from all sides never contain themselves, and none is lost"""
    names = ["d%d" % i for i in range(6)]
    for name in names:
        os.mkdir(name)
    top = os.getcwd()

    def shuffle(who):
        dice = random.Random(who)
        for _ in range(ROUNDS * 2):
            # Where each is now, another process may just be changing.
            found = [os.path.relpath(path, top) for path, _, _ in os.walk(top)][1:]
            if len(found) > 1:
                source, target = dice.sample(found, 2)
                got = outcome(os.rename, source, target + "/" + os.path.basename(source))
                back = outcome(os.rename, source, os.path.basename(source)) if got == "EINVAL" else "ok"
                if {got, back} - {"ok", "ENOENT", "EINVAL", "ENOTEMPTY", "EEXIST"}:
                    return 1
        return 0

    same(together(3, shuffle), [0] * 3)
    left = [os.path.basename(path) for path, _, _ in os.walk(top)][1:]
    same(sorted(left), names)
    for path, folders, _ in os.walk(top):
        same(os.stat(path).st_nlink, 2 + len(folders))


@check
def links_add_up():
    """names that several processes link and unlink are all counted"""
    touch("f")

    def play(who):
        for turn in range(ROUNDS):
            os.link("f", "%d-%d" % (who, turn))
            if turn % 2:
                os.unlink("%d-%d" % (who, turn - 1))
        return 0

    same(together(4, play), [0] * 4)
    same(os.stat("f").st_nlink, len(os.listdir(".")))
    same(os.stat("f").st_nlink, 1 + 4 * (ROUNDS - ROUNDS // 2))


@check
def folder_times_and_counts():
    """a folder that several processes fill and empty ends with the right links and entries"""
    def play(who):
        for turn in range(ROUNDS):
            os.mkdir("%d-%d" % (who, turn))
            touch("%d-%d/f" % (who, turn))
            if turn % 3:
                os.unlink("%d-%d/f" % (who, turn))
                os.rmdir("%d-%d" % (who, turn))
        return 0

    same(together(4, play), [0] * 4)
    left = 4 * ((ROUNDS + 2) // 3)
    same((len(os.listdir(".")), os.stat(".").st_nlink), (left, left + 2))


@check
def folder_times_seen():
    """a folder's time is that of its last change for who made it, also where another looked in between"""
    os.mkdir("d")
    looker = os.fork()
    if looker == 0:
        while True:
            os.stat("d")
    try:
        for turn in range(ROUNDS):
            touch("d/f")
            time.sleep(turn % 5 * 0.0001)  # for the other to ask
            os.unlink("d/f")
            time.sleep(0.0002 + turn % 3 * 0.005)  # for an older answer to come, before this one asks
            seen = os.stat("d").st_mtime_ns
            same(seen, stored_mtime_ns("d"))
    finally:
        os.kill(looker, signal.SIGKILL)
        os.waitpid(looker, 0)


@check
def opened_or_gone():
    """a file that is made and unlinked over and over opens whole or not at all"""
    maker = os.fork()
    if maker == 0:
        while True:
            put("f", b"whole")
            os.unlink("f")
    try:
        for _ in range(ROUNDS * 5):
            try:
                data = get("f")
            except FileNotFoundError:
                continue
            assert data in (b"", b"whole"), data
    finally:
        os.kill(maker, signal.SIGKILL)
        os.waitpid(maker, 0)
