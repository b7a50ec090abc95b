"""What is asked of the past, and what people are told: names, reach, and a terminal of 80 columns."""

import os
import re
import sys
from pathlib import Path

import pytest
import trio

from adapters.cli.actors import actor_of, named
from adapters.cli.tables import print_rows
from engine.errors import StartFailed
from tests.cli.calling import Command
from tests.cli.test_traffic import Caller, document, post
from tests.e2e.running import ROOT, gateway, simulators

SAM, KIM = "token-93a5d03c", "token-9cb93bf1"
ID, TIME = "01a2001f-d1c1-7286-90e1-6d940503046a", "2026-11-22T02:54:58.041Z"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({SAM: "sam", KIM: "kim"}, "token:sam for file:a token:b"),
        ({SAM: "sam", KIM: "sam"}, f"token:{SAM} for file:a token:b"),
        ({SAM: "local"}, f"token:{SAM} for file:a token:b"),
        ({SAM: KIM, KIM: "kim"}, f"token:{SAM} for file:a token:b"),
        ({}, f"token:{SAM} for file:a token:b"),
    ],
)
def test_a_token_is_called_by_its_name_where_that_is_its_alone(names: dict[str, str], said: str) -> None:
    """Else by its id, which is never anybody's name."""
    assert named(f"token:{SAM} for file:a token:b", names) == said


def test_a_name_that_is_several_tokens_stands_for_none() -> None:
    """The ids are told."""
    assert actor_of("sam", {SAM: "sam"}) == actor_of(SAM, {SAM: "sam"}) == f"token:{SAM}"
    assert actor_of("file:routes.json", {SAM: "sam"}) == "file:routes.json"
    with pytest.raises(StartFailed, match=f"2 admin tokens are called 'sam'; valid: token:{SAM}, token:{KIM}"):
        actor_of("token:sam", {SAM: "sam", KIM: "sam"})


