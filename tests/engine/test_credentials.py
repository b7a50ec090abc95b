"""Keys' secrets over time, and admin tokens, as the engine knows them."""

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access import admit, digest, identify, token_of
from engine.commands import ChangeEntities, DefineKey, RemoveKey
from engine.credentials import (
    LONGEST_OVERLAP_S,
    Expiry,
    expiry_of,
    overlap_of,
    problems_of_names,
    problems_of_secret,
    rotated,
)
from engine.decide import decide
from engine.errors import Problem, Reason, Refused, Rejected
from engine.events import TokenDefined, TokenRemoved
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.tables import folded, key, pool, provider, secret_of, table

CHAT = pool("chat", provider("a"), keys=frozenset({"mine"}))
NOW = 1_000_000


def opens(snapshot: RoutingSnapshot, secret: bytes, at: int) -> bool:
    """Whether the data plane lets a secret in."""
    try:
        admit(snapshot, "chat", digest(secret), at)
    except Refused as refused:
        return refused.reason is not Reason.FORBIDDEN
    return True


def after(snapshot: RoutingSnapshot, command: DefineKey | RemoveKey | ChangeEntities) -> RoutingSnapshot:
    return folded(snapshot, decide(snapshot, command, change=routing.change))


def turned(snapshot: RoutingSnapshot, fresh: bytes, at: int, overlap_s: int) -> RoutingSnapshot:
    return after(snapshot, DefineKey(rotated(snapshot.keys["mine"], digest(fresh), at, overlap_s)))


def test_a_rotated_key_has_two_secrets_until_the_overlap_is_over() -> None:
    """House §7: the new one at once, the old one to the second; then the new one alone."""
    before = table([CHAT], [key("mine")])
    assert opens(before, b"secret-mine", NOW)
    snapshot = turned(before, b"second", NOW, 60)
    found = [[opens(snapshot, one, NOW + s) for one in (b"secret-mine", b"second")] for s in (0, 59, 60, 10**6)]
    assert found == [[True, True], [True, True], [False, True], [False, True]]
    assert [overlap_of(snapshot.keys["mine"], NOW + s) for s in (0, 59, 60)] == [NOW + 60, NOW + 60, None]


def test_a_rotation_without_overlap_ends_the_old_secret_at_once() -> None:
    """And leaves no trace of it."""
    snapshot = turned(table([CHAT], [key("mine")]), b"second", NOW, 0)
    assert not opens(snapshot, b"secret-mine", NOW)
    assert opens(snapshot, b"second", NOW)
    assert secret_of("mine") not in snapshot.callers


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from([0, 1, 50, LONGEST_OVERLAP_S])), max_size=6))
def test_of_any_rotations_the_newest_secret_and_the_one_before_it_are_good(turns: Sequence[tuple[int, int]]) -> None:
    """Rotating again during an overlap drops the oldest; nothing but the last two can ever open anything."""
    snapshot, at, until = table([CHAT], [key("mine")]), NOW, NOW
    secrets = [b"secret-mine"]
    for number, (passed, overlap) in enumerate(turns):
        at += passed
        secrets.append(b"secret-%d" % number)
        snapshot = turned(snapshot, secrets[-1], at, overlap)
        until = at + overlap
    for now in (at, at + 1, at + 60, at + LONGEST_OVERLAP_S):
        good = [one for one in secrets if opens(snapshot, one, now)]
        assert good == ([secrets[-2]] if len(secrets) > 1 and now < until else []) + [secrets[-1]]
    assert len(snapshot.callers) == 1 + (snapshot.keys["mine"].previous is not None)


def test_a_revoked_key_is_refused_from_its_position_on() -> None:
    """DELTA-3: with both its secrets, and also on the pools that listed it."""
    snapshot = turned(table([CHAT], [key("mine")]), b"second", NOW, 60)
    gone = after(snapshot, RemoveKey("mine"))
    assert [opens(gone, one, NOW) for one in (b"secret-mine", b"second")] == [False, False]
    assert gone.pools["chat"].keys == frozenset(), "an empty list stays one: nobody passes (DEF-3)"
    assert not gone.callers


def test_a_secret_is_one_keys() -> None:
    """CFG-12: neither a new key nor a rotation can take a secret that a key has or had until its last rotation."""
    snapshot = turned(table([CHAT], [key("mine"), key("other")]), b"second", NOW, 60)
    for secret in (b"second", b"secret-mine", b"secret-other"):
        with pytest.raises(Rejected) as caught:
            after(snapshot, DefineKey(attrs.evolve(key("new"), digest=digest(secret))))
        assert caught.value.problems[0].where == ("keys", "new", "digest")


def test_a_key_can_be_used_from_its_networks_until_it_ends() -> None:
    """An address that is unknown is in none; an IPv4 address in IPv6's clothes is what it is."""
    one = attrs.evolve(key("mine"), expires_at=NOW + 10, cidrs=("10.0.0.0/8", "2001:db8::/32"))
    snapshot = table([CHAT], [one])
    for address, is_within in {
        "10.1.2.3": True,
        "::ffff:10.1.2.3": True,
        "2001:db8::1": True,
        "11.0.0.1": False,
    }.items():
        assert (identify(snapshot, secret_of("mine"), NOW, address) is not None) == is_within
    assert identify(snapshot, secret_of("mine"), NOW, "") is None
    assert identify(snapshot, secret_of("mine"), NOW + 10, "10.1.2.3") is None
    assert [expiry_of(NOW + 10, at) for at in (NOW, NOW + 10)] == [Expiry.AHEAD, Expiry.PAST]
    assert expiry_of(None, NOW) is Expiry.NEVER


