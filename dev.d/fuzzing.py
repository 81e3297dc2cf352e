#!/usr/bin/env python3
"""Run the libFuzzer targets of a build one after the other, keep what they learn, and say what they found.

All of it lives in the build folder: corpus/TARGET has the inputs that reach something new, smallest first, beside
those that are committed; found/ what made a target crash, hang, leak or eat memory; tally the processor time that each
run took, which adds up over runs. With --adopt, a small set of the kept inputs that reaches all that they reach
together becomes the committed corpus. Committed inputs that have a name instead of a checksum stay: they are what was
found once, and seeds that somebody made.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

# An input takes milliseconds; the limits leave room for a slow and busy machine.
LIMITS = ["-timeout=60", "-rss_limit_mb=1024", "-malloc_limit_mb=256"]
ADOPTED_MAX_BYTES = 4096
CHECKSUM = re.compile(r"^[0-9a-f]{40}$")
SANITIZERS = {"ASAN_OPTIONS": "detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}


class Target:
    def __init__(self, name, argv, args):
        self.name, self.argv = name, argv
        self.kept = os.path.join(args.build, "corpus", name)
        self.committed = os.path.join(args.corpus, name)
        self.found = os.path.join(args.build, "found")
        for folder in (self.kept, self.committed, self.found):
            os.makedirs(folder, exist_ok=True)

    def findings(self):
        return set(glob.glob(os.path.join(self.found, self.name + "-*")))


def targets(args):
    listing = subprocess.run(["meson", "introspect", "--benchmarks", args.build], check=True, capture_output=True,
                             text=True)
    found = [Target(entry["name"].split("/")[1], entry["cmd"], args) for entry in json.loads(listing.stdout)
             if entry["name"].startswith("fuzz/")]
    unknown = set(args.targets) - {target.name for target in found}
    if unknown:
        sys.exit("fuzz: no such target: %s; there are %s" % (
            ", ".join(sorted(unknown)), ", ".join(target.name for target in found)))
    return [target for target in found if not args.targets or target.name in args.targets]


class Fuzzing:
    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.live = set()
        self.stopping = False
        self.passed = self.failed = 0
        self.seconds = 0.0
        os.makedirs(os.path.join(args.build, "logs"), exist_ok=True)

    def run(self, argv, log_path):
        """Exit code and processor seconds of one program."""
        with open(log_path, "wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       env=dict(SANITIZERS, **os.environ))
            with self.lock:
                self.live.add(process)
                if self.stopping:
                    process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            with self.lock:
                process.returncode = os.waitstatus_to_exitcode(status)
                self.live.discard(process)
        return process.returncode, usage.ru_utime + usage.ru_stime

    def merge(self, target, into, options):
        """Fill the folder with few inputs that reach all that is reached."""
        log_path = os.path.join(self.args.build, "logs", "merge-%s.log" % target.name)
        fresh = tempfile.mkdtemp(dir=self.args.build, prefix="merge-")
        code, _ = self.run(target.argv + LIMITS + ["-artifact_prefix=%s/%s-" % (target.found, target.name)] + options +
                           [fresh, target.kept, target.committed], log_path)
        if code == 0 and os.listdir(fresh):
            for name in filter(CHECKSUM.match, os.listdir(into)):
                os.unlink(os.path.join(into, name))
            for name in os.listdir(fresh):
                shutil.move(os.path.join(fresh, name), os.path.join(into, name))
        shutil.rmtree(fresh)
        return code

    def fuzz(self, target, seconds):
        log_path = os.path.join(self.args.build, "logs", "fuzz-%s.log" % target.name)
        before = target.findings()
        argv = target.argv + LIMITS + ["-max_total_time=%d" % seconds, "-print_final_stats=1", "-use_value_profile=1",
                                       "-artifact_prefix=%s/%s-" % (target.found, target.name),
                                       target.kept, target.committed]
        code, used = self.run(argv, log_path)
        with open(log_path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        runs = re.findall(r"^#(\d+)\s", text, re.M)
        covered = re.findall(r"cov: (\d+)", text)
        runs = int(runs[-1]) if runs else 0
        with self.lock:
            self.seconds += used
            with open(os.path.join(self.args.build, "tally"), "a", encoding="utf-8") as tally:
                tally.write("%s %.1f %d\n" % (target.name, used, runs))
        if self.stopping:
            return
        what = "%d inputs run in %.0f s of processor time, %s edges" % (runs, used, covered[-1] if covered else "no")
        fresh = sorted(target.findings() - before)
        if code == 0 and not fresh and self.merge(target, target.kept, ["-merge=1"]) != 0:
            fresh, code = sorted(target.findings() - before), 1
        with self.lock:
            if code == 0 and not fresh:
                self.passed += 1
                print("ok - fuzz %s (%s, %d kept)" % (target.name, what, len(os.listdir(target.kept))), flush=True)
                return
            self.failed += 1
            print("not ok - fuzz %s (%s; %s)" % (target.name, what, log_path), flush=True)
            for line in re.findall(r"^(?:SUMMARY:|.*not so:|.*runtime error:|not ok).*", text, re.M)[:4]:
                print("      | " + line)
            for path in fresh:
                print("      | again: %s %s" % (target.argv[0], path), flush=True)

    def stop(self):
        with self.lock:
            self.stopping = True
            for process in self.live:
                process.terminate()

    def each(self, function, chosen):
        with concurrent.futures.ThreadPoolExecutor(self.args.jobs) as pool:
            waiting = [pool.submit(function, target) for target in chosen]
            try:
                for future in waiting:
                    future.result()
            except BaseException:
                self.stop()
                for future in waiting:
                    future.cancel()
                raise

    def adopt(self, target):
        """The kept inputs become the committed ones, but for large ones, which only a few targets have."""
        options = ["-set_cover_merge=1", "-max_len=%d" % ADOPTED_MAX_BYTES]
        if self.merge(target, target.committed, options) != 0:
            self.failed += 1
            print("not ok - adopt %s" % target.name, flush=True)
            return
        sizes = [entry.stat().st_size for entry in os.scandir(target.committed)]
        self.passed += 1
        print("ok - adopt %s (%d inputs, %d bytes)" % (target.name, len(sizes), sum(sizes)), flush=True)


def in_all(path):
    """Processor seconds of all runs so far, by target."""
    by_target = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as tally:
            for line in tally:
                name, seconds = line.split()[:2]
                by_target[name] = by_target.get(name, 0) + float(seconds)
    return by_target


def parse():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, default=10,
                        help="of the clock in all, shared evenly by the targets (%(default)s)")
    parser.add_argument("--jobs", type=int, default=max(1, os.cpu_count() or 1), help="targets at a time (%(default)s)")
    parser.add_argument("--adopt", action="store_true",
                        help="don't fuzz; make a small set of the kept inputs the committed corpus")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, where none is named")
    return parser.parse_args()


def on_signal(_number, _frame):
    raise KeyboardInterrupt


def main():
    args = parse()
    # Also where a shell started it in the background, with the first of them ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    chosen = targets(args)
    fuzzing = Fuzzing(args)
    seconds = max(1, args.minutes * 60 * min(args.jobs, len(chosen)) / len(chosen))
    started = time.monotonic()
    try:
        fuzzing.each(fuzzing.adopt if args.adopt else lambda target: fuzzing.fuzz(target, seconds), chosen)
    except KeyboardInterrupt:
        print("stopped")
        fuzzing.failed += 1
    if not args.adopt:
        by_target = in_all(os.path.join(args.build, "tally"))
        print("processor time: %.0f s in %.0f s; %.2f hours in all runs so far: %s" % (
            fuzzing.seconds, time.monotonic() - started, sum(by_target.values()) / 3600,
            ", ".join("%s %.2f" % (name, spent / 3600) for name, spent in sorted(by_target.items()))))
    print("%d passed, %d failed" % (fuzzing.passed, fuzzing.failed))
    return 1 if fuzzing.failed else 0


if __name__ == "__main__":
    sys.exit(main())
