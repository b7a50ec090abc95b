"""Sentences about what the control plane defines: what changed, for every event, and never a secret."""

import re
from hashlib import sha256
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import (
    NIL,
    BatchDefaultChanged,
    ComponentDefined,
    ComponentRemoved,
    CompositeDefined,
    CompositeRemoved,
    CreditsBooked,
    CreditsCheckpointed,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    EndpointRemoved,
    EntityEvent,
    EscalationChanged,
    Event,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    KeyDefined,
    MemberAdded,
    MemberRemoved,
    Recorded,
    SourceClaimed,
    SourceReleased,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    TokenDefined,
    TokenRemoved,
    TrafficRuleDefined,
    TrafficRuleRemoved,
    UserDefined,
    UserRemoved,
)
from projections import routing
from projections.history import sentence

DIGEST, OTHER, THIRD = "9f" * 32, "a0" * 32, "b1" * 32
T = 1_796_000_000  # 2026-11-30T00:53:20Z
MIDNIGHT = 1_795_910_400

ENDPOINT = EndpointDefined("e1", "https://e.example/v1", "env:KEY", name="Europe")
D1 = DeploymentDefined("d1", "small", "real/small", "e1", 8, 2.5)
D2 = DeploymentDefined("d2", "big", "real/big", "e1")
C1 = CompositeDefined("c1", "chat")
MODELS: tuple[Event, ...] = (ENDPOINT, D1, D2, C1)
PART = ComponentDefined("c1", "d1", 3)
RULE = TrafficRuleDefined("c1", "batch", "deny")
ANN, LAB = UserDefined("u1", "Ann"), GroupDefined("g1", "Lab")
PEOPLE: tuple[Event, ...] = (ANN, LAB, *MODELS)
TARIFF = TariffDefined("t1", "c1", "0.01", "0.02", MIDNIGHT * 10**6, T * 10**6)
KEY = KeyDefined("k", DIGEST, False, {}, user_id="u1", purpose="batch")
TOKEN = TokenDefined("ops", DIGEST, "operate", "On-call", T)


def told(*log: Event) -> str:
    """The sentence of the last of these events, after all the others."""
    table, said = routing.empty(), ""
    for position, event in enumerate(log, 1):
        recorded = Recorded(position, event, f"{position:032x}", "test", 0)
        said = sentence(table, recorded)
        table = routing.apply(table, recorded)
    return said


