"""The endpoints under `/__simulator/`: the oracle of what was paid for, the clock and the faults."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from reconciler.simulator.faults import Fault, FaultBook
from reconciler.simulator.http.routing import Endpoint
from reconciler.simulator.http.wire import JSON, RejectedError, Request, Response, answer, last, message, read_body
from reconciler.simulator.world.clock import Clock, stamp
from reconciler.simulator.world.world import World

_CHARGES_A_CHUNK = 1000


class Ahead(Struct, forbid_unknown_fields=True):
    """The body of `POST /__simulator/advance`."""

    seconds: Annotated[float, Meta(ge=0)]


_PREPARED = msgspec.json.Decoder(Ahead)  # as in shapes.py


class Watched(Protocol):
    """The parts of a simulator that these endpoints use."""

    @property
    def world(self) -> World:
        """The current world."""

    @property
    def clock(self) -> Clock:
        """The world's clock."""

    @property
    def faults(self) -> FaultBook:
        """The faults that are set."""

    @property
    def seen(self) -> Any:
        """Requests, oldest first."""

    @property
    def asked(self) -> int:
        """How many requests there were."""

    @property
    def open(self) -> int:
        """How many are in progress."""

    @property
    def highest(self) -> int:
        """The highest number that were in progress at once."""

    def advance(self, seconds: float) -> None:
        """Move time forward."""

    def reset(self) -> None:
        """Start over."""


class Control:
    """The endpoints over one simulator."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def routes(self) -> dict[str, Endpoint]:
        """Return the endpoints by method and path."""
        one = "/__simulator/faults/{number}"
        return {
            "GET /__simulator/charges": self.charges,
            "GET /__simulator/requests": self.requests,
            "GET /__simulator/status": self.status,
            "POST /__simulator/reset": self.reset,
            "POST /__simulator/advance": self.advance,
            "GET /__simulator/faults": self.list_faults,
            "POST /__simulator/faults": self.add_fault,
            "DELETE /__simulator/faults": self.clear_faults,
            f"DELETE {one}": self.remove_fault,
        }

    def charges(self, request: Request) -> Response:
        """Return per cell how often it was paid for and by which runs; `table_id` selects one table."""
        wanted = last(request.parameters, "table_id")
        with self._lock():
            paid = self._watched.world.charges()
            by_run = self._watched.world.charged_by()
        cells = [(cell, times) for cell, times in paid.items() if wanted in (None, cell[0])]
        return Response(200, _charges(cells, by_run), (JSON,))

    def requests(self, _request: Request) -> Response:
        """Return the requests, oldest first."""
        return answer(
            [
                {
                    "method": seen.method,
                    "path": seen.path,
                    "query": seen.query,
                    "headers": seen.headers,
                    "body": seen.body,
                    "at": stamp(seen.at),
                }
                for seen in list(self._watched.seen)
            ]
        )

    def status(self, _request: Request) -> Response:
        """Return the time, the balance, the runs and the number of concurrent requests."""
        with self._lock():
            world = self._watched.world
            world.settle()
            return answer(
                {
                    "now": stamp(self._watched.clock.now()),
                    "tables": len(world.tables),
                    "running": sum(table.is_running for table in world.tables.values()),
                    "credits": world.billing.credits,
                    "credits_charged": sum(run.credits for run in world.runs),
                    "cells_charged": sum(len(run.cells) for run in world.runs),
                    "runs": [
                        {
                            "id": run.id,
                            "table_id": run.table.id,
                            "created_at": stamp(run.created_at),
                            "mode": run.mode,
                            "cells": len(run.cells),
                            "credits": run.credits,
                        }
                        for run in world.runs
                    ],
                    "requests": self._watched.asked,
                    "open_requests": self._watched.open,
                    "highest_concurrency": self._watched.highest,
                }
            )

    def reset(self, _request: Request) -> Response:
        """Start over with the workspace as described."""
        self._watched.reset()
        return answer({"status": "ok"})

    def advance(self, request: Request) -> Response:
        """Move time forward."""
        self._watched.advance(read_body(request, Ahead).seconds)
        return answer({"now": stamp(self._watched.clock.now())})

    def list_faults(self, _request: Request) -> Response:
        """Return the faults that are set and how often they were met."""
        return answer(self._watched.faults.listed())

    def add_fault(self, request: Request) -> Response:
        """Set a fault."""
        return answer({"id": self._watched.faults.add(read_body(request, Fault))})

    def clear_faults(self, _request: Request) -> Response:
        """Remove every fault."""
        self._watched.faults.clear()
        return answer({"status": "ok"})

    def remove_fault(self, _request: Request, number: str) -> Response:
        """Remove one fault."""
        if not (number.isascii() and number.isdigit() and self._watched.faults.remove(int(number))):
            raise RejectedError(message(404, "Fault not found"))
        return answer({"status": "ok"})

    def _lock(self) -> AbstractContextManager[object]:
        return self._watched.world.lock


def _charges(
    cells: list[tuple[tuple[str, str, str], int]], by_run: dict[tuple[str, str, str], list[str]]
) -> Iterator[bytes]:
    yield b"["
    for start in range(0, len(cells), _CHARGES_A_CHUNK):
        some = [
            {"table_id": cell[0], "column_id": cell[1], "row_id": cell[2], "times": times, "runs": by_run.get(cell, [])}
            for cell, times in cells[start : start + _CHARGES_A_CHUNK]
        ]
        yield (b"," if start else b"") + msgspec.json.encode(some)[1:-1]
    yield b"]"
