"""The baseline: meta, tables, calls and events as version 0.1 made them. Not edited after its release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "tables",
        sa.Column("table_id", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("ci_run", sa.Text),
        sa.Column("git_sha", sa.Text),
        sa.Column("acquired_at", sa.Double),
        sa.Column("expires_at", sa.Double),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), nullable=False),
        sa.Column("table_version", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("revision", sa.Text),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("column_keys", sa.Text, nullable=False),
        sa.Column("rows", sa.Text, nullable=False),
        sa.Column("row_count", sa.Integer, nullable=False),
        sa.Column("covered", sa.Text, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("configs", sa.Text, nullable=False),
        sa.Column("cells", sa.Integer, nullable=False),
        sa.Column("credits", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.Column("plan_id", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("ci_run", sa.Text),
        sa.Column("git_sha", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("payments", sa.Integer, nullable=False),
        sa.Column("begun_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
        sa.Column("run_id", sa.Text),
        sa.Column("requested_cells", sa.BigInteger),
        sa.Column("settled_at", sa.Double),
        sa.Column("settled_done", sa.Integer),
        sa.Column("settled_failed", sa.Integer),
        sa.Column("settled_not_started", sa.Integer),
        sa.CheckConstraint("state IN ('intent', 'accepted', 'refused', 'not_sent', 'in_doubt')", name="calls_state"),
        sa.CheckConstraint("attempt >= 1 AND payments >= 0", name="calls_counts"),
    )
    op.create_index("calls_by_table", "calls", ["table_id", "table_version"])
    op.create_index("calls_by_time", "calls", ["begun_at"])
    op.create_table(
        "events",
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id")),
        sa.Column("attempt", sa.Integer),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("events_by_call", "events", ["call_id", "seq"])
