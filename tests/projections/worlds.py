"""Random tables with all that the control plane defines, small enough that names meet each other."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import attrs
from hypothesis import strategies as st

from engine.commands import ApplyManifest, ChangeEntities, Command, DefineKeys
from engine.decide import decide
from engine.errors import Rejected
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
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
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
from engine.snapshot import Key, RoutingSnapshot
from projections import routing
from tests.engine.manifests import manifests
from tests.engine.tables import recorded

ENDPOINT, USER, PURPOSE = st.sampled_from(["e1", "e2"]), st.sampled_from(["u1", "u2"]), st.sampled_from(["batch", "x"])
MODEL, GROUP, TARIFF = (
    st.sampled_from(["m1", "m2", "m3"]),
    st.sampled_from(["g1", "g2", NIL]),
    st.sampled_from(["t1", "t2"]),
)
ALIAS = st.sampled_from(["small", "large", "both", "ä"])
PRICE, BALANCE = st.sampled_from(["0", "0.25"]), st.sampled_from(["-1", "0", "7.50"])
RPS = st.sampled_from([None, 0.5, 2])
DIGESTS = [sha256(b"token-%d" % number).hexdigest() for number in range(2)]

DEFINITIONS: st.SearchStrategy[EntityEvent] = st.one_of(
    st.builds(
        EndpointDefined,
        ENDPOINT,
        st.sampled_from(["http://e.example/v1", "https://f.example"]),
        st.none() | st.just("env:E"),
    ),
    st.builds(
        DeploymentDefined, MODEL, ALIAS, st.just("real"), ENDPOINT, RPS.map(lambda _: 3), RPS, trusted=st.booleans()
    ),
    st.builds(
        CompositeDefined,
        MODEL,
        ALIAS,
        st.none() | st.just("priority"),
        fallback_on_status=st.none() | st.just((429, 5)),
    ),
    st.builds(ComponentDefined, MODEL, MODEL, st.integers(1, 3), st.integers(0, 1), st.booleans()),
    st.builds(TrafficRuleDefined, MODEL, PURPOSE, st.just("deny")),
    st.builds(TrafficRuleDefined, MODEL, PURPOSE, st.just("redirect"), MODEL, st.booleans()),
    st.builds(BatchDefaultChanged, st.sampled_from([10, 20])),
    st.builds(UserDefined, USER, st.sampled_from(["", "Ann"])),
    st.builds(GroupDefined, GROUP, st.sampled_from(["", "all"])),
    st.builds(MemberAdded, GROUP, USER),
    st.builds(GrantAdded, GROUP, MODEL),
    st.builds(TariffDefined, TARIFF, MODEL, PRICE, PRICE, st.none() | st.just(5), st.none() | st.just(9)),
    st.builds(CreditsBooked, USER, st.just(0), st.sampled_from(["purchase", "usage"]), PRICE),
    st.builds(CreditsCheckpointed, USER, BALANCE, st.integers(0, 3)),
    st.builds(EscalationChanged, st.sets(ALIAS, max_size=2).map(lambda some: tuple(sorted(some)))),
    st.builds(
        TokenDefined, st.sampled_from(["ops", "ci"]), st.sampled_from(DIGESTS), st.sampled_from(["read", "admin"])
    ),
    st.builds(SourceReleased, st.sampled_from(["file:a.yaml", "file:b.yaml"])),
)
TURNS: st.SearchStrategy[EntityEvent] = st.one_of(
    st.builds(TariffBegan, TARIFF),
    st.builds(TariffEnded, TARIFF),
    st.builds(FundsRestored, USER),
    st.builds(FundsExhausted, USER),
    st.builds(EndpointRemoved, ENDPOINT),
    st.builds(DeploymentRemoved, MODEL),
    st.builds(CompositeRemoved, MODEL),
    st.builds(ComponentRemoved, MODEL, MODEL),
    st.builds(TrafficRuleRemoved, MODEL, PURPOSE),
    st.builds(UserRemoved, USER),
    st.builds(GroupRemoved, GROUP),
    st.builds(MemberRemoved, GROUP, USER),
    st.builds(GrantRemoved, GROUP, MODEL),
    st.builds(TariffRemoved, TARIFF),
    st.builds(TokenRemoved, st.sampled_from(["ops", "ci"])),
)
FIRST: tuple[EntityEvent, ...] = (
    EndpointDefined("e1", "https://e.example/v1", "env:E"),
    DeploymentDefined("m1", "small", "real/small", "e1"),
    CompositeDefined("m3", "both"),
    ComponentDefined("m3", "m1"),
    UserDefined("u1", "Ann"),
    GroupDefined("g1"),
    MemberAdded("g1", "u1"),
    GrantAdded("g1", "m3"),
)
"""What most tables begin with, since chance alone seldom puts so much together."""


@st.composite
def worlds(draw: st.DrawFn) -> RoutingSnapshot:
    """A table that `decide` has let through, step by step."""
    table = decided(routing.empty(), ApplyManifest(draw(manifests())))
    facts = [*(FIRST if draw(st.booleans()) else ()), *draw(st.lists(DEFINITIONS, max_size=20))]
    facts += draw(st.lists(DEFINITIONS | TURNS, max_size=8))
    for fact in facts:
        table = decided(table, ChangeEntities((fact,)))
    if draw(st.booleans()):
        table = decided(table, DefineKeys((draw(owned_keys()),)))
    return table


def owned_keys() -> st.SearchStrategy[Key]:
    """One with all that a key can have."""
    return st.builds(
        Key,
        st.sampled_from(["k1", "own"]),
        st.just(sha256(b"own").digest()),
        user_id=st.sampled_from([None, "u1", NIL]),
        purpose=st.none() | PURPOSE,
        aliases=st.sets(ALIAS, max_size=2).map(frozenset),
        expires_at=st.none() | st.just(2_000_000_000),
        cidrs=st.sampled_from([(), ("10.0.0.0/8", "2001:db8::/32")]),
        previous=st.none() | st.just(sha256(b"before").digest()),
        previous_until=st.none() | st.just(1_900_000_000),
    )


def decided(table: RoutingSnapshot, command: Command, source: str | None = None) -> RoutingSnapshot:
    """The table after a command; the same one where it is rejected."""
    try:
        events = decide(table, command, source=source, change=routing.change)
    except Rejected:
        return table
    return told(table, events, source or "test")


def told(table: RoutingSnapshot, events: Iterable[Any], actor: str = "test") -> RoutingSnapshot:
    made = [
        attrs.evolve(recorded(number, event), actor=actor) for number, event in enumerate(events, table.position + 1)
    ]
    return routing.fold(table, made)[0]


def content(table: RoutingSnapshot) -> dict[str, Any]:
    """All that a table holds, wherever it stands in which log."""
    found = {field.name: _bare(getattr(table, field.name)) for field in attrs.fields(RoutingSnapshot)}
    found |= {
        f"catalogue.{field.name}": _bare(getattr(table.catalogue, field.name))
        for field in attrs.fields(type(table.catalogue))
    }
    for name in ("position", "streams", "catalogue"):
        del found[name]
    return found


def _bare(value: Any) -> Any:
    return {name: _bare(one) for name, one in value.items()} if hasattr(value, "items") else value
