"""What a request that changes something states beside its body: conditions, a key to repeat it by, how to answer it."""

from typing import Annotated, Any, Final
from uuid import UUID, uuid5

from litestar import Request
from litestar.params import HeaderParameter, QueryParameter

from adapters.http.admin.conditions import Conditions
from adapters.http.admin.entrance import Who
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation
from adapters.http.admin.office import Office
from engine.runtime.writer import Repeatable

_REPEATABLE: Final = UUID("6f0f1f0e-6f5b-4a8a-9c52-3f6a2b1d7c40")


async def mutation_of(
    request: Request[Any, Any, Any],
    office: Given[Office],
    who: Given[Who],
    dry_run: Annotated[
        bool, QueryParameter(description="Tell the events and the difference it would make, and change nothing.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            min_length=1,
            max_length=255,
            description="Of the sender's own choice: the same request with the same key counts once.",
        ),
    ] = None,
    if_match: Annotated[
        str | None, HeaderParameter(name="If-Match", max_length=1024, description="ETags it is meant for, or *.")
    ] = None,
    if_none_match: Annotated[
        str | None, HeaderParameter(name="If-None-Match", max_length=1024, description="*: only if it is not there.")
    ] = None,
    prefer: Annotated[
        str | None,
        HeaderParameter(
            name="Prefer",
            max_length=1024,
            description="wait=applied: answer once this gateway routes by it, for 10 s at most; then 202.",
        ),
    ] = None,
) -> Mutation:
    """The dependency `mutation`."""
    repeatable = None
    if idempotency_key is not None:
        asked = (request.method.encode(), request.scope["path"].encode(), request.scope["query_string"])
        repeatable = _repeatable(who.token_id, idempotency_key, (*asked, await request.body()))
    preferences = [one.strip().lower().replace(" ", "") for one in (prefer or "").replace(";", ",").split(",")]
    return Mutation(
        office=office,
        who=who,
        conditions=Conditions.of(if_match, if_none_match),
        dry_run=dry_run,
        waits="wait=applied" in preferences or 'wait="applied"' in preferences,
        repeatable=repeatable,
    )


def _repeatable(token_id: str, key: str, asked: tuple[bytes, ...]) -> Repeatable:
    # The key is in the log in no form that leads back to it, and so is the body, which may hold a secret.
    own = f"{token_id}\0{key}"
    told = "\0".join([own, *(part.hex() for part in asked)])
    return Repeatable(lambda number: uuid5(_REPEATABLE, f"{own}\0{number}"), uuid5(_REPEATABLE, told))
