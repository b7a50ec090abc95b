"""Errors from the intended shape, all of them, in the order of the file."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from adapters.config.findings import json_path
from adapters.config.shape import SCHEMA

URL = "https://h.example/v1"


def test_the_schema_is_a_schema() -> None:
    """It is valid JSON Schema 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)


def test_every_place_says_what_is_valid() -> None:
    """Each property, item and name pattern has a description with a "Valid:" part, which error lines use."""

    def walk(schema: dict[str, Any], place: str) -> None:
        assert "Valid: " in schema.get("description", "") or set(schema) == {"$ref"}, place
        for name, inner in schema.get("properties", {}).items():
            walk(inner, f"{place}.{name}")
        for keyword in ("items", "propertyNames", "additionalProperties"):
            if isinstance(schema.get(keyword), dict):
                walk(schema[keyword], f"{place}/{keyword}")

    walk(SCHEMA, "$")
    for name, schema in SCHEMA["$defs"].items():
        walk(schema, name)


def test_objects_name_all_their_keys() -> None:
    """A typo can only be found where the schema closes its objects (CFG-1)."""
    for name, schema in {"$": SCHEMA, **SCHEMA["$defs"]}.items():
        if "properties" in schema:
            assert schema["additionalProperties"] is False, name


def test_presence_of_providers_makes_a_pool(problems: Any) -> None:
    """CFG-9: a broken `providers` next to `url` is an error in the pool, never a single target."""
    broken = [{"url": URL, "rate_limit": {"requests_per_second": 0}}]
    assert problems({"targets": {"a": {"url": URL, "providers": broken}}}) == [
        (
            "$.targets.a.providers[0].rate_limit.requests_per_second: 0 is not valid here; "
            "valid: a number above 0 and at most 4294967295; fractions such as 0.5 are kept"
        )
    ]
    assert problems({"targets": {"a": {"url": URL, "providers": None}}}) == [
        (
            "$.targets.a.providers: null is not valid here; "
            "valid: a list of providers; an empty list makes the alias answer 503"
        )
    ]


def test_a_pools_url_is_ignored_with_a_warning(read: Any) -> None:
    """CFG-9: `providers` wins over `url`, and the line says why."""
    loaded = read({"targets": {"a": {"url": "https://other.example", "providers": [{"url": URL}]}}})
    assert [provider.url for provider in loaded.manifest.pools["a"].providers] == [f"{URL}/"]
    assert "$.targets.a.url: a provider's key, which nothing reads as this is a pool" in loaded.warnings[0]


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("sk-secret", "$.targets.a: a string is not valid here; valid: an object with `url`"),
        (None, "$.targets.a: null is not valid here; valid: an object with `url`"),
        ({}, "$.targets.a: `url` is missing; valid: an absolute http or https URL"),
        ({"urll": URL}, "$.targets.a: `url` is missing (is `urll` meant to be it?); valid: "),
        ([{"url": URL}, {"weight": 1}], "$.targets.a[1]: `url` is missing; valid: "),
        ([7], "$.targets.a[0]: a number is not valid here; valid: an object with `url`"),
    ],
)
def test_an_alias_without_a_shape_says_what_shapes_there_are(problems: Any, target: Any, line: str) -> None:
    """CFG-9: one line for the alias, from the shape that was meant."""
    (found,) = problems({"targets": {"a": target}})
    assert found.startswith(line)


