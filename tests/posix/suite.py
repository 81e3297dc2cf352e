"""suite.py FOLDER nacre|host [AREA...]: run the checks of the areas, each in a folder of its own."""

import importlib
import sys

import mount_harness
import rules

AREAS = ("permissions", "privileges", "times", "links", "renaming", "errors", "listing", "lists", "attributes", "space",
         "data", "mappings", "coherence", "handles", "locks", "races")


def main():
    rules.HOST = sys.argv[2] == "host"
    for area in sys.argv[3:] or AREAS:
        importlib.import_module(area)
    try:
        mount_harness.main()
    finally:
        print("# %d cases" % rules.cases_counted(), flush=True)


main()
