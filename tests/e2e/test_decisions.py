"""Asking a running gateway why."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.running import Gateway, client, gateway, simulators, until

BODY = {"model": "chat", "messages": [{"role": "user", "content": "a prompt that is nobody's business"}]}


async def post(running: Gateway, key: str = "sk-team") -> Any:
    async with client() as http:
        headers = {"authorization": f"Bearer {key}"}
        return await http.post(f"{running.data}/v1/chat/completions", json=BODY, headers=headers)


async def ask(running: Gateway, number: str, token: str | None = None) -> Any:
    async with client() as http:
        headers = {"authorization": f"Bearer {token or running.token}"}
        return await http.get(f"{running.control}/admin/v1/decisions/{number}", headers=headers)


def document(*urls: str) -> dict[str, Any]:
    providers = [
        {"name": name, "url": f"{url}/v1", "onwards_key": "sk-up"} for name, url in zip("ab", urls, strict=True)
    ]
    team = {"key": "sk-team", "rate_limit": {"requests_per_second": 0.01, "burst_size": 1}}
    fallback = {"enabled": True, "on_status": [5], "backoff": {"initial_ms": 1}}
    chat = {"keys": ["team"], "strategy": "priority", "fallback": fallback, "providers": providers}
    return {"auth": {"key_definitions": {"team": team}}, "targets": {"chat": chat}}


async def test_a_request_can_be_explained_and_comes_out_again(tmp_path: Path) -> None:
    """LB-15: each candidate with its reason, each attempt's outcome, recomputed; no secret in it."""
    async with simulators("a", "b") as (a, b), gateway(tmp_path, document(a.url, b.url)) as running:
        await a.change(error_status=503, error_rate=1)
        answer = await post(running)
        assert (answer.status_code, answer.headers["x-pointsman-provider"]) == (200, "b")
        await running.at_rest()
        told = await ask(running, answer.headers["x-pointsman-decision"])
        assert told.status_code == 200
        story = told.json()
        assert (story["pool"], story["recomputed"], story["difference"]) == ("chat", True, None)
        *steps, pools, keys = [step["what"] for step in story["steps"]]
        assert steps == [
            "key team is let into chat",
            "key team enters, granted, 0 of 1 tokens left",
            "asks for a provider, gets a, attempt 1",
            "asks for another provider after status 503",
            "its backoff is over, gets b, attempt 2",
        ]
        # Two actors, told at once: which of them runs first is chance.
        assert {pools, keys} == {"is over: status 200", "the key's request is over"}
        assert [(one["provider"], one["result"]) for one in story["steps"][4]["candidates"]] == [
            ("a", "excluded by attempt 1"),
            ("b", "chosen"),
        ]
        for secret in ("sk-team", "sk-up", "nobody's business", running.token):
            assert secret not in told.text


async def test_a_refusal_can_be_explained_too(tmp_path: Path) -> None:
    """RL-4: whose limit it was, and no pool was asked."""
    async with simulators("a", "b") as (a, b), gateway(tmp_path, document(a.url, b.url)) as running:
        assert (await post(running)).status_code == 200
        refused = await post(running)
        assert refused.status_code == 429
        story = (await ask(running, refused.headers["x-pointsman-decision"])).json()
        let_in, step = story["steps"]
        assert let_in["what"] == "key team is let into chat"
        assert step["what"] == "key team enters, refused: rate_limit (key), 0 of 1 tokens left, again in 100 s"
        assert (story["scope"], story["attempts"], story["recomputed"]) == ("key", [], True)


async def test_it_answers_only_with_the_token_and_only_about_what_it_knows(tmp_path: Path) -> None:
    async with simulators("a", "b") as (a, b), gateway(tmp_path, document(a.url, b.url)) as running:
        await post(running)
        for name, token, status, what in (
            ("1", "wrong-token", 401, "asks for a good admin token"),
            ("99", None, 404, "Nothing is recorded of '99'; the journal reaches from 20"),
            ("x", None, 404, "Nothing is recorded of 'x'"),
            ("9" * 30, None, 404, "Nothing is recorded of '999"),
        ):
            answer = await ask(running, name, token)
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            assert what in json.loads(answer.text)["detail"]


async def test_a_process_explains_from_its_first_request_and_what_came_before_it(tmp_path: Path) -> None:
    """Issue: the journal survives a restart; numbers of decisions mean one request for ever."""
    async with simulators("a", "b") as (a, b):
        async with gateway(tmp_path, document(a.url, b.url)) as running:
            before = (await post(running)).headers["x-pointsman-decision"]
            assert (await ask(running, before)).json()["recomputed"] is True
            assert await running.stop() == 0
        async with gateway(tmp_path) as running:
            answer = await post(running)
            number = answer.headers["x-pointsman-decision"]
            assert int(number) > int(before)
            assert (await ask(running, number)).json()["difference"] is None
            assert (await ask(running, before)).json()["recomputed"] is True
            logged = await running.logged("request", 2)
            assert logged[-1]["decision"] == int(number)


async def test_circuits_leave_a_trace(tmp_path: Path) -> None:
    """HEALTH-6, OBS: a line when one opens and when it closes, and a count of openings."""
    wanted = document("http://127.0.0.1:9", "http://127.0.0.1:9")
    del wanted["auth"]
    chat = wanted["targets"]["chat"]
    del chat["keys"]
    async with simulators("a", "b") as (a, b):
        for provider, simulator in zip(chat["providers"], (a, b), strict=True):
            provider["url"] = f"{simulator.url}/v1"
        chat["circuit"] = {"failures": 1, "cooldown_secs": [0.1]}
        async with gateway(tmp_path, wanted) as running:
            await a.change(error_status=503, error_rate=1)
            assert (await post(running)).status_code == 200
            (opened,) = await running.logged("circuit open")
            assert (opened["pool"], opened["provider"], opened["of"], opened["seconds"]) == ("chat", "a", "health", 0.1)
            assert opened["since"][0].startswith("status 503 in decision ")
            await a.change(error_rate=0)

            async def closed() -> bool:
                await post(running)
                return any(line.get("event") == "circuit closed" for line in running.lines())

            await until(closed)
            openings = 'pointsman_provider_circuit_openings_total{pool="chat",provider="a"}'
            assert (await running.metrics())[openings] >= 1
