"""The port that anyone in the cluster may reach takes no worker's threads."""

import socket
import threading
import time

import click
import pytest

from reconciler.cli.options import Endpoint
from reconciler.fleet.monitoring import server
from reconciler.fleet.watch import Watch


def test_a_client_that_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps each read short; it is the request as a whole that is timed."""
    monkeypatch.setattr(server, "SECONDS", 0.2)
    with Watch().server("127.0.0.1", 0) as serving, socket.create_connection(("127.0.0.1", serving.port), 5) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\nX: ")
        stopped = threading.Event()
        trickle = threading.Thread(target=_trickle, args=(client, stopped))
        trickle.start()
        try:
            assert _ends(client)
        finally:
            stopped.set()
            trickle.join()


def _trickle(client: socket.socket, stopped: threading.Event) -> None:
    try:
        while not stopped.wait(0.05):
            client.sendall(b"x")
    except OSError:
        pass


def _ends(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_many_connections_take_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than allowed is closed; once one goes, there is room again."""
    monkeypatch.setattr(server, "MOST_AT_ONCE", 2)
    with Watch().server("127.0.0.1", 0) as serving:
        address = ("127.0.0.1", serving.port)
        first, second = (socket.create_connection(address, 5) for _ in range(2))
        with second, socket.create_connection(address, 5) as third:
            assert _ends(third)
            first.close()
            assert _probe(address)


def _probe(address: tuple[str, int]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:  # the thread of who left may not have had its turn yet
        with socket.create_connection(address, 5) as probe:
            try:
                probe.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
                if probe.recv(12).endswith(b"200"):
                    return True
            except ConnectionError:
                continue
    return False


@pytest.mark.parametrize(
    ("written", "reached", "others"),
    [("0", ["127.0.0.1", "::1"], []), ("127.0.0.1:0", ["127.0.0.1"], ["::1"]), ("[::1]:0", ["::1"], ["127.0.0.1"])],
)
def test_a_host_keeps_the_port_to_its_address(written: str, reached: list[str], others: list[str]) -> None:
    """A laptop wants loopback; the probes of a cluster ask the pod's address, whichever family that is of."""
    at = Endpoint().convert(written, None, None)
    with Watch().server(*at) as serving:
        assert [_probe((host, serving.port)) for host in reached] == [True] * len(reached)
        for host in others:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, serving.port), 5)


@pytest.mark.parametrize(
    "written", ["", "x", ":9464", "::1:9464", "[::1]", "65536", "host:-1", "a b:1", "http://a:1", "１"]
)
def test_an_address_that_is_none_is_refused(written: str) -> None:
    """With examples, before anything listens."""
    with pytest.raises(click.BadParameter, match=r"127\.0\.0\.1:9464"):
        Endpoint().convert(written, None, None)
