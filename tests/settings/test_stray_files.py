"""Links, pipes and devices in a file's place: refused or bounded, and what is written is for its owner alone."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certifi
import pytest

from reconciler.ledger import open_ledger
from reconciler.manifests import open_file
from reconciler.operations.comment import read_problems
from tests.journey.desk import FILL, REFRESH, Desk
from tests.limits.repository import Repository

SIGNED = {"RECONCILER_SNAPSHOT_KEY": "k" * 40}
COMMENT = ["comment", "github", "--repository", "a/b", "--number", "1"]


@pytest.fixture
def desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Return a desk where no pipe is waited for longer than a moment."""
    monkeypatch.setattr(open_file, "PIPE_SECONDS", 0.05)
    desk.write(REFRESH)
    return desk


@contextmanager
def no_mask() -> Iterator[None]:
    """Let whoever makes a file decide alone who may read it."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


READERS = {
    "saved plan": (["apply", "--no-wait", "--plan"], {}),
    "snapshot": (["plan", "--live-snapshot"], SIGNED),
    "export": (["ledger", "import"], {}),
    "manifest": (["validate"], {}),
    "commented plan": ([*COMMENT, "--plan"], {}),
    "commented report": ([*COMMENT, "--report"], {}),
    "certificates": (["plan", "--ca-bundle"], {}),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_without_a_writer_is_not_waited_for_forever(desk: Desk, reader: str) -> None:
    """Whatever was to be read from it; nothing is sent."""
    os.mkfifo(desk.folder / "pipe")
    command, desk.extra = READERS[reader]
    said = desk.run(*command, "pipe")
    assert (said.code, "pipe" in said.err, "nothing was written to this pipe" in said.err) == (1, True, True), said.err
    assert desk.posts() == []


def test_kept_problems_are_not_waited_for_forever(desk: Desk) -> None:
    """A comment says then that there is no plan."""
    os.mkfifo(desk.folder / "pipe")
    assert read_problems(str(desk.folder / "pipe")) == []


def test_a_repository_s_own_gitignore_may_be_anything(desk: Desk) -> None:
    """A link to a device that never ends, say: no more of it is read than such a file can hold."""
    (desk.folder / ".gitignore").unlink(missing_ok=True)
    (desk.folder / ".gitignore").symlink_to("/dev/zero")
    said = desk.run("init")
    assert (said.code, "Add `.reconciler/` to .gitignore" in said.err) == (0, True), said.err


@pytest.mark.parametrize("reader", [["show"], ["ledger", "import"], ["ledger", "report", "--archive"]])
def test_a_file_whose_reading_fails_is_not_mistaken_for_what_is_written(desk: Desk, reader: list[str]) -> None:
    """As on a broken disk: neither the ledger nor the answer is at fault."""
    said = desk.run(*reader, "/proc/self/mem")
    assert (said.code, "cannot be written" in said.err) == (1, False), said.err
    assert "Input/output error" in said.err


def test_the_tokens_file_is_not_waited_for_forever(desk: Desk) -> None:
    """And of a device no more is read than a token can be."""
    os.mkfifo(desk.folder / "pipe")
    desk.extra = {"EXTRUCT_API_TOKEN": "", "EXTRUCT_API_TOKEN_FILE": "pipe"}
    said = desk.run("plan")
    assert (said.code, "the token file cannot be read: nothing was written" in said.err) == (1, True)
    desk.extra["EXTRUCT_API_TOKEN_FILE"] = "/dev/zero"
    assert desk.run("plan").code == 1


@pytest.mark.parametrize(
    ("reader", "code", "says"),
    [
        ("saved plan", 4, "64 MiB"),
        ("export", 1, "64 MiB"),
        ("manifest", 1, "1 MiB"),
        ("commented plan", 4, "64 MiB"),
    ],
)
def test_a_device_that_never_ends_is_read_up_to_a_limit(desk: Desk, reader: str, code: int, says: str) -> None:
    """With a sentence, and not until the memory is full."""
    command, desk.extra = READERS[reader]
    said = desk.run(*command, "/dev/zero")
    assert (said.code, says in said.err) == (code, True), said.err


def test_a_pipe_with_a_writer_is_read(desk: Desk) -> None:
    """As a shell's `<(…)` is: a saved plan, a manifest and an export."""
    assert desk.run("plan", "--out", "plan.json").code == 0
    for command, file in (
        (["apply", "--yes", "--no-wait", "--plan"], "plan.json"),
        (["validate"], "manifests/accounts.yaml"),
        (["ledger", "import"], "export.jsonl"),
        (["plan", "--ca-bundle"], certifi.where()),
    ):
        if file == "export.jsonl":
            desk.write(desk.run("ledger", "export").out, file)
        with subprocess.Popen(["cat", file], cwd=desk.folder, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            said = desk.run(*command, f"/dev/fd/{writer.stdout.fileno()}")
        assert said.code == 0, said.err


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("target", ["/proc/self/environ", "/etc", "../.git/config", "../../outside.yaml", "/dev/zero"])
def test_a_link_out_of_the_work_tree_is_not_followed(desk: Desk, target: str, named: bool) -> None:
    """It could have a secret quoted in a message, or a whole disk searched; nothing of what it leads to is said."""
    Repository.at(desk.folder)
    (desk.folder.parent / "outside.yaml").write_text("s3cret: 1")
    (desk.folder / "manifests" / "link.yaml").symlink_to(target)
    for command in (["validate"], ["plan"], ["apply", "--yes", "--no-wait"]):
        said = desk.run(*command, *(["manifests/link.yaml"] if named else []))
        assert (said.code, "link.yaml` is a link that leads out of the work tree" in said.err) == (1, True), said.err
        assert "s3cret" not in said.err
    assert desk.posts() == []


@pytest.mark.parametrize(
    "named", ["/proc/self/environ", "/etc/passwd", "../outside", ".git", "manifests/../.git/config"]
)
def test_a_project_file_names_nothing_outside_the_work_tree(desk: Desk, named: str) -> None:
    """Whoever may change it could have a secret quoted; on the command line a person may name what they like."""
    Repository.at(desk.folder)
    desk.write(FILL, "../outside/accounts.yaml")
    desk.write(f"apiVersion: reconciler/v1\nkind: Project\nspec: {{manifests: [{named}]}}\n", "reconciler.yaml")
    for command in (["validate"], ["plan"], ["apply", "--yes", "--no-wait"]):
        said = desk.run(*command)
        assert (said.code, "which lies outside the work tree of the project" in said.err) == (1, True), said.err
    assert desk.posts() == []
    assert desk.run("validate", "../outside/accounts.yaml").code == 0


def test_a_link_within_the_work_tree_is_followed(desk: Desk) -> None:
    """Also one of a folder, and from a folder that is itself reached by a link."""
    Repository.at(desk.folder)
    desk.write(REFRESH.replace("name: target-accounts", "name: more").replace("news", "notes"), "shared/more.yaml")
    (desk.folder / "manifests" / "shared").symlink_to("../shared")
    assert "2 manifests" in desk.run("validate").out
    away = desk.folder.parent / "away"
    away.symlink_to(desk.folder)
    assert "2 manifests" in desk.run("-C", str(away), "validate", f"{away}/manifests").out


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a device", "link out"])
def test_a_project_file_is_a_file(desk: Desk, kind: str) -> None:
    """It says what may be spent and where, so nothing else is taken for it, and none is waited for."""
    Repository.at(desk.folder)
    os.mkfifo(desk.folder / "pipe")
    file = desk.folder / "reconciler.yaml"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to({"link to a pipe": "pipe", "link to a device": "/dev/zero", "link out": "/etc/passwd"}[kind])
    for command in (["plan"], ["apply", "--yes", "--no-wait"], ["validate"]):
        said = desk.run(*command)
        assert (said.code, "reconciler.yaml` is a" in said.err) == (1, True), said.err


def test_what_is_written_is_for_its_owner_alone(desk: Desk) -> None:
    """Ledger, plan, report, profile and snapshot, also under a mask that takes nothing away."""
    desk.extra = SIGNED
    with no_mask():
        for command in (
            ["plan", "--out", "plan.json", "--profile", "profile.json"],
            ["apply", "--yes", "--no-wait", "--out", "report.json"],
            ["snapshot", "--out", "live.snapshot"],
        ):
            assert desk.run(*command).code == 0
    files = ["plan.json", "profile.json", "report.json", "live.snapshot", ".reconciler/ledger.db"]
    modes = {name: stat.S_IMODE((desk.folder / name).stat().st_mode) for name in files}
    assert modes == dict.fromkeys(files, 0o600)


def test_the_files_beside_a_ledger_are_as_private(tmp_path: Path) -> None:
    """SQLite makes them while it is connected."""
    with no_mask(), open_ledger(str(tmp_path / "own.db")) as ledger:
        ledger.initialise()
        ledger.leases()
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["own.db", "own.db-shm", "own.db-wal"], 0o600)


