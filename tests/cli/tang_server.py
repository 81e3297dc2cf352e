"""A tang server on loopback: accepts connections and runs tangd for each, as systemd's socket does. Prints its port.
tang_server.py FOLDER CONTROL: the file CONTROL says how it is: empty or missing for well, "silent", or "nonsense"."""

import os
import socket
import subprocess
import sys
import threading


def mood():
    try:
        with open(sys.argv[2], encoding="ascii") as control:
            return control.read().strip()
    except FileNotFoundError:
        return ""


def serve(connection):
    with connection:
        if mood() == "silent":
            connection.recv(1)
            threading.Event().wait(600)
        elif mood() == "nonsense":
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnonsense\n")
        else:
            subprocess.run([os.environ["TANGD"], sys.argv[1]], stdin=connection, stdout=connection,
                           stderr=subprocess.DEVNULL, check=False)


def main():
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
