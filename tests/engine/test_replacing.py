"""A whole document to the events that make the table what it says."""

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings

from engine.commands import ApplyDocument, ApplyManifest, ChangeEntities, DefineKey, DefinePool
from engine.decide import decide
from engine.document import SECTIONS, Document, document_of
from engine.errors import Rejected
from engine.events import (
    CompositeDefined,
    CreditsBooked,
    CreditsCheckpointed,
    DeploymentDefined,
    DeploymentRemoved,
    EndpointDefined,
    PoolRemoved,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TokenDefined,
    UserRemoved,
)
from engine.replacing import left_alone
from engine.snapshot import Key, RoutingSnapshot
from engine.tariffs import Phase
from projections import routing
from tests.engine.tables import key, manifest, pool, provider, redirect, secret_of
from tests.projections.worlds import FIRST, content, decided, told, worlds


def applied(table: RoutingSnapshot, document: Document, source: str | None = None) -> RoutingSnapshot:
    return told(table, decide(table, ApplyDocument(document), source=source, change=routing.change), source or "test")


def problems(table: RoutingSnapshot, document: Document) -> list[tuple[Any, ...]]:
    with pytest.raises(Rejected) as caught:
        decide(table, ApplyDocument(document), change=routing.change)
    return [problem.where for problem in caught.value.problems]


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_a_table_comes_back_from_its_document(table: RoutingSnapshot) -> None:
    """Issue 4, item 7: into an empty log the same table, and into the table itself no event at all (DELTA-7)."""
    document = document_of(table)
    copy = applied(routing.empty(), document)
    assert content(copy) == content(table)
    assert decide(copy, ApplyDocument(document), change=routing.change) == ()
    assert decide(table, ApplyDocument(document), source="token:ops", change=routing.change) == ()


def without_ledgers(table: RoutingSnapshot) -> Document:
    """Booked money is neither unbooked nor forgotten, so it is no document's to turn back."""
    document = document_of(table)
    return attrs.evolve(document, facts={name: some for name, some in document.facts.items() if name != "ledgers"})


def turned_since(other: RoutingSnapshot, now: RoutingSnapshot) -> Iterator[TariffBegan | TariffEnded]:
    """What time has brought about is not taken back by a document in which a tariff waits."""
    for tariff_id, tariff in now.catalogue.tariffs.items():
        if other.catalogue.tariffs[tariff_id].phase is Phase.WAITING and tariff.phase is not Phase.WAITING:
            yield TariffBegan(tariff_id) if tariff.is_current else TariffEnded(tariff_id)


@settings(max_examples=100, deadline=None)
@given(worlds(), worlds())
def test_any_table_becomes_any_other(table: RoutingSnapshot, other: RoutingSnapshot) -> None:
    """What differs is defined, what is not named is removed; names and ids may change places on the way."""
    document = without_ledgers(other)
    now = applied(table, document)
    left, right = content(now), content(told(other, turned_since(other, now)))
    for name in ("catalogue.ledgers",):
        del left[name], right[name]
    assert left == right
    assert decide(now, ApplyDocument(document), change=routing.change) == ()


@settings(max_examples=50, deadline=None)
@given(worlds())
def test_a_section_that_is_not_there_leaves_its_part_as_it_is(table: RoutingSnapshot) -> None:
    """So that a document of pools alone removes nobody's key."""
    assert decide(table, ApplyDocument(Document()), change=routing.change) == ()
    assert set(SECTIONS) == {"settings", "pools", "keys", *document_of(table).facts}


def test_models_may_exchange_their_names() -> None:
    """DEF-19, DEF-44: what counts is the table that all of it leads to, and each name has a pool in it."""
    before = decided(
        routing.empty(),
        ChangeEntities((*FIRST, DeploymentDefined("m2", "large", "real/large", "e1"))),
    )
    document = document_of(before)
    small, large = document.facts["deployments"]
    swapped = (attrs.evolve(small, alias="large"), attrs.evolve(large, alias="small"))
    now = applied(before, attrs.evolve(document, facts={**document.facts, "deployments": swapped}))
    assert dict(now.catalogue.models) == {"large": "m1", "small": "m2", "both": "m3"}
    assert now.pools["small"].providers[0].model == "real/large"


def test_a_name_may_pass_from_a_pool_to_a_model_and_back() -> None:
    """The pool goes before the model comes, and the other way round."""
    table = decided(routing.empty(), ApplyManifest(manifest([pool("chat", provider("a"))])))
    facts = {
        "endpoints": (EndpointDefined("e1", "http://e.example/"),),
        "deployments": (DeploymentDefined("m1", "chat", "real", "e1"),),
    }
    turned = applied(table, Document(pools={}, facts=facts))
    assert turned.pools["chat"].grants is not None
    back = applied(turned, Document(pools=document_of(table).pools, facts={"endpoints": (), "deployments": ()}))
    assert content(back) == content(table)


def test_what_is_wrong_is_told_at_its_place() -> None:
    """DEF-10: every problem, by its path in the document, and nothing is changed."""
    table = decided(routing.empty(), ChangeEntities(FIRST))
    wrong = Document(
        pools={"p": pool("p", provider("a", weight=-1)), "small": pool("small", provider("a"))},
        keys={"k": Key("k", secret_of("k"), user_id="nobody")},
        facts={
            "deployments": (DeploymentDefined("m1", "small", "", "e9"), DeploymentDefined("m2", "small", "x", "e1"))
        },
    )
    assert problems(table, wrong) == [
        ("deployments", "m1", "alias"),
        ("deployments", "m1", "endpoint_id"),
        ("deployments", "m1", "model_name"),
        ("pools", "p", "providers", 0, "weight"),
        ("pools", "small"),
        ("keys", "k", "user_id"),
    ]


