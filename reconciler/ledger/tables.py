"""The ledger's tables, the same in both stores.

Lists and maps are JSON text in ASCII: readable with `sqlite3` or `psql`, and no character of a foreign string can make
a store refuse a record of money spent. Sets of rows, of which there are many, are packed (`row_sets.py`). Times are
seconds since the epoch; credits are decimals as text, exact in both.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
)

SCHEMA_VERSION = 7
"""The number of the newest migration; a store with a higher one was written by a newer program."""

POSTGRES_SCHEMA = "reconciler"
"""In PostgreSQL the tables stand in a schema of their own, so that a shared database has no clash of names."""

LEDGER_ID = "ledger"
"""The key in `meta` under which a ledger keeps who it is; copies and exports keep it."""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""`schema`: the SCHEMA_VERSION that it has; `migrated_by`: the version of the program that gave it; LEDGER_ID."""

tables = Table(
    "tables",
    metadata,
    Column("table_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("owner", Text),
    Column("actor", Text),
    Column("ci_run", Text),
    Column("git_sha", Text),
    Column("acquired_at", Double),
    Column("expires_at", Double),
    Column("boot", Text),
    Column("booted_at", Double),
    Column("lease_seconds", Double),
)
"""One row a table: its version, and its lease while `owner` is set. Every write locks this row first.

`boot` and `booted_at` (`clocks.py`) belong to `expires_at`; `lease_seconds` is how far that was ahead when it was set.
"""

calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    Column("table_id", Text, ForeignKey("tables.table_id"), nullable=False),
    Column("table_version", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("revision", Text),
    Column("row_count", Integer, nullable=False),
    Column("covered", Text, nullable=False),
    Column("cells", Integer, nullable=False),
    Column("credits", Text),
    Column("reason", Text, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("plan_id", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("ci_run", Text),
    Column("git_sha", Text),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("payments", Integer, nullable=False),
    Column("begun_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("run_id", Text),
    Column("requested_cells", BigInteger),
    Column("settled_at", Double),
    Column("settled_done", Integer),
    Column("settled_failed", Integer),
    Column("settled_not_started", Integer),
    Column("token", Text),
    Column("boot", Text),
    Column("booted_at", Double),
    Column("shape", Text),
    Column("row_set", LargeBinary),
    Column("folded", Boolean, nullable=False, server_default=false()),
    Column("counted", Text),
    Column("apply_id", Text),
    CheckConstraint("state IN ('intent', 'accepted', 'refused', 'not_sent', 'in_doubt')", name="calls_state"),
    CheckConstraint("attempt >= 1 AND payments >= 0", name="calls_counts"),
)
"""One row a call. `table_version` is the table's version after the last attempt's intent: it orders a table's calls.

`token` is known only to the process that began the last attempt; `boot` and `booted_at` (`clocks.py`) belong to
`begun_at`. They are empty in what was written before they were kept. `shape` names a row of `shapes`, and `covered`
says which of its cells were due (`row_sets.py`). `folded`: its table's checkpoint holds all that planning needs of it,
and `row_set` the call's rows; until then they stand in `call_rows`. `counted` is what the call counts in budgets
(`spent.py`), unless that is what its credits and labels say. `apply_id`: which of `applies` it was sent for; empty if
one process applied.
"""

Index("calls_by_table", calls.c.table_id, calls.c.folded, calls.c.table_version)
Index("calls_by_time", calls.c.begun_at)
Index("calls_by_apply", calls.c.apply_id)
OPEN_CALL = calls.c.state.in_(("intent", "in_doubt"))
"""Of a call that may have been paid for. There are few, and workers count them all the time."""
CALLS_OPEN = Index("calls_open", calls.c.begun_at)
"""Of those alone: `creation.py` says so in the dialect of the store, since naming a dialect here would load it."""

call_rows = Table(
    "call_rows",
    metadata,
    Column("call_id", Text, ForeignKey("calls.id"), primary_key=True),
    Column("row_set", LargeBinary, nullable=False),
    Column("before", Text, nullable=False),
)
"""The rows of a call that is not folded, and what its cells showed before it; once it is settled, in place of that,
digests of what they were made from.

They are large and stay for a while only; in `calls` they would leave its pages half empty.
"""

shapes = Table(
    "shapes",
    metadata,
    Column("table_id", Text, ForeignKey("tables.table_id"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("columns", Text, nullable=False),
    Column("column_keys", Text, nullable=False),
    Column("configs", Text, nullable=False),
)
"""The columns and configurations that calls of a table share, stored once. `id` is a digest of them."""

row_ids = Table(
    "row_ids",
    metadata,
    Column("table_id", Text, ForeignKey("tables.table_id"), primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("ids", LargeBinary, nullable=False),
)
"""A table's own list of row ids, in pieces: each id once, never moved, so that its place is a number for it.

`first` is the number of a piece's first id; `ids` is written as a row set (`row_sets.py`).
"""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("table_id", Text, ForeignKey("tables.table_id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""The sum of a table's folded calls (`model/checkpoint.py`), written in the transaction that marks them."""

approvals = Table(
    "approvals",
    metadata,
    Column("plan_id", Text, primary_key=True),
    Column("table_id", Text, ForeignKey("tables.table_id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""Which cells the folded calls of a table bought under a plan (`approvals.py`)."""

spent = Table(
    "spent",
    metadata,
    Column("table_id", Text, ForeignKey("tables.table_id"), primary_key=True),
    Column("quarter", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("cells", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("unpriced_cells", BigInteger, nullable=False),
)
"""Sums of what calls came to: by table, quarter of an hour, plan, manifest and labels (`words`). `id` is a digest of
the last three; `credits` are millionths. Kept with every call (`spent.py`), also once it is folded or archived.
"""

Index("spent_by_manifest", spent.c.manifest, spent.c.quarter)

spent_totals = Table(
    "spent_totals",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("quarter", BigInteger, primary_key=True, autoincrement=False),
    Column("cells", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("unpriced_cells", BigInteger, nullable=False),
)
"""The same over all tables: `scope` is empty for all calls, or a label, for those with it. Follows from `spent`."""

balances = Table(
    "balances",
    metadata,
    Column("at", Double, primary_key=True),
    Column("plan_id", Text, primary_key=True),
    Column("organization", Text),
    Column("available", Text),
)
"""The balance that an apply found, in credits; empty if it is unlimited or unknown."""

table_counts = Table(
    "table_counts",
    metadata,
    Column("at", Double, primary_key=True),
    Column("plan_id", Text, primary_key=True),
    Column("table_id", Text, primary_key=True),
    Column("done", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("unbought", BigInteger, nullable=False),
    Column("awaited", BigInteger, nullable=False),
)
"""The cells of a table that the apply of a balance found (`TableCounts`), of the tables that it read whole."""

events = Table(
    "events",
    metadata,
    Column("table_id", Text, ForeignKey("tables.table_id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("call_id", Text, ForeignKey("calls.id")),
    Column("attempt", Integer),
    Column("kind", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("detail", Text, nullable=False),
)
"""The audit trail, append-only. `seq` counts per table: it needs no sequence of the store, so an export keeps it."""

Index("events_by_call", events.c.call_id, events.c.seq)

applies = Table(
    "applies",
    metadata,
    Column("id", Text, primary_key=True),
    Column("plan_id", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("format", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("cells", BigInteger, nullable=False),
    Column("credits", Text),
    Column("actor", Text, nullable=False),
    Column("ci_run", Text),
    Column("git_sha", Text),
    Column("created_at", Double, nullable=False),
    Column("stop_cause", Text),
    Column("stop_message", Text),
    Column("stop_hint", Text),
    Column("stopped_at", Double),
)
"""Applies that workers carry out. `content` holds the limits and settings that they were submitted with; a worker that
does not know its `format` leaves it alone. While `stop_cause` is set, no call begins: each intent looks at it.
"""

units = Table(
    "units",
    metadata,
    Column("apply_id", Text, ForeignKey("applies.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("workspace", Text, nullable=False),
    Column("format", Integer, nullable=False),
    Column("phase", Text, nullable=False),
    Column("look_at", Double, nullable=False),
    Column("owner", Text),
    Column("tries", Integer, nullable=False),
    Column("table_ids", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("tail", Text),
    CheckConstraint("phase IN ('queued', 'waiting', 'settled', 'in_doubt', 'given_up')", name="units_phase"),
)
"""The parts of an apply, each of which a worker takes as a whole: tables that depend on each other, mostly a single
one, with the manifests and approved calls of these (`content`).

`look_at` is when a worker should look next. While one is at work it is the `owner`, and `look_at` is when it counts as
dead. `tail` is what the last look left, for the report. Once a unit has ended its `look_at` means nothing.
"""

Index("units_due", units.c.phase, units.c.look_at)

rates = Table(
    "rates",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("next_at", Double, nullable=False),
    Column("held_until", Double, nullable=False),
)
"""When the next request of a workspace may be sent, and until when the API asked for none."""

schedules = Table(
    "schedules",
    metadata,
    Column("name", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("ticked_at", Double, nullable=False),
    Column("content", Text, nullable=False),
)
"""The refreshes of a workspace: the last date of each that was planned, so that of two schedulers one plans."""

LEASE_COLUMNS = (
    *("owner", "actor", "ci_run", "git_sha", "acquired_at", "expires_at"),
    *("boot", "booted_at", "lease_seconds"),
)
"""The columns of `tables` that are empty while the lease is not held."""
