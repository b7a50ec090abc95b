"""Which gateways are there."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "replica",
        sa.Column("replica_id", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("position", _Big, nullable=False),
        sa.Column("seen_at", _Big, nullable=False),
    )
