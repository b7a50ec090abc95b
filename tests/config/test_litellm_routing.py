"""LiteLLM's routing, retries and fallbacks as pools; and that any file ends in a table or in a refusal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.config import ConfigError
from adapters.config.litellm import Converted, convert
from engine.snapshot import CircuitPolicy, Fallback, Pool, Strategy, Timeouts

Convert = Callable[[Any], Converted]
Pools = Callable[[Any], dict[str, Pool]]


class Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, name: str, default: object = None) -> str:  # type: ignore[override]
        del default
        return f"value-of-{name}"


@pytest.fixture
def converted(tmp_path: Path) -> Convert:
    def made(document: Any) -> Converted:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return convert(path)

    return made


@pytest.fixture
def pools(converted: Convert, read: Any) -> Pools:
    def of(document: Any) -> dict[str, Pool]:
        loaded = read(converted(document).document, strict=True, environ=Everything())
        assert loaded.warnings == ()
        return dict(loaded.manifest.pools)

    return of


def models(*groups: str, **params: Any) -> list[dict[str, Any]]:
    """A deployment for each name, repeated names being several deployments of one group."""
    return [
        {
            "model_name": group,
            "litellm_params": {"model": f"hosted_vllm/{group}", "api_base": f"http://h{n}/v1", **params},
        }
        for n, group in enumerate(groups)
    ]


def places(path: Path) -> list[str]:
    """Where each finding is: the line, and the place in the document."""
    return [line.removeprefix(f"{path}:").partition(": not")[0] for line in convert(path).findings]


def levels(pool: Pool) -> list[tuple[str | None, int | None]]:
    return [(provider.model, provider.priority) for provider in pool.providers]


@pytest.mark.parametrize(
    ("stated", "strategy", "said"),
    [
        (None, Strategy.WEIGHTED_RANDOM, False),
        ("simple-shuffle", Strategy.WEIGHTED_RANDOM, False),
        ("least-busy", Strategy.WEIGHTED_RANDOM, False),
        ("latency-based-routing", Strategy.LEAST_LATENCY, False),
        ("cost-based-routing", Strategy.COST, False),
        ("usage-based-routing", Strategy.WEIGHTED_RANDOM, True),
        ("usage-based-routing-v2", Strategy.WEIGHTED_RANDOM, True),
        ("s3cr3t", Strategy.WEIGHTED_RANDOM, True),
    ],
)
def test_each_strategy_has_its_nearest(
    pools: Pools, converted: Convert, stated: str | None, strategy: Strategy, said: bool
) -> None:
    """LB: the nearest one, and a finding where it is another thing."""
    document = {"model_list": models("a", "a"), "router_settings": {"routing_strategy": stated}}
    assert pools(document)["a"].strategy is strategy
    findings = [line for line in converted(document).findings if "$.router_settings.routing_strategy" in line]
    assert bool(findings) is said
    assert "s3cr3t" not in "".join(findings)


def test_the_least_busy_becomes_levels_with_a_finding(converted: Convert) -> None:
    """LB: where there are fallbacks, the pool goes by priority, which is told of the strategy that was stated only."""
    document: dict[str, Any] = {
        "model_list": models("a", "a", "b"),
        "router_settings": {"routing_strategy": "least-busy", "fallbacks": [{"a": ["b"]}]},
    }
    (told,) = [line for line in converted(document).findings if "routing_strategy" in line]
    assert "the strategy there is priority" in told
    document["router_settings"]["routing_strategy"] = "simple-shuffle"
    assert not [line for line in converted(document).findings if "routing_strategy" in line]


def test_prices_are_costs_where_they_decide(pools: Pools, converted: Convert) -> None:
    """LB: the price of a million tokens in and a million out, from either place; elsewhere they are told."""
    entries = models("a", "a", "a")
    entries[0]["litellm_params"] |= {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}
    entries[1]["model_info"] = {"input_cost_per_token": "0.0000001", "output_cost_per_token": 0}
    document: dict[str, Any] = {"model_list": entries, "router_settings": {"routing_strategy": "cost-based-routing"}}
    assert [provider.cost for provider in pools(document)["a"].providers] == [12.5, 0.1, 0]
    (line,) = converted(document).findings
    assert "$.model_list[2].litellm_params: no price for tokens" in line
    del document["router_settings"]
    assert len([line for line in converted(document).findings if "cost_per_token: not carried over" in line]) == 4


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        ([{}, {}], [1, 1]),
        ([{"weight": 9}, {"weight": 3}], [3, 1]),
        ([{"weight": 0.7}, {"weight": 0.3}], [7, 3]),
        ([{"weight": 2}, {}], [2, 1]),
        ([{"weight": 0}, {"weight": 5}], [0, 1]),
        ([{"rpm": 900}, {"rpm": 100}], [9, 1]),
        ([{"rpm": 900}, {}], [1, 1]),
        ([{"tpm": 1000}, {"tpm": 4000}], [1, 4]),
        ([{"weight": 1, "rpm": 900}, {"weight": 1, "rpm": 100}], [1, 1]),
        ([{"weight": 1e-07}, {"weight": 4e9}], [1, 4294967295]),
    ],
)
def test_weights_keep_their_proportions(pools: Pools, shares: list[dict[str, Any]], weights: list[int]) -> None:
    """LB-3: whole numbers; where no weight is stated, LiteLLM draws by `rpm` and then by `tpm`."""
    entries = models("a", "a")
    for entry, share in zip(entries, shares, strict=True):
        entry["litellm_params"] |= share
    assert [provider.weight for provider in pools({"model_list": entries})["a"].providers] == weights


def test_order_is_priority(pools: Pools, converted: Convert) -> None:
    """LB-5: the same order is the same level; who has none comes last, with a finding."""
    entries = models("a", "a", "a", "a")
    for entry, order in zip(entries, (5, 1, 5, None), strict=True):
        entry["litellm_params"]["order"] = order
    pool = pools({"model_list": entries})["a"]
    assert pool.strategy is Strategy.PRIORITY
    assert [provider.priority for provider in pool.providers] == [1, 0, 1, 2]
    (line,) = converted({"model_list": entries}).findings
    assert "$.model_list[3].litellm_params: `order` is missing" in line


def test_limits_are_read_at_both_places(pools: Pools, converted: Convert) -> None:
    """CFG-4: `rpm` of the entry counts where the parameters state none; a limit of 0 is no rate."""
    entries = models("a", "b", "c", "d")
    entries[0] |= {"rpm": 30, "tpm": 5}
    entries[1]["rpm"] = 30
    entries[1]["litellm_params"]["rpm"] = "90"
    entries[2]["litellm_params"]["rpm"] = 0
    document = {"model_list": entries, "router_settings": {"default_max_parallel_requests": 5}}
    limits = {alias: pool.providers[0].limits for alias, pool in pools(document).items()}
    assert (limits["a"].requests_per_second, limits["a"].burst, limits["a"].max_concurrent) == (0.5, 30, None)
    assert (limits["b"].requests_per_second, limits["b"].burst) == (1.5, 90)
    assert (limits["c"].requests_per_second, limits["d"].max_concurrent) == (None, 5)
    said = converted(document).findings
    assert [line.partition(": ")[2] for line in said] == [
        "$.model_list[0].tpm: not carried over: Pointsman counts requests, not tokens",
        "$.model_list[1].rpm: not carried over: `litellm_params` says otherwise",
        "$.model_list[2].litellm_params.rpm: not carried over: valid: a number above 0 to 4.29497e+09",
    ]


def test_fallbacks_follow_a_groups_own_deployments(pools: Pools) -> None:
    """FB: on levels of their own, each group once, those of a fallback after it, also in a circle."""
    document = {
        "model_list": models("a", "a", "b", "c", "d"),
        "router_settings": {"fallbacks": [{"a": ["b", "d"]}, {"b": ["c", "a"]}, {"c": ["a"]}]},
    }
    made = pools(document)
    assert levels(made["a"]) == [("a", 0), ("a", 0), ("b", 1), ("c", 2), ("d", 3)]
    assert levels(made["b"]) == [("b", 0), ("c", 1), ("a", 2), ("a", 2), ("d", 3)]
    assert levels(made["d"]) == [("d", None)]
    assert made["a"].fallback == Fallback(enabled=True, on_status=(4, 5), on_rate_limit=True)
    named = {provider.model: provider.deployment for provider in made["a"].providers}
    assert named == {"a": "a#2", "b": "b#1", "c": "c#1", "d": "d#1"}
    assert made["d"].providers[0].deployment == made["a"].providers[4].deployment


def test_a_deployment_in_several_pools_has_one_limit(pools: Pools) -> None:
    """SYNC-17: the same name with the same limits wherever it stands; one that stands alone needs no name."""
    entries = models("a", "b", rpm=60, max_parallel_requests=2)
    alone = pools({"model_list": entries})
    assert {provider.deployment for pool in alone.values() for provider in pool.providers} == {None}
    entries[1]["model_info"] = {"id": "shared"}
    made = pools({"model_list": entries, "litellm_settings": {"default_fallbacks": ["b"]}})
    first, second = made["a"].providers[1], made["b"].providers[0]
    assert first.deployment == second.deployment == first.name == "shared"
    assert first.limits == second.limits


def test_ids_that_repeat_stay_apart(pools: Pools, converted: Convert) -> None:
    """Two deployments would share limits that differ; the second gets another name."""
    entries = models("a", "a")
    for rpm, entry in enumerate(entries, 1):
        entry["model_info"] = {"id": "same"}
        entry["litellm_params"]["rpm"] = rpm
    document = {"model_list": entries, "router_settings": {"model_group_alias": {"other": "a"}}}
    assert [provider.deployment for provider in pools(document)["other"].providers] == ["same", "same~2"]
    assert any(
        "$.model_list[1].model_info.id: another deployment has this id" in f for f in converted(document).findings
    )


def test_fallbacks_that_lead_nowhere_are_named(converted: Convert) -> None:
    """Each place by itself; what is sound in the same list is kept."""
    document = {
        "model_list": [*models("a", "b"), {"model_name": "gone", "litellm_params": {"model": "bedrock/x"}}],
        "router_settings": {
            "fallbacks": [{"a": ["nobody", "b", {"model": "b"}, "gone"]}, {"x": ["b"]}, 3, {"b": 4}],
            "model_group_alias": {"short": {"model": "b", "hidden": True}, "long": "nobody", "*": "a"},
        },
        "litellm_settings": {"fallbacks": [{"b": ["a"]}]},
    }
    made = converted(document)
    assert [provider["onwards_model"] for provider in made.document["targets"]["a"]["providers"]] == ["a", "b"]
    assert set(made.document["targets"]) == {"a", "b", "short"}
    places = {line.split(": ")[1] for line in made.findings}
    assert places == {
        "$.model_list[2].litellm_params.model",
        "$.router_settings.fallbacks[0].a[0]",
        "$.router_settings.fallbacks[0].a[2]",
        "$.router_settings.fallbacks[0].a[3]",
        "$.router_settings.fallbacks[1].x",
        "$.router_settings.fallbacks[2]",
        "$.router_settings.fallbacks[3].b",
        "$.router_settings.model_group_alias.short.hidden",
        "$.router_settings.model_group_alias.long",
        "$.router_settings.model_group_alias['*']",
        "$.litellm_settings.fallbacks",
    }


@pytest.mark.parametrize(
    ("router", "fallback"),
    [
        ({}, Fallback(enabled=True, on_status=(429, 409, 408, 5), on_rate_limit=True, max_attempts=2)),
        ({"num_retries": 0}, Fallback(enabled=True, on_status=(429, 409, 408, 5), on_rate_limit=True, max_attempts=1)),
        (
            {"num_retries": 0, "retry_policy": {"TimeoutErrorRetries": 0, "RateLimitErrorRetries": 1}},
            Fallback(enabled=True, on_status=(429, 409, 5), on_rate_limit=True, max_attempts=2, on_timeout=False),
        ),
        (
            {"retry_policy": {"InternalServerErrorRetries": 0, "BadRequestErrorRetries": 2}},
            Fallback(enabled=True, on_status=(429, 409, 408, 400), on_rate_limit=True, max_attempts=2),
        ),
    ],
)
def test_retries_go_to_other_providers(pools: Pools, router: dict[str, Any], fallback: Fallback) -> None:
    """FB-1 to FB-5: as LiteLLM tries again; twice where nobody says, and each provider once."""
    assert pools({"model_list": models("a", "a"), "router_settings": router})["a"].fallback == fallback


def test_a_wait_between_retries_is_a_backoff(pools: Pools) -> None:
    """FB: `retry_after` in seconds, every time the same."""
    document = {"model_list": models("a", "a"), "router_settings": {"retry_after": 7}}
    backoff = pools(document)["a"].fallback.backoff
    assert backoff is not None
    assert (backoff.initial_ms, backoff.max_ms, backoff.jitter) == (7000, 7000, "none")


@pytest.mark.parametrize(
    ("router", "circuit"),
    [
        ({}, CircuitPolicy()),
        ({"allowed_fails": 4, "cooldown_time": 30}, CircuitPolicy(failures=5, cooldowns_s=(30.0,))),
        ({"allowed_fails": 4, "disable_cooldowns": True}, CircuitPolicy(enabled=False)),
        ({"cooldown_time": 0}, CircuitPolicy(enabled=False)),
    ],
)
def test_cooldowns_are_circuits(pools: Pools, router: dict[str, Any], circuit: CircuitPolicy) -> None:
    """HEALTH-6: the failure after the allowed ones opens the circuit."""
    assert pools({"model_list": models("a"), "router_settings": router})["a"].circuit == circuit


def test_router_settings_come_first(pools: Pools, converted: Convert) -> None:
    """DEF-40: and what they overrule is named."""
    document = {
        "model_list": models("a"),
        "router_settings": {"timeout": 30, "num_retries": 1, "stream_timeout": 5},
        "litellm_settings": {"request_timeout": 60, "num_retries": 4},
    }
    pool = pools(document)["a"]
    assert pool.timeouts == Timeouts(first_byte_s=30, idle_s=5)
    assert pool.fallback.max_attempts == 2
    said = [line.partition(": ")[2].partition(":")[0] for line in converted(document).findings]
    assert "$.litellm_settings.request_timeout" in said
    assert "$.litellm_settings.num_retries" in said


@pytest.mark.parametrize(
    ("router", "place", "said"),
    [
        ({"num_retries": "os.environ/3"}, "num_retries", "is not followed by a variable's name"),
        ({"num_retries": True}, "num_retries", "valid: a whole number from 0 to"),
        ({"num_retries": 1.5}, "num_retries", "valid: a whole number from 0 to"),
        ({"num_retries": 5}, "num_retries", "tries each of them at most once, where LiteLLM may come back to one"),
        ({"disable_cooldowns": "yes"}, "disable_cooldowns", "neither true nor false"),
        ({"retry_policy": 3}, "retry_policy", "this is no object"),
        ({"fallbacks": {"a": ["b"]}}, "fallbacks", "valid: a list of objects"),
        ({"fallbacks": [{"a": "b"}, {"a": ["b"]}]}, "fallbacks[1].a", "stated before"),
        ({"fallbacks": [{"a": [7]}]}, "fallbacks[0].a[0]", "valid: a model's name"),
        ({"fallbacks": [{"a": ["b"]}], "num_retries": 1}, "num_retries", "every provider is tried once"),
        (
            {"fallbacks": [{"*": ["b"]}], "routing_strategy": "latency-based-routing"},
            "routing_strategy",
            "to pools with fallbacks or `order`: they go by level",
        ),
        ({"model_group_alias": {"b": "a"}}, "model_group_alias.b", "as in LiteLLM, the alias comes first"),
        ({"model_group_alias": {"c*": "a"}}, "model_group_alias['c*']", "an alias is one name"),
        ({"adaptive": {"s3cr3t": "s3cr3t"}}, "adaptive", "the importer does not know this key"),
    ],
)
def test_what_is_odd_or_different_is_told_at_its_place(
    converted: Convert, read: Any, router: dict[str, Any], place: str, said: str
) -> None:
    """Issue 4, importers: and the rest of the file is carried over all the same."""
    made = converted({"model_list": models("a", "a", "b"), "router_settings": router})
    assert [line for line in made.findings if f": $.router_settings.{place}: " in line and said in line]
    assert "s3cr3t" not in "".join(made.findings)
    assert {"a", "b"} <= set(read(made.document, strict=True).manifest.pools)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.json", "{}", "a LiteLLM configuration is YAML"),
        ("config.yaml", "router_settings: {}", "config.yaml:1: $: there is no `model_list`"),
        ("config.yaml", "model_list: {a: 1}", "there is no `model_list`"),
        ("config.yaml", "- a", "there is no `model_list`"),
        ("config.yaml", "model_list: [", "line 1, column 14"),
        ("config.yaml", "", "the file is empty"),
    ],
)
def test_unusable_input_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    """CFG-8: with the file and the place, as any other configuration."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        convert(path)
    assert said in str(caught.value)
    with pytest.raises(ConfigError, match="there is no such file"):
        convert(tmp_path / "missing.yaml")


