"""Wrong input at the start ends the process in one clear line; wrong input while it runs harms nothing and no one."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from tests.e2e.running import PATIENCE_S, ROOT, Gateway, client, gateway, simulators, until
from tests.e2e.worlds import CHAT, appended, asked, exchange, head

GOOD = {"targets": {"m": {"url": "http://127.0.0.1:9/v1"}}}


@attrs.frozen
class Ended:
    code: int
    errors: list[str]
    "The lines on standard error."


async def start(folder: Path, *options: str, text: str | None = json.dumps(GOOD)) -> Ended:
    """Start a gateway that cannot start; how it ends. Options given later override the good ones before them."""
    if text is not None:
        (folder / "routes.json").write_text(text)
    arguments = [
        *("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--config", str(folder / "routes.json")),
        *("--database", f"sqlite+aiosqlite:///{folder / 'pointsman.db'}"),
        *("--admin-token-file", str(folder / "admin-token")),
        *options,
    ]
    with trio.fail_after(PATIENCE_S):
        ended = await trio.run_process(
            [sys.executable, "-m", "pointsman", "serve", *arguments],
            capture_stdout=True,
            capture_stderr=True,
            stdin=subprocess.DEVNULL,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert ended.stdout == b""
    lines = ended.stderr.decode().splitlines()
    assert not [line for line in lines if "Traceback" in line or "Error(" in line]
    return Ended(ended.returncode, [line for line in lines if not line.startswith("{")])


def _pool(**more: Any) -> str:
    """A file with a pool of two, wrong in one place."""
    providers = [{"name": name, "url": "http://h/v1"} | more.pop(name, {}) for name in "ab"]
    return json.dumps({"targets": {"m": {"providers": providers, **more}, "n": []}})


def _leading_to(**action: Any) -> list[dict[str, Any]]:
    return [{"match_labels": {}, "action": action}]


MISSPELT = {"url": "http://h/v1", "concurency_limit": {"max_concurrent_requests": 1}}
FILES = (
    (None, "routes.json: ", "there is no such file; valid: the path of an existing file"),
    ("", "routes.json: ", "the file is empty; valid: at least an object with `targets`"),
    ('{"targets": {\n  "m": {url}}}', "routes.json: line 2, column 9: ", "valid: JSON"),
    ('{"targets": {"m": {"url": "/v1"}}}', "routes.json: $.targets.m.url: ", "https://api.example/v1"),
    (
        '{"targets": {"m": {"url": "http://h", "weight": -1}}}',
        "routes.json: $.targets.m.weight: -1 is not valid here; ",
        "a whole number from 0 (never chosen) to 4294967295",
    ),
    (json.dumps({"targets": {"m": MISSPELT}}), "routes.json: $.targets.m.concurency_limit: ", "`concurrency_limit`"),
)
FIRST = "providers[0]"
POOLS: tuple[tuple[str, str, str], ...] = (
    *(
        (_pool(a={"rate_limit": {"requests_per_second": rate}}), f"{FIRST}.rate_limit.requests_per_second", "above 0")
        for rate in (0, -1)
    ),
    *(
        (_pool(rate_limit={"requests_per_second": rate}), "rate_limit.requests_per_second", "a number")
        for rate in (float("nan"), float("inf"))
    ),
    (_pool(rate_limit={"requests_per_second": 1, "burst_size": 0}), "rate_limit.burst_size", "from 1"),
    (_pool(fallback={"max_attempts": 0}), "fallback.max_attempts", "from 1"),
    (_pool(fallback={"exhausted": "hide"}), "fallback.exhausted", '"relay" or "mask"'),
    (_pool(a={"weight": 2**32}), f"{FIRST}.weight", "to 4294967295"),
    (_pool(strategy="round_robin"), "strategy", '"weighted_random", "priority"'),
    (_pool(routing_rules=_leading_to(type="allow")), "routing_rules[0].action.type", '"deny" or "redirect"'),
    (_pool(routing_rules=_leading_to(type="redirect", target="m")), "routing_rules[0].action.target", "another alias"),
    (_pool(routing_rules=_leading_to(type="redirect", target="x")), "routing_rules[0].action.target", "an alias"),
    (_pool(circuit={"failures": 0}), "circuit.failures", "from 1"),
    (_pool(circuit={"cooldown_secs": []}), "circuit.cooldown_secs", "at least one"),
    (_pool(circuit={"when_all_open": "wait"}), "circuit.when_all_open", '"probe" or "refuse"'),
    (_pool(timeouts={"idle_secs": 0}), "timeouts.idle_secs", "above 0"),
    (_pool(timeouts={"connect_secs": 5, "total_secs": 1}), "timeouts.total_secs", "at least the times"),
    (_pool(affinity={"header": "x session"}), "affinity.header", "an HTTP header name"),
    (_pool(affinity={"max_load_percent": 99}), "affinity.max_load_percent", "from 100"),
    (_pool(b={"priority": 1}), f"{FIRST}.priority", "for every provider or for none"),
    (
        _pool(a={"deployment": "gpu"}, b={"deployment": "gpu", "concurrency_limit": {"max_concurrent_requests": 1}}),
        "providers[1].deployment",
        "the same limits",
    ),
    (
        _pool(a={"request_timeout_secs": 30, "timeouts": {"first_byte_secs": 20}}),
        f"{FIRST}.timeouts.first_byte_secs",
        "the same number in both",
    ),
)


async def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    """CFG-1, CFG-17, CFG-18: exit code 2, one line with file, place, what is wrong and what is valid; no event."""

    async def check(folder: Path, text: str | None, place: str, valid: str) -> None:
        ended = await start(folder, "--strict-config", text=text)
        assert (ended.code, len(ended.errors)) == (2, 1), ended.errors
        assert ended.errors[0].startswith(f"pointsman: {folder}/{place}")
        assert valid in ended.errors[0]
        assert appended(folder) == 0

    async with trio.open_nursery() as nursery:
        for number, row in enumerate(FILES):
            folder = tmp_path / str(number)
            folder.mkdir()
            nursery.start_soon(check, folder, *row)


async def test_a_pool_that_means_nothing_is_one_line(tmp_path: Path) -> None:
    """RULE-10, RL-2, DEF-29, DEF-48, HEALTH-6, SYNC-17: rejected when the file is read, with path and reason."""
    few = trio.CapacityLimiter(4)

    async def check(folder: Path, text: str, place: str, valid: str) -> None:
        async with few:
            ended = await start(folder, text=text)
        assert (ended.code, len(ended.errors)) == (2, 1), ended.errors
        assert ended.errors[0].startswith(f"pointsman: {folder}/routes.json: $.targets.m.{place}: ")
        assert valid in ended.errors[0].partition("; valid: ")[2]
        assert appended(folder) == 0

    async with trio.open_nursery() as nursery:
        for number, row in enumerate(POOLS):
            folder = tmp_path / str(number)
            folder.mkdir()
            nursery.start_soon(check, folder, *row)


@pytest.fixture
def taken() -> Iterator[str]:
    """An address that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


