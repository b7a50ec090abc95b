"""The admin API as the command line asks it, at a running gateway or in this process alike.

Law: what a change answers is what has become of it: a request whose answer was lost is sent once more with the same
Idempotency-Key, so that it counts once. Whatever goes wrong is StartFailed in sentences for people; nothing of a token
or a secret is in them.
"""

import os
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import attrs
import httpx
import msgspec

from adapters import clock
from engine.errors import StartFailed
from projections.phrases import printable

BELOW: Final = "/admin/v1"
_PATIENCE: Final = httpx.Timeout(300.0, connect=5.0)
_PAGE: Final = 1000
_INPUT: Final = {400, 404, 405, 413, 415, 422}
"""Statuses by which the request itself is at fault, whatever the state of the gateway."""
_PARAMETER: Final = re.compile(r"(?<!\S)\?([a-z_]+)\b")
"""Of a query, as the API names it in a fault."""
_OPTIONS: Final = {"position_from": "from", "position_to": "to"}
"""Where an option is called otherwise than its parameter."""
_NO_NAMES: Final = {"", ".", ".."}
"""What a path would be shortened by."""


@attrs.frozen
class Declined(StartFailed):
    """An answer that is an error: `sentence` is its problem (RFC 9457), a line each."""

    status: int = 0


@attrs.frozen
class Answer:
    body: Any
    headers: Mapping[str, str]


def connected(base: str, token: bytes) -> httpx.AsyncClient:
    """A client of the gateway at an address. Nothing of the environment changes where it goes."""
    return httpx.AsyncClient(
        base_url=base,
        headers={b"authorization": b"Bearer " + token},
        timeout=_PATIENCE,
        trust_env=False,
        verify=ssl.create_default_context() if base.startswith("https:") else False,
    )


@attrs.frozen
class AdminApi:
    http: httpx.AsyncClient
    name: str
    "For messages: `The gateway at …` or `The database`."

    async def get(self, *path: str, **query: Any) -> Any:
        """What is at a path, given in its parts. A parameter that is None is left out."""
        return (await self.ask("GET", *path, query=query)).body

    async def all(self, *path: str, **query: Any) -> list[Any]:
        """The entries of all pages."""
        found: list[Any] = []
        after: str | None = None
        while True:
            page = await self.get(*path, **{**query, "limit": _PAGE, "after": after})
            found += page["data"]
            after = page.get("next")
            if after is None:
                return found

    async def change(self, method: str, *path: str, body: Any = None, dry_run: bool = False, **fields: str) -> Any:
        """Make a change, and wait until what answers runs on it. `fields` are headers, with `_` for `-`."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        headers |= {"idempotency-key": clock.new_request_id(), "prefer": "wait=applied"}
        query = {"dry_run": "true" if dry_run else None}
        return (await self.ask(method, *path, query=query, body=body, headers=headers)).body

    async def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        also: int | None = None,
    ) -> Answer:
        """`also`: a status that is an answer too. Raises Declined, StartFailed."""
        answer = await self._send(self._request(method, path, query or {}, body, headers or {}))
        if answer.status_code != also:
            self._good(answer)
        try:
            return Answer(msgspec.json.decode(answer.content), answer.headers)
        except msgspec.DecodeError:
            raise StartFailed(f"{self.name} answered what is no JSON; is it a control port?") from None

    async def text(self, *path: str, accept: str, **query: Any) -> bytes:
        """An answer as it comes. Raises Declined, StartFailed."""
        request = self._request("GET", path, query, None, {"accept": accept})
        return self._good(await self._send(request)).content

    async def lines(self, *path: str, **query: Any) -> AsyncIterator[str]:
        """The lines of an answer that does not end. Raises Declined, StartFailed."""
        request = self._request("GET", path, query, None, {})
        try:
            answer = await self.http.send(request, stream=True)
            try:
                if answer.is_error:
                    await answer.aread()
                self._good(answer)
                async for line in answer.aiter_lines():
                    yield line
            finally:
                await answer.aclose()
        except httpx.HTTPError as error:
            raise self._unreached(error, request) from None

    def _request(
        self, method: str, path: tuple[str, ...], query: Mapping[str, Any], body: Any, headers: Mapping[str, str]
    ) -> httpx.Request:
        if any(part in _NO_NAMES for part in path):
            raise StartFailed("An id cannot be empty, . or .. .", wrong_input=True)
        content = None if body is None else msgspec.json.encode(body)
        kind = {} if body is None else {"content-type": "application/json"}
        return self.http.build_request(
            method,
            "/".join((BELOW, *(quote(part, safe="") for part in path))),
            params={name: value for name, value in query.items() if value is not None},
            content=content,
            headers={**kind, **headers},
        )

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self.http.send(request)
        except (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError, httpx.CloseError):
            return await self._again(request)
        except httpx.HTTPError as error:
            raise self._unreached(error, request) from None

    async def _again(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self.http.send(request)
        except httpx.HTTPError:
            raise StartFailed(f"{self.name} broke the connection off.{_doubt(request)}") from None

    def _unreached(self, error: httpx.HTTPError, request: httpx.Request) -> StartFailed:
        if isinstance(error, httpx.ConnectTimeout):
            return StartFailed(f"{self.name} does not answer; name its control port with --gateway.")
        if isinstance(error, httpx.TimeoutException):
            return StartFailed(f"{self.name} did not answer in time.{_doubt(request)}")
        if isinstance(error, httpx.ConnectError):
            return StartFailed(
                f"{self.name} cannot be reached ({_why(error)}): name its control port with --gateway URL, or work on "
                "its database with --database URL."
            )
        return StartFailed(f"{self.name} cannot be asked: {type(error).__name__}.")

    def _good(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        status = answer.status_code
        raise Declined("\n".join(self._told(answer)), wrong_input=status in _INPUT, status=status)

    def _told(self, answer: httpx.Response) -> list[str]:
        try:
            problem = msgspec.json.decode(answer.content)
            detail, errors = str(problem["detail"]), list(problem.get("errors", ()))
        except (msgspec.DecodeError, TypeError, KeyError):
            return [f"{self.name} answered with status {answer.status_code} and no reason; is it a control port?"]
        if answer.status_code == 401:
            return [
                f"{self.name} refuses the admin token: give another with --admin-token-file or POINTSMAN_ADMIN_TOKEN."
            ]
        # Where there are errors, the detail only counts them.
        return [_fault(one) for one in errors] if errors else [printable(detail)]


def _doubt(request: httpx.Request) -> str:
    return "" if request.method == "GET" else " Whether it made the change is not known: look before repeating."


def _fault(error: Mapping[str, Any]) -> str:
    where, what, valid = (str(error.get(name, "")) for name in ("where", "what", "valid"))
    # What is wrong in a file that was sent names its own place.
    place = f"{where}: " if where not in {"", "content"} else ""
    text = f"{place}{what}{f'; valid: {valid}' if valid else ''}"
    # What the API calls ?since is --since to whoever typed it; what is wrong in a body stays as it is.
    return printable(_PARAMETER.sub(_option, text) if where.startswith("?") else text)


def _option(parameter: re.Match[str]) -> str:
    name = parameter[1]
    return f"--{_OPTIONS.get(name, name)}".replace("_", "-")


def _why(error: BaseException) -> str:
    """The operating system's words, below what httpx and trio have wrapped around them."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, BaseExceptionGroup):
        return _why(error.exceptions[0])
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return printable(str(error) or "no connection")