def test_a_narrow_terminal_breaks_no_id_and_no_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What does not fit is left out, which is said; a wide one has all."""
    row = {"request id": ID, "ended": TIME, "asked for": "chat", "status": 429, "outcome": "rate_limit (provider)"}
    whole, spare = ("request id", "ended", "status"), ("missing", "asked for")
    for columns, is_whole in ((80, False), (200, True)):
        for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", str(columns)), ("TERM", "xterm")):
            monkeypatch.setenv(name, value)
        print_rows([row], whole=whole, spare=spare)
        printed = capsys.readouterr()
        lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", printed.out).splitlines()]
        assert lines[1].startswith(ID)
        assert TIME in lines[1]
        assert all(len(line) <= columns for line in lines)
        assert (len(lines), "asked for" in lines[0]) == (2 if is_whole else 3, is_whole)
        assert printed.err == ("" if is_whole else "The terminal is too narrow for: asked for.\n")


async def test_names_filters_and_reach(pointsman: Command) -> None:
    """At a gateway and on its database: tokens by name, streams by any word for the entity, what is out of reach."""
    folder = pointsman.folder
    async with simulators("north", "south") as (north, south):
        async with gateway(folder, document(north.url, south.url)) as at:
            call, other = Caller(folder, at), Caller(folder, at)
            await call("sources", "release", "routes.json")
            sam = (await call("token", "create", "sam", "--scope", "operate")).stdout.strip()
            other.command.environ |= {"POINTSMAN_ADMIN_TOKEN": sam}
            await other("set", "endpoint", "e", f"url={north.url}/v1")
            await other("set", "deployment", "north", "alias=n", "model_name=m", "endpoint_id=e")
            await other("set", "pool", "chat", "limits.max_concurrent=9")
            head = (await at.status())["position"]
            await _log(call, head)
            assert "token:sam" not in (await other("log")).stdout, "sam may not know the tokens"
            assert [(await post(at, "chat"))[0] for _ in range(2)] == [200, 200]
            _, request_id, _ = await post(at, "chat")
            explained = (await call("explain", request_id)).stdout
            assert re.search(rf"\n +{head}  20\S+Z  token:sam  pool chat: limit none → 9", explained), explained
            for words, said in (
                (("requests", "--from", "99"), f"--from: position 99 is not in the log, whose head is {head}"),
                (("requests", "--status", "abc"), "'abc' is no status; valid: 100 to 599, or a class of them: 1 to 5"),
                (("requests", "--since", "1h", "--until", "2h"), " is not after --since, "),
                (("state", "--at", "0"), f"At position 0 there was no pool yet; valid: 1 to {head}, or a time."),
                (("state", "--pool", "nope"), f"There is no pool 'nope' at position {head}; valid: chat, closed, n, "),
                (("bisect", "--bad", "attempts() >", "--from", "1"), "--bad: column "),
            ):
                told = await call.refused(*words)
                assert said in told, (words, told)
            await _advice(call, head)
            unasked = await call("state", "--at", str(head - 1), "--pool", "n")
            assert "Nothing is recorded of n by then: not used yet since 20" in unasked.stderr
            assert "The journal ends at" not in (await call("state", "--pool", "chat")).stderr
        offline = Caller(folder)
        await _log(offline, head)
        assert (await offline("explain", request_id)).stdout == explained
        assert "\nThe journal ends at 20" in "\n" + (await offline("state", "--pool", "chat")).stderr
        await _broken_pipe(folder, request_id)


async def _log(call: Caller, head: int) -> None:
    by_sam = (await call("log", "--actor", "sam")).stdout
    assert [line.split()[0] for line in by_sam.splitlines()] == [str(head - 2), str(head - 1), str(head)]
    assert all("  token:sam  " in line for line in by_sam.splitlines())
    assert (await call("log", "--actor", "token:sam")).stdout == by_sam
    (event,) = (await call("log", "--json", "--stream", "deployment:north")).stdout.splitlines()
    assert '"stream":"model:north"' in event
    assert "token:sam" not in event
    for words in (("--actor", "nobody"), ("--stream", "pool:nope"), ("--after", str(head))):
        assert await call.refused("log", *words, code=0) == f"No such event is in the log, whose head is {head}.\n"
    for option in ("--since", "--after", "--until"):
        said = f"pointsman: {option}: position 999 is not in the log, whose head is {head}; valid: 0 to {head}.\n"
        assert await call.refused("log", option, "999") == said


async def _advice(call: Caller, head: int) -> None:
    """What to choose instead, only where there is such a thing."""
    for bad, first, said in (
        ("requests() > 0", 0, "holds at position 0 already (requests() is 3 and 3)."),
        ("requests() > 0", 1, "holds at position 1 already; choose an earlier position to begin with (requests()"),
        ("requests() > 9", 1, f"does not hold at position {head}, the log's head (requests() is 3 and 3)."),
        ('attempts(pool="chat") > 9', 1, "the log's head; choose a threshold between 0 and 3 (attempts("),
        (
            'attempts(pool="chat") < 1',
            1,
            f"holds at position 1, and no more at {head}; choose its opposite, by not (...)",
        ),
    ):
        told = await call.refused("bisect", "--bad", bad, "--from", str(first))
        assert said in told, (bad, told)
    found = (await call("bisect", "--bad", 'attempts(pool="chat") > 2', "--from", "1")).stdout.splitlines()
    assert found[1].split("  ")[1:] == ['attempts(pool="chat")', "holds"]
    positions = [int(line.split()[0]) for line in found[2 : found.index("")]]
    assert positions == sorted(positions)
    assert ", by file:routes.json at 20" in found[-1]


async def _broken_pipe(folder: Path, request_id: str) -> None:
    """A reader that has enough ends the verb without a word."""
    for words in (("requests",), ("explain", request_id)):
        reader, writer = os.pipe()
        os.close(reader)
        done = await trio.run_process(
            [sys.executable, "-m", "pointsman", *words, "--database", f"sqlite+aiosqlite:///{folder / 'pointsman.db'}"],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT)},
            stdout=writer,
            capture_stderr=True,
            check=False,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, b""), words


async def test_a_corpus_that_cannot_be_is_one_sentence(pointsman: Command) -> None:
    """Exit 2, and no line of a log beside it."""
    async with gateway(pointsman.folder, {"targets": {}}) as at:
        await at.status()
    (pointsman.folder / "chat.yaml").write_text("pointsman: 1\n")
    offline = Caller(pointsman.folder)
    said = await offline.refused("bisect", "--bad", "requests() > 0", "--from", "0", "--corpus", "chat.yaml")
    assert said == "pointsman: The corpus chat.yaml is none that pointsman has saved.\n"
    said = await offline.refused("journal", "save", "/nonexistent/x")
    assert said == "pointsman: The corpus /nonexistent/x cannot be written: No such file or directory.\n"
