"""`doctor` names what is wrong with the way out, one fault at a time and several at once, and shows no secret."""

import json
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from dataclasses import asdict, dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import psycopg
import pytest
from jsonschema import Draft7Validator

from reconciler import open_session
from reconciler.client import ApiOptions, Token
from reconciler.client.probe import probe
from reconciler.ledger import open_ledger
from reconciler.manifests import json_schema
from reconciler.operations import doctor_api
from tests.client.proxies import CREDENTIALS, PASSWORD, server_context
from tests.client.wire_server import Exchange, WireServer
from tests.journey.conftest import MakeDesk
from tests.journey.desk import Desk, Said, accounts
from tests.limits.repository import Repository
from tests.settings.test_git_is_only_read import program

SECRET = "tok-0123456789-secret"
PROJECT = "apiVersion: reconciler/v1\nkind: Project\n"
USER = {"organization_id": "o-1", "organization_name": "Acme", "organization_slug": "acme", "available_credits": 2410,
        "organization_is_active": True}  # fmt: skip

CHECKUP = Draft7Validator(json.loads(json_schema.text("checkup")))


@dataclass
class Doctor:
    """Runs `doctor` at a desk, and never sees a secret in what it says."""

    desk: Desk
    secrets: tuple[str, ...] = (SECRET, PASSWORD, CREDENTIALS, "hunter2", "pa55word")

    def run(self, *options: str, **environment: str) -> Said:
        """Run it as text and as JSON, which agree."""
        self.desk.extra = {"NO_PROXY": "", **environment}
        secrets = (*self.secrets, self.desk.simulator.token) if len(self.desk.simulator.token) > 8 else self.secrets
        text = self.desk.run("doctor", *options)
        said = self.desk.run("doctor", "--format", "json", *options)
        assert said.code == text.code
        assert said.json["healthy"] is (said.code == 0)
        CHECKUP.validate(said.json)
        for secret in secrets:
            assert secret not in text.out + text.err + said.out + said.err
        for check in said.json["checks"]:
            assert check["message"] in text.out
            assert check["hint"] in text.out
            assert check["hint"] or check["finding"] != "wrong", check
        return said

    def wrong(self, *options: str, **environment: str) -> dict[str, str]:
        """Return what is wrong: topic → message and hint."""
        said = self.run(*options, **environment)
        return {
            each["topic"]: f"{each['message']} {each['hint']}"
            for each in said.json["checks"]
            if each["finding"] == "wrong"
        }


@pytest.fixture
def doctor(desk: Desk) -> Doctor:
    """Return a doctor at a desk that is in order, and whose ledger is not there yet."""
    desk.write(f"{PROJECT}spec: {{limits: {{max_credits: 500}}}}\n", "reconciler.yaml")
    return Doctor(desk)


@pytest.fixture
def ledger(doctor: Doctor) -> Path:
    """Return the file of the desk's ledger."""
    assert doctor.desk.run("ledger", "init").code == 0
    return doctor.desk.folder / ".reconciler/ledger.db"


def found(said: Said, topic: str) -> list[tuple[str, str]]:
    """Return each finding of a topic, with its message."""
    return [(each["finding"], each["message"]) for each in said.json["checks"] if each["topic"] == topic]


@pytest.fixture
def served() -> Iterator[Callable[..., WireServer]]:
    """Return a function that serves `GET /v1/user` in some way."""
    servers: list[WireServer] = []

    def serve(behave: Callable[[Exchange], None], **how: Any) -> WireServer:
        servers.append(WireServer(behave, **how).__enter__())
        return servers[-1]

    yield serve
    for server in servers:
        server.__exit__(None, None, None)


def answering(status: int, body: Any = USER, **headers: str) -> Callable[[Exchange], None]:
    """Return the behaviour of an API that always gives this answer."""
    return lambda exchange: exchange.answer(status, body, headers)


def test_a_desk_in_order(doctor: Doctor, ledger: Path) -> None:
    """Every topic is there, every setting has its origin, and nothing but GET was sent."""
    said = doctor.run()
    assert said.code == 0, said.out
    topics = ["project", "manifests", "network", "token", "API", "organization", "balance", "ledger", "git", "CI"]
    assert list(dict.fromkeys(check["topic"] for check in said.json["checks"])) == topics
    origins = {each["name"]: each["source"] for each in said.json["settings"]}
    assert origins["API"] == "EXTRUCT_API_URL"
    assert origins["ledger"] == "the default"
    assert origins["max_credits"] == "reconciler.yaml:3 (spec.limits.max_credits)"
    assert {method for method, *_ in doctor.desk.simulator.requests()} == {"GET"}
    assert "Nothing is wrong." in doctor.desk.run("doctor").out


