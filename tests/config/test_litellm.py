"""A LiteLLM configuration to a document, and all that was not carried over named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from adapters.config import ConfigError, load
from adapters.config.litellm import Converted, convert
from engine.snapshot import Exhausted, Fallback, Limits, Pool, Provider, Strategy, Timeouts
from tests.config.conftest import credential_id

Convert = Callable[..., Converted]

COMPANY = """\
environment_variables:
  AZURE_EU_KEY: sk-from-the-file
  REGION: eu

model_list:
  - model_name: gpt-4o                      # two deployments of one model
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://eu.openai.azure.com/
      api_version: "2024-10-21"
      api_key: os.environ/AZURE_EU_KEY
      rpm: 900
      tpm: 200000
      timeout: 30
    model_info: {id: azure-eu, base_model: azure/gpt-4o}
  - model_name: gpt-4o
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      rpm: 100
      extra_headers: {X-Team: search}
  - model_name: claude
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/ANTHROPIC_API_KEY
      max_parallel_requests: 8
  - model_name: qwen
    litellm_params:
      model: hosted_vllm/Qwen/Qwen2.5-7B-Instruct
      api_base: http://gpu-1.internal:8000/v1
      stream_timeout: 20
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*"}
  - model_name: titan
    litellm_params: {model: bedrock/amazon.titan-text, aws_region_name: us-east-1}

router_settings:
  routing_strategy: simple-shuffle
  num_retries: 3
  fallbacks: [{gpt-4o: [claude]}]
  model_group_alias: {gpt-4: gpt-4o}
  redis_host: redis.internal

litellm_settings:
  request_timeout: 120
  drop_params: true

general_settings:
  master_key: os.environ/LITELLM_MASTER_KEY
  database_url: postgresql://user:s3cr3t@db/litellm
"""


class Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, name: str, default: object = None) -> str:  # type: ignore[override]
        del default
        return f"value-of-{name}"


@pytest.fixture
def converted(tmp_path: Path) -> Convert:
    def made(text: str, **environ: str) -> Converted:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return convert(path, environ)

    return made


@pytest.fixture
def pools(converted: Convert, read: Any) -> Callable[..., dict[str, Pool]]:
    """The table that a converted file becomes, which no warning accompanies."""

    def of(text: str, **environ: str) -> dict[str, Pool]:
        loaded = read(converted(text, **environ).document, strict=True, environ=Everything())
        assert loaded.warnings == ()
        return dict(loaded.manifest.pools)

    return of


def one(params: str, *, more: str = "") -> str:
    """A configuration of one deployment."""
    return f"model_list:\n  - model_name: m\n    litellm_params: {{{params}}}\n{more}"


def told(converted: Converted) -> list[str]:
    """The findings without the file's name: line, place and sentence."""
    return [line.partition("config.yaml:")[2] for line in converted.findings]


def test_a_realistic_file_becomes_the_table_it_describes(converted: Convert, tmp_path: Path) -> None:
    """Issue 4, importers: written to a file and loaded as the gateway would, the manifest is this one."""
    path = tmp_path / "routes.json"
    path.write_text(json.dumps(converted(COMPANY).document), encoding="utf-8")
    loaded = load(path, strict=True, credential_id=credential_id, environ=Everything())
    azure = Provider(
        name="azure-eu",
        url="https://eu.openai.azure.com/openai/",
        model="gpt-4o-eu",
        credential="env:AZURE_EU_KEY",
        auth_header="api-key",
        auth_prefix="",
        weight=9,
        limits=Limits(requests_per_second=15, burst=900),
        timeouts=Timeouts(first_byte_s=30),
        deployment="azure-eu",
        priority=0,
    )
    openai = Provider(
        name="api.openai.com/gpt-4o",
        url="https://api.openai.com/v1/",
        model="gpt-4o",
        credential="env:OPENAI_API_KEY",
        limits=Limits(requests_per_second=100 / 60, burst=100),
        deployment="gpt-4o#2",
        priority=0,
    )
    claude = Provider(
        name="api.anthropic.com/claude-sonnet-4-5",
        url="https://api.anthropic.com/v1/",
        model="claude-sonnet-4-5",
        credential="env:ANTHROPIC_API_KEY",
        auth_header="x-api-key",
        auth_prefix="",
        limits=Limits(max_concurrent=8),
        deployment="claude#1",
        priority=1,
    )
    qwen = Provider(
        name="gpu-1.internal:8000/Qwen/Qwen2.5-7B-Instruct",
        url="http://gpu-1.internal:8000/v1/",
        model="Qwen/Qwen2.5-7B-Instruct",
        timeouts=Timeouts(idle_s=20),
    )
    anyone = Fallback(enabled=True, on_status=(4, 5), on_rate_limit=True, exhausted=Exhausted.RELAY)
    again = Fallback(enabled=True, on_status=(429, 409, 408, 5), with_replacement=True, max_attempts=4)
    waits = Timeouts(first_byte_s=120)
    chat = Pool("gpt-4o", (azure, openai, claude), strategy=Strategy.PRIORITY, fallback=anyone, timeouts=waits)
    alone = attrs.evolve(claude, priority=None)
    assert loaded.manifest.pools == {
        "gpt-4o": chat,
        "gpt-4": attrs.evolve(chat, alias="gpt-4"),
        "claude": Pool("claude", (alone,), fallback=again, timeouts=waits),
        "qwen": Pool("qwen", (qwen,), fallback=again, timeouts=waits),
    }
    (key,) = loaded.manifest.keys.values()
    assert key.opens_all_pools
    assert loaded.warnings == ()


