"""The programs that are run: Nacre's, and the bench's own."""

import json
import os
import subprocess
from collections import namedtuple

from contestants import Failed

Tools = namedtuple("Tools", "nacre nacre_aegis floor load volume_size")
LIMIT_S = 3600


def load(tools, work, path, **options):
    """One load on a path; its report."""
    words = [tools.load, work, path] + ["--%s=%d" % option for option in options.items()]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S,
                              check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed("%s took more than %d s" % (work, LIMIT_S)) from error
    if done.returncode != 0:
        raise Failed("%s: %s" % (work, (done.stderr.strip() or "ended with %d" % done.returncode)[-300:]))
    return json.loads(done.stdout)


def find(build, volume_size):
    nacre = os.path.abspath(os.environ.get("NACRE") or os.path.join(build, "nacre"))
    return Tools(nacre, os.environ.get("NACRE_AEGIS") or nacre,
                 os.path.abspath(os.path.join(build, "bench", "floor", "floor")),
                 os.path.abspath(os.path.join(build, "bench", "load", "load")), volume_size)
