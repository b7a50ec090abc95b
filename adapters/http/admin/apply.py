"""Configuration files, sent instead of put beside a gateway.

Law: a file is taken whole or not at all, as its watcher takes it; its secrets are in the vault before any event names
them, and in no answer. What is wrong with it is told in its own lines, none of which quotes a value that may be secret.
"""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final, Literal

import attrs
import trio
from litestar import Response, post
from litestar.params import JSONBody

from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.entrance import OPERATE, Who
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, Fault, Invalid, Refusal
from adapters.http.admin.receipt import Receipt
from adapters.submitted import Submitted, Unusable
from engine.commands import ApplyDocument
from engine.errors import Rejected
from engine.names import Stream
from engine.snapshot import SENT, RoutingSnapshot

_ENDINGS: Final = {"json": (".json",), "yaml": (".yaml", ".yml"), "toml": (".toml",)}
_LONGEST: Final = 128
_MOST: Final = 100
"""Lines of problems, or of warnings, in an answer."""


@attrs.frozen(kw_only=True)
class Sent:
    """A file, as `name` says: its source is `sent:` and that name."""

    name: str
    "Without folders, e.g. `routes.yaml`; the ending names the format."
    content: str = attrs.field(repr=False)
    format: Literal["json", "yaml", "toml"] | None = None
    "Stated to be sure: it must be the one that the name's ending says."


@attrs.frozen(kw_only=True)
class Applied(Receipt):
    source: str
    "Whose it is now: the file's, or of an export the token's that sent it."
    warnings: tuple[str, ...] = ()
    "Complete lines: file, place in it, what is worth knowing."


@attrs.frozen
class _ForFile(Who):
    """Whoever sends a file acts for it."""

    source: str

    @property
    def actor(self) -> str:
        return self.source

    @property
    def by(self) -> str | None:
        return f"token:{self.token_id}"


@post(
    "/apply", operation_id="applyFile", dto=StrictBody, return_dto=None, opt=OPERATE, responses=CHANGES, status_code=200
)
async def apply(office: Given[Office], mutation: Given[Mutation], data: JSONBody[Sent]) -> Response[Applied]:
    """Make the table what a configuration file says: define what differs, and remove what files had defined and this
    one does not name. An export (`pointsman: 1`) is taken too: what its sections do not name goes, but for what a file
    manages. With `dry_run`, tell what that would change. It asks for the scope admin where a credential is sent to
    another address than before.
    """
    submitted = await read_sent(office, data)
    if submitted.grants:
        mutation.who.needs("admin", "A document with tokens or released sources")
    source = SENT + data.name
    if submitted.is_files:
        mutation = attrs.evolve(mutation, who=_ForFile(mutation.who.token_id, mutation.who.scope, source))

    command = submitted.command
    if isinstance(command, ApplyDocument):
        # So that a tariff whose time has come is in force with the document, and not only at the next tick.
        command = attrs.evolve(command, at_us=office.unix_us())

    def compose(_: RoutingSnapshot) -> Wish:
        return Wish(command, secrets=submitted.credentials)

    try:
        done = await mutation.write(compose, about=f"source:{source}")
    except Rejected as rejected:
        raise Invalid(faults_of(submitted.told(rejected))) from None
    left = tuple(_left(stream) for stream in submitted.left_alone(done.snapshot, mutation.who.actor))
    warnings = _bounded((*submitted.warnings, *left))
    return mutation.answer(done, more={"source": mutation.who.actor, "warnings": warnings})


async def read_sent(office: Office, data: Sent) -> Submitted:
    """What a file wishes for. Raises Invalid, Refusal."""
    _check_name(data)
    if office.load is None:
        raise Refusal(501, "This gateway takes no files.")
    try:
        return await trio.to_thread.run_sync(office.load, data.name, data.content.encode())
    except Unusable as error:
        raise Invalid(faults_of(error.problems)) from None


def _left(stream: Stream) -> str:
    return f"{stream} is managed by a file, and stays as it is"


def _check_name(data: Sent) -> None:
    name = data.name
    if not 0 < len(name) <= _LONGEST or not name.isprintable() or "/" in name or "\\" in name or name.strip() != name:
        what = "not usable as a file's name"
        raise Invalid((Fault(where="name", what=what, valid=f"1 to {_LONGEST} printable characters without / and \\"),))
    ending = PurePosixPath(name).suffix.lower()
    if ending not in sum(_ENDINGS.values(), ()):
        raise Invalid((Fault(where="name", what="its ending names no format", valid=".json, .yaml, .yml, .toml"),))
    if data.format is not None and ending not in _ENDINGS[data.format]:
        fault = Fault(
            where="format", what=f"the name ends in {ending}", valid="the format that the ending says, or none"
        )
        raise Invalid((fault,))


def faults_of(problems: Iterable[str]) -> tuple[Fault, ...]:
    """Lines about a file as problems of the body."""
    parts = (line.partition("; valid: ") for line in _bounded(tuple(problems)))
    return tuple(Fault(where="content", what=what, valid=valid) for what, _, valid in parts)


def _bounded(lines: tuple[str, ...]) -> tuple[str, ...]:
    return lines if len(lines) <= _MOST else (*lines[:_MOST], f"… and {len(lines) - _MOST} more")


routes: Final[list[Any]] = [apply]
