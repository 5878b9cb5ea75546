"""The headers and the address of every request, and its proxy."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import unquote

import httpx

from reconciler.client.http.options import ApiOptions
from reconciler.errors import Refused
from reconciler.version import __version__

USER_AGENT = f"extruct-reconciler/{__version__}"
Query: TypeAlias = Mapping[str, int | str | Sequence[str]]
"""Query parameters; one with several values is repeated."""


def headers(options: ApiOptions) -> dict[str, str]:
    """Return the headers of every request; the only place where the token's text is used."""
    authorization = {"Authorization": f"Bearer {options.token.reveal()}"} if options.token.is_there else {}
    return {**authorization, "Accept": "application/json", "User-Agent": USER_AGENT}


def checked_url(options: ApiOptions, path: str, query: Query | None = None) -> httpx.URL:
    """Return the full URL. Raises Refused if the library parses it as another origin than the base URL's."""
    base = httpx.URL(options.base_url)
    url = httpx.URL(options.base_url + path, params=dict(query) if query else None)
    same = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
    if not same or url.userinfo or url.path != base.path.rstrip("/") + unquote(path):
        raise leads_away()
    return url


def httpx_proxy(options: ApiOptions, url: httpx.URL) -> httpx.Proxy | None:
    """Return the proxy on the way to `url`, as httpx takes it."""
    proxy = options.network.proxy_for(str(url))
    return None if proxy is None else httpx.Proxy(proxy.url, headers=proxy.headers)


def leads_away() -> Refused:
    """Return the error for a path that is not the API's."""
    return Refused("the path leads away from the API, so nothing was sent", hint="Report this as a bug.")
