"""Client keys: made, shown, changed, rotated and revoked (AUTH-9, KEY-2).

Law: a key's secret is shown once, by the answer that made it (`issuing`). A key that is revoked is refused by the first
request after the position of its revocation; so is what was its secret before a rotation, once the overlap is over.
"""

from typing import Any, Final

import attrs
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from adapters.http.admin import key_models
from adapters.http.admin.answers import PAGE, After, Limit, paged, shown
from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.issuing import KEY, Issued, issue, new_id, planned
from adapters.http.admin.key_models import KeyChange, KeyShown, NewKey, Rotation, changed, made, placed
from adapters.http.admin.mutation import Mutation, Wish
from adapters.http.admin.office import Log, Office
from adapters.http.admin.problems import CHANGES, READS, Refusal, missing
from adapters.http.admin.receipt import Receipt
from engine.access import digest
from engine.commands import DefineKey, RemoveKey
from engine.credentials import problems_of_names, problems_of_secret, rotated
from engine.errors import Problem, Rejected, StoreUnavailable
from engine.events import KeyRemoved
from engine.names import Position, Stream
from engine.snapshot import Key, RoutingSnapshot

_PAGE: Final = 500


@attrs.frozen(kw_only=True)
class KeyPage:
    data: tuple[KeyShown, ...]
    next: str | None
    position: int


@attrs.frozen(kw_only=True)
class KeyTold(KeyShown):
    created_position: int | None
    "At which it was made; null while the event log cannot be read."


@attrs.frozen(kw_only=True)
class KeyIssued(Issued):
    key_id: str


@get("/keys", operation_id="listKeys", opt=READ, responses=READS)
async def list_keys(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[KeyPage]:
    """The keys, in the order of their ids."""
    snapshot, at = office.follower.snapshot, office.unix_us()
    return paged(
        snapshot,
        snapshot.keys,
        lambda key_id: key_models.shown(snapshot, snapshot.keys[key_id], at),
        limit=limit,
        after=after,
    )


@get("/keys/{key_id:str}", operation_id="showKey", opt=READ, responses=READS)
async def show_key(office: Given[Office], key_id: FromPath[str]) -> Response[KeyTold]:
    """A key, without its secret: that is not kept."""
    snapshot = office.follower.snapshot
    key = _present(snapshot, key_id)
    told = attrs.asdict(key_models.shown(snapshot, key, office.unix_us()), recurse=False)
    created = await _created(office.log, f"key:{key_id}", snapshot.position)
    return shown(snapshot, KeyTold(**told, created_position=created), about=f"key:{key_id}")


@post(
    "/keys",
    dto=StrictBody,
    return_dto=None,
    operation_id="createKey",
    opt=OPERATE,
    responses={**CHANGES, **planned(KeyIssued)},
)
async def create_key(office: Given[Office], mutation: Given[Mutation], data: JSONBody[NewKey]) -> Response[KeyIssued]:
    """Make a key, and show its secret this once. Give `secret` to bring along one that clients have already."""
    key_id = new_id(mutation, office, "key") if data.key_id is None else data.key_id
    secret = KEY + office.new_secret() if data.secret is None else data.secret
    key = made(data, key_id, digest(secret.encode(errors="replace")))

    def compose(snapshot: RoutingSnapshot) -> Wish:
        if key_id in snapshot.keys:
            raise Refusal(409, f"There is a key {key_id!r} already: change it, rotate it, or take another id.")
        _check(key, *(problems_of_secret(secret, snapshot.keys) if data.secret is not None else ()))
        return Wish(DefineKey(key), where=placed)

    return await issue(
        mutation,
        compose,
        about=f"key:{key_id}",
        secret=secret,
        told="Keep the secret: it is shown this once.",
        lost=f"rotate the key to have another one, at /admin/v1/keys/{key_id}/rotate.",
        status=201,
        more={"key_id": key_id},
    )


@patch("/keys/{key_id:str}", dto=StrictBody, return_dto=None, operation_id="changeKey", opt=OPERATE, responses=CHANGES)
async def change_key(mutation: Given[Mutation], key_id: FromPath[str], data: JSONBody[KeyChange]) -> Response[Receipt]:
    """Change what a key may do, as a merge patch (RFC 7396); its secret stays."""

    def compose(snapshot: RoutingSnapshot) -> Wish:
        wished = changed(_present(snapshot, key_id), data)
        # Its id has been chosen before, perhaps by a file, which is freer in that.
        _check(attrs.evolve(wished, key_id="any"))
        return Wish(DefineKey(wished), where=placed)

    return await mutation.make(compose, about=f"key:{key_id}", exists=lambda snapshot: key_id in snapshot.keys)


@post(
    "/keys/{key_id:str}/rotate",
    dto=StrictBody,
    return_dto=None,
    operation_id="rotateKey",
    opt=OPERATE,
    responses=CHANGES,
    status_code=200,
)
async def rotate_key(
    office: Given[Office],
    mutation: Given[Mutation],
    key_id: FromPath[str],
    data: JSONBody[Rotation | None] = None,
) -> Response[KeyIssued]:
    """Give a key another secret, and show it this once. The present one stays good for `overlap_s` seconds; the one
    before that, if it still was, is not any more.
    """
    secret = KEY + office.new_secret()
    overlap_s = (data or Rotation()).overlap_s

    def compose(snapshot: RoutingSnapshot) -> Wish:
        at = office.unix_us() // 1_000_000
        key = rotated(_present(snapshot, key_id), digest(secret.encode()), at, overlap_s)
        return Wish(DefineKey(key), where=placed)

    return await issue(
        mutation,
        compose,
        about=f"key:{key_id}",
        secret=secret,
        told="Keep the secret: it is shown this once."
        + (f" The one before is good for {overlap_s} s more." if overlap_s else ""),
        lost="rotate the key once more to have another one.",
        status=200,
        more={"key_id": key_id},
    )


@delete("/keys/{key_id:str}", operation_id="revokeKey", opt=OPERATE, responses=CHANGES, status_code=200)
async def revoke_key(mutation: Given[Mutation], key_id: FromPath[str]) -> Response[Receipt]:
    """Revoke a key: the first request after this position is refused. Once more changes nothing. A pool whose list is
    empty then is open to nobody.
    """

    def compose(snapshot: RoutingSnapshot) -> Wish:
        if f"key:{key_id}" not in snapshot.streams:
            raise missing("key", key_id)
        return Wish(RemoveKey(key_id))

    return await mutation.make(compose, about=f"key:{key_id}", exists=lambda snapshot: key_id in snapshot.keys)


async def _created(log: Log, stream: Stream, until: Position) -> Position | None:
    """Where the key of now began: one of this id may have been there before."""
    created, after = None, 0
    try:
        while after < until and (page := await log.history(stream, after, _PAGE)):
            for one in page:
                if isinstance(one.event, KeyRemoved):
                    created = None
                elif created is None:
                    created = one.position
            after = page[-1].position if len(page) == _PAGE else until
    except StoreUnavailable:
        return None
    return created


def _present(snapshot: RoutingSnapshot, key_id: str) -> Key:
    key = snapshot.keys.get(key_id)
    if key is None:
        raise missing("key", key_id)
    return key


def _check(key: Key, *more: Problem) -> None:
    problems = (*problems_of_names(key), *more)
    if problems:
        raise Rejected(problems)


routes: Final[list[Any]] = [list_keys, show_key, create_key, change_key, rotate_key, revoke_key]
