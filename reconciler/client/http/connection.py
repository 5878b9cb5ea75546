"""One GET over a socket, with every failure classified.

It takes a fraction of the time that httpx takes for a small answer, and reads a large one straight into a buffer of
ours.
"""

import io
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

from reconciler.client.http.api_messages import refusal
from reconciler.client.http.buffers import LARGE, Body, Buffers
from reconciler.client.http.early import Early, NotPlainError, has_news
from reconciler.client.http.failures import (
    NOT_WHOLE,
    TransientError,
    failure_words,
    is_certificate_failure,
    no_answer_hint,
    no_way_hint,
)
from reconciler.client.http.gzip import LARGEST_PIECE, UnpackingError, unpacked
from reconciler.client.http.lenient_json import without_mark
from reconciler.client.http.options import ApiOptions
from reconciler.client.http.request import Query, headers, leads_away
from reconciler.client.http.response import Incoming, IncompleteAnswer, MalformedAnswer, Response
from reconciler.client.http.trust import not_trusted, not_trusted_hint
from reconciler.client.http.tunnel import NoTunnelError, open_tunnel
from reconciler.errors import ApiError, BadResponse, Refused
from reconciler.text.codes import Code

LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of one answer after decompression; a larger one is refused while it streams."""
LARGEST_REFUSAL = 64 * 1024
"""The most bytes read of an error's body."""
LONGEST_ANSWER = 10
"""An answer may take this many times `timeout_seconds`, so that one that trickles ends."""
_PATH = re.compile(r"(/[A-Za-z0-9_-]+)*")
"""The API's paths: nothing to escape, and nothing that leads elsewhere."""
_PASSING = (408, 429)
"""The server waited too long, perhaps for a request that came as it closed an idle connection; too many requests."""
_REDIRECTS = (301, 302, 303, 307, 308)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    redirects: bool
    """True for a 3xx with a `Location`."""


@dataclass(slots=True)
class ConnectionCost:
    """How one connection spent its time; summed over connections, seconds may exceed elapsed time."""

    requests: int = 0
    received_bytes: int = 0
    """After decompression."""
    waiting_seconds: float = 0.0
    """From sending a request to the last byte of its answer."""
    decoding_seconds: float = 0.0


