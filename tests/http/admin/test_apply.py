"""Configuration files that are sent to the admin API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs

from adapters.submitted import Unusable
from adapters.submitting import loader
from engine.commands import ApplyManifest
from engine.errors import Rejected
from projections.document import exported
from tests.engine.tables import manifest, pool, provider
from tests.http.admin.rig import Desk, desk

UPSTREAM, CLIENT = "up-secret-of-the-provider", "sk-secret-of-a-client"
DOCUMENT: dict[str, Any] = {
    "auth": {"key_definitions": {"people": {"key": CLIENT}}},
    "targets": {"chat": {"url": "http://one.example/v1", "onwards_key": UPSTREAM, "keys": ["people"]}},
}
YAML = """
auth:
  key_definitions:
    people: {key: sk-secret-of-a-client}
targets:
  chat: {url: "http://one.example/v1", onwards_key: up-secret-of-the-provider, keys: [people]}
"""
TOML = """
[auth.key_definitions.people]
key = "sk-secret-of-a-client"
[targets.chat]
url = "http://one.example/v1"
onwards_key = "up-secret-of-the-provider"
keys = ["people"]
"""


@asynccontextmanager
async def with_loader(*, records: bool | Path = False) -> AsyncIterator[Desk]:
    """The rig, with what the composition root gives it; the vault is made by the rig, and so comes after."""
    held: list[Desk] = []

    def load(name: str, content: bytes) -> Any:
        vault = held[0].vault
        return loader(strict=False, credential_id=vault.credential_id, environ={})(name, content)

    async with desk(load=load, records=records) as opened:
        held.append(opened)
        yield opened


@pytest.fixture
async def at() -> AsyncIterator[Desk]:
    async with with_loader() as opened:
        yield opened


def sent(document: Any = DOCUMENT, name: str = "routes.json", **more: Any) -> dict[str, Any]:
    return {"name": name, "content": document if isinstance(document, str) else json.dumps(document), **more}


@pytest.mark.parametrize(
    ("content", "name", "form"),
    [
        (json.dumps(DOCUMENT), "routes.json", "json"),
        (YAML, "routes.yaml", "yaml"),
        (YAML, "routes.yml", None),
        (TOML, "routes.toml", "toml"),
    ],
)
async def test_a_file_is_applied_as_its_watcher_would(at: Desk, content: str, name: str, form: str | None) -> None:
    """CFG-1: pools and keys are the file's; secrets are in the vault, and in nothing that is told."""
    with capture_logs() as logged:
        answer = await at.ask("POST", "/apply", sent(content, name, format=form))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["source"], set(at.snapshot.pools)) == (f"sent:{name}", {"chat"})
    credential = at.snapshot.pools["chat"].providers[0].credential
    assert credential is not None
    assert at.vault.resolve(credential) == UPSTREAM
    (actor,) = {one.actor for one in await at.log.read(0)}
    assert actor.startswith("token:")
    assert actor.endswith(f" for sent:{name}")
    kept = f"{[attrs.evolve(one, event_id=None) for one in await at.log.read(0)]} {at.snapshot} {logged} {answer.text}"
    assert UPSTREAM not in kept
    assert CLIENT not in kept
    owned = await at.ask("DELETE", "/keys/people")
    assert (owned.status_code, name in owned.text) == (409, True)


async def test_the_next_file_changes_what_differs(at: Desk) -> None:
    """CFG-19, DELTA-7: the same again appends nothing; what is not named any more goes."""
    head = (await at.done("POST", "/apply", sent()))["position"]
    assert (await at.done("POST", "/apply", sent()))["position"] == head
    target = DOCUMENT["targets"]["chat"]
    await at.done("POST", "/apply", sent({**DOCUMENT, "targets": {"code": target}}))
    assert set(at.snapshot.pools) == {"code"}
    await at.done("POST", "/keys", {"key_id": "mine"})
    await at.done("POST", "/apply", sent({"targets": {}}))
    assert (set(at.snapshot.pools), set(at.snapshot.keys)) == (set(), {"mine"}), "what the API made is not the file's"


