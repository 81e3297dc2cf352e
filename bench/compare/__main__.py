"""Measure Nacre's mounts beside the host's filesystem, FUSE without cryptography, and other encrypted filesystems.

All take turns within each round, a group of loads at a time. What is read back is compared. The results are a table of
Markdown, and with --save also JSON and pictures.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time

import contestants
import host
import loads
import plots
import programs
import report
from journal import Journal, OtherRun, fingerprint
from material import Material
from patience import Patience
from results import Results

TREE_SHARE = 0.58
QUICK = {"rounds": 1, "size": 256 << 20, "files": 4000, "rows": 200000, "seconds": 2, "patience": 0}
FULL = {"rounds": 3, "size": 2 << 30, "files": 20000, "rows": 1000000, "seconds": 5, "patience": 30}
HERE = os.path.dirname(os.path.abspath(__file__))


def size(text):
    found = re.fullmatch(r"(\d+)([KMGT]?)", text)
    if not found:
        raise argparse.ArgumentTypeError("a size is a number with K, M, G or T")
    bytes_ = int(found.group(1)) << " KMGT".index(found.group(2) or " ") * 10
    if bytes_ < 1 << 20 or bytes_ % (1 << 20):
        raise argparse.ArgumentTypeError("whole MiB")
    return bytes_


def some_of(known):
    def parse(text):
        names = text.split(",")
        wrong = [name for name in names if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError("%s: none of %s" % (wrong[0], ", ".join(known)))
        return names
    return parse


def options():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0],
                                     epilog="./dev bench --install-peers installs the others from Debian first; --newer-sodium "
                                            "builds Debian's newest libsodium for AEGIS-256.")
    parser.add_argument("--quick", action="store_true", help="one small round, some minutes")
    parser.add_argument("--rounds", type=int, help="3")
    parser.add_argument("--size", type=size, help="of the large file: 2G")
    parser.add_argument("--files", type=int, help="small files: 20000; the tree has 0.58 times as many")
    parser.add_argument("--rows", type=int, help="of the database: 1000000; a hundredth of it one by one")
    parser.add_argument("--seconds", type=int, help="of each random access: 5")
    parser.add_argument("--patience", type=float, metavar="MINUTES",
                        help="in all, for waiting and measuring again where a hypervisor withholds the processor: 30")
    parser.add_argument("--contestants", type=some_of(contestants.ALL), default=list(contestants.ALL),
                        help="some of " + ",".join(contestants.ALL))
    parser.add_argument("--groups", type=some_of(list(loads.GROUPS)), default=list(loads.GROUPS),
                        help="some of " + ",".join(loads.GROUPS))
    parser.add_argument("--folder", default=os.environ.get("NACRE_BENCH_DIR", "/var/tmp"),
                        help="where to work: /var/tmp")
    parser.add_argument("--volume-size", default="16G", help="of Nacre's volumes: 16G")
    parser.add_argument("--resume", metavar="FILE",
                        help="keep each turn there, and go on from there where an earlier run was ended")
    parser.add_argument("--json", help="a file for the results")
    parser.add_argument("--save", nargs="?", const=os.path.join(os.path.dirname(HERE), "results"), metavar="FOLDER",
                        help="keep bench.json, bench.md, bench.svg, bench.png: in bench/results")
    given = parser.parse_args()
    for name, value in (QUICK if given.quick else FULL).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    given.tree_files = max(int(given.files * TREE_SHARE), 1)
    return given


def who_takes_part(names, tools):
    here, missing = {}, {}
    for name in names:
        contestant = contestants.make(name, tools)
        why = contestant.missing()
        if why is None:
            here[name] = contestant
        else:
            missing[name] = why
            print("%s is missing: %s" % (name, why), flush=True)
    return here, missing


def measure(opts, tools, results, folder, journal):
    material = Material(folder, opts.tree_files, tools) if "tree" in opts.groups else None
    names = list(results.contestants)
    patience = Patience(opts.patience, lambda turn: tell("disturbed, again", turn))

    def turn_of(name):
        return loads.Turn(results.contestants[name], opts, material, tools)

    def take(name, group):
        turn = turn_of(name)
        begin, ticks = time.monotonic(), host.processor_ticks()
        loads.take_turn(group, turn, os.path.join(folder, "turn"))
        turn.took_s, turn.withheld = time.monotonic() - begin, host.withheld_since(ticks)
        return turn

    for number in range(1, opts.rounds + 1):
        peaks = {}
        for group in opts.groups:
            for name in names[(number - 1) % len(names):] + names[:(number - 1) % len(names)]:
                turn = turn_of(name)
                if not journal.recall(number, group, turn):
                    turn = patience.least_disturbed(lambda name=name, group=group: take(name, group))
                    journal.keep(number, group, turn)
                peak = turn.values.pop("memory-peak", None)
                if peak is not None:
                    peaks[name] = max(peak, peaks.get(name, 0))
                results.add(group, turn)
                tell("round %d, %s" % (number, group), turn)
        results.peak_of_groups(peaks)


def tell(when, turn):
    print("%s, %.0f s, %.1f %% withheld, %s: %s" % (when, turn.took_s, turn.withheld, turn.contestant.name, ", ".join(
        "%s %s" % (row, report.number(value)) for row, value in turn.values.items())), flush=True)
    for row, why in turn.failures.items():
        print("  %s failed: %s" % (row, why), flush=True)


def describe(opts, folder):
    return {"when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "rounds": opts.rounds,
            "folder": opts.folder, "filesystem": host.filesystem_of(folder), "cold": host.how_cold(),
            "machine": host.describe(),
            "options": {name: getattr(opts, name) for name in ("size", "files", "tree_files", "rows", "seconds",
                                                               "patience", "volume_size", "groups")}}


def run_of(opts, about, tools):
    """What has to be the same for turns to be compared. Who takes part, in what and how often may differ."""
    same = {name: value for name, value in about["options"].items() if name not in ("patience", "groups")}
    return {"options": same, "folder": opts.folder, "filesystem": about["filesystem"], "cold": about["cold"],
            "machine": {name: value for name, value in about["machine"].items() if name != "load_before"},
            "programs": fingerprint(tools)}


def publish(opts, results, about):
    text = report.markdown(results, about)
    print("\n" + text)
    whole = dict(about, bench="compare", missing=results.missing, rows=results.as_json(),
                 withheld=results.withheld_as_json(),
                 contestants={name: {"title": c.title, "version": c.version()}
                              for name, c in results.contestants.items()})
    if opts.save:
        os.makedirs(opts.save, exist_ok=True)
        with open(os.path.join(opts.save, "bench.md"), "w", encoding="utf-8") as out:
            out.write(text)
        why = plots.draw(results, opts.save)
        if why:
            print("bench: " + why, file=sys.stderr)
    for path in filter(None, [opts.json, opts.save and os.path.join(opts.save, "bench.json")]):
        with open(path, "w", encoding="utf-8") as out:
            json.dump(whole, out, indent=1, ensure_ascii=False)
            out.write("\n")


def impossible(opts, tools):
    """Why nothing can be measured; None if it can."""
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse"
    if not os.access(tools.load, os.X_OK):
        return "%s is not built: needs SQLite's library" % tools.load
    if host.filesystem_of(opts.folder).startswith("fuse"):
        return "%s is in a FUSE filesystem itself; --folder names another" % opts.folder
    return None


def ask_to_end(*_):
    raise KeyboardInterrupt


def main():
    opts = options()
    tools = programs.find(os.environ.get("NACRE_BUILD", "build"), opts.volume_size)
    why = impossible(opts, tools)
    if why:
        print("bench: " + why, file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, ask_to_end)
    here, missing = who_takes_part(opts.contestants, tools)
    results = Results(opts, here, missing)
    folder = tempfile.mkdtemp(prefix="nacre-bench-", dir=opts.folder)
    try:
        about = describe(opts, folder)
        if "plain" in here:
            here["plain"].title = about["filesystem"]
        measure(opts, tools, results, folder, Journal(opts.resume, run_of(opts, about, tools)))
    except OtherRun as error:
        print("bench: %s" % error, file=sys.stderr)
        return 1
    finally:
        for contestant in here.values():
            contestant.abandon()
        shutil.rmtree(folder, ignore_errors=True)
    publish(opts, results, about)
    ours = [name for _, name in results.failures if name not in contestants.PEERS]
    return 1 if ours else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
