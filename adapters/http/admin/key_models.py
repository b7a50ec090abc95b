"""Client keys as the API takes and tells them.

Law: no model that goes out has a secret or a digest.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar

import attrs
import msgspec
from litestar.params import Body
from msgspec import UNSET, UnsetType

from adapters.http.admin.bounds import AtLeastOne, Count, Rate
from adapters.http.admin.times import Time, told, unix_s
from engine.credentials import LONGEST_OVERLAP_S, OVERLAP_S, expiry_of, overlap_of
from engine.snapshot import Key, Limits, RoutingSnapshot

V = TypeVar("V")

Overlap: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=LONGEST_OVERLAP_S), Body(ge=0, le=LONGEST_OVERLAP_S)]


@attrs.frozen(kw_only=True)
class KeyLimits:
    """null: no limit."""

    max_concurrent: Count | None = None
    requests_per_second: Rate | None = None
    burst: AtLeastOne | None = None


@attrs.frozen(kw_only=True)
class LimitsChange:
    """A limit that is left out stays as it is; null takes it away."""

    max_concurrent: Count | UnsetType | None = UNSET
    requests_per_second: Rate | UnsetType | None = UNSET
    burst: AtLeastOne | UnsetType | None = UNSET


@attrs.frozen(kw_only=True)
class NewKey:
    key_id: str | None = None
    "1 to 128 letters, digits and . _ ~ @ : + -; one is made where none is given."
    secret: Annotated[str, Body(description="Your own, 16 to 512 ASCII characters; null: one is made.")] | None = (
        attrs.field(default=None, repr=False)
    )
    user_id: str | None = None
    purpose: str | None = None
    labels: Mapping[str, str] = attrs.field(factory=dict)
    aliases: tuple[str, ...] = ()
    "Pools it opens beside those that list it."
    opens_all_pools: bool = False
    limits: KeyLimits = KeyLimits()
    expires_at: Time | None = None
    cidrs: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class KeyChange:
    """A merge patch (RFC 7396): what is left out stays as it is, null takes away; lists are replaced as a whole."""

    user_id: str | UnsetType | None = UNSET
    purpose: str | UnsetType | None = UNSET
    labels: Mapping[str, str | None] | UnsetType | None = UNSET
    aliases: tuple[str, ...] | UnsetType | None = UNSET
    opens_all_pools: bool | UnsetType | None = UNSET
    limits: LimitsChange | UnsetType | None = UNSET
    expires_at: Time | UnsetType | None = UNSET
    cidrs: tuple[str, ...] | UnsetType | None = UNSET


@attrs.frozen(kw_only=True)
class Rotation:
    overlap_s: Overlap = OVERLAP_S
    "How long the present secret stays good; 0: not at all."


@attrs.frozen(kw_only=True)
class KeyShown:
    key_id: str
    user_id: str | None
    purpose: str | None
    labels: Mapping[str, str]
    aliases: tuple[str, ...]
    opens_all_pools: bool
    limits: KeyLimits
    cidrs: tuple[str, ...]
    expires_at: datetime | None
    expiry: str
    "never, ahead or past."
    previous_until: datetime | None
    "Until when the secret before the last rotation is good; null: it is not."
    owner: str | None
    "The file that manages it, which this API therefore does not change."
    version: int
    position: int
    "At which it was last changed."


def made(body: NewKey, key_id: str, digest: bytes) -> Key:
    """A wished-for key."""
    return Key(
        key_id,
        digest,
        body.opens_all_pools,
        dict(body.labels),
        Limits(body.limits.max_concurrent, body.limits.requests_per_second, body.limits.burst),
        user_id=body.user_id,
        purpose=body.purpose,
        aliases=frozenset(body.aliases),
        expires_at=None if body.expires_at is None else unix_s(body.expires_at),
        cidrs=body.cidrs,
    )


def changed(key: Key, body: KeyChange) -> Key:
    limits, wished = key.limits, body.limits
    if wished is None:
        limits = Limits()
    elif not isinstance(wished, UnsetType):
        limits = Limits(
            _or(wished.max_concurrent, limits.max_concurrent),
            _or(wished.requests_per_second, limits.requests_per_second),
            _or(wished.burst, limits.burst),
        )
    until = body.expires_at
    return attrs.evolve(
        key,
        opens_all_pools=bool(_or(body.opens_all_pools, key.opens_all_pools)),
        labels=_merged(key.labels, body.labels),
        limits=limits,
        user_id=_or(body.user_id, key.user_id),
        purpose=_or(body.purpose, key.purpose),
        aliases=frozenset(_or(body.aliases, key.aliases) or ()),
        expires_at=unix_s(until) if isinstance(until, datetime) else _or(until, key.expires_at),
        cidrs=tuple(_or(body.cidrs, key.cidrs) or ()),
    )


def shown(snapshot: RoutingSnapshot, key: Key, at_us: int) -> KeyShown:
    stream = f"key:{key.key_id}"
    known = snapshot.streams.get(stream)
    at = at_us // 1_000_000
    overlap = overlap_of(key, at)
    return KeyShown(
        key_id=key.key_id,
        user_id=key.user_id,
        purpose=key.purpose,
        labels=key.labels,
        aliases=tuple(sorted(key.aliases)),
        opens_all_pools=key.opens_all_pools,
        limits=KeyLimits(**attrs.asdict(key.limits)),
        cidrs=key.cidrs,
        expires_at=None if key.expires_at is None else told(key.expires_at * 1_000_000),
        expiry=expiry_of(key.expires_at, at).value,
        previous_until=None if overlap is None else told(overlap * 1_000_000),
        owner=snapshot.owner(stream),
        version=0 if known is None else known.version,
        position=0 if known is None else known.position,
    )


def placed(where: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """From a problem's place in the engine's table of keys to its place in the body."""
    match where:
        case ("keys", _):
            return ("key_id",)
        case ("keys", _, "digest" | "previous", *_):
            return ("secret",)
        case ("keys", _, "max_concurrent" | "requests_per_second" | "burst" as field):
            return ("limits", field)
        case ("keys", _, *rest):
            return tuple(rest)
    return where


def _merged(labels: Mapping[str, str], wished: Mapping[str, str | None] | UnsetType | None) -> dict[str, str]:
    if isinstance(wished, UnsetType):
        return dict(labels)
    # Taken from a merge patch as it stands: null takes one away.
    return {name: value for name, value in {**labels, **wished}.items() if value is not None} if wished else {}


def _or(wished: Any, present: V) -> V:
    return present if isinstance(wished, UnsetType) else wished
