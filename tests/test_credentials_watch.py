"""Credentials that are missing, and how they are found."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from structlog.testing import capture_logs
from trio.testing import MockClock

from adapters.credentials_watch import CredentialsWatch
from adapters.store import SyncState, SyncStatus, UnknownCredential
from engine.errors import StoreUnavailable
from engine.snapshot import Pool, Provider, RoutingSnapshot
from projections import routing


class SlowVault:
    """It cannot be read so often, and has one credential then."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.reads: list[float] = []
        self._is_open = False

    async def refresh(self) -> None:
        self.reads.append(trio.current_time())
        if len(self.reads) <= self.failures:
            raise StoreUnavailable("the database is locked")
        self._is_open = True

    def resolve(self, credential_id: str) -> str:
        if self._is_open and credential_id == "cred-a":
            return "secret"
        raise UnknownCredential(credential_id)


def table(*credentials: str) -> RoutingSnapshot:
    providers = tuple(Provider(name, "http://a.example", credential=name) for name in credentials)
    return attrs.evolve(routing.empty(), pools={"m": Pool("m", providers)})


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


async def test_a_vault_is_read_until_nothing_is_missing(
    nursery: trio.Nursery,
    logged: list[Any],
    autojump_clock: MockClock,  # noqa: ARG001 - it makes the waits short
) -> None:
    """SYNC-23, house §8: a read that fails is tried again, later and later; each thing is told once."""
    vault = SlowVault(failures=9)
    watch = CredentialsWatch(vault)
    begun = trio.current_time()
    nursery.start_soon(watch.run)
    watch.changed(table("cred-a"), {"m"})
    await trio.sleep(100)
    apart = [round(later - earlier, 3) for earlier, later in pairwise(vault.reads)]
    assert vault.reads[0] == begun
    assert apart == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10]
    assert [line.get("provider", line["problem"]) for line in logged] == ["cred-a", "the database is locked"]


async def test_a_store_that_is_back_is_asked_at_once(
    nursery: trio.Nursery,
    logged: list[Any],
    autojump_clock: MockClock,  # noqa: ARG001 - it makes the waits short
) -> None:
    """SYNC-23: the wait between two reads ends when the store's news come again, or with a new table."""
    vault = SlowVault(failures=9)
    watch = CredentialsWatch(vault)
    nursery.start_soon(watch.run)
    watch.changed(table("cred-a"), {"m"})
    await trio.sleep(30)
    count = len(vault.reads)
    watch.synced(SyncStatus(SyncState.RECONNECTING, trio.current_time()))
    await trio.sleep(0.1)
    assert len(vault.reads) == count
    watch.synced(SyncStatus(SyncState.CONNECTED, trio.current_time()))
    await trio.sleep(0.1)
    assert len(vault.reads) == count + 1
    watch.changed(routing.empty(), {"m"})
    await trio.sleep(30)
    assert len(vault.reads) <= count + 2
    assert len(logged) == 2


async def test_a_reference_is_not_looked_for_in_the_vault(
    nursery: trio.Nursery,
    logged: list[Any],
    autojump_clock: MockClock,  # noqa: ARG001 - it makes the waits short
) -> None:
    """ERR-12: what the environment lacks is told, once, and no read of the vault would bring it."""
    vault = SlowVault(failures=0)
    watch = CredentialsWatch(vault)
    nursery.start_soon(watch.run)
    for _ in range(2):
        watch.changed(table("env:NAME"), {"m"})
        await trio.sleep(1)
    assert vault.reads == []
    assert [line["provider"] for line in logged] == ["env:NAME"]


async def test_what_goes_missing_again_is_told_again(nursery: trio.Nursery, logged: list[Any]) -> None:
    """ERR-12: a table that names another credential which nobody has is told of that one alone."""
    watch = CredentialsWatch(SlowVault(failures=0))
    nursery.start_soon(watch.run)
    watch.changed(table("cred-a", "cred-b"), {"m"})
    await trio.testing.wait_all_tasks_blocked()
    watch.changed(table("cred-a", "cred-c"), {"m"})
    assert [line["provider"] for line in logged] == ["cred-a", "cred-b", "cred-c"]
