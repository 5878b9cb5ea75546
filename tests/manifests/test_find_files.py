"""Which files are taken for manifests."""

import json
import os
from pathlib import Path

import pytest

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests.find_files import find_files
from reconciler.manifests.loader import load_manifests


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with manifests and other things, and stand in it."""
    for name in (
        "b.yaml",
        "a.yml",
        "deep/er/c.yaml",
        "deep/notes.txt",
        "deep/x.YAML.bak",
        ".hidden/d.yaml",
        ".git/e.yaml",
        ".f.yaml",
        "folder.yaml/g.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*paths: str) -> list[str]:
    """Return what is found at the paths."""
    return [path.as_posix() for path in find_files([Path(path) for path in paths])]


def test_a_folder_is_searched_to_any_depth_but_not_its_hidden_parts(tree: Path) -> None:
    """YAML files of both endings, sorted; hidden files and folders are left alone."""
    assert found(".") == ["a.yml", "b.yaml", "deep/er/c.yaml", "folder.yaml/g.yaml"]


@pytest.mark.parametrize("folder", ["venv", "node_modules", "deep/__pycache__", "lib/site-packages", ".venv", "env"])
def test_what_tools_install_is_not_searched(tree: Path, folder: str) -> None:
    """Other people's YAML lies there; a Python environment is one whatever its name, and who names it means it."""
    (tree / folder / "pkg").mkdir(parents=True)
    (tree / folder / "pkg" / "z.yaml").touch()
    if folder == "env":
        (tree / folder / "pyvenv.cfg").touch()
    assert [name for name in found(".") if "z.yaml" in name] == []
    assert found(folder) == [f"{folder}/pkg/z.yaml"]


def test_a_named_file_is_taken_whatever_it_is_called(tree: Path) -> None:
    """Who names a file means it: hidden, or of another ending."""
    assert found("deep/notes.txt", ".hidden", ".f.yaml") == [".f.yaml", ".hidden/d.yaml", "deep/notes.txt"]


def test_what_two_paths_lead_to_is_taken_once(tree: Path) -> None:
    """A file named twice, in its folder and through a link, is one file and no clash of names."""
    (tree / "link").symlink_to(tree / "deep")
    (tree / "link.yaml").symlink_to(tree / "b.yaml")
    assert found("deep", "deep/er/c.yaml", "link", "./deep/er") == ["deep/er/c.yaml"]
    assert len(found(".")) == 4


@pytest.mark.parametrize("name", ["x.YAML", "x.Yml", "x.JSON", "x.json"])
def test_the_case_of_an_ending_does_not_matter(tree: Path, name: str) -> None:
    """A manifest that is passed over is one that its author misses."""
    (tree / name).write_text('{"apiVersion": "reconciler/v1", "kind": "TableRun"}')
    assert name in found(".")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", ['{"apiVersion": "reconciler/v2"}', '{\n\t"apiVersion" : "reconciler/v1",\n}', "gone"])
def test_json_that_is_meant_for_this_program_is_taken(tree: Path, text: str, encoding: str) -> None:
    """Also what is broken, of another version or in another encoding: reading it says so."""
    if text == "gone":
        (tree / "deep" / "a.json").symlink_to(tree / "nowhere")
    else:
        (tree / "deep" / "a.json").write_text(text, encoding=encoding)
    assert "deep/a.json" in found(".")
    with pytest.raises(ManifestError, match="a\\.json:"):
        load_manifests([tree])


@pytest.mark.parametrize(
    "text",
    [
        '{"format_version": "1.0", "plan_id": "sha256:0"}',
        '{"compilerOptions": {}, // "apiVersion": "v1"\n}',
        '{"example": {"apiVersion": "reconciler/v1"}}',
        '[{"apiVersion": "reconciler/v1"}]',
        '{"apiVersion": "v1", "kind": "List"}',
        "",
        "null",
    ],
)
def test_other_json_is_left_alone_in_a_folder(tree: Path, text: str) -> None:
    """A saved plan or an editor's settings beside manifests break nothing; whoever names the file means it."""
    (tree / "a.json").write_text(text)
    assert "a.json" not in found(".")
    assert found("a.json") == ["a.json"]


def test_a_json_manifest_is_read_as_yaml_is(tree: Path) -> None:
    """Tabs between values included."""
    table = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
    manifest = {"apiVersion": "reconciler/v1", "kind": "TableRun", "metadata": {"name": "a"}}
    manifest["spec"] = {"table": table, "runs": [{"mode": "new"}]}
    (tree / "json").mkdir()
    (tree / "json" / "a.json").write_text(json.dumps(manifest, indent="\t"))
    (read,) = load_manifests([tree / "json"])
    assert read.table_id == table


def test_a_loop_of_links_ends(tree: Path) -> None:
    """A folder that links to its parent is entered once."""
    (tree / "deep" / "up").symlink_to(tree)
    (tree / "deep" / "self").symlink_to(tree / "deep" / "self")
    assert len(found(".")) == 4


def test_a_broken_link_is_a_missing_manifest(tree: Path) -> None:
    """A link whose file is gone is reported, not skipped: its author would miss what it named."""
    (tree / "gone.yaml").symlink_to(tree / "nowhere")
    with pytest.raises(ManifestError, match=r"gone\.yaml:1:1: the file cannot be read: No such file"):
        load_manifests([tree])


def test_a_pipe_in_a_folder_is_left_alone(tree: Path) -> None:
    """Reading a named pipe would wait for ever."""
    os.mkfifo(tree / "pipe.yaml")
    assert len(found(".")) == 4


@pytest.mark.parametrize("path", ["missing", "b.yaml/x", "missing\x1b[2J\n", "a\0b", "x" * 5000])
def test_a_path_that_is_not_there_is_said(path: str, tree: Path) -> None:
    """A wrong path is a wrong setting, in one safe line."""
    with pytest.raises(SettingsError) as caught:
        find_files([Path(), Path(path)])
    assert len(str(caught.value).splitlines()) == 1
    assert "\x1b" not in str(caught.value)
