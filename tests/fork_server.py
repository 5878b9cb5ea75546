"""Command lines of the program in forks of a process in which everything is imported, for tests that start many.

`python -m tests.fork_server SOCKET` listens. `CLIENT` is a program that stands for `reconciler` on a path: it hands
over its arguments, folder, environment and standard streams, waits, and ends with the exit code of the fork.
"""

import gc
import importlib
import json
import os
import pkgutil
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import reconciler.cli
from reconciler.cli.group import run
from tests.warm_up import warm_up

CLIENT = """\
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({socket!r})
    job = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(job).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(job)
    code = server.recv(1)
sys.exit(code[0] if code else 70)
"""
_PRELOADED = ("httpcore", "psycopg", "sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite")


@contextmanager
def fork_server(folder: Path) -> Iterator[Path]:
    """Run a server for the duration of a `with` block; yield the client, a file for `python -I -S`."""
    client, address = folder / "client.py", folder / "socket"
    client.write_text(CLIENT.format(socket=os.fspath(address)), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.fork_server", os.fspath(address)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": os.fspath(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        try:
            yield client
        finally:
            server.kill()


def main(address: str) -> None:
    """Serve until it is killed."""
    for module in pkgutil.iter_modules(reconciler.cli.__path__, "reconciler.cli."):
        importlib.import_module(module.name)
    for name in _PRELOADED:
        importlib.import_module(name)
    warm_up()
    # A fork that looks for garbage would copy every page of what is imported here.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(1, b"ready\n")
        while True:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _work(connection)


def _work(connection: socket.socket) -> NoReturn:
    """Be one command line, from its arguments to its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(connection, 4, 3)
    job = b""
    while len(job) < int.from_bytes(size, "big"):
        job += connection.recv(1 << 20)
    arguments, folder, environment = json.loads(job)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    code = 70
    try:
        code = run(arguments)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(bytes([code]))
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1])
