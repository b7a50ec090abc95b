"""The tables of a dwctl database and what is asked of them (SYNC-1).

Law: columns that a version lacks have a stated default and are told; without the essential ones nothing is read, and
one error lists them all. Ids and numbers are asked for as text, so that no float lies between their digits and ours.
"""

from collections.abc import Mapping
from typing import Final

import attrs

from adapters.dwctl.findings import Findings
from engine.errors import StartFailed


@attrs.frozen
class Table:
    names: tuple[str, ...]
    "What versions call it; the first one is the present name."
    essential: tuple[str, ...]
    absent: str = ""
    "What it means where the table is not there; empty: nothing can be read then."
    optional: Mapping[str, str] = attrs.field(factory=dict)
    "Columns that a version may lack, each with what holds then; empty: nothing worth telling."


_ALL_ON = "all count as enabled"
_NO_LIMIT = "no such limit"
TABLES: Final[Mapping[str, Table]] = {
    "endpoints": Table(
        ("inference_endpoints",),
        ("id", "url"),
        optional={"api_key": "no keys are sent", "auth_header_name": "", "auth_header_prefix": "", "name": ""},
    ),
    "models": Table(
        ("deployed_models",),
        ("id", "alias", "model_name", "hosted_on"),
        optional={
            "requests_per_second": _NO_LIMIT,
            "burst_size": _NO_LIMIT,
            "capacity": _NO_LIMIT,
            "batch_capacity": "the default capacity",
            "sanitize_responses": "off",
            "trusted": "off",
            "open_responses_adapter": "on",
            "is_composite": "no composites",
            "deleted": "none counts as deleted",
            "lb_strategy": "weighted_random",
            "fallback_enabled": "on",
            "fallback_on_rate_limit": "on",
            "fallback_on_status": "429, 500, 502, 503 and 504",
            "fallback_with_replacement": "off",
            "fallback_max_attempts": "no bound",
        },
    ),
    "components": Table(
        ("deployed_model_components",),
        ("composite_model_id", "deployed_model_id"),
        "no composite has components",
        {"weight": "1", "sort_order": "all are equal, so the heavier come first", "enabled": _ALL_ON},
    ),
    "keys": Table(
        ("api_keys",),
        ("id", "user_id", "secret"),
        optional={
            "purpose": "realtime",
            "requests_per_second": _NO_LIMIT,
            "burst_size": _NO_LIMIT,
            "is_deleted": "none counts as deleted",
        },
    ),
    "members": Table(("user_groups",), ("user_id", "group_id")),
    "grants": Table(("deployment_groups",), ("deployment_id", "group_id")),
    "users": Table(
        ("users",), ("id",), "users have no names, and none counts as deleted", {"username": "", "is_deleted": ""}
    ),
    "groups": Table(("groups",), ("id",), "groups have no names", {"name": ""}),
    "credits": Table(
        ("credits_transactions", "credit_transactions", "transactions"),
        ("user_id", "seq", "transaction_type", "amount"),
        "balances are those of the checkpoints",
    ),
    "checkpoints": Table(
        ("user_balance_checkpoints", "checkpoints"),
        ("user_id", "balance", "checkpoint_seq"),
        "balances are the sums of all transactions",
    ),
    "tariffs": Table(
        ("model_tariffs",),
        ("id", "deployed_model_id", "input_price_per_token", "output_price_per_token"),
        "every model is free",
        {"valid_until": "every tariff is current"},
    ),
    "rules": Table(
        ("model_traffic_rules",),
        ("deployed_model_id", "api_key_purpose", "action"),
        "no traffic rules",
        {"redirect_target_id": "redirects lead nowhere, so they deny"},
    ),
}

PURPOSE: Final = "realtime"
_TYPES: Final = {"transaction_type": "type"}
"""Another spelling of a column."""


@attrs.frozen
class Found:
    """Where a table is in the source at hand."""

    name: str
    columns: Mapping[str, str]
    "Of ours, as they are spelled there."


def find(source: Mapping[str, Mapping[str, str]], findings: Findings) -> Mapping[str, Found]:
    """The tables that are there. Raises StartFailed where essential ones, or columns of them, are not."""
    found: dict[str, Found] = {}
    missing: list[str] = []
    for ours, table in TABLES.items():
        name = next((name for name in table.names if name in source), None)
        if name is None:
            if table.absent:
                findings.tell(f"the source has no table {table.names[0]}: {table.absent}")
            else:
                missing.append(f"{table.names[0]} ({', '.join(table.essential)})")
            continue
        there = {column: _spelled(column, source[name]) for column in (*table.essential, *table.optional)}
        missing += [f"{name}.{column}" for column in table.essential if there[column] is None]
        for column, otherwise in table.optional.items():
            if there[column] is None and otherwise:
                findings.tell(f"the source has no column {name}.{column}: {otherwise}")
        found[ours] = Found(name, {column: spelled for column, spelled in there.items() if spelled is not None})
    if missing:
        raise StartFailed(
            "The source is no dwctl database that this user can read: it lacks "
            f"{', '.join(missing)}; give dwctl's own database (?search_path=… names a schema in it) and a user that "
            "may SELECT from these.",
            wrong_input=True,
        )
    return found


def _spelled(column: str, there: Mapping[str, str]) -> str | None:
    other = _TYPES.get(column, column)
    return column if column in there else other if other in there else None
