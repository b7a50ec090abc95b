"""The verbs about recorded traffic: at a gateway that runs, and at what it has left behind."""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import zstandard
from click.testing import Result

from adapters.codec import journal_codec as codec
from tests.cli.calling import Command
from tests.e2e.running import Gateway, client, gateway, simulators
from tests.e2e.sockets import connect, posted

ANY = {"messages": [{"role": "user", "content": "nobody's business"}], "max_tokens": 2}


def document(north: str, south: str, *, first: int = 1) -> dict[str, Any]:
    """`chat` falls back from north to south; every other pool refuses in a way of its own."""
    one = {"url": f"{south}/v1", "name": "south"}
    small = {"requests_per_second": 0.001, "burst_size": 1}
    providers = [{"url": f"{north}/v1", "name": "north", "weight": first}, one]
    keys = {
        "team": {"key": "sk-team"},
        "batch": {"key": "sk-batch", "labels": {"purpose": "batch"}},
        "slow": {"key": "sk-slow", "rate_limit": small},
    }
    chat = {"strategy": "priority", "fallback": {"enabled": True, "on_status": [5]}, "providers": providers}
    deny = {"match_labels": {"purpose": "batch"}, "action": {"type": "deny"}}
    targets = {
        "chat": {"circuit": {"enabled": False}, **chat},
        "narrow": {"rate_limit": small, "providers": [one]},
        "thin": {**one, "rate_limit": small},
        "closed": {"keys": ["batch"], "providers": [one]},
        "ruled": {"routing_rules": [deny], "providers": [one]},
    }
    return {"auth": {"key_definitions": keys}, "targets": targets}


async def post(at: Gateway, alias: str, key: str | None = None) -> tuple[int, str, str]:
    """Status, request id and decision."""
    fields = {} if key is None else {"authorization": f"Bearer {key}"}
    async with client() as http:
        answer = await http.post(f"{at.data}/v1/chat/completions", json={"model": alias, **ANY}, headers=fields)
    return answer.status_code, answer.headers["x-request-id"], answer.headers.get("x-pointsman-decision", "")


class Caller:
    """The command line in this process, at a gateway or at what is in its folder."""

    def __init__(self, folder: Path, at: Gateway | None = None) -> None:
        self.command = Command(folder)
        if at is not None:
            token = str(at.folder / "admin-token")
            self.command.environ = {"POINTSMAN_GATEWAY": at.control, "POINTSMAN_ADMIN_TOKEN_FILE": token}

    async def __call__(self, *words: str, code: int = 0) -> Result:
        result = await trio.to_thread.run_sync(self.command, *words)
        assert result.exit_code == code, (words, result.output)
        return result

    async def told(self, *words: str, code: int = 0) -> Any:
        return json.loads((await self(*words, "--json", code=code)).stdout)

    async def refused(self, *words: str, code: int = 2) -> str:
        result = await self(*words, code=code)
        assert result.stdout == "", words
        return result.stderr


Call = Callable[..., Awaitable[str]]


@pytest.fixture(autouse=True)
def _nothing_of_the_machine(pointsman: Command) -> None:
    """The command line sees the test's environment only."""


