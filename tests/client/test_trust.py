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

API = "https://api.extruct.ai"


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


@pytest.mark.parametrize("name", ["SSL_CERT_DIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_folder_in_which_no_certificate_is_found_is_refused(tmp_path: Path, name: str) -> None:
    """OpenSSL looks for names of hashes: a folder of other files trusts no server, and the server would be blamed."""
    shutil.copy(CERTIFICATE, tmp_path / "ca.pem")
    for path in (tmp_path, tmp_path / "empty"):
        path.mkdir(exist_ok=True)
        with pytest.raises(SettingsError, match=name) as caught:
            SpendClient(options(API, network=Network(trust=TrustStore(name, str(path)))))
        assert "openssl rehash" in caught.value.hint


def test_a_certificate_for_another_host_asks_for_the_address(tmp_path: Path) -> None:
    """Another store would not help."""
    key, certificate = tmp_path / "key.pem", tmp_path / "other.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=other.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, capture_output=True, check=True)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(certificate, key)
    with WireServer(answering(200, RECEIPT), tls=shown) as api:
        there = options(api.url, network=Network(trust=TrustStore("SSL_CERT_FILE", str(certificate))))
        with Reader(there) as reader:
            read = reader.read_statuses([TABLE])[TABLE]
        with pytest.raises(NotSent) as caught:
            SpendClient(there).send(call())
        assert api.requests == []
    assert isinstance(read, BadResponse)
    for error in (read, caught.value):
        assert error.hint.startswith("It is for another host: check the address")


@pytest.mark.parametrize(("code", "hint"), [(9, "clock"), (10, "renewed"), (18, "SSL_CERT_FILE"), (62, "another host")])
def test_what_to_do_depends_on_what_is_wrong(code: int, hint: str) -> None:
    """A certificate that has expired needs no other store. The codes are OpenSSL's."""
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert hint in trust.not_trusted_hint(error)


def test_a_system_without_a_store_gets_certifis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a slim container: it worked there before, too."""
    monkeypatch.setattr(trust, "_SYSTEM_FILES", ())
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: ssl.DefaultVerifyPaths(*["/none"] * 6))
    context = trust.tls_context(options("https://api.extruct.ai"))
    assert len(context.get_ca_certs()) > 50
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