@pytest.mark.parametrize(
    ("facts", "where"),
    [
        ({"ledgers": (CreditsCheckpointed("u1", "lots", 1),)}, ("ledgers", "u1", "balance")),
        ({"tokens": (TokenDefined("t", "zz", "read"),)}, ("tokens", "t", "digest")),
        ({"ledgers": (CreditsCheckpointed("u1", "1", 1),)}, ("ledgers", "u1", "seq")),
        ({"endpoints": ()}, ("endpoints", "e1", "endpoint_id")),
        ({"composites": (CompositeDefined("m1", "both"),)}, ("composites", "m1")),
    ],
)
def test_what_cannot_be_is_refused(facts: Any, where: tuple[str, ...]) -> None:
    """What the fold could not read, a ledger turned back, and parts of the table that another part needs."""
    booked = (CreditsBooked("u1", 0, "purchase", "1"), CreditsBooked("u1", 0, "purchase", "1"))
    table = decided(routing.empty(), ChangeEntities((*FIRST, *booked)))
    assert where in problems(table, Document(facts=facts))


def test_a_file_keeps_what_it_manages() -> None:
    """Issue 4, item 5: neither changed nor removed for anybody else, and told; for the file itself it is."""
    table = decided(routing.empty(), ApplyManifest(manifest([pool("p", provider("a"))], [key("k")])), "file:a.json")
    table = decided(table, DefineKey(key("own")), "token:ops")
    document = Document(pools={}, keys={})
    now = applied(table, document, "token:ops")
    assert (set(now.pools), set(now.keys)) == ({"p"}, {"k"})
    assert left_alone(table, document, "token:ops") == ("key:k", "pool:p")
    assert left_alone(table, document, "file:a.json") == ()
    assert set(applied(table, document, "file:a.json").pools) == set()


def test_what_stays_is_not_left_hanging() -> None:
    """A pool of a file that leads to one of the document's, or lists a key of it, keeps both there."""
    table = decided(routing.empty(), DefineKey(key("k")), "token:ops")
    table = decided(table, DefinePool(pool("target", provider("a"))), "token:ops")
    managed = pool("p", provider("a"), keys=frozenset({"k"}), rules=(redirect("target", tier="x"),))
    table = decided(table, DefinePool(managed), "file:a.json")
    with pytest.raises(Rejected) as caught:
        decide(table, ApplyDocument(Document(pools={}, keys={})), source="token:ops", change=routing.change)
    assert [problem.where for problem in caught.value.problems] == [
        ("pools", "p", "rules", 0, "target"),
        ("pools", "p", "keys"),
    ]


def test_a_user_goes_with_the_keys_that_are_still_theirs() -> None:
    """A key that has another user in the document stays; what follows from a removal is an event of its own."""
    theirs, kept = Key("theirs", secret_of("theirs"), user_id="u1"), Key("kept", secret_of("kept"), user_id="u1")
    table = decided(routing.empty(), ChangeEntities(FIRST))
    table = decided(decided(table, DefineKey(theirs)), DefineKey(kept))
    gone = applied(table, Document(facts={"users": ()}))
    assert (dict(gone.users), dict(gone.keys)) == ({}, {})
    document = Document(keys={"kept": attrs.evolve(kept, user_id=None)}, facts={"users": ()})
    events = decide(table, ApplyDocument(document), change=routing.change)
    assert events[-1] == UserRemoved("u1")
    assert set(told(table, events).keys) == {"kept"}


def test_a_document_leaves_to_time_what_it_leaves_unsaid() -> None:
    """SYNC-5, DEF-16: what has begun by then costs from the first position on; what began or ended stays so."""
    tariff = TariffDefined("t", "m1", "1", "1", valid_from=10, valid_until=20)
    document = Document(facts={"tariffs": (tariff,)})
    table = decided(routing.empty(), ChangeEntities(FIRST))
    events = decide(table, ApplyDocument(document, at_us=15), change=routing.change)
    assert events == (tariff, TariffBegan("t"))
    assert decide(table, ApplyDocument(document, at_us=5), change=routing.change) == (tariff,)
    for turned in (events, (*events, TariffEnded("t"))):
        assert decide(told(table, turned), ApplyDocument(document, at_us=15), change=routing.change) == ()


def test_what_belongs_together_goes_in_one_event() -> None:
    """A model takes its rules, grants and tariffs along: its parts need no event of their own."""
    table = decided(routing.empty(), ChangeEntities(FIRST))
    everything = Document(facts={"composites": (), "groups": (), "deployments": ()})
    events = decide(table, ApplyDocument(everything), change=routing.change)
    assert [type(event).__name__ for event in events] == ["CompositeRemoved", "DeploymentRemoved", "GroupRemoved"]
    mixed = decide(table, ApplyDocument(Document(facts={"deployments": ()})), change=routing.change)
    assert [type(event).__name__ for event in mixed] == ["ComponentRemoved", "DeploymentRemoved"]
    assert DeploymentRemoved("m1") in mixed
    assert PoolRemoved("small") not in mixed


def test_tokens_may_exchange_their_secrets() -> None:
    """Each is known by its own in the end, and either can be removed by itself."""
    first, second = TokenDefined("a", "a1" * 32, "read"), TokenDefined("b", "b2" * 32, "admin")
    table = decided(routing.empty(), ChangeEntities((first, second)))
    turned = (attrs.evolve(first, digest=second.digest), attrs.evolve(second, digest=first.digest))
    now = applied(table, Document(facts={"tokens": turned}))
    assert {digest.hex(): token.token_id for digest, token in now.tokens.items()} == {"b2" * 32: "a", "a1" * 32: "b"}
    left = applied(now, Document(facts={"tokens": turned[:1]}))
    assert [token.token_id for token in left.tokens.values()] == ["a"]
