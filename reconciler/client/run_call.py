"""Sends the one request that costs money, and classifies its outcome.

- Each call has a new connection: on a kept-alive one, a lost answer could not be told from a lost request.
- One deadline covers all of it: httpx limits each wait, not the total, so a trickling answer would outlive any lease.
- *Not sent* is an allow-list, and needs two witnesses: the kind of failure, and httpcore's trace, which names each step
  before it is taken. A call that fails in an unlisted way, or at an unlisted step, is in doubt.
"""

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

import httpx

from reconciler.client.http.addressing import checked_url, httpx_proxy
from reconciler.client.http.api_messages import reasons, refusal, spoken
from reconciler.client.http.connection import LARGEST_REFUSAL
from reconciler.client.http.failures import failure_words, is_certificate_failure, no_tunnel, no_way_hint
from reconciler.client.http.gzip import Unpacker, UnpackingError
from reconciler.client.http.lenient_json import parse
from reconciler.client.http.options import ApiOptions
from reconciler.client.http.request import headers
from reconciler.client.http.retry_after import retry_after_seconds
from reconciler.client.http.trust import not_trusted, not_trusted_hint, tls_context
from reconciler.client.http.urls import as_uuid, run_path
from reconciler.errors import BadResponse, InDoubt, NotSent, Refused
from reconciler.model.attempt import Receipt
from reconciler.model.plan import Call
from reconciler.spending.elapsed import elapsed
from reconciler.spending.protocol import REFUSALS

LARGEST_RECEIPT = 64 * 1024 * 1024
"""Bytes; the answer repeats the ids of every row and column of the call."""
MOST_CELLS = 1_000_000_000
"""A larger `num_requested_cells` is nonsense and is ignored."""
if sys.platform == "win32":
    _SystemsLoop = asyncio.ProactorEventLoop
else:
    _SystemsLoop = asyncio.SelectorEventLoop

_PROVES_NOTHING_SENT = (
    httpx.ConnectError,  # refused, name not found, TLS handshake failed
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)
_PROVES_NO_TUNNEL = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.TimeoutException)
"""Where a proxy has been asked for a tunnel and the call itself was not begun."""
_BEFORE_SENDING = ("connection.connect_tcp.", "connection.start_tls.", "proxy.start_tls.")
_CONNECTED = "connection.connect_tcp.complete"
_ASKS_PROXY = "http11.send_request_headers.started"
"""With the method CONNECT: what follows, up to the handshake in the tunnel, is between the proxy and us."""
_HAS_TUNNEL = "proxy.start_tls.started"
_DOUBT_HINT = "It is never sent again. The next plan checks the table for signs of it."


@dataclass(slots=True)
class _Exchange:
    """The known facts about one POST while it happens; still readable after the deadline."""

    until: float
    """By `elapsed`; no further byte of the request is sent after it."""
    steps: int = 0
    may_have_sent: bool = False
    """True from the first step after connecting that httpcore announces."""
    asked_for_tunnel: bool = False
    """True once a proxy was asked for a tunnel."""
    is_before_tunnel: bool = False
    """True from then on until there is one."""
    status: int | None = None
    retry_after: str | None = None
    """The header of an answer."""
    body: bytearray = field(default_factory=bytearray, repr=False)
    is_complete: bool = False
    failure: Exception | None = field(default=None, repr=False)
    is_late: bool = False
    is_abandoned: bool = False
    """True if `abandon` cut it off."""
    stream: Any = field(default=None, repr=False)
    """The TCP connection. httpcore loses it if the deadline passes during the TLS handshake."""

    async def witness(self, step: str, details: Mapping[str, Any]) -> None:
        """Record a step; httpcore calls this before it takes the step, and waits.

        A process that was suspended wakes up between two steps, before the deadline's timer can act: a request that
        left then could arrive after others have concluded that it never will.
        """
        self.steps += 1
        if step == _ASKS_PROXY and details["request"].method == b"CONNECT":
            self.asked_for_tunnel = self.is_before_tunnel = True
        elif step == _HAS_TUNNEL:
            self.is_before_tunnel = False
        if not self.is_before_tunnel and not step.startswith(_BEFORE_SENDING):
            if elapsed() > self.until:
                raise TimeoutError
            self.may_have_sent = True
        if step == _CONNECTED:
            self.stream = details.get("return_value")

    def takes(self, pieces: Iterable[bytes], most: int) -> bool:
        """Add to the body; return False once it is larger than `most` bytes."""
        for piece in pieces:
            self.body += piece
            if len(self.body) > most:
                return False
        return True

    @property
    def is_unsent(self) -> bool:
        """True if it is proven that no byte of the request left this machine."""
        if self.may_have_sent or self.status is not None:
            return False
        if self.is_late or self.is_abandoned:
            return self.steps > 0  # without any step there is no witness
        proofs = _PROVES_NOTHING_SENT + (_PROVES_NO_TUNNEL if self.asked_for_tunnel else ())
        return isinstance(self.failure, proofs)


