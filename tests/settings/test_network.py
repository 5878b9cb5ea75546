"""Proxies and trust: who may name them, which of them holds, and that none of their secrets is shown."""

import base64
import os
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path

import pytest

from reconciler.errors import ManifestError, SettingsError
from reconciler.model.network import Network, Proxy, TrustStore, read_proxy
from reconciler.settings.network import api_network, network_of
from reconciler.settings.revision import with_base_limits
from reconciler.settings.settings import Flags, Settings, load_settings
from tests.client.proxies import forward
from tests.client.wire_server import WireServer
from tests.journey.desk import Desk
from tests.limits.repository import Repository
from tests.settings.test_which_project import HEAD

API = "https://api.extruct.ai"


def proxy(environment: Mapping[str, str], url: str = API) -> str | None:
    """Return the proxy on the way to `url` and who names it."""
    found = network_of(environment).proxy_for(url)
    return None if found is None else f"{found.url} {found.source}"


def settled(folder: Path, api: str, environment: dict[str, str] | None = None, **flags: str) -> Settings:
    """Return the settings of a project file with this `api`."""
    (folder / "reconciler.yaml").write_text(f"{HEAD}spec: {{api: {api}}}\n")
    with chdir(folder):
        return load_settings(Flags(**flags), environment or {})


@pytest.mark.parametrize(
    ("environment", "https", "http"),
    [
        ({}, None, None),
        ({"https_proxy": "http://a:1"}, "http://a:1 https_proxy", None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1 HTTPS_PROXY", None),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:2"}, "http://b:2 https_proxy", None),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": ""}, "http://a:1 HTTPS_PROXY", None),
        ({"http_proxy": "http://a:1"}, None, "http://a:1 http_proxy"),
        ({"HTTP_PROXY": "http://a:1"}, None, None),
        ({"ALL_PROXY": "http://a:1"}, "http://a:1 ALL_PROXY", "http://a:1 ALL_PROXY"),
        (
            {"ALL_PROXY": "http://a:1", "all_proxy": "http://b:2", "HTTPS_PROXY": "http://c:3"},
            "http://c:3 HTTPS_PROXY",
            "http://b:2 all_proxy",
        ),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": "extruct.ai,127.0.0.1"}, None, None),
        ({"ALL_PROXY": "http://a:1", "NO_PROXY": "extruct.ai", "no_proxy": "x"}, *["http://a:1 ALL_PROXY"] * 2),
    ],
)
def test_variables_mean_what_they_mean_to_curl(
    environment: dict[str, str], https: str | None, http: str | None
) -> None:
    """Lower case first, an empty one is none, and HTTP_PROXY in upper case is what a web client may have sent."""
    assert (proxy(environment), proxy(environment, "http://127.0.0.1:80")) == (https, http)


@pytest.mark.parametrize(
    ("text", "url", "credentials"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", ""),
        ("proxy.example:3128/", "http://proxy.example:3128", ""),
        ("HTTP://Proxy.example", "http://proxy.example:1080", ""),
        ("http://[::1]:8080", "http://[::1]:8080", ""),
        ("http://user:p%40ss@proxy:1", "http://proxy:1", "user:p@ss"),
        ("user@proxy:1", "http://proxy:1", "user:"),
        (":p@ss@proxy:1", "http://proxy:1", ":p@ss"),
        ("user:caf%E9@proxy:1", "http://proxy:1", "user:caf\xe9"),
        ("user:café@proxy:1", "http://proxy:1", "user:caf\xc3\xa9"),
    ],
)
def test_a_proxy_is_read_as_curl_reads_it(text: str, url: str, credentials: str) -> None:
    """Without a scheme it is http, without a port 1080; its credentials are in none of its texts."""
    found = read_proxy(text, "ALL_PROXY")
    assert isinstance(found, Proxy)
    assert found.url == url
    assert base64.b64decode(found.credentials).decode("latin-1") == credentials
    assert str(found) == f"the proxy {url} (ALL_PROXY)"
    assert found.headers.keys() == ({"Proxy-Authorization"} if credentials else set())
    if credentials:
        assert found.credentials not in repr(found)
        assert "p%40ss" not in repr(found) + str(found)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "https://u:secret@proxy:1",
            "socks5://u:secret@proxy:1",
            "http://u:sec/ret@proxy:1",
            "http://u:12/secret@p:1",
        ),
        *("http://u:secret#@proxy:1", "http://u:1?secret@proxy:1", "http://", "http://u:secret@proxy:99999"),
        *("http://u:secret@proxy:0", "http://proxy:1/secret", "http://pro xy:1", "http://u:secret@pröxy:1"),
    ],
)
def test_a_proxy_that_is_not_understood_is_refused_unseen(text: str) -> None:
    """The variable is named, and nothing of what it holds."""
    network = network_of({"HTTPS_PROXY": text})
    with pytest.raises(SettingsError) as caught:
        network.proxy_for(API)
    assert caught.value.message.startswith("HTTPS_PROXY is not understood: ")
    assert "secret" not in caught.value.message + caught.value.hint


