"""Moving a ledger between stores as JSON lines: a header, every table, call and event, a last line that counts them.

Leases are left behind: they belong to the store whose clock they run by. Their fencing numbers come along, and never
shrink. An archive (`archive.py`) is such a file too, of old calls, their events and balances alone.
"""

from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, Table, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from reconciler.errors import Corrupt, LedgerError
from reconciler.ledger import codec, export_lines, row_sets
from reconciler.ledger import spent as spent_sums
from reconciler.ledger.approvals import unpacked
from reconciler.ledger.checkpoints import listed_rows, read
from reconciler.ledger.export_lines import FIRST_KINDS, KINDS, KINDS_SINCE, SUMS_SINCE
from reconciler.ledger.extents import EVERYTHING, WITH_ROWS, Extent
from reconciler.ledger.store import Transaction
from reconciler.ledger.tables import (
    LEDGER_ID,
    SCHEMA_VERSION,
    approvals,
    call_rows,
    calls,
    checkpoints,
    meta,
    row_ids,
    spent,
    tables,
)
from reconciler.model.checkpoint import Checkpoint
from reconciler.model.compact import RowIndex
from reconciler.model.folding import FoldedCells
from reconciler.model.history import CallState
from reconciler.model.input_cells import WIDTH
from reconciler.model.ledger_entries import Loaded
from reconciler.model.manifest import Mode
from reconciler.model.runs import merged
from reconciler.text.codes import Code
from reconciler.text.sanitize import one_line

ARCHIVED_BEFORE = "archived_before"
"""In the header of an archive: calls that began earlier, in seconds since the epoch."""
_BATCH = 200
_AGAIN = "Export it again."


def export(tx: Transaction) -> Iterator[str]:
    """Yield the ledger line by line, without line ends, from one consistent view."""
    yield header(tx)
    counts = {}
    for kind, table in KINDS.items():
        counts[kind] = 0
        for line in lines(tx, kind, table, every(table)):
            counts[kind] += 1
            yield line
    yield end(counts)


def end(counts: Mapping[str, int]) -> str:
    """Return the last line, which counts the others."""
    return codec.encode({"type": "end"} | export_lines.counted(counts))


def header(tx: Transaction, **more: float) -> str:
    """Return the first line."""
    own = tx.execute(select(meta.c.value).where(meta.c.key == LEDGER_ID)).scalar()
    return codec.encode(
        {"type": export_lines.FORMAT, "schema": SCHEMA_VERSION, "exported_at": tx.now(), "ledger": own} | more
    )


def every(table: Table) -> Select[tuple[Any, ...]]:
    """Return the query for what `lines` says of a table."""
    if table is calls:
        return select(*EVERYTHING).select_from(WITH_ROWS).order_by(calls.c.id)
    return select(table).order_by(*table.primary_key.columns)


def lines(tx: Transaction, kind: str, table: Table, query: Select[tuple[Any, ...]]) -> Iterator[str]:
    """Yield a line for each row of a query."""
    listed: dict[str, Sequence[str]] = {}
    for row in tx.stream(query, _BATCH):
        if table is calls and row.folded and row.table_id not in listed:
            listed.update(listed_rows(tx, [row.table_id]))
        yield codec.encode(
            {"type": kind} | export_lines.said(kind, row, listed.get(row._mapping.get("table_id", ""), ()))
        )


def load(tx: Transaction, source: Iterable[str]) -> Loaded:
    """Add what an export holds. What is there already must be the same; nothing is ever changed. Raises LedgerError."""
    loading = _Loading(tx)
    batch: list[dict[str, Any]] = []
    batched = ""
    for kind, entry, number in export_lines.entries(tx.untimed(source), loading.begin):
        if batch and (kind != batched or len(batch) == _BATCH):
            loading.add(batched, batch)
            batch = []
        export_lines.check(kind, entry, number, loading.lacking)
        batch.append(entry)
        batched = kind
    if batch:
        loading.add(batched, batch)
    loading.finish()
    return Loaded(*(loading.added[kind] for kind in ("table", "call", "event")))


