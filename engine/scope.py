"""What a command is about: the part of the table as it is, the part as it is wished for, and what stands beside it.

Law: a command is decided on what it names and on what that refers to, not on the whole table. A file replaces what
files have defined, and leaves alone what others have made; but their lists lose its keys that go.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import attrs

from engine.commands import ApplyManifest, ChangeSettings, DefineKey, DefineKeys, DefinePool, RemoveKey, RemovePool
from engine.errors import Problem
from engine.events import NIL
from engine.names import Alias, Digest, KeyId, Source, Stream
from engine.snapshot import FILE, Key, Manifest, Pool, RoutingSnapshot, Settings, file_of

V = TypeVar("V")


@attrs.frozen
class Scope:
    snapshot: RoutingSnapshot
    present: Manifest
    wished: Manifest
    problems: tuple[Problem, ...] = ()
    "What is wrong with asking for it at all."

    def has_pool(self, alias: Alias) -> bool:
        """Whether a pool that stands beside the wished-for ones goes by this name."""
        return alias in self.snapshot.pools and alias not in self.present.pools

    def has_key(self, key_id: KeyId) -> bool:
        return key_id in self.snapshot.keys and key_id not in self.present.keys

    def holder_of(self, digest: Digest) -> KeyId | None:
        """The key beside the wished-for ones that has this secret, or had it until its last rotation."""
        key = self.snapshot.callers.get(digest)
        return None if key is None or key.key_id in self.present.keys else key.key_id

    def pools(self) -> Iterator[tuple[Alias, Pool]]:
        for alias, pool in self.snapshot.pools.items():
            if alias not in self.present.pools:
                yield alias, pool


def scope_of(  # noqa: PLR0911 - one for each command
    snapshot: RoutingSnapshot,
    command: ApplyManifest | DefinePool | RemovePool | DefineKey | DefineKeys | RemoveKey | ChangeSettings,
    source: Source | None,
) -> Scope:
    """The scope of a source's command; without a source, of somebody who may change everything."""
    settings = snapshot.settings
    match command:
        case ApplyManifest():
            return _of_manifest(snapshot, command, source)
        case DefinePool(pool):
            there = Manifest(_only(snapshot.pools, pool.alias), {}, settings)
            wished = Manifest({pool.alias: pool}, {}, settings)
            problems = (*problems_of_name(snapshot, pool.alias), *problems_of_address(snapshot, pool.alias))
            return Scope(snapshot, there, wished, problems)
        case RemovePool(alias):
            problems = (*problems_of_name(snapshot, alias), *_led_to(snapshot, {alias}, but={alias}))
            there = Manifest(_only(snapshot.pools, alias), {}, settings)
            return Scope(snapshot, there, Manifest({}, {}, settings), problems)
        case DefineKey(key):
            return _of_keys(snapshot, (key,))
        case DefineKeys(keys):
            return _of_keys(snapshot, keys)
        case RemoveKey(key_id):
            left = pools_without(snapshot, frozenset({key_id}))
            there = Manifest({alias: snapshot.pools[alias] for alias in left}, _only(snapshot.keys, key_id), settings)
            return Scope(snapshot, there, Manifest(left, {}, settings))
        case ChangeSettings():
            return Scope(snapshot, Manifest({}, {}, settings), Manifest({}, {}, command.settings))


