"""A process that says on a control socket that it serves a mount, and does not: pretender.py FOLDER VOLUME DIR."""

import os
import socket
import sys


def main():
    folder, volume, mountpoint = sys.argv[1:]
    with open(os.path.join(folder, "pid"), "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "1.sock"))
    listener.listen(8)
    kept = []
    while True:
        connection = listener.accept()[0]
        request = connection.makefile("rb").readline()
        if request == b"status\n":
            connection.sendall(("ok volume=%s dir=%s pid=1 since=1 generation=1 dirty=0 used=0 free=0 read_only=0 failed=0 "
                                "failure=\n" % (volume, mountpoint)).encode())
        elif request.startswith((b"umount", b"sync")):
            connection.sendall(b"ok\n")
        else:
            kept.append(connection)  # and never answered
            continue
        connection.close()


main()
