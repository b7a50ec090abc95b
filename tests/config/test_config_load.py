"""A document to a manifest: three shapes, one normal form."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from engine.commands import ApplyManifest
from engine.decide import decide
from engine.snapshot import (
    Action,
    Affinity,
    AllOpen,
    Backoff,
    CircuitPolicy,
    Exhausted,
    Fallback,
    Limits,
    Pool,
    Provider,
    Rule,
    Settings,
    Strategy,
    Timeouts,
)
from projections.routing import empty

URL = "https://h.example/v1"


def test_a_whole_pool_is_read(read: Any) -> None:
    """CFG-6, CFG-7, CFG-14, CFG-15, HEALTH-6, DEF-40, SYNC-17, URL-1: every key arrives in its field."""
    document = {
        "targets": {
            "other": [],
            "a": {
                "strategy": "consistent_hash",
                "affinity": {"header": "X-Session-Id", "max_load_percent": 150},
                "circuit": {
                    "enabled": False,
                    "failures": 5,
                    "open_on_status": [401, 5],
                    "cooldown_secs": [10, 20.5],
                    "max_retry_after_secs": 0,
                    "when_all_open": "refuse",
                },
                "timeouts": {"connect_secs": 1, "first_byte_secs": 2, "idle_secs": 3, "total_secs": 4.5},
                "trusted": True,
                "sanitize_response": True,
                "rate_limit": {"requests_per_second": 2.5, "burst_size": 7},
                "concurrency_limit": {"max_concurrent_requests": 0},
                "response_headers": {"X-Pool": "p"},
                "open_responses": {"adapter": True},
                "fallback": {
                    "enabled": True,
                    "on_status": [429, 5],
                    "on_rate_limit": True,
                    "with_replacement": True,
                    "max_attempts": 3.0,
                    "backoff": {"initial_ms": 50},
                    "max_total_backoff_ms": 2000,
                    "on_connect_error": False,
                    "on_timeout": False,
                    "on_maybe_executed": False,
                    "on_embedded_error": True,
                    "exhausted": "mask",
                },
                "routing_rules": [
                    {
                        "match_labels": {"purpose": "batch"},
                        "action": {"type": "redirect", "target": "other", "opens_target": True},
                    },
                    {"match_labels": {}, "action": {"type": "deny"}},
                ],
                "providers": [
                    {
                        "name": "first",
                        "url": URL,
                        "onwards_key": "env:UPSTREAM",
                        "onwards_model": "real",
                        "weight": 3,
                        "rate_limit": {"requests_per_second": 1, "burst_size": None},
                        "concurrency_limit": {"max_concurrent_requests": 2},
                        "deployment": "gpu one",
                        "priority": 2,
                        "cost": 0.5,
                        "timeouts": {"connect_secs": 5, "first_byte_secs": 30, "idle_secs": 60, "total_secs": 90},
                        "upstream_auth_header_name": "X-Key",
                        "upstream_auth_header_prefix": "",
                        "response_headers": {"Input-Price": "0.1"},
                        "trusted": False,
                        "propagate_trace_context": True,
                        "open_responses": {"adapter": False},
                        "reasoning_translation": {"anything": 1},
                    },
                    {"url": "https://h.example", "priority": 1},
                ],
            },
        }
    }
    assert read(document).manifest.pools["a"] == Pool(
        alias="a",
        strategy=Strategy.CONSISTENT_HASH,
        affinity=Affinity("x-session-id", 150),
        circuit=CircuitPolicy(
            enabled=False,
            failures=5,
            open_on_status=(401, 5),
            cooldowns_s=(10, 20.5),
            max_retry_after_s=0,
            when_all_open=AllOpen.REFUSE,
        ),
        timeouts=Timeouts(1, 2, 3, 4.5),
        trusted=True,
        sanitize_response=True,
        limits=Limits(max_concurrent=0, requests_per_second=2.5, burst=7),
        response_headers={"X-Pool": "p"},
        open_responses_adapter=True,
        fallback=Fallback(
            enabled=True,
            on_status=(429, 5),
            on_rate_limit=True,
            with_replacement=True,
            max_attempts=3,
            backoff=Backoff(initial_ms=50, max_ms=5000, factor=2, jitter="full"),
            max_total_backoff_ms=2000,
            on_connect_error=False,
            on_timeout=False,
            on_maybe_executed=False,
            on_embedded_error=True,
            exhausted=Exhausted.MASK,
        ),
        rules=(Rule({"purpose": "batch"}, Action.REDIRECT, "other", opens_target=True), Rule({}, Action.DENY)),
        providers=(
            Provider(
                name="first",
                url="https://h.example/v1/",
                model="real",
                credential="env:UPSTREAM",
                auth_header="X-Key",
                auth_prefix="",
                weight=3,
                limits=Limits(max_concurrent=2, requests_per_second=1),
                deployment="gpu one",
                priority=2,
                cost=0.5,
                timeouts=Timeouts(5, 30, 60, 90),
                response_headers={"Input-Price": "0.1"},
                sanitize_response=True,
                trusted=False,
                propagate_trace_context=True,
                open_responses_adapter=False,
            ),
            Provider(name="h.example", url="https://h.example/", priority=1, sanitize_response=True),
        ),
    )


def test_defaults_are_the_engines(read: Any) -> None:
    """CFG-6, CFG-7, CFG-14: what is absent, null or empty has its default; the auth prefix keeps its space."""
    absent = read({"targets": {"a": {"providers": [{"url": URL}]}}}).manifest
    nulls = ("onwards_key", "onwards_model", "rate_limit", "concurrency_limit", "request_timeout_secs", "name")
    more = ("upstream_auth_header_name", "upstream_auth_header_prefix", "response_headers", "trusted")
    new = ("deployment", "priority", "timeouts")
    provider = {"url": URL} | dict.fromkeys(nulls + more + new)
    objects = ("fallback", "circuit", "affinity", "timeouts")
    empty: dict[str, Any] = {"a": {"providers": [provider], "rate_limit": None} | dict.fromkeys(objects)}
    assert read({"targets": empty}).manifest == absent
    for name in objects:
        empty["a"][name] = {}
    assert read({"targets": empty}).manifest == absent
    assert absent.pools == {"a": Pool("a", (Provider(name="h.example", url=f"{URL}/"),))}
    assert absent.settings == Settings()


def test_a_single_target_is_a_pool_of_one(read: Any) -> None:
    """CFG-8, CFG-10: limits stay on the provider; keys, sanitising and trust become the pool's."""
    target = {
        "url": URL,
        "keys": ["secret-of-client"],
        "rate_limit": {"requests_per_second": 2},
        "concurrency_limit": {"max_concurrent_requests": 3},
        "sanitize_response": True,
        "trusted": True,
        "response_headers": {"X": "1"},
    }
    pool = read({"targets": {"a": target}}).manifest.pools["a"]
    (provider,) = pool.providers
    assert pool.keys is not None
    assert (len(pool.keys), pool.sanitize_response, pool.trusted) == (1, True, True)
    assert (pool.limits, pool.fallback, pool.strategy) == (Limits(), Fallback(), Strategy.WEIGHTED_RANDOM)
    assert (provider.limits, provider.sanitize_response) == (Limits(3, 2.0), True)
    assert provider.response_headers == {"X": "1"}


