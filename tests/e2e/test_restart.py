"""From an empty log to a killed process and back: the table, and the credentials, come from the log alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio

from adapters import clock
from adapters.config import load
from adapters.store import open_store
from engine.snapshot import Manifest, RoutingSnapshot
from tests.e2e.running import ROOT, Gateway, Simulator, client, gateway, simulators, until
from tests.e2e.worlds import CHAT, appended, asked, folded, values

GLOBAL, PEOPLE, INLINE = "sk-global-7f31", "sk-people-9c02", "sk-inline-44aa"
UPSTREAM, BACKUP, FROM_ENV = "up-secret-d5e8", "up-backup-0b6f", "up-from-env-e21c"
SECRETS = (GLOBAL, PEOPLE, INLINE, UPSTREAM, BACKUP, FROM_ENV)
ENVIRON = {"UPSTREAM_KEY": FROM_ENV}


def document(one: Simulator, two: Simulator) -> dict[str, Any]:
    """One of everything a file can say that this version keeps."""
    return {
        "http_pool": {"max_idle_per_host": 7, "idle_timeout_secs": 12.5},
        "auth": {
            "global_keys": [GLOBAL],
            "key_definitions": {
                "people": {
                    "key": PEOPLE,
                    "labels": {"purpose": "realtime", "team": "café"},
                    "rate_limit": {"requests_per_second": 2.5, "burst_size": 5},
                    "concurrency_limit": {"max_concurrent_requests": 3},
                }
            },
        },
        "targets": {
            "main": {
                "keys": ["people", INLINE],
                "strategy": "priority",
                "concurrency_limit": {"max_concurrent_requests": 20},
                "fallback": {"enabled": True, "on_status": [429, 5], "max_attempts": 2, "backoff": {"initial_ms": 50}},
                "response_headers": {"Input-Price": "0.1"},
                "routing_rules": [
                    {"match_labels": {"purpose": "batch"}, "action": {"type": "redirect", "target": "list"}},
                    {"match_labels": {"team": "x", "purpose": "y"}, "action": {"type": "deny"}},
                ],
                "providers": [
                    {"name": "first", "url": f"{one.url}/v1", "onwards_key": UPSTREAM, "onwards_model": "real"},
                    {
                        "url": two.url,
                        "onwards_key": BACKUP,
                        "upstream_auth_header_name": "X-Key",
                        "upstream_auth_header_prefix": "",
                        "weight": 0,
                        "trusted": True,
                        "request_timeout_secs": 30,
                    },
                ],
            },
            "list": [{"url": one.url, "weight": 0}, {"url": two.url, "onwards_key": "env:UPSTREAM_KEY"}],
            "empty": [],
        },
    }


async def stored(folder: Path) -> tuple[RoutingSnapshot, Manifest]:
    """The table that the log alone says, and the one that the file wishes for, both read by nobody's process."""
    url = f"sqlite+aiosqlite:///{folder / 'pointsman.db'}"
    async with open_store(url, environ=ENVIRON, clock_us=clock.unix_us) as store:
        assert await store.log.verify() == appended(folder)
        loaded = load(folder / "routes.json", strict=True, credential_id=store.vault.credential_id, environ=ENVIRON)
        return folded(await store.log.read(0)), loaded.manifest


def as_manifest(snapshot: RoutingSnapshot) -> Manifest:
    return Manifest(dict(snapshot.pools), dict(snapshot.keys), snapshot.settings)


async def use(running: Gateway, one: Simulator, two: Simulator) -> None:
    """Each credential arrives at its provider, and each key opens what it should."""
    async with client() as http:
        http.base_url = running.data
        for secret in (GLOBAL, PEOPLE, INLINE):
            answer = await http.post(CHAT, json=asked("main"), headers={"authorization": f"Bearer {secret}"})
            assert (answer.status_code, answer.headers["x-pointsman-provider"]) == (200, "first")
            assert answer.json()["model"] == "real"
            assert answer.headers["input-price"] == "0.1"
        assert values((await one.requests())[-1], "authorization") == [f"Bearer {UPSTREAM}"]
        failing = {"authorization": f"Bearer {PEOPLE}", "x-simulate-refuse": "true"}
        assert (await http.post(CHAT, json=asked("list"), headers=failing)).status_code == 403
        failing["authorization"] = f"Bearer {GLOBAL}"
        assert (await http.post(CHAT, json=asked("list"), headers=failing)).status_code == 502
        assert values((await two.requests())[-1], "authorization") == [f"Bearer {FROM_ENV}"]
        assert (await http.post(CHAT, json=asked("main"))).status_code == 401


