"""Records that TLS sends by itself, at any time: neither an answer nor the end of a connection."""

import json
import threading

import pytest

from reconciler.client import Reader
from reconciler.client.http.buffers import Buffers
from reconciler.client.http.connection import Connection
from reconciler.client.http.flights import Flights
from reconciler.client.http.trust import tls_context
from reconciler.model.network import Network
from reconciler.model.observed import TableStatus
from tests.client.live_tables import LiveTable, column, options, uid
from tests.client.openssl_server import OpensslServer
from tests.client.proxies import TRUSTED
from tests.client.test_kept_connections import HOW, Admit
from tests.client.wire_server import Exchange, WireServer

TABLES = [uid(number) for number in range(1, 5)]
TRUSTING = Network(trust=TRUSTED)


def status(path: str) -> bytes:
    live = LiveTable([column(2, "a")], id=path.rpartition("/")[2])
    body = json.dumps(live.header()).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def read_one_by_one(server: OpensslServer, admit: Admit, between: str = "") -> list[float]:
    """Read statuses over one connection at a time, and return the waits."""
    waits: list[float] = []
    how = options(server.url, concurrency=1, network=TRUSTING)
    with Reader(how, sleep=waits.append, admit=admit) as reader:
        for table in TABLES:
            assert isinstance(reader.read_statuses([table])[table], TableStatus)
            if between:
                server.send(between)
    return waits


@pytest.mark.parametrize("admit", HOW.values(), ids=HOW)
@pytest.mark.parametrize("command", ["k", "K"], ids=["theirs", "ours too"])
def test_new_keys_do_not_end_an_idle_connection(command: str, admit: Admit) -> None:
    """They come after an answer, before the next request; so may a ticket."""
    with OpensslServer("-tls1_3", status) as server:
        assert read_one_by_one(server, admit, between=command) == []
        assert server.connections == 1


@pytest.mark.parametrize("admit", HOW.values(), ids=HOW)
@pytest.mark.parametrize("command", ["k", "K"], ids=["theirs", "ours too"])
def test_new_keys_before_an_answer_are_not_the_answer(command: str, admit: Admit) -> None:
    """Nor its end."""
    with OpensslServer("-tls1_3", status, before_answers=command) as server:
        assert read_one_by_one(server, admit) == []
        assert server.connections == 1


@pytest.mark.parametrize("admit", HOW.values(), ids=HOW)
@pytest.mark.parametrize("before", [False, True], ids=["between", "before answers"])
def test_another_handshake_costs_no_answer(before: bool, admit: Admit) -> None:
    """Old servers ask for one at any time; a new connection is as good."""
    with OpensslServer("-tls1_2", status, before_answers="r" if before else "") as server:
        assert read_one_by_one(server, admit, between="" if before else "r") == []


def test_a_watched_connection_stays_while_others_are_awaited() -> None:
    """The thread that awaits their answers wakes for its records, and goes on waiting."""
    is_over = threading.Event()

    def behave(exchange: Exchange) -> None:
        if exchange.number == 1:
            assert is_over.wait(5)
        exchange.answer(200, b"{}")

    with OpensslServer("-tls1_3", status) as encrypted, WireServer(behave) as plain:
        made = [options(each.url, network=TRUSTING) for each in (encrypted, plain)]
        idle, slow = (Connection(how, tls_context(how), Buffers()) for how in made)
        flights: Flights[str] = Flights(5.0)
        for each in (idle, slow):
            each.get("/v1", {}, bytes)
        assert flights.begin(idle, "/v1", {}, bytes, "first")
        while not list(flights.landed(5)):
            pass
        assert flights.begin(slow, "/v1", {}, bytes, "slow")
        encrypted.send("K")
        assert list(flights.landed(5)) == []
        is_over.set()
        assert [each.what for each in flights.landed(5)] == ["slow"]
        assert flights.begin(idle, "/v1", {}, bytes, "second")
        while not (landed := list(flights.landed(5))):
            pass
        assert [each.is_plain for each in landed] == [True]
        flights.close()
        for each in (idle, slow):
            each.close()
        assert encrypted.connections == 1
