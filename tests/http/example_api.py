"""A small API as the control plane's is written: Litestar, attrs models, every error a problem (RFC 9457)."""

import re
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Self

import attrs
import msgspec
import trio
from litestar import Litestar, Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.dto import AbstractDTO
from litestar.exceptions import HTTPException, NotAuthorizedException, ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import Body, FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Stream

_AT = re.compile(r" - at `\$\.?(.*)`$")


class Kind(Enum):
    CHAT = "chat"
    EMBEDDINGS = "embeddings"


@attrs.frozen(kw_only=True)
class Part:
    # The decoder reads `Meta`, the schema reads `Body`.
    weight: Annotated[int, msgspec.Meta(ge=1), Body(ge=1)] = 1


@attrs.frozen(kw_only=True)
class Thing:
    name: str
    kind: Kind = Kind.CHAT
    parts: tuple[Part, ...] = ()
    labels: Mapping[str, str] = {}


@attrs.frozen
class BodyRefused(Exception):
    where: str
    what: str


class StrictBody(AbstractDTO[Any]):
    """Decodes a body as it stands: no number from a string, no field that the model does not have."""

    @classmethod
    def create_for_field_definition(cls, field_definition: Any, handler_id: str, backend_cls: Any = None) -> None:
        """No backend is made, since the model itself is decoded."""

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003
        return schema_creator.for_field_definition(field_definition)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[Any, None, None]:  # noqa: ARG003
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: Any) -> bool:  # noqa: ARG003
        return False

    def decode_bytes(self, value: bytes) -> Any:
        model = self.asgi_connection.route_handler.parsed_data_field.annotation
        try:
            body = msgspec.json.decode(value, type=model)
            raw = msgspec.json.decode(value)
        except msgspec.ValidationError as error:
            at = _AT.search(str(error))
            raise BodyRefused(at[1] if at else "", _AT.sub("", str(error))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise BodyRefused("", "The body is not valid JSON.") from None
        for where in _unknown(raw, body, ""):
            raise BodyRefused(where, "There is no such field.")
        return body


def _unknown(raw: Any, value: Any, at: str) -> Iterator[str]:
    """Where a body has fields that its model does not have."""
    if attrs.has(type(value)):
        names = {field.name for field in attrs.fields(type(value))}
        yield from (f"{at}.{name}".lstrip(".") for name in raw if name not in names)
        for name in names & raw.keys():
            yield from _unknown(raw[name], getattr(value, name), f"{at}.{name}".lstrip("."))
    elif isinstance(value, tuple | list):
        for index, one in enumerate(value):
            yield from _unknown(raw[index], one, f"{at}[{index}]")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response[Any]:
    body = {"type": "about:blank", "status": status, "detail": detail, **more}
    return Response(body, status_code=status, headers=headers, media_type="application/problem+json")


def on_http(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    return problem(error.status_code, error.detail, error.headers)


def on_validation(_request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    # Its detail quotes the whole query, so it is left out.
    errors: list[dict[str, Any]] = []
    found: Any = error.extra or ()
    for one in found:
        if one.get("key") == "data":
            # The body's errors are StrictBody's; what is left is that there is none.
            errors.append({"in": "body", "where": "", "what": "The request needs a body."})
        else:
            errors.append({"in": one.get("source", ""), "where": one.get("key", ""), "what": one["message"]})
    return problem(422, "The request is not valid.", errors=errors)


def on_body(_request: Request[Any, Any, Any], error: BodyRefused) -> Response[Any]:
    return problem(422, "The body is not valid.", errors=[{"in": "body", "where": error.where, "what": error.what}])


def on_bug(_request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    raise error  # the bridge logs it and answers


class Ticks:
    """An iterator and no generator: nothing is left half-run when the client goes while a chunk is being sent."""

    def __init__(self, chunks: trio.MemoryReceiveChannel[bytes], seen: list[str]) -> None:
        self._chunks = chunks
        self._seen = seen

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._chunks.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        except trio.Cancelled:
            self._seen.append("cancelled")
            raise


async def only_with_token(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    if connection.headers.get("authorization") != "Bearer token":
        raise NotAuthorizedException("Say who you are.", headers={"www-authenticate": "Bearer"})


@get("/things/{name:str}")
async def show(name: FromPath[str], limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50) -> dict[str, str | int]:
    return {"name": name, "limit": limit}


@post("/things", dto=StrictBody, return_dto=None)
async def make(
    data: JSONBody[Thing],
    idempotency_key: Annotated[str | None, HeaderParameter(name="Idempotency-Key", max_length=8)] = None,
) -> Response[Thing]:
    return Response(data, headers={"etag": '"7"', "x-key": idempotency_key or "none"})


@get("/secret", guards=[only_with_token], sync_to_thread=False)
def secret() -> dict[str, bool]:
    return {"ok": True}


@get("/bug")
async def bug() -> None:
    raise KeyError("sk-secret")


def api(chunks: trio.MemoryReceiveChannel[bytes] | None = None, seen: list[str] | None = None) -> Litestar:
    """The application; `chunks` is what `/follow` streams, `seen` is told how that ended."""

    @get("/follow")
    async def follow() -> Stream:
        assert chunks is not None
        headers = {"cache-control": "no-store"}
        return Stream(Ticks(chunks, [] if seen is None else seen), media_type="text/event-stream", headers=headers)

    @get("/generated")
    async def generated() -> Stream:
        async def generate() -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

        return Stream(generate(), media_type="text/plain")

    return Litestar(
        [show, make, secret, bug, follow, generated],
        debug=False,
        logging_config=None,
        request_max_body_size=None,
        exception_handlers={
            HTTPException: on_http,
            ValidationException: on_validation,
            BodyRefused: on_body,
            Exception: on_bug,
        },
        openapi_config=OpenAPIConfig(
            title="example", version="1", path="/schema", render_plugins=[JsonRenderPlugin(path="/openapi.json")]
        ),
    )
