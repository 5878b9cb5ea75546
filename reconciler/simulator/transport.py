"""The simulator without a socket, for httpx clients: the same answers, and each fault as httpx's error for it.

Nothing here waits in real time: a wait longer than the client's read timeout raises that timeout at once.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Final

import httpx

from reconciler.simulator.application import Cut, Reply, Simulator, Wait
from reconciler.simulator.http.wire import Request, Response
from reconciler.simulator.live import LiveSimulator

_CLOSED: Final = "Server disconnected without sending a response."
_HALF: Final = "peer closed connection without sending complete message body"


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The chunks of an answer, and the error that ends them early."""

    def __init__(self, chunks: Iterator[bytes], error: httpx.TransportError | None) -> None:
        self._chunks = chunks
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class SimulatorTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """`httpx.Client(transport=SimulatorTransport(simulator), base_url="http://simulator")`; `AsyncClient` as well."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.live = LiveSimulator(simulator, "http://simulator")
        """The oracle and the controls."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or raise what httpx would raise."""
        return self._answer(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or raise what httpx would raise."""
        return self._answer(request, await request.aread())

    def _answer(self, request: httpx.Request, body: bytes) -> httpx.Response:
        simulator = self._simulator
        headers = {name.lower(): value for name, value in request.headers.items()}
        query = request.url.query.decode("ascii")
        asked = Request(request.method, request.url.path, query, headers)
        met = simulator.meet(asked)
        with simulator.under_way(asked.path):
            if met.ending is not None and met.ending.kind == "close_before":
                simulator.remember(asked)
                raise httpx.RemoteProtocolError(_CLOSED, request=request)
            asked = replace(asked, body=body)
            simulator.remember(asked)
            patience = request.extensions.get("timeout", {}).get("read")
            late = False
            result: httpx.Response | httpx.TransportError | None = None
            for step in simulator.steps(asked, met):
                # A client that gave up does not stop the work: the steps continue without it.
                if isinstance(step, Wait):
                    late = late or (patience is not None and step.seconds > patience)
                elif isinstance(step, Cut):
                    result = _cut(step, request)
                else:
                    # Rows that move after the answer must not change an answer that is still being read.
                    result = _reply(_whole(step) if met.moves else step, request, patience)
            if late:
                raise httpx.ReadTimeout("The read operation timed out", request=request)
            if isinstance(result, httpx.Response):
                return result
            assert result is not None, "the last step is an answer or an end"
            raise result


def _chunks(response: Response) -> Iterator[bytes]:
    return iter([response.body]) if isinstance(response.body, bytes) else response.body


def _whole(step: Reply) -> Reply:
    return replace(step, response=replace(step.response, body=b"".join(_chunks(step.response))))


def _reply(step: Reply, request: httpx.Request, patience: float | None) -> httpx.Response | httpx.TransportError:
    response = step.response
    if step.bytes_per_second is not None and patience is not None and step.bytes_per_second * patience < 1:
        return httpx.ReadTimeout("The read operation timed out", request=request)
    headers = list(response.headers)
    if isinstance(response.body, bytes):
        headers.append(("content-length", str(len(response.body))))
    return httpx.Response(response.status, headers=headers, stream=_Body(_chunks(response), None), request=request)


def _cut(step: Cut, request: httpx.Request) -> httpx.Response | httpx.TransportError:
    if step.how == "reset":
        return httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    if step.how == "garbage":
        return httpx.RemoteProtocolError("illegal status line", request=request)
    if step.response is None:
        return httpx.RemoteProtocolError(_CLOSED, request=request)
    whole = b"".join(_chunks(step.response))
    broken = httpx.RemoteProtocolError(_HALF, request=request)
    stream = _Body(iter([whole[: len(whole) // 2]]), broken)
    headers = [*step.response.headers, ("content-length", str(len(whole)))]
    return httpx.Response(step.response.status, headers=headers, stream=stream, request=request)
