"""Sends the one request that costs money, and says honestly what became of it (`spend.md`, Which failure means what).

- A fresh connection for each call: on a kept-alive one a lost answer could not be told from a lost request.
- One deadline around all of it: httpx bounds each wait, not the whole; a trickling answer would outlive any lease.
- *Not sent* is an allow-list, and needs two witnesses: the kind of failure, and httpcore's trace, which names each step
  before it is taken. A call that fails in a way nobody listed, or at a step nobody listed, is in doubt.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

import httpx

from reconciler.apply import REFUSALS
from reconciler.client.loose_json import parse
from reconciler.client.options import ApiOptions, Token
from reconciler.client.paths import as_uuid, run_path
from reconciler.client.wire import (
    LARGEST_REFUSAL,
    checked_url,
    failure_words,
    headers,
    is_certificate_failure,
    tls_context,
)
from reconciler.client.words import reasons, refusal, spoken
from reconciler.errors import BadResponse, InDoubt, NotSent, Refused
from reconciler.outcome import Receipt
from reconciler.plan import Call

LARGEST_RECEIPT = 64 * 1024 * 1024
"""Bytes; the answer repeats the ids of every row and column of the call."""
MOST_CELLS = 1_000_000_000
"""A larger `num_requested_cells` is nonsense and counts as not said."""
_PROVES_NOTHING_SENT = (
    httpx.ConnectError,  # refused, name not found, TLS handshake failed
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.ProxyError,
)
_BEFORE_SENDING = ("connection.connect_tcp.", "connection.start_tls.")
_CONNECTED = "connection.connect_tcp.complete"
_DOUBT_HINT = "It is never sent again. The next plan looks at the table for signs of it."


@dataclass(slots=True)
class _Exchange:
    """What is known of one POST while it happens; read after the deadline cut it off."""

    until: float
    """By `time.monotonic`; after it no further byte of the request is sent."""
    steps: int = 0
    may_have_sent: bool = False
    """True from the first step that httpcore announces and that is not connecting."""
    status: int | None = None
    body: bytearray = field(default_factory=bytearray, repr=False)
    is_complete: bool = False
    failure: Exception | None = field(default=None, repr=False)
    is_late: bool = False
    stream: Any = field(default=None, repr=False)
    """The TCP connection. httpcore forgets it when the deadline falls into the TLS handshake."""

    async def witness(self, step: str, details: Mapping[str, Any]) -> None:
        """Take note of a step; httpcore calls this before it takes it, and waits.

        A process that was stopped on the way wakes up between two steps, where the deadline's timer has no say yet: a
        request that left then could arrive after others have taken it for one that never will.
        """
        self.steps += 1
        if not step.startswith(_BEFORE_SENDING):
            if time.monotonic() > self.until:
                raise TimeoutError
            self.may_have_sent = True
        if step == _CONNECTED:
            self.stream = details.get("return_value")

    @property
    def is_unsent(self) -> bool:
        """True where it is proven that no byte of the request left this machine."""
        if self.may_have_sent or self.status is not None:
            return False
        if self.is_late:
            return self.steps > 0  # without a single step there is no witness to rely on
        return isinstance(self.failure, _PROVES_NOTHING_SENT)


class SpendClient:
    """POSTs run calls, each once; implements `apply.Runner`. Safe to share between threads; holds nothing open."""

    def __init__(self, options: ApiOptions) -> None:
        self._options = options
        self._context = tls_context(options)

    def send(self, call: Call, begin_by: float = inf) -> Receipt:
        """POST `call` once; it takes at most `call_seconds`, from the name lookup to the answer's last byte.

        They are counted from now or from `begin_by` (of `time.monotonic`), whichever is earlier: no byte leaves later.

        Returns the receipt of a 2xx whose body is a JSON object, whatever run status it names: it is paid for [D].
        Raises NotSent where no byte left this machine; Refused on one of REFUSALS; InDoubt on everything else.
        A call that names no rows or no columns, or whose ids could not stand in a request, is Refused unsent: to the
        API, none would mean all.
        """
        exchange = _Exchange(until=min(time.monotonic(), begin_by) + self._options.call_seconds)
        where, url, body = self._request(call)
        asyncio.run(self._post(url, body, call.id, exchange))
        return self._judged(where, exchange)

    def _request(self, call: Call) -> tuple[str, httpx.URL, bytes]:
        path = run_path(call.table_id)
        if not call.rows or not call.columns:
            raise Refused("the call names no rows or no columns, so it was not sent", hint="Report this as a bug.")
        if not (call.id.isascii() and call.id.isalnum()):
            raise Refused("the call's id cannot stand in a header, so it was not sent", hint="Report this as a bug.")
        body = json.dumps({"mode": call.mode.value, "rows": list(call.rows), "columns": list(call.columns)})
        return f"POST {path}", checked_url(self._options, path), body.encode()

    async def _post(self, url: httpx.URL, body: bytes, call_id: str, exchange: _Exchange) -> None:
        asyncio.get_running_loop().set_default_executor(_Lookups(max_workers=1, thread_name_prefix="reconciler-lookup"))
        try:
            async with asyncio.timeout(self._options.call_seconds):
                await self._exchange(url, body, call_id, exchange)
        except TimeoutError:
            exchange.is_late = True
        except Exception as error:  # judged by what is allowed, not by what is forbidden
            exchange.failure = error
        finally:
            if exchange.stream is not None:
                with suppress(Exception):
                    await exchange.stream.aclose()

    async def _exchange(self, url: httpx.URL, body: bytes, call_id: str, exchange: _Exchange) -> None:
        client = httpx.AsyncClient(
            headers={
                **headers(self._options),
                "Accept-Encoding": "identity",
                "Connection": "close",
                "Content-Type": "application/json",
                "Idempotency-Key": call_id,
            },
            verify=self._context,
            timeout=self._options.call_seconds,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )
        extensions = {"trace": exchange.witness}
        async with client, client.stream("POST", url, content=body, extensions=extensions) as response:
            exchange.status = response.status_code
            most = LARGEST_RECEIPT if response.is_success else LARGEST_REFUSAL
            async for chunk in response.aiter_bytes():
                exchange.body += chunk
                if len(exchange.body) > most:
                    return
            exchange.is_complete = True

    def _judged(self, where: str, exchange: _Exchange) -> Receipt:
        """Return the receipt, or raise what the exchange amounts to.

        Raised from here, where no httpx exception is being handled: chained to one, ours would carry the request and
        its Authorization header into tracebacks.
        """
        status, token = exchange.status, self._options.token
        what = _what_happened(exchange, self._options)
        if exchange.is_unsent:
            raise NotSent(f"{where}: {what}; nothing was sent", hint="Check the network and the API's base URL.")
        if status in REFUSALS:
            raise refusal(status, bytes(exchange.body), where=where, token=token)
        if status is None or not 200 <= status < 300:
            raise InDoubt(f"{where}: {what}", hint=_DOUBT_HINT, status=status)
        if not exchange.is_complete:
            raise InDoubt(f"{where}: {status}, but the answer broke off: {what}", hint=_DOUBT_HINT, status=status)
        receipt = _receipt(bytes(exchange.body), token)
        if receipt is None:
            raise InDoubt(f"{where}: {status}, but the answer is not a JSON object", hint=_DOUBT_HINT, status=status)
        return receipt


class _Lookups(ThreadPoolExecutor):
    """Looks names up. Closing the event loop waits for it without a deadline, so it does not wait for its threads."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)


def _what_happened(exchange: _Exchange, options: ApiOptions) -> str:
    if exchange.is_late:
        step = "no connection" if exchange.is_unsent else "no complete answer"
        return f"{step} after {options.call_seconds:g} s"
    if exchange.failure is not None:
        if is_certificate_failure(exchange.failure):
            return f"the server's certificate is not trusted ({spoken(str(exchange.failure), options.token)})"
        return failure_words(exchange.failure, options.token)
    if not exchange.is_complete:
        return "the answer is too large"
    return f"{exchange.status} instead of a receipt{reasons(bytes(exchange.body), options.token)}"


def _receipt(body: bytes, token: Token) -> Receipt | None:
    """Return what a 2xx says [D]; None where it is not a JSON object."""
    try:
        shown = parse(body)
    except BadResponse:
        return None
    if not isinstance(shown, dict):
        return None
    run_id, cells = shown.get("id"), shown.get("num_requested_cells")
    is_count = isinstance(cells, int) and not isinstance(cells, bool) and 0 <= cells <= MOST_CELLS
    named = as_uuid(run_id) or (spoken(run_id, token)[:64] if isinstance(run_id, str) else "")
    return Receipt(run_id=named, requested_cells=cells if is_count else None)
