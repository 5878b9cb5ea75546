"""One simulator: a world, its faults, and every request it received. Its answers are steps that a server or a
transport carries out."""

import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import msgspec

from reconciler.simulator.faults import NOTHING, Fault, FaultBook, Met
from reconciler.simulator.http.api import Api
from reconciler.simulator.http.control import Control
from reconciler.simulator.http.openapi import document
from reconciler.simulator.http.routing import Routing
from reconciler.simulator.http.wire import JSON, Request, Response, message
from reconciler.simulator.world.clock import Clock
from reconciler.simulator.world.table import State
from reconciler.simulator.world.workspace import Workspace
from reconciler.simulator.world.world import Stall, World

REMEMBERED = 50_000
"""The most requests kept for the oracle; older ones are only counted."""
_DETAILS = {401: "Not authenticated", 402: {"error": "insufficient_credits", "message": "No credits left."}}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that was received."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """Without the token."""
    content: bytes
    """The raw body; empty if it was never read."""
    at: float
    """Simulated time."""

    @property
    def body(self) -> Any:
        """Return the decoded JSON, the text if it is not JSON, or None without a body."""
        if not self.content:
            return None
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self.content.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing for a number of real seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection."""

    how: Literal["close", "reset", "half", "garbage"]
    response: Response | None = None
    """The answer of which half is sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Send a whole answer."""

    response: Response
    bytes_per_second: int | None = None


Step = Wait | Cut | Reply


@cache
def openapi() -> Response:
    """Answer with the description of the API."""
    return Response(200, msgspec.json.encode(document()), (JSON,))


