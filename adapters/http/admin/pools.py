"""Pools as they route: those defined by themselves, which can be changed here, and those of models, which cannot.

Law: as for endpoints, a credential goes where it went before, unless an admin says otherwise.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from litestar import Response, delete, get, patch, put
from litestar.params import FromPath, JSONBody

from adapters.http.admin.answers import PAGE, After, Limit, page_of, paged, shown
from adapters.http.admin.bodies import MergePatch, StrictBody, checked, merged
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.inventory import ApiKey, credential_of
from adapters.http.admin.mutation import Mutation, Place, Receipt, Wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, missing
from adapters.http.admin.resource import fields_of, patch_of
from engine.commands import DefinePool, RemovePool
from engine.destinations import address_of
from engine.names import Alias, CredentialId, Stream
from engine.snapshot import (
    Affinity,
    CircuitPolicy,
    Fallback,
    Limits,
    Pool,
    Provider,
    RoutingSnapshot,
    Rule,
    Strategy,
    Timeouts,
)

_TAGS: Final = ["Pool"]
_LIMITS: Final = {field.name for field in attrs.fields(Limits)}
_ONE: Final = "/pools/{alias:path}"


@attrs.frozen(kw_only=True)
class PoolProvider(Provider):
    api_key: ApiKey = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class PoolFields:
    """What pools have beside their providers. None is no limit, or leaves it to the gateway."""

    strategy: Strategy = Strategy.WEIGHTED_RANDOM
    affinity: Affinity = attrs.field(factory=Affinity)
    limits: Limits = attrs.field(factory=Limits)
    fallback: Fallback = attrs.field(factory=Fallback)
    circuit: CircuitPolicy = attrs.field(factory=CircuitPolicy)
    timeouts: Timeouts = attrs.field(factory=Timeouts)
    rules: tuple[Rule, ...] = ()
    response_headers: Mapping[str, str] = attrs.field(factory=dict)
    sanitize_response: bool = False
    trusted: bool = False
    open_responses_adapter: bool | None = None


@attrs.frozen(kw_only=True)
class PoolBody(PoolFields):
    keys: frozenset[str] | None = None
    "Ids of keys that open it beside the global ones; None: no list of its own, and open unless global keys exist."
    providers: tuple[PoolProvider, ...] = ()
    "In the order of priority."


@attrs.frozen(kw_only=True)
class GrantsShown:
    """Who may use a model's pool."""

    groups: tuple[str, ...]
    is_free: bool
    is_escalation: bool


@attrs.frozen(kw_only=True)
class PoolShown(PoolFields):
    alias: str
    keys: tuple[str, ...] | None
    providers: tuple[Provider, ...]
    model_id: str | None
    "Of the model it is made from, and which is changed instead of it; None: it was defined by itself."
    grants: GrantsShown | None
    faults: tuple[str, ...]


_Page, _Patch = page_of("Pool", PoolShown), patch_of("Pool", PoolBody)


def _show(snapshot: RoutingSnapshot, alias: Alias) -> PoolShown:
    pool = snapshot.pools[alias]
    values: dict[str, Any] = {field.name: getattr(pool, field.name) for field in attrs.fields(Pool)}
    values["keys"] = None if pool.keys is None else tuple(sorted(pool.keys))
    if pool.grants is not None:
        groups, is_free, is_escalation = attrs.astuple(pool.grants, recurse=False)
        values["grants"] = GrantsShown(groups=tuple(sorted(groups)), is_free=is_free, is_escalation=is_escalation)
    return PoolShown(**values, model_id=snapshot.catalogue.models.get(alias), faults=snapshot.faults.get(alias, ()))


def _stream(snapshot: RoutingSnapshot, alias: Alias) -> Stream:
    model_id = snapshot.catalogue.models.get(alias)
    return f"pool:{alias}" if model_id is None else f"model:{model_id}"


