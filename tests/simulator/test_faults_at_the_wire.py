"""Every fault with every endpoint that the reconciler uses, over real sockets."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from reconciler.simulator.testing import LiveSimulator, serve
from reconciler.simulator.world.clock import ManualClock
from tests.simulator.raw_http import Heard, speak
from tests.simulator.workspaces import GENERIC, WORKSPACE


@dataclass(frozen=True)
class Endpoint:
    """One call of the reconciler."""

    method: str
    path: str
    body: dict[str, str] | None = None
    works: int = 0
    """How many cells it pays for when its work is done."""


DATA = f"/v1/tables/{GENERIC}/data"
ENDPOINTS = {
    "healthcheck": Endpoint("GET", "/v1/healthcheck"),
    "billing": Endpoint("GET", "/v1/billing"),
    "list": Endpoint("GET", "/v1/tables?limit=100"),
    "table": Endpoint("GET", f"/v1/tables/{GENERIC}"),
    "data page": Endpoint("GET", f"{DATA}?offset=1&limit=3"),
    "data stream": Endpoint("GET", DATA),
    "run": Endpoint("POST", f"/v1/tables/{GENERIC}/run", {"mode": "new"}, works=3),
}


@dataclass(frozen=True)
class Case:
    """One fault and what it must look like."""

    settings: dict[str, Any]
    check: Callable[[Heard, Heard], None]
    """Gets what was heard and what the same request hears when nothing is wrong."""
    works: bool = True
    """Whether the work is done although the answer went wrong."""


def _nothing_then(end: str) -> Callable[[Heard, Heard], None]:
    def check(heard: Heard, _sound: Heard) -> None:
        assert (heard.data, heard.end) == (b"", end)

    return check


def _whole(heard: Heard, sound: Heard) -> None:
    assert (heard.status, heard.end, heard.is_whole) == (200, "closed", True)
    assert heard.body == sound.body


def _late(heard: Heard, sound: Heard) -> None:
    _whole(heard, sound)
    assert heard.pieces[0][0] >= 0.1


def _half(heard: Heard, sound: Heard) -> None:
    assert (heard.status, heard.end) == (200, "closed")
    assert not heard.is_whole
    assert 0 < len(heard.data) < len(sound.data)


def _garbage(heard: Heard, _sound: Heard) -> None:
    assert heard.data
    assert (heard.status, heard.end) == (0, "closed")


def _garbled(heard: Heard, _sound: Heard) -> None:
    assert (heard.status, heard.is_whole, heard.headers["content-type"]) == (200, True, "application/json")
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        _ = heard.json


def _says(status: int, detail: Any, **headers: str) -> Callable[[Heard, Heard], None]:
    def check(heard: Heard, _sound: Heard) -> None:
        assert (heard.status, heard.is_whole) == (status, True)
        assert heard.json == {"detail": detail}
        assert headers.items() <= heard.headers.items()

    return check


def _trickles(heard: Heard, sound: Heard) -> None:
    _whole(heard, sound)
    # 20 pieces a second of a twentieth of the rate each: the first does not wait long, the last comes at its time.
    assert heard.pieces[-1][0] >= 0.8 * len(sound.body) / 20_000
    assert len(heard.pieces) >= len(sound.body) // 1000


def _reordered(heard: Heard, sound: Heard) -> None:
    assert (heard.status, heard.is_whole) == (200, True)
    if "status" not in sound.json or "rows" not in sound.json or sound.json["rows"] is None:
        assert heard.body == sound.body
        return
    ids, others = [row["id"] for row in heard.json["rows"]], [row["id"] for row in sound.json["rows"]]
    assert ids != others
    assert sorted(ids) == sorted(others)


def _same(heard: Heard, sound: Heard) -> None:
    assert heard.status == sound.status


PAYMENT = {"error": "payment_failed", "message": "Card expired."}
CASES = {
    "close before reading": Case({"kind": "close_before"}, _nothing_then("closed"), works=False),
    "close after the work": Case({"kind": "close_after"}, _nothing_then("closed")),
    "reset before the work": Case({"kind": "reset"}, _nothing_then("reset"), works=False),
    "reset after the work": Case({"kind": "reset", "when": "after"}, _nothing_then("reset")),
    "hang before the work": Case({"kind": "hang", "seconds": 0.1}, _late),
    "hang after the work": Case({"kind": "hang", "seconds": 0.1, "when": "after"}, _late),
    "half an answer": Case({"kind": "half"}, _half),
    "garbage": Case({"kind": "garbage"}, _garbage),
    "garbled JSON": Case({"kind": "garbled"}, _garbled),
    "500 before the work": Case({"kind": "status", "status": 500}, _says(500, "Simulated 500"), works=False),
    "500 after the work": Case({"kind": "status", "status": 500, "when": "after"}, _says(500, "Simulated 500")),
    "503 with a header": Case(
        {"kind": "status", "status": 503, "headers": {"Retry-After": "7"}, "body": {"detail": "Busy"}},
        _says(503, "Busy", **{"retry-after": "7"}),
        works=False,
    ),
    "402": Case({"kind": "status", "status": 402, "body": {"detail": PAYMENT}}, _says(402, PAYMENT), works=False),
    "latency": Case({"kind": "latency", "seconds": 0.1}, _late),
    "trickle": Case({"kind": "trickle", "bytes_per_second": 20_000}, _trickles),
    "reordered rows": Case({"kind": "reorder"}, _reordered),
}


@pytest.fixture(scope="module")
def server() -> Iterator[LiveSimulator]:
    """Run one server for all the cases; each begins with a reset."""
    with serve(WORKSPACE, clock=ManualClock()) as live:
        yield live


def _ask(live: LiveSimulator, endpoint: Endpoint) -> Heard:
    return speak(live.url, endpoint.method, endpoint.path, live.token, endpoint.body)


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS.keys())
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fault_looks_like_itself_at_the_wire(server: LiveSimulator, case: Case, endpoint: Endpoint) -> None:
    """A fault meets one request, does or leaves its work, and lets the next request go."""
    server.reset()
    sound = _ask(server, endpoint)
    server.reset()
    server.fault(times=1, method=endpoint.method, path=endpoint.path.split("?")[0], **case.settings)
    heard = _ask(server, endpoint)
    case.check(heard, sound)
    assert sum(server.charges().values()) == (endpoint.works if case.works else 0)
    following = _ask(server, endpoint)
    assert (following.status, following.is_whole) == (200, True)
    assert [path for _, path, _ in server.requests()] == [endpoint.path.split("?")[0]] * 2


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_a_rate_limit_refuses_with_a_time_to_wait(server: LiveSimulator, endpoint: Endpoint) -> None:
    """A request over the rate gets 429 with `Retry-After` and does nothing, until the window is over."""
    server.reset()
    server.fault("rate_limit", rate=2, per_seconds=30)
    answers = [_ask(server, endpoint) for _ in range(3)]
    assert [heard.status for heard in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "30"
    assert sum(server.charges().values()) == 2 * endpoint.works
    server.advance(31)
    assert _ask(server, endpoint).status == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_running_out_of_credits_stops_runs_alone(server: LiveSimulator, endpoint: Endpoint) -> None:
    """From the request that empties the balance on, runs are 402 and everything else goes on."""
    server.reset()
    server.fault("credits", balance=1)
    heard = _ask(server, endpoint)
    if endpoint.method == "POST":
        assert (heard.status, heard.json["detail"]["error"]) == (402, "insufficient_credits")
    else:
        assert heard.status == 200
    assert speak(server.url, "GET", "/v1/billing", server.token).json["subscription"]["available_credits"] == 1
    assert server.charges() == {}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS.keys())
@pytest.mark.parametrize(("kind", "change"), [("rows_added", 2), ("rows_removed", -2)])
@pytest.mark.parametrize("where", ["first", "last"])
def test_rows_come_and_go_between_pages(
    server: LiveSimulator, endpoint: Endpoint, kind: str, change: int, where: str
) -> None:
    """After a page of data, and after nothing else, rows come or go at the chosen end."""
    server.reset()
    before = [row["id"] for row in speak(server.url, "GET", DATA, server.token).json["rows"]]
    server.fault(kind, rows=2, where=where, times=1)
    assert _ask(server, endpoint).status == 200
    server.clear_faults()
    after = [row["id"] for row in speak(server.url, "GET", DATA, server.token).json["rows"]]
    moved = change if endpoint.path.startswith(DATA) else 0
    assert len(after) - len(before) == moved
    kept = before if moved >= 0 else before[2:] if where == "first" else before[:-2]
    added = max(0, moved)
    assert (after[added:] if where == "first" else after[: len(after) - added]) == kept


def test_hanging_requests_do_not_keep_the_server_from_ending() -> None:
    """A server with a request that hangs for an hour ends at once, and the client sees its connection end."""
    with serve(WORKSPACE) as live:
        live.fault("hang", seconds=3600)
        path = "/v1/healthcheck"
        host, port = live.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 5)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        while not live.requests():
            pass
    with connection:
        assert connection.recv(1024)[:15] in (b"", b"HTTP/1.1 200 OK")