async def test_a_request_is_explained_while_it_runs_and_after_its_gateway(tmp_path: Path) -> None:
    """Issue 5, item 2: each candidate with its numbers and why it lost, the events, each attempt; and whether all of it
    comes out again, also after a restart, and without any gateway.
    """
    async with simulators("north", "south") as (north, south):
        await north.change(error_status=503, error_rate=1)
        async with gateway(tmp_path, document(north.url, south.url)) as at:
            call = Caller(tmp_path, at)
            status, request_id, decision = await post(at, "chat", "sk-team")
            assert status == 200
            by_id = (await call("explain", request_id)).stdout
            assert (await call("explain", decision)).stdout == by_id
            for words in (
                f"{request_id} at ",
                "chat, key team, position ",
                "key team is let into chat",
                "asks for a provider, gets north, attempt 1 (priority, table of position ",
                "asks for another provider after status 503, gets south, attempt 2",
                "excluded by attempt 1",
                "is over: status 200",
                "provider north of pool chat was created",
                "key team was created",
                "file:routes.json",
            ):
                assert words in by_id, (words, by_id)
            assert by_id.endswith("\nrecomputed = recorded\n")
            told = await call.told("explain", request_id)
            assert [(one["provider"], one["status"]) for one in told["attempts"]] == [("north", 503), ("south", 200)]
            assert [event["position"] for event in told["events"]] == sorted(
                (event["position"] for event in told["events"]), reverse=True
            )
            lost = [one["result"] for one in told["steps"][1]["candidates"] if not one["is_chosen"]]
            assert lost == ["behind in order: priority 1, not 0"]
            for secret in ("sk-team", "nobody's business", at.token):
                assert secret not in by_id + json.dumps(told)
            await _refusals(at, call)
            failed = await call.told("requests", "--provider", "north", "--since", "1h", "--status", "2")
            assert [(one["request_id"], one["provider"], one["attempts"]) for one in failed][-1] == (
                request_id,
                "south",
                2,
            )
            refused = await call.told("requests", "--outcome", "refused", "--limit", "3")
            assert [one["reason"] for one in refused] == ["model_not_found", "forbidden", "forbidden"]
            assert request_id in (await call("requests", "--key", "team")).stdout
            assert "No such request is recorded; the journal begins at " in await call.refused(
                "requests", "--key", "none", code=0
            )
            await _running(at, call)
        async with gateway(tmp_path) as at:
            assert (await Caller(tmp_path, at)("explain", request_id)).stdout == by_id
        offline = Caller(tmp_path)
        assert (await offline("explain", request_id)).stdout == by_id
        assert "Nothing is recorded of 'nobody'; the journal reaches from 20" in await offline.refused(
            "explain", "nobody"
        )
        number = _tamper(tmp_path / "pointsman.db.journal", int(decision))
        found = await offline("explain", request_id, code=1)
        first = f"entry {number}, pool 'chat': answers[0].decision.candidates[0].weight was 8, and comes out as 1"
        assert f"recomputed ≠ recorded: {first}" in found.stdout
        assert found.stderr == f"pointsman: Recomputed is not recorded: {first}.\n"
        plan = await offline("plan", "routes.json", "--since", "0", code=1)
        assert f"self-check failed: {first}" in plan.stderr
        assert "worth nothing" in plan.stderr


async def _refusals(at: Gateway, call: Caller) -> None:
    """Whose limit it was, or why nobody was let in."""
    for alias in ("narrow", "thin"):
        assert (await post(at, alias))[0] == 200
    assert (await post(at, "chat", "sk-slow"))[0] == 200
    for alias, key, status, words in (
        ("chat", "sk-slow", 429, "key slow enters, refused: rate_limit (key), 0 of 1 tokens left, again in "),
        ("narrow", None, 429, "asks for a provider, refused: rate_limit (pool), 0 of 1 tokens left"),
        ("thin", None, 429, "rate: next token in "),
        ("closed", None, 401, "a caller without a known key is refused at closed: unauthenticated"),
        ("closed", "sk-wrong", 403, "is refused at closed: forbidden, no key has this secret"),
        ("closed", "sk-team", 403, "key team is refused at closed: forbidden, the pool does not list the key"),
        ("ruled", "sk-batch", 403, "key batch is refused at ruled: forbidden, a rule of the pool denies it"),
        ("nothing", None, 404, "the caller is refused at nothing: model_not_found, before any key was looked at"),
    ):
        found, request_id, _ = await post(at, alias, key)
        assert found == status, alias
        text = (await call("explain", request_id)).stdout
        assert words in text, (words, text)
        assert text.endswith("\nrecomputed = recorded\n")
    (narrow,) = await call.told("requests", "--reason", "pool_rate")
    assert (narrow["alias"], narrow["reason"], narrow["scope"]) == ("narrow", "rate_limit", "pool")


async def _running(at: Gateway, call: Caller) -> None:
    """A stream: while it runs what is known of it so far, and then all."""
    async with await connect(at.data) as peer:
        slow = ("x-simulate-tokens: 1000", "x-simulate-tokens-per-second: 100")
        await peer.send(posted("closed", "authorization: Bearer sk-batch", *slow, stream=True))
        head = await peer.receive_until(b"\r\n\r\n")
        decision = head.lower().split(b"x-pointsman-decision: ")[1].split(b"\r\n")[0].decode()
        told = await call.told("explain", decision)
        assert (told["status"], told["request_id"], told["recomputed"], told["pool"]) == (None, None, True, "closed")
        # Its key has no limits, so that nobody has told of it yet: nothing is made up.
        assert (told["key"], told["position"]) == (None, None)
        assert ": closed: has not ended\n" in (await call("explain", decision)).stdout
        request_id = head.lower().split(b"x-request-id: ")[1].split(b"\r\n")[0].decode()
        assert "ask by the number in its x-pointsman-decision" in await call.refused("explain", request_id)
    await at.at_rest()
    told = await call.told("explain", decision)
    assert (told["status"], told["outcome"], told["recomputed"], told["key"]) == (200, "client", True, "batch")


