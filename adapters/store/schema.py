"""The tables. Positions come from `log_head`, never from the database's own counters.

Law: a column of `events` is hashed by `adapters/store/chain.py`, or it is the hash. Payloads are text, because
a JSON column type would reorder keys and rewrite numbers under the hash.
"""

from typing import Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

SCHEMA_VERSION: Final = 1
"""What `PRAGMA user_version` says of a file with these tables."""

APPLICATION_ID: Final = 0x506E746D
"""What `PRAGMA application_id` says of a file of ours: "Pntm"."""

_Big = BigInteger().with_variant(Integer(), "sqlite")  # so that a primary key is SQLite's rowid
_Id = Uuid(as_uuid=False).with_variant(CHAR(32), "sqlite")  # 32 lower-case hexadecimal digits

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("position", _Big, primary_key=True, autoincrement=False),
    Column("stream_id", Text, nullable=False),
    Column("stream_version", _Big, nullable=False),
    Column("event_id", _Id, nullable=False),
    Column("type", Text, nullable=False),
    Column("schema_version", SmallInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("correlation_id", _Id),
    Column("causation_id", _Id),
    Column("recorded_at", _Big, nullable=False),  # unix microseconds
    Column("hash", LargeBinary(32), nullable=False),
    UniqueConstraint("stream_id", "stream_version"),
    UniqueConstraint("event_id"),
)

log_head = Table(
    "log_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # always 1
    Column("position", _Big, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

vault = Table(
    "vault",
    metadata,
    Column("id", Text, primary_key=True),
    Column("nonce", LargeBinary(12), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", _Big, nullable=False),  # unix microseconds
)