class SpendClient:
    """POSTs run calls, each once; implements `protocol.Runner`. Safe to share between threads; holds nothing open."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self._context = tls_context(options)
        self._is_abandoned = False
        self._under_way: set[Callable[[], None]] = set()
        """Functions that cut off each call in progress; a signal handler uses them, so there is no lock."""

    def abandon(self) -> None:
        """Stop waiting for answers: calls in progress end at once, and no more are sent.

        Each ends by what is known of it: not sent, or in doubt. Safe to call from a signal handler.
        """
        self._is_abandoned = True
        for cut_off in tuple(self._under_way):
            cut_off()

    def send(self, call: Call, begin_by: float = inf) -> Receipt:
        """POST `call` once; it takes at most `call_seconds`, from the name lookup to the answer's last byte.

        They count from now or from `begin_by` (by `elapsed`), whichever is earlier: no byte leaves later.

        Returns the receipt of a 2xx whose body is a JSON object, whatever run status it has: it is paid for [D].
        Raises NotSent if no byte left this machine; Refused on one of REFUSALS; InDoubt on everything else.
        A call without rows or columns, or with ids that are not valid in a request, is Refused unsent: to the API, none
        would mean all.
        """
        exchange = _Exchange(until=min(elapsed(), begin_by) + self._options.call_seconds)
        where, url, body = self._request(call)
        if self._is_abandoned:
            raise NotSent(f"{where}: the apply was stopped; nothing was sent")
        try:
            runner = asyncio.Runner(loop_factory=_Loop)
            runner.get_loop()
        except OSError as error:  # e.g. too many open files
            raise NotSent(f"{where}: {error.strerror or type(error).__name__}; nothing was sent") from None
        with runner:
            runner.run(self._post(url, body, call.id, exchange))
        self._options.on_answer("POST", exchange.status)
        return self._judged(where, exchange)

    def _request(self, call: Call) -> tuple[str, httpx.URL, bytes]:
        path = run_path(call.table_id)
        if not call.rows or not call.columns:
            raise Refused("the call has no rows or no columns, so it was not sent", hint="Report this as a bug.")
        if not (call.id.isascii() and call.id.isalnum()):
            raise Refused("the call's id is not valid in a header, so it was not sent", hint="Report this as a bug.")
        body = json.dumps({"mode": call.mode.value, "rows": list(call.rows), "columns": list(call.columns)})
        return f"POST {path}", checked_url(self._options, path), body.encode()

    async def _post(self, url: httpx.URL, body: bytes, call_id: str, exchange: _Exchange) -> None:
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        assert own is not None
        # A separate task, so that cutting it off cannot affect the code after it.
        work = loop.create_task(self._exchange(url, body, call_id, exchange))

        def cut_off() -> None:
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(work.cancel)

        self._under_way.add(cut_off)
        if self._is_abandoned:
            cut_off()
        try:
            async with asyncio.timeout(self._options.call_seconds):
                await work
        except TimeoutError:
            exchange.is_late = True
        except asyncio.CancelledError:
            if own.cancelling():
                raise
            exchange.is_abandoned = True
        except Exception as error:  # classified by an allow-list
            exchange.failure = error
        finally:
            self._under_way.discard(cut_off)
            if exchange.stream is not None:
                with suppress(Exception):
                    await exchange.stream.aclose()

    async def _exchange(self, url: httpx.URL, body: bytes, call_id: str, exchange: _Exchange) -> None:
        # The transport of httpx without its client, whose redirects, cookies and hooks are of no use here.
        transport = httpx.AsyncHTTPTransport(
            verify=self._context,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
            trust_env=False,
            proxy=httpx_proxy(self._options, url),
        )
        sent = {
            **headers(self._options),
            "Accept-Encoding": "identity",
            "Connection": "close",
            "Content-Type": "application/json",
            "Idempotency-Key": call_id,
        }
        seconds = httpx.Timeout(self._options.call_seconds).as_dict()
        extensions = {"trace": exchange.witness, "timeout": seconds}
        request = httpx.Request("POST", url, headers=sent, content=body, extensions=extensions)
        async with transport, aclosing(await transport.handle_async_request(request)) as response:
            exchange.status = response.status_code
            exchange.retry_after = response.headers.get("Retry-After")
            most = LARGEST_RECEIPT if response.is_success else LARGEST_REFUSAL
            unpacker = Unpacker(response.headers.get("Content-Encoding"))
            async for chunk in response.aiter_raw():
                if not exchange.takes(unpacker.unpack(chunk), most):
                    return
            exchange.is_complete = exchange.takes(unpacker.end(), most)

    def _judged(self, where: str, exchange: _Exchange) -> Receipt:
        """Return the receipt, or raise the error that the exchange amounts to.

        Raised here, where no httpx exception is being handled: chained to one, ours would carry the request and its
        Authorization header into tracebacks.
        """
        status = exchange.status
        what = _what_happened(exchange, self._options)
        if exchange.is_unsent:
            raise NotSent(f"{where}: {what}; nothing was sent", hint=_unsent_hint(exchange, self._options))
        if status in REFUSALS:
            refused = refusal(status, bytes(exchange.body), where=where, options=self._options)
            if status == 429:
                refused.retry_after = retry_after_seconds(exchange.retry_after, time.time)
            raise refused
        if status is None or not 200 <= status < 300:
            raise InDoubt(f"{where}: {what}", hint=_DOUBT_HINT, status=status)
        if not exchange.is_complete:
            raise InDoubt(f"{where}: {status}, but the answer broke off: {what}", hint=_DOUBT_HINT, status=status)
        receipt = _receipt(bytes(exchange.body), self._options)
        if receipt is None:
            raise InDoubt(f"{where}: {status}, but the answer is not a JSON object", hint=_DOUBT_HINT, status=status)
        return receipt


class _Loop(_SystemsLoop):
    """Looks names up, each in a thread that neither this loop nor the program waits for at its end."""

    async def getaddrinfo(self, *where: Any, **more: Any) -> list[Any]:
        """Return what the system says of a name."""
        future: Future[list[Any]] = Future()

        def look_up() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(socket.getaddrinfo(*where, **more))
                except Exception as error:  # raised where the name is awaited
                    future.set_exception(error)

        threading.Thread(target=look_up, name="reconciler-lookup", daemon=True).start()
        return await asyncio.wrap_future(future, loop=self)


def _unsent_hint(exchange: _Exchange, options: ApiOptions) -> str:
    if exchange.failure is not None and is_certificate_failure(exchange.failure):
        return not_trusted_hint(exchange.failure)
    refusal, proxy = _no_tunnel(exchange, options), options.network.proxy_for(options.base_url)
    if refusal:
        return refusal[1]
    return no_way_hint(proxy) if proxy is not None else "Check the network and the API's base URL."


def _what_happened(exchange: _Exchange, options: ApiOptions) -> str:
    if exchange.is_abandoned:
        return "the apply was stopped" + ("" if exchange.is_unsent else ", before there was an answer")
    proxy = options.network.proxy_for(options.base_url)
    through = f" through {proxy}" if proxy is not None and exchange.is_unsent else ""
    if exchange.is_late:
        step = "no connection" if exchange.is_unsent else "no complete answer"
        return f"{step}{through} after {options.call_seconds:g} s"
    if exchange.failure is not None:
        if is_certificate_failure(exchange.failure):
            return not_trusted(options, spoken(str(exchange.failure), options))
        if isinstance(exchange.failure, UnpackingError):
            return str(exchange.failure)
        refusal = _no_tunnel(exchange, options)
        if refusal:
            return refusal[0]
        said = failure_words(exchange.failure, options)
        return f"no connection{through} ({said})" if through else said
    if not exchange.is_complete:
        return "the answer is too large"
    return f"{exchange.status} instead of a receipt{reasons(bytes(exchange.body), options)}"


def _no_tunnel(exchange: _Exchange, options: ApiOptions) -> tuple[str, str] | None:
    """Return words and a hint if a proxy refused to connect us; else None."""
    proxy = options.network.proxy_for(options.base_url)
    status = str(exchange.failure).partition(" ")[0]
    if proxy is None or not isinstance(exchange.failure, httpx.ProxyError) or not status.isdecimal():
        return None
    return no_tunnel(proxy, int(status))


def _receipt(body: bytes, options: ApiOptions) -> Receipt | None:
    """Return the receipt in a 2xx [D]; None if it is not a JSON object."""
    try:
        shown = parse(body)
    except BadResponse:
        return None
    if not isinstance(shown, dict):
        return None
    run_id, cells = shown.get("id"), shown.get("num_requested_cells")
    is_count = isinstance(cells, int) and not isinstance(cells, bool) and 0 <= cells <= MOST_CELLS
    named = as_uuid(run_id) or (spoken(run_id, options)[:64] if isinstance(run_id, str) else "")
    return Receipt(run_id=named, requested_cells=cells if is_count else None)
