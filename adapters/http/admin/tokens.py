"""Admin tokens: made, shown and removed (AUTH-9).

Law: a token's secret is shown once, by the answer that made it (`issuing`). One that is removed opens nothing from the
position of its removal on, whichever gateway is asked.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import attrs
from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody

from adapters.http.admin.answers import PAGE, After, Limit, paged
from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.entrance import ADMIN
from adapters.http.admin.given import Given
from adapters.http.admin.issuing import TOKEN, Issued, issue, new_id, planned
from adapters.http.admin.mutation import Mutation, Wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, missing
from adapters.http.admin.receipt import Receipt
from adapters.http.admin.times import Time, told, unix_s
from engine.access import digest
from engine.catalogue import Token
from engine.commands import ChangeEntities
from engine.credentials import Expiry, expiry_of
from engine.events import TokenDefined, TokenRemoved
from engine.names import Digest
from engine.snapshot import RoutingSnapshot

_LAST: Final = (
    "No token of scope admin is left in the log. What is left is the token that a gateway was started with, from its "
    "token file or POINTSMAN_ADMIN_TOKEN, and `pointsman token create --database` at the database."
)
_LOCAL: Final = (
    "This gateway still takes this secret as its own token, of scope admin: it was started with it, from its token "
    "file or POINTSMAN_ADMIN_TOKEN. Take it away there and start it anew to be rid of it."
)


@attrs.frozen(kw_only=True)
class NewToken:
    name: str
    "For people: whose it is, or what for."
    scope: Literal["read", "operate", "admin"]
    "Each includes the ones before."
    expires_at: Time | None = None


@attrs.frozen(kw_only=True)
class TokenShown:
    token_id: str
    name: str
    scope: str
    expires_at: datetime | None
    expiry: str
    "never, ahead or past."
    version: int
    position: int
    "At which it was last changed."


@attrs.frozen(kw_only=True)
class TokenIssued(Issued):
    token_id: str


@attrs.frozen(kw_only=True)
class TokenGone(Receipt):
    detail: str = ""
    "What still opens this API, where that may be a surprise."


@attrs.frozen(kw_only=True)
class TokenPage:
    data: tuple[TokenShown, ...]
    next: str | None
    position: int


@get("/tokens", operation_id="listTokens", opt=ADMIN, responses=READS)
async def list_tokens(office: Given[Office], limit: Limit = PAGE, after: After = None) -> Response[TokenPage]:
    """The admin tokens of the log, in the order of their ids; a gateway's own is not among them."""
    snapshot, at = office.follower.snapshot, office.unix_us() // 1_000_000
    known: Mapping[str, Digest] = snapshot.catalogue.token_ids

    def show(token_id: str) -> TokenShown:
        return _shown(snapshot, snapshot.tokens[known[token_id]], at)

    return paged(snapshot, known, show, limit=limit, after=after)


@post(
    "/tokens",
    operation_id="createToken",
    dto=StrictBody,
    return_dto=None,
    opt=ADMIN,
    responses={**CHANGES, **planned(TokenIssued)},
)
async def create_token(
    office: Given[Office], mutation: Given[Mutation], data: JSONBody[NewToken]
) -> Response[TokenIssued]:
    """Make an admin token, and show its secret this once."""
    token_id = new_id(mutation, office, "token")
    secret = TOKEN + office.new_secret()
    expires_at = None if data.expires_at is None else unix_s(data.expires_at)
    fact = TokenDefined(token_id, digest(secret.encode()).hex(), data.scope, data.name, expires_at)
    return await issue(
        mutation,
        lambda _: Wish(ChangeEntities((fact,))),
        about=f"token:{token_id}",
        secret=secret,
        told="Keep the secret: it is shown this once.",
        lost="remove the token and make another one.",
        status=201,
        more={"token_id": token_id},
    )


@delete("/tokens/{token_id:str}", operation_id="removeToken", opt=ADMIN, responses=CHANGES, status_code=200)
async def remove_token(
    office: Given[Office], mutation: Given[Mutation], token_id: FromPath[str]
) -> Response[TokenGone]:
    """Remove a token, also the one this request comes with, and the last one."""
    removed: list[Digest] = []

    def compose(snapshot: RoutingSnapshot) -> Wish:
        if f"token:{token_id}" not in snapshot.streams:
            raise missing("token", token_id)
        removed[:] = [one for name, one in snapshot.catalogue.token_ids.items() if name == token_id]
        return Wish(ChangeEntities((TokenRemoved(token_id),)))

    done = await mutation.write(
        compose, about=f"token:{token_id}", exists=lambda snapshot: token_id in snapshot.catalogue.token_ids
    )
    at = office.unix_us() // 1_000_000
    after = office.change(done.snapshot, done.written.events)
    is_any_left = any(
        token.scope == "admin" and expiry_of(token.expires_at, at) is not Expiry.PAST for token in after.tokens.values()
    )
    details = [*([] if is_any_left else [_LAST]), *([_LOCAL] if office.local_token in removed else [])]
    return mutation.answer(done, more={"detail": " ".join(details)} if details else None)


def _shown(snapshot: RoutingSnapshot, token: Token, at: int) -> TokenShown:
    known = snapshot.streams.get(f"token:{token.token_id}")
    return TokenShown(
        token_id=token.token_id,
        name=token.name,
        scope=token.scope,
        expires_at=None if token.expires_at is None else told(token.expires_at * 1_000_000),
        expiry=expiry_of(token.expires_at, at).value,
        version=0 if known is None else known.version,
        position=0 if known is None else known.position,
    )


routes: Final[list[Any]] = [list_tokens, create_token, remove_token]
