"""Why a caller was not let in, for the log."""

from hashlib import sha256

import attrs
import pytest

from engine.access import admit
from engine.errors import Reason, Refused
from engine.events import (
    NIL,
    DeploymentDefined,
    EndpointDefined,
    Event,
    GrantAdded,
    GroupDefined,
    KeyDefined,
    TariffDefined,
    UserDefined,
)
from engine.snapshot import RoutingSnapshot
from projections.routing import change, empty

NOW = 1_800_000_000
SECRET, BEFORE = sha256(b"now").digest(), sha256(b"before").digest()
KEY = KeyDefined("k", SECRET.hex(), False, {}, user_id="u")
WORLD: tuple[Event, ...] = (
    EndpointDefined("e", "https://e.example/v1"),
    DeploymentDefined("d", "m", "real", "e"),
    GroupDefined("g"),
    GrantAdded("g", "d"),
    UserDefined("u"),
)


def refused(snapshot: RoutingSnapshot, presented: bytes = SECRET, address: str = "192.0.2.1") -> Refused:
    with pytest.raises(Refused) as caught:
        admit(snapshot, "m", presented, NOW, address)
    return caught.value


@pytest.mark.parametrize(
    ("key", "presented", "why"),
    [
        (KEY, BEFORE, "no key has this secret"),
        (attrs.evolve(KEY, expires_at=NOW), SECRET, "has expired"),
        (attrs.evolve(KEY, previous_digest=BEFORE.hex(), previous_until=NOW), BEFORE, "before the last rotation"),
        (attrs.evolve(KEY, cidrs=("10.0.0.0/8",)), SECRET, "from this address"),
        (KEY, SECRET, "neither by name nor through a group"),
        (attrs.evolve(KEY, user_id="nobody"), SECRET, "user is gone"),
    ],
)
def test_a_refused_key_is_explained(key: KeyDefined, presented: bytes, why: str) -> None:
    """AUTH-8, ERR-4: who it was and why not, for the log; the client hears the catalogue's text."""
    one = refused(change(empty(), (*WORLD, key)), presented)
    assert one.reason is Reason.FORBIDDEN
    assert why in (one.why or "")
    assert one.key_id == (None if why.startswith("no key") else "k")
    assert (one.message, one.pool) == (None, "m")


def test_a_member_without_funds_is_explained() -> None:
    """AUTH-8: the one thing that the client is told too."""
    priced = (GrantAdded(NIL, "d"), TariffDefined("t", "d", "1", "0"), KEY)
    one = refused(change(empty(), (*WORLD, *priced)))
    assert (one.reason, one.key_id, one.why) == (Reason.PAYMENT_REQUIRED, "k", "the key's user has no funds")
