"""Changes to manifests, in the words of the person who made them."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.manifests.compare import MOST_CHANGES, compare, compare_projects
from reconciler.manifests.loader import load_manifests
from reconciler.manifests.yaml_reader import parse
from reconciler.model.change import Change
from reconciler.model.manifest import Manifest, Mode
from reconciler.text.sanitize import one_line
from tests.example_counts import examples
from tests.planning.random_worlds import World, worlds
from tests.planning.tables_and_manifests import a_manifest, a_run, row_id

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
OTHER = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
BASE = f"""\
apiVersion: reconciler/v1
kind: TableRun
metadata:
  name: accounts
  labels: {{team: gtm, tier: "1"}}
spec:
  table: {TABLE}
  runs:
    - name: fill
      mode: new
      columns: [news, notes]
      rows: [{row_id(1)}, {row_id(2)}]
    - name: retry
      mode: failed
      max_attempts: 3
      columns: [news]
    - name: refresh
      mode: all
      columns: [news]
      revision: 2026-q3
"""
ROWS = f"rows: [{row_id(1)}, {row_id(2)}]"
RETRY = "    - name: retry\n      mode: failed\n      max_attempts: 3\n      columns: [news]\n"
CHANGES = {
    "column added": (("[news, notes]", "[notes, recent, news]"), "fill", 11, ["column `recent` added to `fill`"]),
    "column removed": (("[news, notes]", "[notes]"), "fill", 9, ["column `news` removed from `fill`"]),
    "columns reordered": (("[news, notes]", "[notes, news]"), "fill", 9, []),
    "every column": (("      columns: [news, notes]\n", ""), "fill", 9, [
        "`fill` takes every column instead of 2 columns"]),
    "revision": (("2026-q3", "2026-q4"), "refresh", 17, ["revision 2026-q3 → 2026-q4 in `refresh`"]),
    "attempts": (("max_attempts: 3", "max_attempts: 5"), "retry", 13, ["max_attempts 3 → 5 in `retry`"]),
    "run removed": ((RETRY, ""), "retry", 4, ["run `retry` removed"]),
    "run added": (("  runs:\n", "  runs:\n    - {name: more, mode: new, columns: [x, y]}\n"), "more", 9, [
        "run `more` added: mode new, 2 columns, every row"]),
    "run renamed": (("name: retry", "name: again"), "again", 13, [
        "run `retry` renamed to `again`, which causes no call"]),
    "mode": (("mode: failed\n      max_attempts: 3", "mode: all\n      revision: r1"), "retry", 13, [
        "max_attempts 3 removed in `retry`", "mode failed → all in `retry`", "revision r1 added in `retry`"]),
    "rows": ((ROWS, f"rows: [{row_id(2)}, {row_id(3)}, {row_id(4)}]"), "fill", 9, [
        "2 rows added to `fill`, 1 row removed from `fill`"]),
    "every row": ((f"      {ROWS}\n", ""), "fill", 9, ["`fill` takes every row instead of 2 rows"]),
    "table": ((f"table: {TABLE}", f"table: {OTHER}"), "", 7, [f"table {TABLE} → {OTHER}"]),
    "label": (("team: gtm", "team: ops"), "", 4, ["label team gtm → ops"]),
    "label gone": (('team: gtm, tier: "1"', "x__team: gtm"), "", 4, [
        "label team gtm removed", "label tier 1 removed", "label x__team gtm added"]),
    "renamed": (("name: accounts", "name: customers"), "customers", 4, [
        "manifest `accounts` renamed to `customers`, which causes no call"]),
    "layout": (("      mode: new\n", "      mode: new   # as always\n\n"), "", 9, []),
}  # fmt: skip
"""Name → what is replaced by what, the run, the line and the words."""


def manifests(folder: Path, *texts: str) -> tuple[Manifest, ...]:
    """Read manifests from texts."""
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    return load_manifests([folder / f"{number}.yaml" for number in range(len(texts))]) if texts else ()


def words(changes: tuple[Change, ...]) -> list[str]:
    """Return the texts alone."""
    return [change.text for change in changes]


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_in_the_users_words(name: str, tmp_path: Path) -> None:
    """At the address and the line where it stands now."""
    (before, after), run, line, expected = CHANGES[name]
    assert before in BASE
    found = compare(manifests(tmp_path, BASE), manifests(tmp_path, BASE.replace(before, after)))
    assert words(found) == expected
    for change in found:
        assert change.address == ("customers" if run == "customers" else f"accounts/{run}" if run else "accounts")
        assert change.location.line == line


def test_a_manifest_added_and_one_removed(tmp_path: Path) -> None:
    """A removed part points at where it stood."""
    other = BASE.replace("name: accounts", "name: partners").replace(TABLE, OTHER)
    found = compare(manifests(tmp_path, BASE), manifests(tmp_path, other))
    assert words(found) == [
        f"manifest `accounts` removed: 3 runs of table {TABLE}",
        f"manifest `partners` added: 3 runs of table {OTHER}",
    ]
    assert [change.location.line for change in found] == [4, 4]


def test_a_manifest_that_moved_to_another_file_did_not_change(tmp_path: Path) -> None:
    """Places are not content."""
    (tmp_path / "a").mkdir()
    assert compare(manifests(tmp_path, BASE), manifests(tmp_path / "a", "# moved\n" + BASE)) == ()


@settings(max_examples=examples(480))
@given(worlds(), worlds())
def test_there_is_a_change_exactly_where_the_content_differs(one: World, other: World) -> None:
    """Nothing told of equal manifests, something told of every other pair; in both directions."""
    base, here = one.manifests, other.manifests
    assert compare(base, base) == ()
    assert bool(compare(base, here)) == bool(compare(here, base)) == (contents(base) != contents(here))


def contents(of: tuple[Manifest, ...]) -> dict[str, object]:
    """Return what manifests of tables by id say, without the order of columns and rows."""
    return {
        manifest.name: (
            manifest.labels,
            manifest.table_id,
            {
                run.name: (
                    run.mode,
                    run.revision,
                    run.max_attempts if run.mode is Mode.FAILED else 0,
                    None if run.columns is None else frozenset(each.text for each in run.columns),
                    None if run.rows is None else frozenset(each.text for each in run.rows),
                    run.selection and run.selection.content(),
                    run.refresh and run.refresh.content(),
                    run.rollout and run.rollout.content(),
                )
                for run in manifest.runs
            },
        )
        for manifest in of
    }


@settings(max_examples=examples(640))
@given(st.lists(st.text(min_size=1, max_size=12), unique=True), st.lists(st.text(min_size=1, max_size=12), unique=True))
def test_no_name_confuses_or_escapes(old: list[str], new: list[str]) -> None:
    """Quotes, brackets, underscores and control characters: each column is told once, on one line."""
    found = compare(
        [a_manifest(a_run(Mode.NEW, [*old, "same"]))] if "same" not in old else [],
        [a_manifest(a_run(Mode.NEW, [*new, "same"]))] if "same" not in new else [],
    )
    if "same" not in (*old, *new):
        assert len(found) == len(set(old) ^ set(new))
    assert all(one_line(change.text, 1000) == change.text for change in found)


def test_changes_too_many_to_read_are_counted_in_seconds() -> None:
    """A hostile manifest of 60,000 columns, and 3,000 manifests that changed."""
    began = time.monotonic()
    wide = [a_manifest(a_run(Mode.NEW, [f"{letter}{number}" for number in range(60_000)])) for letter in "ab"]
    assert words(compare(wide[:1], wide[1:])) == ["1 more manifest changed, too much to compare part by part"]
    many = [
        [a_manifest(a_run(Mode.ALL, revision=revision), name=f"m{number:04}") for number in range(3000)]
        for revision in ("r1", "r2")
    ]
    found = compare(*many)
    assert len(found) <= MOST_CHANGES + 2
    assert any("more manifests changed" in text for text in words(found))
    assert time.monotonic() - began < 30


def test_the_project_file_in_the_users_words() -> None:
    """Prices and limits decide what passes, so a reviewer sees them; the ledger's URL is not repeated."""
    base = """\
    {apiVersion: reconciler/v1, kind: Project, spec: {ledger: "postgresql://a:secret@b/c", prices: {default: 1},
     limits: {max_credits: 1, protected_columns: [news, notes], per_label: {team=gtm: 5}}}}"""
    here = """\
    {apiVersion: reconciler/v1, kind: Project, spec: {ledger: "postgresql://a:other@b/c", prices: {default: 0},
     limits: {max_credits: 5000, protected_columns: [notes]}}}"""
    found = compare_projects(parse(base.encode(), "a")[0].value, parse(here.encode(), "reconciler.yaml")[0])
    assert words(found) == [
        "spec.ledger changed",
        "spec.limits.max_credits 1 → 5,000",
        "spec.limits.per_label … removed",
        "spec.limits.protected_columns: `news` removed",
        "spec.prices.default 1 → 0",
    ]
    assert {change.address for change in found} == {None}
    assert words(compare_projects(None, parse(here.encode(), "x")[0])) == ["a project file was added"]
    assert words(compare_projects({}, None)) == ["the project file was removed, with its prices and limits"]
    assert compare_projects(None, None) == ()
