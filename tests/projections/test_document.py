"""Tables as documents, and back."""

import json
from typing import Any

from hypothesis import given, settings

from engine.commands import ApplyManifest, ChangeEntities
from engine.document import SECTIONS
from engine.events import CreditsBooked, TokenDefined
from engine.snapshot import RoutingSnapshot
from projections import routing
from projections.document import exported, shown
from tests.engine.tables import key, manifest, pool, provider
from tests.projections.worlds import FIRST, decided, worlds


def texts(document: Any) -> str:
    return json.dumps(document, sort_keys=False)


@settings(max_examples=50, deadline=None)
@given(worlds())
def test_a_document_is_plain_and_the_same_every_time(table: RoutingSnapshot) -> None:
    """Nothing but what JSON has; no digest unless it is asked for, and then each."""
    document = exported(table)
    assert json.loads(texts(document)) == document
    assert list(document) == ["pointsman", *SECTIONS]
    assert texts(exported(table)) == texts(document)
    digests = {digest.hex() for digest in (*table.callers, *table.tokens)}
    whole, seen = texts(exported(table, with_digests=True)), texts(document) + texts(shown(table))
    assert all(digest in whole and digest not in seen for digest in digests)
    assert set(shown(table)["pools"]) == set(table.pools)
    assert shown(table)["position"] == table.position


def test_an_export_is_short_and_what_is_shown_is_whole() -> None:
    """What is at its default is left out of the one, and told in the other; models' pools are in the other alone."""
    defined = manifest([pool("chat", provider("a", credential="env:A"), limit=4)], [key("k", tier="x")])
    table = decided(decided(routing.empty(), ApplyManifest(defined)), ChangeEntities(FIRST))
    table = decided(
        table, ChangeEntities((CreditsBooked("u1", 0, "purchase", "2.50"), TokenDefined("t", "ab" * 32, "read")))
    )
    document = exported(table)
    assert document["pools"] == {
        "chat": {
            "providers": [{"name": "a", "url": "http://a.example/v1/", "credential": "env:A"}],
            "limits": {"max_concurrent": 4},
        }
    }
    assert document["keys"] == {"k": {"labels": {"tier": "x"}}}
    assert document["composites"] == {"m3": {"alias": "both", "components": {"m1": {}}}}
    assert document["groups"] == {"g1": {"members": ["u1"], "grants": ["m3"]}}
    assert document["users"] == {"u1": {"name": "Ann", "is_funded": True}}
    assert document["ledgers"] == {"u1": {"balance": "2.50", "seq": 1}}
    assert document["tokens"] == {"t": {"scope": "read"}}
    whole = shown(table)
    assert whole["pools"]["chat"]["providers"][0]["weight"] == 1
    assert whole["pools"]["both"]["grants"] == {"groups": ["g1"], "is_free": True, "is_escalation": False}
    assert whole["capacities"] == {"both": 10, "small": 10}
