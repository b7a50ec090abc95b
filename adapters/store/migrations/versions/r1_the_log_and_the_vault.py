"""The log, its head at zero, and the vault."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_Big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_Id = sa.Uuid().with_variant(sa.CHAR(32), "sqlite")


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("position", _Big, primary_key=True, autoincrement=False),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("stream_version", _Big, nullable=False),
        sa.Column("event_id", _Id, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("schema_version", sa.SmallInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("correlation_id", _Id),
        sa.Column("causation_id", _Id),
        sa.Column("recorded_at", _Big, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.UniqueConstraint("stream_id", "stream_version"),
        sa.UniqueConstraint("event_id"),
    )
    log_head = op.create_table(
        "log_head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("position", _Big, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    op.bulk_insert(log_head, [{"id": 1, "position": 0, "hash": bytes(32)}])
    op.create_table(
        "vault",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("nonce", sa.LargeBinary(12), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _Big, nullable=False),
    )
