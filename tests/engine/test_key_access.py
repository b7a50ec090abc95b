"""What a key opens, when and from where."""

from contextlib import suppress
from hashlib import sha256

import attrs
import pytest

from engine.access import admit, identify
from engine.errors import Reason, Refused
from engine.events import NIL, KeyDefined, KeyRemoved, UserDefined, UserRemoved
from engine.snapshot import Grants, Key, Pool, RoutingSnapshot
from projections.routing import empty
from tests.engine.tables import folded, pool, provider, unchecked

NOW = 1_800_000_000
A = provider("a")
NEW, OLD, OTHER = (sha256(name).digest() for name in (b"new", b"old", b"other"))


def told(key: Key, at: int = NOW, presented: bytes = NEW, address: str = "") -> Key | None:
    callers = {digest: key for digest in (key.digest, key.previous) if digest is not None}
    return identify(attrs.evolve(empty(), callers=callers), presented, at, address)


@pytest.mark.parametrize(
    ("at", "new", "old"),
    [(NOW - 1, True, True), (NOW, True, False), (NOW + 99, True, False), (NOW + 100, False, False)],
)
def test_a_key_ends_on_time_and_its_old_secret_before_it(at: int, new: bool, old: bool) -> None:
    """T17: at the second it says, not after it."""
    key = Key("k", NEW, previous=OLD, previous_until=NOW, expires_at=NOW + 100)
    assert (told(key, at) is not None, told(key, at, OLD) is not None) == (new, old)


def test_an_index_that_is_wrong_lets_nobody_in() -> None:
    """AUTH-5: whatever it leads to, one of the key's own two secrets has to be the one that was presented."""
    rotated = Key("k", NEW, previous=OLD, previous_until=NOW + 100)
    wrong = attrs.evolve(empty(), callers={OTHER: rotated})
    assert identify(wrong, OTHER, NOW) is None
    assert identify(attrs.evolve(empty(), callers={OLD: Key("k", NEW)}), OLD, NOW) is None


@pytest.mark.parametrize(
    ("cidrs", "address", "expected"),
    [
        ((), "", True),
        ((), "192.0.2.1", True),
        (("192.0.2.0/24",), "192.0.2.255", True),
        (("192.0.2.0/24",), "192.0.3.0", False),
        (("192.0.2.0/24",), "::ffff:192.0.2.7", True),
        (("192.0.2.0/24",), "::ffff:192.0.3.7", False),
        (("192.0.2.0/24",), "2001:db8::1", False),
        (("::ffff:127.0.0.0/104",), "127.255.0.1", True),
        (("::ffff:127.0.0.0/104",), "::ffff:127.0.0.1", True),
        (("::ffff:127.0.0.0/104",), "128.0.0.1", False),
        (("::ffff:192.0.2.7",), "192.0.2.7", True),
        (("::ffff:0:0/96",), "10.1.2.3", True),
        (("2001:db8::/32",), "2001:db8:ffff::1", True),
        (("2001:db8::/32",), "2001:db9::1", False),
        (("2001:db8::/32", "10.0.0.0/8"), "10.1.2.3", True),
        (("::/0",), "10.1.2.3", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("0.0.0.0/0",), "", False),
        (("0.0.0.0/0",), "somewhere", False),
        (("nowhere",), "192.0.2.1", False),
    ],
)
def test_a_key_may_be_used_from_its_networks(cidrs: tuple[str, ...], address: str, expected: bool) -> None:
    """T17: IPv4, IPv6, and IPv4 as a socket for both tells it; from an address that is unknown, from nowhere."""
    assert (told(Key("k", NEW, cidrs=cidrs), address=address) is not None) == expected


MODEL = pool("model", A, grants=Grants(frozenset({NIL}), is_free=True))
OWN, LISTED = pool("own", A, keys=frozenset()), pool("listed", A, keys=frozenset({"k"}))


def opened(key: Key, *pools: Pool) -> list[str]:
    """The pools that let it in."""
    snapshot, found = unchecked(pools, [key]), list[str]()
    for one in pools:
        with suppress(Refused):
            found.append(admit(snapshot, one.alias, key.digest, NOW).pool.alias)
    return found


def test_a_key_without_a_user_opens_what_names_it_and_what_is_public() -> None:
    """SYNC-4: it has nobody's memberships; and no money, so only what is free."""
    priced = attrs.evolve(MODEL, alias="priced", grants=Grants(frozenset({NIL}), is_free=False))
    closed = attrs.evolve(MODEL, alias="closed", grants=Grants(frozenset({"g"})))
    pools = (MODEL, priced, closed, OWN, LISTED)
    assert opened(Key("k", NEW), *pools) == ["model", "listed"]
    named = Key("k", NEW, aliases=frozenset({"priced", "closed", "own"}))
    assert opened(named, *pools) == ["model", "priced", "closed", "own", "listed"]
    assert opened(Key("k", NEW, opens_all_pools=True), *pools) == [one.alias for one in pools]


def test_a_platform_key_is_not_for_inference() -> None:
    """SYNC-8, AUTH-8: nothing is open to it, a model or a pool, however it is named; the system user's is exempt."""
    platform = Key("k", NEW, purpose="platform", aliases=frozenset({"model"}), opens_all_pools=True)
    pools = (MODEL, pool("own", A), pool("listed", A, keys=frozenset({"k"})))
    assert opened(platform, *pools) == []
    assert opened(attrs.evolve(platform, user_id=NIL), *pools) == ["model", "own", "listed"]
    assert opened(attrs.evolve(platform, purpose="playground"), *pools) == ["model", "own", "listed"]


def test_a_key_of_nobody_who_is_there_opens_no_model() -> None:
    """DELTA-3: a log in which the user went and the key did not."""
    events = [UserDefined("u"), KeyDefined("k", NEW.hex(), opens_all_pools=True, labels={}, user_id="u")]
    there: RoutingSnapshot = attrs.evolve(folded(empty(), events), pools={"model": MODEL})
    assert admit(there, "model", NEW, NOW).key == there.keys["k"]
    gone = attrs.evolve(folded(there, [UserRemoved("u")]), pools={"model": MODEL})
    with pytest.raises(Refused) as caught:
        admit(gone, "model", NEW, NOW)
    assert caught.value.reason is Reason.FORBIDDEN


def test_a_removed_key_is_unknown_by_both_its_secrets() -> None:
    """DELTA-3: from the position of its end on; one of another id that took over a secret keeps it."""
    first = KeyDefined("k", NEW.hex(), False, {}, previous_digest=OLD.hex(), previous_until=NOW + 9)
    there = folded(empty(), [first])
    assert {digest for digest in (NEW, OLD) if identify(there, digest, NOW)} == {NEW, OLD}
    assert not folded(there, [KeyRemoved("k")]).callers
    taken = folded(there, [KeyDefined("l", OLD.hex(), False, {}), KeyRemoved("k")])
    assert {digest: key.key_id for digest, key in taken.callers.items()} == {OLD: "l"}