@pytest.mark.parametrize(
    "url",
    [
        "h.example/v1",
        "/v1",
        "",
        "ftp://h.example",
        "https://",
        "https://h.example:99999",
        "https://h.example/v1?api-version=1",
        "https://h.example/#x",
        "https://user:zq-ss@h.example",
        "http://user:zq/ss@h.example",
        "https://user:zq-ss\uff20h.example",
        "https://h.example/ v1",
        7,
    ],
)
def test_urls_are_checked_when_the_file_is_read(problems: Any, url: Any) -> None:
    """CFG-17, URL-5, DEF-76: an address that cannot serve is an error, and nothing of it is shown."""
    (line,) = problems({"targets": {"a": {"url": url}}})
    assert line.startswith("$.targets.a.url: ")
    assert line.endswith(
        "; valid: an absolute http or https URL such as https://api.example/v1, "
        "without user information, query or fragment"
    )
    assert "zq" not in line


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("weight", [-1, 1.5, 2**32, "3", True, None]),
        ("rate_limit", [{}, {"requests_per_second": 0}, {"requests_per_second": -1}, {"requests_per_second": "5"}, 5]),
        ("rate_limit", [{"requests_per_second": 1, "burst_size": value} for value in (0, -1, 1.5, 2**32, "2")]),
        ("concurrency_limit", [{}, {"max_concurrent_requests": -1}, {"max_concurrent_requests": 0.5}, 4]),
        ("request_timeout_secs", [0, -1, "30"]),
        ("timeouts", [5, {"connect_secs": 0}, {"first_byte_secs": -1}, {"idle_secs": "1"}, {"total_secs": True}]),
        ("deployment", ["", " a", "a\n", "é", 1]),
        ("priority", [-1, 0.5, "1", 2**32]),
        ("cost", [-0.1, None, "1", True]),
        ("upstream_auth_header_name", ["", "X Key", "X-Key:", "X-Key\n", "Schlüssel", 1]),
        ("upstream_auth_header_prefix", ["a\r\nb: c", "Bearer\n", "\x00", 1]),
        ("response_headers", [{"X": "a\nb"}, {"X": "a\n"}, {"X": " a"}, {"a b": "x"}, {"": "x"}, {"X": 1}, ["X"]]),
        ("name", ["", " a", "a\n", "é", 1]),
        ("onwards_key", ["", 12345, ["sk"], {"k": "v"}]),
        ("onwards_model", ["", 1]),
        ("trusted", ["yes", 1]),
        ("sanitize_response", [None, "true"]),
        ("open_responses", [True, {"adapter": None}]),
        ("keys", [None, "sk-x", [1], [None], [""]]),
    ],
)
def test_values_are_checked_where_they_stand(problems: Any, key: str, bad: list[Any]) -> None:
    """CFG-4 to CFG-6, CFG-18, DEF-10, DEF-29, DEF-31: no cast, no wrap-around, one line under the key."""
    for value in bad:
        (line,) = problems({"targets": {"a": {"url": URL, key: value}}})
        assert line.startswith(f"$.targets.a.{key}"), value
        assert "; valid: " in line


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("strategy", ["round_robin", None, 1]),
        ("affinity", ["x", {"header": ""}, {"header": "a b"}, {"header": "x\n"}, {"max_load_percent": 99}]),
        ("circuit", [True, {"failures": 0}, {"failures": 1.5}, {"enabled": None}, {"open_on_status": [0]}]),
        ("circuit", [{"cooldown_secs": value} for value in ([], 60, [0], [-1], ["60"], [None], None)]),
        ("circuit", [{"max_retry_after_secs": -1}, {"max_retry_after_secs": None}, {"when_all_open": "wait"}]),
        ("timeouts", [{"connect_secs": 0}, {"idle_secs": -1}, {"total_secs": 2**32}]),
        ("fallback", [{"exhausted": "hide"}, {"exhausted": None}, {"on_timeout": None}, {"on_embedded_error": 1}]),
        ("fallback", [{"max_attempts": 0}, {"max_attempts": 1.5}, {"on_status": [0]}, {"on_status": [600]}]),
        ("fallback", [{"on_status": [66036]}, {"on_status": 5}, {"enabled": "yes"}, {"backoff": {}}]),
        ("fallback", [{"backoff": {"initial_ms": 1, "factor": 0.5}}, {"backoff": {"initial_ms": 1, "jitter": "some"}}]),
        ("routing_rules", [None, [{}], [{"action": {"type": "deny"}}]]),
        ("routing_rules", [[{"match_labels": {"a": 1}, "action": {"type": "deny"}}]]),
        ("routing_rules", [[{"match_labels": {}, "action": {"type": kind}}] for kind in ("allow", "redirect", None)]),
        ("routing_rules", [[{"match_labels": {}, "action": {"type": "redirect", "target": "b", "opens_target": 1}}]]),
    ],
)
def test_a_pools_values_are_checked_where_they_stand(problems: Any, key: str, bad: list[Any]) -> None:
    """CFG-7, CFG-14, CFG-15, HEALTH-6, DEF-48, RULE-10: unknown words are errors, attempts are at least one."""
    for value in bad:
        lines = problems({"targets": {"a": {"providers": [], key: value}, "b": []}})
        assert all(line.startswith(f"$.targets.a.{key}") and "; valid: " in line for line in lines), value