def _tamper(journal: Path, ticket: int) -> int:
    """Change one number of a decision in a journal; the number of its entry."""
    with closing(sqlite3.connect(journal)) as database, database:
        for number, doc in database.execute("SELECT id, doc FROM content").fetchall():
            plain = codec.expanded(doc)
            parts = msgspec.msgpack.decode(plain[1:])
            seq = parts[0][1]
            for place, chunk in enumerate(parts[4]):
                rows = msgspec.msgpack.decode(chunk)
                for row in rows:
                    if len(row) > 10 and row[2] == ticket and row[1] == "chat":
                        row[10][0][1] = 8
                        parts[4][place] = msgspec.msgpack.encode(rows)
                        again = zstandard.compress(plain[:1] + msgspec.msgpack.encode(parts))
                        assert codec.decode(again) != codec.decode(doc)
                        database.execute("UPDATE content SET doc = ? WHERE id = ?", (again, number))
                        return int(seq)
                    seq += 1
    raise AssertionError("the decision is in the journal")


async def test_a_plan_is_tried_and_a_change_is_found(tmp_path: Path) -> None:
    """Issue 5, items 4 and 5: with gates, on a gateway, on what it left, and on what was saved of it."""
    async with simulators("north", "south") as (north, south):
        async with gateway(tmp_path, document(north.url, south.url)) as at:
            call = Caller(tmp_path, at)
            for _ in range(12):
                assert (await post(at, "chat"))[0] == 200
            url = f"{south.url}/v1"
            began = (await at.status())["position"]
            same = (await call("plan", "routes.json", "--since", "1h", "--max-shift", "0%")).stdout
            assert "Nothing would be different." in same
            assert "\n12 recorded requests from " in same
            assert "the present table, tried on 12 requests that it had decided, makes 0 differences" in same
            assert "These are decisions, no predictions" in same
            (tmp_path / "copy.json").write_text(json.dumps(document(north.url, south.url, first=0)))
            assert "--as: this is another file than routes.json" in await call.refused("plan", "copy.json")
            moved = ("plan", "copy.json", "--as", "routes.json", "--since", "1h")
            rows = [line.split() for line in (await call(*moved)).stdout.splitlines()]
            assert ["pool", "provider", "present", "file"] in rows
            assert ["chat", "north", "100.0%", "0.0%"] in rows
            assert "is not whole" not in (await call(*moved, "--max-missing", "0")).stderr
            gated = await call(*moved, "--max-shift", "10%", "--max-new-refusals", "0", code=1)
            assert (
                "north of chat would get 0.0% instead of 100.0% under the present table: a shift of more than 10.0%"
                in gated.stderr
            )
            assert "--max-new-refusals" not in gated.stderr
            closed = document(north.url, south.url)
            closed["targets"]["chat"]["keys"] = ["team"]
            (tmp_path / "copy.json").write_text(json.dumps(closed))
            gated = await call(*moved, "--max-new-refusals", "11", code=1)
            refused = "  12 that the present table would serve would be refused:\n    12 unauthenticated (access)\n"
            assert refused in gated.stdout
            assert "12 requests would be refused that the present table would serve: more than 11 (" in gated.stderr
            await call(*moved, "--max-new-refusals", "12")
            await call("sources", "release", "routes.json")
            for limit in range(1, 20):
                weight = int(limit < 14)
                providers = [
                    {"name": "north", "url": f"{north.url}/v1", "weight": weight},
                    {"name": "south", "url": url},
                ]
                await call(
                    "set", "pools", "chat", f"providers={json.dumps(providers)}", f"limits.max_concurrent={limit}"
                )
            bad = 'share(provider="north") < 0.5'
            warned = await call("bisect", "--bad", f'{bad} or share(pool="chet") > 1', "--from", str(began))
            assert warned.stderr.startswith("warning: pool 'chet' is neither in the tables at the ends nor in the ")
            found = await call.told("bisect", "--bad", bad, "--from", str(began), "--since", "1h")
            table = (await call("bisect", "--bad", bad, "--from", str(began))).stdout
            assert table.splitlines()[1].split("  ")[0] == "position"
            assert table.splitlines()[1].endswith("holds")
            assert table.splitlines()[-1].startswith(f"{found['position']}: ")
            assert "provider north of pool chat: weight 1 → 0" in found["event"]["sentence"]
            state = (await call("state", "--pool", "chat")).stdout
            assert "north" in state
            assert "closed" not in state.splitlines()[1]
            assert await call.told("state", "--at", str(began), "--pool", "chat")
        offline = Caller(tmp_path)
        await offline("export", "--out", "all.json")
        await offline("journal", "save", "week.corpus", "--since", "1d")
        assert "there already" in await offline.refused("journal", "save", "week.corpus")
        span = await offline.told("journal", "show", "--check")
        assert (span["requests"], span["dropped"], span["unreadable"]) == (12, 0, 0)
        saved = await offline.told("journal", "show", "--corpus", "week.corpus")
        assert (saved["entries"], saved["requests"]) == (span["entries"], 12)
        corpus = ("--corpus", "week.corpus")
        assert (await offline.told("bisect", "--bad", bad, "--from", str(began), *corpus))["position"] == found[
            "position"
        ]
        assert (await offline.told("plan", "all.json", *corpus))["traffic"]["requests"] == 12
        await _wrong_input(offline, tmp_path)


