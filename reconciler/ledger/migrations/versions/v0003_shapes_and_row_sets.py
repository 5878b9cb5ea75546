"""Room for what is stored once: shapes, row ids, checkpoints. `migrate.py` then rewrites the calls, some at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables and the columns; until 0004, calls that were not rewritten yet have no shape."""
    # The connection's translation of schemas reaches CREATE, and not ALTER.
    schema = None if op.get_bind().dialect.name == "sqlite" else "reconciler"
    op.create_table(
        "call_rows",
        sa.Column("call_id", sa.Text, sa.ForeignKey("calls.id"), primary_key=True),
        sa.Column("row_set", sa.LargeBinary, nullable=False),
        sa.Column("before", sa.Text, nullable=False),
    )
    op.create_table(
        "shapes",
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("column_keys", sa.Text, nullable=False),
        sa.Column("configs", sa.Text, nullable=False),
    )
    op.create_table(
        "row_ids",
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), primary_key=True),
        sa.Column("first", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ids", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "approvals",
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("table_id", sa.Text, sa.ForeignKey("tables.table_id"), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.add_column("calls", sa.Column("shape", sa.Text), schema=schema)
    op.add_column("calls", sa.Column("row_set", sa.LargeBinary), schema=schema)
    folded = sa.Column("folded", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("calls", folded, schema=schema)
