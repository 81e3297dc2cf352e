"""What a process has in its memory, and what of it a core dump, swap or an end of the process would let out."""

import re

RANGE = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$")


class Mapping:
    """`flags` are those of the kernel's VmFlags: "dd" is left out of core dumps, "lo" locked into memory."""

    def __init__(self, start, end, mode, name):
        self.start, self.end, self.mode, self.name = start, end, mode, name
        self.flags = set()

    def __str__(self):
        return "%x-%x %s %s %s" % (self.start, self.end, self.mode, self.name or "anonymous",
                                   " ".join(sorted(self.flags & {"dd", "lo"})))


def mappings(pid):
    found = []
    with open("/proc/%d/smaps" % pid, "rb") as table:
        for line in table:
            match = RANGE.match(line)
            if match:
                found.append(Mapping(int(match[1], 16), int(match[2], 16), match[3].decode(), match[4].decode()))
            elif line.startswith(b"VmFlags:"):
                found[-1].flags = set(line.decode().split()[1:])
    return found


def find_all(data, text):
    at = data.find(text)
    while at >= 0:
        yield at
        at = data.find(text, at + 1)


def places(pid, secrets):
    """Where each of the secrets (name: bytes) is: a list of (name, mapping)."""
    found = []
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for mapping in mappings(pid):
            if mapping.name in ("[vvar]", "[vsyscall]"):
                continue
            try:
                memory.seek(mapping.start)
                data = memory.read(mapping.end - mapping.start)
            except (OSError, OverflowError):
                continue  # guard pages
            for name, text in secrets.items():
                found += [(name, mapping) for _ in find_all(data, text)]
    return found
