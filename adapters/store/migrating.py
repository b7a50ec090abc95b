"""Brings a database's tables to the newest revision, by Alembic.

Law: all revisions run in the caller's transaction: a database has its tables as one version of pointsman knows them,
or as before. Callers see to it that one process at a time does this.
"""

from pathlib import Path
from threading import Lock
from typing import Final

from sqlalchemy import Connection

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_one_at_a_time: Final = Lock()  # Alembic keeps what it works on in its modules


def migrate(connection: Connection, *, present: int) -> None:
    """From the revision that the tables are of (0: there are none) to the newest."""
    # Here, because a start that has nothing to migrate does not need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _one_at_a_time:
        if present:
            command.stamp(config, str(present))  # files of the first version do not say theirs as Alembic does
        command.upgrade(config, "head")
