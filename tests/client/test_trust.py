"""Whose certificates are believed: the store that is set, and only that; a failure names it and what to set."""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import certifi
import pytest

from reconciler.client import Reader, SpendClient
from reconciler.client.http import trust
from reconciler.errors import ApiError, BadResponse, NotSent, SettingsError
from reconciler.model.attempt import Receipt
from reconciler.model.network import Network, TrustStore
from tests.client.live_tables import TABLE, Api, LiveTable, column, options
from tests.client.proxies import CERTIFICATE, TRUSTED, server_context
from tests.client.run_call_outcomes import RECEIPT, answering, call
from tests.client.wire_server import WireServer


def outcomes(store: TrustStore) -> list[object]:
    """Return what becomes of a read and of a run call, each with a server that shows the tests' certificate."""
    found: list[object] = []
    table = LiveTable([column(2, "a")])
    with WireServer(Api(table), tls=server_context()) as api:
        through = options(api.url, network=Network(trust=store))
        with Reader(through) as reader:
            found.append(reader.read_statuses([TABLE])[TABLE])
    with WireServer(answering(200, RECEIPT), tls=server_context()) as api:
        try:
            found.append(SpendClient(options(api.url, network=Network(trust=store))).send(call()))
        except ApiError as error:
            found.append(error)
    return found


def test_a_store_may_be_a_file_a_folder_or_text(tmp_path: Path) -> None:
    """A folder names its certificates by their hash, as `openssl rehash` does."""
    command = ["openssl", "x509", "-in", str(CERTIFICATE), "-noout", "-hash"]
    digest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    shutil.copy(CERTIFICATE, tmp_path / f"{digest}.0")
    certificate = CERTIFICATE.read_text().partition("-----BEGIN CERTIFICATE-----")
    for store in (
        TRUSTED,
        TrustStore("SSL_CERT_DIR", str(tmp_path)),
        TrustStore("SSL_CERT_DIR", f"/none{os.pathsep}{tmp_path}"),
        TrustStore("spec.api.ca_bundle", "ca.pem", ("# Főtanúsítvány\n" + certificate[1] + certificate[2]).encode()),
    ):
        status, receipt = outcomes(store)
        assert not isinstance(status, ApiError)
        assert isinstance(receipt, Receipt)


@pytest.mark.parametrize("store", [TrustStore(), TrustStore("REQUESTS_CA_BUNDLE", certifi.where())])
def test_a_certificate_that_is_not_trusted_names_the_store(store: TrustStore) -> None:
    """And what to set, where a network inspects its traffic."""
    read, sent = outcomes(store)
    for error, kind in ((read, BadResponse), (sent, NotSent)):
        assert isinstance(error, kind)
        assert f"the server's certificate is not trusted by {store}" in error.message
        assert "SSL_CERT_FILE or --ca-bundle" in error.hint
    assert isinstance(read, BadResponse)
    assert read.code == "E609"
    assert str(store) == (f"the certificates in {store.path} ({store.source})" if store.source else str(TrustStore()))


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"]
)
def test_a_store_that_holds_no_certificates_is_refused(tmp_path: Path, text: str) -> None:
    """It would trust no server, which looks like the server's fault."""
    path = tmp_path / "ca.pem"
    path.write_text(text)
    for store in (TrustStore("SSL_CERT_FILE", str(path)), TrustStore("spec.api.ca_bundle", "ca.pem", text.encode())):
        with pytest.raises(SettingsError, match="cannot be read") as caught:
            SpendClient(options("https://api.extruct.ai", network=Network(trust=store)))
        assert store.source in caught.value.message


def test_a_system_without_a_store_gets_certifis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a slim container: it worked there before, too."""
    monkeypatch.setattr(trust, "_SYSTEM_FILES", ())
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: ssl.DefaultVerifyPaths(*["/none"] * 6))
    context = trust.tls_context(options("https://api.extruct.ai"))
    assert len(context.get_ca_certs()) > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