def test_a_proxy_that_cannot_be_used_matters_only_on_the_way() -> None:
    """Desktops set ALL_PROXY to a proxy of another kind, and hosts that are reached without it go on working."""
    environment = {"ALL_PROXY": "socks5://u:secret@proxy:1"}
    assert proxy(environment | {"NO_PROXY": "extruct.ai"}) is None
    assert proxy(environment | {"https_proxy": "http://a:1"}) == "http://a:1 https_proxy"
    assert proxy({"https_proxy": "socks5://u:secret@proxy:1"}, "http://127.0.0.1:8420") is None


def test_the_environment_is_stronger_than_the_project_file(tmp_path: Path) -> None:
    """As for every setting; NO_PROXY holds for both."""
    settings = settled(tmp_path, "{proxy: 'http://file.example:3128'}")
    for environment, host in (
        ({}, "file.example"),
        ({"HTTPS_PROXY": "http://own.example"}, "own.example"),
        ({"ALL_PROXY": "http://own.example"}, "own.example"),
        ({"NO_PROXY": "api.extruct.ai"}, None),
    ):
        found = api_network(settings, environment).proxy_for(API)
        assert (found and found.host) == host


def test_a_proxy_of_the_project_file_never_sees_the_token(tmp_path: Path) -> None:
    """Plain http is for a simulator on this machine, and goes there directly."""
    settings = settled(tmp_path, "{proxy: 'http://file.example:3128'}", api_url="http://127.0.0.1:8420")
    found = api_network(settings, {})
    assert found.proxy_for(settings.api_url) is None
    assert found.proxy_for(API) is not None


def test_a_file_cannot_name_both_a_proxy_and_whom_to_trust(tmp_path: Path) -> None:
    """Whoever may change it could read what passes; one of the two must be confirmed elsewhere."""
    (tmp_path / "ca.pem").write_text("")
    api = "{proxy: 'http://file.example:3128', ca_bundle: ca.pem}"
    flagged = settled(tmp_path, api, ca_bundle=str(tmp_path / "ca.pem"))
    assert api_network(flagged, {}).trust.source == "--ca-bundle"
    settings = settled(tmp_path, api)
    with chdir(tmp_path):
        with pytest.raises(SettingsError, match="could read the token"):
            api_network(settings, {"SSL_CERT_FILE": str(tmp_path / "ca.pem")})
        assert api_network(settings, {"HTTPS_PROXY": "http://file.example:3128"}).trust.source == "spec.api.ca_bundle"
        assert api_network(settings, {"NO_PROXY": "*"}).proxy_for(API) is None