def key(**changes: Any) -> KeyDefined:
    return attrs.evolve(KEY, **changes)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (
            (key(aliases=("chat", "big"), expires_at=MIDNIGHT, cidrs=("10.0.0.0/8", "::1/128")),),
            (
                "key k was created: owner u1, purpose batch, opens [chat, big], expires 2026-11-29, "
                "networks [10.0.0.0/8, ::1/128]"
            ),
        ),
        (
            (KEY, key(user_id=None, purpose="realtime", aliases=("chat",), expires_at=T, cidrs=("10.0.0.0/8",))),
            (
                "key k: owner u1 → none, purpose batch → realtime, opens +chat, expires never → 2026-11-30T00:53:20Z, "
                "networks any → [10.0.0.0/8]"
            ),
        ),
        ((key(aliases=("b", "a")), key(aliases=("a", "b"))), "key k: stated again, nothing changed"),
        ((key(aliases=("a", "b")), key(aliases=("c", "b"))), "key k: opens +c -a"),
        (
            (KEY, key(digest=OTHER, previous_digest=DIGEST, previous_until=T)),
            "key k: a new secret by rotation, the secret before is good until 2026-11-30T00:53:20Z",
        ),
        ((KEY, key(digest=OTHER, previous_digest=DIGEST)), "key k: a new secret by rotation"),
        ((KEY, key(digest=OTHER)), "key k: a new secret"),
        ((KEY, key(digest=OTHER, previous_digest=THIRD)), "key k: a new secret, another secret before"),
        (
            (key(previous_digest=OTHER, previous_until=T), KEY),
            "key k: the secret before is no longer good",
        ),
        (
            (key(previous_digest=OTHER, previous_until=T), key(previous_digest=OTHER, previous_until=MIDNIGHT)),
            "key k: the secret before is good until 2026-11-30T00:53:20Z → 2026-11-29",
        ),
        (
            (key(previous_digest=OTHER, previous_until=T),),
            "key k was created: owner u1, purpose batch, the secret before is good until 2026-11-30T00:53:20Z",
        ),
    ],
)
def test_what_a_key_may_do_is_told(log: tuple[Event, ...], expected: str) -> None:
    """Whose it is, what for, until when, from where, and what it opens; a rotation is one change."""
    assert told(*log) == expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ((ENDPOINT,), "endpoint e1 was created: https://e.example/v1, credential env:KEY, name Europe"),
        (
            (ENDPOINT, EndpointDefined("e1", "https://f.example", auth_prefix="", name="Europe")),
            (
                "endpoint e1 (Europe): url https://e.example/v1 → https://f.example, credential env:KEY → none, "
                "credential prefix Bearer  → none"
            ),
        ),
        ((*MODELS, EndpointRemoved("e1")), "endpoint e1 (Europe) was removed; 2 deployment(s) are left without one"),
        ((EndpointRemoved("e1"),), "endpoint e1 was not there; nothing changed"),
        (
            (ENDPOINT, D1),
            "deployment d1 was created: alias small, model real/small at endpoint e1, limit 8, requests per second 2.5",
        ),
        (
            (D1, attrs.evolve(D1, alias="tiny", endpoint_id="e2", max_concurrent=None, trusted=True, batch_capacity=4)),
            (
                "deployment d1 (small): alias small → tiny, endpoint e1 → e2, limit 8 → none, batch capacity none → 4, "
                "trusted off → on"
            ),
        ),
        (
            (*PEOPLE, PART, TrafficRuleDefined("d1", "batch", "deny"), GrantAdded("g1", "d1"), DeploymentRemoved("d1")),
            "deployment d1 (small) was removed, 1 place(s) in composites, 1 rule(s), 1 grant(s) with it",
        ),
        ((DeploymentRemoved("d1"),), "deployment d1 was not there; nothing changed"),
        ((C1,), "composite c1 was created: alias chat"),
        (
            (attrs.evolve(C1, strategy="priority", fallback_enabled=False, fallback_on_status=(5,), burst=3),),
            "composite c1 was created: alias chat, strategy priority, fallback off, fallback statuses [5xx], burst 3",
        ),
        (
            (C1, attrs.evolve(C1, fallback_enabled=True, fallback_max_attempts=2, sanitize_response=True)),
            "composite c1 (chat): fallback none → on, attempts none → 2, sanitizing off → on",
        ),
        (
            (*MODELS, PART, TARIFF, CompositeRemoved("c1")),
            "composite c1 (chat) was removed, 1 component(s), 1 tariff(s) with it",
        ),
        (
            (D1, CompositeDefined("d1", "chat")),
            "composite d1 (small) was created: alias chat in place of the deployment",
        ),
        (
            (C1, DeploymentDefined("c1", "chat", "m", "e1")),
            "deployment c1 (chat) was created: alias chat, model m at endpoint e1 in place of the composite",
        ),
        ((*MODELS, PART), "component d1 (small) of composite c1 (chat) was created: weight 3"),
        (
            (*MODELS, ComponentDefined("c1", "d1", sort_order=2, enabled=False)),
            "component d1 (small) of composite c1 (chat) was created: weight 1, order 2, enabled off",
        ),
        (
            (*MODELS, PART, attrs.evolve(PART, weight=5, enabled=False)),
            "component d1 (small) of composite c1 (chat): weight 3 → 5, enabled on → off",
        ),
        ((*MODELS, PART, ComponentRemoved("c1", "d1")), "component d1 (small) of composite c1 (chat) was removed"),
        ((ComponentRemoved("c1", "d1"),), "component d1 of composite c1 was not there; nothing changed"),
        (
            (PART,),
            "component d1 of composite c1: nothing changed, for there is no such composite and no such deployment",
        ),
        ((*MODELS, RULE), "rule for purpose batch of model c1 (chat) was created: deny"),
        (
            (*MODELS, RULE, TrafficRuleDefined("c1", "batch", "redirect", "d1", True)),
            "rule for purpose batch of model c1 (chat): deny → redirect to model d1 (small), which opens it",
        ),
        (
            (*MODELS, TrafficRuleDefined("c1", "batch", "throttle")),
            "rule for purpose batch of model c1 (chat) was created: deny, for throttle is unknown here",
        ),
        ((RULE,), "rule for purpose batch of model c1: nothing changed, for there is no such model"),
        ((*MODELS, RULE, TrafficRuleRemoved("c1", "batch")), "rule for purpose batch of model c1 (chat) was removed"),
        ((BatchDefaultChanged(25),), "default: batch capacity 10 → 25"),
    ],
)
def test_what_became_of_a_model_is_told(log: tuple[Event, ...], expected: str) -> None:
    """SYNC-9 to SYNC-14: by id and name, with what goes when it goes."""
    assert told(*log) == expected


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ((ANN,), "user u1 was created: name Ann"),
        ((UserDefined(NIL),), "the system user was created"),
        ((ANN, UserDefined("u1", "Anna")), "user u1 (Ann): name Ann → Anna"),
        ((ANN, LAB, MemberAdded("g1", "u1"), UserRemoved("u1")), "user u1 (Ann) was removed, 1 membership(s) with it"),
        ((UserRemoved("u1"),), "user u1 was not there; nothing changed"),
        ((LAB,), "group g1 was created: name Lab"),
        ((LAB, GroupDefined("g1")), "group g1 (Lab): name Lab → none"),
        (
            (*PEOPLE, MemberAdded("g1", "u1"), GrantAdded("g1", "d1"), GrantAdded("g1", "c1"), GroupRemoved("g1")),
            "group g1 (Lab) was removed, 1 member(s), 2 grant(s) with it",
        ),
        ((ANN, LAB, MemberAdded("g1", "u1")), "user u1 (Ann) was added to group g1 (Lab)"),
        (
            (MemberAdded("g1", "u1"),),
            "user u1 in group g1: nothing changed, for there is no such user and no such group",
        ),
        ((ANN, LAB, MemberRemoved("g1", "u1")), "user u1 (Ann) was not in group g1 (Lab); nothing changed"),
        (
            (ANN, LAB, MemberAdded("g1", "u1"), MemberRemoved("g1", "u1")),
            "user u1 (Ann) was removed from group g1 (Lab)",
        ),
        ((*PEOPLE, GrantAdded("g1", "c1")), "group g1 (Lab) may use model c1 (chat)"),
        ((*PEOPLE, GrantAdded(NIL, "c1")), "the public group may use model c1 (chat)"),
        ((GrantAdded(NIL, "c1"),), "model c1 for the public group: nothing changed, for there is no such model"),
        (
            (*PEOPLE, GrantAdded("g1", "c1"), GrantRemoved("g1", "c1")),
            "group g1 (Lab) may no longer use model c1 (chat)",
        ),
        ((*PEOPLE, GrantRemoved("g1", "c1")), "group g1 (Lab) had no model c1 (chat); nothing changed"),
        ((ANN, CreditsBooked("u1", 7, "purchase", "1.50")), "credits of user u1 (Ann): +1.50 by purchase, entry 7"),
        ((ANN, CreditsBooked("u1", 7, "usage", "4")), "credits of user u1 (Ann): -4 by usage, entry 7"),
        ((CreditsBooked("u1", 7, "usage", "4"),), "credits of user u1: nothing changed, for there is no such user"),
        (
            (ANN, CreditsCheckpointed("u1", "10", 5), CreditsBooked("u1", 5, "usage", "4")),
            "credits of user u1 (Ann): entry 5 was counted already; nothing changed",
        ),
        (
            (ANN, CreditsBooked("u1", 4, "usage", "4"), CreditsCheckpointed("u1", "10", 5)),
            "credits of user u1 (Ann): balance -4 → 10 as of entry 5",
        ),
        ((ANN, FundsRestored("u1")), "user u1 (Ann) has funds from here on"),
        ((ANN, FundsRestored("u1"), FundsExhausted("u1")), "user u1 (Ann) has no funds any more"),
        ((ANN, FundsExhausted("u1")), "user u1 (Ann) has no funds; nothing changed"),
        ((FundsRestored("u1"),), "user u1: nothing changed, for there is no such user"),
        (
            (*MODELS, TARIFF),
            (
                "tariff t1 of model c1 (chat) was created: input price 0.01, output price 0.02, from 2026-11-29, "
                "until 2026-11-30T00:53:20Z"
            ),
        ),
        (
            (*MODELS, TARIFF, attrs.evolve(TARIFF, input_price="0.03", model_id="d1", valid_until=None)),
            (
                "tariff t1 of model d1 (small): model c1 → d1, input price 0.01 → 0.03, "
                "until 2026-11-30T00:53:20Z → none"
            ),
        ),
        ((*MODELS, TARIFF, TariffBegan("t1")), "tariff t1 of model c1 (chat) is in force from here on"),
        ((*MODELS, TARIFF, TariffBegan("t1"), TARIFF), "tariff t1 of model c1 (chat): stated again, nothing changed"),
        (
            (*MODELS, TARIFF, TariffEnded("t1"), TARIFF),
            "tariff t1 of model c1 (chat): not in force until it begins",
        ),
        (
            (*MODELS, TARIFF, attrs.evolve(TARIFF, valid_from=None)),
            "tariff t1 of model c1 (chat): from 2026-11-29 → at once, in force from here on",
        ),
        ((*MODELS, TARIFF, TariffEnded("t1")), "tariff t1 of model c1 (chat) has ended before it began"),
        (
            (*MODELS, TARIFF, TariffEnded("t1"), TariffEnded("t1")),
            "tariff t1 of model c1 (chat) is not in force; nothing changed",
        ),
        (
            (*MODELS, TARIFF, TariffBegan("t1"), TariffEnded("t1")),
            "tariff t1 of model c1 (chat) is not in force any more",
        ),
        ((*MODELS, TARIFF, TariffRemoved("t1")), "tariff t1 of model c1 (chat) was removed"),
        ((TariffBegan("t1"),), "tariff t1 was not there; nothing changed"),
        ((TARIFF,), "tariff t1 of model c1: nothing changed, for there is no such model"),
        ((EscalationChanged(("b", "a")), EscalationChanged(("a", "c"))), "escalation of batch keys: opens +c -b"),
        ((TOKEN,), "admin token ops was created: scope operate, name On-call, expires 2026-11-30T00:53:20Z"),
        (
            (TOKEN, attrs.evolve(TOKEN, digest=OTHER, scope="admin", expires_at=None)),
            "admin token ops: a new secret, scope operate → admin, expires 2026-11-30T00:53:20Z → never",
        ),
        ((TOKEN, TokenRemoved("ops")), "admin token ops was removed"),
        ((TokenRemoved("ops"),), "admin token ops was not there; nothing changed"),
        ((SourceReleased("file:a"),), "source file:a: released, others may change what it defined"),
        ((SourceReleased("file:a"), SourceClaimed("file:a")), "source file:a: owns again what it defines from here on"),
    ],
)
def test_who_may_do_what_is_told(log: tuple[Event, ...], expected: str) -> None:
    """SYNC-2 to SYNC-6: memberships, grants, funds, prices and admin tokens, against the table before."""
    assert told(*log) == expected


