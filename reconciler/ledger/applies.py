"""Applies that workers carry out: their units, who is at work on which, and whether an apply was stopped.

A unit's row alone says when it is looked at next; whatever moves work between machines may lose a message or deliver it
twice. Who looks at a unit claims it first, and writes down what came of it only if the claim is still its own. Claims
save work: it is leases, versions and approvals that keep a cell from being bought twice.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, literal, select, text, tuple_, update

from reconciler.errors import Corrupt, LedgerError, Stopped
from reconciler.ledger import balances, codec, sent
from reconciler.ledger.prepared import Prepared
from reconciler.ledger.store import Store, Transaction
from reconciler.ledger.tables import POSTGRES_SCHEMA, applies, calls, units
from reconciler.model.attempt import Actor, CallResult, Stop, StopCause
from reconciler.model.balance import BalanceRecord
from reconciler.model.history import CallState
from reconciler.model.submitted import FORMAT, ApplyProgress, Phase, SubmittedApply, Unit, UnitOutcome
from reconciler.text.sanitize import one_line

_BATCH = 100
_BATCH_BYTES = 8 * 1024**2
_START_OF_ID = re.compile(r"[0-9a-f]{4,32}")
_OVERDUE_SECONDS = 15.0
"""A look that is due for longer is one that no worker takes."""
_OPEN = (Phase.QUEUED.value, Phase.WAITING.value)
_STOP = Prepared(
    select(applies.c.stop_cause, applies.c.stop_message, applies.c.stop_hint)
    .where(applies.c.id == bindparam("apply"))
    .with_for_update(read=True)
)
_UNIT = (
    *(units.c[name] for name in ("apply_id", "number", "table_ids", "content", "phase", "tries", "tail", "owner")),
)
_UNIT_LIGHT = (*(each for each in _UNIT if each.name != "content"), literal(b"").label("content"))
_KEY = (units.c.apply_id, units.c.number)
_is_open = units.c.phase.in_(_OPEN)
_is_in_hand = (units.c.phase == Phase.WAITING.value) | units.c.owner.is_not(None)
_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtext('end of an apply'), hashtext(:apply))")
# One statement for all units: there may be thousands, and a statement for one costs as much as one for all.
_TO_TAKE = (
    "units AS mine SET owner = :owner, look_at = :until "
    "FROM unnest(CAST(:applies AS text[]), CAST(:numbers AS int[])) AS given (apply_id, number) "
    "WHERE mine.apply_id = given.apply_id AND mine.number = given.number"
)
_TO_CONCLUDE = (
    "units AS mine SET owner = NULL, phase = given.phase, tries = given.tries, "
    "look_at = :now + given.look_in, tail = coalesce(given.tail, mine.tail) "
    "FROM unnest(CAST(:numbers AS int[]), CAST(:phases AS text[]), CAST(:look_in AS float8[]), CAST(:tries AS int[]), "
    "CAST(:tails AS text[])) AS given (number, phase, look_in, tries, tail) "
    "WHERE mine.apply_id = :apply AND mine.owner = :owner AND mine.number = given.number "
    "RETURNING mine.number, mine.phase, octet_length(mine.content) AS size"
)
_TAKE, _CONCLUDE = (text(f"UPDATE {POSTGRES_SCHEMA}.{each}") for each in (_TO_TAKE, _TO_CONCLUDE))
_SUBMITS = text("SELECT pg_advisory_xact_lock(hashtext('begin of an apply'), hashtext(:apply))")
_APPLY = (*(each for each in applies.c if each.name != "content"),)


def refuse_stopped(tx: Transaction, apply_id: str) -> None:
    """Raise Stopped if an apply was stopped. Until the transaction ends, none can be: an intent comes before or after.

    The table's row is locked already, as in every write.
    """
    found = _STOP.first(tx, {"apply": apply_id})
    stop = None if found is None else _stop_of(found)
    if stop is not None:
        raise Stopped(stop.message, hint=stop.hint, cause=stop.cause.value)


def stop(tx: Transaction, apply_id: str, why: Stop) -> bool:
    """Stop an apply; return False if it was stopped before, or was over. From here on no intent of it is written."""
    if _is_over(tx, apply_id):
        return False
    runs = (applies.c.id == apply_id) & applies.c.stop_cause.is_(None)
    if tx.execute(select(applies.c.id).where(runs).with_for_update()).first() is None:
        return False
    values: codec.Values = {"stop_cause": why.cause.value, "stop_message": codec.storable_text(why.message)}
    values |= {"stop_hint": codec.storable_text(why.hint), "stopped_at": tx.now()}
    return bool(tx.execute(update(applies).where(runs).values(**values)).rowcount)


class Applies:
    """The applies of a ledger on a server. Every method may raise a LedgerError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def submit(
        self,
        apply: SubmittedApply,
        parts: Iterable[Unit],
        enqueue: Callable[[Any, Sequence[Unit]], None],
        patience_seconds: float,
        also: Callable[[Transaction], None] = lambda _: None,
        on_commit: Callable[[], None] = lambda: None,
    ) -> int:
        """Keep an apply with its units, and have them enqueued, in one transaction; return how many units there are.

        `enqueue` receives the driver's connection, within the transaction, and units without their content. A unit that
        no worker has looked at after `patience_seconds` counts as lost on the way, and is enqueued again. `also` is
        done in the same transaction; if it raises, nothing is kept. `on_commit` is called when only the commit is left.
        """

        def work(tx: Transaction) -> int:
            tx.execute(_SUBMITS, {"apply": apply.id})
            now = tx.now()
            also(tx)
            tx.execute(insert(applies), _apply_values(apply, now))
            connection = tx.connection.connection.driver_connection
            count = 0
            for batch in _batches(tx.untimed(parts)):
                rows = [_unit_values(each, apply, now + patience_seconds) for each in batch]
                tx.execute(insert(units), rows)
                enqueue(connection, batch)
                count += len(batch)
            on_commit()
            return count

        return self._store.write(work)

    def was_submitted(self, apply_id: str) -> bool:
        """Return whether the ledger holds an apply; waits for a commit under way, whose answer may have been lost."""

        def work(tx: Transaction) -> bool:
            tx.execute(_SUBMITS, {"apply": apply_id})
            return tx.execute(select(applies.c.id).where(applies.c.id == apply_id)).first() is not None

        return self._store.write(work, repeatable=True)

    def find(self, apply_id: str) -> SubmittedApply:
        """Return an apply with its content; the start of its id is enough. Raises LedgerError unless it is one."""

        def work(tx: Transaction) -> SubmittedApply:
            rows = tx.execute(select(applies).where(applies.c.id.startswith(apply_id)).limit(2)).all()
            if len(rows) != 1:
                raise _unknown(
                    "several applies have ids that begin" if rows else "no apply has an id that begins", apply_id
                )
            found = _apply_of(rows[0], rows[0].content)
            return replace(found, age_seconds=max(0.0, tx.now() - found.created_at))

        if not _START_OF_ID.fullmatch(apply_id):
            raise _unknown("an id has 4 to 32 of the characters 0-9 and a-f, and none begins", apply_id)
        return self._store.read(work)

    def progress(self, apply_id: str) -> ApplyProgress:
        """Return how far an apply is. Raises LedgerError if there is none."""
        apply = self.find(apply_id)
        return self._store.read(lambda tx: _progress(tx, [apply])[0])

    def listed(self, most: int) -> list[ApplyProgress]:
        """Return the newest applies, without their content, the newest first."""

        def work(tx: Transaction) -> list[ApplyProgress]:
            rows = tx.execute(select(*_APPLY).order_by(applies.c.created_at.desc(), applies.c.id).limit(most)).all()
            return _progress(tx, [_apply_of(row, b"") for row in rows])

        return self._store.read(work)

    def units(self, apply_id: str) -> Iterator[Unit]:
        """Yield the units of an apply, in order."""

        def work(tx: Transaction) -> Iterator[Unit]:
            query = select(*_UNIT).where(units.c.apply_id == apply_id).order_by(units.c.number)
            yield from map(_unit_of, tx.stream(query, _BATCH))

        return self._store.stream(work)

    def calls(self, apply_id: str, table_ids: Collection[str] | None = None) -> list[CallResult]:
        """Return the calls of an apply as those who sent them would have reported them (`sent.py`)."""
        return self._store.read(lambda tx: sent.of_apply(tx, apply_id, table_ids))

    def calls_named(self, ids: Collection[str]) -> list[CallResult]:
        """Return calls by their ids, of whichever apply, in the same way."""
        return self._store.read(lambda tx: sent.named(tx, ids))

    def is_begun(self, apply_id: str) -> bool:
        """Say whether any call of an apply was begun."""
        begun = select(calls.c.id).where(calls.c.apply_id == apply_id).limit(1)
        return self._store.read(lambda tx: tx.execute(begun).first() is not None)

    def bought(self, plan_id: str) -> Decimal:
        """Sum up the planned credits of a plan's calls that may have been paid for; unpriced calls count as 0."""
        paid = calls.c.state.in_([CallState.INTENT.value, CallState.ACCEPTED.value, CallState.IN_DOUBT.value])
        query = select(calls.c.credits).where(calls.c.plan_id == plan_id, paid, calls.c.credits.is_not(None))
        rows = self._store.read(lambda tx: tx.execute(query).scalars().all())
        return sum((codec.price(each) or Decimal(0) for each in rows), Decimal(0))

    def stop(self, apply_id: str, why: Stop) -> bool:
        """Stop an apply: once this returns, nothing more of it begins anywhere.

        Returns False if it was stopped before, or was over: a receipt does not change. Its units that wait are looked
        at once more; those in the queue too, and send nothing.
        """
        return self._store.write(lambda tx: stop(tx, apply_id, why), repeatable=True)

    def claim(
        self, apply_id: str, numbers: Collection[int], workspaces: Collection[str], owner: str, seconds: float
    ) -> list[Unit]:
        """Take the units that are due and that no other worker holds, for `seconds` unless renewed.

        Units of other workspaces are never taken, whatever a job says: they need another token.
        """

        def work(tx: Transaction) -> list[Unit]:
            now = tx.now()
            wanted = (units.c.apply_id == apply_id) & units.c.number.in_(sorted(numbers)) & (units.c.format <= FORMAT)
            is_free = units.c.owner.is_(None) | (units.c.look_at <= now)
            due = wanted & (units.c.phase == Phase.QUEUED.value) & is_free & units.c.workspace.in_(sorted(workspaces))
            return _taken(tx, select(*_UNIT).where(due), owner, now + seconds)

        return self._store.write(work)

    def claim_due(self, workspaces: Collection[str], owner: str, seconds: float, most: int) -> list[Unit]:
        """Take units that are due for a look: their calls ran long enough, or whoever was at work on them is gone.

        They come without their content, which may be large.
        """

        def work(tx: Transaction) -> list[Unit]:
            now = tx.now()
            due = (units.c.phase.in_(_OPEN)) & (units.c.look_at <= now) & (units.c.format <= FORMAT)
            query = select(*_UNIT_LIGHT).where(due, units.c.workspace.in_(sorted(workspaces)))
            return _taken(tx, query.order_by(units.c.look_at).limit(most), owner, now + seconds)

        return self._store.write(work)

    def renew(self, owners: Collection[str], seconds: float) -> None:
        """Keep the units of these owners for so long from now."""

        def work(tx: Transaction) -> None:
            mine = units.c.owner.in_(sorted(owners)) & units.c.phase.in_(_OPEN)
            # What is locked is just being concluded. Waiting for it could be waiting for each other.
            free = select(*_KEY).where(mine).with_for_update(skip_locked=True)
            tx.execute(update(units).where(tuple_(*_KEY).in_(free)).values(look_at=tx.now() + seconds))

        self._store.write(work, repeatable=True)

    def conclude(
        self,
        apply_id: str,
        outcomes: Sequence[UnitOutcome],
        owner: str,
        enqueue: Callable[[Any, Sequence[Unit]], None] | None = None,
        found: BalanceRecord | None = None,
    ) -> bool:
        """Write down how far looks brought units, those that are still the owner's; `enqueue` those that are queued.

        And what a first look `found`. Returns True if that ended the last unit of the apply, once for each apply.
        """

        def work(tx: Transaction) -> bool:
            columns: codec.Values = {"numbers": [each.number for each in outcomes]}
            columns |= {"phases": [each.phase.value for each in outcomes], "tries": [each.tries for each in outcomes]}
            columns |= {
                "look_in": [each.look_in_seconds for each in outcomes],
                "tails": [each.tail for each in outcomes],
            }
            rows = tx.execute(_CONCLUDE, columns | {"apply": apply_id, "owner": owner, "now": tx.now()}).all()
            queued = sorted((row.number, row.size) for row in rows if row.phase == Phase.QUEUED)
            if queued and enqueue is not None:
                given = [Unit(apply_id, number, (), b"", size=size) for number, size in queued]
                enqueue(tx.connection.connection.driver_connection, given)
            if found is not None:
                balances.note(tx, found)
            return any(Phase(row.phase).is_over for row in rows) and _is_over(tx, apply_id)

        return self._store.write(work, repeatable=True)


