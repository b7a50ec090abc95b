"""The token that opens the control port's live stream.

Law: compared by digest in constant time; kept in a file only its owner can read, never logged.
"""

import hmac
import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

from engine.errors import StartFailed


class AdminToken:
    """A token known by its digest."""

    def __init__(self, secret: str) -> None:
        self._digest = sha256(secret.encode()).digest()

    def accepts(self, authorization: bytes | None) -> bool:
        """Whether an `Authorization` value is `Bearer` with this token."""
        if authorization is None or not authorization.startswith(b"Bearer "):
            return False
        return hmac.compare_digest(sha256(authorization[len(b"Bearer ") :]).digest(), self._digest)


def read_or_make(path: Path) -> tuple[str, bool]:
    """The token in a file, and whether it was made just now. Raises StartFailed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path), False
    except OSError as error:
        raise StartFailed(f"The admin token file {path} cannot be made: {error.strerror}.", wrong_input=True) from None
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token, True


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
