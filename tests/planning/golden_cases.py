"""The scenarios in `tests/planning/cases`: files that people read, turned into what a plan is made from.

A scenario is a folder. `manifest.yaml` and `project.yaml` are what a user writes. `tables.json` holds live tables:

    {"tables": [{"columns": {"input": "input", "news": {"kind": "agent", "after": ["input"]}},
                 "rows": ["done empty", "3 x failed empty", "missing: empty empty"]}]}

A table may have `tags`, and `children`, ids of tables: a manifest may find it by name, by tag, or as a child.
`columns` goes by key; a row holds one word for each output column, perhaps a count before them, and `missing:` where
its inputs are. `values` goes by key and holds what each row's cell does, null for nothing, for manifests that ask.
`unreadable` holds what the API said instead, by table id. `ledger.json` is a list of calls, whose rows
go by number from 1; a column that was deleted since is a number too. `flags.json` holds `--target` and `--exclude`, and
`now`, when the ledger is recalled; for projects with budgets `spent`, by rule, and `last_applies`, by manifest.

`plan.txt` and `plan.json` are what comes of it; digests stand in `digests.json` beside the scenarios alone.
"""

import json
from collections.abc import Iterable
from contextlib import chdir
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciler.documents import plan_file
from reconciler.errors import ApiError, BadResponse
from reconciler.ledger import budget_windows
from reconciler.manifests.yaml_reader import read_documents
from reconciler.model.answer_filter import answer_filters
from reconciler.model.budget import BudgetUse, Spent
from reconciler.model.condition import Condition
from reconciler.model.history import Block, CallState, PastCall, TableHistory
from reconciler.model.limits import Limits
from reconciler.model.manifest import Manifest, Mode
from reconciler.model.observed import CellState, Column, ListedTable, TableHeader, TableSnapshot
from reconciler.model.origin import Origin
from reconciler.model.plan import Plan, Violation
from reconciler.model.row_filter import row_filters
from reconciler.operations import observe
from reconciler.operations.forecast import with_forecast
from reconciler.operations.observe import Observation
from reconciler.planning.first_portions import asked_answers
from reconciler.settings.project_file import DEFAULT_PROJECT, project_of
from reconciler.settings.settings import Settings
from reconciler.spending.doubt import judge
from reconciler.spending.limits_check import check_limits, counted_in_budgets
from reconciler.text.digest import short_digest
from tests.planning.tables_and_manifests import TABLE, column_id, config, row_id

CASES = Path(__file__).parent / "cases"
ORIGIN = Origin("2026-01-01T00:00:00Z", "1.0.0", "https://api.extruct.ai")
"""When and by which version the plan file of a scenario is made."""
BEFORE = {Mode.NEW: "empty", Mode.FAILED: "failed", Mode.ALL: "done"}
"""The marks of a call's cells before it, unless its scenario says otherwise."""


