"""Which attempt an intent is of (`token`), and on which boot a call began and a lease was taken."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns that what was written before has no values for."""
    # The connection's translation of schemas reaches CREATE, and not ALTER.
    schema = None if op.get_bind().dialect.name == "sqlite" else "reconciler"
    op.add_column("calls", sa.Column("token", sa.Text), schema=schema)
    for table in ("calls", "tables"):
        op.add_column(table, sa.Column("boot", sa.Text), schema=schema)
        op.add_column(table, sa.Column("booted_at", sa.Double), schema=schema)
    op.add_column("tables", sa.Column("lease_seconds", sa.Double), schema=schema)