def test_the_short_shapes_take_all_keys_of_a_provider(read: Any) -> None:
    """CFG-8, CFG-10: what says more about a provider says it in a single target and in a list too."""
    entry = {
        "url": URL,
        "deployment": "gpu",
        "priority": 0,
        "cost": 2,
        "timeouts": {"idle_secs": 7},
        "request_timeout_secs": 30,
    }
    pools = read({"targets": {"single": entry, "list": [entry]}}).manifest.pools
    expected = Provider("h.example", f"{URL}/", deployment="gpu", priority=0, cost=2.0, timeouts=Timeouts(None, 30, 7))
    for alias in ("single", "list"):
        assert pools[alias] == Pool(alias, (expected,))


def test_a_timeout_under_its_older_name(read: Any, problems: Any) -> None:
    """CFG-6: `request_timeout_secs` is `timeouts.first_byte_secs`; both may be there if they agree."""
    for written in (
        {"request_timeout_secs": 30},
        {"request_timeout_secs": 30, "timeouts": {"first_byte_secs": 30.0}},
        {"timeouts": {"first_byte_secs": 30}, "request_timeout_secs": None},
        {"request_timeout_secs": 30, "timeouts": None},
    ):
        (provider,) = read({"targets": {"a": {"url": URL} | written}}).manifest.pools["a"].providers
        assert provider.timeouts == Timeouts(first_byte_s=30)
    differing = {"url": URL, "request_timeout_secs": 30, "timeouts": {"first_byte_secs": 20}}
    assert problems({"targets": {"a": {"providers": [differing]}}}) == [
        (
            "$.targets.a.providers[0].timeouts.first_byte_secs: 20, but `request_timeout_secs`, its older name, is 30; "
            "valid: one of the two, or the same number in both"
        )
    ]