async def test_a_plan_changes_nothing(at: Desk) -> None:
    """The events and the difference, without a secret or a digest; not even the vault has them."""
    answer = await at.ask("POST", "/apply?dry_run=true", sent())
    planned = answer.json()
    assert [one["type"] for one in planned["events"]] == ["key.defined", "pool.defined", "provider.defined"]
    assert {(one["kind"], one["name"]) for one in planned["diff"]} >= {("key", "people"), ("pool", "chat")}
    assert not {UPSTREAM, CLIENT, "digest"} & set(answer.text.split('"'))
    assert (await at.head(), at.vault.sealed) == (
        0,
        tuple(one for one in at.vault.sealed if one.id.startswith("naming")),
    )


WRONG: list[tuple[str, str, list[str]]] = [
    ("{", "routes.json", ["routes.json: line 1, column 2: expecting property name"]),
    ("targets: [", "routes.yaml", ["routes.yaml: line 1, column 11:"]),
    ("targets =", "routes.toml", ["routes.toml: invalid value"]),
    ("", "routes.json", ["routes.json: the file is empty"]),
    ("[]", "routes.json", ["routes.json: $: "]),
    (
        '{"targets": {"chat": {"url": "ftp://x"}, "code": {"providers": [{"url": "http://a", "weight": -1}]}}}',
        "routes.json",
        ["routes.json: $.targets.chat.url: ", "routes.json: $.targets.code.providers[0].weight: "],
    ),
    (
        '{"targets": {"a": {"providers": [{"url": "http://a"}], "strict": true, "fallback": {"on_status": [9999]}}}}',
        "routes.json",
        ["routes.json: $.targets.a.fallback.on_status[0]"],
    ),
]


async def test_what_is_wrong_is_told_in_the_files_own_lines(at: Desk) -> None:
    """CFG-8, DEF-10: 422 with the file, the place in it, what is wrong and what is valid; nothing is changed."""
    for content, name, lines in WRONG:
        answer = await at.ask("POST", "/apply", sent(content, name))
        errors = answer.json()["errors"]
        assert (answer.status_code, {one["where"] for one in errors}) == (422, {"content"})
        assert len(errors) == len(lines), answer.text
        for error, line in zip(errors, lines, strict=True):
            assert error["what"].startswith(line), answer.text
            assert error["valid"]
    assert await at.head() == 0


async def test_a_wrong_file_does_not_show_its_secrets(at: Desk) -> None:
    """Wherever it is broken: neither in the answer nor in a line of the log."""
    whole = json.dumps(DOCUMENT)
    with capture_logs() as logged:
        for content in (
            whole[:-1],
            whole.replace(UPSTREAM, UPSTREAM + "\\u0001"),
            whole.replace('"chat"', '"\\u0000"'),
        ):
            answer = await at.ask("POST", "/apply", sent(content))
            assert answer.status_code == 422
            assert not any(one in answer.text for one in (UPSTREAM, CLIENT))
        yaml = await at.ask("POST", "/apply", sent(YAML + " x: *" + UPSTREAM, "routes.yaml"))
        assert (yaml.status_code, UPSTREAM in yaml.text) == (422, False)
        raw = await at.ask("POST", "/apply", sent(whole + "\x00"))
        assert (raw.status_code, UPSTREAM in raw.text) == (422, False)
    assert not any(one in str(logged) for one in (UPSTREAM, CLIENT))
    assert await at.head() == 0


async def test_a_table_it_does_not_fit_is_told_in_its_lines(at: Desk) -> None:
    """What the API made is not a file's to define."""
    await at.done("POST", "/keys", {"key_id": "people"})
    answer = await at.ask("POST", "/apply", sent())
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["where"]) == (422, "content")
    assert error["what"].startswith("routes.json: $.auth.key_definitions.people: is not this file's")


async def test_a_released_source_is_refused(at: Desk) -> None:
    """Issue item 5: until it is claimed; a file of another name is another source."""
    await at.done("POST", "/apply", sent())
    await at.done("POST", "/sources/sent:routes.json/release")
    answer = await at.ask("POST", "/apply", sent({"targets": {}}))
    assert (answer.status_code, "was released" in answer.text, set(at.snapshot.pools)) == (422, True, {"chat"})
    await at.done("POST", "/sources/sent:routes.json/claim")
    await at.done("POST", "/apply", sent({"targets": {}}))
    assert not at.snapshot.pools


