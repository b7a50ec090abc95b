"""Secrets in a file: where they go, and that they go nowhere else."""

from hashlib import sha256
from pathlib import Path
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
    ],
)
def test_other_spellings_are_secrets_with_a_warning(read: Any, value: str, written: str) -> None:
    """They are taken literally, and the warning says how a reference is written here."""
    loaded = read(single(onwards_key=value))
    assert list(loaded.credentials.values()) == [value]
    (warning,) = loaded.warnings
    assert "$.targets.a.onwards_key: looks like a reference" in warning
    assert warning.endswith(f"is written {written}")


def test_a_file_is_a_reference_like_a_variable(read: Any, tmp_path: Path) -> None:
    """House rule 7: for a provider `file:PATH` stays what it is, and what is in the file is not handed over; for a
    client the digest is taken when the configuration is read, without the line break that editors put at the end.
    """
    secret = tmp_path / "key"
    secret.write_text("s3cr3t\n", encoding="utf-8")
    loaded = read(single(onwards_key=f"file:{secret}", keys=[f"file:{secret}"]))
    assert loaded.manifest.pools["a"].providers[0].credential == f"file:{secret}"
    assert loaded.credentials == {}
    (key,) = loaded.manifest.keys.values()
    assert key.digest == sha256(b"s3cr3t").digest()
    assert not loaded.warnings
    assert "s3cr3t" not in repr(loaded)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (no such file or directory); valid: a file this process may read"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"s3cr3t\n\n", "is not one line of printable characters"),
        (b"s3cr3t\xff", "is not text in UTF-8"),
        (b"s3cr3t" * 4096, "is larger than 16 KiB"),
    ],
)
def test_an_unusable_file_is_named_and_not_quoted(
    problems: Any, tmp_path: Path, content: bytes | None, said: str
) -> None:
    """CFG-18: at the same places as a variable, in one line each."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    lines = problems(single(onwards_key=f"file:{path}", keys=[f"file:{path}"]))
    assert [line.partition(": ")[0] for line in lines] == ["$.targets.a.onwards_key", "$.targets.a.keys[0]"]
    assert all(line.partition(": ")[2].startswith(f"the file {path} {said}") for line in lines)
    assert "s3cr3t" not in "".join(lines)


@pytest.mark.parametrize("name", ["", "key", "./key", "run/secrets/key", "~/key", "/run/\nkey"])
def test_a_file_is_named_by_an_absolute_path(problems: Any, name: str) -> None:
    """A relative one would mean something else in every directory; what is not a path might be a secret."""
    (line,) = problems(single(onwards_key=f"file:{name}"))
    assert line.startswith("$.targets.a.onwards_key: `file:` is not followed by an absolute path; valid: file: and")
    assert "key;" not in line


def test_a_client_secret_in_a_file_is_ascii(read: Any, problems: Any, tmp_path: Path) -> None:
    """As one that is written out."""
    path = tmp_path / "key"
    path.write_text("schlüssel", encoding="utf-8")
    (line,) = problems(single(keys=[f"file:{path}"]))
    assert line.startswith(
        f"$.targets.a.keys[0]: the file {path} has a character that cannot be sent; valid: printable"
    )
    assert read(single(onwards_key=f"file:{path}")).manifest.pools["a"].providers[0].credential == f"file:{path}"


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
