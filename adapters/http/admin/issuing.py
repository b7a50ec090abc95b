"""Secrets that are shown once: of new keys and tokens, and of rotated keys.

Law: a secret is in one answer and in nothing else: the log has its digest, a dry run and a repetition have none. What
was sent again with the same Idempotency-Key issues nothing anew, and says that the secret cannot be told again.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
from litestar import Response
from litestar.openapi import ResponseSpec

from adapters.http.admin.mutation import Compose, Done, Mutation
from adapters.http.admin.office import Office
from adapters.http.admin.receipt import Receipt
from engine.errors import IdempotencyConflict
from engine.names import Stream

KEY: Final = "pm-"
"""What the secrets of client keys begin with, so that scanners of leaked secrets can know them."""
TOKEN: Final = "pmt-"  # noqa: S105 - the beginning of one
_AGAIN: Final = "An earlier request with this Idempotency-Key did this and was shown the secret, which is not kept: "


@attrs.frozen(kw_only=True)
class Issued(Receipt):
    """The answer that has a secret."""

    secret: str | None = attrs.field(default=None, repr=False)
    "Shown this once: only its SHA-256 is kept. null: of a dry run, and of a request that was sent again."
    detail: str = ""


def planned(model: type[Issued]) -> Mapping[int, ResponseSpec]:
    """For `responses=` of a route that answers 201: a dry run creates nothing."""
    return {200: ResponseSpec(model, description="Of a dry run: what would be done.", generate_examples=False)}


def new_id(mutation: Mutation, office: Office, prefix: str) -> str:
    """An id for what a request makes: the same when it is sent again."""
    if mutation.repeatable is None:
        return f"{prefix}-{office.new_name()}"
    return f"{prefix}-{mutation.repeatable.event_ids(0)}"


async def issue(
    mutation: Mutation,
    compose: Compose,
    *,
    about: Stream,
    secret: str,
    told: str,
    lost: str,
    status: int,
    more: Mapping[str, Any],
) -> Response[Any]:
    """Make a change that brings a secret about, and show it. `told`: about it; `lost`: what to do without it."""
    done = await once(mutation, compose, about=about)
    if done.is_dry:
        return mutation.answer(done, more={**more, "secret": None, "detail": "A dry run issues nothing."})
    if done.written.is_repeated:
        return mutation.answer(done, status=status, more={**more, "secret": None, "detail": _AGAIN + lost})
    return mutation.answer(done, status=status, more={**more, "secret": secret, "detail": told})


async def once(mutation: Mutation, compose: Compose, *, about: Stream) -> Done:
    """As `Mutation.write`, for events that are never the same twice, since there is a fresh secret in them."""
    try:
        return await mutation.write(compose, about=about)
    except IdempotencyConflict:
        # Either another request has had this Idempotency-Key, which raises it again; or this one was sent twice at
        # once, and the other sending has won: then that is found now.
        return await mutation.write(compose, about=about)
