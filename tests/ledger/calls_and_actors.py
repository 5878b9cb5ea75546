"""Calls, actors and endings as the tests of the ledger need them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import event

from reconciler.ledger import Lease, Ledger
from reconciler.model.attempt import Actor, Ended, Ending, Intent, Receipt, Ticket
from reconciler.model.history import Block, CallState
from reconciler.model.manifest import Mode
from reconciler.model.plan import Call, Reason

TABLE = "0a1a669a-9a40-497c-bb00-d49dd8ee5b74"
OTHER_TABLE = "11111111-2222-4333-8444-555555555555"
ALICE = Actor("alice@laptop", None, "abc1234")
ROBOT = Actor("ci", "https://ci.example/runs/7", "def5678")
CONFIG = "sha256:" + "0" * 64


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def a_call(
    number: int = 1,
    *,
    table: str = TABLE,
    columns: Sequence[str] = ("c1",),
    rows: Sequence[str] = ("r1", "r2", "r3"),
    covered: Sequence[Block] | None = None,
    address: str = "accounts/fill",
    mode: Mode = Mode.NEW,
    revision: str | None = None,
    credits: Decimal | None = Decimal(3),  # noqa: A002 - the field's name
) -> Call:
    """Return a call whose id ends in `number`."""
    blocks = (Block(tuple(columns), tuple(rows)),) if covered is None else tuple(covered)
    return Call(
        id=f"{number:032x}",
        address=address,
        table_id=table,
        mode=mode,
        revision=revision,
        columns=tuple(columns),
        column_keys=tuple(f"key_{column}" for column in columns),
        rows=tuple(rows),
        cells=sum(block.cells for block in blocks),
        credits=credits,
        reason=Reason.CELLS_EMPTY,
        covered=blocks,
        before={column: ("0",) * len(block.rows) for block in blocks for column in block.columns},
        configs=dict.fromkeys(columns, CONFIG),
    )


def begin(
    ledger: Ledger,
    call: Call,
    *,
    version: int | None = None,
    actor: Actor = ALICE,
    labels: Mapping[str, str] | None = None,
    plan_id: str = "sha256:plan",
    lease: Lease | None = None,
    ended: Ended | None = None,
) -> Ticket:
    """Begin `call` at the table's present version, unless another is given."""
    if version is None:
        version = ledger.recall([call.table_id])[call.table_id].version
    labels = {"team": "gtm"} if labels is None else labels
    return ledger.begin(Intent(call, plan_id, actor, labels, version, ended), lease=lease)


def accepted(run_id: str = "run-1", requested: int | None = 3) -> Ending:
    """Return the ending of a call that was paid for."""
    return Ending(CallState.ACCEPTED, "200 OK", 200, Receipt(run_id, requested))


def ended(state: CallState, detail: str = "said so") -> Ending:
    """Return an ending; `accepted()` makes the one with a receipt."""
    return accepted() if state is CallState.ACCEPTED else Ending(state, detail)


def state_of(ledger: Ledger, call: Call) -> tuple[CallState, int]:
    """Return a call's state and its newest attempt."""
    record = ledger.find(call.id)
    return record.state, record.attempt


def kinds(ledger: Ledger, call: Call) -> list[tuple[str, int | None]]:
    """Return what happened to a call: kind and attempt, oldest first."""
    return [(event.kind.value, event.attempt) for event in ledger.events(call.id)]


def before_statement(ledger: Ledger, statement: str, then: Callable[[], object]) -> None:
    """Run `then` once, between two statements of one of the ledger's transactions: before the one that begins so."""
    done: list[bool] = []
    engine = ledger._store._engine

    def look(text: str) -> None:
        if text.startswith(statement) and not done:
            done.append(True)
            then()

    if engine.dialect.name == "sqlite":
        # SQLAlchemy does not see all of them.
        reconnect(ledger)
        event.listen(engine, "checkout", lambda driver, *_: driver.set_trace_callback(look))
    else:
        event.listen(engine, "before_cursor_execute", lambda _, __, text, *___: look(text))


def reconnect(ledger: Ledger) -> None:
    """Close the connections of a handle on an SQLite ledger; its next operation opens others."""
    writer = ledger._store._writer
    assert writer is not None
    writer.close()
    ledger._store._engine.dispose()
