"""The way to a host: the proxy it is reached through, and the certificates that it may show."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote_to_bytes, urlsplit

from reconciler.errors import SettingsError
from reconciler.text.codes import Code

DEFAULT_PROXY_PORT = 1080
"""curl's."""
_SHORTEST_SECRET = 4
"""Characters; a shorter password would be found in any text."""
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_NETWORK = re.compile(r"([0-9a-f.:]+)(?:/([0-9]+))?")
"""An address, IPv6 without brackets, or a network of addresses; nothing may follow."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. Its credentials are in no text of it."""

    host: str
    port: int
    source: str
    """The variable or setting that names it."""
    credentials: str = field(default="", repr=False)
    """For `Proxy-Authorization: Basic …`; empty for none."""

    @property
    def url(self) -> str:
        """The address, without credentials."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """Headers for the proxy, and for nothing behind it."""
        return {"Proxy-Authorization": f"Basic {self.credentials}"} if self.credentials else {}

    def redact(self, text: str) -> str:
        """Return `text` without the credentials: a proxy may echo its request."""
        secrets = [self.credentials]
        plain = b64decode(self.credentials)
        for each in (plain, plain.partition(b":")[2]):
            # As text in two encodings, and escaped as Python writes bytes.
            secrets += [each.decode("utf-8", "replace"), each.decode("latin-1"), repr(each)[2:-1]]
        for secret in secrets:
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "[credentials]")
        return text

    def __str__(self) -> str:
        return f"the proxy {self.url} ({self.source})"


@dataclass(frozen=True, slots=True)
class UnusableProxy:
    """A proxy that is named and cannot be used: an error where it is on the way."""

    source: str
    why: str


def read_proxy(text: str, source: str) -> Proxy | UnusableProxy:
    """Return the proxy that `text` names, as curl reads it, or why it names none; never quotes it."""
    read = _read_proxy(text, source)
    return UnusableProxy(source, read) if isinstance(read, str) else read


def _read_proxy(text: str, source: str) -> Proxy | str:
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[1].lower() != "http":
        return f"it names a proxy of the kind `{scheme[1].lower()[:20]}`, and only http:// proxies can be used"
    try:
        parts = urlsplit(text if scheme else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return "it cannot be read as a URL"
    # Anything after the port is a password with a bare `/`, `?` or `#` in it, and `host` a part of that.
    if not host or not _HOST.fullmatch(host) or port == 0 or parts.path not in ("", "/") or parts.query:
        return "it must be http://host:port, with special characters of a password escaped (@ is %40)"
    if parts.fragment or not text.isprintable() or " " in text:
        return "it must be http://host:port, with special characters of a password escaped (# is %23)"
    user = unquote_to_bytes(parts.username or ""), unquote_to_bytes(parts.password or "")
    credentials = b64encode(b":".join(user)).decode() if "@" in parts.netloc else ""
    return Proxy(host, DEFAULT_PROXY_PORT if port is None else port, source, credentials)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The certificate authorities that are trusted; without `path` and `content` the system's."""

    source: str = ""
    """The flag, setting or variable that names them; empty for the system's."""
    path: str = ""
    """A file or folder; folders, as OpenSSL lists them, if it is from SSL_CERT_DIR."""
    content: bytes | None = field(default=None, repr=False)
    """The file's content, if it is not to be read from the disk."""

    def __str__(self) -> str:
        return f"the certificates in {self.path} ({self.source})" if self.source else "the system's certificates"


@dataclass(frozen=True, slots=True)
class Network:
    """Proxies and trust of everything that is sent."""

    https: Proxy | UnusableProxy | None = None
    http: Proxy | UnusableProxy | None = None
    """For addresses with plain http."""
    exceptions: str = ""
    """As NO_PROXY has it."""
    trust: TrustStore = TrustStore()

    def redact(self, text: str) -> str:
        """Return `text` without any proxy's credentials."""
        for proxy in (self.https, self.http):
            if isinstance(proxy, Proxy):
                text = proxy.redact(text)
        return text

    def proxy_for(self, url: str) -> Proxy | None:
        """Return the proxy on the way to `url`; None if there is none. Raises SettingsError if it cannot be used."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        if proxy is None or is_excepted(parts.hostname or "", self.exceptions):
            return None
        if isinstance(proxy, UnusableProxy):
            raise SettingsError(
                f"{proxy.source} is not understood: {proxy.why}",
                hint=f"E.g. {proxy.source}=http://proxy.example.com:3128, or name {parts.hostname} in NO_PROXY.",
                code=Code.NETWORK_SETTING,
            )
        return proxy


def is_excepted(host: str, exceptions: str) -> bool:
    """Return whether NO_PROXY names `host`, by the rules of curl's manual.

    `*` alone names all; else each entry is a domain with all below it, an address, or a network (CIDR).
    """
    if exceptions == "*":
        return True
    named = [each for each in re.split(r"[ \t,]+", exceptions.lower()) if each]
    try:
        address = ip_address(host)
    except ValueError:
        name = host.lower().removesuffix(".")
        below = [each.removeprefix(".").removesuffix(".") for each in named]
        return any(each and (name == each or name.endswith(f".{each}")) for each in below)
    return any(_is_within(address, each) for each in named)


def _is_within(address: IPv4Address | IPv6Address, text: str) -> bool:
    named = _NETWORK.fullmatch(text)
    if named is None:
        return False
    try:
        start, bits = ip_address(named[1]), int(named[2] or 0)
        # Of no bits, curl takes all.
        return address in ip_network(f"{start}/{bits}", strict=False) if bits else address == start
    except ValueError:
        return False
