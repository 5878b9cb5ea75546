"""Reading the memory back: for planning, and for people."""

from collections.abc import Collection, Iterator

from sqlalchemy import ColumnElement, Select, false, select

from reconciler.errors import LedgerError
from reconciler.ledger import approvals, checkpoints, codec
from reconciler.ledger.extents import PAST, SHAPE, WITH_ROWS, WITH_SHAPES
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import LEDGER_ID, calls, meta, tables
from reconciler.model.checkpoint import Checkpoint
from reconciler.model.history import CallState, PastCall, TableHistory
from reconciler.model.ledger_entries import CallFilter, CallRecord
from reconciler.model.plan import Reason
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

SHORTEST_PREFIX = 4
_WHERE = (
    "`reconciler ledger list` shows the calls. One that was archived stands in the archive's file, and `reconciler "
    "ledger import FILE` brings it back."
)
_BATCH = 500
_STREAMED = 100
"""Calls in memory at once as rows: each may be 100 KB of ids."""

_BOUGHT = [CallState.ACCEPTED.value, CallState.INTENT.value, CallState.IN_DOUBT.value]
_LISTED = (*(each for each in calls.c if each.name not in ("row_set", "covered")), *SHAPE)


def recall(tx: Transaction, table_ids: Collection[str], plan_id: str = "") -> dict[str, TableHistory]:
    """Return the history of every table asked for, also of those the ledger has never seen.

    Of each, its checkpoint and the calls that are not in it: so it costs what happened lately, however old the ledger.
    """
    moment = tx.moment()
    wanted = sorted(set(table_ids))
    found: dict[str, list[PastCall]] = {}
    versions: dict[str, int] = {}
    checkpoint: dict[str, Checkpoint] = {}
    folded: dict[str, tuple[PastCall, ...]] = {}
    known: dict[bytes, tuple[str, ...]] = {}
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        rows = tx.execute(select(tables.c.table_id, tables.c.version).where(tables.c.table_id.in_(batch)))
        versions.update((row.table_id, row.version) for row in rows)
        checkpoint.update(checkpoints.read(tx, batch, moment))
        if plan_id:
            rows_of = {id_: each.rows for id_, each in checkpoint.items()}
            folded.update(approvals.under(tx, plan_id, batch, rows_of))
        query = (
            select(*PAST)
            .select_from(WITH_ROWS)
            .where(calls.c.table_id.in_(batch), calls.c.folded == false(), calls.c.state.in_(_BOUGHT))
            .order_by(calls.c.table_id, calls.c.table_version)
        )
        for row in tx.stream(query, _STREAMED):
            found.setdefault(row.table_id, []).append(codec.past_call(row, moment, known))
    own = ledger_id(tx)
    none = Checkpoint()
    return {
        id_: TableHistory(
            table_id=id_,
            version=versions.get(id_, 0),
            calls=tuple(found.get(id_, ())),
            recalled_at=moment.now,
            ledger_id=own,
            checkpoint=checkpoint.get(id_, none),
            folded=folded.get(id_, ()),
        )
        for id_ in wanted
    }


def ledger_id(tx: Transaction) -> str:
    """Return the ledger's own id; empty if there is no ledger yet."""
    return tx.execute(select(meta.c.value).where(meta.c.key == LEDGER_ID)).scalar() or ""


def past(tx: Transaction, call_id: str) -> PastCall:
    """Return one call with the cells it covered, whatever its state. Raises LedgerError."""
    row = tx.execute(select(*PAST, calls.c.folded).select_from(WITH_ROWS).where(calls.c.id == call_id)).first()
    if row is None:
        raise LedgerError(
            f"there is no call {call_id} in the ledger",
            hint=_WHERE,
            code=Code.NO_SUCH_CALL,
        )
    listed = checkpoints.listed_rows(tx, [row.table_id]) if row.folded else {}
    return codec.past_call(row, tx.moment(), {}, listed.get(row.table_id, ()))


def find(tx: Transaction, prefix: str) -> CallRecord:
    """Return the one call whose id starts with `prefix`. Raises LedgerError."""
    wanted = prefix.strip().lower()
    if len(wanted) < SHORTEST_PREFIX:
        raise LedgerError(
            f"{prefix!r} is too short for a call's id",
            hint=f"Give at least {SHORTEST_PREFIX} characters.",
            code=Code.NO_SUCH_CALL,
        )
    rows = tx.execute(
        select(*_LISTED)
        .select_from(WITH_SHAPES)
        .where(calls.c.id.startswith(wanted, autoescape=True))
        .order_by(calls.c.id)
        .limit(11)
    ).all()
    exact = [row for row in rows if row.id == wanted]
    if len(exact or rows) == 1:
        return codec.call_record((exact or rows)[0], tx.moment())
    if not rows:
        raise LedgerError(
            f"no call's id starts with {prefix!r}",
            hint=_WHERE,
            code=Code.NO_SUCH_CALL,
        )
    names = [f"{row.id} ({one_line(row.address)}, {row.state.replace('_', ' ')})" for row in rows[:10]]
    more = "\nand more" if len(rows) > 10 else ""
    raise LedgerError(
        f"several calls' ids start with {prefix!r}:\n" + "\n".join(names) + more,
        hint="Give more characters.",
        code=Code.NO_SUCH_CALL,
    )


def listed(tx: Transaction, wanted: CallFilter, *, by_column: bool = False) -> list[CallRecord]:
    """Return calls, the newest attempt first; `by_column`: each with its cells by column."""
    query = (
        select(*_LISTED, *((calls.c.covered,) if by_column else ()))
        .select_from(WITH_SHAPES)
        .order_by(calls.c.begun_at.desc(), calls.c.table_id, calls.c.table_version.desc())
    )
    matching: list[CallRecord] = []
    if wanted.limit is not None and wanted.limit <= 0:
        return matching
    for record in _records(tx, query.where(*_of_what(wanted), *_from_when(wanted))):
        if wanted.label is None or has_label(record, wanted.label):
            matching.append(record)
            if len(matching) == wanted.limit:
                break
    return matching


def _of_what(wanted: CallFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.table_id is not None:
        yield calls.c.table_id == wanted.table_id
    if wanted.address is not None:
        below = calls.c.address.startswith(f"{wanted.address}/", autoescape=True)
        yield (calls.c.address == wanted.address) | below
    if wanted.states is not None:
        yield calls.c.state.in_([state.value for state in wanted.states])
    if wanted.adopted is not None:
        yield (calls.c.reason == Reason.ADOPTED.value) == wanted.adopted
    if wanted.settled is not None:
        yield calls.c.settled_at.is_not(None) if wanted.settled else calls.c.settled_at.is_(None)
    if wanted.plan_id is not None:
        yield calls.c.plan_id == wanted.plan_id


def _from_when(wanted: CallFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield calls.c.begun_at >= wanted.since
    if wanted.until is not None:
        yield calls.c.begun_at < wanted.until


def has_label(record: CallRecord, label: str) -> bool:
    """Say whether a call has the label `key`, or `key=value`."""
    key, equals, value = label.partition("=")
    return key in record.labels and (not equals or record.labels[key] == value)


def _records(tx: Transaction, query: Select[tuple[object, ...]]) -> Iterator[CallRecord]:
    moment = tx.moment()
    with tx.stream(query, 1000) as result:
        for row in result:
            yield codec.call_record(row, moment)
