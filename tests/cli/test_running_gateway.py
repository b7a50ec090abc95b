"""The command line as a process of its own, at a gateway that is another."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

from tests.e2e.running import PATIENCE_S, ROOT, Gateway, client, gateway, simulators

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
OWNER_SECRET = "sk-of-the-file-0123456789"


def environ_of(at: Gateway, **more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    own = {"POINTSMAN_GATEWAY": at.control, "POINTSMAN_ADMIN_TOKEN_FILE": str(at.folder / "admin-token")}
    return {**mine, "PYTHONPATH": str(ROOT), **own, **more}


def program(*words: str) -> list[str]:
    return [sys.executable, "-m", "pointsman", *words]


async def called(at: Gateway, *words: str, code: int = 0, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line at a gateway to its end, which must have this exit code."""
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            program(*words),
            cwd=at.folder,
            env=environ_of(at, **environ),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done


async def told(at: Gateway, *words: str) -> Any:
    return json.loads((await called(at, *words, "--json")).stdout)


async def asked(at: Gateway, secret: str) -> int:
    """The status of a chat request with a key."""
    async with client() as http:
        answer = await http.post(
            f"{at.data}/v1/chat/completions", json=CHAT, headers={"authorization": f"Bearer {secret}"}
        )
        return answer.status_code


def document(url: str) -> dict[str, Any]:
    """A pool that one key of the file opens."""
    return {
        "auth": {"key_definitions": {"owner": {"key": OWNER_SECRET}}},
        "targets": {"chat": {"url": url, "keys": ["owner"], "onwards_key": "sk-upstream-0123456789"}},
    }


async def test_the_life_of_a_key(tmp_path: Path) -> None:
    """AUTH-9, KEY-2: created, used, rotated with an overlap, revoked; each holds for the first request after it. A
    secret is printed once, alone on the last line of standard output, and is in no other output and no log line.
    """
    async with simulators("one") as (provider,), gateway(tmp_path, document(provider.url)) as at:
        made = await called(at, "keys", "create", "team", "--alias", "chat", "--label", "team=a", "--expires", "90d")
        first = made.stdout.decode().removesuffix("\n")
        assert first.startswith("pm-")
        assert "\n" not in first
        assert first.encode() not in made.stderr
        assert await asked(at, first) == 200

        second = (await told(at, "keys", "rotate", "team", "--overlap", "1h"))["secret"]
        assert second != first
        assert [await asked(at, first), await asked(at, second)] == [200, 200]
        third = (await called(at, "keys", "rotate", "team", "--overlap", "0")).stdout.decode().strip()
        assert [await asked(at, one) for one in (first, second, third)] == [403, 403, 200]

        listed = {one["key_id"]: one for one in await told(at, "keys", "list")}
        assert listed["team"]["labels"] == {"team": "a"}
        assert listed["owner"]["owner"] == "file:routes.json"

        await called(at, "keys", "revoke", "team")
        assert await asked(at, third) == 403
        assert b"Key team was revoked already" in (await called(at, "keys", "revoke", "team")).stdout
        assert b"There is no key 'other'" in (await called(at, "keys", "revoke", "other", code=2)).stderr
        assert b"There is no key 'team'" in (await called(at, "keys", "rotate", "team", code=2)).stderr
        assert await asked(at, OWNER_SECRET) == 200

        outputs = [(await called(at, *words)).stdout for words in (("log",), ("export",), ("show", "--json"))]
        logged = at.log.read_bytes()
        for secret in (first, second, third, OWNER_SECRET, "sk-upstream-0123456789"):
            assert all(secret.encode() not in output for output in (*outputs, logged))
        # The gateway itself has shown the first token once.
        assert all(at.token.encode() not in output for output in outputs)


