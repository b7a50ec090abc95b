"""Traffic rules: what becomes of a model's callers whose key has a purpose (SYNC-14, RULE-7 to RULE-10)."""

from typing import Any, Final

import attrs
from litestar import Response, delete, get, put
from litestar.params import FromPath, JSONBody

from adapters.http.admin.answers import PAGE, After, Limit, page_of, paged, shown
from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Receipt, Wish, wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, missing
from engine import events
from engine.names import ModelId
from engine.snapshot import Action, RoutingSnapshot

_TAGS: Final = ["TrafficRule"]
_ALL: Final = "/models/{model_id:str}/rules"
_ONE: Final = _ALL + "/{purpose:str}"


@attrs.frozen(kw_only=True)
class TrafficRule:
    action: Action
    target_id: str | None = None
    "Of a redirect: the model it leads to."
    opens_target: bool = False
    "Whether a redirect admits callers that have no access to the target."


@attrs.frozen(kw_only=True)
class TrafficRuleShown:
    purpose: str
    action: str
    target_id: str | None
    opens_target: bool


_Page = page_of("TrafficRule", TrafficRuleShown)


def _found(snapshot: RoutingSnapshot, model_id: ModelId) -> dict[str, TrafficRuleShown]:
    """A model's rules by purpose. Raises Refusal (404)."""
    if model_id not in snapshot.catalogue.deployments and model_id not in snapshot.catalogue.composites:
        raise missing("model", model_id)
    return {
        rule.purpose: TrafficRuleShown(**attrs.asdict(rule, filter=lambda field, _: field.name != "model_id"))
        for rule in snapshot.catalogue.rules.get(model_id, ())
    }


@get(_ALL, opt=READ, responses=READS, tags=_TAGS, operation_id="listTrafficRules")
async def rules(
    model_id: FromPath[str], office: Given[Office], limit: Limit = PAGE, after: After = None
) -> Response[_Page]:  # type: ignore[valid-type]
    """A model's rules, by purpose, in the order in which they are tried."""
    snapshot = office.follower.snapshot
    found = _found(snapshot, model_id)
    return paged(snapshot, found, found.__getitem__, limit=limit, after=after)


@get(_ONE, opt=READ, responses=READS, tags=_TAGS, operation_id="getTrafficRule")
async def rule(model_id: FromPath[str], purpose: FromPath[str], office: Given[Office]) -> Response[TrafficRuleShown]:
    """One rule; the ETag is the model's."""
    snapshot = office.follower.snapshot
    found = _found(snapshot, model_id).get(purpose)
    if found is None:
        raise missing("rule for purpose", purpose)
    return shown(snapshot, found, about=f"model:{model_id}")


@put(_ONE, opt=OPERATE, responses=CHANGES, tags=_TAGS, operation_id="putTrafficRule", dto=StrictBody, return_dto=None)
async def put_rule(
    model_id: FromPath[str],
    purpose: FromPath[str],
    data: JSONBody[TrafficRule],
    mutation: Given[Mutation],
) -> Response[Receipt]:
    """Deny a model to keys of a purpose, or send them to another one."""
    fact = events.TrafficRuleDefined(model_id, purpose, data.action.value, data.target_id, data.opens_target)

    def compose(snapshot: RoutingSnapshot) -> Wish:
        _found(snapshot, model_id)
        return wish(fact)

    return await mutation.make(compose, about=f"model:{model_id}", exists=_is_there(model_id, purpose))


@delete(_ONE, opt=OPERATE, status_code=200, responses=CHANGES, tags=_TAGS, operation_id="deleteTrafficRule")
async def remove_rule(model_id: FromPath[str], purpose: FromPath[str], mutation: Given[Mutation]) -> Response[Receipt]:
    """Remove a rule. One that is not there changes nothing."""

    def compose(snapshot: RoutingSnapshot) -> Wish:
        _found(snapshot, model_id)
        return wish(events.TrafficRuleRemoved(model_id, purpose))

    return await mutation.make(compose, about=f"model:{model_id}", exists=_is_there(model_id, purpose))


def _is_there(model_id: ModelId, purpose: str) -> Any:
    return lambda snapshot: any(rule.purpose == purpose for rule in snapshot.catalogue.rules.get(model_id, ()))


routes: list[Any] = [rules, rule, put_rule, remove_rule]
