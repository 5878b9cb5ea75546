"""Applies that workers carry out: their units, the rates of their workspaces and their schedules. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables, and the column that says which apply a call was sent for."""
    # The connection's translation of schemas reaches CREATE, and not ALTER.
    schema = None if op.get_bind().dialect.name == "sqlite" else "reconciler"
    op.create_table(
        "applies",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("plan_id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("cells", sa.BigInteger, nullable=False),
        sa.Column("credits", sa.Text),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("ci_run", sa.Text),
        sa.Column("git_sha", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("stop_cause", sa.Text),
        sa.Column("stop_message", sa.Text),
        sa.Column("stop_hint", sa.Text),
        sa.Column("stopped_at", sa.Double),
    )
    op.create_table(
        "units",
        sa.Column("apply_id", sa.Text, sa.ForeignKey("applies.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("look_at", sa.Double, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("table_ids", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("tail", sa.Text),
        sa.CheckConstraint("phase IN ('queued', 'waiting', 'settled', 'in_doubt', 'given_up')", name="units_phase"),
    )
    op.create_index("units_due", "units", ["phase", "look_at"])
    op.create_table(
        "rates",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("next_at", sa.Double, nullable=False),
        sa.Column("held_until", sa.Double, nullable=False),
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("ticked_at", sa.Double, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.add_column("calls", sa.Column("apply_id", sa.Text), schema=schema)
    op.create_index("calls_by_apply", "calls", ["apply_id"], schema=schema)
    is_open = sa.text("state IN ('intent', 'in_doubt')")
    op.create_index("calls_open", "calls", ["begun_at"], schema=schema, sqlite_where=is_open, postgresql_where=is_open)
