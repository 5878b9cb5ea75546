"""Names in a manifest meet a live table, and selectors meet manifests."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from reconciler.errors import SettingsError
from reconciler.model.condition import CellTest, Condition, Operator, key
from reconciler.model.manifest import Manifest, Mode, Selection
from reconciler.planning.scopes import Scope, scopes
from reconciler.planning.selectors import select_runs, split_selectors
from reconciler.text.location import Diagnostic, Location
from tests.planning.tables_and_manifests import a_column, a_manifest, a_run, a_table, column_id, row_id

TABLE = a_table(
    [a_column(1, kind="input", key="website"), a_column(2, key="funding"), a_column(3, key="News")], ["...", "..."]
)


def resolve(*manifests: Manifest) -> tuple[list[Scope], list[Diagnostic]]:
    """Resolve manifests over the table."""
    return scopes(manifests, TABLE, {row: index for index, row in enumerate(TABLE.row_ids)})


def resolved(columns: Sequence[str] | None, rows: Sequence[str] | None = None) -> tuple[list[str], list[int]]:
    """Return the keys and row numbers that a run's names come to."""
    (scope,), problems = resolve(a_manifest(a_run(Mode.NEW, columns, rows)))
    assert problems == []
    return [column.key for column in scope.columns], list(scope.rows)


def complaints(*manifests: Manifest) -> list[str]:
    """Return the messages about names that do not fit."""
    return [problem.message for problem in resolve(*manifests)[1]]


def test_no_names_are_every_output_column_and_every_row() -> None:
    """Input columns are left out."""
    assert resolved(None) == (["funding", "News"], [0, 1, 2])


def test_columns_go_by_key_or_id_and_stand_in_the_tables_order() -> None:
    """An id may be written in capitals."""
    assert resolved(["News", "funding"], [row_id(2), row_id(0)]) == (["funding", "News"], [0, 2])
    assert resolved([column_id(3).upper()]) == (["News"], [0, 1, 2])


def test_a_key_must_be_spelled_as_it_is() -> None:
    """Another spelling is asked about, not bought."""
    assert complaints(a_manifest(a_run(Mode.NEW, ["Funding", "news"]))) == [
        "the table has no column `Funding`; did you mean `funding`?",
        "the table has no column `news`; did you mean `News`?",
    ]


def test_an_id_wins_over_a_key_that_looks_like_it() -> None:
    """A column whose key is another one's id catches nothing."""
    table = replace(TABLE, columns=(*TABLE.columns[:2], replace(TABLE.columns[2], key=column_id(2))))
    (scope,), problems = scopes([a_manifest(a_run(Mode.NEW, [column_id(2)]))], table, {})
    assert problems == []
    assert [column.key for column in scope.columns] == ["funding"]


def test_every_name_that_does_not_fit_is_a_problem() -> None:
    """All of them at once, in all runs."""
    runs = [a_run(Mode.NEW, ["website", "nonsense"]), a_run(Mode.FAILED, ["funding", column_id(2)], [row_id(9)])]
    assert complaints(a_manifest(*runs)) == [
        "column `website` is an input column; input cells are never run",
        "the table has no column `nonsense`",
        f"column `{column_id(2)}` is named twice, by key and by id",
        f"the table has no row `{row_id(9)}`",
    ]


def test_one_column_by_key_and_by_id_belongs_to_one_manifest() -> None:
    """Two runs of one manifest may share it; two manifests may not."""
    funding = a_manifest(a_run(Mode.NEW, ["funding"]), a_run(Mode.FAILED, ["funding"]), name="funding")
    assert complaints(funding, a_manifest(a_run(Mode.NEW, ["News"]), name="news")) == []
    (message,) = complaints(funding, a_manifest(a_run(Mode.NEW, [column_id(2)]), name="news"))
    assert "`funding`" in message
    assert str(funding.location) in message


def test_all_comes_before_the_other_modes_which_keep_their_order() -> None:
    """Whoever comes first takes a cell that two want."""
    runs = [
        a_run(Mode.NEW, name="a"),
        a_run(Mode.ALL, name="b"),
        a_run(Mode.FAILED, name="c"),
        a_run(Mode.ALL, name="d"),
    ]
    found, _ = resolve(a_manifest(*runs))
    assert [scope.address for scope in found] == ["accounts/b", "accounts/d", "accounts/a", "accounts/c"]


WHERE = CellTest("website", Operator.EXISTS, True, Location("a.yaml", 7, 9))


def selected(
    where: Condition | None, limit: int | None, matches: dict[str, bytes]
) -> tuple[list[int], list[Diagnostic]]:
    """Return the row numbers that a selection comes to, and what is wrong with it."""
    run = a_run(Mode.NEW, selection=Selection(where, limit, Location("a.yaml", 6, 7)))
    (scope,), problems = scopes([a_manifest(run)], replace(TABLE, matches=matches), {})
    return list(scope.rows), problems


