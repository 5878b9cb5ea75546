"""Without a socket httpx clients get the same answers and the same errors as over one."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from reconciler.simulator.testing import LiveSimulator, in_process, serve
from reconciler.simulator.world.clock import ManualClock
from tests.simulator.workspaces import GENERIC, WORKSPACE

CASES: dict[str, dict[str, Any]] = {
    "nothing": {"kind": "latency", "seconds": 0},
    "close before": {"kind": "close_before"},
    "close after": {"kind": "close_after"},
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "when": "after"},
    "hang before": {"kind": "hang", "seconds": 0.6},
    "hang after": {"kind": "hang", "seconds": 0.6, "when": "after"},
    "half": {"kind": "half"},
    "garbage": {"kind": "garbage"},
    "garbled": {"kind": "garbled"},
    "status before": {"kind": "status", "status": 500},
    "status after": {"kind": "status", "status": 429, "when": "after", "headers": {"Retry-After": "9"}},
    "slow start": {"kind": "latency", "seconds": 0.6},
    "rate": {"kind": "rate_limit", "rate": 1},
    "stall": {"kind": "stall"},
    "reorder": {"kind": "reorder"},
    "rows removed": {"kind": "rows_removed", "rows": 2},
    "rows added": {"kind": "rows_added", "rows": 2},
}
PATHS = [("POST", f"/v1/tables/{GENERIC}/run"), ("GET", f"/v1/tables/{GENERIC}/data"), ("GET", "/v1/tables")]
TIMEOUT = httpx.Timeout(5, read=0.3)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveSimulator]:
    """Run one server for all the cases."""
    with serve(WORKSPACE, clock=ManualClock()) as live:
        yield live


def _outcome(send: Callable[[], httpx.Response]) -> tuple[Any, ...]:
    try:
        response = send()
    except httpx.TransportError as error:
        return (type(error),)
    headers = {
        name: value for name, value in response.headers.items() if name not in ("content-length", "transfer-encoding")
    }
    return response.status_code, headers, response.content


@pytest.mark.parametrize(("method", "path"), PATHS, ids=["run", "data", "list"])
@pytest.mark.parametrize("settings", CASES.values(), ids=CASES.keys())
def test_the_transport_does_what_the_server_does(
    server: LiveSimulator, settings: dict[str, Any], method: str, path: str
) -> None:
    """Answer or error, charges and requests are the same with and without a socket, twice in a row."""
    server.reset()
    transport = in_process(WORKSPACE)
    told = []
    for live, through in ((server, None), (transport.live, transport)):
        live.fault(**settings, times=2)
        headers = {"Authorization": f"Bearer {live.token}"}
        with httpx.Client(base_url=live.url, headers=headers, timeout=TIMEOUT, transport=through) as client:
            outcomes = [_outcome(partial(client.request, method, path)) for _ in range(2)]
        assert live.drain()
        told.append((outcomes, live.charges()))
    assert told[0] == told[1]
    assert server.requests() == transport.live.requests()


def test_an_async_client_gets_the_same() -> None:
    """The same transport serves `httpx.AsyncClient`."""
    transport = in_process(WORKSPACE)
    headers = {"Authorization": f"Bearer {transport.live.token}"}

    async def ask() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator", headers=headers) as client:
            transport.live.fault("half", times=1)
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get("/v1/tables")
            return len((await client.get("/v1/tables")).json())

    assert asyncio.run(ask()) == 2