@dataclass(frozen=True)
class Case:
    """One scenario, read."""

    plan: Plan
    limits: Limits
    violations: tuple[Violation, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The content of the plan file."""
        return plan_file.document(self.plan, ORIGIN, self.violations)


@dataclass
class _Live:
    """The live side of a scenario."""

    snapshots: dict[str, TableSnapshot] = field(default_factory=dict)
    unreadable: dict[str, ApiError] = field(default_factory=dict)


def read_case(name: str) -> Case:
    """Plan a scenario in its folder, so that places name its files as a user would."""
    with chdir(CASES / name):
        return _planned()


def _planned() -> Case:
    file = Path("project.yaml") if Path("project.yaml").exists() else None
    project = DEFAULT_PROJECT if file is None else project_of(read_documents(file), file.name)
    settings = Settings(project, Path(), project.limits, file, named_ledger="not read")
    flags = _json(Path("flags.json"), {})
    wanted = observe.load(settings, ["manifest.yaml"], flags.get("target", ()), flags.get("exclude", ()))
    described = _json(Path("tables.json"), {})
    live = _live(described, wanted.every)
    wanted = observe.resolve(wanted, _Workspace(described, live))
    now = datetime.fromisoformat(flags.get("now", "2026-01-01T00:00:00Z")).timestamp()
    quiet = project.api.spend.quiet_seconds
    recalled = _histories(_json(Path("ledger.json"), []), live)
    histories = {
        table: judge(replace(recalled.get(table, TableHistory(table)), recalled_at=now), seen, quiet)[0]
        for table, seen in live.snapshots.items()
    }
    values = {each.get("id", TABLE): each.get("values", {}) for each in described["tables"]}
    snapshots = {
        table: _looked_at(seen, wanted.manifests, histories[table], values[table])
        for table, seen in live.snapshots.items()
    }
    observation = Observation(snapshots, histories, (), live.unreadable)
    plan = with_forecast(observe.plan(replace(wanted, maps=True), observation, settings), observation)
    plan = _with_spent(plan, project.limits, flags, now)
    return Case(plan, project.limits, check_limits(plan, project.limits, None))


def _with_spent(plan: Plan, limits: Limits, flags: Any, now: float) -> Plan:
    """Return the plan with what a ledger would say was spent."""
    counted = counted_in_budgets(plan, limits, None)
    spent = {rule: Decimal(amount) for rule, amount in flags.get("spent", {}).items()}
    uses = [
        BudgetUse(
            budget,
            budget_windows.window(budget.period, budget.timezone, now),
            Spent(int(spent.get(budget.rule, 0)), spent.get(budget.rule, Decimal(0))),
        )
        for budget in counted.budgets()
    ]
    last = {name: tuple(map(Decimal, credits_)) for name, credits_ in flags.get("last_applies", {}).items()}
    return replace(plan, budgets=counted.used(uses), last_applies=last)


def _json(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def _live(described: Any, manifests: tuple[Manifest, ...]) -> _Live:
    runs = [run for manifest in manifests for run in manifest.runs]
    asked = [run.selection.where for run in runs if run.selection is not None and run.selection.where is not None]
    tables = [_asked(_table(table), asked, table.get("values", {})) for table in described["tables"]]
    unreadable = described.get("unreadable", {})
    return _Live(
        {table.id: table for table in tables},
        {table: ApiError(said["message"], hint=said.get("hint", "")) for table, said in unreadable.items()},
    )


class _Workspace:
    """The workspace of a scenario, as a lister sees it: all are in the list but those that are another's child."""

    def __init__(self, described: Any, live: _Live) -> None:
        self._tables = {table.get("id", TABLE): table for table in described["tables"]}
        self._live = live

    def list_tables(self) -> tuple[ListedTable, ...]:
        """Return the root tables."""
        children = {child for table in self._tables.values() for child in table.get("children", ())}
        return tuple(
            ListedTable(each.id, each.name, each.kind, tuple(self._tables[each.id].get("tags", ())))
            for each in self._live.snapshots.values()
            if each.id not in children
        )

    def read_headers(self, table_ids: Iterable[str]) -> dict[str, TableHeader | ApiError]:
        """Return a table's header, or what the API says of one that is not there."""
        return {table: self._header(table) for table in table_ids}

    def _header(self, table: str) -> TableHeader | ApiError:
        found = self._live.snapshots.get(table)
        if found is None:
            return self._live.unreadable.get(table, BadResponse("there is no such table"))
        return TableHeader(table, found.name, found.kind, found.columns, tuple(self._tables[table].get("children", ())))


def _table(described: Any) -> TableSnapshot:
    columns = _columns(described["columns"])
    outputs = [column for column in columns if not column.is_input]
    missing: list[bool] = []
    cells: list[list[CellState]] = []
    for row in described["rows"]:
        times, _, words = row.rpartition(" x ")
        lacks, _, states = words.rpartition(": ")
        for _ in range(int(times or 1)):
            missing.append(lacks == "missing")
            cells.append([_state(state, described) for state in states.split()])
    states = {column.id: bytes(row[index] for row in cells) for index, column in enumerate(outputs)}
    return TableSnapshot(
        id=described.get("id", TABLE),
        name=described.get("name", "Target Accounts"),
        kind="company",
        run_status=described.get("run_status", "idle"),
        header_in_progress=described.get("cells_in_progress", 0),
        columns=columns,
        row_ids=tuple(row_id(number) for number in range(1, len(cells) + 1)),
        missing_inputs=bytes(missing),
        states=states,
    )


def _asked(table: TableSnapshot, conditions: list[Condition], values: dict[str, list[Any]]) -> TableSnapshot:
    found = row_filters(conditions, table.columns)
    return replace(table, matches={each.key: each.flags(values, len(table.row_ids)) for each in found})


def _looked_at(
    table: TableSnapshot, manifests: Iterable[Manifest], history: TableHistory, values: dict[str, list[Any]]
) -> TableSnapshot:
    """Return the table with the answers looked at that first portions ask for; none of them has a source."""
    own = [manifest for manifest in manifests if manifest.table_id == table.id]
    ids = {column.key: column.id for column in table.columns}
    unknown = [None] * len(table.row_ids)
    found = {
        each.key: bytes(
            state in (CellState.DONE, CellState.DONE_WITHOUT_VALUE) and each.is_met((answer, 0))
            for state, answer in zip(table.states[ids[each.column]], values.get(each.column) or unknown, strict=True)
        )
        for each in answer_filters(asked_answers(own, history, whole=False), table.columns)
    }
    return replace(table, matches={**table.matches, **found})


def _state(word: str, table: Any) -> CellState:
    """A word is a state's name; `pending` is what the reader makes of it (`model/observed.py`)."""
    if table.get("run_status", "idle") == "idle" and word.startswith("pending"):
        return CellState.UNKNOWN if word == "pending-with-value" else CellState.PENDING_IDLE
    return CellState.PENDING if word.startswith("pending") else CellState[word.upper().replace("-", "_")]


def _columns(described: dict[str, Any]) -> tuple[Column, ...]:
    told = {key: {"kind": column} if isinstance(column, str) else column for key, column in described.items()}
    ids = {key: column_id(number) for number, key in enumerate(told, 1)}
    return tuple(
        Column(
            id=ids[key],
            key=key,
            name=key.replace("_", " ").title(),
            kind=column.get("kind", "agent"),
            upstream=tuple(ids[other] for other in column.get("after", ())),
            config_digest=config(column.get("config", "1")),
        )
        for key, column in told.items()
    )


def _histories(described: list[Any], live: _Live) -> dict[str, TableHistory]:
    calls: dict[str, list[PastCall]] = {}
    for number, call in enumerate(described, 1):
        table = live.snapshots[call.get("table", TABLE)]
        calls.setdefault(table.id, []).append(_past_call(call, table, number))
    return {table: TableHistory(table, len(found), tuple(found)) for table, found in calls.items()}


def _past_call(described: Any, table: TableSnapshot, number: int) -> PastCall:
    mode = Mode(described["mode"])
    by_key = {column.key: column for column in table.columns}
    chosen = [by_key[key].id if key in by_key else column_id(int(key)) for key in described["columns"]]
    first, _, last = str(described["rows"]).partition("-")
    rows = tuple(row_id(row) for row in range(int(first), int(last or first) + 1))
    before = str(CellState[described.get("before", BEFORE[mode]).upper()].value)
    return PastCall(
        id=short_digest(number),
        table_id=table.id,
        mode=mode,
        revision=described.get("revision"),
        state=CallState(described["state"]),
        attempt=1,
        settled=described.get("settled", described["state"] == "accepted"),
        covered=(Block(tuple(chosen), rows),),
        configs=dict.fromkeys(chosen, config(described.get("config", "1"))),
        before=dict.fromkeys(chosen, (before,) * len(rows)),
        age_seconds=described.get("age_seconds", 86400.0),
        address=described.get("address", "target-accounts/fill"),
        credits=Decimal(len(chosen) * len(rows)),
        actor=described.get("actor", ""),
    )
