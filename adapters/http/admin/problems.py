"""Every error of the admin API as a problem (RFC 9457): one table of what the engine raises.

Law: what a problem says never quotes more than 128 characters of a request, and nothing of a token or a credential.

Longer than others because each kind of error is told beside the table that names them all.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import attrs
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from adapters.http.admin.receipt import Receipt
from engine.errors import (
    IdempotencyConflict,
    JournalUnavailable,
    LogDamaged,
    OutcomeUnknown,
    Outdated,
    Owned,
    PointsmanError,
    Rejected,
    StoreError,
)
from engine.snapshot import file_of

_QUOTED: Final = re.compile(r"""(['"])([^'"]{96})[^'"]+\1""")
_RUN: Final = re.compile(r"(\S{96})\S{33,}")
_LONGEST: Final = 400
_RETRY_S: Final = "1"


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that is wrong with a request."""

    where: str
    "In the body, e.g. `providers[0].weight`; else `?name` of the query, the name of a header, or empty: all of it."
    what: str
    valid: str = ""
    "What would be accepted there."


@attrs.frozen(kw_only=True)
class Problem:
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[Fault, ...] = ()
    "For 422 only."


@attrs.frozen
class Invalid(Exception):
    """The request cannot be understood."""

    faults: tuple[Fault, ...]


@attrs.frozen
class Refusal(Exception):
    """The request will not be done, for a reason of the API's own."""

    status: int
    detail: str
    headers: Mapping[str, str] = attrs.field(factory=dict)


def missing(what: str, name: str) -> Refusal:
    """404 for an entity."""
    return Refusal(404, f"There is no {what} {clipped(repr(name))}.")


def clipped(text: str) -> str:
    """A sentence with what it quotes cut short."""
    short = _RUN.sub(r"\1…", _QUOTED.sub(r"\1\2…\1", text))
    return short if len(short) <= _LONGEST else short[:_LONGEST] + "…"


def path_of(where: Iterable[str | int]) -> str:
    """A path into a body, e.g. `providers[0].weight`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:128]}" for part in where)
    return text.removeprefix(".")


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, faults: Iterable[Fault] = ()
) -> Response[Any]:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": clipped(detail),
    }
    errors = [{"where": one.where[:128], "what": clipped(one.what), "valid": clipped(one.valid)} for one in faults]
    if errors:
        body["errors"] = errors
    return Response(body, status_code=status, headers=dict(headers or {}), media_type="application/problem+json")


def _refusal(_request: Any, error: Refusal) -> Response[Any]:
    return problem(error.status, error.detail, headers=error.headers)


def _http(_request: Any, error: HTTPException) -> Response[Any]:
    # Litestar's own details may quote the request.
    detail = {
        404: "There is nothing at this address.",
        405: "This address does not take this method.",
    }.get(error.status_code, HTTPStatus(error.status_code).phrase + ".")
    return problem(error.status_code, detail, headers=error.headers)


def _invalid(_request: Any, error: Invalid) -> Response[Any]:
    return problem(422, "The request is not valid; nothing was changed.", faults=error.faults)


def _unvalidated(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    # Its detail quotes the whole query, so it is left out.
    found: Any = error.extra or ()
    faults = [] if found else list(_lacking(request))
    for one in found:
        key, source = str(one.get("key", "")), str(one.get("source", ""))
        if key == "data":
            faults.append(Fault(where="", what="the request needs a body", valid="a JSON object"))
        else:
            name = key.replace("_", "-") if "header" in source.lower() else f"?{key}"
            faults.append(Fault(where=name, what=str(one["message"]), valid="see /schema"))
    return problem(422, "The request is not valid; nothing was changed.", faults=faults)


def _lacking(request: Request[Any, Any, Any]) -> Iterator[Fault]:
    """The parameters of the query that the route needs and that were not given."""
    for parameter, field in request.route_handler.parsed_fn_signature.parameters.items():
        stated = field.kwarg_definition
        name = getattr(stated, "name", None) or parameter
        if isinstance(stated, QueryParameter) and field.is_required and name not in request.query_params:
            yield Fault(where=f"?{name}", what="is missing", valid="see /schema")


def _rejected(_request: Any, error: Rejected) -> Response[Any]:
    faults = [Fault(where=path_of(one.where), what=one.what, valid=one.valid) for one in error.problems]
    return problem(422, "The change was rejected, and nothing was changed.", faults=faults)


def _owned(_request: Any, error: Owned) -> Response[Any]:
    kind, _, name = error.stream.partition(":")
    entity = f"{kind} {name!r}" if name else kind
    return problem(
        409,
        f"{entity} is managed by the file {file_of(error.owner)!r}: change it there, or have its source "
        f"released first, by POST /admin/v1/sources/{quote(error.owner)}/release or "
        f"`pointsman sources release {error.owner}`.",
    )


def _outdated(_request: Any, error: Outdated) -> Response[Any]:
    return problem(
        412,
        f'The entity has the ETag "{error.actual}" and not the one that was stated; nothing was changed.',
        headers={"etag": f'"{error.actual}"'},
    )


def _reused(_request: Any, _error: IdempotencyConflict) -> Response[Any]:
    fault = Fault(
        where="idempotency-key",
        what="came with another request before",
        valid="the same request again, or a key of its own",
    )
    return problem(422, "The idempotency key was used for another request; nothing was changed.", faults=[fault])


def _in_doubt(_request: Any, _error: OutcomeUnknown) -> Response[Any]:
    return problem(
        503,
        "The event store went away during the change, which may have been applied: send it again with the same "
        "Idempotency-Key, or look before sending it again without one.",
        headers={"retry-after": _RETRY_S},
    )


def _damaged(_request: Any, error: LogDamaged) -> Response[Any]:
    return problem(
        503,
        f"The event log cannot be understood at event {error.position} ({error.detail}); this gateway serves the table "
        "before it and changes nothing.",
        headers={"retry-after": "10"},
    )


def _unrecorded(_request: Any, error: JournalUnavailable) -> Response[Any]:
    detail = f"The journal cannot be read: {str(error).rstrip('.')}."
    return problem(503, detail, headers={"retry-after": _RETRY_S})


def _away(request: Request[Any, Any, Any], error: StoreError) -> Response[Any]:
    detail = "The event store cannot be reached at present"
    if error.advice:
        detail = f"Nothing was changed: {error.advice}"
    elif request.method != "GET":
        detail += "; nothing was changed. It is safe to send this again"
    return problem(503, f"{detail}.", headers={"retry-after": _RETRY_S})


def _bug(_request: Any, error: Exception) -> Response[Any]:
    raise error  # the bridge logs where it was, and answers 500


HANDLERS: Final[Mapping[Any, Callable[[Request[Any, Any, Any], Any], Response[Any]]]] = {
    Refusal: _refusal,
    HTTPException: _http,
    ValidationException: _unvalidated,
    Invalid: _invalid,
    Rejected: _rejected,
    Owned: _owned,
    Outdated: _outdated,
    IdempotencyConflict: _reused,
    OutcomeUnknown: _in_doubt,
    LogDamaged: _damaged,
    JournalUnavailable: _unrecorded,
    StoreError: _away,
    PointsmanError: _bug,
    Exception: _bug,
}

_MEANINGS: Final = {
    400: "The path cannot be read.",
    401: "No token, or none that is good.",
    403: "The token's scope is too small.",
    404: "There is no such entity.",
    409: "A file manages the entity, and the API does not change it.",
    412: "The entity is not in the state that If-Match or If-None-Match states.",
    422: "The request is not valid, or the change would not make sense. Nothing was changed.",
    501: "No journal is kept here.",
    503: "The event store, or the journal, cannot be reached or read.",
}


def _documented(*statuses: int) -> Mapping[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            Problem, media_type="application/problem+json", description=_MEANINGS[status], generate_examples=False
        )
        for status in statuses
    }


READS: Final = _documented(400, 401, 403, 404, 422, 503)
"""What a route that changes nothing may answer beside its answer."""
JOURNAL_READS: Final = _documented(400, 401, 403, 404, 422, 501, 503)
"""What one may that tells of recorded traffic."""
CHANGES: Final[Mapping[int, ResponseSpec]] = {
    202: ResponseSpec(Receipt, description="In the log; this gateway did not run it in time.", generate_examples=False),
    **_documented(400, 401, 403, 404, 409, 412, 422, 503),
}
"""What a route that changes something may answer."""