class Simulator:
    """A world that answers requests."""

    def __init__(self, workspace: Workspace, seed: int, clock: Clock) -> None:
        self.workspace = workspace
        self.seed = seed
        self.clock = clock
        self._counting = threading.Condition()
        self.open = 0
        self.reset()

    def reset(self) -> None:
        """Start over: the workspace as described, with its own faults and no requests seen."""
        self.world: World = self.workspace.build(self.seed, self.clock)
        self.faults = FaultBook(self.seed, self.workspace.faults)
        self.seen: deque[Seen] = deque(maxlen=REMEMBERED)
        self.asked = 0
        self.highest = self.open
        self._bearer = f"Bearer {self.workspace.token}"
        api = Api(self.world)
        self._api = Routing({**api.routes(), **api.others()})
        self._control = Routing(Control(self).routes())

    def advance(self, seconds: float) -> None:
        """Move time forward, and let everything that became due happen."""
        self.clock.advance(seconds)
        with self.world.lock:
            self.world.settle()

    def finish(self) -> None:
        """Move time forward until nothing is in progress."""
        while True:
            with self.world.lock:
                self.world.settle()
                following = self.world.next_event()
            if following is None:
                return
            self.clock.advance(max(0.0, following - self.clock.now()))

    @contextmanager
    def under_way(self, path: str) -> Iterator[None]:
        """Count a request while it is in progress; the simulator's own endpoints do not count."""
        counts = not path.startswith("/__simulator")
        if counts:
            with self._counting:
                self.open += 1
                self.highest = max(self.highest, self.open)
        try:
            yield
        finally:
            if counts:
                with self._counting:
                    self.open -= 1
                    self._counting.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait in real time until no request is in progress; return whether that happened."""
        with self._counting:
            return self._counting.wait_for(lambda: self.open == 0, seconds)

    def meet(self, request: Request) -> Met:
        """Return the faults that a request meets; the simulator's own endpoints meet none."""
        if not request.path.startswith("/v1/"):
            return NOTHING
        return self.faults.meet(request.method, request.path, self.clock.wall())

    def remember(self, request: Request) -> None:
        """Keep a request for the oracle."""
        if request.path.startswith("/__simulator") or request.path == "/openapi.json":
            return
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        self.asked += 1
        self.seen.append(Seen(request.method, request.path, request.query, headers, request.body, self.clock.now()))

    def steps(self, request: Request, met: Met) -> Iterator[Step]:
        """Yield the steps of answering a request that was read; the work is done between two of them."""
        # After a reset, a late request must not act on the new world.
        api, world = self._api, self.world
        ending = met.ending
        kind = ending.kind if ending is not None else None
        before = ending is not None and ending.when == "before"
        if met.latency:
            yield Wait(met.latency)
        if ending is not None and kind == "hang" and before:
            yield Wait(ending.seconds)
        if kind == "reset" and before:
            yield Cut("reset")
            return
        if met.refused_for is not None:
            seconds = str(max(1, math.ceil(met.refused_for)))
            yield Reply(message(429, "Too many requests", [("retry-after", seconds)]), met.trickle)
            return
        if ending is not None and kind == "status" and before:
            yield Reply(_spoken(ending), met.trickle)
            return
        response = self._respond(request, met, api, world)
        if ending is not None and kind == "hang" and not before:
            yield Wait(ending.seconds)
        yield self._last(response, met)
        for move in met.moves:
            _move_rows(request, move, world)

    def _respond(self, request: Request, met: Met, api: Routing, world: World) -> Response:
        """Do the work of a request and return its answer, without faults."""
        path = request.path
        if path.startswith("/__simulator"):
            return self._control(request)
        if path == "/openapi.json":
            return openapi() if request.method == "GET" else message(405, "Method Not Allowed", [("allow", "GET")])
        if (
            request.headers.get("authorization") != self._bearer
            and path.startswith("/v1/")
            and path != "/v1/healthcheck"
        ):
            return message(401, "Not authenticated", [("www-authenticate", "Bearer")])
        with world.lock:
            if met.balance is not None:
                world.billing.credits = met.balance
            world.settle()
            world.stalling = None if met.stall is None else Stall(met.stall.column, met.stall.seconds)
            try:
                return api(request if met.shuffle is None else replace(request, shuffle=met.shuffle))
            finally:
                world.stalling = None

    def _last(self, response: Response, met: Met) -> Step:
        ending = met.ending
        match ending.kind if ending is not None else None:
            case "close_after":
                return Cut("close")
            case "reset":
                return Cut("reset")
            case "half":
                return Cut("half", response)
            case "garbage":
                return Cut("garbage")
            case "garbled":
                return Reply(Response(200, b'{"id":"\xff\xfe", "rows":[{]', (JSON,)), met.trickle)
            case "status" if ending is not None:
                return Reply(_spoken(ending), met.trickle)
            case _:
                return Reply(response, met.trickle)


def _spoken(fault: Fault) -> Response:
    """Return the answer of a `status` fault."""
    headers = tuple((name.lower(), value) for name, value in fault.headers.items())
    if fault.status in (204, 304):
        return Response(fault.status, b"", headers)
    if isinstance(fault.body, str):
        own = any(name == "content-type" for name, _ in headers)
        return Response(
            fault.status, fault.body.encode(), headers if own else (("content-type", "text/plain"), *headers)
        )
    if fault.body is not msgspec.UNSET:
        return Response(fault.status, msgspec.json.encode(fault.body), (JSON, *headers))
    return message(fault.status, _DETAILS.get(fault.status, f"Simulated {fault.status}"), headers)


def _move_rows(request: Request, move: Fault, world: World) -> None:
    parts = request.path.split("/")
    if len(parts) != 5 or parts[4] != "data":
        return
    with world.lock:
        table = world.tables.get(parts[3].lower())
        if table is None:
            return
        if move.kind == "rows_removed":
            table.remove_rows(table.order[: move.rows] if move.where == "first" else table.order[-move.rows :])
            return
        for slot in world.add_rows(table, move.rows, first=move.where == "first"):
            for column in table.columns:
                if column.is_input:
                    column.move(slot, State.DONE)
            world.fill_built_in(table, slot)
