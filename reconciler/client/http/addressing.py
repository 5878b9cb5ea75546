"""The address of a request that httpx sends, and the proxy on its way.

Apart from what every request has, because reading goes without httpx, which takes a tenth of a second to import.
"""

from urllib.parse import unquote

import httpx

from reconciler.client.http.options import ApiOptions
from reconciler.client.http.request import Query, leads_away


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
