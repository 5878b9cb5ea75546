"""Limits from the project file, the environment and flags: one spelling, the stronger source first."""

from collections.abc import Mapping
from contextlib import chdir
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.errors import ManifestError, SettingsError
from reconciler.model.limits import Cap, Limit, Limits, Rule
from reconciler.model.manifest import Mode
from reconciler.settings.limits_reader import limits_in
from reconciler.settings.settings import Flags, load_settings

TABLE = "0A1A669A-9a40-497c-bb00-d49dd8ee5b74"
EVERY_KIND = f"""\
contact: platform-team
max_credits: 500
max_cells: 5000
max_rerun_share: 0.25
per_table: {{max_credits: 200, max_cells: 2000, contact: table-team}}
tables:
  {TABLE}: {{max_credits: 50, max_cells: 60, max_rerun_share: 1}}
per_label:
  team=gtm: 300
  tier=a=b: {{max_cells: 7, contact: gtm-leads}}
modes:
  all: [tier=cheap, team=platform]
  failed: []
protected_columns: [latest_funding]
"""


def settled(folder: Path, file: str = "", environment: Mapping[str, str] | None = None, **flags: str) -> Limits:
    """Return the limits that hold for a project file's `spec.limits`, variables and flags."""
    indented = "".join(f"    {line}\n" for line in file.splitlines())
    limits = f"  limits:\n{indented}" if file else ""
    spec = f"spec:\n{limits}" if limits else ""
    (folder / "reconciler.yaml").write_text(f"apiVersion: reconciler/v1\nkind: Project\n{spec}")
    with chdir(folder):
        return load_settings(Flags(**flags), environment or {}).limits


def test_every_kind_of_limit_in_the_project_file(tmp_path: Path) -> None:
    """Exact, with file, line and path; the nearest contact; a table's id in lower case; a bare number is credits."""

    def at(line: int, path: str) -> str:
        return f"reconciler.yaml:{line} (spec.limits.{path})"

    def limit(value: str, line: int, path: str, contact: str = "platform-team") -> Limit:
        return Limit(Decimal(value), at(line, path), contact)

    table = f"tables.{TABLE}"
    assert settled(tmp_path, EVERY_KIND) == Limits(
        max_credits=limit("500", 6, "max_credits"),
        max_cells=limit("5000", 7, "max_cells"),
        per_table=Cap(
            limit("200", 9, "per_table.max_credits", "table-team"),
            limit("2000", 9, "per_table.max_cells", "table-team"),
            limit("0.25", 8, "max_rerun_share"),
        ),
        tables={
            TABLE.lower(): Cap(
                limit("50", 11, f"{table}.max_credits"),
                limit("60", 11, f"{table}.max_cells"),
                limit("1", 11, f"{table}.max_rerun_share"),
            )
        },
        per_label={
            "team=gtm": Cap(limit("300", 13, 'per_label["team=gtm"]')),
            "tier=a=b": Cap(max_cells=limit("7", 14, 'per_label["tier=a=b"].max_cells', "gtm-leads")),
        },
        modes={
            Mode.ALL: Rule(("tier=cheap", "team=platform"), at(16, "modes.all"), "platform-team"),
            Mode.FAILED: Rule((), at(17, "modes.failed"), "platform-team"),
        },
        protected={"latest_funding": Rule((), at(18, "protected_columns[0]"), "platform-team")},
    )


def test_the_same_words_in_a_variable_and_a_flag(tmp_path: Path) -> None:
    """Each says where it stands; nothing else differs."""
    for source in ("RECONCILER_LIMITS", "--limits"):
        found = limits_in(EVERY_KIND, source)
        assert found.max_cells == Limit(Decimal(5000), f"{source} (max_cells)", "platform-team")
        assert found.per_label["team=gtm"].max_credits == Limit(
            Decimal(300), f'{source} (per_label["team=gtm"])', "platform-team"
        )
    assert settled(tmp_path, environment={"RECONCILER_LIMITS": EVERY_KIND}) == limits_in(
        EVERY_KIND, "RECONCILER_LIMITS"
    )
    assert settled(tmp_path, limits=EVERY_KIND) == limits_in(EVERY_KIND, "--limits")


