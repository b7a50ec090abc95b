"""The assertions of what tests share explain themselves like those of a test file."""

import pytest

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
