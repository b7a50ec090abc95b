"""Who may use which model after any changes, against a model of its own: sets of pairs and the words of the spec."""

from fractions import Fraction
from hashlib import sha256

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.access import admit, refusal, visible_aliases
from engine.commands import ChangeEntities, Command, DefineKeys, RemoveKey
from engine.decide import decide
from engine.errors import Reason, Refused, Rejected
from engine.events import (
    NIL,
    CreditsBooked,
    CreditsCheckpointed,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EntityEvent,
    EscalationChanged,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    UserDefined,
    UserRemoved,
)
from engine.snapshot import Key, RoutingSnapshot
from projections import routing
from tests.engine.tables import folded

NOW = 1_800_000_000
MODELS = {"m1": "one", "m2": "two"}
OWNERS = (None, NIL, "u1", "u2")
PURPOSES = (None, "realtime", "batch", "platform")
KEYS = tuple(
    Key(
        f"{owner}-{purpose}-{names}",
        sha256(f"{owner} {purpose} {names}".encode()).digest(),
        user_id=owner,
        purpose=purpose,
        aliases=frozenset(names),
    )
    for owner in OWNERS
    for purpose in PURPOSES
    for names in ((), ("one",))
)


@attrs.define
class Naive:
    """The tables of SYNC-1 as sets, and SYNC-4 to SYNC-6 over them, read from the specification."""

    users: set[str] = attrs.field(factory=set)
    groups: set[str] = attrs.field(factory=set)
    members: set[tuple[str, str]] = attrs.field(factory=set)
    grants: set[tuple[str, str]] = attrs.field(factory=set)
    models: set[str] = attrs.field(factory=set)
    entries: list[tuple[str, Fraction]] = attrs.field(factory=list)
    prices: dict[str, tuple[str, Fraction, bool]] = attrs.field(factory=dict)
    keys: set[str] = attrs.field(factory=lambda: {key.key_id for key in KEYS if key.user_id in {None, NIL}})
    escalation: set[str] = attrs.field(factory=set)

    def take(self, fact: EntityEvent) -> None:  # noqa: PLR0912 - one for each fact
        match fact:
            case UserDefined(user):
                self.users.add(user)
            case UserRemoved(user):
                self.users.discard(user)
                self.members = {pair for pair in self.members if pair[1] != user}
                self.entries = [entry for entry in self.entries if entry[0] != user]
                self.keys -= {key.key_id for key in KEYS if key.user_id == user}
            case GroupDefined(group):
                self.groups.add(group)
            case GroupRemoved(group):
                self.groups.discard(group)
                self.members = {pair for pair in self.members if pair[0] != group}
                self.grants = {pair for pair in self.grants if pair[0] != group}
            case MemberAdded(group, user):
                self.members.add((group, user))
            case MemberRemoved(group, user):
                self.members.discard((group, user))
            case GrantAdded(group, model):
                self.grants.add((group, model))
            case GrantRemoved(group, model):
                self.grants.discard((group, model))
            case DeploymentDefined(model):
                self.models.add(model)
            case DeploymentRemoved(model):
                self.models.discard(model)
                self.grants = {pair for pair in self.grants if pair[1] != model}
                self.prices = {name: price for name, price in self.prices.items() if price[0] != model}
            case CreditsBooked(user, _, kind, amount):
                sign = 1 if kind in {"purchase", "admin_grant"} else -1
                self.entries.append((user, sign * Fraction(amount)))
            case CreditsCheckpointed(user, balance):
                self.entries = [entry for entry in self.entries if entry[0] != user] + [(user, Fraction(balance))]
            case TariffDefined(name, model, price, other):
                self.prices[name] = (model, max(Fraction(price), Fraction(other)), True)
            case TariffBegan(name) | TariffEnded(name) if name in self.prices:
                self.prices[name] = (*self.prices[name][:2], isinstance(fact, TariffBegan))
            case TariffRemoved(name):
                self.prices.pop(name, None)
            case EscalationChanged(aliases):
                self.escalation = set(aliases)

    def balance(self, user: str) -> Fraction:
        return sum((amount for owner, amount in self.entries if owner == user), Fraction())

    def outcome(self, key: Key, model: str) -> Reason | None:
        if model not in self.models:
            return Reason.MODEL_NOT_FOUND
        if key.key_id not in self.keys:
            return Reason.FORBIDDEN
        if key.user_id == NIL:
            return None
        if key.purpose == "platform":
            return Reason.FORBIDDEN
        shares = any((group, key.user_id) in self.members and (group, model) in self.grants for group in self.groups)
        is_public, is_named = (NIL, model) in self.grants, MODELS[model] in key.aliases
        escalates = key.purpose == "batch" and MODELS[model] in self.escalation
        if not (shares or is_public or is_named or escalates):
            return Reason.FORBIDDEN
        is_free = not any(of == model and price > 0 and is_current for of, price, is_current in self.prices.values())
        is_funded = is_named if key.user_id is None else self.balance(key.user_id) > 0
        return None if is_free or is_funded else Reason.PAYMENT_REQUIRED


