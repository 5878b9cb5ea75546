"""Sound manifests: what they mean, where each part stands, and the rules across documents and files."""

import json
import string
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ManifestError, SettingsError
from reconciler.manifests.loader import load_manifests
from reconciler.model.manifest import Manifest, Mode, NameAt, Run
from reconciler.text.location import Location

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
ROW = "7e0c4d52-5f0b-4b5e-9d0c-0e6b8f9d1a23"

CONTRACT = f"""\
# yaml-language-server: $schema=../schemas/manifest.v1.json
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: target-accounts
  labels: {{team: gtm}}
spec:
  table: https://app.extruct.ai/tables/{TABLE.upper()}
  runs:
    - name: fill
      mode: new
      columns: [latest_funding, pricing_notes]
      rows: [{ROW.upper()}]
    - mode: failed
    - name: refresh-2026-q4
      mode: all
      columns: [recent_news]
      revision: 2026-q4
"""


def minimal(name: str = "a", table: str = TABLE, runs: str = "[{mode: new}]") -> str:
    """Return a manifest on few lines."""
    head = f"apiVersion: reconciler/v1\nkind: TableRun\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n  table: {table}\n  runs: {runs}\n"


def load(folder: Path, **files: str) -> tuple[Manifest, ...]:
    """Write the files and load the folder."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_manifests([folder])


def test_the_contracts_example_means_what_the_contract_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part is there with its place, the dashboard URL is an id, and what was left out has its default."""
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(CONTRACT)

    def at(line: int, column: int) -> Location:
        return Location("a.yaml", line, column)

    assert load_manifests([Path("a.yaml")]) == (
        Manifest(
            name="target-accounts",
            labels={"team": "gtm"},
            table_id=TABLE,
            runs=(
                Run(
                    name="fill",
                    mode=Mode.NEW,
                    columns=(NameAt("latest_funding", at(12, 17)), NameAt("pricing_notes", at(12, 33))),
                    rows=(NameAt(ROW, at(13, 14)),),
                    max_attempts=1,
                    revision=None,
                    location=at(10, 7),
                ),
                Run("failed", Mode.FAILED, None, None, 3, None, at(14, 7)),
                Run(
                    "refresh-2026-q4",
                    Mode.ALL,
                    (NameAt("recent_news", at(17, 17)),),
                    None,
                    max_attempts=1,
                    revision="2026-q4",
                    location=at(15, 7),
                ),
            ),
            location=at(5, 9),
            table_place=at(8, 10),
        ),
    )


@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        TABLE.upper(),
        f"https://app.extruct.ai/tables/{TABLE}",
        f"https://app.extruct.ai/tables/{TABLE}/",
        f"https://app.extruct.ai/tables/{TABLE}?view=1&x=../..",
        f"https://app.extruct.ai/tables/{TABLE}/#row-3",
    ],
)
def test_a_table_is_an_id_or_its_dashboard_url(table: str, tmp_path: Path) -> None:
    """An address copied from the browser means the table's id in lower case."""
    [manifest] = load(tmp_path, a=minimal(table=json.dumps(table)))
    assert manifest.table_id == TABLE


@pytest.mark.parametrize(
    "table",
    [
        f"{TABLE}\n",
        f" {TABLE}",
        f"{TABLE}/../x",
        f"https://app.extruct.ai/tables/{TABLE}\n",
        f"https://app.extruct.ai/tables/{TABLE}/x",
        f"https://app.extruct.ai/tables/{TABLE}//",
        f"https://app.extruct.ai//tables/{TABLE}",
        f"https://app.extruct.ai:8443/tables/{TABLE}",
        f"https://user@app.extruct.ai/tables/{TABLE}",
        f"https://evil.example/https://app.extruct.ai/tables/{TABLE}",
        f"https://app-extruct.ai/tables/{TABLE}",
        f"HTTPS://APP.EXTRUCT.AI/tables/{TABLE}",
        f"http://app.extruct.ai/tables/{TABLE}",
        TABLE.replace("-", ""),
        "٠" * 8 + TABLE[8:],
        "../../admin/keys",
        "",
    ],
)
def test_nothing_else_is_a_table(table: str, tmp_path: Path) -> None:
    """An id that is not plainly one never reaches a URL."""
    with pytest.raises(ManifestError, match=r"spec\.table"):
        load(tmp_path, a=minimal(table=json.dumps(table)))


def test_runs_without_a_name_are_called_by_their_mode(tmp_path: Path) -> None:
    """The second of a mode is numbered, and numbers that are taken are skipped."""
    named = "{mode: failed, name: new-2}, {mode: new, name: failed-2}"
    runs = f"[{{mode: new}}, {{mode: new}}, {named}, {{mode: new}}, {{mode: failed}}, {{mode: failed}}]"
    [manifest] = load(tmp_path, a=minimal(runs=runs))
    assert [run.name for run in manifest.runs] == ["new", "new-3", "new-2", "failed-2", "new-4", "failed", "failed-3"]


def test_manifests_come_by_name_whatever_their_files_are_called(tmp_path: Path) -> None:
    """Several files, and several documents in one, are sorted by the manifests' names."""
    other, third = TABLE.replace("0a", "0b"), TABLE.replace("0a", "0c")
    found = load(tmp_path, a=minimal("z") + "---\n" + minimal("m", other), b=minimal("b", third))
    assert [manifest.name for manifest in found] == ["b", "m", "z"]