def test_each_store_replaces_the_next(tmp_path: Path) -> None:
    """Flag, project file, SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, the system's."""
    for name in ("flag", "project", "file", "dir", "requests"):
        (tmp_path / name).write_text("")
    environment = {
        "SSL_CERT_FILE": str(tmp_path / "file"),
        "SSL_CERT_DIR": str(tmp_path / "dir"),
        "REQUESTS_CA_BUNDLE": str(tmp_path / "requests"),
    }
    with chdir(tmp_path):
        both = settled(tmp_path, "{ca_bundle: project}", ca_bundle=str(tmp_path / "flag"))
        assert api_network(both, environment).trust.source == "--ca-bundle"
        project = settled(tmp_path, "{ca_bundle: project}")
        assert api_network(project, environment).trust == TrustStore("spec.api.ca_bundle", "project")
        plain = settled(tmp_path, "{}")
        environment["SSL_CERT_DIR"] = os.pathsep.join(("/none", environment["SSL_CERT_DIR"]))
        for name in list(environment):
            assert api_network(plain, environment).trust == TrustStore(name, environment.pop(name))
        assert api_network(plain, environment) == Network()


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Rather than trust no server, or the system's store instead."""
    for environment, named in (
        ({"SSL_CERT_FILE": "/none.pem"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_DIR": f"/none{os.pathsep}/nor"}, "SSL_CERT_DIR"),
        ({}, "spec.api.ca_bundle"),
    ):
        settings = settled(tmp_path, "{}" if environment else "{ca_bundle: none.pem}")
        with pytest.raises(SettingsError, match=named):
            api_network(settings, environment)


@pytest.mark.parametrize(
    "text", ["http://user:pw@proxy:1", "https://proxy:1", "socks5://proxy:1", "proxy:1", "http://proxy:1/path", ""]
)
def test_the_project_file_holds_no_credentials(tmp_path: Path, text: str) -> None:
    """They would be in everybody's checkout."""
    with pytest.raises(ManifestError) as caught:
        settled(tmp_path, f"{{proxy: '{text}'}}")
    assert "HTTPS_PROXY" in caught.value.problems[0].message
    assert "user:pw" not in str(caught.value.problems)


def test_a_change_brings_neither_proxy_nor_certificates(desk: Desk, repository: Repository) -> None:
    """Under `--limits-from` both are the base's, down to the content of the file; the environment may say otherwise."""
    head = f"{HEAD}spec:\n"
    desk.write("base", "ca.pem")
    desk.write(f"{head}  limits: {{max_credits: 9}}\n  api: {{ca_bundle: ca.pem}}\n", "reconciler.yaml")
    repository.commit("base")
    desk.write("change", "ca.pem")
    desk.write("change", "own.pem")
    for change in ("ca_bundle: ca.pem", "ca_bundle: own.pem", "proxy: 'http://evil:1'"):
        desk.write(f"{head}  api: {{{change}}}\n", "reconciler.yaml")
        with chdir(repository.folder):
            held = with_base_limits("HEAD", load_settings(Flags(), {}), ())
            found = api_network(held, {})
            assert (found.proxy_for(API), found.trust.content) == (None, b"base")
            assert api_network(held, {"HTTPS_PROXY": "http://own:1"}).proxy_for(API) is not None
    desk.write(f"{head}  limits: {{max_credits: 9}}\n  api: {{proxy: 'http://base:1'}}\n", "reconciler.yaml")
    repository.commit("base")
    desk.write(f"{head}  api: {{ca_bundle: own.pem}}\n", "reconciler.yaml")
    with chdir(repository.folder):
        found = api_network(with_base_limits("HEAD", load_settings(Flags(), {}), ()), {})
    assert found == Network(https=Proxy("base", 1, "spec.api.proxy"))


def test_verbose_says_the_way_to_the_api(desk: Desk) -> None:
    """Proxy, store and who names them; without credentials."""
    with WireServer(forward) as proxy:
        desk.extra = {"http_proxy": proxy.url.replace("//", "//user:secret@"), "SSL_CERT_FILE": "/dev/null"}
        said = desk.run("-v", "plan")
    assert f"API's proxy: {proxy.url}, from http_proxy\n" in said.err
    assert "certificates: /dev/null, from SSL_CERT_FILE\n" in said.err
    assert (said.code, "secret" in said.err) == (0, False)
    desk.extra |= {"NO_PROXY": "127.0.0.1"}
    assert "API's proxy: none, from the default, or NO_PROXY\n" in desk.run("-v", "plan").err