class Connection:
    """One worker's own connection, kept alive between requests. For one thread at a time."""

    def __init__(self, options: ApiOptions, context: ssl.SSLContext, buffers: Buffers) -> None:
        """`buffers` are shared by all workers."""
        self._options = options
        self._context = context
        self._buffers = buffers
        self._base = urlsplit(options.base_url)
        self._proxy = options.network.proxy_for(options.base_url)
        sent = {"Host": self._base.netloc, **headers(options), "Accept-Encoding": "gzip"}
        self._target = self._base.path
        if self._proxy is not None and not options.is_encrypted:
            self._target = options.base_url
            sent |= self._proxy.headers
        self._headers = "".join(f"{name}: {text}\r\n" for name, text in sent.items())
        self._sock: socket.socket | None = None
        self._is_fresh = True
        """True of a connection that has brought no whole answer yet."""
        self._line: socket.socket | None = None
        """The connection, once it is made, be it encrypted yet or not: to shut it down from outside."""
        self._early: Early | None = None
        """The answer under way that `ask` asked for."""
        self._asked_at = 0.0
        self._until = float("inf")
        """The deadline for the current answer."""
        self._is_late = False
        self.date: str | None = None
        """The `Date` of the last answer that began, whatever its status; None if it had none."""
        self.spent = ConnectionCost()

    def get(self, path: str, query: Query, decode: Callable[[memoryview], T]) -> T:
        """Return the result of `decode` on the body of a 200; the body itself does not outlive this call.

        If `ask` has sent the request, only the answer is waited for. Raises TransientError if a retry may help, else
        Refused or BadResponse, and whatever `decode` raises.
        """
        began = time.perf_counter() if self._early is None else self._asked_at
        with Body(self._buffers) as body:
            try:
                self._fill(body, path, query)
            finally:
                received = time.perf_counter()
                self.spent.requests += 1
                self.spent.received_bytes += body.size
                self.spent.waiting_seconds += received - began
            try:
                return decode(without_mark(body.view()))
            finally:
                self.spent.decoding_seconds += time.perf_counter() - received

    def ask(self, path: str, query: Query) -> bool:
        """Send a GET without waiting, over the connection that there is; then call `answered`, or `get` with the same.

        Returns False if that takes a connection to be made or more room than there is: nothing is under way then.
        """
        sock = self._sock
        if sock is None or has_news(sock) or not _PATH.fullmatch(path):
            return False
        sent = self._head(_target(path, query))
        try:
            if sock.gettimeout():
                sock.settimeout(0)
            is_sent = sock.send(sent) == len(sent)
        except OSError:
            is_sent = False
        if is_sent:
            self._early, self._asked_at = Early(), time.perf_counter()
        else:
            self.close()
        return is_sent

    def answered(self, decode: Callable[[memoryview], T]) -> tuple[T] | None:
        """Return the result of `decode` on the body of a 200 once all of it is there, None before; never wait.

        Raises NotPlainError for any other answer, for a failure, for what `decode` raises, and if it takes more than a
        moment: then `get` tells what it is.
        """
        early, sock = self._early, self._sock
        if early is None or sock is None:
            raise NotPlainError
        try:
            early.receive(sock)
            response = early.whole()
            return None if response is None else (self._decoded(response, decode),)
        except NotPlainError:
            raise
        except Exception:
            raise NotPlainError from None

    def _decoded(self, response: Response, decode: Callable[[memoryview], T]) -> T:
        received = time.perf_counter()
        with Body(self._buffers) as body:
            self._receive("", response, body, LARGE)
            found = decode(without_mark(body.view()))
            self.spent.received_bytes += body.size
        self.date = response.first("date")
        self._options.on_answer("GET", response.status)
        self.spent.requests += 1
        self.spent.waiting_seconds += received - self._asked_at
        self.spent.decoding_seconds += time.perf_counter() - received
        self._early = None
        if response.will_close:
            self.close()
        return found

    @property
    def file(self) -> int:
        """The open connection's file descriptor, to wait for; -1 if there is none."""
        return -1 if self._sock is None else self._sock.fileno()

    def has_ended(self) -> bool:
        """Return whether the idle connection is closed, or has brought something unasked."""
        return self._sock is None or has_news(self._sock)

    def cut_if_late(self) -> None:
        """Shut the connection down, from another thread, if its answer takes far too long, headers included.

        The socket's timeout limits each wait for more bytes, so headers that arrive one byte at a time would never end.
        """
        if self._line is not None and time.monotonic() > self._until:
            self._is_late = True
            self.cut()

    def cut(self) -> None:
        """Shut the connection down, from another thread: what is under way fails at once."""
        line = self._line
        if line is not None:
            with suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)  # TLS's own would end the encryption, not the waiting

    def close(self) -> None:
        """Close the connection; the next request makes a new one."""
        for each in (self._sock, self._line):
            if each is not None:
                each.close()
        self._sock = self._line = self._early = None

    def _fill(self, body: Body, path: str, query: Query) -> None:
        where = f"GET {path}"
        if not _PATH.fullmatch(path):
            raise leads_away()
        status = None
        try:
            answer = self._exchange(where, _target(path, query), body)
            status = answer.status
        finally:
            self._options.on_answer("GET", status)
        if answer.status == 200:
            return
        if 400 <= answer.status < 500:
            refused = refusal(answer.status, bytes(body.view()), where=where, options=self._options)
            if answer.status not in _PASSING:
                raise refused
            raise TransientError(refused, retry_after=answer.retry_after)
        error = BadResponse(f"{where}: {answer.status} instead of an answer", status=answer.status)
        if answer.status >= 500:
            raise TransientError(error, retry_after=answer.retry_after)
        if answer.redirects:
            error.hint = "Check the API's base URL: redirects are not followed, because the token would go with them."
        raise error

    def _exchange(self, where: str, target: str, body: Body) -> _Answer:
        # The failure is raised outside the `except` blocks: chained to the library's exception, it would carry frames
        # that hold the Authorization header into every traceback.
        failure: Exception
        incoming: Incoming | None = None
        self._until = time.monotonic() + self._options.timeout_seconds * LONGEST_ANSWER
        is_kept = False
        try:
            incoming = self._ask(target)
            response = Response(io.BufferedReader(incoming))
            response.begin()
            self.date = response.first("date")
            most = LARGEST_ANSWER if response.status == 200 else LARGEST_REFUSAL
            is_whole = self._receive(where, response, body, most)
            if self._is_late:  # cut in a body without a length, whose end that may be
                raise self._late(where)
            is_kept = is_whole and not response.will_close and not _is_followed(response, incoming)
            self._is_fresh = False
            redirects = response.status in _REDIRECTS and "location" in response.fields
            return _Answer(response.status, response.first("retry-after"), redirects)
        except ApiError as error:
            failure = error
        except (OSError, MalformedAnswer, NoTunnelError) as error:
            failure = self._late(where) if self._is_late else self._transient(where, error, has_begun=body.size > 0)
            if isinstance(failure, TransientError):
                has_begun = incoming is not None and incoming.has_begun
                failure.was_idle = not (self._is_fresh or has_begun or isinstance(error, TimeoutError))
        except UnpackingError as error:
            failure = TransientError(BadResponse(f"{where}: {error}", hint=NOT_WHOLE))
        except Exception as error:  # a library's own exceptions must not leave this package
            failure = BadResponse(f"{where}: {failure_words(error, self._options)}")
        finally:
            self._until, self._is_late = float("inf"), False
            if not is_kept:
                self.close()
        try:
            raise failure
        finally:
            del failure  # otherwise it, its traceback and this frame keep each other alive

    def _ask(self, target: str) -> Incoming:
        """Send a request, unless `ask` has; return what its answer is read from."""
        sock, early = self._sock, self._early
        if sock is not None and early is not None:
            self._early = None
            sock.settimeout(self._options.timeout_seconds)
            return early.followed_by(sock)
        if sock is None or has_news(sock):
            self.close()
            sock = self._connect()
        if not sock.gettimeout():
            sock.settimeout(self._options.timeout_seconds)
        sock.sendall(self._head(target))
        return Incoming(sock)

    def _head(self, target: str) -> bytes:
        return f"GET {self._target}{target} HTTP/1.1\r\n{self._headers}\r\n".encode("ascii")

    def _connect(self) -> socket.socket:
        self._is_fresh = True
        host, is_encrypted = self._base.hostname or "", self._options.is_encrypted
        port = self._base.port or (443 if is_encrypted else 80)
        proxy = self._proxy
        where = (host, port) if proxy is None else (proxy.host, proxy.port)
        sock = socket.create_connection(where, self._options.timeout_seconds)
        try:
            self._line = sock
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy is not None and is_encrypted:
                open_tunnel(sock, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy)
            self._sock = self._encrypted(sock, host) if is_encrypted else sock
        except BaseException:
            sock.close()
            raise
        return self._sock

    def _encrypted(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        # The library neither closes a socket whose peer has gone by now, nor always refuses to wrap it.
        sock.getpeername()
        # For as long as the handshake takes a second handle, because the library takes this one away.
        with sock.dup() as self._line:
            encrypted = self._context.wrap_socket(sock, server_hostname=host)
        self._line = encrypted
        if encrypted.version() is None:
            encrypted.close()
            raise ConnectionResetError("the connection was closed before the handshake")
        return encrypted

    def _receive(self, where: str, response: Response, body: Body, most: int) -> bool:
        """Fill `body` with `most` bytes at most; return whether that was all of it."""
        encoding, length = response.first("content-encoding"), response.length
        if encoding is None and length is not None and length <= most:
            with body.room(length) as room:
                response.readinto(room)
                body.size += length
        else:
            for piece in unpacked(response.pieces(LARGEST_PIECE), encoding):
                if body.size + len(piece) > most:
                    if response.status != 200:
                        return False
                    raise BadResponse(f"{where}: the answer is larger than {most:,} bytes", hint="Lower api.page_rows.")
                body.add(piece)
                if time.monotonic() > self._until:
                    raise self._late(where)
        return True

    def _late(self, where: str) -> BadResponse:
        return BadResponse(f"{where}: the answer is still not complete after {LONGEST_ANSWER} timeouts")

    def _transient(self, where: str, error: Exception, *, has_begun: bool) -> Exception:
        said = failure_words(error, self._options)
        if isinstance(error, IncompleteAnswer):
            said = "the answer breaks off"
        elif has_begun:
            said = f"the answer breaks off ({said})"
        if is_certificate_failure(error):
            return BadResponse(
                f"{where}: {not_trusted(self._options, said)}", hint=not_trusted_hint(error), code=Code.NOT_TRUSTED
            )
        hint = no_answer_hint(error)
        if isinstance(error, NoTunnelError):
            if error.status < 500:
                return Refused(f"{where}: {error}", hint=error.hint, status=error.status)
            said, hint = str(error), error.hint
        elif self._proxy is not None and self._sock is None:
            said, hint = f"no connection through {self._proxy} ({said})", no_way_hint(self._proxy)
        return TransientError(
            BadResponse(
                f"{where}: {said}",
                hint=hint,
                code=Code.NO_CONNECTION if self._sock is None else None,
            ),
            no_connection=self._sock is None,
        )


def _target(path: str, query: Query) -> str:
    return f"{path}?{urlencode(query, doseq=True)}" if query else path


def _is_followed(response: Response, incoming: Incoming) -> bool:
    """Return whether something unasked has come together with an answer that is read."""
    incoming.is_over = True
    return bool(response.stream.read(1))
