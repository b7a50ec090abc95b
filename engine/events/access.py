"""Who there is, what they may use and what they have to pay with.

Amounts are decimal numbers as text, since a float is no money.
"""

from typing import Final, TypeAlias

import attrs

from engine.names import Alias, GroupId, ModelId, TariffId, UserId

NIL: Final = "00000000-0000-0000-0000-000000000000"
"""The system user among the users, the public group among the groups (SYNC-2)."""


@attrs.frozen
class UserDefined:
    user_id: UserId
    name: str = ""


@attrs.frozen
class UserRemoved:
    user_id: UserId


@attrs.frozen
class GroupDefined:
    group_id: GroupId
    name: str = ""


@attrs.frozen
class GroupRemoved:
    group_id: GroupId


@attrs.frozen
class MemberAdded:
    group_id: GroupId
    user_id: UserId


@attrs.frozen
class MemberRemoved:
    group_id: GroupId
    user_id: UserId


@attrs.frozen
class GrantAdded:
    """A group may use a model."""

    group_id: GroupId
    model_id: ModelId


@attrs.frozen
class GrantRemoved:
    group_id: GroupId
    model_id: ModelId


@attrs.frozen
class CreditsBooked:
    """One entry of a user's ledger (SYNC-6)."""

    user_id: UserId
    seq: int
    "Ascending for each user; an entry at or below the last one is a repetition."
    kind: str
    "`purchase` and `admin_grant` add, every other kind subtracts."
    amount: str
    "Not negative."


@attrs.frozen
class CreditsCheckpointed:
    """What a user's ledger comes to at one of its entries: the ones up to it are counted in the balance."""

    user_id: UserId
    balance: str
    seq: int


@attrs.frozen
class FundsRestored:
    """A user's balance has come above zero."""

    user_id: UserId


@attrs.frozen
class FundsExhausted:
    """A user's balance has come down to zero or below."""

    user_id: UserId


@attrs.frozen
class TariffDefined:
    """What a model costs its callers, from `TariffBegan`, or at once, to `TariffEnded` (SYNC-5, DEF-16)."""

    tariff_id: TariffId
    model_id: ModelId
    input_price: str
    "For each token, in credits."
    output_price: str
    valid_from: int | None = None
    "Unix microseconds; None: at once."
    valid_until: int | None = None


@attrs.frozen
class TariffBegan:
    tariff_id: TariffId


@attrs.frozen
class TariffEnded:
    tariff_id: TariffId


@attrs.frozen
class TariffRemoved:
    tariff_id: TariffId


@attrs.frozen
class EscalationChanged:
    """The models that batch keys may use without membership (SYNC-4)."""

    aliases: tuple[Alias, ...]


AccessEvent: TypeAlias = (
    UserDefined
    | UserRemoved
    | GroupDefined
    | GroupRemoved
    | MemberAdded
    | MemberRemoved
    | GrantAdded
    | GrantRemoved
    | CreditsBooked
    | CreditsCheckpointed
    | FundsRestored
    | FundsExhausted
    | TariffDefined
    | TariffBegan
    | TariffEnded
    | TariffRemoved
    | EscalationChanged
)