def test_a_broken_project_file_does_not_end_it(doctor: Doctor, ledger: Path) -> None:
    """Its problem is told at its line, and the rest is looked at as flags and environment have it."""
    doctor.desk.write(f"{PROJECT}spec: {{limts: 3}}\n", "reconciler.yaml")
    said = doctor.run()
    assert said.code == 1
    assert found(said, "project")[0] == (
        "wrong",
        "reconciler.yaml:3:8: E101 unknown key `limts` in spec; did you mean `limits`?",
    )
    assert found(said, "API")[0][0] == "ok"
    assert found(said, "ledger") == [("note", "not looked at: the project file may name it, and cannot be read")]
    assert found(doctor.run("--ledger", ".reconciler/ledger.db"), "ledger")[0][0] == "ok"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("reconciler.yaml", "a: [", "reconciler.yaml:2:1: E005 the file ends here"),
        ("reconciler.yaml", "", "the project file is empty"),
        ("reconciler.yml", PROJECT, "two project files"),
    ],
)
def test_no_project_file_that_can_be_used(doctor: Doctor, name: str, text: str, says: str) -> None:
    """In other ways."""
    doctor.desk.write(text, name)
    assert says in doctor.wrong()["project"]


def test_settings_that_are_not_understood(doctor: Doctor) -> None:
    """Of flags and variables; several at once are all told."""
    assert "RECONCILER_MAX_CELLS" in doctor.wrong(RECONCILER_MAX_CELLS="many")["project"]
    assert "no project file at" in doctor.wrong("--project", "nowhere.yaml")["project"]
    wrong = doctor.wrong(
        "--ledger", "pa55word", EXTRUCT_API_TOKEN="two words", http_proxy=f"socks5://{CREDENTIALS}@p:1"
    )
    assert list(wrong) == ["network", "token", "ledger"]
    assert "http_proxy is not understood" in wrong["network"]


def test_manifests_with_problems(doctor: Doctor) -> None:
    """The first, how many there are, and which command lists them."""
    doctor.desk.write("kind: TableRun\n")
    assert "manifests/accounts.yaml:1:" in doctor.wrong()["manifests"]


def test_without_a_token_the_api_is_asked_whether_it_is_there(doctor: Doctor) -> None:
    """By a request that has none."""
    doctor.desk.extra = {}
    wrong = doctor.wrong(EXTRUCT_API_TOKEN="")
    assert list(wrong) == ["token"]
    assert "Set EXTRUCT_API_TOKEN" in wrong["token"]
    seen = doctor.desk.simulator.seen()[-1]
    assert seen.path == "/v1/healthcheck"
    assert "authorization" not in {name.lower() for name in seen.headers}


def test_the_token_goes_to_no_address_that_only_a_file_names(doctor: Doctor, served: Callable[..., WireServer]) -> None:
    """Nor does any other request."""
    doctor.desk.write(f"{PROJECT}spec: {{api: {{url: 'https://api.example.org'}}}}\n", "reconciler.yaml")
    assert "confirm it" in doctor.wrong(EXTRUCT_API_URL="")["API"]


@pytest.mark.parametrize(
    ("status", "body", "topic", "says"),
    [
        (401, {"detail": "no"}, "token", "401, the token is missing or wrong"),
        (403, {"detail": "no"}, "token", "403, the token is not allowed"),
        (429, b"", "API", "429"),
        (500, b"", "API", "500 instead of an answer"),
        (200, b"<html>Sign in</html>", "API", "not a JSON object"),
        (302, b"", "API", "302"),
    ],
)
def test_an_api_that_refuses(
    doctor: Doctor, served: Callable[..., WireServer], status: int, body: Any, topic: str, says: str
) -> None:
    """Each try is one: nothing is asked twice for an answer that will not change."""
    server = served(answering(status, body))
    assert says in doctor.wrong("--api-url", server.url, EXTRUCT_API_TOKEN=SECRET)[topic]
    assert len([each for each in server.requests if each.path == "/v1/user"]) == 2  # as text and as JSON