@pytest.mark.parametrize("option", ["--listen", "--control"])
async def test_a_taken_port_is_one_line(tmp_path: Path, taken: str, option: str) -> None:
    """Either port in use: exit code 2 and the option that would change it; the database is not even made."""
    ended = await start(tmp_path, option, taken)
    assert ended.code == 2
    expected = f"pointsman: Cannot listen on {taken}: it is already in use; choose another address with {option}"
    assert ended.errors == [f"{expected} HOST:PORT."]
    assert not (tmp_path / "pointsman.db").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--lisen", "127.0.0.1:0"), "No such option '--lisen'"),
        (("--listen", "localhost"), "'localhost' is no address; valid: HOST:PORT such as 127.0.0.1:8080"),
        (("--listen", "127.0.0.1:65536"), "port 0 to 65535"),
        (("--drain-seconds", "soon"), "'soon' is not a valid float range"),
    ],
)
async def test_wrong_usage_is_told(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """An unknown option or a bad value: exit code 2, the usage and one sentence."""
    ended = await start(tmp_path, *options)
    assert ended.code == 2
    assert ended.errors[0].startswith("Usage: ")
    assert said in ended.errors[-1]
    assert not (tmp_path / "pointsman.db").exists()


DATABASES = (
    ("sqlite+aiosqlite:///{folder}/none/p.db", 2, "the directory {folder}/none does not exist; create it first."),
    ("sqlite+aiosqlite:///{folder}", 2, "is a directory; give the path of a file in it."),
    ("sqlite+aiosqlite:///{folder}/routes.json", 2, "is not an SQLite database"),
    ("postgresql://me:secret@h/db", 2, "valid are sqlite+aiosqlite:///relative.db"),
    # Not what was written but how the machine is: 1, as for every start that may succeed when tried again.
    ("sqlite+aiosqlite:////proc/p.db", 1, "make the file and its directory writable for this user."),
)


async def test_a_database_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    """Each says which file and what would do; a URL's password is not repeated."""

    async def check(folder: Path, database: str, code: int, said: str) -> None:
        ended = await start(folder, "--database", database.format(folder=folder))
        assert (ended.code, len(ended.errors)) == (code, 1), ended.errors
        assert said.format(folder=folder) in ended.errors[0]
        assert "secret" not in ended.errors[0]

    async with trio.open_nursery() as nursery:
        for number, row in enumerate(DATABASES):
            folder = tmp_path / str(number)
            folder.mkdir()
            nursery.start_soon(check, folder, *row)


async def unharmed(running: Gateway, events: int) -> None:
    """The gateway serves as before and has appended nothing."""
    async with client() as http:
        assert (await http.post(f"{running.data}{CHAT}", json=asked())).status_code == 200
    assert running.process.poll() is None
    assert appended(running.folder) == events
    assert not [line for line in running.lines() if line["event"] == "unforeseen"]


async def test_requests_that_are_too_large(tmp_path: Path) -> None:
    """MODEL-9, F06, G04: 64 MiB is a 413, declared, sent, or sent in chunks; a head of 20 KiB or 200 fields a 431."""
    mebibyte = b"x" * 2**20
    declared = head(CHAT, "Content-Length: 67108864")
    chunked = head(CHAT, "Transfer-Encoding: chunked")
    async with simulators("one") as (one,), gateway(tmp_path, {"targets": {"m": {"url": one.url}}}) as running:
        events = appended(tmp_path)
        for pieces in (
            (declared,),
            (declared, *([b"x" * 64] * 4)),
            (declared, *([mebibyte] * 64)),
            (chunked, *([b"%x\r\n%b\r\n" % (len(mebibyte), mebibyte)] * 64), b"0\r\n\r\n"),
        ):
            answer = await exchange(running.data, *pieces)
            assert (answer.status, answer.json()["error"]["code"]) == (413, "payload_too_large")
            assert answer.headers["connection"] == "close"
        for fields in (("x-long: " + "x" * 20 * 1024,), tuple(f"x-{place}: 1" for place in range(200))):
            answer = await exchange(running.data, head(CHAT, *fields))
            assert (answer.status, answer.json()["error"]["code"]) == (431, "headers_too_large")
        assert await one.requests() == []
        await unharmed(running, events)


async def test_requests_that_say_nothing(tmp_path: Path) -> None:
    """MODEL-2, F01: no JSON, no model, no HTTP: refused each, and the next request is served."""
    async with simulators("one") as (one,), gateway(tmp_path, {"targets": {"m": {"url": one.url}}}) as running:
        events = appended(tmp_path)
        for body in (b"", b"not JSON", b"\x00\xff" * 1000, b'{"messages": []}'):
            answer = await exchange(running.data, head(CHAT, f"Content-Length: {len(body)}"), body)
            assert (answer.status, answer.json()["error"]["param"]) == (400, "model")
        for raw in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", head(CHAT, "Content-Length: -1")):
            assert (await exchange(running.data, raw)).status == 400
        assert await one.requests() == []
        await unharmed(running, events)


async def test_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    """CFG-19, DEF-51: the last good table stays, /health/ready says what is wrong, and better content is taken."""
    async with simulators("one") as (one,), gateway(tmp_path, {"targets": {"m": {"url": one.url}}}) as running:
        events, position = appended(tmp_path), (await running.status())["position"]
        file = (await running.status())["file"]
        assert file == {"path": "routes.json", "position": position, "problems": [], "warnings": []}
        for text, problem in (
            ('{"targets": ', "line 1, column 13"),
            ('{"targets": {"m": {"url": "nowhere"}}}', "$.targets.m.url"),
            ('{"targets": {"m": {"url": "http://h", "weight": -1}, "n": {}}}', "$.targets.m.weight"),
        ):
            (tmp_path / "routes.json").write_text(text)
            status = await _reported(running, problem)
            assert (status["status"], status["position"], status["file"]["position"]) == ("ready", position, position)
            await unharmed(running, events)
        better = {"targets": {"m": {"url": one.url}, "n": {"url": one.url}}}
        (tmp_path / "routes.json").write_text(json.dumps(better))
        await running.at_position(position + 1)
        assert (await _reported(running, None))["file"]["position"] == appended(tmp_path) > events
        async with client() as http:
            assert (await http.post(f"{running.data}{CHAT}", json=asked("n"))).status_code == 200


async def _reported(running: Gateway, problem: str | None) -> dict[str, Any]:
    """The readiness report once its file's problems are these: one with this text in it, or none."""
    status: dict[str, Any] = {}

    async def is_reported() -> bool:
        status.update(await running.status())
        problems = status["file"]["problems"]
        return not problems if problem is None else any(problem in each for each in problems)

    await until(is_reported)
    return status
