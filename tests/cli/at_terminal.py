#!/usr/bin/env python3
"""at_terminal.py [ANSWER...] -- COMMAND...: run a command at a terminal of its own. Each ANSWER is WAIT=TEXT: when WAIT has
been printed, TEXT and a line's end are typed; WAIT alone only waits. Prints all that the terminal showed, and ends with the command's code."""
import os
import pty
import select
import sys
import time


def main():
    split = sys.argv.index("--")
    answers = [answer.split("=", 1) for answer in sys.argv[1:split]]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[split + 1], sys.argv[split + 1:])
    shown, seen, end = b"", 0, time.monotonic() + 60
    while time.monotonic() < end:
        if answers and answers[0][0].encode() in shown[seen:]:
            seen = shown.index(answers[0][0].encode(), seen) + len(answers[0][0])
            time.sleep(0.05)
            text = answers.pop(0)[1:]
            if not text:
                continue
            text = text[0]
            os.write(terminal, b"\x03" if text == "^C" else text.encode() + b"\n")
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    else:
        os.kill(pid, 9)
    sys.stdout.buffer.write(shown)
    status = os.waitpid(pid, 0)[1]
    if answers:
        print("\nnever asked: %s" % answers[0][0])
        return 99
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


sys.exit(main())
