#!/bin/sh
# ./dev bench, tiny: it measures every row, says who is missing, notices what is wrong in what it reads, and leaves
# nothing behind, also when it is ended.
# timeout: 240
. "$(dirname "$0")/mount_lib.sh"

build=$(dirname "$NACRE")
load=$build/bench/load/load
if [ ! -x "$load" ]; then
  echo "skip - bench: not built, for want of SQLite's library"
  exit 0
fi
cd "$TEST_TMP" || exit 1
# Only what the bench itself needs, so that other filesystems are missing even where they are installed.
mkdir programs work
for program in cp du fusermount3 git sync tar; do
  ln -s "$(command -v $program)" programs/
done
python=$(python3 -c 'import sys; print(sys.executable)')
cipher=xchacha20-poly1305 # which all builds have

bench() {
  env PATH="$TEST_TMP/programs" NACRE_BUILD="$build" "$python" -B "$here/../../bench/compare" --folder "$TEST_TMP/work" \
    --rounds 1 --size 8M --files 60 --rows 2000 --seconds 1 --patience 0 "$@"
}

measures() {
  bench --contestants "floor,cryfs,nacre-$cipher" --json "$TEST_TMP/bench.json" --save "$TEST_TMP/saved"
}

# result EXPRESSION: of r, the results, with n, Nacre's name; it must be true.
result() {
  "$python" -c 'import json, sys
r, n = json.load(open(sys.argv[1])), "nacre-" + sys.argv[2]
assert eval(sys.argv[3])' "$TEST_TMP/bench.json" "$cipher" "$1"
}

clean() {
  not grep -qF "$TEST_TMP/work" /proc/self/mounts
  test -z "$(ls "$TEST_TMP/work")"
}

check "it measures" measures
check "every row of Nacre and the floor" result \
  'len(r["rows"]) == 26 and all(x["values"][c]["median"] is not None for x in r["rows"] for c in (n, "floor"))'
check "Nacre's ratio to the floor in each that is not 0" result \
  'all("floor" in x["ratios"][n] for x in r["rows"] if x["values"]["floor"]["median"])'
check "what is wanted, and whether it is reached" result \
  'all(w["want"] and w["reached"] in (True, False, None) for x in r["rows"] for w in x["wanted"][n])'
check "who is missing is said" result 'r["missing"] == {"cryfs": "not installed"}'
check "and is in the table" grep -q '^- cryfs: missing, not installed' saved/bench.md
check "nothing is left" clean

flip() {
  printf X | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

mkdir own
"$load" write own/large --bytes=2097152 >/dev/null
"$load" create own/small --count=3 >/dev/null
check "what was written is what is read" "$load" verify own/large --bytes=2097152
check "so are small files" "$load" read-small own/small --count=3
flip own/large 1234567
flip own/small/job0/folder000/file000001 4000
check "a changed byte is noticed" not "$load" verify own/large --bytes=2097152
check "in a small file, too" not "$load" read-small own/small --count=3
"$load" write own/large --bytes=2097152 >/dev/null
dd if=own/large of=own/large bs=4096 count=1 skip=7 seek=263 conv=notrunc status=none
check "so is a block in another's place" not "$load" read own/large --bytes=2097152

volumes() {
  NACRE_BENCH_DIR="$TEST_TMP/work" "$build/bench/bench-volume" --most-gib=1 >volume.log
  sed -n '$p' volume.log >"$TEST_TMP/bench.json"
  result 'len(r["results"]) == 11 and all(x["median"] >= 0 for x in r["results"])'
}
check "the cost of a volume's size is measured, too" volumes

# A daemon that has had a child, which has ended when it is looked at: as something dead, or no more.
child_gone() {
  PYTHONPATH="$here/../../bench/compare" "$python" -B -c 'import os, host
dead = os.fork() or os._exit(0)
os.waitid(os.P_PID, dead, os.WEXITED | os.WNOWAIT)
for gone in dead, 2 ** 22 - 1:
    host.family = lambda pid: [pid, gone]
    host.reset_peak(os.getpid())
    assert host.memory_mib(os.getpid(), "VmHWM") > 1 and host.cpu_seconds(os.getpid()) >= 0'
}
check "a child that ends meanwhile spoils nothing" child_gone

# Turns with what was withheld of each, and the one that counts, after how many.
disturbed() {
  PYTHONPATH="$here/../../bench/compare" "$python" -B -c 'import os, types, host, patience
assert 0 <= host.withheld_now() <= 100
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    host.withheld_now = lambda: 0
else:
    raise AssertionError("a child is left")
def counts(minutes, *turns, took_s=1, failed=None):
    left = [types.SimpleNamespace(withheld=w, took_s=took_s, failures={"row": "why"} if w == failed else {}) for w in turns]
    best = patience.Patience(minutes, lambda turn: None).least_disturbed(lambda: left.pop(0))
    return best.withheld, best.tries, len(left)
assert counts(1, 2, 90) == (2, 1, 1)
assert counts(1, 60, 2, 90) == (2, 2, 1)
assert counts(1, 60, 40, 50, 2) == (40, 3, 1)
assert counts(0, 60, 2) == (60, 1, 1)
assert counts(1, 60, 2, took_s=61) == (60, 1, 1)
assert counts(9, 60, 2, took_s=101) == (60, 1, 1)
assert counts(1, 60, 2, failed=60) == (60, 1, 1)
assert counts(1, 60, 80, 2, failed=80) == (80, 2, 1)
looks = iter([50, 50, 3])
host.withheld_now, patience.LOOK_AGAIN_S = lambda: next(looks), 0
assert counts(1, 2) == (2, 1, 0) and next(looks, None) is None'
}
check "what a hypervisor disturbed is measured again, and nothing else" disturbed

# A round, then another, and both again from what was kept, the last line cut off; not with other options.
resumes() {
  set -- --contestants "nacre-$cipher" --groups database --resume "$TEST_TMP/turns"
  bench "$@" --json alone.json
  bench "$@" --rounds 2 --json first.json
  head -c -20 turns >torn.turns && mv torn.turns turns
  bench "$@" --rounds 2 --json second.json
  "$python" -c 'import json, sys
alone, first, second = (row["values"]["nacre-" + sys.argv[1]]["rounds"] for name in ("alone", "first", "second")
                        for row in json.load(open(name + ".json"))["rows"] if row["row"] == "rows-at-once")
assert alone[0] == first[0] == second[0]
assert len(first) == len(second) == 2 and first[1] != second[1]' "$cipher"
  test "$(wc -l <turns)" -eq 3
  refused 1 bench "$@" --rows 2001
}
check "an ended run goes on, from what was kept" resumes

ends_clean() {
  bench --contestants "nacre-$cipher" --groups large --seconds 60 &
  running=$!
  wait_for grep -qF "$TEST_TMP/work" /proc/self/mounts
  kill -TERM "$(pgrep -P $running || echo $running)"
  not wait $running
  clean
}
check "ended, it leaves nothing, either" ends_clean
finish
