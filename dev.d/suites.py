#!/usr/bin/env python3
"""Run test suites, a line each, and add up what they checked.

A suite is a program or script that prints "ok - name", "not ok - name" or "skip - name: why". Each one runs in a
session of its own with a fresh TEST_TMP, under a supervisor that ends it in time, unmounts and kills what it left,
and says so: a mount or a process left behind is a failed check.
"""

import argparse
import concurrent.futures
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)

OK = re.compile(r"^ok\b")
NOT_OK = re.compile(r"^not ok\b")
SKIP = re.compile(r"^(skip\b|(not )?ok\b.*# SKIP)")


class Suite:
    def __init__(self, name, argv, timeout, env=None):
        self.name, self.argv, self.timeout, self.env = name, argv, timeout, env or {}


def left_out(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def programs(build, kinds, leave_out, runner):
    listing = subprocess.run(["meson", "introspect", "--tests", build], check=True, capture_output=True, text=True)
    for test in json.loads(listing.stdout):
        if test["name"].split("/")[0] in kinds and not left_out(test["name"], leave_out):
            yield Suite(test["name"], runner + test["cmd"], test["timeout"], test["env"])


def script_timeout(path, default):
    with open(path, encoding="utf-8") as script:
        found = re.search(r"^# timeout: (\d+)", script.read(4000), re.M)
    return int(found.group(1)) if found else default


def scripts(kinds, only, leave_out):
    for kind in kinds:
        for path in sorted(glob.glob(os.path.join(TOP, "tests", kind, "*.sh"))):
            stem = os.path.splitext(os.path.basename(path))[0]
            name = kind + "/" + stem
            if os.access(path, os.X_OK) and (not only or name in only) and not left_out(name, leave_out):
                yield Suite(name, [path], script_timeout(path, 120))


def lints():
    listed = os.path.join(TOP, "tests", "lint")
    for path in sorted(glob.glob(os.path.join(listed, "*"))):
        if os.access(path, os.X_OK) and os.path.isfile(path):
            yield Suite("lint/" + os.path.splitext(os.path.basename(path))[0], [path], script_timeout(path, 300))


class Tally:
    def __init__(self):
        self.passed = self.failed = 0
        self.skipped = []


def read_log(path):
    passed, failed, skipped, lines = 0, [], [], []
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            line = line.rstrip("\n")
            lines.append(line)
            if SKIP.match(line):
                skipped.append(line)
            elif OK.match(line):
                passed += 1
            elif NOT_OK.match(line):
                failed.append(line)
    return passed, failed, skipped, lines


def report(suite, label, log_path, code, seconds, tally, show):
    passed, failed, skipped, lines = read_log(log_path)
    bad = len(failed)
    if code != 0 or passed + bad + len(skipped) == 0:
        bad = max(bad, 1)
    tally.passed += passed
    tally.failed += bad
    name = suite.name + (" [" + label + "]" if label else "")
    tally.skipped += [(name, line) for line in skipped]
    if bad:
        why = "%d of %d failed" % (len(failed), passed + len(failed)) if failed else (
            "it checked nothing" if code == 0 else "exit code %d after %d checks" % (code, passed))
        show("FAIL  %s  (%s, %.1f s; %s)" % (name, why, seconds, os.path.relpath(log_path, TOP)))
        tail = [line for line in lines if line not in failed][-40:]
        for line in failed[:40] + ["..."] + tail:
            show("      | " + line)
        return
    notes = "%d check%s" % (passed, "" if passed == 1 else "s")
    if skipped:
        notes += ", %d skipped" % len(skipped)
    show("%s  %s  (%s, %.1f s)" % ("ok  " if passed else "skip", name, notes, seconds))


class Runner:
    def __init__(self, args):
        self.args = args
        self.tally = Tally()
        self.lock = threading.Lock()
        self.live = set()
        self.stopping = False
        os.makedirs(args.logs, exist_ok=True)

    def show(self, text):
        print(text, flush=True)

    def run(self, suite):
        if self.stopping:
            return
        label = self.args.label
        stem = (suite.name + ("." + label if label else "")).replace("/", "-")
        log_path = os.path.join(self.args.logs, stem + ".log")
        timeout = int(suite.timeout * self.args.slower)
        env = dict(os.environ, **suite.env)
        if self.args.build:
            env["NACRE"] = os.path.abspath(self.args.nacre or os.path.join(self.args.build, "nacre"))
            env["NACRE_BUILD"] = os.path.abspath(self.args.build)
        started = time.monotonic()
        with open(log_path, "wb") as log:
            argv = [sys.executable, os.path.join(HERE, "supervise.py"), str(timeout)] + suite.argv
            with subprocess.Popen(argv, cwd=TOP, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT) as process:
                with self.lock:
                    self.live.add(process)
                code = process.wait()
                with self.lock:
                    self.live.discard(process)
        if self.stopping:
            return
        with self.lock:
            report(suite, label, log_path, code, time.monotonic() - started, self.tally, self.show)

    def run_all(self, suites):
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            waiting = [pool.submit(self.run, suite) for suite in suites]
            try:
                for future in waiting:
                    future.result()
            except KeyboardInterrupt:
                # The terminal has told the supervisors too; each cleans up before it ends.
                self.stopping = True
                with self.lock:
                    for process in self.live:
                        process.terminate()
                raise


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="meson's build folder")
    parser.add_argument("--programs", default="", help="comma-separated folders under tests/ with programs")
    parser.add_argument("--scripts", default="", help="comma-separated folders under tests/ with scripts")
    parser.add_argument("--only", default="", help="of the scripts, only these (kind/stem, comma-separated)")
    parser.add_argument("--leave-out", default="", help="neither these programs nor scripts (kind/stem, * in it)")
    parser.add_argument("--lint", action="store_true", help="the programs in tests/lint")
    parser.add_argument("--runner", help="a program that runs those of the build, which are another processor's")
    parser.add_argument("--nacre", help="what the scripts take for the program; nacre in the build if not said")
    parser.add_argument("--label", default="", help="added to each line, for other builds")
    parser.add_argument("--slower", type=float, default=1, help="time limits are multiplied by this")
    parser.add_argument("--jobs", type=int, default=max(1, min(os.cpu_count() or 1, 4)))
    parser.add_argument("--logs", required=True)
    parser.add_argument("--tally", help="append 'passed failed' and the skipped checks to this file")
    return parser.parse_args()


def split(text):
    return [part for part in text.split(",") if part]


def main():
    args = parse()
    suites = []
    if args.programs:
        runner = [os.path.abspath(args.runner)] if args.runner else []
        suites += programs(args.build, split(args.programs), split(args.leave_out), runner)
    suites += scripts(split(args.scripts), split(args.only), split(args.leave_out))
    if args.lint:
        suites += lints()
    runner = Runner(args)
    try:
        runner.run_all(suites)
    except KeyboardInterrupt:
        return 130
    if not suites:
        runner.show("FAIL  no suite found")
        runner.tally.failed += 1
    if args.tally:
        with open(args.tally, "a", encoding="utf-8") as tally:
            tally.write("%d %d\n" % (runner.tally.passed, runner.tally.failed))
            for name, line in runner.tally.skipped:
                tally.write("skipped %s: %s\n" % (name, line))
    return 1 if runner.tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
