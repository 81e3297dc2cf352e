#!/bin/sh
# Rotation of a mounted volume's keys: its speed, and what a load loses by it. Arguments: see rekey.py.
exec python3 "$(dirname "$0")/rekey.py" "$@"