def test_one_deployment_has_one_set_of_limits(read: Any, problems: Any) -> None:
    """SYNC-17, DEF-20: over the whole file; the line names both places."""
    limit = {"concurrency_limit": {"max_concurrent_requests": 8}}
    entry = {"url": URL, "deployment": "gpu"}
    same = {"a": entry | limit, "b": {"providers": [{"url": URL}, entry | limit]}}
    assert read({"targets": same}).manifest.pools["b"].providers[1].limits == Limits(8)
    assert problems({"targets": {**same, "c": [entry | {"name": "n"}]}}) == [
        (
            "$.targets.c[0].deployment: provider 'n' of pool 'c' gives 'gpu' other limits than provider 'h.example' of "
            "pool 'a' does: max_concurrent none, not 8; valid: the same limits wherever the deployment is named"
        )
    ]


def test_all_providers_have_a_priority_or_none(problems: Any) -> None:
    """DEF-81: one without would have no place among the others."""
    (line,) = problems({"targets": {"a": [{"url": URL, "name": "x"}, {"url": URL, "name": "y", "priority": 1}]}})
    assert line.startswith("$.targets.a[0].priority: missing, though provider 'y' of this pool has one; valid: ")


@pytest.mark.parametrize(
    ("targets", "place"),
    [
        ({"a": [{"url": URL, "priority": -1}, {"url": f"{URL}/b", "priority": 2}]}, "$.targets.a[0].priority"),
        ({"a": {"providers": [{"url": URL, "priority": "1"}, {"url": f"{URL}/b", "priority": 2}]}}, "priority"),
        (
            {
                "a": {"url": URL, "deployment": "gpu", "concurrency_limit": {"max_concurrent_requests": -1}},
                "b": {"url": URL, "deployment": "gpu", "concurrency_limit": {"max_concurrent_requests": 2}},
            },
            "$.targets.a.concurrency_limit.max_concurrent_requests",
        ),
        (
            {
                "a": {"url": URL, "deployment": "gpu", "rate_limit": {"requests_per_second": 1}},
                "b": {"url": URL, "deployment": "gpu", "rate_limit": {}},
            },
            "$.targets.b.rate_limit",
        ),
    ],
)
def test_an_invalid_value_is_not_a_missing_one(problems: Any, targets: Any, place: str) -> None:
    """DEF-81, SYNC-17: what is wrong is told once, not again for its absence."""
    (line,) = problems({"targets": targets})
    assert place in line.partition(": ")[0]
    assert "missing, though" not in line


def test_one_broken_priority_does_not_hide_another_that_is_missing(problems: Any) -> None:
    """DEF-81: only the place with the error is told once."""
    entries = [{"url": URL} | more for more in ({"priority": -1}, {"priority": 2}, {})]
    first, second = problems({"targets": {"a": entries}})
    assert first.startswith("$.targets.a[0].priority: -1 is not valid here")
    assert second.startswith("$.targets.a[2].priority: missing, though")


