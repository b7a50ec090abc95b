"""Secrets in a file: where they go, and that they go nowhere else."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.config import ConfigError

URL = "https://h.example/v1"


def single(**keys: Any) -> dict[str, Any]:
    return {"targets": {"a": {"url": URL, **keys}}}


def test_an_upstream_secret_goes_to_the_vault(read: Any) -> None:
    """The table names it by the vault's id; the value is handed over beside the table, once for each secret."""
    document = {"targets": {"a": [{"url": URL, "onwards_key": "sk-one"}, {"url": URL, "onwards_key": "sk-one"}]}}
    loaded = read(document)
    credential = f"cred-{sum(b'sk-one')}"
    assert [provider.credential for provider in loaded.manifest.pools["a"].providers] == [credential, credential]
    assert loaded.credentials == {credential: "sk-one"}


def test_a_reference_is_its_own_id(read: Any) -> None:
    """`env:NAME` stays what it is; its value is not handed over."""
    loaded = read(single(onwards_key="env:UPSTREAM"))
    assert loaded.manifest.pools["a"].providers[0].credential == "env:UPSTREAM"
    assert loaded.credentials == {}
    assert read(single()).manifest.pools["a"].providers[0].credential is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("env:ABSENT", "the environment variable ABSENT is not set; valid: start the gateway with ABSENT set"),
        ("env:EMPTY", "the environment variable EMPTY is empty; valid: start the gateway with EMPTY set"),
        ("env:", "`env:` is not followed by a variable's name; valid: env: and a variable's name"),
        ("env:TWO WORDS", "`env:` is not followed by a variable's name"),
        ("env:BROKEN", "the environment variable BROKEN has a character that cannot be sent, perhaps a line break"),
        ("two\nlines", "the secret has a character that cannot be sent"),
        (" padded", "the secret has a character that cannot be sent"),
    ],
)
def test_an_unusable_secret_names_place_and_variable(problems: Any, value: str, said: str) -> None:
    """CFG-18, DEF-31: found when the file is read, wherever a secret may stand."""
    environ = {"EMPTY": "", "BROKEN": "sk-x\n"}
    definition = {"k": {"key": value}}
    document = {
        "auth": {"global_keys": [value], "key_definitions": definition},
        "targets": {"a": {"url": URL, "onwards_key": value, "keys": [value]}},
    }
    lines = problems(document, environ=environ)
    assert [line.partition(": ")[0] for line in lines] == [
        "$.auth.global_keys[0]",
        "$.auth.key_definitions.k.key",
        "$.targets.a.onwards_key",
        "$.targets.a.keys[0]",
    ]
    assert all(line.partition(": ")[2].startswith(said) for line in lines)


def test_client_secrets_are_ascii(read: Any, problems: Any) -> None:
    """No client could present another one the same way twice; an upstream may want Latin-1."""
    assert problems(single(keys=["schlüssel"]))[0].startswith("$.targets.a.keys[0]: the secret has a character")
    assert read(single(onwards_key="schlüssel")).credentials


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("os.environ/OPENAI_API_KEY", "env:OPENAI_API_KEY"),
        ("${OPENAI_API_KEY}", "env:OPENAI_API_KEY"),
        ("${OPENAI_API_KEY:-x}", "env:NAME"),
        ("file:/run/secrets/x", "env:NAME"),
    ],
)
def test_other_spellings_are_secrets_with_a_warning(read: Any, value: str, written: str) -> None:
    """They are taken literally, and the warning says how a reference is written here."""
    loaded = read(single(onwards_key=value))
    assert list(loaded.credentials.values()) == [value]
    (warning,) = loaded.warnings
    assert "$.targets.a.onwards_key: looks like a reference" in warning
    assert warning.endswith(f"is written {written}")


def test_no_secret_is_in_what_is_read(read: Any) -> None:
    """House rule: not in the manifest, the warnings or any `repr`."""
    document = {
        "auth": {"global_keys": ["s3cr3t-g"], "key_definitions": {"k": {"key": "s3cr3t-d", "typo": 1}}},
        "targets": {"a": {"url": URL, "onwards_key": "s3cr3t-u", "keys": ["s3cr3t-c", "env:CLIENT"]}},
    }
    loaded = read(document, environ={"CLIENT": "s3cr3t-e"})
    assert len(loaded.manifest.keys) == 4
    for text in (repr(loaded), str(loaded), repr(loaded.manifest), repr(loaded.origins), *loaded.warnings):
        assert "s3cr3t" not in text


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["s3cr3t", "s3cr3t\n", "https://u:s3cr3t@h.example", "https://h.example/?k=s3cr3t", URL]),
)
_names = st.sampled_from(
    [
        "url",
        "providers",
        "keys",
        "key",
        "onwards_key",
        "onwards_model",
        "weight",
        "rate_limit",
        "concurrency_limit",
        "fallback",
        "on_status",
        "backoff",
        "routing_rules",
        "action",
        "match_labels",
        "trusted",
        "global_keys",
        "key_definitions",
        "upstream_auth_header_name",
        "upstream_auth_header_prefix",
        "response_headers",
        "labels",
        "unknown",
    ]
)
_trees = st.recursive(
    _values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=5),
    max_leaves=20,
)
_targets = st.dictionaries(st.just("a"), _trees) | _trees
_documents = st.fixed_dictionaries({"targets": _targets}, optional={"auth": _trees, "http_pool": _trees})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(document=_documents)
def test_reading_is_total_and_shows_no_secret(read: Any, document: Any) -> None:
    """Any document is read, or refused with reasons; no line shows a string that stands where a secret may (DEF-77)."""
    try:
        lines = read(document).warnings
    except ConfigError as error:
        lines = error.problems
        if not lines:
            raise
    assert not [line for line in lines if "s3cr3t" in line]