def _batches(parts: Iterable[Unit]) -> Iterator[list[Unit]]:
    """Yield units together, a few large ones or many small ones; they are enqueued so, too."""
    batch: list[Unit] = []
    size = 0
    for unit in parts:
        batch.append(unit)
        size += len(unit.content)
        if len(batch) == _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _taken(tx: Transaction, query: Any, owner: str, until: float) -> list[Unit]:
    found = [_unit_of(row) for row in tx.execute(query.with_for_update(of=units, skip_locked=True))]
    if found:
        keys = {"applies": [each.apply_id for each in found], "numbers": [each.number for each in found]}
        tx.execute(_TAKE, keys | {"owner": owner, "until": until})
    return found


def _is_over(tx: Transaction, apply_id: str) -> bool:
    """Say whether all units of an apply have ended; until the transaction ends, nothing else says it of that apply."""
    # One after the other: two workers that end the last two units would each see the other's as open.
    tx.execute(_ONE_BY_ONE, {"apply": apply_id})
    left = select(units.c.number).where(units.c.apply_id == apply_id, _is_open).limit(1)
    return tx.execute(left).first() is None


def _progress(tx: Transaction, found: Sequence[SubmittedApply]) -> list[ApplyProgress]:
    is_attended = _is_open & _is_in_hand & (units.c.look_at > tx.now() - _OVERDUE_SECONDS)
    counts = (func.count().label("units"), func.count().filter(is_attended).label("attended"))
    of = units.c.apply_id.in_([each.id for each in found])
    query = select(units.c.apply_id, units.c.phase, *counts).where(of).group_by(units.c.apply_id, units.c.phase)
    phases: dict[str, dict[Phase, int]] = {each.id: {} for each in found}
    attended = dict.fromkeys(phases, 0)
    for row in tx.execute(query):
        phases[row.apply_id][Phase(row.phase)] = row.units
        attended[row.apply_id] += row.attended
    return [ApplyProgress(each, phases[each.id], attended[each.id]) for each in found]