async def test_a_file_is_applied_to_a_running_gateway(tmp_path: Path) -> None:
    """Planned first, changing nothing; then in force for the next request. What a file manages is not changed by hand
    until its source is released.
    """
    async with simulators("one", "two") as (one, two), gateway(tmp_path) as at:
        (tmp_path / "sent.json").write_text(json.dumps(document(one.url)))
        before = (await told(at, "status"))["head"]
        plan = await called(at, "apply", "sent.json", "--dry-run")
        assert plan.stdout.startswith(b"Nothing is changed yet. Once it is:\n")
        assert b"+ pool chat was added" in plan.stdout
        assert b"nobody to ask" in (await called(at, "apply", "sent.json", code=2)).stderr
        assert (await told(at, "status"))["head"] == before

        receipt = await told(at, "apply", "sent.json", "--yes")
        assert receipt["position"] > before
        assert receipt["is_applied"] is True
        assert await asked(at, OWNER_SECRET) == 200
        again = await called(at, "apply", "sent.json", "--yes")
        assert b"Nothing would be different." in again.stdout

        (tmp_path / "sent.json").write_text(json.dumps(document(two.url)))
        changed = await called(at, "apply", "sent.json", "--yes")
        assert b"~ pool chat: " in changed.stdout
        assert await asked(at, OWNER_SECRET) == 200
        assert len(await two.requests()) == 1

        refused = await called(at, "set", "pools", "chat", "strategy=priority", code=1)
        assert b"sent.json" in refused.stderr
        await called(at, "sources", "release", "sent.json")
        await called(at, "set", "pools", "chat", "strategy=priority")
        assert (await told(at, "get", "pools", "chat"))["strategy"] == "priority"


async def test_what_is_wrong_with_an_applied_file_is_told_with_its_place(tmp_path: Path) -> None:
    """Each problem on a line, exit 2, nothing changed."""
    async with gateway(tmp_path) as at:
        (tmp_path / "sent.json").write_text('{"targets": {"a": {"url": "no"}, "b": {"weight": 0}}}')
        before = (await told(at, "status"))["head"]
        said = (await called(at, "apply", "sent.json", "--yes", code=2)).stderr.decode().splitlines()
        assert said[0].startswith("pointsman: sent.json: line 1: $.targets.a.url: ")
        assert any(line.startswith("pointsman: sent.json: line 1: $.targets.b") for line in said)
        assert (await told(at, "status"))["head"] == before


