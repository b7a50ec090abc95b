"""Names for the providers of a pool that were given none.

Law: the same file gives the same names; each is unique in its pool unless the file itself repeats one, and can
stand in a response header.
"""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import attrs

from engine.names import ProviderName


@attrs.frozen
class Unnamed:
    """What a name is made of: the normalised URL's host and port, and the upstream model."""

    given: ProviderName | None
    url: str
    model: str | None


def names_of(providers: Sequence[Unnamed]) -> list[ProviderName]:
    """One name each, in order: the given one, or `host[:port][/model]`, with `#2`, `#3` where that is taken."""
    taken = {provider.given for provider in providers if provider.given is not None}
    names: list[ProviderName] = []
    for provider in providers:
        name = provider.given
        if name is None:
            name = _free(_made(provider), taken)
            taken.add(name)
        names.append(name)
    return names


def _made(provider: Unnamed) -> ProviderName:
    model = f"/{provider.model}" if provider.model else ""
    name = urlsplit(provider.url).netloc + model
    return "".join(sign if sign.isascii() and sign.isprintable() else quote(sign) for sign in name)


def _free(name: ProviderName, taken: set[ProviderName]) -> ProviderName:
    candidate, occurrence = name, 1
    while candidate in taken:
        occurrence += 1
        candidate = f"{name}#{occurrence}"
    return candidate
