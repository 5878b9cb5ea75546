"""Which ledger: a setting is understood or refused, and no command makes a new memory where it would be thrown away."""

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.cli.group import run
from reconciler.text.addresses import ledger_fault
from tests.journey.desk import ACCOUNTS, REFRESH, Desk
from tests.settings.test_which_project import HEAD, within

HIDDEN = "s3cret"
NOT_UNDERSTOOD = {
    "empty": "",
    "in quotes": f'"postgresql://u:{HIDDEN}@db/x"',
    "in single quotes": f"'postgresql://u:{HIDDEN}@db/x'",
    "a quotation mark at the end": f"postgresql://u:{HIDDEN}@db/x”",
    "a blank before": f" postgresql://u:{HIDDEN}@db/x",
    "a line break after": f"postgresql://u:{HIDDEN}@db/x\n",
    "a no-break space after": f"{HIDDEN}.db\xa0",
    "a byte-order mark": f"\ufeffpostgresql://u:{HIDDEN}@db/x",
    "another database": f"mysql://u:{HIDDEN}@db/x",
    "a web page": f"https://u:{HIDDEN}@db/x",
    "no scheme": f"u:{HIDDEN}@db/x",
    "half a scheme": f"postgresql:/u:{HIDDEN}@db/x",
    "a connection string": f"host=db password={HIDDEN}",
    "a variable that was not filled in": f"${HIDDEN}",
    "a template that was not filled in": f"{{{{ {HIDDEN} }}}}",
    "a variable of another system": f"%{HIDDEN}%",
    "a variable within": f"sqlite:///${{{HIDDEN}}}/ledger.db",
    "a folder": f"{HIDDEN}/",
    "in memory": ":memory:",
    "a bare word": HIDDEN,
    "a bare word in a URL": f"sqlite:///{HIDDEN}",
    "a word for nothing": "None",
    "a folder that a template left out": f"undefined/{HIDDEN}.db",
    "an option": f"--{HIDDEN}.db",
    "a fragment": f"{HIDDEN}.db#x",
    "a drive of another system": f"C:\\{HIDDEN}\\ledger.db",
    "a share of another system": f"\\\\server\\{HIDDEN}\\ledger.db",
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
@pytest.mark.parametrize("source", ["RECONCILER_LEDGER", "--ledger"])
def test_a_ledger_that_is_not_understood_is_refused_unseen(desk: Desk, name: str, source: str) -> None:
    """No file is made, nothing is sent, and nothing of it is printed; what set it is."""
    desk.write(REFRESH)
    before = sorted(desk.folder.rglob("*"))
    flags = ["--ledger", NOT_UNDERSTOOD[name]] if source == "--ledger" else []
    desk.extra = {} if flags else {source: NOT_UNDERSTOOD[name]}
    for command in (["apply", "--yes", "--no-wait"], ["plan"], ["ledger", "list"]):
        said = desk.run(*command, *flags)
        assert (said.code, f"{source} is not understood" in said.err, said.out) == (1, True, "")
        assert HIDDEN not in said.err
    assert sorted(desk.folder.rglob("*")) == before
    assert desk.posts() == []
    assert desk.run("validate", *flags).code == 0


@pytest.mark.parametrize("name", [name for name in NOT_UNDERSTOOD if "line break" not in name and name != "empty"])
def test_a_ledger_in_the_project_file_that_is_not_understood_is_an_error_at_its_line(desk: Desk, name: str) -> None:
    """Found by `validate`, and not shown either."""
    text = NOT_UNDERSTOOD[name].replace("'", "''")
    desk.write(f"{HEAD}spec:\n  ledger: '{text}'\n", "reconciler.yaml")
    said = desk.run("validate")
    assert (said.code, "reconciler.yaml:" in said.err, HIDDEN in said.err) == (1, True, False)


@pytest.mark.parametrize(
    "text", ["ledger.db", "l.SQLite", "l.sqlite3", "./ledger", "/var/lib/ledger", "../a-b/l", "sqlite:////var/none.db"]
)
def test_a_separator_or_a_known_ending_makes_a_path(text: str) -> None:
    """Whatever else it is called."""
    assert ledger_fault(text) == ""


@pytest.mark.parametrize("text", ["C:\\x\\l.db", "\\\\server\\share\\l.db"])
def test_a_path_of_another_system_is_one_there_alone(text: str) -> None:
    """Here it would be one strange file name in the project."""
    assert "Windows" in ledger_fault(text)
    assert ledger_fault(text, is_windows=True) == ""


@pytest.mark.parametrize("text", ["memory/of it.db", "sqlite:///memory/of it.db", "./memory/of it.db"])
@pytest.mark.parametrize("source", ["file", "variable", "flag"])
def test_a_relative_ledger_is_relative_to_the_project(desk: Desk, text: str, source: str) -> None:
    """Whoever names it, and wherever the command is started."""
    desk.write(REFRESH)
    desk.write(HEAD + (f"spec: {{ledger: '{text}'}}\n" if source == "file" else ""), "reconciler.yaml")
    desk.extra = {"RECONCILER_LEDGER": text} if source == "variable" else {}
    flags = ["--ledger", text] if source == "flag" else []
    for folder in (within(desk, "manifests"), desk):
        assert folder.run("apply", "--yes", "--no-wait", *flags).code == 0
    assert (desk.folder / "memory" / "of it.db").is_file()
    assert sorted(desk.charged().values()) == [1] * 6


@pytest.mark.parametrize("value", ["true", "1", "yes"])
@pytest.mark.parametrize("named", [True, False])
def test_no_ledger_is_made_by_itself_in_ci(desk: Desk, value: str, named: bool) -> None:
    """Every command that writes is refused with the way out; made on purpose, it is used."""
    desk.write(REFRESH)
    (desk.folder / "export.jsonl").write_text("")
    desk.extra = {"CI": value} | ({"RECONCILER_LEDGER": "here/own.db"} if named else {})
    path = desk.folder / ("here/own.db" if named else ".reconciler/ledger.db")
    for command in (
        ["apply", "--yes", "--no-wait"],
        ["import", ACCOUNTS, "--adopt", "r1"],
        ["ledger", "adopt", "--as", "r1"],
        ["ledger", "import", "export.jsonl"],
        ["ledger", "release", ACCOUNTS, "--reason", "x"],
        ["ledger", "resolve", "abcd", "--landed", "--reason", "x"],
    ):
        said = desk.run(*command)
        assert (said.code, "ledger init" in said.err, "postgresql://" in said.err) == (1, True, True)
        assert not path.parent.exists()
    assert desk.posts() == []
    assert desk.run("plan").code == 0
    assert not path.parent.exists()
    assert desk.run("ledger", "init").code == 0
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert sorted(desk.charged().values()) == [1] * 6


@pytest.mark.parametrize("content", ["", "\n", " ", "no table"])
def test_a_file_that_holds_no_ledger_is_none_in_ci(desk: Desk, content: str) -> None:
    """A cache that restored nothing leaves one; what knows nothing is as dangerous as no file."""
    desk.write(REFRESH)
    path = desk.write("" if content == "no table" else content, ".reconciler/ledger.db")
    if content == "no table":
        connection = sqlite3.connect(path)
        connection.executescript("PRAGMA journal_mode = wal; CREATE TABLE t (x); DROP TABLE t;")
        connection.close()
    before = path.read_bytes()
    desk.extra = {"CI": "true"}
    said = desk.run("apply", "--yes", "--no-wait")
    assert (said.code, "ledger init" in said.err, desk.posts()) == (1, True, [])
    assert path.read_bytes() == before
    assert desk.run("ledger", "init").code == 0
    assert desk.run("apply", "--yes", "--no-wait").code == 0
    assert sorted(desk.charged().values()) == [1] * 6


@pytest.mark.parametrize("value", [None, "", "0", "false"])
def test_elsewhere_the_first_apply_makes_it_and_says_so(desk: Desk, value: str | None) -> None:
    """Once; a plan makes none."""
    desk.extra = {} if value is None else {"CI": value}
    assert "no ledger" not in desk.run("plan").err
    assert "There is no ledger at .reconciler/ledger.db yet" in desk.run("apply", "--yes", "--no-wait").err
    assert "no ledger" not in desk.run("apply", "--yes", "--no-wait").err


def test_the_demo_has_a_ledger_of_its_own_in_ci(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It throws it away, and everything that it bought."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("RECONCILER_LEDGER", "")
    assert run(["demo"]) == 0
    assert "calls accepted" in capsys.readouterr().out


def test_the_demo_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its simulator is on this machine, which a proxy of the network does not reach."""
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert run(["demo"]) == 0


@pytest.mark.parametrize(
    "setting",
    ["host=h", "hostaddr=127.0.0.1", "service=s", "passfile=/x", "sslkey=/x", "password=p", "options=-cx", "HOST"],
)
def test_the_project_file_cannot_lead_a_ledger_elsewhere(desk: Desk, setting: str) -> None:
    """By a setting of libpq's that its URL smuggles in; `sslmode` and its like are for everyone to set."""
    for url, code in ((f"postgresql://db/x?{setting}", 1), ("postgresql://db/x?sslmode=verify-full&sslrootcert=a", 0)):
        desk.write(f"{HEAD}spec:\n  ledger: {url}\n", "reconciler.yaml")
        said = desk.run("validate")
        assert (said.code, "reconciler.yaml:4:11: " in said.err) == (code, code == 1)


@pytest.mark.parametrize("from_file", [True, False])
@pytest.mark.parametrize("by_project", [True, False])
def test_a_password_of_this_machine_goes_only_where_a_person_named(
    desk: Desk, by_project: bool, from_file: bool, tmp_path: Path
) -> None:
    """A server that only the project file names is told neither PGPASSWORD nor what a passfile holds."""
    with eavesdropper() as (port, heard):
        url = f"postgresql://me@127.0.0.1:{port}/d"
        if from_file:
            passfile = tmp_path / "pass"
            passfile.write_text(f"*:*:*:*:{HIDDEN}\n")
            passfile.chmod(0o600)
            desk.extra = {"PGPASSFILE": str(passfile)}
        else:
            desk.extra = {"PGPASSWORD": HIDDEN}
        if by_project:
            desk.write(f"{HEAD}spec:\n  ledger: {url}\n", "reconciler.yaml")
        else:
            desk.extra["RECONCILER_LEDGER"] = url
        said = desk.run("plan")
    assert said.code == 1
    assert HIDDEN not in said.err
    assert heard, "there was no connection"
    assert any(HIDDEN.encode() in piece for piece in heard) == (not by_project)


@contextmanager
def eavesdropper() -> Iterator[tuple[int, list[bytes]]]:
    """Listen as a PostgreSQL server that asks for a password in the clear; yield its port and what it hears."""
    heard: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                wire, _ = listening.accept()
                with wire, suppress(OSError):
                    wire.settimeout(5)
                    while piece := wire.recv(4096):
                        heard.append(piece)
                        if piece.startswith(b"p"):
                            break  # that was the password
                        is_request = len(piece) == 8  # for an encrypted line
                        wire.sendall(b"N" if is_request else b"R\0\0\0\x08\0\0\0\x03")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1], heard
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_damaged_or_replaced_ledger_never_sends_people_to_a_backup_alone(desk: Desk) -> None:
    """An older copy buys again what it forgot, so the hint says what to do first."""
    desk.write("this is not a ledger, and long enough to be something\n" * 40, ".reconciler/ledger.db")
    said = desk.run("apply", "--yes", "--no-wait")
    assert (said.code, "ledger adopt" in said.err) == (1, True)
    package = Path(__file__).parents[2] / "reconciler"
    lines = [line for path in package.rglob("*.py") for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if "hint" in line and "backup" in line] == []  # each takes the one that says so


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://{HIDDEN}@127.0.0.1:1/d",
        f"postgresql://u:{HIDDEN}@127.0.0.1:1/d",
        f"postgresql://u:s%33cret@127.0.0.1:1/d?password={HIDDEN}",
        f"postgresql://127.0.0.1:1/d?user=u%3A{HIDDEN}",
        f"postgresql://127.0.0.1:1/d?pass={HIDDEN}",
        f"postgresql://127.0.0.1:1/d?{HIDDEN}=1",
        f"postgresql://127.0.0.1:1/d?service={HIDDEN}",
        f"postgresql://127.0.0.1:1/d#{HIDDEN}",
        f"postgresql://[{HIDDEN}/d",
    ],
)
def test_nothing_that_may_be_a_password_is_said_of_a_server(desk: Desk, url: str) -> None:
    """In no form of output, and wherever in the URL a person put it."""
    desk.extra = {"RECONCILER_LEDGER": url}
    for command in (
        ["plan"],
        ["apply", "--yes", "--no-wait"],
        ["ledger", "list", "--format", "json"],
        ["ledger", "init"],
    ):
        for form in ("text", "json"):
            said = desk.run("--log-format", form, *command)
            assert (said.code, HIDDEN in said.out + said.err) == (1, False)
    assert desk.posts() == []


@pytest.mark.parametrize("variable", ["PGSERVICE", "home"])
def test_no_service_or_file_of_this_machine_lends_a_projects_server_a_password(
    desk: Desk, variable: str, tmp_path: Path
) -> None:
    """A service's definition fills in what a URL leaves out, and ~/.pgpass needs no variable."""
    with eavesdropper() as (port, heard):
        home = tmp_path / "home"
        home.mkdir()
        (home / ".pgpass").write_text(f"*:*:*:*:{HIDDEN}\n")
        (home / ".pgpass").chmod(0o600)
        (home / ".pg_service.conf").write_text(f"[prod]\npassword={HIDDEN}\n")
        desk.extra = {"HOME": str(home)}
        if variable == "PGSERVICE":
            desk.extra |= {"PGSERVICE": "prod", "PGSERVICEFILE": str(home / ".pg_service.conf")}
        desk.write(f"{HEAD}spec:\n  ledger: postgresql://me@127.0.0.1:{port}/d\n", "reconciler.yaml")
        said = desk.run("plan")
    assert (said.code, HIDDEN in said.err) == (1, False)
    assert heard, "there was no connection"
    assert not any(HIDDEN.encode() in piece for piece in heard)
