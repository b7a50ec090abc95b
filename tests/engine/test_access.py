"""Who may use which pool, and where its rules send them."""

from collections.abc import Iterable

import attrs
import pytest

from engine.access import admit, digest, identify, is_open, not_found, refusal, visible_aliases
from engine.errors import Reason, Refused
from engine.snapshot import Key, Pool, RoutingSnapshot
from projections.routing import empty
from tests.engine.tables import deny, key, pool, provider, redirect, secret_of, unchecked

A = provider("a")
UNKNOWN = digest(b"nobody's")


def outcome(snapshot: RoutingSnapshot, presented: bytes | None, alias: str = "chat") -> str | Reason:
    """The serving pool's alias, or why not."""
    try:
        return admit(snapshot, alias, presented, NOW).pool.alias
    except Refused as refused:
        return refused.reason


NOW = 1_800_000_000
LISTED, GLOBAL, OTHER = key("listed"), key("global", opens_all=True), key("other")
NONE, FORBIDDEN = Reason.UNAUTHENTICATED, Reason.FORBIDDEN


@pytest.mark.parametrize(
    ("keys", "listing", "expected"),
    [
        # what the pool lists, the keys there are; then the outcome for: nothing, unknown, listed, global, other
        (None, (LISTED, OTHER), ("chat", "chat", "chat", "chat", "chat")),
        (None, (LISTED, GLOBAL, OTHER), (NONE, FORBIDDEN, FORBIDDEN, "chat", FORBIDDEN)),
        ({"listed"}, (LISTED, OTHER), (NONE, FORBIDDEN, "chat", FORBIDDEN, FORBIDDEN)),
        ({"listed"}, (LISTED, GLOBAL, OTHER), (NONE, FORBIDDEN, "chat", "chat", FORBIDDEN)),
        (set(), (LISTED, OTHER), (NONE, FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN)),
        (set(), (GLOBAL,), (NONE, FORBIDDEN, FORBIDDEN, "chat", FORBIDDEN)),
    ],
)
def test_who_passes(keys: set[str] | None, listing: Iterable[Key], expected: tuple[str | Reason, ...]) -> None:
    """CFG-11, AUTH-2, AUTH-3, AUTH-4, AUTH-6, DEF-3: an empty list is nobody, none the global keys or all."""
    listed = None if keys is None else frozenset(keys)
    snapshot = unchecked([pool("chat", A, keys=listed)], listing)
    presented = (None, UNKNOWN, *(secret_of(name) for name in ("listed", "global", "other")))
    assert tuple(outcome(snapshot, one) for one in presented) == expected


def test_effective_keys_are_the_union() -> None:
    """CFG-11: {t1, t2, shared} with global {g1, g2, shared} opens to five keys; without a list, to the global ones."""
    globals_ = [key(name, opens_all=True) for name in ("g1", "g2", "shared")]
    keys = [key("t1"), key("t2"), *globals_, key("x")]
    own, none = pool("own", A, keys=frozenset({"t1", "t2", "shared"})), pool("none", A)
    assert {one.key_id for one in keys if refusal(empty(), one, own) is None} == {"t1", "t2", "shared", "g1", "g2"}
    assert {one.key_id for one in keys if refusal(empty(), one, none) is None} == {"g1", "g2", "shared"}
    assert not is_open(unchecked([own, none], keys), none)
    assert is_open(unchecked([none], [key("t1")]), none)


def test_a_key_on_an_open_pool_is_still_known() -> None:
    """AUTH-3: its limits and labels apply there; an unknown secret is nobody's."""
    known = key("known", limit=3, tier="free")
    snapshot = unchecked([pool("chat", A)], [known])
    assert admit(snapshot, "chat", secret_of("known"), NOW).key is known
    assert admit(snapshot, "chat", UNKNOWN, NOW).key is None
    assert admit(snapshot, "chat", None, NOW).key is None


def test_a_key_is_found_by_digest_and_compared() -> None:
    """AUTH-5: an index that is wrong does not let anyone in."""
    known = key("known")
    assert identify(unchecked([], [known]), secret_of("known"), NOW) is known
    assert identify(attrs.evolve(empty(), callers={UNKNOWN: known}), UNKNOWN, NOW) is None
    assert digest(b"secret-known") == secret_of("known")
    assert repr(secret_of("known")) not in repr(known)


EMPTY = pool("empty", keys=frozenset({"listed"}))
DENYING = pool("denying", keys=frozenset({"batch"}), rules=(deny(purpose="batch"),))


@pytest.mark.parametrize(
    ("alias", "presented", "expected"),
    [
        ("nothing", None, Reason.MODEL_NOT_FOUND),
        ("nothing", UNKNOWN, Reason.MODEL_NOT_FOUND),
        ("nothing", secret_of("listed"), Reason.MODEL_NOT_FOUND),
        ("empty", None, Reason.UNAUTHENTICATED),
        ("empty", UNKNOWN, Reason.FORBIDDEN),
        ("empty", secret_of("listed"), Reason.UNAVAILABLE),
        ("denying", secret_of("batch"), Reason.FORBIDDEN),
    ],
)
def test_the_first_reason_in_order_is_given(alias: str, presented: bytes | None, expected: Reason) -> None:
    """ORDER-1, ORDER-2, ORDER-4: pool before authentication before rules before the empty pool."""
    snapshot = unchecked([EMPTY, DENYING], [LISTED, key("batch", purpose="batch")])
    assert outcome(snapshot, presented, alias) is expected


BATCH = key("batch", purpose="batch")