def test_several_runs_of_one_manifest_may_share_columns(tmp_path: Path) -> None:
    """Filling, retrying and refreshing one column is what manifests are for."""
    [manifest] = load(tmp_path, a=minimal(runs="[{mode: new}, {mode: failed}, {mode: all, revision: r, columns: [a]}]"))
    assert len(manifest.runs) == 3


def test_two_manifests_may_share_a_table_but_not_a_column(tmp_path: Path) -> None:
    """Different columns of one table may be wanted in two files; one column in two is refused."""
    load(
        tmp_path, a=minimal("a", runs="[{mode: new, columns: [x]}]"), b=minimal("b", runs="[{mode: new, columns: [y]}]")
    )
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, c=minimal("c", runs="[{mode: failed, columns: [x, z, y]}]"), d=minimal("b"))
    folder = tmp_path.as_posix()
    assert [str(problem.location).removeprefix(folder) for problem in caught.value.problems] == [
        "/c.yaml:6:35",
        "/c.yaml:6:41",
        "/d.yaml:3:18",
        "/d.yaml:6:10",
    ]
    assert f"{folder}/a.yaml:6:32" in caught.value.problems[0].message
    assert f"{folder}/b.yaml:3:18" in caught.value.problems[2].message


def test_every_problem_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    """A file that is not YAML hides neither the faults of the others nor what they share."""
    with pytest.raises(ManifestError) as caught:
        load(tmp_path, a="a: [", b=minimal("same", runs="[{mode: nwe}]"), c=minimal("same", table="x"), d=minimal("d"))
    said = [f"{problem.location.path[-6]}: {problem.message}" for problem in caught.value.problems]
    assert [line[:30] for line in said] == [
        "a: the file ends here in the m",
        "b: spec.runs[0].mode is `nwe`;",
        "c: the name `same` is taken by",
        "c: spec.table must be a table ",
    ]


def test_the_project_file_in_use_is_not_a_manifest(tmp_path: Path) -> None:
    """It is passed over in a folder that is searched, also a faulty one: it is checked where it is used."""
    (tmp_path / "a.yaml").write_text(minimal())
    (tmp_path / "reconciler.yaml").write_text("kind: Project\nspec: {nonsense: 1}\n")
    assert len(load_manifests([tmp_path], tmp_path / "reconciler.yaml")) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [("prod.yaml", "a project file is called `reconciler.yaml`"), ("reconciler.yml", "the file of another project")],
)
def test_a_project_file_that_does_not_hold_is_an_error_at_its_line(name: str, said: str, tmp_path: Path) -> None:
    """Its limits and its ledger would be left aside in silence, whatever it is called."""
    (tmp_path / "a.yaml").write_text(minimal())
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_text("apiVersion: reconciler/v1\nkind: Project\n")
    with pytest.raises(ManifestError) as caught:
        load_manifests([tmp_path], tmp_path / "reconciler.yaml")
    [problem] = caught.value.problems
    assert str(problem.location).endswith(f"/deep/{name}:2:7")
    assert said in problem.message


def test_a_place_without_manifests_is_a_mistake(tmp_path: Path) -> None:
    """Nothing to do because nothing was found is told from nothing to do."""
    with pytest.raises(SettingsError, match="there is no manifest in"):
        load(tmp_path, a="# later\n")


NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
IDS = st.uuids().map(str)
COLUMNS = st.lists(st.text(string.ascii_letters + "_é 0", min_size=1, max_size=8), min_size=1, max_size=4, unique=True)
COMMON = {"columns": st.none() | COLUMNS, "rows": st.none() | st.lists(IDS, min_size=1, max_size=4, unique=True)}
RUNS = st.one_of(
    st.fixed_dictionaries({"mode": st.just("new"), **COMMON}),
    st.fixed_dictionaries({"mode": st.just("new"), "max_attempts": st.integers(1, 100), **COMMON}),
    st.fixed_dictionaries({"mode": st.just("failed"), "max_attempts": st.integers(1, 100), **COMMON}),
    st.fixed_dictionaries(
        {"mode": st.just("all"), "revision": st.from_regex(r"[!-~]{1,20}", fullmatch=True), **COMMON}
    ),
)
LABELS = st.dictionaries(
    NAMES, st.text(st.characters(categories=["L", "N", "P", "Zs"], max_codepoint=0xFFFF), max_size=20)
)


@given(
    name=NAMES,
    labels=LABELS,
    table=IDS,
    runs=st.lists(RUNS, min_size=1, max_size=4),
    names=st.lists(NAMES, unique=True),
)
def test_valid_manifests_say_what_was_written(
    name: str, labels: dict[str, str], table: str, runs: list[dict[str, Any]], names: list[str], tmp_path: Path
) -> None:
    """Any valid manifest is read, and its content is what was written, with defaults in place."""
    for run, run_name in zip(runs, names, strict=False):
        run["name"] = run_name
    written = {
        "apiVersion": "reconciler/v1",
        "kind": "TableRun",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "table": table,
            "runs": [{key: value for key, value in run.items() if value is not None} for run in runs],
        },
    }
    [manifest] = load(tmp_path, a=json.dumps(written))
    content = manifest.content()
    assert (content["name"], content["labels"], content["table"]) == (name, labels, table)
    assert len({run["name"] for run in content["runs"]}) == len(runs)
    for run, read in zip(runs, content["runs"], strict=True):
        assert read == {"name": read["name"], "max_attempts": 1, "revision": None} | run
    assert UUID(manifest.table_id)