def _of_manifest(snapshot: RoutingSnapshot, command: ApplyManifest, source: Source | None) -> Scope:
    """A file's part of the table is what it was the last to define, and what is still to be."""
    manifest = command.manifest

    def is_mine(stream: Stream) -> bool:
        if source is None:
            return True
        known = snapshot.streams.get(stream)
        is_taken_over = command.takes_over and snapshot.owner(stream) is not None
        return known is None or known.source == source or is_taken_over

    pools = {alias: pool for alias, pool in snapshot.pools.items() if pool.grants is None and is_mine(f"pool:{alias}")}
    keys = {key_id: key for key_id, key in snapshot.keys.items() if is_mine(f"key:{key_id}")}
    problems: list[Problem] = []
    if source is not None and source in snapshot.released:
        what = f"{file_of(source)} was released: the API changes now what it defined"
        problems.append(Problem((), what, "a source that is claimed again"))
    for kind, wished, present, mine in (
        ("pools", manifest.pools, snapshot.pools, pools),
        ("keys", manifest.keys, snapshot.keys, keys),
    ):
        problems += [
            Problem((kind, name), f"is not this file's: {_maker(snapshot, kind, name)}", _cure(kind))
            for name in wished
            if name in present and name not in mine
        ]
    if not is_mine("settings") and manifest.settings != snapshot.settings:
        if manifest.settings != Settings():
            problems.append(Problem(("settings",), "are not this file's to change", "a file without settings"))
        # A file that says nothing of them asks for nothing.
        manifest = attrs.evolve(manifest, settings=snapshot.settings)
    problems += _led_to(snapshot, pools.keys() - manifest.pools.keys(), but=pools)
    gone = frozenset(keys.keys() - manifest.keys.keys())
    losing = pools_without(snapshot, gone) if gone else {}
    left = {alias: pool for alias, pool in losing.items() if alias not in pools}
    for alias in left if source is not None else ():
        if snapshot.owner(f"pool:{alias}") is not None:
            what = f"lists a key of this file that would be gone, and {_maker(snapshot, 'pools', alias)}"
            problems.append(Problem(("pools", alias, "keys"), what, "a pool that does not list it"))
    there = Manifest({**pools, **{alias: snapshot.pools[alias] for alias in left}}, keys, snapshot.settings)
    return Scope(snapshot, there, attrs.evolve(manifest, pools={**left, **manifest.pools}), tuple(problems))


def _maker(snapshot: RoutingSnapshot, kind: str, name: str) -> str:
    owner = snapshot.owner(f"{kind.removesuffix('s')}:{name}")
    if owner is None:
        return "it was made by the API"
    return f"{'the watched file ' if owner.startswith(FILE) else 'the sent file '}{file_of(owner)} manages it"


def _of_keys(snapshot: RoutingSnapshot, keys: tuple[Key, ...]) -> Scope:
    wished = {key.key_id: key for key in keys}
    present = {key_id: snapshot.keys[key_id] for key_id in wished if key_id in snapshot.keys}
    settings = snapshot.settings
    problems = tuple(
        Problem(("keys", key.key_id, "user_id"), f"no user has the id {key.user_id!r}", "the id of a user, or none")
        for key in keys
        if key.user_id not in {None, NIL} and key.user_id not in snapshot.users
    )
    return Scope(snapshot, Manifest({}, present, settings), Manifest({}, wished, settings), problems)


def pools_without(snapshot: RoutingSnapshot, key_ids: frozenset[KeyId]) -> dict[Alias, Pool]:
    """The pools that list some keys, as they are without them: a later key of such an id is not let in by an old list.

    An empty list stays a list: nobody passes. None would open the pool (DEF-3).
    """
    return {
        alias: attrs.evolve(pool, keys=pool.keys - key_ids)
        for alias, pool in sorted(snapshot.pools.items())
        if pool.keys and not pool.keys.isdisjoint(key_ids)
    }


def problems_of_name(snapshot: RoutingSnapshot, alias: Alias) -> tuple[Problem, ...]:
    """What is wrong with a pool's name for what models there are."""
    model_id = snapshot.catalogue.models.get(alias)
    if model_id is None:
        return ()
    return (Problem(("pools", alias), f"is the name of model {model_id}", "a name that no model has (DEF-19)"),)


def problems_of_address(snapshot: RoutingSnapshot, alias: Alias) -> tuple[Problem, ...]:
    """What is wrong with the name of a new pool for whoever has to ask for it by an address."""
    if alias in snapshot.pools or {"", ".", ".."}.isdisjoint(alias.split("/")):
        return ()
    what = "has a part between slashes that is empty, . or .., so that no address leads to it"
    return (Problem(("pools", alias), what, "another name"),)


def _cure(kind: str) -> str:
    return f"another name, or delete the {kind.removesuffix('s')} there first"


def _led_to(snapshot: RoutingSnapshot, gone: Collection[Alias], *, but: Collection[Alias]) -> Iterator[Problem]:
    """Redirects to pools that would be gone, of all pools but some (RULE-10)."""
    for other, pool in snapshot.pools.items() if gone else ():
        for place, rule in enumerate(pool.rules) if other not in but else ():
            if rule.target in gone:
                where = ("pools", other, "rules", place, "target")
                what = f"pool {other!r} has a rule that leads to {rule.target!r}, which would be gone"
                yield Problem(where, what, "a rule with another target, or none")


def _only(mapping: Mapping[str, V], name: str) -> dict[str, V]:
    return {name: mapping[name]} if name in mapping else {}
