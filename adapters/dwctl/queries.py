"""The queries for the tables that a source has.

Law: a ledger is summed in the source and no entry of it leaves there (SYNC-6, DEF-21), and columns that nothing here
reads are counted, so that what they say is told as not carried over.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from adapters.dwctl.findings import Findings
from adapters.dwctl.tables import TABLES, Found, find

_AS_THEY_ARE: Final = frozenset({"boolean", "ARRAY"})
_LOOKED_AT: Final = ("endpoints", "models", "components", "keys", "tariffs", "rules")
"""Tables whose other columns may matter to routing; in the others they are about people."""
_IDLE: Final = re.compile(
    r"id|name|description|.*_at|.*_by|last_.*|status|hidden|valid_from|metadata|display_.*|provider_.*|is_internal"
)
"""Columns that route nothing."""
_REASONS: Final = {
    "type": "the kind of a model routes nothing here",
    "capabilities": "modalities and capabilities route nothing here",
    "modalities": "modalities and capabilities route nothing here",
    "api_key_purpose": "a tariff is the same for all purposes when funds are asked for, as it is in dwctl",
    "completion_window": "a tariff is the same for all windows when funds are asked for, as it is in dwctl",
    "allowed_batch_completion_windows": "completion windows are the batch engine's",
    "throughput": "throughput is the batch engine's",
    "verified": "the default limits of verified users are in dwctl's configuration",
}
_SPENDING: Final = re.compile(r".*(spend|budget|cap|quota).*")
_ORGANISATIONS: Final = "organisations: carried over as users with keys and funds; who belongs to them is not"


def queries_of(source: Mapping[str, Mapping[str, str]], findings: Findings) -> dict[str, str]:
    """By the names of `TABLES`; `balances` in place of the ledger's two; and `unread:TABLE`. Raises StartFailed."""
    found = find(source, findings)
    queries = {ours: _select(ours, table, source) for ours, table in found.items() if ours not in _LEDGER}
    balances = _balances(found)
    if balances:
        queries["balances"] = balances
    for ours in _LOOKED_AT:
        if ours in found:
            counts = ", ".join(_unread(found[ours], source[found[ours].name]))
            if counts:
                queries[f"unread:{ours}"] = f"SELECT {counts} FROM {_quoted(found[ours].name)}"  # noqa: S608 - quoted
    if "user_type" in source.get("users", {}):
        queries["unread:users"] = "SELECT count(*) AS organisations FROM users WHERE user_type = 'organization'"
    return queries


def tell_unread(rows: Mapping[str, object], table: str, findings: Findings) -> None:
    """The counts of a query `unread:TABLE`."""
    for column, count in rows.items():
        if not isinstance(count, int) or not count:
            continue
        if table == "users":
            findings.tell(_ORGANISATIONS, count=count)
        else:
            findings.tell(f"not carried over: {TABLES[table].names[0]}.{column}, {_reason(column)}", count=count)


_LEDGER: Final = ("credits", "checkpoints")


def _select(ours: str, table: Found, source: Mapping[str, Mapping[str, str]]) -> str:
    chosen = ", ".join(
        f"{_quoted(there)}{'' if source[table.name][there] in _AS_THEY_ARE else '::text'} AS {_quoted(column)}"
        for column, there in table.columns.items()
    )
    if ours == "tariffs" and "valid_until" in table.columns:
        # In microseconds; the far future of an `infinity` has none.
        instant = "CASE WHEN isfinite(valid_until) THEN (extract(epoch FROM valid_until) * 1000000)::bigint END"
        chosen += f", {instant} AS ends_us"
    return f"SELECT {chosen} FROM {_quoted(table.name)} ORDER BY {', '.join(_order(table))}"  # noqa: S608 - quoted


def _order(table: Found) -> Iterator[str]:
    """A total order, so that one source has one outcome (SYNC-30)."""
    for column in ("id", *_KEYS):
        if column in table.columns:
            yield _quoted(table.columns[column])


_KEYS: Final = (
    "composite_model_id",
    "deployed_model_id",
    "user_id",
    "deployment_id",
    "group_id",
    "api_key_purpose",
)


def _balances(found: Mapping[str, Found]) -> str:
    """One row a user: the checkpoint and all that came after it, and the number of the last entry (SYNC-6)."""
    credits_, checkpoints = found.get("credits"), found.get("checkpoints")
    if credits_ is None:
        if checkpoints is None:
            return ""
        return (
            f"SELECT user_id::text, balance::text, checkpoint_seq::text AS seq FROM {_quoted(checkpoints.name)}"  # noqa: S608 - quoted
            " ORDER BY 1"
        )
    kind = _quoted(credits_.columns["transaction_type"])
    signed = f"CASE WHEN t.{kind}::text IN ('purchase', 'admin_grant') THEN t.amount ELSE -t.amount END"
    if checkpoints is None:
        return (
            f"SELECT t.user_id::text AS user_id, sum({signed})::text AS balance, max(t.seq)::text AS seq "  # noqa: S608 - quoted
            f"FROM {_quoted(credits_.name)} t WHERE t.user_id IS NOT NULL GROUP BY t.user_id ORDER BY 1"
        )
    return (
        "SELECT user_id::text AS user_id, sum(balance)::text AS balance, max(seq)::text AS seq FROM ("  # noqa: S608 - quoted
        f"SELECT user_id, coalesce(balance, 0) AS balance, coalesce(checkpoint_seq, 0) AS seq "
        f"FROM {_quoted(checkpoints.name)} UNION ALL "
        f"SELECT t.user_id, sum({signed}), max(t.seq) FROM {_quoted(credits_.name)} t "
        f"LEFT JOIN {_quoted(checkpoints.name)} c ON c.user_id = t.user_id "
        "WHERE t.seq > coalesce(c.checkpoint_seq, 0) GROUP BY t.user_id"
        ") entries WHERE user_id IS NOT NULL GROUP BY user_id ORDER BY 1"
    )


def _unread(table: Found, there: Mapping[str, str]) -> Iterator[str]:
    """Counts of what stands in columns that nothing reads: of flags those that are up."""
    read = set(table.columns.values())
    for column, kind in sorted(there.items()):
        if column in read or _IDLE.fullmatch(column):
            continue
        chosen = f"count(*) FILTER (WHERE {_quoted(column)})" if kind == "boolean" else f"count({_quoted(column)})"
        yield f"{chosen} AS {_quoted(column)}"


def _reason(column: str) -> str:
    if column in _REASONS:
        return _REASONS[column]
    if column.startswith(("fallback_", "backoff_")):
        return "pauses between attempts are not part of a model here"
    if _SPENDING.fullmatch(column):
        return "caps on spending are not known here"
    return "the importer does not know this column"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
