"""A dwctl database in a real PostgreSQL."""

import pytest

from tests.dwctl.source import SCHEMA, Source
from tests.postgres import Server


@pytest.fixture
async def source(postgres: Server, empty_database: str) -> Source:
    """One without rows."""
    source = Source(postgres, empty_database)
    await source.run(SCHEMA.strip().rstrip(";"))
    return source