def admitted_to(*pools: Pool, presented: bytes | None = secret_of("batch"), alias: str = "chat") -> str | Reason:
    return outcome(unchecked(pools, [BATCH, key("real", purpose="realtime")]), presented, alias)


def test_a_denied_label_is_forbidden_though_the_key_is_valid() -> None:
    """RULE-4: and another label passes."""
    chat = pool("chat", A, keys=frozenset({"batch", "real"}), rules=(deny(purpose="batch"),))
    assert admitted_to(chat) is Reason.FORBIDDEN
    assert admitted_to(chat, presented=secret_of("real")) == "chat"


def test_rules_need_a_credential() -> None:
    """RULE-3: nobody's request skips them; an unknown secret has no labels but is somebody."""
    chat = pool("chat", A, rules=(deny(purpose="batch"),))
    assert admitted_to(chat, presented=None) == "chat"
    assert admitted_to(chat, presented=UNKNOWN) == "chat"
    everyone = pool("chat", A, rules=(deny(),))
    assert admitted_to(everyone, presented=None) == "chat"
    assert admitted_to(everyone, presented=UNKNOWN) is Reason.FORBIDDEN


def test_a_redirect_is_one_hop() -> None:
    """RULE-5, RULE-6: A sends to B and B to A: each is served by the other, and nothing loops."""
    a = pool("a", A, rules=(redirect("b"),))
    b = pool("b", A, rules=(redirect("a"),))
    assert admitted_to(a, b, alias="a") == "b"
    assert admitted_to(a, b, alias="b") == "a"
    assert admitted_to(a, pool("b", A, rules=(deny(),)), alias="a") == "b"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        # what the target lists; then the outcome for: listed, global, other, unknown
        (None, ("big", "big", "big", "big")),
        ({"listed"}, ("big", "big", FORBIDDEN, FORBIDDEN)),
        (set(), (FORBIDDEN, "big", FORBIDDEN, FORBIDDEN)),
    ],
)
def test_a_redirect_leads_where_the_caller_may_go_itself(
    keys: set[str] | None, expected: tuple[str | Reason, ...]
) -> None:
    """RULE-7, DEF-26: the target is asked too, open or not; a global key opens it as any pool."""
    target = pool("big", A, keys=None if keys is None else frozenset(keys))
    callers = (secret_of("listed"), secret_of("global"), secret_of("other"), UNKNOWN)
    found = []
    for presented in callers:
        opening = [GLOBAL] if presented == secret_of("global") else []
        chat = pool("chat", A, keys=None if not opening else frozenset(), rules=(redirect("big"),))
        found.append(outcome(unchecked([chat, target], [LISTED, OTHER, *opening]), presented))
    assert tuple(found) == expected


def test_a_rule_may_open_its_target() -> None:
    """RULE-7: then only where the caller asked counts; the target stays closed to those who ask for it."""
    target = pool("big", A, keys=frozenset())
    opening = attrs.evolve(redirect("big"), opens_target=True)
    chat = pool("chat", A, keys=frozenset({"batch"}), rules=(opening,))
    assert admitted_to(chat, target) == "big"
    assert admitted_to(chat, target, presented=secret_of("real")) is Reason.FORBIDDEN
    assert admitted_to(chat, target, alias="big") is Reason.FORBIDDEN
    assert admitted_to(attrs.evolve(chat, rules=(redirect("big"),)), target) is Reason.FORBIDDEN


def test_a_target_that_is_closed_to_the_caller_does_not_tell_that_it_is_empty() -> None:
    """ORDER-1: who may not go there learns no more than that."""
    chat = pool("chat", A, rules=(redirect("big"),))
    assert admitted_to(chat, pool("big", keys=frozenset())) is Reason.FORBIDDEN
    assert admitted_to(chat, pool("big", keys=frozenset({"batch"}))) is Reason.UNAVAILABLE


def test_a_redirect_to_nothing_is_not_served() -> None:
    """RULE-5: a target that is absent is a bad gateway; one that is empty is unavailable, as if asked directly."""
    chat = pool("chat", A, rules=(redirect("big"),))
    assert admitted_to(chat) is Reason.BAD_GATEWAY
    assert admitted_to(chat, pool("big")) is Reason.UNAVAILABLE
    assert admitted_to(pool("chat", rules=(redirect("big"),)), pool("big", A)) == "big"


def test_a_caller_sees_what_it_may_open() -> None:
    """MODELS-2, MODELS-3, MODELS-4: sorted; empty pools too; whatever the rules; a wrong key shortens it."""
    pools = [pool("z", keys=frozenset({"listed"})), pool("b", A, keys=frozenset({"other"})), pool("a", rules=(deny(),))]
    without = unchecked(pools, [LISTED, OTHER])
    assert visible_aliases(without, None, NOW) == ["a"]
    assert visible_aliases(without, UNKNOWN, NOW) == ["a"]
    assert visible_aliases(without, secret_of("listed"), NOW) == ["a", "z"]
    with_global = unchecked(pools, [LISTED, OTHER, GLOBAL])
    assert visible_aliases(with_global, None, NOW) == []
    assert visible_aliases(with_global, secret_of("listed"), NOW) == ["z"]
    assert visible_aliases(with_global, secret_of("global"), NOW) == ["a", "b", "z"]


def test_a_long_alias_is_shortened_in_the_answer() -> None:
    """ERR-5: what comes from outside goes back out bounded."""
    assert not_found("x").message == "The model `x` does not exist or you do not have access to it."
    message = not_found("x" * 5000).message
    assert message is not None
    assert f"`{'x' * 128}…`" in message
