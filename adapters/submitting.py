"""Configuration files that come as text, read as those that come from the disk.

Law: what is read here is decided and applied by whoever sent it; nothing is changed by reading.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from adapters.config import ConfigError, Loaded, load_text
from adapters.config.native import MARK, is_native, load_native, problem_lines
from adapters.config.readers import parse
from adapters.submitted import Loader, Submitted, Unusable
from engine.commands import ApplyDocument, ApplyManifest
from engine.errors import Rejected
from engine.names import CredentialId, Source, Stream
from engine.replacing import left_alone
from engine.snapshot import RoutingSnapshot

_OWN: Final = "POINTSMAN_"
_GRANTING: Final = {"tokens", "released"}
"""Sections about who may change the configuration."""


def loader(*, strict: bool, credential_id: Callable[[str], CredentialId], environ: Mapping[str, str]) -> Loader:
    """For files in the onwards format, as `adapters.config.load` is, and for exports."""
    # Whoever may send a file must not be able to have a provider told what the gateway itself was started with.
    others = {name: value for name, value in environ.items() if not name.startswith(_OWN)}
    return partial(_submitted, partial(load_text, strict=strict, credential_id=credential_id, environ=others))


def _submitted(read: Callable[[Path, bytes], Loaded], name: str, content: bytes) -> Submitted:
    try:
        # Only what has the word is parsed once more.
        if MARK.encode() in content and is_native(parse(Path(name), content)):
            return _of_export(name, content)
        return _of_file(read(Path(name), content))
    except ConfigError as error:
        raise Unusable(error.problems) from None


def _of_file(loaded: Loaded) -> Submitted:
    def told(rejected: Rejected) -> tuple[str, ...]:
        return loaded.explain(rejected).problems

    return Submitted(
        ApplyManifest(loaded.manifest),
        is_files=True,
        credentials=loaded.credentials,
        warnings=loaded.warnings,
        told=told,
        left_alone=lambda _snapshot, _source: (),
    )


def _of_export(name: str, content: bytes) -> Submitted:
    document = load_native(content, name)

    def told(rejected: Rejected) -> tuple[str, ...]:
        return problem_lines(content, name, rejected.problems)

    def left(snapshot: RoutingSnapshot, source: Source) -> tuple[Stream, ...]:
        return left_alone(snapshot, document, source)

    return Submitted(
        ApplyDocument(document),
        is_files=False,
        credentials={},
        warnings=(),
        told=told,
        left_alone=left,
        grants=not _GRANTING.isdisjoint(document.facts),
    )
