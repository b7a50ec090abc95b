"""Sentences about users, groups, grants, credits and tariffs.

Law: as in `projections.history`. Amounts are shown as they were written.
"""

from decimal import Decimal, InvalidOperation

from engine.catalogue import Ledger
from engine.entity_changes import ADDING
from engine.events import (
    NIL,
    AccessEvent,
    CreditsBooked,
    CreditsCheckpointed,
    EscalationChanged,
    FundsExhausted,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    GroupRemoved,
    MemberAdded,
    MemberRemoved,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TariffRemoved,
    UserDefined,
    UserRemoved,
)
from engine.names import GroupId, UserId
from engine.snapshot import RoutingSnapshot
from engine.tariffs import Phase, defined
from projections.model_history import is_model, model_named, named
from projections.phrases import changed, created, differences, missing, particulars, removed, with_it


def access_sentence(before: RoutingSnapshot, event: AccessEvent) -> str:
    match event:
        case UserDefined() | UserRemoved():
            told = _user(before, event)
        case GroupDefined() | GroupRemoved():
            told = _group(before, event)
        case MemberAdded() | MemberRemoved():
            told = _member(before, event)
        case GrantAdded() | GrantRemoved():
            told = _grant(before, event)
        case CreditsBooked() | CreditsCheckpointed():
            told = _credits(before, event)
        case FundsRestored() | FundsExhausted():
            told = _funds(before, event)
        case TariffDefined():
            told = _tariff(before, event)
        case TariffBegan() | TariffEnded() | TariffRemoved():
            told = _tariff_turn(before, event)
        case EscalationChanged():
            old = EscalationChanged(tuple(sorted(before.catalogue.escalation)))
            told = changed("escalation of batch keys", differences(old, event))
    return told


def _user(before: RoutingSnapshot, event: UserDefined | UserRemoved) -> str:
    user, subject = before.users.get(event.user_id), _user_named(before, event.user_id)
    if isinstance(event, UserRemoved):
        return removed(subject, user is not None) + with_it({"membership(s)": 0 if user is None else len(user.groups)})
    if user is None:
        return created(subject, particulars(event))
    return changed(subject, differences(UserDefined(user.user_id, user.name), event))


def _group(before: RoutingSnapshot, event: GroupDefined | GroupRemoved) -> str:
    known, group_id = before.catalogue, event.group_id
    old, subject = known.groups.get(group_id), _group_named(before, group_id)
    if isinstance(event, GroupRemoved):
        members, grants = known.members.get(group_id, ()), known.granted.get(group_id, ())
        parts = with_it({"member(s)": len(members), "grant(s)": len(grants)}) if old is not None else ""
        return removed(subject, old is not None) + parts
    if old is None:
        return created(subject, particulars(event))
    return changed(subject, differences(old, event))


def _member(before: RoutingSnapshot, event: MemberAdded | MemberRemoved) -> str:
    user, group = _user_named(before, event.user_id), _group_named(before, event.group_id)
    is_in = event.user_id in before.catalogue.members.get(event.group_id, ())
    if isinstance(event, MemberRemoved):
        return f"{user} was removed from {group}" if is_in else f"{user} was not in {group}; nothing changed"
    if is_in:
        return f"{user} was in {group} already; nothing changed"
    is_user, is_group = event.user_id in before.users, event.group_id in before.catalogue.groups
    return missing(f"{user} in {group}", user=is_user, group=is_group) or f"{user} was added to {group}"


def _grant(before: RoutingSnapshot, event: GrantAdded | GrantRemoved) -> str:
    known = before.catalogue
    group, model = _group_named(before, event.group_id), model_named(known, event.model_id)
    is_granted = event.model_id in known.granted.get(event.group_id, ())
    if isinstance(event, GrantRemoved):
        return f"{group} may no longer use {model}" if is_granted else f"{group} had no {model}; nothing changed"
    if is_granted:
        return f"{group} had {model} already; nothing changed"
    is_group = event.group_id == NIL or event.group_id in known.groups
    is_there = is_model(known, event.model_id)
    return missing(f"{model} for {group}", group=is_group, model=is_there) or f"{group} may use {model}"


def _credits(before: RoutingSnapshot, event: CreditsBooked | CreditsCheckpointed) -> str:
    ledger = before.catalogue.ledgers.get(event.user_id) or Ledger()
    subject = f"credits of {_user_named(before, event.user_id)}"
    if event.user_id not in before.users:
        return missing(subject, user=False)
    late = event.seq < ledger.seq or (event.seq == ledger.seq and isinstance(event, CreditsBooked))
    if late:
        return f"{subject}: entry {event.seq} was counted already; nothing changed"
    if isinstance(event, CreditsBooked):
        return f"{subject}: {'+' if event.kind in ADDING else '-'}{event.amount} by {event.kind}, entry {event.seq}"
    same = (_number(event.balance), event.seq) == (ledger.balance, ledger.seq)
    return changed(subject, [] if same else [f"balance {ledger.balance} → {event.balance} as of entry {event.seq}"])


def _funds(before: RoutingSnapshot, event: FundsRestored | FundsExhausted) -> str:
    user, subject = before.users.get(event.user_id), _user_named(before, event.user_id)
    if user is None:
        return missing(subject, user=False)
    if isinstance(event, FundsRestored):
        return f"{subject} has funds" + (" already; nothing changed" if user.is_funded else " from here on")
    return f"{subject} has no funds" + (" any more" if user.is_funded else "; nothing changed")


def _tariff(before: RoutingSnapshot, event: TariffDefined) -> str:
    old, model = before.catalogue.tariffs.get(event.tariff_id), model_named(before.catalogue, event.model_id)
    subject = f"tariff {event.tariff_id} of {model}"
    if not is_model(before.catalogue, event.model_id):
        return missing(subject, model=False)
    if old is None:
        return created(subject, particulars(event, beside=frozenset({"model_id"})))
    phrases, new = differences(old.defined, event), defined(old, event)
    if old.phase is not new.phase:
        phrases.append("in force from here on" if new.is_current else "not in force until it begins")
    return changed(subject, phrases)


def _tariff_turn(before: RoutingSnapshot, event: TariffBegan | TariffEnded | TariffRemoved) -> str:
    old, subject = before.catalogue.tariffs.get(event.tariff_id), f"tariff {event.tariff_id}"
    if old is None:
        return removed(subject, was_there=False)
    subject += f" of {model_named(before.catalogue, old.defined.model_id)}"
    match event:
        case TariffBegan():
            return f"{subject} is in force " + ("already; nothing changed" if old.is_current else "from here on")
        case TariffEnded():
            if old.phase is Phase.WAITING:
                return f"{subject} has ended before it began"
            return f"{subject} is not in force" + (" any more" if old.is_current else "; nothing changed")
        case TariffRemoved():
            return removed(subject, was_there=True)


def _user_named(before: RoutingSnapshot, user_id: UserId) -> str:
    if user_id == NIL:
        return "the system user"
    user = before.users.get(user_id)
    return named("user", user_id, "" if user is None else user.name)


def _group_named(before: RoutingSnapshot, group_id: GroupId) -> str:
    if group_id == NIL:
        return "the public group"
    group = before.catalogue.groups.get(group_id)
    return named("group", group_id, "" if group is None else group.name)


def _number(amount: str) -> Decimal | None:
    try:
        number = Decimal(amount)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
