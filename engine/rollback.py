"""The table of an earlier position made to hold again, by events that make up for what came after it.

Law: nothing is cut. After the events the table is the one of the position, entity by entity, and each entity is whose
it was then, but for what no rollback brings back:

- admin tokens stay as they are, so that nobody is locked out and no token comes to life again;
- what ended a key's secret since (a removal, a rotation, an earlier expiry) stays, unless `with_revoked_keys` asks for
  it, and the lists of pools lose the ids of keys that are not there;
- booked money stays: ledgers, what access goes by with them, and so users who have a ledger;
- time stays: a tariff that has begun or ended since has done so, where `at_us` says what time it is.

A name or a secret that two entities have claimed, as only in a log that no command has written, is whose the last of
them is. Nothing is checked, since the table was in force before.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs

from engine.commands import RollBack
from engine.definitions import define_key, define_pool, define_settings
from engine.document import KINDS, Kind, Path, kind_of
from engine.errors import Outdated
from engine.events import (
    CompositeDefined,
    CreditsCheckpointed,
    DeploymentDefined,
    Event,
    FundsRestored,
    PoolRemoved,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    TokenDefined,
    UserDefined,
    stream_of,
)
from engine.lasting import account_of, keys_then
from engine.names import Digest, KeyId, Source, Stream
from engine.replacing import UNDONE, Change
from engine.scope import pools_without
from engine.snapshot import Manifest, RoutingSnapshot, behalf, is_owning
from engine.table_changes import changes_between
from engine.tariffs import Phase, Tariff, defined

TABLE: Final[Stream] = "table"
"""What stands for all of it where a version is stated, which is its position."""

_APART: Final = (TokenDefined, TariffDefined, TariffBegan, CreditsCheckpointed, FundsRestored)
_ALIKE: Final = tuple(kind for kind in KINDS if not any(one in kind.classes for one in _APART))
"""The kinds of facts that are as they were, and no more is to be said."""
_USERS: Final = kind_of(UserDefined)
_MODELS: Final = (kind_of(DeploymentDefined), kind_of(CompositeDefined))


def compensations(snapshot: RoutingSnapshot, command: RollBack, *, change: Change) -> tuple[Event, ...]:
    """The events that lead from a table to the earlier one. Raises Outdated where another position was expected."""
    if command.expected not in {None, snapshot.position}:
        raise Outdated(TABLE, command.expected or 0, snapshot.position)
    back = _RollingBack(snapshot, command, change)
    back.undo()
    back.define()
    back.bring_in_table()
    back.claim()
    back.remove_users()
    back.hand_over()
    return tuple(back.events)


def acting(command: RollBack, event: Event, actor: Source) -> Source:
    """As whom somebody writes one of these events: in the place of the file that had the entity then."""
    source = _holder(command.table, stream_of(event))
    return actor if source is None else behalf(actor, source)


def _holder(table: RoutingSnapshot, stream: Stream) -> Source | None:
    """The file that was the last to write of an entity, released or not."""
    known = table.streams.get(stream)
    return known.source if known is not None and is_owning(known.source) else None


class _RollingBack:
    """The table on its way, and the events so far. The fold takes whatever comes."""

    def __init__(self, snapshot: RoutingSnapshot, command: RollBack, change: Change) -> None:
        self.events: list[Event] = []
        self._before = self._now = snapshot
        self._command = command
        self._then = then = command.table
        self._change = change
        self._facts: dict[Kind, dict[Path, Any]] = {
            kind: {kind.path(fact): fact for fact in kind.facts(then)} for kind in _ALIKE
        }
        for user_id in snapshot.catalogue.ledgers:
            self._facts[_USERS].setdefault((user_id,), UserDefined(user_id, snapshot.users[user_id].name))
        self._tariffs = {name: self._turned(tariff) for name, tariff in then.catalogue.tariffs.items()}
        keys = keys_then(snapshot, then, revoked=command.with_revoked_keys)
        pools = {alias: pool for alias, pool in then.pools.items() if pool.grants is None}
        gone = frozenset(then.keys) - keys.keys()
        shorter = pools_without(then, gone) if gone else {}
        pools |= {alias: pool for alias, pool in shorter.items() if alias in pools}
        self._table = Manifest(pools, keys, then.settings)

    def undo(self) -> None:
        """What was not there, but for users: their keys may be others' in the end."""
        for kind in UNDONE:
            if kind in _ALIKE:
                self._undo(kind)
        self._go_on(TariffRemoved(name) for name in sorted(self._now.catalogue.tariffs) if name not in self._tariffs)
        self._go_on(PoolRemoved(alias) for alias in sorted(self._present().pools) if alias not in self._table.pools)

    def define(self) -> None:
        """What is not there any more, or otherwise."""
        for kind in _ALIKE:
            there = {kind.path(fact): fact for fact in kind.facts(self._now)}
            self._go_on(fact for path, fact in self._facts[kind].items() if there.get(path) != fact)
        for name in sorted(self._tariffs):
            self._go_on(_tariff(self._now.catalogue.tariffs.get(name), self._tariffs[name]))
        for user_id in sorted(set(self._then.users) - set(self._before.users)):
            self._go_on(self._account(user_id))

    def bring_in_table(self) -> None:
        """Pools and keys may name models and users that are only now there again."""
        self._go_on(changes_between(self._present(), self._table))

    def claim(self) -> None:
        """What had a name or a secret of its own, and has it no more since another had taken it, states it again."""
        names = self._now.catalogue.models
        for kind in _MODELS:
            wanted = self._facts[kind].values()
            mine = (one for one in wanted if self._then.catalogue.models.get(one.alias) == one.model_id)
            self._go_on(one for one in mine if names.get(one.alias) != one.model_id)
        for key_id, key in sorted(self._table.keys.items()):
            known = [digest for digest in (key.digest, key.previous) if digest is not None]
            if any(_leads(self._then, one, key_id) and not _leads(self._now, one, key_id) for one in known):
                self._go_on((define_key(key),))

    def remove_users(self) -> None:
        self._undo(_USERS)

    def hand_over(self) -> None:
        """What is as it was, but whose it was not, is stated again by whom it was (`acting`)."""
        touched = {stream_of(event) for event in self.events}
        astray = {
            stream
            for stream in {*self._then.streams, *self._before.streams}
            if stream not in touched and _holder(self._then, stream) != _holder(self._before, stream)
        }
        if astray:
            stated = {stream_of(event): event for event in self._stated()}
            self._go_on(stated[stream] for stream in sorted(astray & stated.keys()))

    def _stated(self) -> Iterator[Event]:
        """An event for each entity that says no more than what holds."""
        yield define_settings(self._table.settings)
        yield from (define_key(key) for key in self._table.keys.values())
        yield from (define_pool(pool) for pool in self._table.pools.values())
        for name, tariff in self._tariffs.items():
            yield TariffEnded(name) if tariff.has_ended else tariff.defined
        # An entity itself comes after what belongs to it, so that it is the one.
        for kind in reversed(_ALIKE):
            yield from self._facts[kind].values()

    def _turned(self, tariff: Tariff) -> Tariff:
        turn = None if self._command.at_us is None else tariff.turn(self._command.at_us)
        if turn is None:
            return tariff
        return attrs.evolve(tariff, phase=Phase.CURRENT if isinstance(turn, TariffBegan) else Phase.ENDED)

    def _account(self, user_id: str) -> Iterator[Event]:
        """Of a user who is there again, as it was in the end."""
        account = self._command.accounts.get(user_id) or account_of(self._then, user_id)
        if account.ledger is not None:
            yield CreditsCheckpointed(user_id, format(account.ledger.balance, "f"), account.ledger.seq)
        if account.is_funded:
            yield FundsRestored(user_id)

    def _undo(self, kind: Kind) -> None:
        wished, undo = self._facts[kind], kind.undo
        if undo is not None:
            self._go_on([undo(fact) for fact in kind.facts(self._now) if kind.path(fact) not in wished])

    def _present(self) -> Manifest:
        now = self._now
        return Manifest(
            {alias: pool for alias, pool in now.pools.items() if pool.grants is None}, now.keys, now.settings
        )

    def _go_on(self, events: Iterable[Event]) -> None:
        caused = list(events)
        if caused:
            self.events += caused
            self._now = self._change(self._now, caused)


def _leads(table: RoutingSnapshot, digest: Digest, key_id: KeyId) -> bool:
    """Whether a secret is a key's."""
    key = table.callers.get(digest)
    return key is not None and key.key_id == key_id


def _tariff(now: Tariff | None, then: Tariff) -> Iterator[Event]:
    """From one to the other; time alone does not lead back from one that is current to one that waits."""
    event = then.defined
    if now is not None and now.is_current and then.phase is Phase.WAITING:
        yield TariffRemoved(event.tariff_id)
        now = None
    if now is None or now.defined != event or (then.phase is Phase.WAITING and now.has_ended):
        yield event
        now = defined(now, event)
    if now.phase is not then.phase:
        yield TariffBegan(event.tariff_id) if then.is_current else TariffEnded(event.tariff_id)
