"""`/livez` says whether to start a worker again, `/readyz` whether it takes work."""

import socket

from tests.fleet.monitoring.conftest import Watched


def test_a_worker_is_ready_once_all_is_known_and_it_asks_for_work(watched: Watched) -> None:
    """Not before, and not once it has not asked for a minute; it stays alive for as long as its loop comes round."""
    assert watched.get("/readyz") == (503, "schema: not known yet\ntoken: not known yet\nfetch: not known yet\n")
    watched.health.note("schema")
    watched.health.note("token")
    watched.health.fetched()
    assert watched.get("/readyz") == (200, "schema: ok\ntoken: ok\nfetch: ok\n")
    watched.now += 61
    watched.health.beat()
    assert watched.get("/readyz") == (503, "schema: ok\ntoken: ok\nfetch: 61 s ago\n")
    assert watched.get("/livez") == (200, "loop: came round 0 s ago\n")
    watched.now += 121
    assert watched.get("/livez")[0] == 503


def test_a_refused_token_is_seen(watched: Watched) -> None:
    """By what is noted of it, which is never the token."""
    watched.health.note("schema")
    watched.health.note("token", "refused for workspace gtm")
    watched.health.fetched()
    assert watched.get("/readyz") == (503, "schema: ok\ntoken: refused for workspace gtm\nfetch: ok\n")


def test_a_worker_that_ends_is_alive_and_not_ready(watched: Watched) -> None:
    """It finishes what is in flight, and is not killed for that."""
    for check in ("schema", "token"):
        watched.health.note(check)
    watched.health.fetched()
    watched.health.end()
    assert watched.get("/readyz")[0] == 503
    assert watched.get("/livez")[0] == 200


def test_a_client_that_stalls_keeps_no_other_waiting(watched: Watched) -> None:
    """Nor one that speaks no HTTP, or goes away."""
    with socket.create_connection(("127.0.0.1", watched.server.port)) as stalled:
        stalled.sendall(b"GET /metr")
        with socket.create_connection(("127.0.0.1", watched.server.port)) as nonsense:
            nonsense.sendall(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert watched.get("/livez")[0] == 200
