"""The watcher against real files: it fires for another content, and for nothing else."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path

import anyio.to_thread
import attrs
import pytest
import trio

from adapters.config import ConfigError, load, watch

PATIENCE_S = 10


@attrs.define
class Seen:
    """The contents the watcher called for, in order."""

    path: Path
    contents: list[str] = attrs.field(factory=list)
    changed: trio.Condition = attrs.field(factory=trio.Condition)

    async def on_change(self) -> None:
        async with self.changed:
            self.contents.append(self.path.read_text())
            self.changed.notify_all()

    async def last(self, content: str) -> None:
        """Return once the watcher has called for this content."""
        with trio.fail_after(PATIENCE_S):
            async with self.changed:
                while not self.contents or self.contents[-1] != content:
                    await self.changed.wait()


@asynccontextmanager
async def watched(path: Path, *, seen: str | None = None, recheck_ms: int = 1000) -> AsyncIterator[Seen]:
    observed = Seen(path)

    async def run(task_status: trio.TaskStatus[None]) -> None:
        await watch(path, observed.on_change, seen=seen, debounce_ms=20, recheck_ms=recheck_ms, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        yield observed
        nursery.cancel_scope.cancel()


def replace(path: Path, content: str) -> None:
    """What an editor does: write beside, then rename over."""
    beside = path.with_suffix(".new")
    beside.write_text(content)
    beside.replace(path)


async def test_every_way_of_writing_is_seen(tmp_path: Path) -> None:
    """CFG-19, DEF-43: in place, renamed over, deleted and made again."""
    path = tmp_path / "routes.json"
    path.write_text("first")
    async with watched(path) as seen:
        path.write_text("in place")
        await seen.last("in place")
        replace(path, "renamed over")
        await seen.last("renamed over")
        path.unlink()
        path.write_text("made again")
        await seen.last("made again")
        replace(path, "renamed again")
        await seen.last("renamed again")


async def test_only_another_content_counts(tmp_path: Path) -> None:
    """A touch, a rename over with equal content, a neighbour and a deletion are no change."""
    path = tmp_path / "routes.json"
    path.write_text("same")
    async with watched(path) as seen:
        path.touch()
        replace(path, "same")
        (tmp_path / "neighbour").write_text("x")
        path.unlink()
        replace(path, "same")
        replace(path, "other")
        await seen.last("other")
        replace(path, "other")
        replace(path, "same")
        await seen.last("same")
    assert seen.contents == ["other", "same"]


async def test_a_change_before_the_watch_is_seen(tmp_path: Path) -> None:
    """What was read has a digest; the file may have changed between reading and watching."""
    path = tmp_path / "routes.json"
    path.write_text("newer")
    async with watched(path, seen=sha256(b"older").hexdigest()) as seen:
        await seen.last("newer")
    assert seen.contents == ["newer"]


async def test_kubernetes_swaps_a_link(tmp_path: Path) -> None:
    """DEF-43: the file is a link through `..data`, which is renamed to lead to another directory."""

    def publish(version: str) -> None:
        (tmp_path / version).mkdir()
        (tmp_path / version / "routes.json").write_text(version)
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")

    publish("..v1")
    path = tmp_path / "routes.json"
    path.symlink_to("..data/routes.json")
    async with watched(path) as seen:
        for version in ("..v2", "..v3"):
            publish(version)
            await seen.last(version)
        shutil.rmtree(tmp_path / "..v2")
        (tmp_path / "..v3" / "routes.json").write_text("in the target")
        await seen.last("in the target")
    assert seen.contents[:2] == ["..v2", "..v3"]


async def test_a_link_into_another_directory(tmp_path: Path) -> None:
    """A change of the file it leads to counts, and one of the link, also of a linked directory on the way."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "real.json").write_text(name)
    (tmp_path / "etc").mkdir()
    (tmp_path / "current").symlink_to("one")
    path = tmp_path / "etc" / "routes.json"
    path.symlink_to(tmp_path / "current" / "real.json")
    async with watched(path) as seen:
        (tmp_path / "one" / "real.json").write_text("one, edited")
        await seen.last("one, edited")
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "current")
        await seen.last("two")


