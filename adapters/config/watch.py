"""Watching a configuration file for another content (CFG-19, DEF-43).

Law: `on_change` is called once for each content that differs from the last one seen, after the file has been quiet
for the debounce time; never for a touched, moved or vanished file. The directories are watched, not the file:
an editor's rename, a swapped symbolic link on the way (Kubernetes' `..data`) and a file that comes into being
later are all changes in a directory. Notifications are a doorbell: the content is compared in any case every
`recheck_ms`, so that a file system without notifications only costs time. Where inotify is missing altogether,
watchfiles polls by itself, and can be made to by the environment variable WATCHFILES_FORCE_POLLING.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path

import attrs
import trio
from watchfiles import Change, awatch
from watchfiles.main import FileChange

_MOST_LINKS = 40


@attrs.frozen
class _Sight:
    """What one look at the file found."""

    digest: str | None
    "SHA-256 of the content; None where there is no readable file."
    directories: frozenset[tuple[Path, int]]
    "Directories in which a change can change the content, with their inodes: a directory can be replaced too."


async def watch(
    path: Path,
    on_change: Callable[[], Awaitable[None]],
    *,
    seen: str | None = None,
    debounce_ms: int = 100,
    recheck_ms: int = 1000,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Call `on_change` for each new content of a file until cancelled.

    `seen` is the digest of the content that is known already (`Loaded.content_digest`); None takes the file as it is
    when the watch begins. The file need not exist, nor its directory. What `on_change` raises ends the watch.
    """
    sight = await trio.to_thread.run_sync(_look, path)
    known = sight.digest if seen is None else seen
    doorbell = _Doorbell(debounce_ms, recheck_ms)
    task_status.started()
    try:
        while True:
            if sight.digest is not None and sight.digest != known:
                known = sight.digest
                await on_change()
            await doorbell.wait(sight.directories)
            sight = await trio.to_thread.run_sync(_look, path)
    finally:
        await doorbell.aclose()


@attrs.define
class _Doorbell:
    """Notifications of some directories, or the passing of the recheck time, whichever is first."""

    debounce_ms: int
    recheck_ms: int
    _directories: frozenset[tuple[Path, int]] = frozenset()
    _rings: AsyncGenerator[set[FileChange], None] | None = None
    _rung: bool = False
    _unhooked: trio.Event = attrs.field(factory=trio.Event)

    async def wait(self, directories: frozenset[tuple[Path, int]]) -> None:
        if self._rings is None or directories != self._directories:
            await self.aclose()
            self._directories = directories
            self._rings = self._listen()
        self._rung = False
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._unhook_when_cancelled)
                async for changes in self._rings:
                    await self._answer(changes)
                    break
                nursery.cancel_scope.cancel()
        except* (OSError, RuntimeError):
            # A directory went away in between, or the system has no watch left: the recheck time remains.
            await self.aclose()
        if not self._rung:
            await trio.sleep(self.recheck_ms / 1000)

    async def aclose(self) -> None:
        """Without a wait of its own: between two rings the generator holds nothing but the watch."""
        rings, self._rings = self._rings, None
        if rings is not None:
            await rings.aclose()

    async def _answer(self, changes: set[FileChange]) -> None:
        self._rung = True
        gone = {str(directory) for directory, _ in self._directories}
        if any(change is Change.deleted and name in gone for change, name in changes):
            # A directory made anew under the same name may get the same inode, and is not watched by this one.
            await self.aclose()

    async def _unhook_when_cancelled(self) -> None:
        """The waiting thread cannot be cancelled; it looks at this event once in each debounce time."""
        try:
            await trio.sleep_forever()
        finally:
            if not self._rung:
                self._unhooked.set()

    def _listen(self) -> AsyncGenerator[set[FileChange], None]:
        return awatch(
            *(directory for directory, _ in self._directories),
            watch_filter=None,
            recursive=False,
            # The first is the most a burst of changes is waited out, the second the quiet that ends it.
            debounce=10 * self.debounce_ms,
            step=self.debounce_ms,
            stop_event=self._unhooked,
            rust_timeout=self.recheck_ms,
            yield_on_timeout=True,
        )


def _look(path: Path) -> _Sight:
    try:
        # Only a file: reading a pipe would wait for its writer.
        digest = sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    except OSError:
        digest = None
    try:
        directories = _directories(path)
    except OSError:
        # A link went away between two looks at it; the next look finds what is there then.
        directories = {(path.parent, 0)}
    return _Sight(digest, frozenset(directories))


def _directories(path: Path) -> set[tuple[Path, int]]:
    """Where the file is and each symbolic link on the way to it; the nearest that exists for one that is missing."""
    found: set[tuple[Path, int]] = set()
    waiting = [path.absolute()]
    followed = 0
    while waiting and followed < _MOST_LINKS:
        current = waiting.pop()
        for part in (*reversed(current.parents), current):
            if part.is_symlink():
                followed += 1
                _add(found, part.parent)
                waiting.append(part.parent / part.readlink() / current.relative_to(part))
                break
        else:
            _add(found, current.parent)
    return found


def _add(found: set[tuple[Path, int]], directory: Path) -> None:
    for candidate in (directory, *directory.parents):
        try:
            found.add((candidate, candidate.stat().st_ino))
        except OSError:
            continue
        return
