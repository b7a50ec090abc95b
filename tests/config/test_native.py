"""Documents in Pointsman's own format."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from adapters.config.findings import ConfigError
from adapters.config.native import is_native, load_native, problem_lines
from engine.commands import ApplyDocument
from engine.decide import decide
from engine.document import Document, document_of
from engine.errors import Problem
from engine.events import NIL, GrantAdded, TariffBegan, TariffDefined, TariffEnded
from engine.snapshot import Limits, RoutingSnapshot, Strategy
from projections import routing
from projections.document import exported
from tests.projections.worlds import content, told, worlds


def loaded(document: Any) -> Document:
    return load_native(json.dumps(document).encode(), "a.json")


def stated(document: Document) -> tuple[Any, ...]:
    """All of it, in no order."""
    return (
        document.settings,
        document.pools,
        document.keys,
        {name: set(some) for name, some in document.facts.items()},
    )


def refusal(text: str, name: str = "a.yaml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_native(text.encode(), name)
    return caught.value.problems


@settings(max_examples=25, deadline=None)
@given(worlds())
def test_an_export_imports_to_the_same_table(table: RoutingSnapshot) -> None:
    """Issue 4, item 7: through JSON and YAML alike, and importing it again changes nothing (DELTA-7)."""
    whole = exported(table, with_digests=True)
    texts = {"a.json": json.dumps(whole), "a.yaml": yaml.safe_dump(whole, allow_unicode=True, sort_keys=False)}
    for name, text in texts.items():
        document = load_native(text.encode(), name)
        assert stated(document) == stated(document_of(table))
        copy = told(routing.empty(), decide(routing.empty(), ApplyDocument(document), change=routing.change))
        assert content(copy) == content(table)
        assert decide(copy, ApplyDocument(document), change=routing.change) == ()


def test_what_is_left_out_is_as_usual_and_sections_may_be_missing() -> None:
    """A section that is not there is nobody's wish."""
    document = loaded(
        {
            "pointsman": 1,
            "pools": {"chat": {"strategy": "priority", "providers": [{"name": "a", "url": "http://a.example/"}]}},
            "groups": {NIL: {"grants": ["m1"]}},
            "tariffs": {"t": {"model_id": "m", "input_price": "1", "output_price": "0", "valid_from": 5}},
        }
    )
    assert (document.settings, document.keys, set(document.facts)) == (None, None, {"groups", "tariffs"})
    assert document.pools is not None
    assert document.pools["chat"].strategy is Strategy.PRIORITY
    assert document.pools["chat"].providers[0].limits == Limits()
    assert document.facts["groups"] == (GrantAdded(NIL, "m1"),)
    assert document.facts["tariffs"] == (TariffDefined("t", "m", "1", "0", 5),)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ()),
        ({"valid_from": 5, "is_current": False}, ()),
        ({"valid_from": 5, "is_current": True}, (TariffBegan("t"),)),
        ({"valid_from": 5, "has_ended": True}, (TariffEnded("t"),)),
        ({"is_current": False}, (TariffEnded("t"),)),
        ({"has_ended": True}, (TariffEnded("t"),)),
        ({"has_ended": False}, ()),
    ],
)
def test_a_tariff_tells_where_it_stands_or_leaves_it_to_time(said: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """SYNC-5, DEF-16: what is not current may only wait; what has ended says so, and would not begin again."""
    stated = {"model_id": "m", "input_price": "1", "output_price": "0", **said}
    document = loaded({"pointsman": 1, "tariffs": {"t": stated}})
    assert document.facts["tariffs"] == (TariffDefined("t", "m", "1", "0", said.get("valid_from")), *expected)


def test_each_fault_is_a_line_with_its_place() -> None:
    """DEF-10: all of them at once: the file, the line, the path, what is valid; and no text of the document."""
    text = """pointsman: 1
pools:
  chat:
    strategy: fastest
    providers:
      - name: a
        weight: "3"
        limits: {max_concurrent: true, burts: 1}
keys:
  k: {digest: sk-secret}
endpoints: [e1]
users:
  u: {name: 7, is_funded: yes please}
tokens:
  t: {scope: read}
polls: {}
"""
    strategy, *others = refusal(text)
    assert strategy.startswith("a.yaml:4: $.pools.chat.strategy: this string is not valid here; valid: ")
    assert strategy.endswith('"weighted_random" or "priority" or "least_latency" or "cost" or "consistent_hash"')
    assert others == [
        "a.yaml:6: $.pools.chat.providers[0]: `url` is missing; valid: a string",
        "a.yaml:7: $.pools.chat.providers[0].weight: this string is not valid here; valid: a whole number",
        "a.yaml:8: $.pools.chat.providers[0].limits.burts: unknown key, which nothing reads; did you mean `burst`?",
        "a.yaml:8: $.pools.chat.providers[0].limits.max_concurrent: true is not valid here; valid: a whole number",
        "a.yaml:10: $.keys.k.digest: this string is not valid here; valid: 64 hexadecimal digits",
        "a.yaml:11: $.endpoints: a list is not valid here; valid: an object",
        "a.yaml:13: $.users.u.is_funded: this string is not valid here; valid: true or false",
        "a.yaml:13: $.users.u.name: this number is not valid here; valid: a string",
        "a.yaml:15: $.tokens.t: `digest` is missing; valid: a string",
        "a.yaml:16: $.polls: unknown key, which nothing reads; did you mean `pools`?",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("pools: {}", "1: $: no version that is read here; valid: `pointsman: 1`"),
        ("pointsman: 2", "1: $.pointsman: no version that is read here; valid: `pointsman: 1`"),
        ("pointsman: true", "1: $.pointsman: no version that is read here; valid: `pointsman: 1`"),
        ("[]", "1: $: a list is not valid here; valid: an object"),
        ("pointsman: 1\nkeys: null", "2: $.keys: null is not valid here; valid: an object"),
        (
            "pointsman: 1\nsettings: {strict_mode: .nan, max_idle_per_host: 1, idle_timeout_s: 1}",
            "2: $.settings.strict_mode: this number is not valid here; valid: true or false",
        ),
        (
            "pointsman: 1\nsettings: {idle_timeout_s: .inf}",
            "2: $.settings.idle_timeout_s: this number is not valid here; valid: a number",
        ),
        (
            "pointsman: 1\nrules: {m: {p: {action: deny, target: x}}}",
            "2: $.rules.m.p.target: unknown key, which nothing reads; did you mean `target_id`?",
        ),
        (
            f"pointsman: 1\ngroups:\n  {NIL}: {{name: x}}",
            f"3: $.groups['{NIL}'].name: unknown key, which nothing reads; valid: members, grants",
        ),
        ("pointsman: 1\nreleased: [1]", "2: $.released[0]: this number is not valid here; valid: a string"),
    ],
)
def test_what_no_document_says(text: str, line: str) -> None:
    """One line each."""
    assert refusal(text) == (f"a.yaml:{line}",)


def test_other_formats_have_places_too() -> None:
    """JSON has lines as YAML has, TOML has paths alone."""
    assert refusal('{\n"pointsman": 1,\n"released": 1}', "a.json") == (
        "a.json:3: $.released: this number is not valid here; valid: a list, each of it a string",
    )
    (line,) = refusal("pointsman = 1\nreleased = 1\n", "a.toml")
    assert line.startswith("a.toml: $.released: this number")


def test_problems_of_meaning_are_told_where_the_document_says_it() -> None:
    """What `decide` finds has the same places."""
    text = b"pointsman: 1\npools:\n  chat:\n    providers:\n      - {name: a, weight: -1}\n"
    problem = Problem(("pools", "chat", "providers", 0, "weight"), "-1 is out of range", "0 or more")
    assert problem_lines(text, "a.yaml", (problem,)) == (
        "a.yaml:5: $.pools.chat.providers[0].weight: -1 is out of range; valid: 0 or more",
    )


def test_a_native_document_is_known_by_its_mark() -> None:
    """The onwards format has `targets`, and not this."""
    assert is_native({"pointsman": 1})
    assert not is_native({"targets": {}})
    assert not is_native([])
    assert loaded({"pointsman": 1, "keys": {}}).keys == {}
