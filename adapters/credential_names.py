"""What an upstream credential may be called: a vault entry's name, `env:NAME` or `file:PATH`.

Law: what is none of these is not repeated anywhere, since it may be the secret itself.
"""

import re
from typing import Final

from adapters.secret_files import FILE, is_path

REFERENCES: Final = ("env:", FILE)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_REFERENCE: Final = re.compile(r"(env|file):[\x21-\x7e]{1,256}")
_LONGEST: Final = 4096


def is_reference(text: str) -> bool:
    """Whether it says where a secret is read from."""
    if _REFERENCE.fullmatch(text):
        return True
    # A path may have spaces, and letters of any script.
    return len(text) <= _LONGEST and text.startswith(FILE) and is_path(text.removeprefix(FILE))


def is_credential(text: str) -> bool:
    """Whether it can be the name of a credential."""
    return bool(_NAME.fullmatch(text)) or is_reference(text)
