"""A manifest's runs over a live table, with their names resolved to columns and rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.model import condition
from reconciler.model.manifest import ByTag, Manifest, Mode, NameAt, Run, Selection
from reconciler.model.observed import Column, TableSnapshot
from reconciler.model.row_filter import unknown_columns
from reconciler.model.row_set import RowSet
from reconciler.text.codes import Code
from reconciler.text.location import Diagnostic, Location
from reconciler.text.phrases import did_you_mean
from reconciler.text.sanitize import one_line


@dataclass(frozen=True, slots=True)
class Scope:
    """One run over one live table."""

    manifest: Manifest
    run: Run
    columns: tuple[Column, ...]
    """Output columns, in the table's order."""
    rows: RowSet

    @property
    def address(self) -> str:
        """`manifest/run`."""
        return f"{self.manifest.name}/{self.run.name}"


def scopes(
    manifests: Sequence[Manifest], snapshot: TableSnapshot, row_index: Mapping[str, int]
) -> tuple[list[Scope], list[Diagnostic]]:
    """Resolve every run of `manifests`, all of which name this table.

    Returns the scopes, `all` before the other modes and otherwise in document order, and a problem for each name that
    the table does not have and each condition that was not evaluated when its rows were read.
    """
    found: list[Scope] = []
    problems: list[Diagnostic] = []
    columns = _Columns(snapshot)
    claimed: dict[str, Manifest] = {}
    for manifest in manifests:
        before = len(problems)
        for run in manifest.runs:
            chosen = columns.resolve(run, problems)
            rows = _rows(run, row_index, snapshot, problems)
            found.append(Scope(manifest, run, chosen, rows))
            problems.extend(_claims(manifest, run, chosen, claimed))
        if isinstance(manifest.source, ByTag):
            # The same line may be correct for the tag's other tables.
            name = f"{_quoted(snapshot.name)}: "
            problems[before:] = [replace(each, message=name + each.message) for each in problems[before:]]
    found.sort(key=lambda scope: scope.run.mode is not Mode.ALL)
    return found, problems


class _Columns:
    """A table's columns by the names that a manifest may use."""

    def __init__(self, snapshot: TableSnapshot) -> None:
        self._columns = snapshot.columns
        self._outputs = tuple(column for column in snapshot.columns if not column.is_input)

    @cached_property
    def _order(self) -> Mapping[str, int]:
        return {column.id: index for index, column in enumerate(self._columns)}

    @cached_property
    def _by_id(self) -> Mapping[str, Column]:
        return {column.id: column for column in self._columns}

    @cached_property
    def _by_key(self) -> Mapping[str, Column]:
        return {column.key: column for column in self._columns}

    def resolve(self, run: Run, problems: list[Diagnostic]) -> tuple[Column, ...]:
        """Return the run's columns, adding a problem for each name that is not an output column."""
        if run.columns is None:
            return tuple(column for column in self._outputs if column.is_meant_by_silence)
        chosen: dict[str, Column] = {}
        for named in run.columns:
            # An id wins over a key: a key that looks like another column's id must not receive that column's calls.
            column = self._by_id.get(named.text.lower()) or self._by_key.get(named.text)
            if column is None:
                problems.append(self._unknown(named))
            elif column.is_input:
                message = f"column {_quoted(named.text)} is an input column; input cells are never run"
                problems.append(Diagnostic(named.location, Code.INPUT_COLUMN, message, "Remove it from `columns`."))
            elif column.id in chosen:
                problems.append(
                    Diagnostic(
                        named.location,
                        Code.COLUMN_NAMED_TWICE,
                        f"column {_quoted(named.text)} is named twice, by key and by id",
                    )
                )
            else:
                chosen[column.id] = column
        return tuple(sorted(chosen.values(), key=lambda column: self._order[column.id]))

    def _unknown(self, named: NameAt) -> Diagnostic:
        message = f"the table has no column {_quoted(named.text)}"
        guess = did_you_mean(named.text, [column.key for column in self._outputs])
        if guess:
            return Diagnostic(named.location, Code.UNKNOWN_COLUMN, message + guess)
        keys = ", ".join(_quoted(column.key) for column in self._outputs[:10])
        return Diagnostic(named.location, Code.UNKNOWN_COLUMN, message, f"Its output columns are {keys or 'none'}.")


def columns_of(run: Run, snapshot: TableSnapshot) -> tuple[Column, ...]:
    """Return a run's columns, ignoring names that the table does not have."""
    return _Columns(snapshot).resolve(run, [])


def _rows(run: Run, row_index: Mapping[str, int], snapshot: TableSnapshot, problems: list[Diagnostic]) -> RowSet:
    if run.selection is not None:
        return _selected(run.selection, snapshot, problems)
    if run.rows is None:
        return RowSet.every(len(snapshot.row_ids))
    known = []
    for named in run.rows:
        index = row_index.get(named.text)
        if index is None:
            problems.append(
                Diagnostic(
                    named.location, Code.UNKNOWN_ROW, f"the table has no row {_quoted(named.text)}", "Was it deleted?"
                )
            )
        else:
            known.append(index)
    return RowSet.of_indexes(known, len(snapshot.row_ids))


def _selected(selection: Selection, snapshot: TableSnapshot, problems: list[Diagnostic]) -> RowSet:
    """Return the rows that meet a selection; none, and a problem, if that cannot be told."""
    count = len(snapshot.row_ids)
    rows = RowSet.every(count)
    if selection.where is not None:
        unknown = unknown_columns(selection.where, snapshot.columns)
        flags = snapshot.matches.get(condition.key(selection.where))
        problems += unknown
        if flags is None and not unknown:
            # Only in a snapshot taken for other manifests: a live read evaluates every condition of its manifests.
            message = "the snapshot does not say which rows meet this condition"
            hint = "It holds the conditions of the manifests it was taken with; plan from the live tables instead."
            problems.append(Diagnostic(selection.location, Code.NOT_IN_SNAPSHOT, message, hint))
        if flags is None or unknown:
            return RowSet.none(count)
        rows = RowSet.of_flags(flags)
    return rows if selection.limit is None else rows.first(selection.limit)


def _claims(
    manifest: Manifest, run: Run, columns: Iterable[Column], claimed: dict[str, Manifest]
) -> Iterable[Diagnostic]:
    """Yield columns that two manifests claim, one by key and one by id; only the live table can show that."""
    for column in columns:
        owner = claimed.setdefault(column.id, manifest)
        if owner is not manifest:
            location = _place_of(run, column)
            message = f"column {_quoted(column.key)} of this table is claimed by `{owner.name}` too ({owner.location})"
            yield Diagnostic(
                location, Code.COLUMN_CLAIMED_TWICE, message, "Each table and column belongs to one manifest."
            )


def _place_of(run: Run, column: Column) -> Location:
    for named in run.columns or ():
        if named.text in (column.key, column.id):
            return named.location
    return run.location


def _quoted(text: str) -> str:
    return f"`{one_line(text)}`"
