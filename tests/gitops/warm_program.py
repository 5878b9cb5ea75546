"""The program, loaded once and forked for each start: a pipeline's jobs start it dozens of times.

A signal to the process that is started does not reach the program, and no module is loaded from anywhere. So where all
stories are played, some of which are about such things, it is started anew each time.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = """
import importlib, json, os, pkgutil, signal, socket, sys
import reconciler, reconciler.cli

for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
    if not module.name.startswith(("reconciler.simulator", "reconciler.ledger.migrations", "reconciler.__main__")):
        importlib.import_module(module.name)

def started(connection):
    asked, streams, _, _ = socket.recv_fds(connection, 4, 3)
    asked = json.loads(connection.recv(int.from_bytes(asked, "big"), socket.MSG_WAITALL))
    program = os.fork()
    if program:
        connection.send(bytes([os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]) & 255]))
        os._exit(0)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    connection.close()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["reconciler", *asked["arguments"]]
    try:
        reconciler.cli.main()
    except SystemExit as end:
        os._exit(end.code or 0)

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    if not os.fork():
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        started(connection)
        os._exit(70)
    connection.close()
"""

CLIENT = """#!{python} -IS
import json, os, socket, sys
arguments = sys.argv[1:]
if arguments[:3] == ["-I", "-m", "reconciler"]:  # started as Python is
    del arguments[:3]
told = {{"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}}
asked = json.dumps(told).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(asked)
    sys.exit(server.recv(1)[0])
"""


@contextmanager
def warm_program(folder: Path) -> Iterator[Path]:
    """Serve the program for the length of a `with` block; yield the executable that starts it."""
    address, client = folder / "program.socket", folder / "program"
    command = [sys.executable, "-I", "-c", SERVER, str(address)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=folder) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
        client.chmod(0o755)
        try:
            yield client
        finally:
            server.terminate()
