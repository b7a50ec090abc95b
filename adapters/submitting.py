"""Configuration files that come as text, read as those that come from the disk.

Law: what is read here is decided and applied by whoever sent it; nothing is changed by reading.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from adapters.config import ConfigError, Loaded, load_text
from adapters.submitted import Loader, Submitted, Unusable
from engine.commands import ApplyManifest
from engine.errors import Rejected
from engine.names import CredentialId


def loader(*, strict: bool, credential_id: Callable[[str], CredentialId], environ: Mapping[str, str]) -> Loader:
    """As `adapters.config.load`, for texts."""
    return partial(_submitted, partial(load_text, strict=strict, credential_id=credential_id, environ=environ))


def _submitted(read: Callable[[Path, bytes], Loaded], name: str, content: bytes) -> Submitted:
    try:
        loaded = read(Path(name), content)
    except ConfigError as error:
        raise Unusable(error.problems) from None

    def told(rejected: Rejected) -> tuple[str, ...]:
        return loaded.explain(rejected).problems

    return Submitted(
        ApplyManifest(loaded.manifest),
        is_files=True,
        credentials=loaded.credentials,
        warnings=loaded.warnings,
        told=told,
    )
