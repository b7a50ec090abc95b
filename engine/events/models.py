"""What there is to route to: endpoints, the deployments at them, composites of those, and rules about their callers.

Ids are chosen by whoever defines an entity and never change; names may.
"""

from typing import TypeAlias

import attrs

from engine.names import Alias, CredentialId, EndpointId, ModelId


@attrs.frozen
class EndpointDefined:
    """An upstream address, with the name of its credential (SYNC-1)."""

    endpoint_id: EndpointId
    url: str
    "As the operator wrote it; a faulty one takes its deployments out of service, and nothing else (SYNC-13)."
    credential: CredentialId | None = None
    auth_header: str = "Authorization"
    auth_prefix: str = "Bearer "
    name: str = ""


@attrs.frozen
class EndpointRemoved:
    endpoint_id: EndpointId


@attrs.frozen
class DeploymentDefined:
    """A model at one endpoint: a pool of one provider (SYNC-9)."""

    model_id: ModelId
    alias: Alias
    model_name: str
    "What the endpoint calls it."
    endpoint_id: EndpointId
    max_concurrent: int | None = None
    "Of the provider, as the two after it (SYNC-9)."
    requests_per_second: float | None = None
    burst: int | None = None
    batch_capacity: int | None = None
    "Batch requests at once; None: the default (CAP-1)."
    sanitize_response: bool = False
    trusted: bool = False
    open_responses_adapter: bool | None = None
    "None: on."


@attrs.frozen
class DeploymentRemoved:
    model_id: ModelId


@attrs.frozen
class CompositeDefined:
    """A model made of deployments: a pool of their providers (SYNC-10). None takes FB-14's default."""

    model_id: ModelId
    alias: Alias
    strategy: str | None = None
    fallback_enabled: bool | None = None
    fallback_on_rate_limit: bool | None = None
    fallback_on_status: tuple[int, ...] | None = None
    fallback_with_replacement: bool | None = None
    fallback_max_attempts: int | None = None
    max_concurrent: int | None = None
    "Of the pool, as the two after it."
    requests_per_second: float | None = None
    burst: int | None = None
    batch_capacity: int | None = None
    sanitize_response: bool = False
    open_responses_adapter: bool | None = None


@attrs.frozen
class CompositeRemoved:
    model_id: ModelId


@attrs.frozen
class ComponentDefined:
    """A deployment's place in a composite (SYNC-11)."""

    composite_id: ModelId
    deployment_id: ModelId
    weight: int = 1
    "1 to 100 (SYNC-3)."
    sort_order: int = 0
    "Ascending; then the heavier first, then by id (DEF-18)."
    enabled: bool = True


@attrs.frozen
class ComponentRemoved:
    composite_id: ModelId
    deployment_id: ModelId


@attrs.frozen
class TrafficRuleDefined:
    """What becomes of a model's callers whose key has a purpose (SYNC-14). One a model and purpose."""

    model_id: ModelId
    purpose: str
    action: str
    target_id: ModelId | None = None
    opens_target: bool = False
    "Whether a redirect admits callers that have no access to the target (RULE-7)."


@attrs.frozen
class TrafficRuleRemoved:
    model_id: ModelId
    purpose: str


@attrs.frozen
class BatchDefaultChanged:
    """The batch capacity of models that state none (CAP-1)."""

    batch_capacity: int


ModelEvent: TypeAlias = (
    EndpointDefined
    | EndpointRemoved
    | DeploymentDefined
    | DeploymentRemoved
    | CompositeDefined
    | CompositeRemoved
    | ComponentDefined
    | ComponentRemoved
    | TrafficRuleDefined
    | TrafficRuleRemoved
    | BatchDefaultChanged
)