def test_the_strongest_source_wins_key_by_key(tmp_path: Path) -> None:
    """A flag over --limits over a variable over RECONCILER_LIMITS over the file; what one does not say another does."""
    found = settled(
        tmp_path,
        EVERY_KIND,
        {
            "RECONCILER_MAX_CREDITS": "40",
            "RECONCILER_MAX_CELLS": "",
            "RECONCILER_LIMITS": "{max_credits: 41, max_cells: 42, per_label: {team=gtm: {max_cells: 9}}}",
        },
        limits="{max_cells: 43, per_table: {max_cells: 8}, protected_columns: [news], modes: {all: []}}",
        max_cells="44",
    )
    assert found.max_credits == Limit(Decimal(40), "RECONCILER_MAX_CREDITS")
    assert found.max_cells == Limit(Decimal(44), "--max-cells")
    assert found.per_table.max_cells == Limit(Decimal(8), "--limits (per_table.max_cells)")
    assert found.per_table.max_credits is not None
    assert found.per_table.max_credits.value == 200
    gtm = found.per_label["team=gtm"]
    assert gtm.max_credits is not None
    assert gtm.max_cells is not None
    assert gtm.max_credits.value == 300
    assert gtm.max_cells.set_at == 'RECONCILER_LIMITS (per_label["team=gtm"].max_cells)'
    assert set(found.protected) == {"latest_funding", "news"}
    assert found.modes[Mode.ALL].allowed == ()
    assert set(found.modes) == {Mode.ALL, Mode.FAILED}


def test_a_tables_limits_stand_once_in_whatever_case(tmp_path: Path) -> None:
    """Of two, one would win in silence: an error at the second, in the file, the variable and the flag."""
    text = f"tables:\n  {TABLE}: {{max_cells: 1}}\n  {TABLE.lower()}: {{max_cells: 1000}}\n"
    for from_file, line in ((False, 3), (True, 7)):
        with pytest.raises(ManifestError) as caught:
            _ = settled(tmp_path, text) if from_file else limits_in(text, "--limits")
        [problem] = caught.value.problems
        assert (problem.location.line, f"line {line - 1} has it already" in problem.message) == (line, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{max_credit: 5}", "unknown key `max_credit` in the limits; did you mean `max_credits`?"),
        ("{max_credits: -1}", "max_credits must be at least 0, but it is `-1`"),
        ("{max_cells: 1.5}", "max_cells must be a whole number, but it is `1.5`"),
        ("{max_credits: 0.1234567}", "max_credits may have at most 6 decimal places"),
        ("{per_label: {team: 5}}", "the key `team` in per_label must be a label like team=gtm"),
        ("{per_label: {a=b: [5]}}", 'per_label["a=b"] must be a number or a mapping, but it is a list'),
        (
            "{per_label: {a=b: {max_credits: 0.1234567}}}",
            'per_label["a=b"].max_credits may have at most 6 decimal places',
        ),
        ("{tables: {accounts: {}}}", "the key `accounts` in tables must be a table's id"),
        ("{max_rerun_share: 25}", "max_rerun_share must be at most 1, but it is `25`"),
        ("{modes: {al: []}}", "unknown key `al` in modes; did you mean `all`?"),
        ("{protected_columns: [a, a]}", "`a` is listed twice in protected_columns"),
        ("5", "the limits must be a mapping, but it is a number"),
        ("{a: 1", "lacks a `,` or its `}`"),
        ("{max_cells: 1}\n---\n{max_cells: 2}", "RECONCILER_LIMITS must hold exactly one mapping"),
        ("{max_cells: true}", "max_cells must be a whole number"),
    ],
)
def test_a_limit_that_is_written_wrong_is_never_no_limit(text: str, message: str) -> None:
    """It stops the program, and says where and why."""
    with pytest.raises(ManifestError) as caught:
        limits_in(text, "RECONCILER_LIMITS")
    assert any(message in problem.message for problem in caught.value.problems)
    assert {problem.location.path for problem in caught.value.problems} == {"RECONCILER_LIMITS"}


@pytest.mark.parametrize("text", ["none", "-1", "NaN", "Infinity", "1e400000000000000000000"])
def test_a_number_in_a_variable_is_a_number(text: str, tmp_path: Path) -> None:
    """As in a flag; what is none is said with the variable's name."""
    with pytest.raises(SettingsError, match="RECONCILER_MAX_CREDITS must be a number, 0 or more"):
        settled(tmp_path, environment={"RECONCILER_MAX_CREDITS": text})


@pytest.mark.parametrize("source", ["--max-cells", "RECONCILER_MAX_CELLS"])
def test_cells_are_limited_in_whole_numbers(source: str, tmp_path: Path) -> None:
    """Half a cell is a slip of the pen; 2.0 is two."""

    def limit(text: str) -> Limit | None:
        if source.startswith("--"):
            return settled(tmp_path, max_cells=text).max_cells
        return settled(tmp_path, environment={source: text}).max_cells

    with pytest.raises(SettingsError, match=f"{source} must be a whole number") as caught:
        limit("1.5")
    assert "1.5" in caught.value.hint
    assert limit("2.0") == Limit(Decimal(2), source)


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    """As for every other variable of the program."""
    empty = dict.fromkeys(("RECONCILER_MAX_CREDITS", "RECONCILER_MAX_CELLS", "RECONCILER_LIMITS"), "")
    assert settled(tmp_path, environment=empty) == Limits()
