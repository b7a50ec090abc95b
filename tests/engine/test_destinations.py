"""Which changes send a credential somewhere else."""

import attrs
import pytest

from engine.destinations import sent_anew
from engine.events import DeploymentDefined, EndpointDefined, Event, PoolDefined, ProviderDefined
from engine.snapshot import RoutingSnapshot
from projections import routing
from tests.engine.tables import pool, provider, table

POOL = ProviderDefined("chat", "a", 0, "http://a.example/v1/", credential="cred-1")
ENDPOINT = EndpointDefined("e", "https://b.example/v1", "env:B_KEY")


def there() -> RoutingSnapshot:
    made = table([pool("chat", provider("a", url="http://a.example/v1/", credential="cred-1")), pool("code")])
    return routing.change(made, (ENDPOINT,))


@pytest.mark.parametrize(
    "event",
    [
        attrs.evolve(POOL, weight=3, auth_prefix=""),
        attrs.evolve(POOL, provider="another", auth_header="authorization"),
        attrs.evolve(POOL, credential=None, url="http://c.example/"),
        attrs.evolve(ENDPOINT, name="B", url="https://b.example/v1/"),
        attrs.evolve(ENDPOINT, credential=None),
        PoolDefined("chat", "priority", None),
        DeploymentDefined("d", "m", "x", "e"),
    ],
)
def test_what_goes_where_it_went_is_nothing_new(event: Event) -> None:
    """KEY-1: in the same pool or endpoint, to the same address, however that is written."""
    assert not list(sent_anew(there(), (event,)))


@pytest.mark.parametrize(
    ("event", "stream"),
    [
        (attrs.evolve(POOL, url="http://c.example/v1/"), "pool:chat"),
        (attrs.evolve(POOL, credential="file:/run/secrets/x"), "pool:chat"),
        (attrs.evolve(POOL, auth_header="x-api-key"), "pool:chat"),
        (attrs.evolve(POOL, alias="code"), "pool:code"),
        (attrs.evolve(POOL, alias="new"), "pool:new"),
        (attrs.evolve(ENDPOINT, url="https://c.example/v1"), "endpoint:e"),
        (attrs.evolve(ENDPOINT, credential="cred-1"), "endpoint:e"),
        (attrs.evolve(ENDPOINT, endpoint_id="f"), "endpoint:f"),
    ],
)
def test_another_address_or_another_credential_is_named(event: Event, stream: str) -> None:
    """KEY-1: whoever receives it could read it."""
    assert list(sent_anew(there(), (PoolDefined("chat", "priority", None), event))) == [stream]
