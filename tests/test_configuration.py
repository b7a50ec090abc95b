"""A configuration file whose source was released, and claimed again."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from adapters import clock
from adapters.configuration import ConfigurationFile
from adapters.store.memory import MemoryEventLog
from adapters.store.shelf import MemoryShelf
from adapters.store.unlocking import open_vault
from adapters.store.vault_key import random_key
from engine.commands import ApplyManifest, ChangeEntities, DefineKey
from engine.errors import Owned
from engine.events import SourceClaimed, SourceReleased
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from projections import routing
from tests.engine.tables import key, manifest

SOURCE = "file:routes.json"


class Rig:
    """A file and the log that it is applied to."""

    def __init__(self, path: Path, follower: Follower, writer: Writer, file: ConfigurationFile) -> None:
        self.path, self.follower, self.writer, self.file = path, follower, writer, file

    def put(self, *keys: str) -> None:
        beside = self.path.with_suffix(".new")
        definitions = {name: {"key": f"sk-{name}"} for name in keys}
        beside.write_text(json.dumps({"auth": {"key_definitions": definitions}, "targets": {}}))
        beside.replace(self.path)

    async def write(self, command: Any, actor: str = "token:me") -> None:
        await self.follower.applied((await self.writer.write(command, actor=actor)).position)

    async def start(self) -> bool:
        """Whether the file is applied at a start."""
        loaded = await self.file.read_first(self.writer.snapshot)
        if loaded is not None:
            await self.file.begin(loaded, self.follower)
        return loaded is not None


@pytest.fixture
async def rig(nursery: trio.Nursery, tmp_path: Path) -> Rig:
    ticks = itertools.count(1)
    log = MemoryEventLog(clock_us=ticks.__next__)
    follower = Follower(log, routing.empty(), fold=routing.fold)
    nursery.start_soon(follower.run, lambda _snapshot, _touched: None)
    writer = Writer(log, follower, new_id=clock.new_id, change=routing.change)
    vault = await open_vault(random_key(), MemoryShelf(), environ={}, clock_us=ticks.__next__)
    path = tmp_path / "routes.json"
    return Rig(path, follower, writer, ConfigurationFile(path, writer, vault, strict=False, environ={}))


async def test_a_released_file_is_left_alone_at_the_start(rig: Rig) -> None:
    """Issue item 5: it says loudly since when, and how to have it again; the log's table runs on."""
    rig.put("one")
    assert await rig.start()
    with pytest.raises(Owned):
        await rig.write(DefineKey(key("one", limit=3)))
    await rig.write(ChangeEntities((SourceReleased(SOURCE),)))
    await rig.write(DefineKey(key("one", limit=3)))
    rig.put("one", "two")
    with capture_logs() as logged:
        assert not await rig.start()
    (line,) = logged
    assert line["log_level"] == "error"
    assert "released at position 2" in line["problem"]
    assert "POST /admin/v1/sources/file%3Aroutes.json/claim" in line["problem"]
    assert rig.file.status.problems == (line["problem"],)
    assert {name: one.limits.max_concurrent for name, one in rig.writer.snapshot.keys.items()} == {"one": 3}


async def test_a_released_file_is_left_alone_when_it_changes(rig: Rig) -> None:
    """And is taken again from the first change after its source was claimed."""
    rig.put("one")
    assert await rig.start()
    await rig.write(ChangeEntities((SourceReleased(SOURCE),)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.file.follow)
        with capture_logs() as logged, trio.fail_after(10):
            rig.put("one", "two")
            while not rig.file.status.problems:
                await trio.sleep(0.01)
        assert "released at position 2" in logged[0]["problem"]
        assert set(rig.writer.snapshot.keys) == {"one"}
        await rig.write(ChangeEntities((SourceClaimed(SOURCE),)))
        rig.put("one", "three")
        with trio.fail_after(10):
            while set(rig.writer.snapshot.keys) != {"one", "three"}:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert rig.file.status.problems == ()


async def test_warnings_are_those_of_the_content_in_force(rig: Rig) -> None:
    """Nobody looks into the log of a file that was taken: its status tells them, bounded, and no secret with them."""

    def put(text: str) -> None:
        rig.path.write_text(text)

    secret = "sk-" + "s" * 400
    put(json.dumps({"targets": {"m": {"url": "http://h", "wieght": secret}}}))
    assert await rig.start()
    (warning,) = rig.file.status.warnings
    assert "$.targets.m.wieght: " in warning
    assert secret not in warning
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.file.follow)
        with trio.fail_after(10), capture_logs():
            put("no JSON")
            while not rig.file.status.problems:
                await trio.sleep(0.01)
            assert rig.file.status.warnings == (warning,)
            unknown = {f"unknown-{number}-{'x' * 400}": 1 for number in range(30)}
            put(json.dumps({"targets": {"m": {"url": "http://h", **unknown}}}))
            while rig.file.status.problems:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    *lines, last = rig.file.status.warnings
    assert (len(lines), last) == (20, "and 10 more, in the gateway's log")
    assert all(len(line) <= 300 for line in lines)
    rig.put("one")
    assert await rig.start()
    assert rig.file.status.warnings == ()


async def test_a_file_that_takes_over_says_so(rig: Rig) -> None:
    """DEF-46: gateways with files of different names would replace each other's parts in silence."""
    for actor, name in (("file:other.json", "one"), ("sent:more.json", "two")):
        await rig.write(ApplyManifest(manifest(keys=[key(name)])), actor)
    rig.put("three")
    with capture_logs() as logged:
        assert await rig.start()
    warnings = [line for line in logged if line["log_level"] == "warning"]
    told = {(line["source"], line["managed_by"], line["entities"]) for line in warnings}
    assert told == {(SOURCE, "file:other.json", 1), (SOURCE, "sent:more.json", 1)}
    with capture_logs() as logged:
        rig.put("three", "four")
        assert await rig.start()
    assert not [line for line in logged if line["log_level"] == "warning"]
