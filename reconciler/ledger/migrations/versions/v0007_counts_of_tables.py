"""The cells of each table that an apply found, kept beside the balance. Only adds."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "table_counts",
        sa.Column("at", sa.Double, primary_key=True),
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("table_id", sa.Text, primary_key=True),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("unbought", sa.BigInteger, nullable=False),
        sa.Column("awaited", sa.BigInteger, nullable=False),
    )