def test_an_api_that_is_not_there(
    doctor: Doctor, served: Callable[..., WireServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens; a name is not known; a certificate is not trusted; a proxy refuses, or is not there."""
    token = {"EXTRUCT_API_TOKEN": SECRET}
    assert "Connection refused" in doctor.wrong("--api-url", "http://127.0.0.1:1", **token)["API"]
    tls = served(answering(200), tls=server_context())
    system = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": "", "REQUESTS_CA_BUNDLE": ""}
    said = doctor.wrong("--api-url", tls.url, **token, **system)["API"]
    assert "not trusted by the system's certificates" in said
    assert "SSL_CERT_FILE" in said
    proxy = served(answering(407))
    behind = {"HTTPS_PROXY": proxy.url.replace("//", f"//{CREDENTIALS}@")}
    said = doctor.wrong("--api-url", tls.url, **token, **behind)["API"]
    assert f"the proxy {proxy.url} (HTTPS_PROXY) opens no tunnel and answers 407" in said
    behind = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    assert "no connection through the proxy" in doctor.wrong("--api-url", tls.url, **token, **behind)["API"]

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    said = doctor.wrong("--api-url", "https://nowhere.invalid", **token)["API"]
    assert "the name server" in said


def test_an_api_that_never_answers() -> None:
    """Is given up, whatever it does meanwhile."""
    with WireServer(Exchange.hang) as server:
        probed = probe(ApiOptions(server.url, Token(SECRET), timeout_seconds=5), deadline_seconds=0.1)
        assert probed.error is not None
        assert "there is no answer after 0.1 s" in probed.error.message
        late = probe(ApiOptions(server.url, Token(SECRET), timeout_seconds=0.1))
        assert late.error is not None
        assert "firewall" in late.error.hint


def test_a_slow_api(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is worth knowing, and nothing is wrong."""
    monkeypatch.setattr(doctor_api, "SLOW_SECONDS", 0.0)
    said = doctor.run()
    assert said.code == 0
    assert "is slow: it took" in found(said, "API")[0][1]


@pytest.mark.parametrize(
    ("user", "spec", "check"),
    [
        ({}, "", ("balance", "ok", "2,410 credits")),
        ({"available_credits": 0}, "", ("balance", "wrong", "Buy credits")),
        ({"available_credits": None}, "", ("balance", "note", "not known")),
        ({"available_credits": None}, "limits: {min_balance: 5}", ("balance", "wrong", "not known")),
        ({"available_credits": 7}, "limits: {min_balance: 8}", ("balance", "wrong", "8 must be left")),
        ({"has_unlimited_credits": True}, "limits: {min_balance: 8}", ("balance", "ok", "unlimited")),
        ({}, "", ("organization", "ok", "Acme · acme · o-1")),
        ({}, "workspace: {organization: acme}", ("organization", "ok", "as reconciler.yaml:3")),
        ({}, "workspace: {organization: other}", ("organization", "wrong", "and this project to `other`")),
        ({"organization_name": "\x1b[31mRed\n"}, "", ("organization", "ok", "\\x1b[31mRed")),
    ],
)
def test_the_account(
    doctor: Doctor, served: Callable[..., WireServer], user: dict[str, Any], spec: str, check: tuple[str, str, str]
) -> None:
    """Whose the token is and what is left, against what the project asks for."""
    topic, finding, says = check
    doctor.desk.write(f"{PROJECT}spec: {{{spec}}}\n", "reconciler.yaml")
    server = served(answering(200, {**USER, **user}))
    said = doctor.run("--api-url", server.url, EXTRUCT_API_TOKEN=SECRET)
    ((was, message),) = found(said, topic)
    hint = next(each["hint"] for each in said.json["checks"] if each["topic"] == topic)
    assert was == finding
    assert says in f"{message} {hint}"


@pytest.mark.parametrize(
    ("ahead", "finding", "says"),
    [
        (0, "ok", "agrees with the API's"),
        (20, "note", "20 s behind the API's"),
        (-20, "note", "20 s ahead of the API's"),
        (3600, "wrong", "60 min behind the API's"),
    ],
)
def test_clocks_that_differ(
    doctor: Doctor, served: Callable[..., WireServer], ahead: int, finding: str, says: str
) -> None:
    """This machine's from the one that the API's `Date` shows."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(200, USER, {"Date": formatdate(time.time() + ahead, usegmt=True)})

    said = doctor.run("--api-url", served(behave).url)
    ((was, message),) = found(said, "clocks")
    assert was == finding
    assert says in message or ahead % 3600  # the header has whole seconds


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 01 Jan 99999 00:00:00 GMT", "Thu, 01 Jan 1970"])
def test_an_answer_without_a_usable_date(doctor: Doctor, served: Callable[..., WireServer], date: str) -> None:
    """Compares no clocks, or tells that they differ."""
    said = doctor.run("--api-url", served(answering(200, Date=date)).url)
    assert found(said, "API")[0][0] == "ok"


def test_a_ledger_that_is_not_there(doctor: Doctor, ledger: Path) -> None:
    """Is made by the first apply at a desk; in CI nothing makes one, and a file is worth a word."""
    said = doctor.run("--ledger", "other.db")
    assert found(said, "ledger") == [("note", "there is none at other.db (--ledger) yet: the first apply creates it")]
    assert "RECONCILER_LEDGER=postgresql" in doctor.wrong("--ledger", "other.db", CI="true")["ledger"]
    assert not (doctor.desk.folder / "other.db").exists()
    assert found(doctor.run(CI="true"), "ledger")[1][0] == "note"


def _locked(path: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    return other


def test_a_ledger_that_is_locked(doctor: Doctor, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another process that does not let go of it."""
    monkeypatch.setattr("reconciler.operations.doctor_ledger.BUSY_SECONDS", 0.05)
    other = _locked(ledger)
    assert "another process has kept it locked" in doctor.wrong()["ledger"]
    other.close()


@pytest.mark.parametrize(("schema", "says"), [(1, "ledger init"), (99, "pip install --upgrade"), ("x", "adopt")])
def test_a_ledger_of_another_version(doctor: Doctor, ledger: Path, schema: object, says: str) -> None:
    """Older, newer, or it does not say."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as store:
        store.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(schema),))
    assert says in doctor.wrong()["ledger"]


def test_a_file_that_is_not_a_ledger(doctor: Doctor) -> None:
    """Or a folder."""
    doctor.desk.write("not a database", "notes.db")
    assert "is not a ledger" in doctor.wrong("--ledger", "notes.db")["ledger"]
    assert "is a folder" in doctor.wrong("--ledger", "./manifests")["ledger"]


def test_a_ledger_on_a_server(doctor: Doctor, postgres_url: str) -> None:
    """Not there, empty, in order, read-only for this role, and how its certificate is checked."""
    none = doctor.wrong(RECONCILER_LEDGER="postgresql://me:pa55word@127.0.0.1:1/db?connect_timeout=2")
    assert "cannot be read" in none["ledger"]
    assert "there is no ledger yet" in doctor.wrong(RECONCILER_LEDGER=postgres_url)["ledger"]
    with open_ledger(postgres_url) as ledger:
        ledger.initialise()
    said = doctor.run(RECONCILER_LEDGER=postgres_url)
    assert said.code == 0, said.out
    assert found(said, "clocks") == [("ok", "this machine's agrees with the ledger's")]
    assert "sslmode=prefer" in said.json["routes"][-1]["certificates"]


def test_a_role_that_may_read_alone(doctor: Doctor, postgres_url: str) -> None:
    """Is enough to plan."""
    with open_ledger(postgres_url) as ledger:
        ledger.initialise()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP ROLE IF EXISTS looker")
        server.execute("CREATE ROLE looker LOGIN")
        server.execute("GRANT USAGE ON SCHEMA reconciler TO looker")
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO looker")
    try:
        url = postgres_url.replace("//postgres:@", "//looker@").replace("//postgres@", "//looker@")
        said = doctor.run(RECONCILER_LEDGER=url)
        assert said.code == 0, said.out
        assert "enough to plan, not to apply" in found(said, "ledger")[0][1]
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute("DROP OWNED BY looker")
            server.execute("DROP ROLE looker")


def test_what_waits_for_a_person_in_the_ledger(make_desk: MakeDesk) -> None:
    """A call in doubt is a note: the ledger works."""
    desk = make_desk(accounts())
    desk.write(PROJECT, "reconciler.yaml")
    desk.write("apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {name: a}\nspec:\n  table: "
               "0a1a669a-9a40-497c-bb00-d49dd8ee5b74\n  runs: [{mode: new, columns: [news]}]\n")  # fmt: skip
    desk.simulator.fault("status", "POST", "/v1/tables/*/run", status=500)
    assert desk.run("apply", "--yes", "--no-wait").code == 7
    said = Doctor(desk).run()
    assert said.code == 0
    assert ("note", "1 call in doubt or under way") in found(said, "ledger")


def test_git(doctor: Doctor, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing committed, a commit, changes, and what git refuses."""
    repository = Repository.at(doctor.desk.folder)
    assert "nothing is committed" in found(doctor.run(), "git")[0][1]
    repository.commit("first")
    commit = repository.git("rev-parse", "HEAD")
    assert found(doctor.run(), "git")[0][1].startswith(f"commit {commit[:12]}")
    folder = tmp_path_factory.mktemp("bin")
    program(folder / "git", f'export GIT_TEST_ASSUME_DIFFERENT_OWNER=1; exec {shutil.which("git")} "$@"')
    path = {"PATH": f"{folder}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    said = doctor.wrong(**path)["git"]
    assert "dubious ownership" in said
    assert "safe.directory" in said


def test_ci(doctor: Doctor) -> None:
    """Whose job it is, for which change, and the way to its forge."""
    said = doctor.run(
        CI="true",
        GITHUB_ACTIONS="true",
        GITHUB_ACTOR="ann",
        GITHUB_SERVER_URL="https://git.example",
        GITHUB_REPOSITORY="o/r",
        GITHUB_RUN_ID="7",
        GITHUB_API_URL="https://git.example/api",
        HTTPS_PROXY="http://user:pa55word@proxy.example:3128",
    )
    assert "a job of ann, run https://git.example/o/r/actions/runs/7" in found(said, "CI")[0][1]
    routes = {each["host"]: each["proxy"] for each in said.json["routes"]}
    assert routes["git.example"] == "http://proxy.example:3128 (HTTPS_PROXY)"


def test_the_hosts_of_webhooks(doctor: Doctor) -> None:
    """By the names that are allowed, since an address is a secret."""
    hook = "notify: [{url: {env: HOOK_URL}, on: [applied]}]"
    doctor.desk.write(f"{PROJECT}spec: {{{hook}}}\n", "reconciler.yaml")
    said = doctor.run(RECONCILER_NOTIFY_HOSTS="hooks.example:8443", HTTPS_PROXY="http://proxy.example:3128")
    routes = {each["host"]: each["proxy"] for each in said.json["routes"]}
    assert routes["hooks.example:8443"] == "http://proxy.example:3128 (HTTPS_PROXY)"


def test_addresses_that_cannot_be_read(doctor: Doctor) -> None:
    """Of the API, with a password in it, and of a forge."""
    wrong = doctor.wrong("--api-url", "https://me:hunter2@host/x")
    assert "base URL is not usable" in wrong["API"]
    assert "network" in doctor.wrong("--api-url", "http://[")
    said = doctor.run(CI="true", GITHUB_ACTIONS="true", GITHUB_API_URL="http://[", RECONCILER_LEDGER="./x.db")
    assert "an address that is not understood" in [each["host"] for each in said.json["routes"]]


def test_an_unexpected_failure_is_one_result(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its check alone, and its text is not shown: it may hold anything."""
    monkeypatch.setattr("getpass.getuser", lambda: 1 / 0)
    wrong = doctor.wrong(CI="true", GITHUB_ACTIONS="")
    assert "ZeroDivisionError" in wrong["CI"]


def test_a_program_asks_the_same(doctor: Doctor, ledger: Path) -> None:
    """`Session.doctor` finds what the command finds, with the codes of what is wrong."""
    doctor.desk.extra = {"NO_PROXY": ""}
    doctor.desk.simulator.fault("status", status=401, times=2)
    said = doctor.desk.run("doctor", "--format", "json").json
    variables = {**doctor.desk.simulator.environment(), **doctor.desk.extra}
    with chdir(doctor.desk.folder), open_session(environment=variables) as session:
        checkup = session.doctor()
    assert [(each.topic, each.code) for each in checkup.wrong] == [("token", "E605")]
    assert [asdict(each) for each in checkup.checks] == said["checks"]