class _Loading:
    """An import at work: what it has added so far, and what it knows of the tables that it adds to."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.lacking: frozenset[str] = frozenset()
        """Fields of calls that it does not have."""
        self.added = dict.fromkeys(KINDS, 0)
        self._is_archive = False
        self._counts_calls = False
        """True if what was spent follows from the calls: the lines do not say it themselves."""
        self._new_tables: set[str] = set()
        self._is_same_ledger = False
        self._left_out: dict[str, Checkpoint] = {}
        """Checkpoints of tables that were here, which have their own or none yet."""
        self._folded: dict[str, tuple[Checkpoint, RowIndex, FoldedCells]] = {}

    def begin(self, header: dict[str, Any]) -> Collection[str]:
        """Take the first line; return the kinds that an export of its age has."""
        schema = export_lines.check_header(header)
        self._is_archive = ARCHIVED_BEFORE in header
        self._counts_calls = self._is_archive or schema < SUMS_SINCE
        self.lacking = export_lines.lacking_in(schema)
        if not self._is_archive:
            self._take_over(header.get("ledger"))
        own = self._tx.execute(select(meta.c.value).where(meta.c.key == LEDGER_ID)).scalar()
        self._is_same_ledger = own == header.get("ledger")
        if self._is_archive:
            return {"call", "event", "balance", "counts"}
        return KINDS if schema >= KINDS_SINCE else FIRST_KINDS

    def _take_over(self, ledger_id: object) -> None:
        """Let a ledger that holds nothing yet go on as the exported one: plans made with that one stay good."""
        is_empty = self._tx.execute(select(calls.c.id).limit(1)).first() is None
        if isinstance(ledger_id, str) and ledger_id and is_empty:
            own = codec.storable_text(ledger_id)
            self._tx.execute(update(meta).where(meta.c.key == LEDGER_ID).values(value=own))

    def add(self, kind: str, batch: Sequence[dict[str, Any]]) -> None:
        """Add what is missing of a batch; the rest must be the same here."""
        table = KINDS[kind]
        if table in (row_ids, checkpoints, approvals, spent):
            # A table that was here has its own, which must amount to the same, or the calls themselves.
            if table is checkpoints:
                known = [entry for entry in batch if entry["table_id"] not in self._new_tables]
                self._left_out |= {entry["table_id"]: _unpacked(entry) for entry in known}
            batch = [entry for entry in batch if entry["table_id"] in self._new_tables]
        names = [key.name for key in table.primary_key.columns]
        wanted = [tuple(entry[name] for name in names) for entry in batch]
        if len(set(wanted)) != len(wanted):
            raise LedgerError("the export holds an entry twice", hint=_AGAIN, code=Code.NOT_AN_EXPORT)
        if self._is_archive and table is calls:
            self._make_tables(batch)
        there = self._there(kind, table, wanted)
        missing = []
        for key, entry in zip(wanted, batch, strict=True):
            found = there.get(key)
            if found is None:
                missing.append(entry)
            elif table is tables and found["version"] == entry["version"]:
                fence = max(found["fence"], entry["fence"])
                self._tx.execute(update(tables).where(tables.c.table_id == entry["table_id"]).values(fence=fence))
            else:
                _require_same(kind, found, entry)
        if table is tables:
            self._new_tables |= {entry["table_id"] for entry in missing}
        self._insert(kind, table, missing)
        self.added[kind] += len(missing)

    def _there(self, kind: str, table: Table, wanted: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
        keys = list(table.primary_key.columns)
        rows = self._tx.execute(every(table).where(tuple_(*keys).in_(wanted))).all() if wanted else []
        listed = listed_rows(self._tx, {row.table_id for row in rows if row.folded}) if table is calls else {}
        return {
            tuple(row._mapping[key.name] for key in keys): export_lines.said(
                kind, row, listed.get(row._mapping.get("table_id", ""), ())
            )
            for row in rows
        }

    def _insert(self, kind: str, table: Table, missing: Sequence[dict[str, Any]]) -> None:
        try:
            if table in (checkpoints, approvals):
                self._check(table, missing)
            if missing:
                found = [export_lines.values(kind, entry) for entry in missing]
                unfolded = []
                if table is calls:
                    extents = [self._extent(entry) for entry in missing]
                    found = [each | stored for each, (stored, _) in zip(found, extents, strict=True)]
                    unfolded = [rows for _, rows in extents if rows]
                self._tx.execute(insert(table), found)
                self._add_up(table, found)
                if unfolded:
                    self._tx.execute(insert(call_rows), unfolded)
        except IntegrityError as error:
            raise Corrupt(
                "the export contradicts itself: an entry belongs to a table or call that it does not hold",
                hint=_AGAIN,
                code=Code.NOT_AN_EXPORT,
            ) from error

    def _add_up(self, table: Table, added: Sequence[codec.Values]) -> None:
        """Add to what was spent what was not here; of a table that was, folded calls are counted, though archived."""
        if table is spent:
            spent_sums.add_totals(self._tx, map(spent_sums.kept, added))
        elif table is calls and self._counts_calls:
            new = [each for each in added if not each["folded"] or each["table_id"] in self._new_tables]
            calls_ = ({"counted": None} | each for each in new)
            amounts = ((spent_sums.heap_of(call), spent_sums.amount_of(call)) for call in calls_)
            spent_sums.add(self._tx, [(heap, amount) for heap, amount in amounts if any(amount)])

    def _check(self, table: Table, batch: Sequence[dict[str, Any]]) -> None:
        """Raise LedgerError for a checkpoint or an approval that planning could not read."""
        listed = listed_rows(self._tx, {entry["table_id"] for entry in batch})
        for entry in batch:
            rows = listed.get(entry["table_id"], ())
            if table is checkpoints:
                _unpacked(entry, rows)
                continue
            try:
                unpacked(b64decode(entry["content"]), entry["table_id"], entry["plan_id"], rows)
            except ValueError as error:
                raise LedgerError(
                    f"the approval of plan {one_line(entry['plan_id'])} cannot be read: {error}",
                    hint=_AGAIN,
                    code=Code.NOT_AN_EXPORT,
                ) from None

    def _extent(self, entry: dict[str, Any]) -> tuple[codec.Values, codec.Values]:
        """Return a call's columns in `calls` for the cells it covers, and its `call_rows` unless it is folded."""
        table_id = entry["table_id"]
        try:
            extent = Extent.of_document(entry)
            stored = extent.values()
        except (ValueError, TypeError, LookupError, AttributeError):
            raise LedgerError(
                f"the cells of call {one_line(entry['id'])} contradict themselves", hint=_AGAIN, code=Code.NOT_AN_EXPORT
            ) from None
        extent.keep_shape(self._tx, table_id)
        if table_id not in self._folded:
            checkpoint = read(self._tx, [table_id], self._tx.moment()).get(table_id) or Checkpoint()
            self._folded[table_id] = checkpoint, RowIndex(checkpoint.rows), FoldedCells(checkpoint)
        checkpoint, index, cells = self._folded[table_id]
        if not checkpoint.holds(entry["table_version"]):
            rows = extent.rows_values(_kept_marks(entry, extent))
            return stored | {"folded": False, "row_set": None}, {"call_id": entry["id"]} | rows
        of = Mode(entry["mode"]), entry["revision"]
        is_theirs = cells.include(of, entry["table_version"], extent.covered, extent.configs)
        if not (self._is_same_ledger and _can_be_folded(entry) and is_theirs):
            raise LedgerError(
                f"call {one_line(entry['id'])} is not one of those that this ledger has folded in its place",
                hint="Nothing was imported. Import into an empty ledger.",
                code=Code.OTHER_HISTORY,
            )
        numbers = index.positions_of(extent.rows)
        packed = row_sets.pack_rows(extent.rows) if -1 in numbers else row_sets.pack_numbers(numbers)
        return stored | {"folded": True, "row_set": packed}, {}

    def finish(self) -> None:
        """Raise LedgerError if a checkpoint that was left out holds calls that this ledger does not have."""
        for table_id, checkpoint in self._left_out.items():
            settled = (calls.c.state == CallState.ACCEPTED.value) & calls.c.settled_at.is_not(None)
            of_table = select(calls.c.table_version).where(calls.c.table_id == table_id, settled)
            here = [(version, 1) for version in self._tx.execute(of_table).scalars()]
            own = read(self._tx, [table_id], self._tx.moment()).get(table_id) or Checkpoint()
            known = merged([*here, *own.versions()])
            if not self._is_same_ledger or merged([*known, *checkpoint.versions()]) != known:
                raise LedgerError(
                    f"the export has bought cells of table {one_line(table_id)} by calls that were archived,"
                    " and this ledger knows the table without them",
                    hint="Nothing was imported. Import into an empty ledger, and the archives after it.",
                    code=Code.OTHER_HISTORY,
                )

    def _make_tables(self, batch: Sequence[dict[str, Any]]) -> None:
        """See that the tables of an archive's calls are there. Raises LedgerError for an archive of another ledger."""
        versions: dict[str, int] = {}
        for entry in batch:
            table_id = entry["table_id"]
            versions[table_id] = max(versions.get(table_id, 0), entry["table_version"])
        known = select(tables.c.table_id, tables.c.version).where(tables.c.table_id.in_(versions))
        here = {row.table_id: row.version for row in self._tx.execute(known)}
        for table_id, version in versions.items():
            if table_id not in here:
                self._new_tables.add(table_id)
                self._tx.execute(insert(tables), {"table_id": table_id, "version": version, "fence": 0})
            elif table_id in self._new_tables:
                newest = max(version, here[table_id])
                self._tx.execute(update(tables).where(tables.c.table_id == table_id).values(version=newest))
            elif version > here[table_id]:
                raise LedgerError(
                    f"the archive knows calls of table {one_line(table_id)} that this ledger never began",
                    hint="Import it into the ledger that it was taken from. Into an empty one, import the newest "
                    "archive first.",
                    code=Code.OTHER_HISTORY,
                )