async def test_the_same_sending_again_is_not_done_again(at: Desk) -> None:
    """Whatever others have changed in between."""
    first = await at.done("POST", "/apply", sent(), Idempotency_Key="k")
    await at.done("POST", "/apply", sent({"targets": {}}))
    again = await at.done("POST", "/apply", sent(), Idempotency_Key="k")
    assert (again["is_repeated"], again["position"]) == (True, first["position"])
    assert not at.snapshot.pools


UNREAD: list[tuple[Any, str]] = [
    ({"name": "", "content": "{}"}, "name"),
    ({"name": "../routes.json", "content": "{}"}, "name"),
    ({"name": "a\\b.json", "content": "{}"}, "name"),
    ({"name": "x\nforged.json", "content": "{}"}, "name"),
    ({"name": "\u202e.json", "content": "{}"}, "name"),
    ({"name": "x" * 124 + ".json", "content": "{}"}, "name"),
    ({"name": "routes", "content": "{}"}, "name"),
    ({"name": "routes.exe", "content": "{}"}, "name"),
    ({"name": "routes.json", "content": "{}", "format": "yaml"}, "format"),
    ({"name": "routes.json", "content": "{}", "format": "xml"}, "format"),
    ({"name": "routes.json", "content": {}}, "content"),
    ({"name": "routes.json"}, ""),
]


async def test_a_wrong_request_is_told_by_its_field(at: Desk) -> None:
    """422, and nothing is read."""
    for body, where in UNREAD:
        answer = await at.ask("POST", "/apply", body)
        assert (answer.status_code, [one["where"] for one in answer.json()["errors"]]) == (422, [where]), answer.text
    assert await at.head() == 0


async def test_odd_names_are_kept_as_they_are(at: Desk) -> None:
    """Of the file, of pools and of labels: what SQL and templates make of them is not made here."""
    odd = "'; DROP TABLE events; -- {{7*7}} ${x} %s"
    target = {"url": "http://one.example/v1"}
    await at.done("POST", "/apply", sent({"targets": {odd: target}}, odd + ".json"))
    assert set(at.snapshot.pools) == {odd}
    (shown,) = (await at.done("GET", "/sources"))["data"]
    assert shown["source"] == f"sent:{odd}.json"


async def test_who_may_apply(at: Desk) -> None:
    """The scope operate, where no credential is sent elsewhere."""
    read, operate = await at.token("read", "r"), await at.token("operate", "o")
    head = await at.head()
    assert (await at.ask("POST", "/apply", sent(), token=None)).status_code == 401
    assert (await at.ask("POST", "/apply", sent(), token=read)).status_code == 403
    assert await at.head() == head
    bare = {"targets": {"chat": {"url": "http://one.example/v1", "keys": [CLIENT]}}}
    assert (await at.ask("POST", "/apply", sent(bare), token=operate)).status_code == 200


async def test_a_sent_file_is_not_the_watched_one(at: Desk) -> None:
    """DEF-46, DEF-51: whatever its name, it takes nothing of what a gateway watches, and replaces nothing of it."""
    watched = ApplyManifest(manifest([pool("chat", provider("a")), pool("code", provider("a"))]), takes_over=True)
    await at.office.follower.applied((await at.office.writer.write(watched, actor="file:routes.json")).position)
    operate = await at.token("operate", "o")
    other = sent({"targets": {"mine": {"url": "http://evil.example/v1"}}})
    assert (await at.ask("POST", "/apply", other, token=operate)).json()["source"] == "sent:routes.json"
    assert set(at.snapshot.pools) == {"chat", "code", "mine"}
    refused = await at.ask("POST", "/apply", sent({"targets": {"chat": {"url": "http://evil.example/v1"}}}))
    assert (refused.status_code, "the watched file routes.json manages it" in refused.text) == (422, True)
    owned = (await at.ask("DELETE", "/pools/mine")).json()["detail"]
    assert "pointsman sources release sent:routes.json" in owned
    assert [one["source"] for one in (await at.done("GET", "/sources"))["data"]] == [
        "file:routes.json",
        "sent:routes.json",
    ]


