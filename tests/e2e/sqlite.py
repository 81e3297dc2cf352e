"""sqlite.py --kills N --seed SEED VOLUME DIR PASSFILE

SQLite databases in a mount whose daemon is killed while processes write to them, with a rollback journal and with a
write-ahead log: after each remount SQLite finds nothing wrong, each transaction is there wholly or not at all, and
none that was acknowledged is missing.
"""

import argparse
import os
import random
import sqlite3
import sys
import time

from kill_daemon import Daemon, tell

JOURNALS = "delete", "truncate", "persist", "wal"
WRITERS = 2  # on each database: they lock each other out, and in the write-ahead log share memory
LOAD_LONGEST_S = 1.5
BUSY_S = 30
BLOB_MAX_BYTES = 20000

SCHEMA = """
create table entry (writer int, number int, body blob, primary key (writer, number));
create table total (writer int primary key, entries int, bytes int);
create index entry_size on entry (length(body));
"""


def connect(path, journal):
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    db.execute("pragma journal_mode = " + journal)
    # Full alone does not sync the folder from which a journal was deleted, which is the commit in that mode.
    db.execute("pragma synchronous = extra")
    return db


def make(path, journal):
    db = connect(path, journal)
    db.executescript(SCHEMA)
    for writer in range(WRITERS):
        db.execute("insert into total values (?, 0, 0)", (writer,))
    db.close()


def body_of(writer, number):
    rng = random.Random("%d %d" % (writer, number))
    return rng.randbytes(rng.randint(1, BLOB_MAX_BYTES))


def transact(db, writer, number):
    """Add an entry, delete an old one, keep the totals."""
    body = body_of(writer, number)
    db.execute("begin immediate")
    db.execute("insert into entry values (?, ?, ?)", (writer, number, body))
    db.execute("update total set entries = entries + 1, bytes = bytes + ? where writer = ?", (len(body), writer))
    old = number - 50
    if old > 0:
        db.execute("delete from entry where writer = ? and number = ?", (writer, old))
        db.execute("update total set entries = entries - 1, bytes = bytes - ? where writer = ?",
                   (len(body_of(writer, old)), writer))
    db.execute("commit")


def write_until_killed(path, journal, writer, number, acknowledged):
    """In a process of its own, which ends by an error, or by SIGBUS where it had mapped the shared memory."""
    fd = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        db = connect(path, journal)
        while True:
            number += 1
            transact(db, writer, number)
            os.pwrite(fd, b"%-20d" % number, 0)
    finally:
        os._exit(0)


def last_acknowledged(path):
    with open(path, "rb") as file:
        return int(file.read() or b"0")


def examine(path, journal, floors):
    """What is wrong, and the last number of each writer."""
    wrong, last = [], {}
    db = connect(path, journal)
    answer = [row[0] for row in db.execute("pragma integrity_check")]
    if answer != ["ok"]:
        wrong += answer[:10]
    for writer, floor in floors.items():
        numbers = [row[0] for row in db.execute("select number from entry where writer = ? order by 1", (writer,))]
        last[writer] = numbers[-1] if numbers else 0
        if not floor <= last[writer] <= floor + 1:
            wrong.append("writer %d: %d is acknowledged, %d is there" % (writer, floor, last[writer]))
        if numbers != list(range(max(1, last[writer] - 49), last[writer] + 1)):
            wrong.append("writer %d: not the entries that there should be" % writer)
        bodies = [body_of(writer, number) for number in numbers]
        kept = [row[0] for row in db.execute("select body from entry where writer = ? order by number", (writer,))]
        if kept != bodies:
            wrong.append("writer %d: an entry is not what was written" % writer)
        total = db.execute("select entries, bytes from total where writer = ?", (writer,)).fetchone()
        if total != (len(numbers), sum(map(len, bodies))):
            wrong.append("writer %d: totals %r" % (writer, total))
    db.close()
    return [os.path.basename(path) + ": " + line for line in wrong], last


class Databases:
    def __init__(self, args):
        self.args = args
        self.daemon = Daemon(args.volume, args.folder, args.passfile)
        self.daemon.create()
        self.daemon.mount()
        self.last = {journal: dict.fromkeys(range(WRITERS), 0) for journal in JOURNALS}
        for journal in JOURNALS:
            make(self.path(journal), journal)

    def path(self, journal):
        return os.path.join(self.args.folder, journal + ".db")

    def acknowledged(self, journal, writer):
        return "%s.%s.%d" % (self.args.volume, journal, writer)

    def one_kill(self, rng):
        writers = []
        for journal, last in self.last.items():
            for writer, number in last.items():
                child = os.fork()
                if child == 0:
                    write_until_killed(self.path(journal), journal, writer, number, self.acknowledged(journal, writer))
                writers.append(child)
        time.sleep(rng.uniform(0.1, LOAD_LONGEST_S))
        self.daemon.kill()
        for child in writers:
            os.waitpid(child, 0)
        self.daemon.detach()
        self.daemon.verify()
        self.daemon.mount()
        return self.examine()

    def examine(self):
        wrong = []
        for journal, before in self.last.items():
            floors = {writer: max(number, last_acknowledged(self.acknowledged(journal, writer)))
                      for writer, number in before.items()}
            found, self.last[journal] = examine(self.path(journal), journal, floors)
            wrong += found
        return wrong


def run(args):
    """What is wrong, and a summary."""
    databases, summary = Databases(args), ""
    for number in range(args.kills):
        wrong = databases.one_kill(random.Random("%d %d" % (args.seed, number)))
        summary = "%d kills; transactions: %s" % (number + 1, ", ".join(
            "%s %d" % (journal, sum(last.values())) for journal, last in databases.last.items()))
        if wrong:
            return wrong, summary
    databases.daemon.unmount()
    databases.daemon.forget()
    return [], summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[2])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    for name in ("volume", "folder", "passfile"):
        parser.add_argument(name)
    args = parser.parse_args()
    return tell("SQLite's databases survive the kill of the daemon", run, args)


if __name__ == "__main__":
    sys.exit(main())