FOREIGN = "\x1b[31m\u202e\u3164"
START = {"type": "reconciler-ledger", "schema": 2, "exported_at": 0, "ledger": "x"}


@pytest.mark.parametrize(
    "lines",
    [
        [{"type": FOREIGN}],
        [START, {"type": FOREIGN * 1000}],
        [START, {"type": [FOREIGN]}],
        [START, {"type": "table", FOREIGN: 1}],
        [START, {"type": "table", "table_id": FOREIGN, "version": FOREIGN, "fence": 0}],
        [START, {"type": "end", FOREIGN * 1000: 1}],
    ],
)
def test_an_export_is_quoted_cleanly(desk: Desk, lines: list[dict[str, object]]) -> None:
    """Texts of others reach the terminal short, and without control characters."""
    desk.write("\n".join(map(json.dumps, lines)), "export.jsonl")
    said = desk.run("ledger", "import", "export.jsonl")
    assert (said.code, set("\x1b\u202e\u3164") & set(said.err), len(said.err) < 3000) == (1, set(), True)


def test_an_export_that_is_not_text_is_refused(desk: Desk) -> None:
    """With the line, and no trace of Python's."""
    (desk.folder / "export.jsonl").write_bytes(json.dumps(START).encode() + b"\n\xff\n")
    said = desk.run("ledger", "import", "export.jsonl")
    assert (said.code, "line 2 is not UTF-8" in said.err) == (1, True)
