"""Proxies and trust, from flags, environment and project file, the strongest first."""

import os
from collections.abc import Mapping
from pathlib import Path

from reconciler.errors import SettingsError
from reconciler.manifests.open_file import open_file
from reconciler.model.network import Network, Proxy, TrustStore, UnusableProxy, read_proxy
from reconciler.settings.settings import Settings
from reconciler.text.codes import Code

_FOLDERS = "SSL_CERT_DIR"
_STORES = ("SSL_CERT_FILE", _FOLDERS, "REQUESTS_CA_BUNDLE")
_LARGEST_STORE = 16 * 1024**2
"""Bytes read of a pipe or device; a system's whole store takes a quarter of one MiB."""
_FLAG, _PROXY_KEY, _STORE_KEY = "--ca-bundle", "spec.api.proxy", "spec.api.ca_bundle"


def network_of(environment: Mapping[str, str], ca_bundle: str | None = None) -> Network:
    """Return what the environment says, and the flag: by nothing else is a forge reached. Raises SettingsError.

    A proxy that cannot be used is an error only where it is on the way: desktops set ALL_PROXY to one of another kind.
    Variables are those of curl, in lower case first; HTTP_PROXY in upper case is ignored, because a web server sets it
    from a request's header.
    """
    return Network(
        https=_proxy(environment, "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
        http=_proxy(environment, "http_proxy", "all_proxy", "ALL_PROXY"),
        exceptions=_first(environment, "no_proxy", "NO_PROXY")[1],
        trust=_store(_FLAG, ca_bundle) if ca_bundle else _trusted_by(environment),
    )


def api_network(settings: Settings, environment: Mapping[str, str]) -> Network:
    """Return the way to the API, for which the project file may name a proxy and a store, too. Raises SettingsError.

    Secrets from the environment must not be readable by whoever may change a file, so a proxy of the project file
    serves https alone, and the store by which that is checked must be another's: with both, it could open what it
    passes on.
    """
    found = network_of(environment, settings.ca_bundle)
    api = settings.project.api
    https, trust = found.https, found.trust
    if https is None and api.proxy is not None:
        https = read_proxy(api.proxy, _PROXY_KEY)
    if api.ca_bundle is not None and not settings.ca_bundle:
        trust = _project_store(settings, api.ca_bundle)
    here = Network(https, found.http, found.exceptions, trust)
    proxy = here.proxy_for(settings.api_url)
    if proxy is not None and (proxy.source, trust.source) == (_PROXY_KEY, _STORE_KEY):
        raise SettingsError(
            f"{settings.project_file} names both a proxy and whom to trust: together they could read the token",
            hint="If that is right, confirm one of them: set HTTPS_PROXY to the proxy, or give --ca-bundle.",
            code=Code.NETWORK_SETTING,
        )
    return here


def _proxy(environment: Mapping[str, str], *names: str) -> Proxy | UnusableProxy | None:
    name, text = _first(environment, *names)
    return read_proxy(text.strip(), name) if text else None


def _trusted_by(environment: Mapping[str, str]) -> TrustStore:
    name, path = _first(environment, *_STORES)
    return _store(name, path) if path else TrustStore()


def _project_store(settings: Settings, path: str) -> TrustStore:
    if settings.base_certificates is not None:
        return TrustStore(_STORE_KEY, path, settings.base_certificates)
    return _store(_STORE_KEY, os.fspath(settings.root / path))


def _store(source: str, path: str) -> TrustStore:
    listed = path.split(os.pathsep) if source == _FOLDERS else [path]
    if not any(Path(each).exists() for each in listed):
        raise SettingsError(
            f"{source} names certificates that are not there: {path}",
            hint="Correct it, or leave it out.",
            code=Code.NETWORK_SETTING,
        )
    return TrustStore(source, path, None if source == _FOLDERS else _streamed(source, path))


def _streamed(source: str, path: str) -> bytes | None:
    """Return what a pipe or device holds, for which OpenSSL would wait without end; None for a file or folder."""
    if Path(path).is_file() or Path(path).is_dir():
        return None
    try:
        with open_file(path) as file:
            return file.read(_LARGEST_STORE)
    except OSError as error:
        raise SettingsError(
            f"{source} names certificates that cannot be read: {path}: {error.strerror}",
            hint="Correct it, or leave it out.",
            code=Code.NETWORK_SETTING,
        ) from None


def _first(environment: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Return the first of `names` that is set and not empty, and its text."""
    return next(((name, environment[name]) for name in names if environment.get(name)), ("", ""))