async def test_the_log_is_followed(tmp_path: Path) -> None:
    """From the first event on, as they come, whoever appends them; Ctrl-C ends it with 0."""
    async with gateway(tmp_path) as at:
        await called(at, "set", "users", "first", "name=One")
        process = await trio.lowlevel.open_process(
            program("log", "--follow", "--json"),
            cwd=tmp_path,
            env=environ_of(at),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            seen: list[dict[str, Any]] = []
            rest = b""
            with trio.fail_after(PATIENCE_S):
                while not any(one["stream"] == "user:second" for one in seen):
                    rest += await process.stdout.receive_some()
                    *lines, rest = rest.split(b"\n")
                    seen += [json.loads(line) for line in lines]
                    if seen and seen[-1]["stream"] == "user:first":
                        # Offline, beside the gateway, which follows the log.
                        database = f"sqlite+aiosqlite:///{tmp_path / 'pointsman.db'}"
                        await called(at, "set", "users", "second", "name=Two", "--database", database)
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 0
        finally:
            if process.poll() is None:
                process.kill()
        assert [one["position"] for one in seen] == list(range(1, len(seen) + 1))
        assert seen[-1]["sentence"].startswith("user second was created")
        assert (await told(at, "get", "users", "second"))["name"] == "Two"


async def test_a_bad_file_is_rolled_back(tmp_path: Path) -> None:
    """Issue 5, item 6: put back in its file's place while requests go on, and not read again until the file is changed,
    which then holds.
    """

    async def changed(url: str) -> None:
        before = (await at.status())["position"]
        fresh = tmp_path / "routes.json.new"
        fresh.write_text(json.dumps(document(url)))
        fresh.replace(tmp_path / "routes.json")
        await at.at_position(before + 1)

    async with simulators("one", "two", "three") as (one, two, three), gateway(tmp_path, document(one.url)) as at:
        good = (await at.status())["position"]
        await changed(two.url)
        assert await asked(at, OWNER_SECRET) == 200
        done = await called(at, "rollback", str(good), "--yes")
        assert "The file routes.json itself still says otherwise" in done.stderr.decode()
        assert f"In force at position {(await at.status())['position']}." in done.stdout.decode()
        assert await asked(at, OWNER_SECRET) == 200
        assert (len(await one.requests()), len(await two.requests())) == (1, 1)
        told_by = await called(at, "log", "--actor", "file:routes.json", "--since", "1h")
        assert b"token:local for file:routes.json" in told_by.stdout.splitlines()[-1]
        await changed(three.url)
        assert await asked(at, OWNER_SECRET) == 200
        assert len(await three.requests()) == 1


async def test_how_a_gateway_stands(tmp_path: Path) -> None:
    """Position, log, sync state, this replica with its lag, its file and what that is ignored in, a line each."""
    async with (
        simulators("one") as (provider,),
        gateway(tmp_path, {**document(provider.url), "wieght": 5, "stratgy": "priority"}) as at,
    ):
        found = await told(at, "status")
        assert found["status"]["is_ready"] is True
        assert found["status"]["detail"]["file"]["path"] == "routes.json"
        assert (found["status"]["detail"]["log"], found["status"]["detail"]["sync"]) == ("readable", "connected")
        (replica,) = found["replicas"]
        assert (replica["is_answering"], replica["behind"], found["head"]) == (True, 0, replica["position"])
        people = (await called(at, "status")).stdout.decode()
        assert replica["replica_id"] in people
        assert "this one" in people
        warnings = [line for line in people.splitlines() if line.startswith("file_warnings[")]
        assert [": $.wieght: " in line or ": $.stratgy: " in line for line in warnings] == [True, True]
        offline = await called(at, "status", "--database", f"sqlite+aiosqlite:///{tmp_path / 'pointsman.db'}")
        assert "no gateway was asked" in (aside := offline.stdout.decode())
        assert not [word for word in ("is ready", "answering", "no gateway\n") if word in aside]
        assert "routes.json" in people

        verified = await told(at, "verify")
        assert verified["intact"] is True
        assert len(verified["head_hash"]) == 64
        text = (await called(at, "verify")).stdout.decode()
        assert verified["head_hash"] in text
        assert b"+ pool chat was added" in (await called(at, "diff", "0")).stdout
        lines = (await called(at, "log", "--after", "1", "--limit", "2")).stdout.decode().splitlines()
        assert [line.split()[0] for line in lines] == ["2", "3"]
        shown = (await called(at, "show")).stdout.decode()
        assert "1 pool(s), 1 key(s)" in shown
        assert "chat" in shown


async def test_a_gateway_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """So is a token that is refused, or missing, or too small; what else could be done is named."""
    async with gateway(tmp_path) as at:
        refused = await called(at, "get", "users", code=1, POINTSMAN_ADMIN_TOKEN="not-a-good-token")
        sentence = f"pointsman: The gateway at {at.control} refuses the admin token: give another with "
        assert refused.stderr.decode() == f"{sentence}--admin-token-file or POINTSMAN_ADMIN_TOKEN.\n"
        missing = await called(at, "get", "users", code=2, POINTSMAN_ADMIN_TOKEN_FILE="none")
        assert b"No admin token: the file none cannot be read" in missing.stderr
        reader = (await called(at, "token", "create", "ci", "--scope", "read")).stdout.decode().strip()
        assert (await called(at, "get", "users", POINTSMAN_ADMIN_TOKEN=reader)).returncode == 0
        small = await called(at, "set", "users", "u", "name=U", code=1, POINTSMAN_ADMIN_TOKEN=reader)
        assert b"asks for a token of scope operate; this one has read." in small.stderr
        (token,) = [one for one in await told(at, "token", "list") if one["name"] == "ci"]
        await called(at, "token", "revoke", token["token_id"])
        assert b"refuses" in (await called(at, "get", "users", code=1, POINTSMAN_ADMIN_TOKEN=reader)).stderr
        assert reader.encode() not in at.log.read_bytes()
        await at.stop()
        gone = (await called(at, "get", "users", code=1)).stderr.decode()
        assert gone.startswith(f"pointsman: The gateway at {at.control} cannot be reached (connection refused): ")
        assert "--database URL" in gone
        assert gone.count("\n") == 1
