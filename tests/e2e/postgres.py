"""postgres.py --kills N --seed SEED VOLUME DIR PASSFILE WORK

PostgreSQL's data folder in a mount whose daemon is killed under the server's load, and while it recovers: the server
recovers after each remount, finds nothing wrong with tables, indexes and checksums, and has all that it acknowledged.
"""

import argparse
import glob
import os
import random
import signal
import subprocess
import sys
import threading
import time

from kill_daemon import Daemon, has_ended, tell, wait_until

CLIENTS = 3
ACCOUNTS = 50
LOAD_LONGEST_S = 3
RECOVERY_LONGEST_S = 0.7

SETTINGS = """
listen_addresses = ''
shared_buffers = 8MB
max_connections = 20
max_wal_size = 4MB
min_wal_size = 2MB
checkpoint_timeout = 30s
autovacuum_naptime = 1s
autovacuum_vacuum_threshold = 20
"""

SCHEMA = """
create table account (id int primary key, balance bigint not null);
insert into account select n, 0 from generate_series(1, %d) n;
create table entry (client int, number int, body text, sum text, primary key (client, number));
create index entry_sum on entry (sum);
create extension amcheck;
""" % ACCOUNTS

# Old entries go, so that there is something to vacuum.
TRANSACTION = """begin;
insert into entry select {client}, {number}, body, md5(body)
  from (select repeat(md5('{client} {number}'), {repeat}) body) made;
update account set balance = balance - {amount} where id = {first};
update account set balance = balance + {amount} where id = {second};
delete from entry where client = {client} and number = {number} - 200;
commit;
\\echo done {number}
"""

# What must be 0.
WRONG = {
    "balances": "select sum(balance) from account",
    "accounts": "select count(*) - %d from account" % ACCOUNTS,
    "bodies": "select count(*) from entry where md5(body) <> sum",
}


def programs():
    """The folder of the newest PostgreSQL here, or None."""
    found = glob.glob("/usr/lib/postgresql/*/bin/pg_amcheck")
    return os.path.dirname(max(found, key=lambda path: int(path.split("/")[4]))) if found else None