def test_unknown_keys_are_warnings_or_errors(read: Any, problems: Any) -> None:
    """CFG-1: an ignored typo such as `rate_limits` silently removes a limit; so it is named, with what was meant."""
    document = {
        "targets": {"a": {"url": URL, "rate_limits": {}}, "p": {"providers": [{"url": URL, "zzz": 1}]}},
        "http_pool": {"idle_timeout_sec": 1},
        "comment": "x",
    }
    warnings = read(document).warnings
    assert [warning.partition(": ")[2] for warning in warnings] == problems(document, strict=True)
    assert [warning.partition(": ")[2].partition(":")[0] for warning in warnings] == [
        "$.targets.a.rate_limits",
        "$.targets.p.providers[0].zzz",
        "$.http_pool.idle_timeout_sec",
        "$.comment",
    ]
    assert warnings[0].endswith("unknown key, which nothing reads; did you mean `rate_limit`?")
    assert "valid: name, url, onwards_key" in warnings[1]


@pytest.mark.parametrize("name", ["strategy", "fallback", "circuit", "affinity", "routing_rules"])
@pytest.mark.parametrize(
    ("within", "place"),
    [
        (lambda entry: entry, "$.targets.a"),
        (lambda entry: [entry], "$.targets.a[0]"),
        (lambda entry: {"providers": [entry]}, "$.targets.a.providers[0]"),
    ],
)
def test_a_pools_key_in_a_provider_is_told_where_it_belongs(read: Any, name: str, within: Any, place: str) -> None:
    """CFG-1, CFG-8: in a single target, an entry of a list and a pool's provider alike."""
    (warning,) = read({"targets": {"a": within({"url": URL, name: {}})}}).warnings
    assert warning.partition(": ")[2] == (
        f"{place}.{name}: a pool's key, which nothing reads here; valid: in a target with `providers`, next to that key"
    )


def test_an_empty_list_is_called_one(problems: Any) -> None:
    """HEALTH-6: not every list is refused there, only one without an entry."""
    assert problems({"targets": {"a": {"providers": [], "circuit": {"cooldown_secs": []}}}}) == [
        (
            "$.targets.a.circuit.cooldown_secs: an empty list is not valid here; "
            "valid: a list of seconds, at least one, each above 0 and at most 4294967295"
        )
    ]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    ("entry", "place", "valid"),
    [
        ('"cost": %s', "cost", "a number from 0 to 4294967295"),
        ('"weight": %s', "weight", "a whole number from 0 (never chosen) to 4294967295"),
        (
            '"priority": %s',
            "priority",
            "a whole number from 0 to 4294967295, for every provider of the pool or for none",
        ),
        (
            '"rate_limit": {"requests_per_second": %s}',
            "rate_limit.requests_per_second",
            "a number above 0 and at most 4294967295; fractions such as 0.5 are kept",
        ),
        ('"timeouts": {"idle_secs": %s}', "timeouts.idle_secs", "a number of seconds above 0 and at most 4294967295"),
    ],
)
def test_a_number_without_a_value_is_told_what_its_place_takes(
    problems: Any, number: str, entry: str, place: str, valid: str
) -> None:
    """DEF-31: in the words in which any other number is refused there."""
    assert problems(f'{{"targets": {{"a": {{"url": "{URL}", {entry % number}}}}}}}') == [
        f"$.targets.a.{place}: {number} is not valid here; valid: {valid}"
    ]