def _can_be_folded(entry: Mapping[str, Any]) -> bool:
    return entry["state"] == CallState.ACCEPTED.value and entry.get("settled_at") is not None


def _unpacked(entry: Mapping[str, Any], listed: Sequence[str] | None = None) -> Checkpoint:
    """Return the checkpoint of a line, checked against the rows of its table if these are given. Raises LedgerError."""
    try:
        checkpoint = Checkpoint.unpack(export_lines.values("checkpoint", entry)["content"], listed or (), lambda _: 0.0)
        checkpoint.versions() if listed is None else checkpoint.check()
    except ValueError as error:
        raise LedgerError(
            f"the checkpoint of table {one_line(entry['table_id'])} cannot be read: {error}",
            hint=_AGAIN,
            code=Code.NOT_AN_EXPORT,
        ) from None
    return checkpoint


def _kept_marks(entry: Mapping[str, Any], extent: Extent) -> str:
    """Return a call's marks as they are stored: settled it needs none, as older exports have them, but its inputs'.

    Raises LedgerError if those are not what they should be.
    """
    before: dict[str, Any] = entry["before"]
    if entry.get("settled_at") is None:
        return codec.marks_value(codec.marks_of(before))
    if codec.INPUTS not in before:
        return codec.encode({})
    rows = {column: len(block.rows) for block in extent.covered for column in block.columns}
    try:
        inputs = codec.inputs_of(before)
        fits = all(len(inputs[column]) == WIDTH * rows[column] for column in inputs)
    except (ValueError, TypeError, LookupError, AttributeError):
        fits = False
    if not fits:
        raise LedgerError(f"the inputs of call {one_line(entry['id'])} are not what they should be", hint=_AGAIN)
    return codec.encode({codec.INPUTS: before[codec.INPUTS]})


def _require_same(kind: str, found: dict[str, Any], entry: dict[str, Any]) -> None:
    # Of a call that is settled, marks and inputs stay only until they are needed no more.
    is_settled = entry.get("settled_at") is not None
    different = sorted(
        name for name, value in entry.items() if found[name] != value and not (is_settled and name == "before")
    )
    if different:
        name = one_line(str(entry.get("id") or entry.get("table_id") or entry["at"]))
        raise LedgerError(
            f"the ledger already holds {kind} {name}, and differently: {', '.join(different)}",
            hint="Nothing was imported. Import into an empty ledger.",
            code=Code.OTHER_HISTORY,
        )