def test_what_was_not_carried_over_is_named_with_its_line(converted: Convert) -> None:
    """Issue 4, importers: each prints what it could not carry over. One line for each, in the order of the file."""
    lines = told(converted(COMPANY))
    places = [": ".join(line.split(": ")[:2]) for line in lines]
    assert places == [
        "2: $.environment_variables.AZURE_EU_KEY",
        "3: $.environment_variables.REGION",
        "8: $.model_list[0].litellm_params.model",
        "10: $.model_list[0].litellm_params.api_version",
        "13: $.model_list[0].litellm_params.tpm",
        "15: $.model_list[0].model_info.base_model",
        "21: $.model_list[1].litellm_params.extra_headers",
        "24: $.model_list[2].litellm_params.model",
        "31: $.model_list[3].litellm_params.stream_timeout",
        "32: $.model_list[4]",
        "35: $.model_list[5].litellm_params.model",
        "39: $.router_settings.num_retries",
        "42: $.router_settings.redis_host",
        "46: $.litellm_settings.drop_params",
        "50: $.general_settings.database_url",
    ]
    assert "s3cr3t" not in "".join(lines)
    assert "sk-from" not in "".join(lines)


@pytest.mark.parametrize(
    ("params", "url", "model"),
    [
        ("model: gpt-4o", "https://api.openai.com/v1/", "gpt-4o"),
        ("model: claude-sonnet-4-5", "https://api.anthropic.com/v1/", "claude-sonnet-4-5"),
        ("model: openai/gpt-4o, api_base: 'https://proxy.example/v1/'", "https://proxy.example/v1/", "gpt-4o"),
        ("model: openai/m, base_url: 'https://h.example/api/v1'", "https://h.example/api/", "m"),
        ("model: openai/m, api_base: 'http://h.example/v1/chat/completions'", "http://h.example/v1/", "m"),
        ("model: groq/llama-3.3-70b", "https://api.groq.com/openai/", "llama-3.3-70b"),
        ("model: openrouter/google/gemini-2.5-pro", "https://openrouter.ai/api/", "google/gemini-2.5-pro"),
        ("model: mistral/mistral-large-latest", "https://api.mistral.ai/v1/", "mistral-large-latest"),
        ("model: openai_like/m, api_base: 'http://h.example/v1'", "http://h.example/v1/", "m"),
        ("model: ours/m, api_base: 'http://h.example/v1'", "http://h.example/v1/", "m"),
        ("model: org/m, custom_llm_provider: openai, api_base: 'http://h/v1'", "http://h/v1/", "org/m"),
        ("model: m, api_base: 'http://h.example'", "http://h.example/", "m"),
        ("model: ollama/llama3", "http://localhost:11434/", "llama3"),
        ("model: azure/d, api_base: 'https://a.openai.azure.com'", "https://a.openai.azure.com/openai/", "d"),
        (
            "model: azure/d, api_base: 'https://openai-a.openai.azure.com/openai/deployments/d/chat/completions'",
            "https://openai-a.openai.azure.com/openai/",
            "d",
        ),
        (
            "model: anthropic/c, api_base: 'https://h.example/anthropic/v1/messages'",
            "https://h.example/anthropic/",
            "c",
        ),
        ("model: openai/m, api_base: os.environ/BASE", "https://from-environ.example/v1/", "m"),
    ],
)
def test_where_a_model_is_asked(pools: Any, params: str, url: str, model: str) -> None:
    """URL-2: request paths bring /v1 along, so an address has none after another path."""
    (provider,) = pools(one(params), BASE="https://from-environ.example/v1")["m"].providers
    assert (provider.url, provider.model) == (url, model)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("model: bedrock/x", "bedrock speaks neither OpenAI's wire under /v1 nor Anthropic's"),
        ("model: gemini/x", "gemini speaks neither"),
        ("model: azure/x", "there is no `api_base`, which Azure needs"),
        ("model: somewhere/x", "there is no `api_base`, and the importer knows no address"),
        ("model: hosted_vllm/x", "there is no `api_base`"),
        ("model: some-model", "no provider is named; valid: a prefix such as openai/"),
        ("model: openai/", "no model is named after the provider"),
        ("model: openai/x, api_base: 's3cr3t'", "its `api_base` cannot be used; valid: http or https"),
        ("model: openai/x, api_base: 'https://u:s3cr3t@h.example/v1'", "its `api_base` cannot be used"),
        ("model: openai/x, api_base: 'https://h.example/v1?key=s3cr3t'", "its `api_base` cannot be used"),
        ("model: openai/x, api_base: 'https://h.example/v1/openai'", "the path of its `api_base` goes on after /v1"),
        ("model: openai/x, api_base: os.environ/ABSENT", "the environment variable ABSENT is not set"),
        ("model: 'openai/*'", "wildcards are not matched"),
        ("api_key: s3cr3t", "it names no model"),
        ("model: 7", "this is no string"),
    ],
)
def test_a_model_that_cannot_be_asked_is_left_out(converted: Convert, params: str, said: str) -> None:
    """Its finding says why, and a pool of nothing does not come into being."""
    made = converted(one(params))
    assert made.document == {"targets": {}}
    assert any(said in line for line in told(made))
    assert "s3cr3t" not in "".join(made.findings)


