"""Files that the command line writes.

Law: a file that exists stays unless it may go; a new one is readable by its owner alone, for it may hold secrets or
what leads to them. It is there whole or not at all.
"""

import os
from pathlib import Path

from engine.errors import StartFailed


def write_file(out: Path, content: bytes, *, force: bool) -> None:
    """Raises StartFailed."""
    if out.exists() and not force:
        raise StartFailed(f"{out} exists already; give another name, or --force to replace it.", wrong_input=True)
    beside = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StartFailed(f"{out} cannot be written: {error.strerror}.") from None
