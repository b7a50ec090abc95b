"""One sync: the source read, its wishes told from the table as it is, the difference written.

Law: a source that cannot be read changes nothing; provider keys are in the vault before an event names them; and what a
sync would do is found by the same code that does it (`Trial`).
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import attrs

from adapters.dwctl.difference import steps_to
from adapters.dwctl.findings import Finding, Findings
from adapters.dwctl.ownership import Makers, Ownership
from adapters.dwctl.queries import queries_of
from adapters.dwctl.removed import without_removed
from adapters.dwctl.translate import translate
from adapters.dwctl.wishes import Wishes
from adapters.dwctl.writing import Writes, Writing
from engine.commands import Command
from engine.decide import Change, decide
from engine.events import Event
from engine.names import Alias, CredentialId, Position, Source
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot

Rows = Mapping[str, Any]
Read = Callable[[Callable[[Mapping[str, Mapping[str, str]]], Mapping[str, str]]], Awaitable[Rows]]


class Vault(Protocol):
    def credential_id(self, secret: str) -> CredentialId: ...
    async def keep(self, credentials: Mapping[CredentialId, str]) -> None: ...


@attrs.frozen
class Options:
    actor: Source
    escalation: tuple[Alias, ...] = ()
    opens_redirects: bool = False


@attrs.frozen
class Report:
    position: Position
    "At which all that could be carried over holds."
    changes: Mapping[type, int]
    "How many events of each kind that took."
    findings: tuple[Finding, ...]


class Table:
    """The log's table, changed in one source's name. Its follower has to be running."""

    def __init__(self, writer: Writer, follower: Follower, actor: Source) -> None:
        self._writer = writer
        self._follower = follower
        self._actor = actor

    async def write(self, command: Command) -> tuple[Event, ...]:
        written = await self._writer.write(command, actor=self._actor)
        await self._follower.applied(written.position)
        return written.events


class Trial:
    """A table that changes for nobody."""

    def __init__(self, snapshot: RoutingSnapshot, actor: Source, change: Change) -> None:
        self._snapshot = snapshot
        self._actor = actor
        self._change = change

    async def write(self, command: Command) -> tuple[Event, ...]:
        events = decide(self._snapshot, command, source=self._actor, change=self._change)
        self._snapshot = self._change(self._snapshot, events)
        return events


class Importer:
    def __init__(
        self,
        read: Read,
        vault: Vault,
        writer: Writer,
        follower: Follower,
        *,
        makers: Makers,
        change: Change,
        clock_us: Callable[[], int],
        options: Options,
    ) -> None:
        self._read = read
        self._vault = vault
        self._writer = writer
        self._follower = follower
        self._makers = makers
        self._change = change
        self._clock_us = clock_us
        self._options = options

    async def try_out(self) -> Report:
        """What a sync would do now. Nothing is written. Raises StartFailed, StoreUnavailable."""
        findings = Findings()
        wishes = await self._wishes(findings)
        snapshot = self._follower.snapshot
        return await self._make_so(wishes, Trial(snapshot, self._options.actor, self._change), findings)

    async def sync(self) -> Report:
        """Make the table what the source says. Raises StartFailed, StoreError."""
        findings = Findings()
        wishes = await self._wishes(findings)
        await self._vault.keep(wishes.models.credentials)
        return await self._make_so(wishes, Table(self._writer, self._follower, self._options.actor), findings)

    async def _wishes(self, findings: Findings) -> Wishes:
        rows = await self._read(lambda columns: queries_of(columns, findings))
        return translate(
            rows,
            credential_id=self._vault.credential_id,
            findings=findings,
            escalation=self._options.escalation,
            opens_redirects=self._options.opens_redirects,
        )

    async def _make_so(self, wishes: Wishes, table: Writes, findings: Findings) -> Report:
        own = Ownership(
            self._follower.snapshot, self._options.actor, self._makers.known, self._makers.removals, findings
        )
        writing = Writing(table, findings)
        await writing.all(steps_to(without_removed(wishes, own), own, self._clock_us()))
        return Report(self._follower.snapshot.position, dict(writing.changes), tuple(findings))