@pytest.mark.parametrize(
    ("params", "key", "said"),
    [
        ("model: openai/m, api_key: os.environ/KEY", "env:KEY", None),
        ("model: openai/m", "env:OPENAI_API_KEY", "LiteLLM takes it from OPENAI_API_KEY, and so does the gateway"),
        ("model: groq/m, api_base: 'https://api.groq.com/openai/v1'", "env:GROQ_API_KEY", "and so does the gateway"),
        ("model: azure/m, api_base: 'https://a.openai.azure.com'", "env:AZURE_API_KEY", "and so does the gateway"),
        ("model: openai/m, api_base: 'https://h.example/v1'", None, "the gateway sends none to another address"),
        ("model: hosted_vllm/m, api_base: 'https://h.example/v1'", None, None),
        ("model: openai/m, api_key: s3cr3t", "s3cr3t", "the secret is written out here"),
        ("model: openai/m, api_key: 'env:s3cr3t'", None, "would be a reference"),
        ("model: openai/m, api_key: 'os.environ/s3-cr3t'", None, "is not followed by a variable's name"),
        ("model: openai/m, api_key: 's3cr3t\\n'", None, "this is no string that a header can carry"),
        ("model: openai/m, litellm_credential_name: c", None, "write the credential as `api_key`"),
    ],
)
def test_credentials(converted: Convert, params: str, key: str | None, said: str | None) -> None:
    """House rule 7: a reference stays one, and no finding quotes a secret."""
    made = converted(one(params.replace("'s3cr3t\\n'", '"s3cr3t\\n"')))
    (provider,) = made.document["targets"]["m"]["providers"]
    assert provider.get("onwards_key") == key
    assert said is None or any(said in line for line in made.findings)
    assert "s3cr3t" not in f"{made.findings}{made!r}"


def test_the_master_key_opens_all_pools(converted: Convert) -> None:
    """AUTH: written out, by reference, or by the variable LiteLLM would find it in."""
    for stated, key in (
        ("general_settings: {master_key: sk-1234}", "sk-1234"),
        ("general_settings: {master_key: os.environ/MASTER}", "env:MASTER"),
        ("environment_variables: {LITELLM_MASTER_KEY: sk-1234}", "env:LITELLM_MASTER_KEY"),
    ):
        made = converted(one("model: openai/m", more=stated))
        assert made.document["auth"] == {"global_keys": [key]}
        assert "sk-1234" not in "".join(made.findings)
    assert "auth" not in converted(one("model: openai/m")).document


@pytest.mark.parametrize("key", ["12345678", "''", "'schlüssel'", "'os.environ/'", "[s3cr3t]", "'env:s3cr3t'"])
def test_a_master_key_that_cannot_be_read_opens_nothing(converted: Convert, key: str) -> None:
    """Without it the document would be open to everyone, so there is none."""
    with pytest.raises(ConfigError, match=r"config\.yaml:4: \$\.general_settings\.master_key: ") as caught:
        converted(one("model: openai/m", more=f"general_settings: {{master_key: {key}}}"))
    assert "s3cr3t" not in str(caught.value)


def test_callers_that_are_checked_in_another_way_are_shut_out(converted: Convert, pools: Any) -> None:
    """AUTH: a pool with an empty list of keys lets nobody in; a master key beside it is enough."""
    text = one("model: openai/m", more="general_settings: {custom_auth: auth.check}")
    assert pools(text)["m"].keys == frozenset()
    assert any("the document lets nobody call" in line for line in converted(text).findings)
    text = one("model: openai/m", more="general_settings: {enable_jwt_auth: true, master_key: sk-1}")
    assert pools(text)["m"].keys is None
