"""Where upstream credentials go, and which changes say so anew.

Law: pure; what it names is all that sends a credential to an address, or in a header, where that pool or that endpoint
did not send it before. Whoever could do that could read the credential there.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from engine.events import EndpointDefined, Event, ProviderDefined, stream_of
from engine.names import CredentialId, Stream
from engine.snapshot import Provider, RoutingSnapshot
from engine.urls import normalise

_Sending: TypeAlias = tuple[CredentialId, str, str]
"""What is sent, to which address, in which header."""


def sent_anew(snapshot: RoutingSnapshot, events: Iterable[Event]) -> Iterator[Stream]:
    """The pools and endpoints that send a credential elsewhere, or another one, after these events on a table."""
    for event in events:
        match event:
            case ProviderDefined():
                pool = snapshot.pools.get(event.alias)
                before: Iterable[Provider | EndpointDefined] = () if pool is None else pool.providers
            case EndpointDefined():
                endpoint = snapshot.catalogue.endpoints.get(event.endpoint_id)
                before = () if endpoint is None else (endpoint,)
            case _:
                continue
        sending = _sending(event)
        if sending is not None and all(_sending(one) != sending for one in before):
            yield stream_of(event)


def address_of(url: str) -> str:
    """Where a URL leads, however it is written."""
    try:
        return normalise(url)
    except ValueError:
        return url


def _sending(one: Provider | ProviderDefined | EndpointDefined) -> _Sending | None:
    return None if one.credential is None else (one.credential, address_of(one.url), one.auth_header.lower())