async def test_the_log_alone_brings_everything_back(tmp_path: Path) -> None:
    """From an empty log: import, serve, kill -9, start without the file: the same table, served at once."""
    async with simulators("one", "two") as (one, two):
        async with gateway(tmp_path, document(one, two), environ=ENVIRON) as running:
            position = (await running.status())["position"]
            await use(running, one, two)
            running.kill()
            await running.process.wait()
        before, wished = await stored(tmp_path)
        assert as_manifest(before) == wished
        assert before.position == position == appended(tmp_path) > 0

        async with gateway(tmp_path, environ=ENVIRON) as running:
            [started] = [line for line in running.lines() if line["event"] == "listening"][1:]
            assert (started["position"], started["pools"]) == (position, 3)
            await use(running, one, two)
            assert "file" not in await running.status()
            assert await running.stop() == 0
        after, wished = await stored(tmp_path)
        assert after == before
        assert as_manifest(after) == wished


async def test_an_unchanged_file_appends_nothing(tmp_path: Path) -> None:
    """DELTA-7: the next start with the same file, also rewritten in another order, leaves the log as it was."""
    async with simulators("one", "two") as (one, two):
        first = document(one, two)
        async with gateway(tmp_path, first, environ=ENVIRON) as running:
            position = (await running.status())["position"]
            assert await running.stop() == 0
        reordered = {name: first[name] for name in reversed(first)}
        reordered["targets"] = {alias: first["targets"][alias] for alias in reversed(first["targets"])}
        for again in (first, reordered):
            async with gateway(tmp_path, again, environ=ENVIRON) as running:
                status = await running.status()
                assert (status["position"], status["file"]["problems"]) == (position, [])
                assert await running.stop() == 0
            assert appended(tmp_path) == position


async def test_secrets_are_nowhere(tmp_path: Path) -> None:
    """OBS-4, G09: no client's and no provider's secret is in the database, the log lines, the metrics or a report."""
    async with simulators("one", "two") as (one, two):
        async with gateway(tmp_path, document(one, two), "--log-level", "debug", environ=ENVIRON) as running:
            await use(running, one, two)
            async with client() as http:
                reports = [
                    (await http.get(f"{running.control}{path}")).content for path in ("/metrics", "/health/ready")
                ]
                wrong = {"authorization": "Bearer sk-wrong-55d1", "x-api-key": "sk-wrong-55d1"}
                await http.post(f"{running.data}{CHAT}", json=asked("main"), headers=wrong)
            changed = document(one, two)
            changed["targets"]["main"]["providers"][0]["weight"] = -1
            (tmp_path / "routes.json").write_text(json.dumps(changed))
            await running.logged("configuration file not taken; the last good one stays in force")
            sinks = {path.name: path.read_bytes() for path in tmp_path.glob("pointsman.db*") if path.suffix != ".key"}
            assert await running.stop() == 0
        sinks |= {f"{path.name} at rest": path.read_bytes() for path in tmp_path.glob("pointsman.db")}
        sinks |= {"log": running.log.read_bytes(), "reports": b"".join(reports)}
        assert sinks.keys() >= {"pointsman.db", "pointsman.db-wal", "pointsman.db at rest", "log", "reports"}
        for where, content in sinks.items():
            assert content or where.endswith("-lock")
            for secret in (*SECRETS, "sk-wrong-55d1"):
                assert secret.encode() not in content, f"{secret} is in {where}"


async def test_a_killed_start_leaves_nothing_by_halves(tmp_path: Path) -> None:
    """Killed while it imports, it leaves an empty log or a whole one, and the next start serves the whole file."""
    async with simulators("one", "two") as (one, two):
        for begun in (lambda folder: (folder / "pointsman.db").exists(), appended):
            folder = tmp_path / begun.__name__
            folder.mkdir()

            async def has_begun(folder: Path = folder, begun: Callable[[Path], object] = begun) -> bool:
                return bool(begun(folder))

            async with trio.open_nursery() as nursery:
                process = await nursery.start(starting, folder, document(one, two))
                await until(has_begun)
                process.kill()
            table, wished = await stored(folder)
            assert as_manifest(table) in (Manifest(), wished)
            async with gateway(folder, document(one, two), environ=ENVIRON) as running:
                await use(running, one, two)
            table, wished = await stored(folder)
            assert as_manifest(table) == wished


async def starting(folder: Path, wished: Any, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    """A gateway that nobody waits for."""
    (folder / "routes.json").write_text(json.dumps(wished))
    arguments = [
        *("--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--config", str(folder / "routes.json")),
        *("--database", f"sqlite+aiosqlite:///{folder / 'pointsman.db'}"),
        *("--admin-token-file", str(folder / "admin-token")),
    ]
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "pointsman", "serve", *arguments],
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **ENVIRON},
    )
    task_status.started(process)
    await process.wait()
