"""The admin token that the command line shows to a gateway.

Law: it comes from the environment or a file, never from the command line, which is there for everybody to see; it is
in no message.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.errors import StartFailed

VARIABLE: Final = "POINTSMAN_ADMIN_TOKEN"


def admin_token(environ: Mapping[str, str], file: Path) -> bytes:
    """What the environment has, else what the file has. Raises StartFailed."""
    given = environ.get(VARIABLE)
    return _checked(given, VARIABLE) if given else _checked(_read(file), str(file))


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StartFailed(
            f"No admin token: the file {path} cannot be read ({why}); give {VARIABLE} or --admin-token-file.",
            wrong_input=True,
        ) from None


def _checked(token: str, source: str) -> bytes:
    if not token or not token.isascii() or not token.isprintable():
        raise StartFailed(f"What {source} gives is no admin token: printable ASCII characters.", wrong_input=True)
    return token.encode()
