"""A rejection by the engine in terms of the file."""

from typing import Any

import pytest

from adapters.config import ConfigError
from engine.errors import Problem, Rejected

URL = "https://h.example/v1"
POOL = "$.targets['gpt-4o']"
FIRST = f"{POOL}.providers[0]"
DOCUMENT = {
    "auth": {"global_keys": ["sk-anonymous"], "key_definitions": {"team a": {"key": "sk-a"}}},
    "targets": {
        "one": {"url": URL},
        "list": [{"url": URL}, {"url": URL}],
        "gpt-4o": {"providers": [{"url": URL}], "keys": ["sk-of-pool"]},
    },
}


@pytest.mark.parametrize(
    ("where", "place"),
    [
        (("pools", "one", "providers", 0, "weight"), "$.targets.one.weight"),
        (("pools", "list", "providers", 1, "model"), "$.targets.list[1].onwards_model"),
        (("pools", "list", "keys"), "$.targets.list[0].keys"),
        (("pools", "gpt-4o", "keys"), f"{POOL}.keys"),
        (("pools", "gpt-4o", "providers", 0, "credential"), f"{FIRST}.onwards_key"),
        (("pools", "gpt-4o", "providers", 0, "auth_header"), f"{FIRST}.upstream_auth_header_name"),
        (("pools", "gpt-4o", "providers", 0, "auth_prefix"), f"{FIRST}.upstream_auth_header_prefix"),
        (("pools", "gpt-4o", "providers", 0, "timeouts", "first_byte_s"), f"{FIRST}.timeouts.first_byte_secs"),
        (("pools", "one", "providers", 0, "timeouts", "total_s"), "$.targets.one.timeouts.total_secs"),
        (("pools", "list", "providers", 1, "deployment"), "$.targets.list[1].deployment"),
        (("pools", "gpt-4o", "timeouts", "idle_s"), f"{POOL}.timeouts.idle_secs"),
        (("pools", "gpt-4o", "timeouts", "connect_s"), f"{POOL}.timeouts.connect_secs"),
        (("pools", "gpt-4o", "circuit", "cooldowns_s", 1), f"{POOL}.circuit.cooldown_secs[1]"),
        (("pools", "gpt-4o", "circuit", "max_retry_after_s"), f"{POOL}.circuit.max_retry_after_secs"),
        (("pools", "gpt-4o", "circuit", "failures"), f"{POOL}.circuit.failures"),
        (("pools", "gpt-4o", "affinity", "header"), f"{POOL}.affinity.header"),
        (("pools", "gpt-4o", "providers", 0, "response_headers", "X-A"), f"{FIRST}.response_headers['X-A']"),
        (("pools", "gpt-4o", "providers", 9, "weight"), f"{POOL}.providers[9].weight"),
        (("pools", "gpt-4o", "max_concurrent"), f"{POOL}.concurrency_limit.max_concurrent_requests"),
        (("pools", "gpt-4o", "requests_per_second"), f"{POOL}.rate_limit.requests_per_second"),
        (("pools", "gpt-4o", "burst"), f"{POOL}.rate_limit.burst_size"),
        (("pools", "gpt-4o", "rules", 1, "target"), f"{POOL}.routing_rules[1].action.target"),
        (("pools", "gpt-4o", "fallback", "on_status", 0), f"{POOL}.fallback.on_status[0]"),
        (("pools", "gpt-4o"), POOL),
        (("keys", "team a", "digest"), "$.auth.key_definitions['team a'].key"),
        (("keys", "team a", "burst"), "$.auth.key_definitions['team a'].rate_limit.burst_size"),
        (("keys", "unknown", "digest"), "$.auth"),
        (("settings", "idle_timeout_s"), "$.http_pool.idle_timeout_secs"),
        (("settings", "max_idle_per_host"), "$.http_pool.max_idle_per_host"),
        (("settings", "strict_mode"), "$.strict_mode"),
        (("settings", "other"), "$"),
        ((), "$"),
    ],
)
def test_each_place_of_a_table_has_a_place_in_the_file(read: Any, where: tuple[str | int, ...], place: str) -> None:
    """The alias' shape decides where a provider stands; fields have the names of the format."""
    loaded = read(DOCUMENT)
    error = loaded.explain(Rejected((Problem(where, "is wrong", "what is right"),)))
    assert isinstance(error, ConfigError)
    assert error.problems == (f"{loaded.path}: {place}: is wrong; valid: what is right",)


def test_an_anonymous_key_is_where_it_is_written_first(read: Any) -> None:
    """It has no object of its own."""
    loaded = read(DOCUMENT)
    anonymous = [key_id for key_id in loaded.manifest.keys if key_id.startswith("key-")]
    error = loaded.explain(Rejected(tuple(Problem(("keys", key_id, "digest"), "x", "y") for key_id in anonymous)))
    assert error.problems == (
        f"{loaded.path}: $.auth.global_keys[0]: x; valid: y",
        f"{loaded.path}: $.targets['gpt-4o'].keys[0]: x; valid: y",
    )


def test_what_only_the_engine_checks_is_found_on_reading(problems: Any) -> None:
    """The reader asks the engine's own checks, so that no file loads that cannot be applied (DEF-31)."""
    document = {"targets": {"": {"url": URL}, "a": {"url": URL, "upstream_auth_header_name": "Content-Length"}}}
    lines = problems(document)
    assert [line.partition(": ")[0] for line in lines] == ["$.targets['']", "$.targets.a.upstream_auth_header_name"]
