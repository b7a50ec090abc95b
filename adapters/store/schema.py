"""The tables. Positions come from `log_head`, never from the database's own counters.

Law: a column of `events` is hashed by `adapters/store/chain.py`, or it is the hash. Payloads are text, because
a JSON column type would reorder keys and rewrite numbers under the hash. A change here is a new file in
`migrations/versions`, which is how every database gets its tables.
"""

from typing import Any, Final

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

SCHEMA_VERSION: Final = 2
"""The newest revision in `migrations/versions`; also what `PRAGMA user_version` says of a file with these tables."""

VERSION_TABLE: Final = "pointsman_schema"
"""Where Alembic keeps the revision; not under its own name, which another program's tables may have beside ours."""

APPLICATION_ID: Final = 0x506E746D
"""What `PRAGMA application_id` says of a file of ours: "Pntm"."""

_Big = BigInteger().with_variant(Integer(), "sqlite")  # so that a primary key is SQLite's rowid
# 32 lower-case hexadecimal digits. `as_uuid` leaves them to PostgreSQL's driver, whose codec
# `postgres_database.py` sets; otherwise SQLAlchemy would rewrite each value of each row.
_Id: Uuid[Any] = Uuid(as_uuid=True).with_variant(CHAR(32), "sqlite")

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

replica = Table(
    "replica",
    metadata,
    Column("replica_id", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("position", _Big, nullable=False),
    Column("seen_at", _Big, nullable=False),  # unix microseconds; the server's clock where there is a server
)