def test_a_total_is_not_shorter_than_its_parts(problems: Any) -> None:
    """DEF-40: where they stand together."""
    timeouts = {"connect_secs": 5, "total_secs": 4}
    assert [
        line.partition(": ")[0] for line in problems({"targets": {"a": {"providers": [], "timeouts": timeouts}}})
    ] == ["$.targets.a.timeouts.total_secs"]
    (line,) = problems({"targets": {"a": {"url": URL, "request_timeout_secs": 9, "timeouts": timeouts}}})
    assert line.startswith("$.targets.a.timeouts.total_secs: 4 s are over before a part of them, which has 9 s")


def test_a_list_has_its_first_entrys_keys(read: Any, problems: Any) -> None:
    """CFG-10, DEF-46: keys that differ further down are ignored with a warning, or an error if strict."""
    entries = [
        {"url": URL, "keys": ["one"], "sanitize_response": True},
        {"url": URL, "keys": ["one"]},
        {"url": URL},
        {"url": URL, "keys": ["two"], "concurrency_limit": {"max_concurrent_requests": 1}},
    ]
    loaded = read({"targets": {"a": entries}})
    pool = loaded.manifest.pools["a"]
    assert pool.keys == loaded.manifest.keys.keys()
    assert len(loaded.manifest.keys) == 1
    assert (pool.sanitize_response, pool.limits) == (False, Limits())
    assert [provider.sanitize_response for provider in pool.providers] == [True, False, False, False]
    assert pool.providers[3].limits == Limits(max_concurrent=1)
    ignored = [warning for warning in loaded.warnings if "$.targets.a[3].keys: not used" in warning]
    assert len(ignored) == 1
    assert problems({"targets": {"a": entries}}, strict=True)[0].startswith("$.targets.a[3].keys: not used")


def test_a_list_whose_first_entry_has_no_keys_says_so(read: Any) -> None:
    """CFG-10: the pool has no list of its own then, which the warning must not hide."""
    loaded = read({"targets": {"a": [{"url": URL}, {"url": URL, "keys": []}]}})
    assert loaded.manifest.pools["a"].keys is None
    assert "$.targets.a[1].keys: not used" in loaded.warnings[0]


def test_a_list_agrees_about_trust(read: Any, problems: Any) -> None:
    """CFG-10: entries that disagree are an error; absent is false; agreement becomes the pool's."""
    (line,) = problems({"targets": {"a": [{"url": URL, "trusted": True}, {"url": URL}]}})
    assert line.startswith("$.targets.a[1].trusted: disagrees with the list's first entry")
    both = [{"url": URL, "trusted": True}, {"url": URL, "trusted": True}]
    assert read({"targets": {"a": both}}).manifest.pools["a"].trusted is True
    assert read({"targets": {"a": [{"url": URL, "trusted": False}, {"url": URL}]}}).manifest.pools["a"].trusted is False


def test_an_empty_list_is_a_pool_without_providers(read: Any) -> None:
    """CFG-10."""
    assert read({"targets": {"a": []}}).manifest.pools == {"a": Pool("a")}


def test_sanitising_of_a_pool_holds_for_all_its_providers(read: Any) -> None:
    """CFG-10: pool OR provider."""
    providers = [{"url": URL, "sanitize_response": True}, {"url": URL}]
    for own, expected in ((True, [True, True]), (False, [True, False])):
        target = {"providers": providers, "sanitize_response": own}
        pool = read({"targets": {"a": target}}).manifest.pools["a"]
        assert [provider.sanitize_response for provider in pool.providers] == expected


