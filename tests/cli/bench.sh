#!/bin/sh
# bench measures, and leaves nothing behind.
. "$(dirname "$0")/cli_lib.sh"
cd "$TEST_TMP" || exit 1
mkdir work
works "bench --json" env TMPDIR="$TEST_TMP/work" "$NACRE" bench --json --size 8M
holds "names the fastest of the ciphers that are here" json_is "$out" \
  'max((c["speeds"][1]["open_bytes_per_s"], c["name"]) for c in r["ciphers"] if c["available"])[1] == r["fastest_cipher"]' True
holds "measures each at three sizes" json_is "$out" \
  'all([s["piece_bytes"] for s in c["speeds"]] == [4096, 16384, 65536] for c in r["ciphers"] if c["available"])' True
holds "and a volume" json_is "$out" 'all(value > 0 for value in r["volume"].values()) and r["kdf"]["ms"] > 0' True
holds "leaves nothing" test -z "$(ls work)"
works "bench as text" "$NACRE" bench --size 1M work
holds "names the fastest" grep -Eq '^fastest here +(aes-256-gcm|xchacha20-poly1305|aegis-256)$' "$out"
fails "where nothing can be written" 1 "temporary volume" "$NACRE" bench --size 1M "$TEST_TMP/none"
finish