async def test_a_file_that_comes_later(tmp_path: Path) -> None:
    """Neither the file nor its directory needs to exist; a directory may go and come back."""
    path = tmp_path / "later" / "still" / "routes.json"
    async with watched(path) as seen:
        path.parent.mkdir(parents=True)
        path.write_text("there")
        await seen.last("there")
        shutil.rmtree(tmp_path / "later")
        path.parent.mkdir(parents=True)
        path.write_text("there again")
        await seen.last("there again")
        replace(path, "and changed")
        await seen.last("and changed")


async def test_a_circle_of_links_is_no_file(tmp_path: Path) -> None:
    """It is watched until it is one."""
    path = tmp_path / "routes.json"
    path.symlink_to("other.json")
    (tmp_path / "other.json").symlink_to("routes.json")
    async with watched(path) as seen:
        (tmp_path / "other.json").unlink()
        (tmp_path / "other.json").write_text("a file at last")
        await seen.last("a file at last")


async def test_a_half_written_file_is_followed_by_the_whole(tmp_path: Path) -> None:
    """DEF-43: the half may be seen and refused; the whole is seen in any case."""
    path = tmp_path / "routes.json"
    whole = '{"targets": {"a": {"url": "https://h.example"}}}'
    path.write_text('{"targets": {}}')
    outcomes: list[str] = []
    refused, loaded = trio.Event(), trio.Event()

    async def on_change() -> None:
        await trio.lowlevel.checkpoint()
        try:
            manifest = load(path, strict=True, credential_id=str, environ={}).manifest
        except ConfigError:
            outcomes.append("refused")
            refused.set()
        else:
            outcomes.extend(manifest.pools)
            loaded.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(start(path, on_change))
        with path.open("w") as file:
            file.write(whole[:20])
            file.flush()
            with trio.fail_after(PATIENCE_S):
                await refused.wait()
            file.write(whole[20:])
        with trio.fail_after(PATIENCE_S):
            await loaded.wait()
        nursery.cancel_scope.cancel()
    assert outcomes[0] == "refused"
    assert outcomes[-1] == "a"


def start(path: Path, on_change: Callable[[], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def run(task_status: trio.TaskStatus[None]) -> None:
        await watch(path, on_change, debounce_ms=20, task_status=task_status)

    return run


@pytest.mark.parametrize("missing", [False, True])
async def test_cancelling_ends_it_at_once(tmp_path: Path, missing: bool) -> None:
    """Long before the recheck time is over, and with no thread left waiting."""
    path = tmp_path / "routes.json"
    if not missing:
        path.write_text("x")
    with trio.fail_after(PATIENCE_S):
        async with watched(path, recheck_ms=60_000) as seen:
            path.write_text("y")
            await seen.last("y")
    assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
    assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0


async def test_what_on_change_raises_ends_the_watch(tmp_path: Path) -> None:
    """As it is, not in a group."""
    path = tmp_path / "routes.json"
    path.write_text("x")

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("no such thing")

    with trio.fail_after(PATIENCE_S), pytest.raises(LookupError, match="no such thing"):
        await watch(path, fail, seen="another")


async def test_it_goes_on_without_notifications(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no watch to give, the recheck time alone finds changes."""

    def no_watch(*_: object, **__: object) -> object:
        raise OSError(28, "no watch left")

    monkeypatch.setattr("watchfiles.main.RustNotify", no_watch)
    path = tmp_path / "routes.json"
    path.write_text("x")
    async with watched(path, recheck_ms=10) as seen:
        replace(path, "y")
        await seen.last("y")
    assert seen.contents == ["y"]
