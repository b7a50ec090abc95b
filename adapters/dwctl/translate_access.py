"""Users, groups, memberships, grants, ledgers, tariffs and keys (SYNC-2, SYNC-4 to SYNC-8, SYNC-15).

Law: of a client's secret its digest alone is kept; a key whose user is not there opens nothing, so it does not come.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapters.dwctl.findings import Findings
from adapters.dwctl.rows import Row
from adapters.dwctl.tables import PURPOSE
from adapters.dwctl.wishes import Access
from engine.access import digest
from engine.events import NIL, CreditsCheckpointed, GroupDefined, TariffDefined, UserDefined
from engine.names import KeyId, ModelId, UserId
from engine.snapshot import Key, Limits

Source = Mapping[str, Sequence[Mapping[str, Any]]]


def access_of(source: Source, models: Container[ModelId], findings: Findings) -> Access:
    users = _users(source, findings)
    groups = _groups(source, findings)
    members = {
        (str(row["group_id"]), str(row["user_id"]))
        for row in source["members"]
        # All are in the public group, and the system user needs none.
        if row["group_id"] != NIL and row["user_id"] in users
    }
    grants = {
        (str(row["group_id"]), str(row["deployment_id"])) for row in source["grants"] if row["deployment_id"] in models
    }
    return Access(
        users,
        groups,
        frozenset(members),
        frozenset(grants),
        dict(_ledgers(source, users, findings)),
        dict(_tariffs(source, models, findings)),
        _keys(source, users, findings),
    )


def _users(source: Source, findings: Findings) -> Mapping[UserId, UserDefined]:
    """Those of the table that are not deleted; without a table, whoever is named."""
    if "users" in source:
        rows = [Row(values, f"user {values['id']}", findings) for values in source["users"]]
        there = [row for row in rows if not row.flag("is_deleted", default=False)]
        users = {row.text("id"): UserDefined(row.text("id"), row.label("username")) for row in there}
    else:
        named = (row["user_id"] for table in ("keys", "members", "balances") for row in source.get(table, ()))
        users = {user_id: UserDefined(user_id) for user_id in sorted({str(one) for one in named if one is not None})}
    users.pop(NIL, None)
    return users


def _groups(source: Source, findings: Findings) -> Mapping[str, GroupDefined]:
    named = {str(row["group_id"]) for table in ("members", "grants") for row in source[table]}
    groups = {group_id: GroupDefined(group_id) for group_id in sorted(named)}
    for values in source.get("groups", ()):
        row = Row(values, f"group {values['id']}", findings)
        groups[row.text("id")] = GroupDefined(row.text("id"), row.label("name"))
    groups.pop(NIL, None)
    return groups


def _ledgers(
    source: Source, users: Container[UserId], findings: Findings
) -> Iterator[tuple[UserId, CreditsCheckpointed]]:
    """A balance as of the last entry it counts (SYNC-6)."""
    for values in source.get("balances", ()):
        row = Row(values, f"user {values['user_id']}", findings)
        user_id = row.text("user_id")
        if user_id in users:
            yield user_id, CreditsCheckpointed(user_id, row.amount("balance"), int(row.text("seq", "0")))


def _tariffs(source: Source, models: Container[ModelId], findings: Findings) -> Iterator[tuple[str, TariffDefined]]:
    """SYNC-5 asks for no beginning: a tariff without an end is current. One with an end is so until then."""
    for values in source.get("tariffs", ()):
        row = Row(values, f"tariff {values['id']}", findings)
        if row.text("deployed_model_id") not in models:
            continue
        ends_us = values.get("ends_us")
        yield (
            row.text("id"),
            TariffDefined(
                row.text("id"),
                row.text("deployed_model_id"),
                row.amount("input_price_per_token", least=Decimal(0)),
                row.amount("output_price_per_token", least=Decimal(0)),
                valid_until=None if ends_us is None else int(ends_us),
            ),
        )


def _keys(source: Source, users: Container[UserId], findings: Findings) -> Mapping[KeyId, Key]:
    keys: dict[KeyId, Key] = {}
    holders: dict[bytes, KeyId] = {}
    for values in source["keys"]:
        row = Row(values, f"key {values['id']}", findings)
        secret, user_id = row.text("secret"), row.text("user_id")
        if row.flag("is_deleted", default=False):
            continue
        if not secret:
            row.tell("not carried over: a key without a secret")
            continue
        if user_id != NIL and user_id not in users:
            row.tell("not carried over: a key whose user is deleted or not there")
            continue
        known = digest(secret.encode())
        if holders.setdefault(known, row.text("id")) != row.text("id"):
            row.tell("not carried over: a key with the secret of another")
            continue
        limits = row.limits()
        keys[row.text("id")] = Key(
            row.text("id"),
            known,
            limits=Limits(None, limits.requests_per_second, limits.burst),
            user_id=user_id,
            purpose=row.text("purpose", PURPOSE),
        )
    return keys
