"""The assertions of what tests share explain themselves like those of a test file."""

from collections.abc import Iterator

import pytest
import structlog

pytest.register_assert_rewrite(
    "tests.contracts.event_log",
    "tests.e2e.running",
    "tests.engine.pool.conversation",
    "tests.engine.pool.model",
    "tests.engine.pool.two_pools",
    "tests.engine.runtime.forwarding",
    "tests.engine.runtime.running",
    "tests.engine.runtime.scripted_upstream",
    "tests.postgres",
)

from tests.postgres import _databases, empty_database, log_database, postgres  # noqa: E402, F401 - fixtures of all tests


@pytest.fixture(autouse=True)
def _quiet_no_longer() -> Iterator[None]:
    """A command that was run in this process has set the log up for itself alone."""
    yield
    structlog.reset_defaults()
