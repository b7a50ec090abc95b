"""Credentials that are kept elsewhere: `env:NAME` in the environment, `file:PATH` in a file.

Law: a reference is its own id, so it may stand in the event log; what it leads to is looked up for each use and
stored nowhere.
"""

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from adapters.secret_files import FILE, UnusableSecret
from engine.errors import PointsmanError
from engine.names import CredentialId

_ENV: Final = "env:"
OWN: Final = frozenset(
    {
        "POINTSMAN_ADMIN_TOKEN",
        "POINTSMAN_DATABASE",
        "POINTSMAN_DWCTL_URL",
        "POINTSMAN_VAULT_KEY",
        "POINTSMAN_VAULT_KEY_NEW",
    }
)
"""What the gateway itself is started with: a reference to it would have it sent to the address it stands beside."""


@attrs.frozen
class UnknownCredential(PointsmanError, LookupError):
    """No secret goes by this name here."""

    credential_id: CredentialId
    why: str = "is not in the vault"
    "What follows the id in a sentence; never a secret."

    def __str__(self) -> str:
        return f"credential {self.credential_id!r}{': ' if is_reference(self.credential_id) else ' '}{self.why}"


def is_reference(credential_id: CredentialId) -> bool:
    return credential_id.startswith((_ENV, FILE))


def resolve_reference(credential_id: CredentialId, environ: Mapping[str, str], read_file: Callable[[str], str]) -> str:
    """The secret that a reference leads to. `read_file` takes a path and raises UnusableSecret.

    Raises UnknownCredential.
    """
    if credential_id.startswith(FILE):
        try:
            return read_file(credential_id.removeprefix(FILE))
        except UnusableSecret as unusable:
            raise UnknownCredential(credential_id, str(unusable)) from None
    name = credential_id.removeprefix(_ENV)
    if name in OWN:
        raise UnknownCredential(credential_id, "is the gateway's own, which no provider is told")
    secret = environ.get(name)
    if not secret:
        raise UnknownCredential(credential_id, f"the environment variable {name} is not set or empty")
    return secret