def _unknown(what: str, apply_id: str) -> LedgerError:
    hint = "`reconciler applies list` shows those that there are. An archive takes applies along."
    return LedgerError(f"{what} with `{one_line(apply_id, 40)}`", hint=hint)


def _apply_values(of: SubmittedApply, now: float) -> codec.Values:
    return {
        "id": of.id,
        "plan_id": of.plan_id,
        "workspace": codec.storable_text(of.workspace),
        "format": of.format,
        "content": of.content,
        "cells": of.cells,
        "credits": None if of.credits is None else str(of.credits),
        **codec.actor_values(of.actor),
        "created_at": now,
    }


def _apply_of(row: Row[Any], content: bytes) -> SubmittedApply:
    try:
        price = codec.price(row.credits)
    except ArithmeticError:
        raise Corrupt(f"the credits of apply {row.id} cannot be read") from None
    return SubmittedApply(
        id=row.id,
        plan_id=row.plan_id,
        workspace=row.workspace,
        content=content,
        cells=row.cells,
        credits=price,
        actor=Actor(row.actor, row.ci_run, row.git_sha),
        created_at=row.created_at,
        stop=_stop_of(row),
        format=row.format,
    )


def _stop_of(row: Row[Any]) -> Stop | None:
    if row.stop_cause is None:
        return None
    # A newer version may know more causes: it is stopped all the same.
    is_known = row.stop_cause in iter(StopCause)
    return Stop(StopCause(row.stop_cause) if is_known else StopCause.TROUBLE, row.stop_message, row.stop_hint)


def _unit_values(of: Unit, apply: SubmittedApply, look_at: float) -> codec.Values:
    return {
        "apply_id": apply.id,
        "number": of.number,
        "workspace": codec.storable_text(apply.workspace),
        "format": apply.format,
        "phase": of.phase.value,
        "look_at": look_at,
        "tries": 0,
        "table_ids": codec.encode(list(of.table_ids)),
        "content": of.content,
    }


def _unit_of(row: Row[Any]) -> Unit:
    tables, content = codec.ids_or_none(row.table_ids), bytes(row.content)
    if tables is None:  # the others are not to wait for it: without content it is given up, which says why
        tables, content = (), b""
    return Unit(
        apply_id=row.apply_id,
        number=row.number,
        table_ids=tables,
        content=content,
        phase=Phase(row.phase),
        tries=row.tries,
        tail=row.tail or "",
        is_abandoned=row.owner is not None,
    )
