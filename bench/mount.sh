#!/bin/sh
# A real mount: large files, random access, many small files, memory, overhead. Arguments: see mount.py.
exec python3 "$(dirname "$0")/mount.py" "$@"
