"""The last decision, told to a caller who asks and whose key allows it."""

import json
from pathlib import Path
from typing import Any

import attrs

from adapters.http.told_to_callers import as_field, explanation
from engine.access import EXPLAIN, may_ask_why
from engine.pool.decision import Decision, Verdict
from engine.recording import Served
from engine.runtime.trail import Trail
from engine.snapshot import CircuitPolicy, Exhausted, Fallback, RoutingSnapshot, Strategy
from tests.e2e.data_plane import data_plane
from tests.e2e.running import client, gateway, simulators
from tests.e2e.sockets import Message, asked, connect, place, posted
from tests.engine.tables import key, pool, provider, table

ALLOWED = "authorization: Bearer secret-allowed"
ASKS = "x-pointsman-explain: 1"
FIELDS = {b"x-pointsman-explain": b"1"}


def tables(url: str, nowhere: str) -> RoutingSnapshot:
    good = provider("good", url=f"{url}/v1/", weight=2)
    bad = provider("bad", url=f"{nowhere}/v1/")
    off = CircuitPolicy(enabled=False)
    masked = Fallback(enabled=True, exhausted=Exhausted.MASK)
    pools = [
        pool("chat", bad, good, strategy=Strategy.PRIORITY, fallback=Fallback(enabled=True), circuit=off),
        pool("gone", bad, fallback=masked, circuit=off),
        pool("one", attrs.evolve(good, name="only"), limit=1),
        pool("full", provider("busy", url=f"{url}/v1/", limit=1)),
        pool("locked", good, keys=frozenset({"nobody"})),
    ]
    allowed = attrs.evolve(key("allowed"), labels={EXPLAIN: "allow"})
    also = attrs.evolve(key("limited", rps=0.001, burst=1), labels={EXPLAIN: "allow"})
    return table(pools, [allowed, also, key("plain"), attrs.evolve(key("odd"), labels={EXPLAIN: "yes"}), key("nobody")])


def told(answer: Message) -> Any:
    value = answer.header("x-pointsman-explanation")
    return None if value is None else json.loads(value)


def results(story: Any) -> list[tuple[str, int, str]]:
    return [(one["provider"], one["weight"], one["result"]) for one in story["candidates"]]


async def test_an_answer_brings_its_explanation_along() -> None:
    """Issue 5, item 2: each provider with its numbers and a sentence, each attempt; for those who may ask."""
    with place(refusing=True) as nowhere:
        async with simulators("good") as (good,), data_plane(tables(good.url, nowhere.url)) as plane:
            answer = await asked(plane.url, posted("chat", ALLOWED, ASKS))
            assert answer.status == 200
            story = told(answer)
            assert (story["strategy"], story["defined_at"]) == (
                "priority",
                int(answer.header("x-pointsman-position") or 0),
            )
            assert results(story) == [("bad", 1, "excluded by attempt 1"), ("good", 2, "chosen")]
            assert [(one["provider"], one["what"], one["status"]) for one in story["attempts"]] == [
                ("bad", "connect", None),
                ("good", "answered", 200),
            ]
            assert "127.0.0.1" not in (answer.header("x-pointsman-explanation") or "")
            # It ends here: what a provider is sent does not say who may ask what.
            (received,) = await good.requests()
            assert not any("explain" in name.lower() for name, _ in received["headers"])


async def test_whoever_may_not_ask_is_not_told() -> None:
    """Silently: no key, a key without the label or with another value of it; and nobody who does not ask."""
    with place(refusing=True) as nowhere:
        async with simulators("good") as (good,), data_plane(tables(good.url, nowhere.url)) as plane:
            for fields in (
                (ASKS,),
                (ASKS, "authorization: Bearer secret-plain"),
                (ASKS, "authorization: Bearer secret-odd"),
                (ALLOWED,),
                ("x-pointsman-explain: 0", ALLOWED),
            ):
                for alias in ("chat", "gone"):
                    answer = await asked(plane.url, posted(alias, *fields))
                    assert (answer.status, told(answer)) == (200 if alias == "chat" else 503, None)
                    assert "explanation" not in answer.json().get("error", {})
        assert not may_ask_why(None)


