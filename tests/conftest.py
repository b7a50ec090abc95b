"""The assertions of what tests share explain themselves like those of a test file."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# How long a busy machine takes to make an example says nothing of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a job that a shell put into the background; the processes that tests start would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