IDS = st.sampled_from([NIL, "a", "b", "a\n\x1b[31m"])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "digest": st.sampled_from(["1", "2"]),
    "previous_digest": st.none() | st.sampled_from(["1", "3"]),
    "amount": st.sampled_from(["0", "1.5", "1E+9"]),
    "balance": st.sampled_from(["0", "-1.5", "1E+9"]),
    "input_price": st.sampled_from(["0", "0.01"]),
    "output_price": st.sampled_from(["0", "0.01"]),
    "labels": st.dictionaries(IDS, IDS, max_size=1),
}


def _drawn(one: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(one)
    words = {name: FIELDS.get(name, IDS if hint is str else st.from_type(hint)) for name, hint in hints.items()}
    return st.builds(one, **words).map(_with_own_secrets)


def _with_own_secrets(event: Any) -> Any:
    """No two entities have the same one (CFG-12)."""
    entity = attrs.astuple(event)[0] if attrs.fields(type(event)) else ""
    drawn = {name: getattr(event, name, None) for name in ("digest", "previous_digest")}
    secrets = {name: sha256(f"{entity}{one}".encode()).hexdigest() for name, one in drawn.items() if one is not None}
    return attrs.evolve(event, **secrets)


any_event = st.sampled_from([KeyDefined, *get_args(EntityEvent)]).flatmap(_drawn)


@given(st.lists(any_event, max_size=20))
def test_every_event_has_one_printable_line_without_a_digest(log: list[Event]) -> None:
    """Total, on any table; told a second time, no event says that it changed anything."""
    table = routing.empty()
    for position, event in enumerate(log, 1):
        recorded = Recorded(position, event, f"{position:032x}", "test", 0)
        said = sentence(table, recorded)
        assert said.isprintable()
        assert not re.search("[0-9a-f]{64}", said)
        before, table = table, routing.apply(table, recorded)
        assert "nothing changed" in sentence(table, recorded) or "nan" in said
        same = {"position": 0, "streams": {}}
        is_changed = attrs.evolve(before, **same) != attrs.evolve(table, **same)
        assert is_changed == ("nothing changed" not in said), said