def where(problems: Sequence[Problem]) -> list[str | int]:
    return [problem.where[0] for problem in problems]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "x" * 15,
        "x" * 513,
        "with a space in it",
        "line\nbreak-aaaaaaaaaa",
        "tab\taaaaaaaaaaaaaaa",
        "é" * 20,
        "\x00" * 20,
    ],
)
def test_a_secret_that_no_header_carries_is_none(secret: str) -> None:
    """And no problem repeats it."""
    (problem,) = problems_of_secret(secret, {})
    assert problem.where == ("secret",)
    assert not secret or secret not in f"{problem.what} {problem.valid}"


def test_a_secret_is_not_the_id_of_a_key() -> None:
    """CFG-13: ids are public."""
    named = key("sixteen-letters-")
    assert where(list(problems_of_secret("sixteen-letters-", {named.key_id: named}))) == ["secret"]
    assert not list(problems_of_secret("sixteen-letters+", {named.key_id: named}))


@pytest.mark.parametrize("text", ["", "a\nb", "a\x1b[31m", "\u202egnp", "\x00", "\ud800", "x" * 257])
def test_what_could_forge_a_line_is_no_name(text: str) -> None:
    """In no field that can be chosen: control characters, a reversed direction, half of a pair, endless text."""
    assert "key_id" in where(list(problems_of_names(attrs.evolve(key("k"), key_id=text))))
    assert where(list(problems_of_names(attrs.evolve(key("k"), purpose=text)))) == ["purpose"]
    assert where(list(problems_of_names(attrs.evolve(key("k"), labels={text: "v"})))) == ["labels"]
    assert where(list(problems_of_names(attrs.evolve(key("k"), labels={"n": text})))) == (["labels"] if text else [])
    assert where(list(problems_of_names(attrs.evolve(key("k"), aliases=frozenset({text}))))) == ["aliases"]


def test_names_may_be_what_people_write() -> None:
    """Of any language, and with all that SQL and shells find special; ids stay what an address can have."""
    odd = "'; DROP TABLE events; -- $(x) ${y} ё 東京"
    assert not list(problems_of_names(attrs.evolve(key("k.1~a@b:c+d-e_f"), labels={odd: odd}, purpose=odd)))
    for key_id in ("a/b", "a b", "../x", "é", "-x", "x" * 129):
        assert where(list(problems_of_names(key(key_id)))) == ["key_id"]
    assert where(list(problems_of_names(key("k", **{str(n): "" for n in range(65)})))) == ["labels"]
    assert where(list(problems_of_names(key("k", purpose="batch")))) == ["labels"], "the field `purpose` is that label"


def token(token_id: str, secret: bytes = b"t", **fields: object) -> TokenDefined:
    return TokenDefined(token_id, digest(secret).hex(), **{"scope": "read", **fields})  # type: ignore[arg-type]


def test_a_token_is_good_until_it_ends_or_is_removed() -> None:
    """To the second, and by its secret's digest alone."""
    snapshot = after(routing.empty(), ChangeEntities((token("a", expires_at=NOW),)))
    found = token_of(snapshot, digest(b"t"), NOW - 1)
    assert found is not None
    assert (found.token_id, found.scope) == ("a", "read")
    assert token_of(snapshot, digest(b"t"), NOW) is None
    assert token_of(snapshot, digest(b"u"), 0) is None
    assert token_of(snapshot, None, 0) is None
    assert token_of(after(snapshot, ChangeEntities((TokenRemoved("a"),))), digest(b"t"), 0) is None


def test_two_tokens_do_not_have_one_secret() -> None:
    """Taking one of them back would take back both."""
    snapshot = after(routing.empty(), ChangeEntities((token("a"),)))
    with pytest.raises(Rejected) as caught:
        after(snapshot, ChangeEntities((token("b"),)))
    assert caught.value.problems[0].where == ("secret",)
    assert digest(b"t").hex() not in str(caught.value.problems)
    again = after(snapshot, ChangeEntities((token("a", scope="admin"),)))
    assert token_of(again, digest(b"t"), 0) is not None
    with pytest.raises(Rejected):
        after(routing.empty(), ChangeEntities((token("a"), token("b"))))


@pytest.mark.parametrize(
    ("fields", "where_"),
    [
        ({"scope": "root"}, "scope"),
        ({"name": "a\nb"}, "name"),
        ({"expires_at": -1}, "expires_at"),
        ({"expires_at": 10**15}, "expires_at"),
        ({"token_id": "a/b"}, "token_id"),
    ],
)
def test_a_wrong_token_is_rejected_at_its_field(fields: dict[str, object], where_: str) -> None:
    """DEF-10."""
    with pytest.raises(Rejected) as caught:
        after(routing.empty(), ChangeEntities((attrs.evolve(token("a"), **fields),)))
    assert where(caught.value.problems) == [where_]
