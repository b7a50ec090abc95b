"""The credentials that a document names and does not hold, since secrets stay in the vault they were put in.

Law: names only. What a document refers to (`env:`, `file:`) is not among them: it has to be there, not put in again.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.config.native import MARK, is_native
from adapters.config.readers import parse

_KEPT: Final = "cred-"
"""How the vault's names begin."""
_MOST: Final = 20


def left_out(name: str, content: bytes, events: Sequence[Mapping[str, Any]] | None = None) -> list[str]:
    """A sentence for each endpoint and provider whose credential has to be put in again, where the vault that the
    document is applied to does not have it. `events`: only those that are defined by them, as a dry run tells them.
    """
    if MARK.encode() not in content or _KEPT.encode() not in content:
        return []
    document = parse(Path(name), content)
    if not isinstance(document, dict) or not is_native(document):
        return []
    changed = None if events is None else msgspec.json.encode(events).decode()
    found = [told for credential, told in _named(document) if changed is None or credential in changed]
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return [*found[:_MOST], *more]


def _named(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each credential's name, and what is to be said of it."""
    for endpoint_id, endpoint in _objects(document.get("endpoints")):
        credential = endpoint.get("credential")
        if isinstance(credential, str) and credential.startswith(_KEPT):
            cure = f"`pointsman set endpoint {endpoint_id} --secret-from-file FILE`"
            yield credential, f"endpoint {endpoint_id}: {_said(credential)} {cure}"
    for alias, pool in _objects(document.get("pools")):
        providers = pool.get("providers")
        for place, provider in enumerate(providers if isinstance(providers, list) else ()):
            credential = provider.get("credential") if isinstance(provider, dict) else None
            if isinstance(credential, str) and credential.startswith(_KEPT):
                cure = "the `api_key` of `pointsman set pool`, or by the file that defines the pool"
                yield credential, f"pool {alias}, provider {place}: {_said(credential)} {cure}"


def _said(credential: str) -> str:
    return f"the secret {credential} is not in the document; in another vault, put it in again by"


def _objects(section: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(section, dict):
        yield from ((str(name), one) for name, one in section.items() if isinstance(one, dict))
