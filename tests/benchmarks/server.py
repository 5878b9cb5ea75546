"""A server that only hands out prepared bytes, so that it is not what a benchmark measures.

    python -m tests.benchmarks.server '{"tables": 1000, "latency": 0.05}'

Prints its port. One process, one core: each answer waits `latency` seconds without keeping others.
"""

import asyncio
import json
import re
import selectors
import sys
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from uuid import UUID

CONFIG = "/v1/tables/"
_ID = "{kind:08x}-0000-4000-8000-{number:012x}"
_REQUEST = re.compile(rb"(GET|POST) /v1/(?:user|tables/([0-9a-f-]{36})(/[^ ?]*)?(?:\?([^ ]*))?) HTTP/1.1\r\n")
_ACCOUNT = b'{"organization_is_active": true, "has_unlimited_credits": true}'
_NUMBER = "y" * 8
"""The place in an answer where its row's number stands."""
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class World:
    """The server's world: equal tables."""

    tables: int = 1
    rows: int = 3
    columns: int = 5
    cell_bytes: int = 60
    done: bool = True
    """Every cell is done; else every cell is empty."""
    latency: float = 0.0
    """Seconds before each answer."""
    random_ids: bool = False
    """The ids of rows do not compress, as those of real tables."""
    unlike: tuple[int, ...] = ()
    """The columns in which no two answers are the same."""


def table_id(number: int) -> str:
    """Return the id of a table."""
    return _ID.format(kind=1, number=number)


def column_id(number: int) -> str:
    """Return the id of a column."""
    return _ID.format(kind=2, number=number)


def row_id(number: int, *, random: bool = False) -> str:
    """Return the id of a row."""
    if random:
        return str(UUID(bytes=md5(number.to_bytes(8, "big"), usedforsecurity=False).digest(), version=4))
    return _ID.format(kind=3, number=number)


class Answers:
    """Prepared answers."""

    def __init__(self, world: World) -> None:
        self._world = world
        keys = [f"column_{number}" for number in range(world.columns)]
        columns = [
            {
                "id": column_id(number),
                "config": {"kind": "agent", "name": key, "key": key, "value": {"prompt": "Find it. " * 5}},
            }
            for number, key in enumerate(keys)
        ]
        cells = world.rows * world.columns
        status = {
            "num_rows": world.rows,
            "num_columns": world.columns,
            "num_cells_completed": cells if world.done else 0,
            "num_cells_in_progress": 0,
            "run_status": "idle",
        }
        shown = {"name": "Benchmark", "kind": "company", "columns": columns, "status": status}
        self._rest = json.dumps(shown)[1:-1]
        answers = ["x" * world.cell_bytes] * world.columns
        for number in world.unlike:
            answers[number] = answers[number][len(_NUMBER) :] + _NUMBER
        shown_cells = [{"status": "done", "value": {"answer": answer}} if world.done else None for answer in answers]
        row = json.dumps({"is_missing_inputs": False, "data": dict(zip(keys, shown_cells, strict=True))})[1:]
        self._cells = row.encode().split(_NUMBER.encode())

    def of(self, method: bytes, table: bytes, path: bytes, query: bytes, body: bytes) -> list[bytes]:
        """Return the pieces of an answer's body."""
        if method == b"POST":
            asked: dict[str, Any] = json.loads(body)
            cells = len(asked["rows"]) * len(asked["columns"])
            return [json.dumps({"id": _ID.format(kind=9, number=1), "num_requested_cells": cells}).encode()]
        head = f'{{"id":"{table.decode()}",{self._rest}'.encode()
        if not path:
            return [head, b"}"]
        values = dict(pair.split("=") for pair in query.decode().split("&"))
        start = int(values["offset"])
        stop = min(self._world.rows, start + int(values["limit"]))
        pieces = [head, b',"rows":[']
        for row in range(start, stop):
            pieces.append(f'{{"id":"{row_id(row, random=self._world.random_ids)}",'.encode())
            for part in self._cells:
                pieces += [part, b"%08d" % row]
            pieces[-1] = b","
        return [*pieces[:-1], b"]}"]


class Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, answers: Answers, latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request once it is whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, rest = self._received[: end + 4], self._received[end + 4 :]
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                return
            body, self._received = rest[:size], rest[size:]
            found = _REQUEST.match(head)
            assert found is not None, head
            if self._latency:
                loop = asyncio.get_running_loop()
                loop.call_later(self._latency, self._answer, found, body)
            else:
                self._answer(found, body)

    def _answer(self, found: "re.Match[bytes]", body: bytes) -> None:
        pieces = (
            self._answers.of(found[1], found[2], found[3] or b"", found[4] or b"", body) if found[2] else [_ACCOUNT]
        )
        size = sum(map(len, pieces))
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size
            self._transport.write(b"".join([head, *pieces]))


async def main(world: World) -> None:
    """Serve until killed."""
    answers = Answers(world)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(answers, world.latency), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    # Unlike epoll, whose timeouts are whole milliseconds, `select` waits as long as the latency says.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main(World(**json.loads(sys.argv[1]))))