def children_of(pid):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % entry, encoding="utf-8", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[1] == str(pid):
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class Server:
    def __init__(self, data, work):
        self.bin, self.data, self.work = programs(), data, work
        self.process = None
        self.env = dict(os.environ, PGHOST=work, PGUSER="postgres", PGDATABASE="postgres", PGOPTIONS="")

    def run(self, program, *args):
        done = subprocess.run([os.path.join(self.bin, program), *args], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, "%s: exit code %d: %s" % (program, done.returncode, done.stdout)
        return done.stdout

    def make(self):
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale",
                 "--data-checksums", "--wal-segsize=1")
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(SETTINGS + "unix_socket_directories = '%s'\n" % self.work)

    def begin(self):
        with open(os.path.join(self.work, "log"), "ab") as log:
            self.process = subprocess.Popen([os.path.join(self.bin, "postgres"), "-D", self.data], env=self.env,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def is_ready(self):
        assert self.process.poll() is None, "the server did not start: " + self.log()
        return subprocess.run([os.path.join(self.bin, "pg_isready"), "-q"], env=self.env, check=False).returncode == 0

    def start(self):
        self.begin()
        wait_until("the start of the server", self.is_ready)

    def log(self):
        with open(os.path.join(self.work, "log"), encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-15:])

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(120) == 0, "the server did not stop well: " + self.log()

    def destroy(self):
        """As a machine's end would: nothing of it writes any more."""
        if self.process.poll() is not None:
            return
        left = children_of(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            wait_until("the end of the server", lambda pid=pid: has_ended(pid))

    def ask(self, text):
        return self.run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", text).strip()


class Client(threading.Thread):
    """Transactions one after another, until the server goes. `acknowledged` is the number of the last that was."""

    def __init__(self, server, client, number, seed):
        super().__init__()
        self.client, self.acknowledged, self.asked = client, number, number
        self.rng = random.Random(seed)
        self.psql = subprocess.Popen([os.path.join(server.bin, "psql"), "-X", "-A", "-t", "-q", "-v",
                                      "ON_ERROR_STOP=1"], env=server.env, stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def transact(self):
        self.asked += 1
        # In the order of their numbers, so that no two clients wait for each other.
        first, second = sorted(self.rng.sample(range(1, ACCOUNTS + 1), 2))
        self.psql.stdin.write(TRANSACTION.format(client=self.client, number=self.asked, first=first, second=second,
                                                 repeat=self.rng.randint(1, 300), amount=self.rng.randint(1, 1000)))
        self.psql.stdin.flush()
        answer = self.psql.stdout.readline()
        if answer == "done %d\n" % self.asked:
            self.acknowledged = self.asked
        return self.acknowledged == self.asked

    def run(self):
        try:
            while self.transact():
                pass
            self.psql.stdin.close()
        except BrokenPipeError:
            pass
        self.psql.stdout.close()
        self.psql.wait()


class Database:
    def __init__(self, args):
        self.args = args
        self.daemon = Daemon(args.volume, args.folder, args.passfile)
        self.daemon.create()
        self.daemon.mount()
        self.server = Server(os.path.join(args.folder, "data"), args.work)
        self.server.make()
        self.server.start()
        self.server.ask(SCHEMA)
        self.last = dict.fromkeys(range(CLIENTS), 0)
        self.recoveries = 0

    def end_both(self):
        self.daemon.kill()
        self.server.destroy()

    def again(self):
        self.daemon.detach()
        self.daemon.verify()
        self.daemon.mount()

    def one_kill(self, rng):
        clients = [Client(self.server, client, number, rng.randrange(1 << 40)) for client, number in self.last.items()]
        for client in clients:
            client.start()
        time.sleep(rng.uniform(0.2, LOAD_LONGEST_S))
        self.end_both()
        for client in clients:
            client.join()
        self.again()
        while rng.random() < 0.4:
            self.recoveries += 1
            self.server.begin()
            time.sleep(rng.uniform(0, RECOVERY_LONGEST_S))
            self.end_both()
            self.again()
        self.server.start()
        return self.examine(clients)

    def examine(self, clients):
        wrong = []
        for what, question in WRONG.items():
            answer = self.server.ask(question)
            if answer != "0":
                wrong.append("%s: %s" % (what, answer))
        for client in clients:
            numbers = [int(n) for n in self.server.ask(
                "select number from entry where client = %d order by 1" % client.client).split()]
            last = numbers[-1] if numbers else 0
            if not client.acknowledged <= last <= client.asked:
                wrong.append("client %d: %d is acknowledged, %d is there" % (client.client, client.acknowledged, last))
            if numbers != list(range(max(1, last - 199), last + 1)):
                wrong.append("client %d: not the entries that there should be" % client.client)
            self.last[client.client] = last
        self.server.run("pg_amcheck", "--heapallindexed", "--parent-check", "-d", "postgres")
        self.server.stop()
        self.server.run("pg_checksums", "--check", "-D", self.server.data)
        self.server.start()
        return wrong


def run(args):
    """What is wrong, and a summary."""
    database, summary = Database(args), ""
    try:
        for number in range(args.kills):
            wrong = database.one_kill(random.Random("%d %d" % (args.seed, number)))
            summary = "%d kills under load, %d in recovery; %d transactions" % (
                number + 1, database.recoveries, sum(database.last.values()))
            if wrong:
                return wrong, summary
        database.server.stop()
        database.daemon.unmount()
        database.daemon.forget()
    finally:
        database.server.destroy()
    return [], summary


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[2])
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    for name in ("volume", "folder", "passfile", "work"):
        parser.add_argument(name)
    args = parser.parse_args()
    if programs() is None:
        print("skip - PostgreSQL survives the kill of the daemon: it is not installed")
        return 0
    return tell("PostgreSQL survives the kill of the daemon", run, args)


if __name__ == "__main__":
    sys.exit(main())
