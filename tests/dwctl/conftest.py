"""A dwctl database in a real PostgreSQL."""

import pytest

from tests.dwctl.source import SCHEMA, Source
from tests.postgres import Server


@pytest.fixture
def source(postgres: Server, empty_database: str) -> Source:
    """One without rows."""
    source = Source(postgres, empty_database)
    postgres.run(SCHEMA, database=empty_database)
    return source