def _define(mutation: Mutation, _snapshot: RoutingSnapshot, alias: Alias, body: PoolBody) -> Wish:
    secrets: dict[CredentialId, str] = {}
    providers = []
    for place, stated in enumerate(body.providers):
        where = f"providers[{place}]."
        credential, secret = credential_of(mutation, stated.credential, stated.api_key, where=where)
        secrets.update(secret)
        fields = {field.name: getattr(stated, field.name) for field in attrs.fields(Provider)}
        providers.append(Provider(**{**fields, "url": address_of(stated.url), "credential": credential}))
    fields = {field.name: getattr(body, field.name) for field in attrs.fields(PoolFields)}
    pool = Pool(alias=alias, keys=body.keys, providers=tuple(providers), **fields)
    return Wish(DefinePool(pool), secrets, _below_pool)


def _below_pool(where: Place) -> Place:
    """From a path in the table to one in the body, where limits stand together."""
    place = where[2:]
    return (*place[:-1], "limits", place[-1]) if place and place[-1] in _LIMITS else place


@get("/pools", opt=READ, responses=READS, tags=_TAGS, operation_id="listPools")
async def pools(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[_Page]:  # type: ignore[valid-type]
    """All pools that requests can name, by alias; those of models have a `model_id`."""
    snapshot = office.follower.snapshot
    return paged(snapshot, snapshot.pools, lambda alias: _show(snapshot, alias), limit=limit, after=after)


@get(_ONE, opt=READ, responses=READS, tags=_TAGS, operation_id="getPool")
async def pool(alias: FromPath[str], office: Given[Office]) -> Response[PoolShown]:
    """One pool. An alias may contain slashes; of a model's pool, the ETag is the model's."""
    alias, snapshot = alias.removeprefix("/"), office.follower.snapshot
    if alias not in snapshot.pools:
        raise missing("pool", alias)
    return shown(snapshot, _show(snapshot, alias), about=_stream(snapshot, alias))


@put(_ONE, opt=OPERATE, responses=CHANGES, tags=_TAGS, operation_id="putPool", dto=StrictBody, return_dto=None)
async def put_pool(alias: FromPath[str], data: JSONBody[PoolBody], mutation: Given[Mutation]) -> Response[Receipt]:
    """Define a pool with all its providers and rules, or define it anew."""
    name = alias.removeprefix("/")
    return await mutation.make(
        lambda snapshot: _define(mutation, snapshot, name, data),
        about=f"pool:{name}",
        exists=lambda snapshot: name in snapshot.pools,
    )


@patch(_ONE, opt=OPERATE, responses=CHANGES, tags=_TAGS, operation_id="patchPool", dto=MergePatch, return_dto=None)
async def patch_pool(
    alias: FromPath[str],
    data: JSONBody[_Patch],  # type: ignore[valid-type]
    mutation: Given[Mutation],
) -> Response[Receipt]:
    """Change some fields (RFC 7396). Lists, such as the providers, are stated as a whole."""
    name = alias.removeprefix("/")

    def compose(snapshot: RoutingSnapshot) -> Wish:
        if name not in snapshot.pools:
            raise missing("pool", name)
        whole = merged(fields_of(PoolBody, _show(snapshot, name)), data)
        return _define(mutation, snapshot, name, checked(whole, PoolBody))

    return await mutation.make(compose, about=f"pool:{name}", exists=lambda snapshot: name in snapshot.pools)


@delete(_ONE, opt=OPERATE, status_code=200, responses=CHANGES, tags=_TAGS, operation_id="deletePool")
async def remove_pool(alias: FromPath[str], mutation: Given[Mutation]) -> Response[Receipt]:
    """Remove a pool. Once more changes nothing."""
    name = alias.removeprefix("/")

    def compose(snapshot: RoutingSnapshot) -> Wish:
        if name not in snapshot.pools and f"pool:{name}" not in snapshot.streams:
            raise missing("pool", name)
        return Wish(RemovePool(name), where=lambda _: ())

    return await mutation.make(compose, about=f"pool:{name}", exists=lambda snapshot: name in snapshot.pools)


routes: list[Any] = [pools, pool, put_pool, patch_pool, remove_pool]
