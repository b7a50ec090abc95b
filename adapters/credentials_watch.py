"""Credentials that the table names and this process does not have: told, and looked for in the vault until they come.

Law: one that is missing is told once, until it was there in between; the vault is read again and again, at first soon
and then later and later, as long as any that it could hold is missing, since no event says when it can be read again.
References lead elsewhere, and are looked up for each use anyway.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import structlog
import trio

from adapters.store import SyncState, SyncStatus, UnknownCredential
from adapters.store.references import is_reference
from engine.errors import PointsmanError
from engine.names import Alias, CredentialId, ProviderName
from engine.snapshot import RoutingSnapshot

FIRST_S: Final = 0.2
LONGEST_S: Final = 10.0

_log = structlog.get_logger("pointsman")


class Vault(Protocol):
    def resolve(self, credential_id: CredentialId) -> str: ...
    async def refresh(self) -> None: ...


class CredentialsWatch:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._snapshot: RoutingSnapshot | None = None
        self._told: dict[Alias, set[tuple[ProviderName, CredentialId]]] = {}
        "What was told, and is missing still, by pool."
        self._problem: str | None = None
        "Why the vault could not be read last."
        self._bell = trio.Event()

    async def prepare(self, snapshot: RoutingSnapshot, touched: Iterable[Alias]) -> None:
        """Read the vault before a table is in force that names what this process does not have: whoever wrote the
        change has put the secret there first, so no request need meet a provider without it.
        """
        named = (one for alias in touched for one in self._missing(snapshot, alias))
        if any(not is_reference(unknown.credential_id) for _, unknown in named):
            await self._refresh()

    def changed(self, snapshot: RoutingSnapshot, touched: Iterable[Alias]) -> None:
        """A new table, and the pools in which it may differ. Tells at once what is missing."""
        self._snapshot = snapshot
        self._look(touched)
        self._bell.set()

    def synced(self, status: SyncStatus) -> None:
        """For `Sync.watch`: a store that is back is asked at once."""
        if status.state is SyncState.CONNECTED:
            self._bell.set()

    async def run(self) -> None:
        """Look for what is missing, until cancelled."""
        while True:
            await self._bell.wait()
            self._bell = trio.Event()
            wait_s = FIRST_S
            while self._is_in_vault():
                await self._refresh()
                self._look(tuple(self._told))
                if not self._is_in_vault():
                    break
                # Never sooner, whatever rings: tables may follow each other fast.
                await trio.sleep(FIRST_S)
                with trio.move_on_after(wait_s - FIRST_S):
                    await self._bell.wait()
                wait_s = FIRST_S if self._bell.is_set() else min(2 * wait_s, LONGEST_S)
                self._bell = trio.Event()

    async def _refresh(self) -> None:
        """A store that is away leaves the gateway with what it has."""
        try:
            await self._vault.refresh()
        except PointsmanError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _log.warning("the vault could not be read", problem=self._problem)
        else:
            self._problem = None

    def _is_in_vault(self) -> bool:
        """Whether anything is missing that the vault may come to hold."""
        return any(not is_reference(credential) for missing in self._told.values() for _, credential in missing)

    def _look(self, aliases: Iterable[Alias]) -> None:
        for alias in sorted(aliases):
            told = self._told.pop(alias, set())
            missing = set()
            for provider, unknown in self._missing(self._snapshot, alias):
                place = (provider, unknown.credential_id)
                missing.add(place)
                if place not in told:
                    # A request that skips the provider would hide it.
                    _log.warning("a provider has no credential", pool=alias, provider=provider, problem=str(unknown))
            if missing:
                self._told[alias] = missing

    def _missing(
        self, snapshot: RoutingSnapshot | None, alias: Alias
    ) -> Iterator[tuple[ProviderName, UnknownCredential]]:
        pool = None if snapshot is None else snapshot.pools.get(alias)
        for provider in pool.providers if pool is not None else ():
            if provider.credential is not None:
                try:
                    self._vault.resolve(provider.credential)
                except UnknownCredential as unknown:
                    yield provider.name, unknown