async def test_a_gateway_without_a_reader_says_so() -> None:
    """And two files at once are both told where they ended."""
    async with desk() as bare:
        assert (await bare.ask("POST", "/apply", sent())).status_code == 501
    async with with_loader() as at:
        answers: list[Any] = []

        async def send(alias: str) -> None:
            document = {"targets": {alias: {"url": "http://one.example/v1"}}}
            answers.append(await at.ask("POST", "/apply", sent(document)))

        async with trio.open_nursery() as nursery:
            for alias in ("one", "two", "three"):
                nursery.start_soon(partial(send, alias))
        assert [one.status_code for one in answers] == [200, 200, 200]
        assert len(at.snapshot.pools) == 1, "each is the whole of what files define"
        assert len({one.json()["position"] for one in answers}) == 3


def test_a_file_cannot_name_what_the_gateway_was_started_with() -> None:
    """Else whoever may send files could have its admin token, or the vault's key, sent to an address of their own."""
    environ = {"POINTSMAN_VAULT_KEY": "a-key", "OPENAI_KEY": "another"}
    load = loader(strict=False, credential_id=lambda _: "cred-1", environ=environ)

    def naming(variable: str) -> bytes:
        target = {"url": "http://one.example/v1", "onwards_key": f"env:{variable}"}
        return json.dumps({"targets": {"chat": target}}).encode()

    assert load("routes.json", naming("OPENAI_KEY")).warnings == ()
    with pytest.raises(Unusable) as caught:
        load("routes.json", naming("POINTSMAN_VAULT_KEY"))
    assert "POINTSMAN_VAULT_KEY is not set" in caught.value.problems[0]


def test_a_rejection_that_is_not_the_files_has_a_line_too() -> None:
    """Every problem of the engine has some place in the file."""
    load = loader(strict=False, credential_id=lambda _: "cred-1", environ={})
    submitted = load("routes.json", json.dumps(DOCUMENT).encode())
    assert submitted.told(Rejected(())) == ()
    assert UPSTREAM not in repr(submitted)
    assert CLIENT not in repr(submitted)


async def test_an_export_goes_the_same_way(at: Desk) -> None:
    """Issue item 7: what was exported makes the same table, for whoever sends it; files keep what is theirs."""
    await at.done("POST", "/apply", sent({"targets": {"filed": {"url": "http://one.example/v1"}}}))
    await at.done("POST", "/keys", {"key_id": "mine", "secret": CLIENT, "labels": {"a": "b"}})
    document = json.dumps(exported(at.snapshot, with_digests=True))
    before = attrs.evolve(at.snapshot, position=0)
    head = await at.head()
    assert (await at.done("POST", "/apply", sent(document, "export.json")))["position"] == head
    await at.done("DELETE", "/keys/mine")
    operate = await at.token("operate", "o")
    sections = json.loads(document)
    refused = await at.ask("POST", "/apply", sent(document, "export.json"), token=operate)
    assert (refused.status_code, "admin" in refused.json()["detail"]) == (403, True), "it has tokens in it"
    only = {name: sections[name] for name in ("pointsman", "keys")}
    answer = await at.ask("POST", "/apply", sent(only, "keys.json"), token=operate)
    assert (answer.status_code, answer.json()["source"]) == (200, "token:o"), answer.text
    assert at.snapshot.keys == before.keys
    assert at.snapshot.pools == before.pools
    assert sections["keys"]["mine"]["digest"] not in answer.text
    bare = await at.done("POST", "/apply?dry_run=true", sent({"pointsman": 1, "pools": {}}, "none.json"))
    assert bare["warnings"] == ["pool:filed is managed by a file, and stays as it is"]
    assert bare["events"] == []


async def test_a_wrong_export_is_told_in_its_lines(at: Desk) -> None:
    """With the number of the line."""
    content = 'pointsman: 1\nkeys:\n  mine:\n    labels: 7\nusers:\n  "a/b": {}\n'
    answer = await at.ask("POST", "/apply", sent(content, "export.yaml"))
    assert answer.status_code == 422
    assert "export.yaml:4: $.keys.mine.labels: " in answer.text
    later = await at.ask("POST", "/apply", sent('pointsman: 1\nusers:\n  "a/b": {}\n', "export.yaml"))
    assert (later.status_code, "export.yaml:3: $.users['a/b']" in later.text) == (422, True), later.text
    assert await at.head() == 0