def test_providers_get_names(read: Any) -> None:
    """Host, port and upstream model; what is taken, by a given name or an earlier one, is counted on from #2."""
    providers = [
        {"url": "https://h.example/v1"},
        {"url": "https://h.example:8443/v2", "onwards_model": "org/model é"},
        {"url": "https://h.example/v3"},
        {"url": "https://h.example", "name": "h.example#2"},
        {"url": "https://h.example/v3"},
    ]
    pool = read({"targets": {"a": {"providers": providers}}}).manifest.pools["a"]
    assert [provider.name for provider in pool.providers] == [
        "h.example",
        "h.example:8443/org/model %C3%A9",
        "h.example#3",
        "h.example#2",
        "h.example#4",
    ]


def test_given_names_are_unique_in_their_pool(problems: Any) -> None:
    """The second is at fault."""
    (line,) = problems({"targets": {"a": [{"url": URL, "name": "x"}, {"url": URL, "name": "x"}]}})
    assert line.startswith("$.targets.a[1].name: ")


def test_settings_are_read(read: Any) -> None:
    """CFG-16, CFG-1."""
    document = {"targets": {}, "strict_mode": True, "http_pool": {"max_idle_per_host": 0, "idle_timeout_secs": 1.5}}
    assert read(document).manifest.settings == Settings(True, 0, 1.5)


@pytest.mark.parametrize("target", ["a", "nowhere"])
def test_redirects_lead_to_another_alias(problems: Any, target: str) -> None:
    """RULE-10: its own alias and one that does not exist are errors at the rule's target."""
    rule = {"match_labels": {}, "action": {"type": "redirect", "target": target}}
    (line,) = problems({"targets": {"a": {"providers": [], "routing_rules": [rule]}}})
    assert line.startswith("$.targets.a.routing_rules[0].action.target: ")


def test_a_denying_rule_has_no_target(read: Any) -> None:
    """What is ignored is said."""
    rule = {"match_labels": {}, "action": {"type": "deny", "target": "b", "opens_target": True}}
    warnings = read({"targets": {"a": {"providers": [], "routing_rules": [rule]}}}).warnings
    assert ["$.targets.a.routing_rules[0].action.target: ignored" in warning for warning in warnings] == [True, False]
    assert "$.targets.a.routing_rules[0].action.opens_target: ignored" in warnings[1]


def test_fields_without_effect_are_named(read: Any) -> None:
    """What is not done must not look as if it were: one warning for each place, and none for limits and backoff."""
    rate = {"requests_per_second": 1}
    document = {
        "strict_mode": True,
        "auth": {"key_definitions": {"k": {"key": "a-client-secret", "rate_limit": rate}}},
        "targets": {
            "single": {"url": URL, "rate_limit": rate, "sanitize_response": True, "open_responses": {"adapter": True}},
            "list": [{"url": URL, "reasoning_translation": {}}],
            "pool": {
                "rate_limit": rate,
                "sanitize_response": False,
                "open_responses": {"adapter": False},
                "fallback": {"enabled": True, "backoff": {"initial_ms": 1}, "max_total_backoff_ms": 1},
                "providers": [{"url": URL, "rate_limit": rate, "concurrency_limit": {"max_concurrent_requests": 1}}],
            },
        },
    }
    warnings = [line.split(": ") for line in read(document, strict=True).warnings]
    assert warnings[0][2].endswith("but has no other effect in this version")
    assert {what for _, _, what in warnings[1:]} == {"is read but has no effect in this version"}
    assert [place for _, place, _ in warnings] == [
        "$.strict_mode",
        "$.targets.single.sanitize_response",
        "$.targets.single.open_responses.adapter",
        "$.targets.list[0].reasoning_translation",
    ]


def test_the_digest_is_of_the_bytes(read: Any, tmp_path: Path) -> None:
    """A watcher compares it with what is on disk."""
    loaded = read({"targets": {}})
    assert loaded.content_digest == sha256((tmp_path / "routes.json").read_bytes()).hexdigest()


def test_what_loads_can_be_applied(read: Any) -> None:
    """The engine takes what the reader lets through."""
    manifest = read({"targets": {"a": {"url": URL, "keys": ["client-secret"]}}}).manifest
    assert len(decide(empty(), ApplyManifest(manifest))) == 3
