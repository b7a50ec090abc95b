"""Key files: made, and replaced, in one step.

Law: a key file is whole whenever it is there, is on disk before its name is, and has mode 0600. At any moment of a
rotation the present key or the one beside it (`.new`) is the vault's; the one that was is kept (`.old`) until the
operator removes it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import StartFailed


def draft_of(key_file: Path) -> Path:
    """Where the next key is while the vault is being sealed with it."""
    return key_file.with_name(key_file.name + ".new")


def old_of(key_file: Path) -> Path:
    """Where the key before the last rotation is."""
    return key_file.with_name(key_file.name + ".old")


def make(path: Path, text: bytes) -> None:
    """A new key file. Raises FileExistsError, StartFailed."""
    if path.exists():
        raise FileExistsError
    # By a name of its own first, so that no crash leaves half a key.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        try:
            _write(part, text)
            os.link(part, path)  # unlike a rename, this refuses to replace a key
        finally:
            part.unlink(missing_ok=True)
        _sync(path.parent)
    except FileExistsError:
        raise
    except OSError as error:
        raise StartFailed(f"The vault's key file {path} cannot be made: {error.strerror}.") from error


def install(key_file: Path) -> None:
    """The draft becomes the key file, which stays as `.old`. Done twice it is as once. Raises StartFailed."""
    draft, old = draft_of(key_file), old_of(key_file)
    try:
        if not old.exists():
            os.link(key_file, old)
            _sync(key_file.parent)
        draft.replace(key_file)
        _sync(key_file.parent)
    except OSError as error:
        raise StartFailed(
            f"The vault is sealed with the key in {draft}, which could not be renamed to {key_file}: {error.strerror}. "
            "Every process that finds both files goes on; rotate again to finish."
        ) from error


def is_kept(key_file: Path) -> bool:
    """Whether the key of an earlier rotation is still there."""
    old = old_of(key_file)
    return old.exists() and not old.samefile(key_file)


@contextmanager
def held(key_file: Path) -> Iterator[None]:
    """Let nobody else replace this key file meanwhile. Raises StartFailed."""
    try:
        descriptor = os.open(key_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StartFailed(f"The vault's key file {key_file} cannot be opened: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StartFailed(f"The key file {key_file} is being rotated by another process; let it end.") from None
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
