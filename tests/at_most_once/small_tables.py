"""Desks for tests that run the command line in this process: two tables, short settings, and time for the ledger."""

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.journey.desk import ACCOUNTS, PARTNERS, Desk, agent, row_id

TIMES = {"send_within_seconds": 20, "call_seconds": 0.6, "quiet_seconds": 180, "lease_seconds": 60}
CELLS = 3
"""Rows, and so cells, of each column."""


def small_table(identity: str, first_row: int, columns: int = 2, state: str = "empty") -> dict[str, Any]:
    """Return a table of three rows whose columns are all in one state."""
    keys = ("news", "notes", "size")[:columns]
    return {
        "id": identity,
        "name": f"Table {identity[:4]}",
        "columns": [{"kind": "input", "key": "site"}, *(agent(key) for key in keys)],
        "rows": [
            {"id": row_id(first_row + number), "data": {"site": "x"}, "cells": dict.fromkeys(keys, state)}
            for number in range(CELLS)
        ],
    }


def fill(identity: str, name: str, run: str = "mode: new", keys: tuple[str, ...] = ("news", "notes")) -> str:
    """Return a manifest with a run a column, so that the table needs a call for each."""
    runs = "\n".join(f"    - {{name: {key}, {run}, columns: [{key}]}}" for key in keys)
    return f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: {name}
spec:
  table: {identity}
  runs:
{runs}
"""


def settings(limits: dict[str, Any] | None = None, /, **spend: float) -> str:
    """Return a project file with one connection, one run call at once, and short times."""
    api = {"spend": {**TIMES, **spend}, "concurrency": 1, "run_concurrency": 1}
    spec = {"api": api, "prices": {"kinds": {"agent": 1}}, "limits": limits or {}}
    return json.dumps({"apiVersion": "reconciler/v1", "kind": "Project", "spec": spec})


def two_tables(desk: Desk, run: str = "mode: new") -> Desk:
    """Write a project that wants two calls for each of two tables; `accounts` comes first."""
    desk.write(settings(), "reconciler.yaml")
    desk.write(fill(ACCOUNTS, "accounts", run))
    desk.write(fill(PARTNERS, "partners", run), "manifests/partners.yaml")
    return desk


def ledger_path(desk: Desk) -> Path:
    """Return where a desk's ledger is."""
    return desk.folder / ".reconciler" / "ledger.db"


def let_pass(desk: Desk, seconds: float) -> None:
    """Let time pass for the ledger: everything in it is that much older."""
    with sqlite3.connect(ledger_path(desk)) as connection:
        connection.execute("UPDATE calls SET begun_at = begun_at - ?", (seconds,))
        connection.execute("UPDATE tables SET expires_at = expires_at - ?", (seconds,))
    connection.close()


def states(desk: Desk) -> dict[str, str]:
    """Return the state of each call by its address."""
    return {call["address"]: call["state"] for call in desk.run("ledger", "list", "--format", "json").json}


def history(desk: Desk, address: str) -> list[dict[str, Any]]:
    """Return what happened to the one call at an address, oldest first."""
    calls = desk.run("ledger", "list", "--format", "json", "--address", address).json
    (call,) = [call for call in calls if call["address"] == address]
    events: list[dict[str, Any]] = desk.run("ledger", "show", call["id"], "--format", "json").json["events"]
    return events


def kinds(desk: Desk, address: str) -> list[str]:
    """Return the kinds of those events."""
    return [event["kind"] for event in history(desk, address)]


class Gate:
    """A way to the simulator that can be shut: then nothing listens, and connections are refused by the system."""

    def __init__(self, url: str) -> None:
        self._target = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._left = 0
        self._wires: list[socket.socket] = []

    def let_in(self, connections: int) -> None:
        """Let so many connections in, then shut."""
        self._left = connections
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def open_again(self) -> None:
        """Listen again at the same address."""
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self.let_in(1000)

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while self._left:
                ours, _ = listening.accept()
                self._left -= 1
                if not self._left:
                    listening.close()
                theirs = socket.create_connection(self._target)
                self._wires += [ours, theirs]
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        for wire in (self._listening, *self._wires):
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
            wire.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def gate(url: str) -> Iterator[Gate]:
    """Stand a gate before a simulator."""
    gate = Gate(url)
    try:
        yield gate
    finally:
        gate.close()