USER, GROUP, MODEL = st.sampled_from(["u1", "u2"]), st.sampled_from(["g1", "g2"]), st.sampled_from(sorted(MODELS))
TARIFF, PRICE = st.sampled_from(["t1", "t2"]), st.sampled_from(["0", "0.25"])
FACTS: st.SearchStrategy[EntityEvent] = st.one_of(
    st.builds(UserDefined, USER),
    st.builds(UserRemoved, USER),
    st.builds(GroupDefined, GROUP),
    st.builds(GroupRemoved, GROUP),
    st.builds(MemberAdded, GROUP, USER),
    st.builds(MemberRemoved, GROUP, USER),
    st.builds(GrantAdded, GROUP | st.just(NIL), MODEL),
    st.builds(GrantRemoved, GROUP | st.just(NIL), MODEL),
    MODEL.map(lambda model: DeploymentDefined(model, MODELS[model], "real", "e")),
    st.builds(DeploymentRemoved, MODEL),
    st.builds(CreditsBooked, USER, st.just(0), st.sampled_from(["purchase", "admin_grant", "usage"]), PRICE),
    st.builds(CreditsCheckpointed, USER, st.sampled_from(["-1", "0", "0.5"]), st.just(1000)),
    st.builds(TariffDefined, TARIFF, MODEL, PRICE, PRICE),
    st.builds(TariffEnded, TARIFF),
    st.builds(TariffBegan, TARIFF),
    st.builds(TariffRemoved, TARIFF),
    st.builds(EscalationChanged, st.sets(st.sampled_from(["one", "two"])).map(tuple)),
)
USUAL: tuple[EntityEvent, ...] = (
    *(UserDefined(user) for user in ("u1", "u2")),
    *(GroupDefined(group) for group in ("g1", "g2")),
    *(DeploymentDefined(model, alias, "real", "e") for model, alias in MODELS.items()),
    *(MemberAdded("g1", "u1"), MemberAdded("g2", "u2"), GrantAdded("g1", "m1"), GrantAdded("g2", "m2")),
    *(TariffDefined("t1", "m1", "0.25", "0"), CreditsBooked("u1", 0, "purchase", "0.25")),
)


def after(snapshot: RoutingSnapshot, command: Command) -> RoutingSnapshot:
    return folded(snapshot, decide(snapshot, command, change=routing.change))


def beginning() -> RoutingSnapshot:
    nobody = tuple(key for key in KEYS if key.user_id in {None, NIL})
    there = after(routing.empty(), ChangeEntities((EndpointDefined("e", "http://e.example/"),)))
    return after(there, DefineKeys(nobody))


def outcome(snapshot: RoutingSnapshot, key: Key, model: str) -> Reason | None:
    try:
        admit(snapshot, MODELS[model], key.digest, NOW)
    except Refused as refused:
        return refused.reason
    return None


def assert_alike(snapshot: RoutingSnapshot, naive: Naive) -> None:
    for key in KEYS:
        expected = {model: naive.outcome(key, model) for model in MODELS}
        assert {model: outcome(snapshot, key, model) for model in MODELS} == expected, key.key_id
        seen = sorted(MODELS[model] for model, reason in expected.items() if reason is None)
        assert visible_aliases(snapshot, key.digest, NOW) == seen


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(FACTS, max_size=25))
def test_access_is_what_the_tables_say_at_every_position(is_usual: bool, facts: list[EntityEvent]) -> None:
    """DELTA-3, SYNC-4, SYNC-5, SYNC-6, DEF-3, DEF-58: after each change, for every key and model, asked and listed."""
    snapshot, naive = beginning(), Naive()
    for fact in (*(USUAL if is_usual else ()), *facts):
        try:
            snapshot = after(snapshot, ChangeEntities((fact,)))
        except Rejected:
            continue
        naive.take(fact)
        if isinstance(fact, UserDefined):
            mine = tuple(key for key in KEYS if key.user_id == fact.user_id)
            snapshot = after(snapshot, DefineKeys(mine))
            naive.keys |= {key.key_id for key in mine}
        assert_alike(snapshot, naive)


