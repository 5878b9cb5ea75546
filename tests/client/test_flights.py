"""Many small answers awaited by one thread: which connections it may touch, and how long it waits."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.client.http.buffers import Buffers
from reconciler.client.http.connection import Connection
from reconciler.client.http.flights import Flights
from reconciler.client.http.trust import tls_context
from tests.client.live_tables import options
from tests.client.wire_server import Exchange, WireServer


@contextmanager
def connections(server: WireServer, number: int) -> Iterator[list[Connection]]:
    """Connections that are open and idle."""
    how = options(server.url)
    made = [Connection(how, tls_context(how), Buffers()) for _ in range(number)]
    for each in made:
        each.get("/v1", {}, bytes)
    yield made
    for each in made:
        each.close()


@contextmanager
def flights(patience_seconds: float = 5.0) -> Iterator[Flights[str]]:
    made: Flights[str] = Flights(patience_seconds)
    yield made
    made.close()


def test_a_connection_that_a_worker_took_meanwhile_is_left_alone() -> None:
    """An answer and the end of an idle connection are seen at once; taking the answer, the caller gives it away."""
    has_answered = threading.Event()

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, b"{}")
        if exchange.number == 3:
            assert has_answered.wait(5)
            exchange.close()
        if exchange.number == 4:
            has_answered.set()

    with WireServer(behave) as server, connections(server, 2) as (first, second), flights() as under_way:
        for number, each in enumerate((first, second)):
            assert under_way.begin(each, "/v1", {}, bytes, str(number))
            while not list(under_way.landed(5)):
                pass
        assert list(under_way.landed(0)) == []  # else the system tells of the second connection first
        assert under_way.begin(first, "/v1", {}, bytes, "again")
        server.wait_until_closed(1)
        for landed in under_way.landed(5):
            assert landed.what == "again"
            assert not under_way.begin(second, "/v1", {}, bytes, "not at once")
            second.get("/v1", {}, bytes)  # as a worker does
        assert second.file >= 0


def test_patience_ends_when_it_ends() -> None:
    """Not when the thread would have looked around anyway."""

    def behave(exchange: Exchange) -> None:
        if exchange.number:
            exchange.hang()
        exchange.answer(200, b"{}")

    with WireServer(behave) as server, connections(server, 1) as (only,), flights(0.05) as under_way:
        assert under_way.begin(only, "/v1", {}, bytes, "slow")
        began = time.monotonic()
        left = list(under_way.landed(5))
        while not left:
            left = list(under_way.landed(5))
        assert time.monotonic() - began < 2
    assert [each.is_plain for each in left] == [False]