@pytest.mark.parametrize(
    ("where", "limit", "rows"),
    [
        (WHERE, None, [0, 2]),
        (WHERE, 1, [0]),
        (WHERE, 2, [0, 2]),
        (WHERE, 9, [0, 2]),
        (None, 2, [0, 1]),
        (None, 9, [0, 1, 2]),
    ],
)
def test_a_selection_is_the_rows_that_meet_it_and_the_first_so_many_of_them(
    where: Condition | None, limit: int | None, rows: list[int]
) -> None:
    """In the table's order; a limit counts rows that meet the condition, not rows that were looked at."""
    assert selected(where, limit, {key(WHERE): b"\1\0\1"}) == (rows, [])


def test_a_condition_that_was_not_evaluated_is_a_problem_at_its_line() -> None:
    """Of another condition too; neither every row nor no row without a word."""
    for matches in ({}, {key(replace(WHERE, operator=Operator.MISSING)): b"\1\1\1"}):
        rows, (problem,) = selected(WHERE, None, matches)
        assert rows == []
        assert problem.location == Location("a.yaml", 6, 7)
        assert problem.message == "the snapshot does not say which rows meet this condition"


def test_a_condition_over_an_unknown_column_is_a_problem_where_it_names_it() -> None:
    """And one problem, not two."""
    rows, (problem,) = selected(replace(WHERE, column="web_site"), None, {})
    assert rows == []
    assert (problem.location, problem.message) == (
        WHERE.location,
        "the table has no column `web_site`; did you mean `website`?",
    )


ACCOUNTS = replace(a_manifest(a_run(Mode.NEW), a_run(Mode.FAILED)), labels={"team": "gtm", "tier": "1"})
PARTNERS = replace(a_manifest(a_run(Mode.NEW), name="partners"), labels={"team": "sales"})


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [
        ([], [], ["accounts/new", "accounts/failed", "partners/new"]),
        (["accounts"], [], ["accounts/new", "accounts/failed"]),
        (["accounts/failed", "partners"], [], ["accounts/failed", "partners/new"]),
        (["team=sales"], [], ["partners/new"]),
        ([], ["team=gtm"], ["partners/new"]),
        (["accounts"], ["accounts/new"], ["accounts/failed"]),
        (["accounts/new"], ["tier=1"], []),
        (["acc*/new"], [], ["accounts/new"]),
        (["*/new"], [], ["accounts/new", "partners/new"]),
        (["team=s*"], [], ["partners/new"]),
        (["*"], ["?artners"], ["accounts/new", "accounts/failed"]),
        (["acc*/new,team=sales"], [], ["accounts/new", "partners/new"]),
        ([], ["accounts/failed, partners"], ["accounts/new"]),
    ],
)
def test_selectors_keep_and_drop_runs(include: list[str], exclude: list[str], kept: list[str]) -> None:
    """By manifest, by run, by label, with `*` and commas; what is excluded stays out."""
    manifests = [ACCOUNTS, PARTNERS]
    found = select_runs(manifests, split_selectors(include, manifests), split_selectors(exclude, manifests))
    assert [f"{manifest.name}/{run.name}" for manifest in found for run in manifest.runs] == kept


@pytest.mark.parametrize(
    "selector",
    ["account", "accounts/fill", "team=x", "team", "owner=gtm", "", "accounts/", "/new", "Acc*", "team=*x", "own*=gtm"],
)
def test_a_selector_that_matches_nothing_is_an_error(selector: str) -> None:
    """Else a typing error would plan nothing, or everything."""
    with pytest.raises(SettingsError, match="matches no run"):
        select_runs([ACCOUNTS, PARTNERS], [selector], [])
    with pytest.raises(SettingsError, match="matches no run"):
        select_runs([ACCOUNTS, PARTNERS], [], [selector])


def test_a_comma_within_a_label_separates_nothing() -> None:
    """Nor is a `*` or a bracket in it anything but itself."""
    odd = replace(PARTNERS, labels={"owners": "ann, bob", "path": "a[1]*"})
    for selector in ("owners=ann, bob", "path=a[1]*"):
        chosen = split_selectors([selector], [ACCOUNTS, odd])
        assert [manifest.name for manifest in select_runs([ACCOUNTS, odd], chosen, [])] == ["partners"]


@pytest.mark.parametrize(
    ("selector", "said", "listed"),
    [
        ("acounts", "did you mean `accounts`?", "The manifests here: accounts, partners."),
        ("accounts/nw", "did you mean `accounts/new`?", "The runs here: accounts/new, accounts/failed, partners/new."),
        ("team=gtn", "did you mean `team=gtm`?", "The labels here: team=gtm, team=sales, tier=1."),
        ("a,,b", "the selectors `a`, ``, `b` match no run", "The manifests here"),
        ("", "an empty selector matches no run", "The manifests here"),
    ],
)
def test_a_wrong_selector_is_answered_with_what_there_is(selector: str, said: str, listed: str) -> None:
    """All wrong ones at once."""
    manifests = [ACCOUNTS, PARTNERS]
    with pytest.raises(SettingsError) as raised:
        select_runs(manifests, split_selectors([selector], manifests), [])
    assert said in raised.value.message
    assert listed in raised.value.hint