KEY = next(key for key in KEYS if (key.user_id, key.purpose, key.aliases) == ("u1", "realtime", frozenset()))


def usual() -> RoutingSnapshot:
    snapshot = beginning()
    for fact in USUAL:
        snapshot = after(snapshot, ChangeEntities((fact,)))
    return after(snapshot, DefineKeys((KEY,)))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (ChangeEntities((MemberRemoved("g1", "u1"),)), Reason.FORBIDDEN),
        (ChangeEntities((GrantRemoved("g1", "m1"),)), Reason.FORBIDDEN),
        (ChangeEntities((GroupRemoved("g1"),)), Reason.FORBIDDEN),
        (ChangeEntities((UserRemoved("u1"),)), Reason.FORBIDDEN),
        (RemoveKey(KEY.key_id), Reason.FORBIDDEN),
        (DefineKeys((attrs.evolve(KEY, purpose="platform"),)), Reason.FORBIDDEN),
        (DefineKeys((attrs.evolve(KEY, user_id="u2"),)), Reason.FORBIDDEN),
        (DefineKeys((attrs.evolve(KEY, expires_at=NOW),)), Reason.FORBIDDEN),
        (ChangeEntities((CreditsBooked("u1", 0, "usage", "0.25"),)), Reason.PAYMENT_REQUIRED),
        (ChangeEntities((CreditsCheckpointed("u1", "0", 9),)), Reason.PAYMENT_REQUIRED),
        (ChangeEntities((DeploymentRemoved("m1"),)), Reason.MODEL_NOT_FOUND),
        (ChangeEntities((DeploymentDefined("m1", "renamed", "real", "e"),)), Reason.MODEL_NOT_FOUND),
    ],
)
def test_what_is_taken_away_is_gone_on_the_next_request(command: Command, expected: Reason) -> None:
    """DELTA-3, T17: the key worked before the event, and fails on the first request after its position."""
    before = usual()
    assert outcome(before, KEY, "m1") is None
    assert outcome(after(before, command), KEY, "m1") is expected
    assert outcome(before, KEY, "m1") is None


def test_a_price_makes_a_free_model_cost() -> None:
    """SYNC-5: any current tariff with a price, input or output; of nothing, or ended, it is free."""
    broke = after(usual(), ChangeEntities((CreditsBooked("u1", 0, "usage", "1"), TariffRemoved("t1"))))
    assert outcome(broke, KEY, "m1") is None
    for prices in (("1e-18", "0"), ("0", "0.1")):
        priced = after(broke, ChangeEntities((TariffDefined("t2", "m1", *prices),)))
        assert outcome(priced, KEY, "m1") is Reason.PAYMENT_REQUIRED
        assert outcome(after(priced, ChangeEntities((TariffEnded("t2"),))), KEY, "m1") is None
    free = after(broke, ChangeEntities((TariffDefined("t2", "m1", "0", "0.000"),)))
    assert outcome(free, KEY, "m1") is None


def test_reasons_come_in_order() -> None:
    """AUTH-8: purpose before membership before funds: each hides the ones after it."""
    broke = after(usual(), ChangeEntities((CreditsBooked("u1", 0, "usage", "1"),)))
    assert outcome(broke, KEY, "m1") is Reason.PAYMENT_REQUIRED
    outside = after(broke, ChangeEntities((MemberRemoved("g1", "u1"),)))
    assert outcome(outside, KEY, "m1") is Reason.FORBIDDEN
    platform = attrs.evolve(KEY, purpose="platform", opens_all_pools=True)
    assert refusal(usual(), platform, usual().pools["one"]) is Reason.FORBIDDEN


def test_no_eligible_key_is_nobody() -> None:
    """AUTH-7, DEF-3: a model that no key may use is closed, to a request without a credential as well."""
    lonely = after(usual(), ChangeEntities((GroupRemoved("g1"), GroupRemoved("g2"))))
    for presented, expected in ((None, Reason.UNAUTHENTICATED), (b"x" * 32, Reason.FORBIDDEN)):
        with pytest.raises(Refused) as caught:
            admit(lonely, "one", presented, NOW)
        assert caught.value.reason is expected
    assert visible_aliases(lonely, None, NOW) == []


def test_funds_are_said_to_be_there_by_an_event() -> None:
    """SYNC-5, DEF-16: the fold of an event is enough: no sum is made for a request."""
    there = usual()
    assert outcome(folded(there, [FundsExhausted("u1")]), KEY, "m1") is Reason.PAYMENT_REQUIRED
    assert outcome(folded(there, [FundsExhausted("u1"), FundsRestored("u1")]), KEY, "m1") is None
