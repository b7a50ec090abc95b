"""Client keys: who passes where, and that a secret is one key however it is written."""

from hashlib import sha256
from typing import Any

URL = "https://h.example/v1"
CLIENT = "sk-client-from-environment"


def digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def anonymous(secret: str) -> str:
    return f"key-{digest(secret).hex()[:12]}"


def table(keys: Any = ..., auth: Any = ...) -> dict[str, Any]:
    target = {"providers": [{"url": URL}]} | ({} if keys is ... else {"keys": keys})
    return {"targets": {"a": target}} | ({} if auth is ... else {"auth": auth})


def test_keys_and_global_keys(read: Any) -> None:
    """CFG-11: K={t1,t2,shared}, G={g1,g2,shared} are five keys; those of G open all pools."""
    manifest = read(table(["t1", "t2", "shared"], {"global_keys": ["g1", "g2", "shared"]})).manifest
    assert manifest.pools["a"].keys == {anonymous(secret) for secret in ("t1", "t2", "shared")}
    assert {key.digest for key in manifest.keys.values()} == {digest(s) for s in ("t1", "t2", "shared", "g1", "g2")}
    opening = {key_id for key_id, key in manifest.keys.items() if key.opens_all_pools}
    assert opening == {anonymous(secret) for secret in ("g1", "g2", "shared")}
    assert all(key.key_id == key_id for key_id, key in manifest.keys.items())


def test_absent_keys_are_no_list_and_an_empty_list_is_one(read: Any) -> None:
    """CFG-11: None leaves the pool open unless there are global keys; an empty list lets nobody in."""
    assert read(table()).manifest.pools["a"].keys is None
    assert read(table([])).manifest.pools["a"].keys == frozenset()
    assert read(table(auth={"global_keys": ["g1"]})).manifest.pools["a"].keys is None


def test_global_keys_may_be_absent(read: Any) -> None:
    """CFG-2."""
    manifest = read(table(auth={})).manifest
    assert manifest.keys == {}
    assert read(table(auth={"key_definitions": None})).manifest == manifest


def test_a_definition_is_a_key_by_its_id(read: Any) -> None:
    """CFG-3: id, labels and limits; it opens nothing until a list names it."""
    definition = {
        "key": "sk-a",
        "labels": {"purpose": "realtime"},
        "rate_limit": {"requests_per_second": 0.5, "burst_size": 10},
        "concurrency_limit": {"max_concurrent_requests": 4},
    }
    key = read(table(auth={"key_definitions": {"team-a": definition}})).manifest.keys["team-a"]
    assert (key.key_id, key.digest, key.opens_all_pools) == ("team-a", digest("sk-a"), False)
    assert key.labels == {"purpose": "realtime"}
    assert (key.limits.max_concurrent, key.limits.requests_per_second, key.limits.burst) == (4, 0.5, 10)


def test_an_entry_that_is_an_id_means_that_definition(read: Any) -> None:
    """CFG-13: and the id itself is no credential."""
    auth = {"global_keys": ["team-b"], "key_definitions": {"team-a": {"key": "sk-a"}, "team-b": {"key": "sk-b"}}}
    manifest = read(table(["team-a"], auth)).manifest
    assert manifest.pools["a"].keys == {"team-a"}
    assert {key.digest for key in manifest.keys.values()} == {digest("sk-a"), digest("sk-b")}
    assert (manifest.keys["team-a"].opens_all_pools, manifest.keys["team-b"].opens_all_pools) == (False, True)


def test_an_entry_that_is_a_definitions_secret_is_that_key(read: Any) -> None:
    """CFG-12: limits follow the secret, however a list writes it."""
    auth = {"global_keys": ["sk-b"], "key_definitions": {"team-a": {"key": "env:CLIENT"}, "team-b": {"key": "sk-b"}}}
    manifest = read(table([CLIENT, "env:CLIENT", "team-a"], auth)).manifest
    assert manifest.pools["a"].keys == {"team-a"}
    assert manifest.keys.keys() == {"team-a", "team-b"}
    assert manifest.keys["team-b"].opens_all_pools


def test_definitions_have_secrets_of_their_own(problems: Any) -> None:
    """CFG-12: a duplicate is an error, also where one of them is a reference; nothing of it is shown."""
    definitions = {"x": {"key": CLIENT}, "y": {"key": "env:CLIENT"}, "z": {"key": CLIENT}}
    lines = problems(table(auth={"key_definitions": definitions}))
    assert lines == [
        f"$.auth.key_definitions.{second}.key: the same secret as key definition 'x'; valid: a secret of its own"
        for second in ("y", "z")
    ]


def test_an_id_is_nobodys_secret(problems: Any) -> None:
    """CFG-13: ids are public; as a secret one would be a credential after all."""
    definitions = {"x": {"key": "y"}, "y": {"key": "y"}}
    lines = problems(table(auth={"key_definitions": definitions}))
    assert [line.partition(": ")[0] for line in lines] == [
        "$.auth.key_definitions.x.key",
        "$.auth.key_definitions.y.key",
    ]


def test_the_id_of_an_anonymous_key_may_not_be_defined_for_another(problems: Any) -> None:
    """Else one name would stand for two secrets."""
    auth = {"key_definitions": {anonymous("sk-x"): {"key": "sk-other"}}}
    (line,) = problems(table(["sk-x"], auth))
    assert line.startswith("$.targets.a.keys[0]: the name of this key would be")


def test_definition_ids_cannot_look_like_references(problems: Any) -> None:
    """`env:NAME` in a list has one meaning."""
    lines = problems(
        table(auth={"key_definitions": {"env:CLIENT": {"key": "a"}, "": {"key": "b"}, "a\n": {"key": "c"}}})
    )
    assert {line.partition(": this key cannot be used")[0] for line in lines if "cannot be used" in line} == {
        "$.auth.key_definitions['env:CLIENT']",
        "$.auth.key_definitions['']",
        "$.auth.key_definitions['a\\n']",
    }


def test_an_entry_that_resembles_an_id_is_asked_about(read: Any) -> None:
    """CFG-13: a mistyped id becomes a secret that opens the pool; the warning names the id, never the entry."""
    definitions = {"people": {"key": "sk-people"}}
    document = {"auth": {"key_definitions": definitions}, "targets": {"a": {"url": URL, "keys": ["peple"]}}}
    (warning,) = read(document).warnings
    assert "$.targets.a.keys[0]: a secret of its own, not a key definition; did you mean `people`?" in warning
    assert "peple" not in warning