def test_all_problems_come_at_once_in_file_order(problems: Any) -> None:
    """Shape, references, secrets and meaning, sorted by where they stand in the file."""
    document = {
        "targets": {
            "z": {"url": URL, "weight": -1, "onwards_key": "env:ABSENT"},
            "p": {
                "providers": [{"url": "x", "onwards_key": "env:EMPTY"}, {"url": URL, "name": "n"}, {"name": "n"}],
                "routing_rules": [
                    {"match_labels": {}, "action": {"type": "what"}},
                    {"match_labels": {}, "action": {"type": "redirect", "target": "nowhere"}},
                ],
            },
        },
        "auth": {"key_definitions": {"a": {"key": "s" * 20}, "b": {"key": "s" * 20, "labels": 1}}},
    }
    assert [line.partition(": ")[0] for line in problems(document)] == [
        "$.targets.z.weight",
        "$.targets.z.onwards_key",
        "$.targets.p.providers[0].url",
        "$.targets.p.providers[0].onwards_key",
        "$.targets.p.providers[2]",
        "$.targets.p.routing_rules[0].action.type",
        "$.targets.p.routing_rules[1].action.target",
        "$.auth.key_definitions.b.key",
        "$.auth.key_definitions.b.labels",
    ]


@pytest.mark.parametrize("document", ["[]", "3", '"x"', "null", "{}", '{"targets": []}', '{"targets": null}'])
def test_a_document_without_targets_is_refused(problems: Any, document: str) -> None:
    """CFG-1: `targets` is required and an object."""
    (line,) = problems(document)
    assert line.startswith("$")


def test_null_never_opens_a_pool(problems: Any) -> None:
    """What YAML leaves when a list's last entry is commented out must not mean "open to everyone" (CFG-11)."""
    assert problems({"targets": {}, "auth": None})[0].startswith("$.auth: null")
    assert problems({"targets": {}, "auth": {"global_keys": None}})[0].startswith("$.auth.global_keys: null")
    assert problems({"targets": {"a": {"url": URL, "keys": None}}})[0].startswith("$.targets.a.keys: null")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "$"),
        (("targets", "chat", "providers", 1, "weight"), "$.targets.chat.providers[1].weight"),
        (("targets", "gpt-4o"), "$.targets['gpt-4o']"),
        (("it's", 'a "b"', "\\", "\n", "é"), "$['it\\'s']['a \"b\"']['\\\\']['\\n']['é']"),
    ],
)
def test_places_are_json_paths(path: tuple[str | int, ...], text: str) -> None:
    """Places are written as RFC 9535 has them, so other tools can follow them."""
    assert json_path(path) == text


@pytest.mark.parametrize(
    ("pool", "line"),
    [
        (
            {"strategy": "round_robin"},
            (
                '$.targets.a.strategy: "round_robin" is not valid here; valid: "weighted_random", "priority", '
                '"least_latency", "cost" or "consistent_hash"'
            ),
        ),
        (
            {"fallback": {"exhausted": "hide"}},
            '$.targets.a.fallback.exhausted: "hide" is not valid here; valid: "relay" or "mask"',
        ),
        (
            {"circuit": {"when_all_open": "wait"}},
            '$.targets.a.circuit.when_all_open: "wait" is not valid here; valid: "probe" or "refuse"',
        ),
        (
            {"routing_rules": [{"match_labels": {}, "action": {"type": "allow"}}]},
            '$.targets.a.routing_rules[0].action.type: "allow" is not valid here; valid: "deny" or "redirect"',
        ),
    ],
)
def test_an_unknown_word_is_told_the_known_ones(problems: Any, pool: Any, line: str) -> None:
    """RULE-10, CFG-7: an action, a strategy and the like are rejected when the file is read, never at request time."""
    assert problems({"targets": {"a": {"providers": []} | pool}}) == [line]
