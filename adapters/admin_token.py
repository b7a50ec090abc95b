"""Admin tokens at this process: the one it was started with, the ones of the log, and the first of all.

Law: compared by digest, in constant time; a token's secret is in a file only its owner can read, or with whoever asked
for it, and in no log line. The process' own token is good whatever the log says, so that an operator at the machine
cannot be locked out; the others are good as long as the table in force says so.
"""

import hmac
import os
import secrets
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.access import digest, token_of
from engine.catalogue import Token
from engine.commands import ChangeEntities
from engine.errors import Outdated, StartFailed, StoreError
from engine.events import TokenDefined
from engine.names import Digest
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot

FIRST: Final = "first"
LOCAL: Final = Token("local", "admin", "the gateway's own")
"""What the token is called that a process was started with."""
_BEARER: Final = b"Bearer "


class Tokens:
    """`local` is the digest of the process' own token, if it has one; `unix_s` the wall clock."""

    def __init__(
        self, local: Digest | None, *, snapshot: Callable[[], RoutingSnapshot], unix_s: Callable[[], int]
    ) -> None:
        self._local = local
        self._snapshot = snapshot
        self._unix_s = unix_s

    def holder_of(self, authorization: bytes | None) -> Token | None:
        """The token that an `Authorization` value is `Bearer` with, if it is good now."""
        if authorization is None or not authorization.startswith(_BEARER):
            return None
        presented = digest(authorization[len(_BEARER) :])
        if self._local is not None and hmac.compare_digest(self._local, presented):
            return LOCAL
        return token_of(self._snapshot(), presented, self._unix_s())

    def accepts(self, authorization: bytes | None) -> bool:
        """Whether it may read, as all may."""
        return self.holder_of(authorization) is not None


def _print(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()


async def own_token(
    secret: str | None, path: Path, writer: Writer, *, show: Callable[[str], None] = _print
) -> Digest | None:
    """The digest of the process' own token: what it was given, else what is in the file.

    Without either, the log's first token is made where the log has none, kept in the file and shown once; where it has
    some, this process has none of its own. Needs the follower to be running. Raises StartFailed.
    """
    if secret is not None:
        return digest(secret.encode())
    kept = _kept(path)
    if kept is not None or writer.snapshot.tokens:
        return kept
    made = secrets.token_urlsafe(32)
    if not _keep(path, made):
        return _kept(path)
    # In the file before it is in the log: a process that ends in between has a token of its own and no more.
    found = digest(made.encode())
    known = writer.snapshot.streams.get(f"token:{FIRST}")
    try:
        await writer.write(
            ChangeEntities((TokenDefined(FIRST, found.hex(), "admin", FIRST),)),
            actor="start",
            versions={f"token:{FIRST}": 0 if known is None else known.version},
        )
    except Outdated:
        # Another process of this log was first, and has shown its own.
        _discard(path)
        return None
    except StoreError as error:
        show(f"The first admin token is this process' own alone, since the event log did not take it: {error}\n")
    show(f"The first admin token, shown once and kept in {path}:\n{made}\n")
    return found


def _kept(path: Path) -> Digest | None:
    return digest(_read(path).encode()) if path.exists() else None


def _keep(path: Path, token: str) -> bool:
    """Whether it is in the file now, which was not there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise StartFailed(f"The admin token file {path} cannot be made: {error.strerror}.", wrong_input=True) from None
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return True


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartFailed(f"The admin token file {path} cannot be read: {error}.", wrong_input=True) from None
    if mode & 0o077:
        raise StartFailed(
            f"The admin token file {path} can be read by others (mode {mode:04o}); make it 0600.", wrong_input=True
        )
    if len(token) < 16 or not token.isascii() or not token.isprintable():
        raise StartFailed(
            f"The admin token file {path} holds no token; delete it to have a new one made.", wrong_input=True
        )
    return token
