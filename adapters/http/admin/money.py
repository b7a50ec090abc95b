"""What users have to pay with, and what models cost them (SYNC-5, SYNC-6, DEF-16)."""

from typing import Any, Final

import attrs
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody

from adapters.http.admin.answers import shown
from adapters.http.admin.bodies import StrictBody
from adapters.http.admin.bounds import Number
from adapters.http.admin.entrance import OPERATE, READ
from adapters.http.admin.given import Given
from adapters.http.admin.mutation import Mutation, Receipt, Wish, wish
from adapters.http.admin.office import Office
from adapters.http.admin.problems import CHANGES, READS, Fault, Invalid, missing
from adapters.http.admin.resource import Resource, routes_of
from adapters.http.admin.times import Time, told, unix_us
from engine import events
from engine.catalogue import Ledger
from engine.commands import ChangeEntities
from engine.names import TariffId, UserId
from engine.snapshot import RoutingSnapshot

_TAGS: Final = ["Credits"]
_CREDITS: Final = "/users/{user_id:str}/credits"


@attrs.frozen(kw_only=True)
class Credits:
    balance: str
    "A decimal number."
    seq: int
    "Of the ledger's last entry."
    is_funded: bool


@attrs.frozen(kw_only=True)
class Booking:
    kind: str
    "`purchase` and `admin_grant` add, every other kind subtracts."
    amount: str
    "A decimal number, not negative."
    seq: Number = 0
    "0: the next one of the ledger."


@attrs.frozen(kw_only=True)
class Booked(Receipt):
    seq: int | None = None
    "The entry's number; not told of a repetition."


@attrs.frozen(kw_only=True)
class Checkpoint:
    balance: str
    "What the ledger comes to at an entry."
    seq: Number
    "That entry's number, which is the ledger's last or a later one."


@attrs.frozen(kw_only=True)
class Tariff:
    model_id: str
    input_price: str
    "In credits for each token, a decimal number, as the one below."
    output_price: str
    valid_from: Time | None = None
    "None: at once."
    valid_until: Time | None = None
    "None: without an end."


@attrs.frozen(kw_only=True)
class TariffShown(Tariff):
    id: str
    is_current: bool
    "Whether it has begun and not ended."
    has_ended: bool
    "Whether it is over, and begins no more unless it is defined anew."


@get(_CREDITS, opt=READ, responses=READS, tags=_TAGS, operation_id="getCredits")
async def balance(user_id: FromPath[str], office: Given[Office]) -> Response[Credits]:
    """What a user has; the ETag is the ledger's."""
    snapshot = office.follower.snapshot
    _check(snapshot, user_id)
    ledger = snapshot.catalogue.ledgers.get(user_id) or Ledger()
    value = Credits(balance=f"{ledger.balance:f}", seq=ledger.seq, is_funded=snapshot.users[user_id].is_funded)
    return shown(snapshot, value, about=f"ledger:{user_id}")


@post(
    _CREDITS,
    opt=OPERATE,
    status_code=200,
    responses=CHANGES,
    tags=_TAGS,
    operation_id="bookCredits",
    dto=StrictBody,
    return_dto=None,
)
async def book(user_id: FromPath[str], data: JSONBody[Booking], mutation: Given[Mutation]) -> Response[Receipt]:
    """Add an entry to a user's ledger. Each request is one of its own; an Idempotency-Key makes it safe to repeat."""
    return await _ledger(mutation, user_id, events.CreditsBooked(user_id, data.seq, data.kind, data.amount))


@post(
    _CREDITS + "/checkpoint",
    opt=OPERATE,
    status_code=200,
    responses=CHANGES,
    tags=_TAGS,
    operation_id="checkpointCredits",
    dto=StrictBody,
    return_dto=None,
)
async def checkpoint(
    user_id: FromPath[str], data: JSONBody[Checkpoint], mutation: Given[Mutation]
) -> Response[Receipt]:
    """State what a user's ledger comes to, up to one of its entries."""
    return await _ledger(mutation, user_id, events.CreditsCheckpointed(user_id, data.balance, data.seq))


async def _ledger(
    mutation: Mutation, user_id: UserId, fact: events.CreditsBooked | events.CreditsCheckpointed
) -> Response[Any]:
    def compose(snapshot: RoutingSnapshot) -> Wish:
        _check(snapshot, user_id)
        return wish(fact)

    done = await mutation.write(
        compose, about=f"ledger:{user_id}", exists=lambda snapshot: user_id in snapshot.catalogue.ledgers
    )
    booked = [event.seq for event in done.written.events if isinstance(event, events.CreditsBooked)]
    return mutation.answer(done, more={"seq": booked[0]} if booked else {})


def _check(snapshot: RoutingSnapshot, user_id: UserId) -> None:
    if user_id not in snapshot.users:
        raise missing("user", user_id)


def _tariff(mutation: Mutation, _snapshot: RoutingSnapshot, tariff_id: TariffId, body: Tariff) -> Wish:
    begin, end = (None if time is None else unix_us(time) for time in (body.valid_from, body.valid_until))
    if begin is not None and begin < 0:
        raise Invalid((Fault(where="valid_from", what="is before 1970", valid="a time since 1970"),))
    if end is not None and end <= (begin or 0):
        raise Invalid((Fault(where="valid_until", what="is over when it begins", valid="a time after valid_from"),))
    defined = events.TariffDefined(tariff_id, body.model_id, body.input_price, body.output_price, begin, end)
    return Wish(ChangeEntities((defined,), at_us=mutation.office.unix_us()))


def _show_tariff(snapshot: RoutingSnapshot, tariff_id: TariffId) -> TariffShown:
    tariff = snapshot.catalogue.tariffs[tariff_id]
    defined = tariff.defined
    return TariffShown(
        id=tariff_id,
        model_id=defined.model_id,
        input_price=defined.input_price,
        output_price=defined.output_price,
        valid_from=None if defined.valid_from is None else told(defined.valid_from),
        valid_until=None if defined.valid_until is None else told(defined.valid_until),
        is_current=tariff.is_current,
        has_ended=tariff.has_ended,
    )


TARIFFS: Final = Resource(
    path="/tariffs",
    word="tariff",
    name="Tariff",
    stream="tariff",
    body=Tariff,
    model=TariffShown,
    there=lambda snapshot: snapshot.catalogue.tariffs,
    show=_show_tariff,
    define=_tariff,
    remove=events.TariffRemoved,
)

routes: list[Any] = [balance, book, checkpoint, *routes_of(TARIFFS)]
