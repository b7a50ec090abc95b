"""The assertions of what tests share explain themselves like those of a test file."""

import pytest

pytest.register_assert_rewrite(
    "tests.contracts.event_log",
    "tests.e2e.running",
    "tests.engine.runtime.running",
    "tests.engine.runtime.scripted_upstream",
)
