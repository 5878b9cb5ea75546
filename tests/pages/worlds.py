"""Plans for pages: a world in which cells of every kind stand, a table of any size, and one whose names are hostile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from reconciler.documents import plan_file, report_file
from reconciler.documents.forecast_file import forecast_document
from reconciler.documents.ledger_file import spend_document
from reconciler.documents.status_file import status_document
from reconciler.model.attempt import CallResult, Ending, Receipt, Settlement
from reconciler.model.change import ChangeImpact
from reconciler.model.credits import Credits
from reconciler.model.forecast import Forecast, ForecastLine
from reconciler.model.history import Block, CallState, TableHistory
from reconciler.model.ledger_entries import SpendLine, SpendReport
from reconciler.model.limits import Limit, Limits
from reconciler.model.live_snapshot import LiveSnapshot
from reconciler.model.manifest import Manifest, Mode, Rollout
from reconciler.model.observed import TableSnapshot
from reconciler.model.origin import GitState, Origin
from reconciler.model.plan import Plan, Violation, sums
from reconciler.model.report import Report
from reconciler.planning.inputs import PlanInputs, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.status import status_of
from reconciler.spending.approval import Approval
from reconciler.text.digest import digest
from tests.planning.tables_and_manifests import (
    TABLE,
    a_column,
    a_manifest,
    a_past_call,
    a_run,
    a_table,
    column_id,
    plan_settings,
    row_id,
)

PARTNERS = "5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50"
ORIGIN = Origin(
    "2026-11-26T18:00:00Z",
    "1.0.0",
    "https://api.extruct.ai",
    GitState("4f2c9a7b1d3e5f60718293a4b5c6d7e8f9010203", False),
)
KEYS = ["funding", "pricing_notes", "recent_news", "headcount", "tech_stack", "hiring", "pitch", "segment"]
KEYS += ["churn_risk", "owner"]
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202e\u200b\x1b[31m"
HOSTILE_AND_LONG = HOSTILE + "w" * 400


def plan_of(
    manifests: Sequence[Manifest],
    snapshots: Sequence[TableSnapshot],
    histories: Sequence[TableHistory] = (),
    options: PlanOptions | None = None,
) -> Plan:
    """Plan manifests over tables."""
    inputs = PlanInputs(
        manifests, {each.id: each for each in snapshots}, {each.table_id: each for each in histories}, plan_settings()
    )
    return make_plan(inputs, replace(options or PlanOptions(), manifest_digest=digest("manifests"), maps=True))


def busy() -> tuple[Plan, dict[str, Any]]:
    """Return a plan, with its document, over two tables in which every kind of cell stands."""
    chance = Random(17)
    rows = 420
    columns = [a_column(number, key=key) for number, key in enumerate(KEYS, 1)]
    columns[6] = a_column(7, 1, 2, key="pitch")
    columns[7] = a_column(8, 10, key="segment")
    columns[9] = a_column(10, key="owner")
    letters = ["".join(chance.choices("d.fpu", (60, 20, 9, 2, 1), k=rows)) for _ in columns]
    accounts = replace(a_table(columns, letters, missing=range(200, 230)), name="Target Accounts")
    keys = KEYS[:8]
    manifest = replace(
        a_manifest(
            a_run(Mode.NEW, keys, name="fill"),
            a_run(Mode.FAILED, keys[:2], name="retry"),
            a_run(
                Mode.ALL,
                ["churn_risk"],
                [row_id(row) for row in range(400)],
                name="refresh-2026-q4",
                revision="2026-q4",
            ),
            a_run(Mode.FAILED, ["headcount"], name="careful", rollout=Rollout(20, Decimal("0.1"))),
            name="target-accounts",
        ),
        labels={"team": "gtm"},
    )
    doubtful = a_past_call(
        CallState.IN_DOUBT,
        [Block((column_id(1),), tuple(map(row_id, range(40, 64))))],
        settled=False,
        id="9f3c21" + "0" * 26,
    )
    spent = a_past_call(CallState.ACCEPTED, [Block((column_id(3),), tuple(map(row_id, range(300, 340))))], id="b" * 32)
    failed = [row for row, letter in enumerate(letters[3]) if letter == "f" and row not in range(200, 230)][:20]
    tried = a_past_call(
        CallState.ACCEPTED, [Block((column_id(4),), tuple(map(row_id, failed)))], mode=Mode.FAILED, id="c" * 32
    )
    history = TableHistory(
        TABLE, 3, (replace(doubtful, address="target-accounts/fill", credits=Decimal(24)), spent, tried)
    )
    partners = replace(
        a_table(
            [a_column(1, key="summary"), a_column(2, 1, key="fit")],
            ["d" * 50 + "." * 30, "d" * 40 + "p" * 10 + "." * 30],
            table=PARTNERS,
            run_status="running",
            in_progress=10,
        ),
        name="Partners",
    )
    other = replace(
        a_manifest(a_run(Mode.NEW, name="fill"), name="partners", table=PARTNERS), labels={"team": "alliances"}
    )
    world = ([manifest, other], [accounts, partners], [history])
    before = plan_of(*world)
    known = Approval.of_calls([call for call in before.calls if call.mode is not Mode.ALL])
    plan = plan_of(*world, PlanOptions(anyway=known))
    limits = Limits(Limit(Decimal(1000), "reconciler.yaml:9 (spec.limits.max_credits)"), None)
    caused = [call for call in plan.calls if call.mode is Mode.ALL]
    rest = [call for call in plan.calls if call.mode is not Mode.ALL]
    against = ChangeImpact("origin/main", (), sums(1, caused), sums(1, rest), sums(0, ()))
    violation = Violation(
        "max_credits", "1,171 credits are due and the limit is 1,000", "reconciler.yaml:9", Decimal(1171), Decimal(1000)
    )
    return plan, plan_file.document(plan, ORIGIN, [violation], limits=limits, against=against)


def a_snapshot() -> LiveSnapshot:
    """Return a look at one table, with a call in doubt, and at one that could not be read."""
    chance = Random(5)
    letters = ["".join(chance.choices("d.fpuqi", (50, 20, 9, 2, 1, 1, 1), k=300)) for _ in range(6)]
    table = a_table([a_column(number, key=KEYS[number]) for number in range(1, 7)], letters)
    doubtful = a_past_call(CallState.IN_DOUBT, [Block((column_id(1),), (row_id(3), row_id(4)))], settled=False)
    unread = {PARTNERS: ("the API answered 503", "Try again.")}
    histories = {TABLE: TableHistory(TABLE, 1, (doubtful,))}
    return LiveSnapshot("2026-11-26T18:00:00Z", "1.0.0", ORIGIN.base_url, {TABLE: table}, histories, unread)


def a_report() -> dict[str, Any]:
    """Return the report of an apply of which one call is in doubt, one was refused, and cells failed."""
    plan, _ = busy()
    receipt = Receipt("5f0c8f52-3a53-4f0c-9d0e-6b1c2d3e4f50", None)
    endings = [Ending(CallState.ACCEPTED, receipt=receipt) for _ in plan.calls]
    endings[1] = Ending(CallState.IN_DOUBT, "no answer after 30 s")
    endings[2] = Ending(CallState.REFUSED, "the API said no", 422)
    results = tuple(
        CallResult(call, ending, settlement=Settlement(call.cells - 2, 1, 1) if ending.receipt else None)
        for call, ending in zip(plan.calls, endings, strict=True)
    )
    return report_file.document(Report(f"sha256:{'0' * 64}", results, waited=True, in_doubt=plan.in_doubt), 7)


def a_status() -> dict[str, Any]:
    """Return the status of the busy plan."""
    return status_document(status_of(busy()[0]), "2026-11-26T18:00:00Z")


def a_forecast() -> dict[str, Any]:
    """Return a forecast of ninety days: a quiet manifest, and one with hostile labels whose price is unknown."""
    start = datetime(2026, 11, 26, 18, tzinfo=UTC)
    weekly = tuple(420 if day % 7 == 4 else 0 for day in range(91))
    daily = tuple(37 + day for day in range(91))
    lines = (
        ForecastLine("target-accounts", {"team": "gtm"}, a_column(1, key="funding"), Decimal("0.5"), weekly),
        ForecastLine("partners", {HOSTILE: HOSTILE}, a_column(2, key=HOSTILE), None, daily),
    )
    return forecast_document(Forecast(start, start + timedelta(days=90), lines, {"age_unknown": 1200}))


def a_spending() -> dict[str, Any]:
    """Return what was spent by table: one with doubts, one with a price that is not known."""
    lines = (
        SpendLine("t1", 2, 40, Credits(Decimal(80)), 1, 5, Credits(Decimal(5)), 30, 6, "accounts"),
        SpendLine("t2", 1, 10, Credits(Decimal("0.5"), 9), 0, 0, Credits(), 4, 1, HOSTILE),
    )
    total = SpendLine("", 3, 50, Credits(Decimal("80.5"), 9), 1, 5, Credits(Decimal(5)), 34, 7)
    return spend_document(SpendReport(lines, total), "table", 1_790_000_000.0, None)


def large(rows: int, columns: int) -> tuple[Plan, dict[str, Any]]:
    """Return a plan over one table of that size."""
    chance = Random(3)
    letters = ["".join(chance.choices("d.f", (70, 25, 5), k=rows)) for _ in range(columns)]
    table = a_table([a_column(number + 1) for number in range(columns)], letters)
    plan = plan_of([a_manifest(a_run(Mode.NEW, name="fill"), a_run(Mode.FAILED, name="retry"))], [table])
    return plan, plan_file.document(plan, ORIGIN)


def hostile(name: str = HOSTILE) -> tuple[Plan, dict[str, Any]]:
    """Return a plan in which every name tries to break out of the page."""
    table = replace(a_table([a_column(1, key=name), a_column(2, 1, key="${x}`")], ["..d", "..."]), name=name)
    manifest = replace(a_manifest(a_run(Mode.NEW, name=name), name=name), labels={name: name})
    plan = plan_of([manifest], [table])
    content = plan_file.document(plan, ORIGIN)
    content["created_at"] = HOSTILE
    return plan, content


def hostile_report() -> dict[str, Any]:
    """Return a report of such names, whose service answers in kind: one call refused, one in doubt."""
    plan, _ = hostile(HOSTILE_AND_LONG)
    endings = [
        Ending(CallState.REFUSED, HOSTILE_AND_LONG, 422),
        Ending(CallState.IN_DOUBT, HOSTILE_AND_LONG),
    ]
    results = tuple(CallResult(call, ending) for call, ending in zip(plan.calls, endings, strict=True))
    return report_file.document(Report(HOSTILE, results, waited=True, in_doubt=plan.in_doubt), 7)


def hostile_status() -> dict[str, Any]:
    """Return the status of a table of such names."""
    return status_document(status_of(hostile(HOSTILE_AND_LONG)[0]), HOSTILE)