async def _wrong_input(offline: Caller, folder: Path) -> None:
    """What is wrong, what is valid, exit code 2, and nothing on standard output."""
    head = (await offline.told("status"))["head"]
    for words, said in (
        (("state", "--at", str(head + 1)), f"Position {head + 1} is not in the log, whose head is {head}"),
        (("state", "--at", "2020-01-01"), "Nothing was recorded by 2020-01-01T00:00:00Z: the log begins at 20"),
        (("bisect", "--bad", "share(x=1) > 2", "--from", "1"), "column 7: share has no filter 'x'"),
        (("bisect", "--bad", 'refused(scope="poool") > 0', "--from", "1"), "valid: access, key, pool, provider, "),
        (
            ("bisect", "--bad", 'share(provider="nirth") > 0', "--from", "1"),
            "provider 'nirth' is neither in the tables at the ends nor in the recorded requests; there are: 'north', ",
        ),
        (("bisect", "--bad", "requests() > 0", "--from", str(head)), "is not before the log's head"),
        (("plan", "all.json", "--since", "2020-01-01", "--until", "2020-01-02"), "No request was recorded in this"),
        (("plan", "all.json", "--since", "1h", "--until", "2h"), "is not after --since"),
        (("plan", "all.json", "--max-shift", "10%"), "need traffic: give --since, or --corpus"),
        (("plan", "all.json", "--since", "1h", "--max-shift", "110%"), "valid: 0% to 100%"),
        (("plan", "none.json"), "none.json"),
        (("explain", "x", "--journal", "none"), "There is no journal none."),
        (("plan", "all.json", "--corpus", "none"), "The corpus none cannot be read: "),
        (("plan", "all.json", "--corpus", "all.json"), "is none that pointsman has saved"),
        (("journal", "save", "x", "--since", "2020-01-01", "--until", "2020-01-02"), "Nothing was recorded between"),
        (("journal", "save", "x", "--since", str(head + 1)), f"valid: 0 to {head}, or a time."),
    ):
        told = await offline.refused(*words)
        assert said in told, (words, told)
    assert not (folder / "x").exists()
    off = await offline.refused("explain", "x", "--journal", "off", code=1)
    assert "No journal is kept here" in off

    other = Caller(folder)
    other.command.environ = {"POINTSMAN_DATABASE": f"sqlite+aiosqlite:///{folder / 'other.db'}"}
    await other("set", "users", "u", "name=U")
    wrong = await other.refused("plan", "all.json", "--corpus", "week.corpus")
    assert "week.corpus was recorded on another log than " in wrong
    for file, code in (("pointsman.db.journal", 2), ("pointsman.db", 1)):
        with closing(sqlite3.connect(folder / file)) as database:
            database.execute("PRAGMA user_version = 99")
        assert "written by a newer version" in await offline.refused("explain", "x", code=code), file


async def test_a_gateway_without_a_journal_says_so(tmp_path: Path) -> None:
    async with gateway(tmp_path, None, "--journal", "off") as at:
        call = Caller(tmp_path, at)
        for words in (("explain", "x"), ("state",), ("bisect", "--bad", "requests() > 0", "--from", "0")):
            said = await call.refused(*words, code=1)
            assert said.startswith("pointsman: No journal is kept here, so nothing can be told of past requests: ")