async def test_a_refusal_by_a_pool_is_explained_in_its_body_too() -> None:
    """Issue 5, item 2: both envelopes; refusals before any pool say nothing more than they do."""
    with place(refusing=True) as nowhere:
        async with simulators("good") as (good,), data_plane(tables(good.url, nowhere.url)) as plane:
            for dialect in ((), ("anthropic-version: 2023-06-01",)):
                answer = await asked(plane.url, posted("gone", ALLOWED, ASKS, *dialect))
                story = answer.json()["error"]["explanation"]
                assert (answer.status, story) == (503, told(answer))
                assert results(story) == [("bad", 1, "chosen")]
                assert [one["what"] for one in story["attempts"]] == ["connect"]
            for alias, word, candidates in (
                ("full", "providers_full", [("busy", 1, "concurrency: its limit of 1 is reached")]),
                ("one", "pool_full", None),
            ):
                async with await connect(plane.url) as peer:
                    await peer.send(posted(alias, "x-simulate-ttft: 3600", stream=True))
                    await peer.receive_until(b"\r\n\r\n")
                    answer = await asked(plane.url, posted(alias, ALLOWED, ASKS))
                story = answer.json()["error"]["explanation"]
                assert (answer.status, story["refused"], story["attempts"], story) == (429, word, [], told(answer))
                # Where the pool's own limit refused, nothing was compared.
                assert (results(story) if candidates is not None else story.get("candidates")) == candidates
            limited = "authorization: Bearer secret-limited"
            assert (await asked(plane.url, posted("chat", limited))).status == 200
            for alias, field, status in (("chat", limited, 429), ("locked", ALLOWED, 403), ("none", ALLOWED, 404)):
                answer = await asked(plane.url, posted(alias, field, ASKS))
                assert (answer.status, told(answer)) == (status, None)
                assert "explanation" not in answer.json()["error"]


def test_what_does_not_fit_is_counted() -> None:
    """4 KiB of ASCII: a hundred providers, names of any script, more attempts than fit."""
    allowed = attrs.evolve(key("allowed"), labels={EXPLAIN: "allow"})
    rows = tuple((f"anbieter-ü-{number}", 1, number, Verdict.ADMISSIBLE, 0) for number in range(100))
    decision = Decision(1, 5, 0, 2, Strategy.PRIORITY, None, rows, (), (), rows[0][0], ())
    trail = Trail(Served.begun("r", 0, 5), decision=decision, key=allowed)
    for number in range(60):
        trail.attempt(f"anbieter-ü-{number}", number).what = "timeout"
    story = explanation(trail, FIELDS)
    assert story is not None
    name, value = as_field(story)
    assert (name, len(value) <= 4096, value.isascii()) == (b"x-pointsman-explanation", True, True)
    assert json.loads(value) == story
    assert len(value) > 3500
    assert len(story["candidates"]) + story["candidates_left_out"] == 100
    assert story["candidates"][0]["result"] == "chosen"
    assert len(story["attempts"]) + story["attempts_left_out"] == 60
    assert story["attempts"][-1]["provider"] == "anbieter-ü-59"
    assert explanation(trail, {}) is None


async def test_a_file_and_the_api_say_whose_callers_may_ask(tmp_path: Path) -> None:
    """Issue 5, item 2: the label is one like others; PATCH takes it away again."""
    async with simulators("good") as (good,):
        may = {"key": "sk-file", "labels": {EXPLAIN: "allow"}}
        document = {
            "auth": {"key_definitions": {"from-file": may}},
            "targets": {"chat": {"url": f"{good.url}/v1", "keys": ["from-file"]}},
        }
        async with gateway(tmp_path, document) as running, client() as http:
            admin = {"authorization": f"Bearer {running.token}"}
            keys = f"{running.control}/admin/v1/keys"

            async def is_told(secret: str) -> bool:
                answer = await asked(running.data, posted("chat", f"authorization: Bearer {secret}", ASKS))
                assert answer.status == 200
                return told(answer) is not None

            wished = {"key_id": "made", "aliases": ["chat"], "labels": {EXPLAIN: "allow"}}
            made = await http.post(keys, json=wished, headers=admin, params={"wait": "applied"})
            assert made.status_code == 201, made.text
            secret = made.json()["secret"]
            assert (await is_told("sk-file"), await is_told(secret)) == (True, True)
            changed = {"labels": {EXPLAIN: None}}
            await http.patch(f"{keys}/made", json=changed, headers=admin, params={"wait": "applied"})
            assert (await is_told("sk-file"), await is_told(secret)) == (True, False)
