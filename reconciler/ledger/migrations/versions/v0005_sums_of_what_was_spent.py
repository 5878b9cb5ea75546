"""Sums of what was spent, by quarter of an hour; `migrate.py` then counts the calls that are there. And balances."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables, and the column for what a call counts if that is not what it says."""
    # The connection's translation of schemas reaches CREATE, and not ALTER.
    schema = None if op.get_bind().dialect.name == "sqlite" else "reconciler"

    def sums() -> list[sa.Column[int]]:
        return [sa.Column(name, sa.BigInteger, nullable=False) for name in ("cells", "credits", "unpriced_cells")]

    op.create_table(
        "spent",
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), primary_key=True),
        sa.Column("quarter", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("plan_id", sa.Text, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        *sums(),
    )
    op.create_index("spent_by_manifest", "spent", ["manifest", "quarter"])
    op.create_table(
        "spent_totals",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("quarter", sa.BigInteger, primary_key=True, autoincrement=False),
        *sums(),
    )
    op.create_table(
        "balances",
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("organization", sa.Text),
        sa.Column("available", sa.Text),
    )
    op.add_column("calls", sa.Column("counted", sa.Text), schema=schema)
