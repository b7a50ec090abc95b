"""Secrets in files, as Kubernetes and Docker mount them: `file:PATH` in a configuration.

Law: what is read is one line that a header can carry, or UnusableSecret says why not and names the path alone; the
content is in no message and in no `repr`. `SecretFiles` looks at a file at most once a second, and reads it again when
it is another one or has changed, so that a swapped symbolic link counts as a change.
"""

import os
import re
import stat
from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

from engine.errors import PointsmanError

FILE: Final = "file:"
"""What a reference to a file starts with; an absolute path follows."""
SENDABLE: Final = re.compile(r"[!-~\xa1-\xff](?:[ -~\xa0-\xff]*[!-~\xa1-\xff])?")
"""What a header can carry of a secret: printable Latin-1 without a space at either end."""
_PATH: Final = re.compile(r"/[^\x00-\x1f\x7f]*")
_MOST_BYTES: Final = 16 * 1024
_PATIENCE_US: Final = 1_000_000

_Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size and the time of the last change of content in nanoseconds."""


@attrs.frozen
class UnusableSecret(PointsmanError):
    """A file that no secret can be taken from."""

    path: str
    reason: str
    "What follows the path in a sentence."

    def __str__(self) -> str:
        return f"the file {self.path} {self.reason}"


def is_path(text: str) -> bool:
    """Whether a text after `file:` is a path that means the same in every process: an absolute one."""
    return _PATH.fullmatch(text) is not None


def read_secret(path: str) -> str:
    """The secret in a file. Raises UnusableSecret."""
    return _read(path)[0]


class SecretFiles:
    """Secrets by path, for those who ask often. `clock_us` is any clock in microseconds."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._sights: dict[str, _Sight] = {}

    def read(self, path: str) -> str:
        """The secret in a file, at most a second old. Raises UnusableSecret."""
        now = self._clock_us()
        sight = self._sights.get(path)
        # A clock that was set back must not keep an old secret for longer.
        if sight is None or not 0 <= now - sight.at_us < _PATIENCE_US:
            sight = self._sights[path] = _look(path, sight, now)
        if sight.secret is None:
            raise UnusableSecret(path, sight.reason)
        return sight.secret


@attrs.frozen
class _Sight:
    """What one look at a file found: a secret, or why there is none."""

    at_us: int
    identity: _Identity | None = None
    secret: str | None = attrs.field(default=None, repr=False)
    reason: str = ""


def _look(path: str, before: _Sight | None, now: int) -> _Sight:
    if before is not None and before.secret is not None:
        try:
            is_same = _identity(os.stat(path)) == before.identity  # noqa: PTH116 - the path stays text, for speed
        except (OSError, ValueError):
            is_same = False
        if is_same:
            return attrs.evolve(before, at_us=now)
    try:
        secret, identity = _read(path)
    except UnusableSecret as unusable:
        return _Sight(now, reason=unusable.reason)
    return _Sight(now, identity, secret)


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _read(path: str) -> tuple[str, _Identity]:
    if not is_path(path):
        raise UnusableSecret(path, "is not named by an absolute path")
    try:
        # Opening a pipe would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnusableSecret(path, "is no plain file")
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise UnusableSecret(path, f"cannot be read ({why})") from None
    if len(content) > _MOST_BYTES:
        raise UnusableSecret(path, f"is larger than {_MOST_BYTES // 1024} KiB")
    return _secret(path, content), _identity(status)


def _secret(path: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # `from None`: the error quotes the bytes.
        raise UnusableSecret(path, "is not text in UTF-8") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise UnusableSecret(path, "is empty")
    if not SENDABLE.fullmatch(secret):
        raise UnusableSecret(path, "is not one line of printable characters without a space at either end")
    return secret
