"""The data port: `/v1/*` and every other path by alias, the model list, and health.

Law: whatever happens, the answer is one of the provider's or a problem in the client's own error shape; a failure
nobody foresaw is logged with its traceback and answered as ERR-10, without one.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
import trio

from adapters.http.intake import alias_of, caller_of, is_anthropic, path_and_query, request_id_of
from adapters.http.messages import Incoming, Response
from adapters.http.problems import problem, status_of
from adapters.http.relay import Relay, identity
from adapters.http.told_to_callers import ASKED, as_field, explanation
from adapters.observe import Observer
from engine.access import not_found, visible_aliases
from engine.errors import Reason, Refused
from engine.ports import Clock, Request
from engine.recording import Served
from engine.runtime.forward import Forward
from engine.runtime.router import Router
from engine.runtime.trail import Trail

_JSON = (b"content-type", b"application/json")
_LISTS = {"/models", "/v1/models"}
_HEALTH = {"/health/live", "/health/liveliness", "/health/liveness"}
_SHOWN = 128
"""How much of a name that a client sent goes into the log and the journal."""

_log = structlog.get_logger("inference")


class Inference:
    """An application. `unix_s` gives the list's `created`; `is_ready` answers `/health/ready`."""

    def __init__(
        self,
        forward: Forward,
        router: Router,
        observer: Observer,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        unix_s: Callable[[], int],
        is_ready: Callable[[], bool],
    ) -> None:
        self._forward = forward
        self._router = router
        self._observer = observer
        self._clock = clock
        self._new_id = new_id
        self._unix_s = unix_s
        self._is_ready = is_ready

    async def __call__(self, incoming: Incoming) -> Response:
        request_id = request_id_of(incoming.fields) or self._new_id()
        trail = Trail(Served.begun(request_id, incoming.started_ns, self._router.snapshot.position))
        try:
            return await self._respond(incoming, trail)
        except Refused as refused:
            return self._problem(refused, incoming, trail)
        except trio.Cancelled:
            self._abandoned(incoming, trail)
            raise
        except Exception:  # noqa: BLE001 - the boundary: one request's bug is not the others'
            _log.exception("unforeseen", request_id=request_id)
            return self._problem(Refused(Reason.INTERNAL), incoming, trail)

    async def _respond(self, incoming: Incoming, trail: Trail) -> Response:
        if incoming.refusal is not None:
            raise Refused(incoming.refusal, incoming.detail)
        path, query = path_and_query(incoming.target)
        request_id = trail.served.request_id
        if incoming.method in {"GET", "HEAD"}:
            own = self._own(incoming, path, request_id)
            if own is not None:
                return own
        alias = alias_of(incoming)
        trail.served.alias = alias[:_SHOWN]
        request = Request(
            method=incoming.method,
            path=path,
            query=query,
            headers=incoming.headers,
            body=incoming.body,
            alias=alias,
            alias_overridden=b"model-override" in incoming.fields,
            caller=caller_of(incoming, path),
            request_id=request_id,
            address=incoming.address,
        )
        answer = await self._forward(request, trail)
        try:
            return Relay(
                answer,
                trail,
                anthropic=is_anthropic(incoming),
                clock=self._clock,
                observer=self._observer,
                told=explanation(trail, incoming.fields) if ASKED in incoming.fields else None,
            )
        except BaseException:
            await answer.__aexit__(None, None, None)
            raise

    def _own(self, incoming: Incoming, path: str, request_id: str) -> Response | None:
        """What the gateway answers by itself; None for all that goes by alias."""
        if path in _HEALTH:
            return _json(200, {"status": "ok"}, [])
        if path == "/health/ready":
            ready = self._is_ready()
            return _json(200 if ready else 503, {"status": "ready" if ready else "not ready"}, [])
        if b"model-override" in incoming.fields:
            return None
        if path in _LISTS:
            return self._models(incoming, path, None, request_id)
        parent, _, name = path.partition("/models/")
        if name and parent in {"", "/v1"}:
            return self._models(incoming, path, unquote(name), request_id)
        return None

    def _models(self, incoming: Incoming, path: str, wanted: str | None, request_id: str) -> Response:
        """The models this caller may see, or one of them (MODELS-1 to MODELS-4), in the client's dialect."""
        snapshot = self._router.snapshot
        anthropic = is_anthropic(incoming)
        created = self._unix_s()
        aliases = visible_aliases(snapshot, caller_of(incoming, path), created, incoming.address)
        entry = _anthropic_model if anthropic else _openai_model
        own = [(b"x-pointsman-position", b"%d" % snapshot.position), *identity(request_id, anthropic=anthropic)]
        if wanted is not None:
            if wanted not in aliases:
                raise not_found(wanted)
            return _json(200, entry(wanted, created), own)
        data = [entry(alias, created) for alias in aliases]
        if anthropic:
            ends = {"first_id": aliases[0] if aliases else None, "last_id": aliases[-1] if aliases else None}
            return _json(200, {"data": data, "has_more": False, **ends}, own)
        return _json(200, {"object": "list", "data": data}, own)

    def _problem(self, refused: Refused, incoming: Incoming, trail: Trail) -> Response:
        served = trail.served
        served.outcome, served.status, served.reason = "refused", status_of(refused), refused.reason.value
        served.scope = refused.scope.value if refused.scope is not None else None
        served.why = refused.why
        served.key_id, served.pool = served.key_id or refused.key_id, served.pool or refused.pool
        served.total_ns = self._clock() - served.at
        self._observer.ended(trail)
        anthropic = is_anthropic(incoming)
        headers = identity(served.request_id, anthropic=anthropic)
        headers.append((b"x-pointsman-position", b"%d" % served.position))
        told = None
        if served.ticket is not None:
            headers.append((b"x-pointsman-decision", b"%d" % served.ticket))
            told = explanation(trail, incoming.fields, refused=refused.why)
            if told is not None:
                headers.append(as_field(told))
        return problem(refused, anthropic=anthropic, request_id=served.request_id, headers=headers, explanation=told)

    def _abandoned(self, incoming: Incoming, trail: Trail) -> None:
        """The client has left before there was an answer, or the gateway leaves it."""
        is_client = incoming.peer is None or incoming.peer.gone
        trail.served.outcome = "client" if is_client else "gateway"
        trail.served.total_ns = self._clock() - trail.served.at
        self._observer.ended(trail)


def _openai_model(alias: str, created: int) -> dict[str, Any]:
    return {"id": alias, "created": created, "object": "model", "owned_by": "None"}


def _anthropic_model(alias: str, created: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": alias, "display_name": alias, "created_at": moment}


def _json(status: int, value: Any, headers: list[tuple[bytes, bytes]]) -> Response:
    return Response(status, [_JSON, *headers], msgspec.json.encode(value))
