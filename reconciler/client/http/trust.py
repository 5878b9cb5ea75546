"""Whose certificates are believed, and what to say if one is not."""

import importlib
import os
import re
import ssl
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from reconciler.client.http.failures import causes
from reconciler.client.http.options import ApiOptions
from reconciler.errors import SettingsError
from reconciler.model.network import TrustStore
from reconciler.text.codes import Code

if sys.platform in ("darwin", "win32"):
    import truststore

_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older Fedora and RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # BSD
)
_NOT_TRUSTED_HINT = (
    "If your network inspects traffic, set SSL_CERT_FILE or --ca-bundle to a file with its certificate authority; "
    "else check the address."
)
_HINTS = {  # by OpenSSL's code for a certificate's fault
    9: "It is not valid yet: check this machine's clock.",
    10: "Have the server's certificate renewed, or check this machine's clock.",
    62: "It is for another host: check the address, and whether something on the way answers in the server's place.",
    64: "It is for another host: check the address, and whether something on the way answers in the server's place.",
}
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""The names by which OpenSSL finds certificates in a folder."""


def tls_context(options: ApiOptions) -> ssl.SSLContext:
    """Return the TLS settings that all connections share: loading a store takes tens of milliseconds.

    For plain http they are empty and trust no certificate. Raises SettingsError if the store cannot be read.
    """
    if options.is_encrypted:
        return _trusting(options.network.trust)
    return _trusting_none()


@cache
def _trusting_none() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _trusting(store: TrustStore) -> ssl.SSLContext:
    if not store.source:
        return _system()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if store.content is not None:
            # Comments between the certificates may be in any language.
            context.load_verify_locations(cadata=store.content.decode("ascii", "ignore"))
        else:
            # Of several folders OpenSSL looks into those that are there.
            path, may_be_several = Path(store.path), store.source == "SSL_CERT_DIR"
            is_folder = path.is_dir() or (may_be_several and not path.exists())
            if is_folder and not _holds_certificates(store.path.split(os.pathsep) if may_be_several else [store.path]):
                raise SettingsError(
                    f"{store} cannot be found: no file there is named by its hash",
                    hint="Run `openssl rehash` on the folder, or set SSL_CERT_FILE to a file of certificates.",
                    code=Code.NETWORK_SETTING,
                )
            context.load_verify_locations(**{"capath" if is_folder else "cafile": store.path})
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not a file of certificates"
        hint = "It must hold certificates as PEM text (-----BEGIN CERTIFICATE-----)."
        raise SettingsError(f"{store} cannot be read: {reason}", hint=hint, code=Code.NETWORK_SETTING) from None
    return context


def _holds_certificates(folders: Iterable[str]) -> bool:
    """Return whether OpenSSL would find one: it trusts no server otherwise, which looks like the server's fault."""
    there = [path for path in map(Path, filter(None, folders)) if path.is_dir()]
    return any(_HASHED.fullmatch(file.name) for path in there for file in path.iterdir())


def _system() -> ssl.SSLContext:
    """Return the system's trust; elsewhere than on Windows and macOS it is a file, and certifi's if there is none."""
    context: ssl.SSLContext
    if sys.platform in ("darwin", "win32"):
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Not `load_default_certs`: that depends on how this Python was built, and a portable one finds nothing.
        file = next(filter(os.path.isfile, (ssl.get_default_verify_paths().openssl_cafile, *_SYSTEM_FILES)), None)
        context.load_verify_locations(cafile=file or _certifi_file())
    return context


def _certifi_file() -> str:
    path: str = importlib.import_module("reconciler.client.http.certifi_file").path()
    return path


def not_trusted_hint(error: BaseException) -> str:
    """Return what to do about a certificate that is not trusted, by what is wrong with it."""
    codes = (cause.verify_code for cause in causes(error) if isinstance(cause, ssl.SSLCertVerificationError))
    return next((_HINTS[code] for code in codes if code in _HINTS), _NOT_TRUSTED_HINT)


def not_trusted(options: ApiOptions, said: str) -> str:
    """Return the words for a certificate that is not trusted; `said` is the library's reason."""
    return f"the server's certificate is not trusted by {options.network.trust} ({said})"