def test_lines_of_merged_and_repeated_values(tmp_path: Path) -> None:
    """A finding in what an anchor or a merge key brought in has the line where it is written."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "defaults: &defaults\n  model: hosted_vllm/m\n  api_base: http://h/v1\n  temperature: 1\n"
        "model_list:\n  - model_name: m\n    litellm_params:\n      <<: *defaults\n      top_p: 1\n",
        encoding="utf-8",
    )
    lines = places(path)
    assert lines == [
        "1: $.defaults",
        "4: $.model_list[0].litellm_params.temperature",
        "9: $.model_list[0].litellm_params.top_p",
    ]
    path.write_text(
        "more: &more\n  - &one {model: hosted_vllm/m}\n  - &two {api_base: http://h/v1, top_p: 1}\n"
        "model_list:\n  - model_name: m\n    litellm_params:\n      <<: [*one, *two]\n",
        encoding="utf-8",
    )
    assert places(path) == ["1: $.more", "3: $.model_list[0].litellm_params.top_p"]


_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**40),
    st.floats(),
    st.sampled_from(["s3cr3t", "openai/s3cr3t", "a", "b", "*", "", "os.environ/s3cr3t!", "os.environ/NAME", "file:x"]),
    st.sampled_from(["anthropic/c", "azure/d", "http://h.example/v1", "cost-based-routing", "latency-based-routing"]),
)
_KEYS = (
    "model_name litellm_params model_info model api_base api_key rpm tpm weight order max_parallel_requests timeout "
    "stream_timeout id input_cost_per_token output_cost_per_token routing_strategy num_retries allowed_fails "
    "cooldown_time fallbacks default_fallbacks model_group_alias retry_after retry_policy TimeoutErrorRetries "
    "request_timeout master_key custom_auth default_max_parallel_requests custom_llm_provider a b unknown"
)
_names = st.sampled_from(_KEYS.split())
_trees = st.recursive(
    _leaves, lambda i: st.lists(i, max_size=3) | st.dictionaries(_names, i, max_size=6), max_leaves=12
)
_entries = st.fixed_dictionaries(
    {
        "model_name": st.sampled_from(["a", "b"]),
        "litellm_params": st.dictionaries(_names, _leaves, max_size=8).map(
            lambda params: {"model": "openai/m", **params}
        ),
    },
    optional={"model_info": _trees, "rpm": _leaves},
)
_settings = st.dictionaries(_names, _trees, max_size=6) | _trees
_fallbacks = st.lists(st.dictionaries(_names, st.lists(_leaves, max_size=3), max_size=3), max_size=3)
_documents = st.fixed_dictionaries(
    {"model_list": st.lists(_entries | _trees, max_size=4)},
    optional={
        "router_settings": st.builds(
            lambda one, two: {**one, "fallbacks": two}, st.dictionaries(_names, _trees), _fallbacks
        )
        | _settings,
        "litellm_settings": _settings,
        "general_settings": _settings,
        "environment_variables": _settings,
        "else": _trees,
    },
)


@settings(max_examples=250, suppress_health_check=list(HealthCheck), deadline=None)
@given(document=_documents)
def test_any_file_becomes_a_table_or_is_refused(converted: Convert, read: Any, document: Any) -> None:
    """Issue 4, bad input: what comes out loads without a warning, and no finding shows a secret (DEF-77)."""
    try:
        made = converted(document)
    except ConfigError as error:
        made, refused = Converted({"targets": {}}, ()), str(error)
        document = {}
    else:
        refused = "no"
    assert refused
    assert "s3cr3t" not in refused
    assert "s3cr3t" not in "".join(made.findings)
    loaded = read(json.dumps(made.document), strict=True, environ=Everything())
    assert loaded.warnings == ()
    for name in document:
        section = document[name]
        if isinstance(section, dict) and name.endswith("_settings") and section.get("unknown") is not None:
            assert any(f"$.{name}.unknown: not carried over" in line for line in made.findings)
