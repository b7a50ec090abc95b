"""Events of every type, sensible or not, with names so few that they meet each other."""

from hashlib import sha256
from typing import Any, Final, get_args

import attrs
from hypothesis import strategies as st

from engine.events import NIL, Event

TYPES: Final[tuple[type[Any], ...]] = get_args(Event)

_DIGEST = st.sampled_from([sha256(b"%d" % number).hexdigest() for number in range(3)] + ["no digest"])
_MODEL, _USER = st.sampled_from(["m1", "m2", "m3"]), st.sampled_from(["u1", "u2", NIL])
_GROUP, _ALIAS = st.sampled_from(["g1", "g2", NIL]), st.sampled_from(["a", "b", "c"])
_MOMENT = st.none() | st.integers(0, 3)
_AMOUNT = st.sampled_from(["0", "0.25", "7", "-3", "NaN", "much", "1e99999"])

_FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "action": st.sampled_from(["deny", "redirect", "ponder"]),
    "alias": _ALIAS,
    "aliases": st.lists(_ALIAS, max_size=2).map(tuple),
    "amount": _AMOUNT,
    "balance": _AMOUNT,
    "batch_capacity": st.sampled_from([-1, 0, 5, 20]),
    "cidrs": st.sampled_from([(), ("10.0.0.0/8",), ("nowhere",)]),
    "composite_id": _MODEL,
    "deployment_id": _MODEL,
    "digest": _DIGEST,
    "enabled": st.booleans(),
    "endpoint_id": st.sampled_from(["e1", "e2"]),
    "expires_at": _MOMENT,
    "fallback_enabled": st.sampled_from([None, True, False]),
    "group_id": _GROUP,
    "idle_timeout_s": st.just(1.0),
    "input_price": _AMOUNT,
    "key_id": st.sampled_from(["k1", "k2", "k3"]),
    "keys": st.sampled_from([None, (), ("k1",), ("gone",)]),
    "kind": st.sampled_from(["purchase", "admin_grant", "usage"]),
    "labels": st.just({}),
    "match_labels": st.just({}),
    "max_idle_per_host": st.integers(0, 1),
    "model_id": _MODEL,
    "model_name": st.sampled_from(["real", "other"]),
    "opens_all_pools": st.booleans(),
    "output_price": _AMOUNT,
    "previous_digest": st.none() | _DIGEST,
    "previous_until": _MOMENT,
    "provider": st.sampled_from(["p", "q"]),
    "purpose": st.sampled_from(["batch", "realtime"]),
    "rank": st.integers(0, 2),
    "scope": st.just("read"),
    "seq": st.integers(-1, 5),
    "sort_order": st.integers(0, 1),
    "source": st.sampled_from(["file:a", "file:b"]),
    "strategy": st.sampled_from(["priority", "weighted_random", "tides"]),
    "strict_mode": st.booleans(),
    "tariff_id": st.sampled_from(["t1", "t2"]),
    "target": st.none() | _ALIAS,
    "target_id": st.none() | _MODEL,
    "token_id": st.sampled_from(["ops", "ci"]),
    "url": st.sampled_from(["http://e.example/v1/", "http://f.example/", "nowhere", "http://[", ""]),
    "user_id": _USER,
    "valid_from": _MOMENT,
    "valid_until": _MOMENT,
    "weight": st.integers(-1, 2),
}


def of_type(cls: type[Any]) -> st.SearchStrategy[Event]:
    """Some of a type; what has no strategy here is at its default."""
    return st.builds(cls, **{field.name: _FIELDS[field.name] for field in attrs.fields(cls) if field.name in _FIELDS})


def some(most: int = 60) -> st.SearchStrategy[list[Event]]:
    return st.lists(st.sampled_from(TYPES).flatmap(of_type), max_size=most)
