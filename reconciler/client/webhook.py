"""Posts a message to a webhook: to a host that was allowed, over https or on this machine, and never where it leads.

The address is a secret, so nothing here shows any of it. httpx would log it, so its transport is used without its
client; the words of its errors stay inside, too, because some quote the host.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

from reconciler.client.http.addressing import httpx_proxy
from reconciler.client.http.failures import is_certificate_failure
from reconciler.client.http.options import ApiOptions, Token
from reconciler.client.http.request import USER_AGENT
from reconciler.client.http.retry_after import retry_after_seconds
from reconciler.client.http.trust import tls_context
from reconciler.errors import SettingsError
from reconciler.model.network import Network
from reconciler.text.addresses import is_loopback_host

ATTEMPTS = 3
TRY_SECONDS = 4.0
"""For the connection, and for each wait for more bytes; a whole try takes at most twice as long."""
FIRST_WAIT = 0.5
"""Seconds before the second try, doubled before the third."""
LONGEST_WAIT = 4.0
"""Seconds; a receiver that asks for a longer rest gets nothing more."""

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][!$%&'()*+,./0-9:;=?@a-z_~-]*)?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_STEPS_WITH_A_LINE = ("connect_tcp.complete", "start_tls.complete")


class NotDelivered(Exception):
    """A message that did not arrive, and why, in words without the address."""

    def __init__(self, words: str, *, may_try_again: bool = False, after: float | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.may_try_again = may_try_again
        self.after = after
        """Seconds for which the receiver asks to be left alone."""


@dataclass(frozen=True, slots=True)
class Post:
    """A message and the way to its receiver."""

    address: str
    body: bytes
    """JSON."""
    hosts: Collection[str]
    """The allowed `host[:port]`, in lower case."""
    network: Network
    try_seconds: float = TRY_SECONDS


def deliver(post: Post, pause: Callable[[float], bool]) -> None:
    """Post a message, three times at most. Raises NotDelivered.

    `pause` sleeps for some seconds and returns True if there is no time for another try.
    """
    url = _url(post)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _send(url, post)
        except NotDelivered as error:
            wait = FIRST_WAIT * 2 ** (attempt - 1) if error.after is None else error.after
            if not error.may_try_again or wait > LONGEST_WAIT:
                raise
            if attempt == ATTEMPTS or pause(wait):
                raise NotDelivered(f"{error.words}, in {attempt} of {ATTEMPTS} tries") from None
    return None


def _url(post: Post) -> httpx.URL:
    """Return the address if it may be posted to, which two parsers must agree on. Raises NotDelivered."""
    found = _ADDRESS.fullmatch(post.address)
    if found is None:
        raise NotDelivered("it does not hold an address like https://host/path, without a user or a fragment")
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    try:
        url = httpx.URL(post.address)
    except httpx.InvalidURL:
        raise NotDelivered("its address cannot be read") from None
    if (url.scheme, url.host, url.port or _DEFAULT_PORTS[scheme], url.userinfo) != (
        scheme,
        host.strip("[]"),
        port,
        b"",
    ):
        raise NotDelivered("its address can be read in two ways")
    if scheme == "http" and not is_loopback_host(host.strip("[]")):
        raise NotDelivered("its address is not https")
    if f"{host}:{port}" not in post.hosts and not (port == _DEFAULT_PORTS[scheme] and host in post.hosts):
        raise NotDelivered("its host is not allowed; name it in RECONCILER_NOTIFY_HOSTS or with --notify-host")
    return url


def _send(url: httpx.URL, post: Post) -> None:
    """Try once. Raises NotDelivered, outside the `except` blocks: chained, it would carry the address along."""
    lines: list[socket.socket] = []

    def keep(step: str, details: Mapping[str, Any]) -> None:
        if step.endswith(_STEPS_WITH_A_LINE):
            lines.append(details["return_value"].get_extra_info("socket"))

    def cut() -> None:
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), post.try_seconds)
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, "Connection": "close"}
    extensions = {"timeout": timeouts, "trace": keep}
    # An answer that trickles would never end: the timeouts are for each wait.
    clock = threading.Timer(2 * post.try_seconds, cut)
    clock.daemon = True
    clock.start()
    try:
        with _transport(url, post.network) as transport:
            request = httpx.Request("POST", url, headers=headers, content=post.body, extensions=extensions)
            response = transport.handle_request(request)
            response.close()  # the status is all that is read
        failure = _judged(response)
    except SettingsError as error:
        failure = NotDelivered(error.message)
    except Exception as error:
        failure = _lost(error, post)
    finally:
        clock.cancel()
    if failure is not None:
        raise failure


def _transport(url: httpx.URL, network: Network) -> httpx.HTTPTransport:
    origin = ApiOptions(f"{url.scheme}://{url.netloc.decode('ascii')}", Token("none"), network=network)
    return httpx.HTTPTransport(
        verify=tls_context(origin),
        trust_env=False,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
        proxy=httpx_proxy(origin, url),
    )


def _judged(response: httpx.Response) -> NotDelivered | None:
    status = response.status_code
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return NotDelivered(f"it answers {status}, and redirects are not followed")
    after = retry_after_seconds(response.headers.get("Retry-After"), time.time)
    is_passing = status in (408, 429) or status >= 500
    return NotDelivered(f"it answers {status}", may_try_again=is_passing, after=after)


def _lost(error: Exception, post: Post) -> NotDelivered:
    if is_certificate_failure(error):
        return NotDelivered(f"its certificate is not trusted by {post.network.trust}")
    if isinstance(error, httpx.TimeoutException):
        return NotDelivered(f"it does not answer within {post.try_seconds:g} s", may_try_again=True)
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return NotDelivered("there is no connection to it", may_try_again=True)
    if isinstance(error, httpx.TransportError | OSError):
        return NotDelivered("the connection to it breaks off", may_try_again=True)
    return NotDelivered(f"an unexpected {type(error).__name__}")
