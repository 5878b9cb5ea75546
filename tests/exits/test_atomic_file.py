"""Where `--out` and its like write: files as a whole, links followed, modes kept, pipes and devices as they are."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.operations.atomic_file import SHARED, Outlet, write_durably, write_whole
from tests.exits.conftest import Start
from tests.journey.desk import Desk


def mode(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Reports name tables and spending; manifests are for committing."""
    write_whole(tmp_path / "report.json", "{}")
    write_whole(tmp_path / "manifest.yaml", "{}", SHARED)
    before = os.umask(0o022)
    os.umask(before)
    assert mode(tmp_path / "report.json") == 0o600
    assert mode(tmp_path / "manifest.yaml") == 0o666 & ~before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.yaml", "report.json"]


def test_a_file_that_is_there_keeps_its_mode_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Whoever has it open goes on reading the old one."""
    path = tmp_path / "report.json"
    path.write_text("old and longer")
    path.chmod(0o640)
    with path.open() as reading:
        write_whole(path, ["n", "ew"])
        assert reading.read() == "old and longer"
    assert (path.read_text(), mode(path)) == ("new", 0o640)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_is_followed(tmp_path: Path, is_there: bool) -> None:
    """Also one that leads to a file that is not there yet."""
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "report.json", tmp_path / "report.json"
    if is_there:
        target.write_text("old")
    link.symlink_to(Path("elsewhere") / "report.json")
    write_whole(link, "new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")


def test_a_device_stays_one() -> None:
    """Also for root, whose own folder it may be."""
    before = Path("/dev/null").stat()
    write_whole(Path("/dev/null"), "nothing")
    assert Path("/dev/null").stat() == before


def test_a_pipe_has_its_reader_from_the_beginning(tmp_path: Path) -> None:
    """It is opened when it is tried and closed when it is written: its reader gets all of it, and one end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    with Outlet(pipe) as outlet:
        outlet.write("all of it")
    reader.join(10)
    assert (heard, stat.S_ISFIFO(pipe.stat().st_mode)) == (["all of it"], True)


@pytest.mark.parametrize("name", ["no/such.json", "a-file/report.json", "loop", "folder"])
def test_what_cannot_be_written_is_found_before_there_is_anything_to_write(tmp_path: Path, name: str) -> None:
    """A folder that is not there, a file in its place, links that lead nowhere, a folder itself."""
    (tmp_path / "a-file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="such" if "such" in name else name.split("/")[0]):
        Outlet(tmp_path / name)


def test_trying_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither a new file nor a change of one that is there."""
    (tmp_path / "old").write_text("old")
    for name in ("old", "new"):
        with Outlet(tmp_path / name):
            pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old", "old")]


def test_what_stdout_goes_to_already_is_written_where_it_stands(office: Desk, start: Start) -> None:
    """`--out /dev/stdout > file`: the answer and the report follow each other in one file."""
    process = start(shell="reconciler plan --out /dev/stdout > both; reconciler plan --out /dev/stdout | wc -l > lines")
    process.communicate(timeout=60)
    both = (office.folder / "both").read_text()
    assert '"format_version"' in both
    assert "Apply it with `reconciler apply`" in both
    assert int((office.folder / "lines").read_text()) == both.count("\n")


def test_a_new_file_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    """Not even an empty one: whoever is killed meanwhile leaves nothing under its name."""
    path = tmp_path / "new"

    def lines() -> Iterator[str]:
        yield "first"
        assert not path.exists()

    write_durably(path, lines())
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("new", "first\n")]


def test_of_two_that_write_one_new_file_the_second_is_refused(tmp_path: Path) -> None:
    """However far it has come: what the first wrote may be nowhere else any more."""
    path = tmp_path / "new"

    def lines() -> Iterator[str]:
        yield "second"
        write_durably(path, ["first"])

    with pytest.raises(FileExistsError):
        write_durably(path, lines())
    with pytest.raises(FileExistsError):
        write_durably(path, ["third"])
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("new", "first\n")]
