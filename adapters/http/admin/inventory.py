"""Endpoints and deployments (SYNC-1), as the API takes and shows them.

Law: a credential goes where it went before, unless an admin says otherwise: whoever could point it elsewhere could read
it there. Its secret goes into the vault and is not shown again (KEY-1, KEY-2).
"""

import re
from typing import Annotated, Any, Final

import attrs
from litestar.params import Body

from adapters.credential_names import REFERENCES, is_credential, is_reference
from adapters.http.admin.bounds import AtLeastOne, Count, Rate
from adapters.http.admin.mutation import Mutation, Wish, wish
from adapters.http.admin.problems import Fault, Invalid
from adapters.http.admin.resource import Resource, routes_of
from engine import events
from engine.names import CredentialId
from engine.snapshot import RoutingSnapshot

_SECRET: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?")

Credential = Annotated[
    str | None, Body(description="The name of a credential, as answers show it; or env:NAME, or file:PATH.")
]
ApiKey = Annotated[
    str | None,
    Body(
        schema_extra={"writeOnly": True},
        description="The secret itself, which goes into the vault and is not shown again; or env:NAME, or file:PATH. "
        "In a merge patch null takes the credential away.",
    ),
]


@attrs.frozen(kw_only=True)
class Endpoint:
    url: str
    "Absolute, http or https."
    name: str = ""
    auth_header: str = "Authorization"
    auth_prefix: str = "Bearer "
    credential: Credential = None
    api_key: ApiKey = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class EndpointShown:
    id: str
    url: str
    name: str
    auth_header: str
    auth_prefix: str
    credential: str | None


@attrs.frozen(kw_only=True)
class Deployment:
    alias: str
    "What clients call it."
    model_name: str
    "What the endpoint calls it."
    endpoint_id: str
    max_concurrent: Count | None = None
    requests_per_second: Rate | None = None
    burst: AtLeastOne | None = None
    batch_capacity: AtLeastOne | None = None
    sanitize_response: bool = False
    trusted: bool = False
    open_responses_adapter: bool | None = None


@attrs.frozen(kw_only=True)
class DeploymentShown(Deployment):
    id: str


def credential_of(
    mutation: Mutation, name: str | None, api_key: str | None, *, where: str = ""
) -> tuple[CredentialId | None, dict[CredentialId, str]]:
    """What a body states of a credential: its name, and the secret for the vault where there is one. Raises Invalid."""
    if api_key is None:
        if name is not None and not is_credential(name):
            what, valid = "no name of a credential", "a name that was shown, env:NAME or file:PATH"
            raise Invalid((Fault(where=f"{where}credential", what=what, valid=valid),))
        return name, {}
    if api_key.startswith(REFERENCES):
        if not is_reference(api_key):
            raise Invalid((Fault(where=f"{where}api_key", what="refers to nothing", valid="env:NAME or file:PATH"),))
        return api_key, {}
    if not _SECRET.fullmatch(api_key):
        # What it is like is not told.
        valid = "1 to 8192 printable ASCII characters without spaces around them"
        raise Invalid((Fault(where=f"{where}api_key", what="cannot be sent in a header", valid=valid),))
    credential = mutation.office.vault.credential_id(api_key)
    return credential, {credential: api_key}


def _endpoint(mutation: Mutation, _snapshot: RoutingSnapshot, endpoint_id: str, body: Endpoint) -> Wish:
    credential, secrets = credential_of(mutation, body.credential, body.api_key)
    fact = events.EndpointDefined(endpoint_id, body.url, credential, body.auth_header, body.auth_prefix, body.name)
    return wish(fact, secrets=secrets)


def _show_endpoint(snapshot: RoutingSnapshot, endpoint_id: str) -> EndpointShown:
    fields = attrs.asdict(snapshot.catalogue.endpoints[endpoint_id])
    return EndpointShown(id=fields.pop("endpoint_id"), **fields)


def _patched(whole: dict[str, Any], patch: dict[str, Any]) -> None:
    if "api_key" in patch and "credential" not in patch:
        whole.pop("credential", None)


def _deployment(_: Mutation, _snapshot: RoutingSnapshot, model_id: str, body: Deployment) -> Wish:
    return wish(events.DeploymentDefined(model_id, **attrs.asdict(body)))


def _show_deployment(snapshot: RoutingSnapshot, model_id: str) -> DeploymentShown:
    fields = attrs.asdict(snapshot.catalogue.deployments[model_id])
    return DeploymentShown(id=fields.pop("model_id"), **fields)


ENDPOINTS: Final = Resource(
    path="/endpoints",
    word="endpoint",
    name="Endpoint",
    stream="endpoint",
    body=Endpoint,
    model=EndpointShown,
    there=lambda snapshot: snapshot.catalogue.endpoints,
    show=_show_endpoint,
    define=_endpoint,
    remove=events.EndpointRemoved,
    patched=_patched,
)
DEPLOYMENTS: Final = Resource(
    path="/deployments",
    word="deployment",
    name="Deployment",
    stream="model",
    body=Deployment,
    model=DeploymentShown,
    there=lambda snapshot: snapshot.catalogue.deployments,
    show=_show_deployment,
    define=_deployment,
    remove=events.DeploymentRemoved,
    elsewhere=lambda snapshot: snapshot.catalogue.composites,
)

routes: list[Any] = [*routes_of(ENDPOINTS), *routes_of(DEPLOYMENTS)]
