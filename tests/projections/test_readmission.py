"""Whether a table lets a recorded request in, without the secret and the address it came with."""

import attrs
import pytest

from engine.access import admit
from engine.errors import Reason, Refused
from engine.recording import Served
from engine.snapshot import Key, RoutingSnapshot
from projections.readmission import Applicant, is_decided, readmitted, served_as
from tests.engine.tables import deny, key, pool, provider, redirect, secret_of, table

NOW = 1000
INSIDE, OUTSIDE = "10.0.0.7", "192.0.2.1"


def world() -> RoutingSnapshot:
    pools = [
        pool("open", provider("a")),
        pool("listed", provider("a"), keys=frozenset({"near", "late", "turned", "sent-on"})),
        pool("ruled", provider("a"), rules=(deny(team="x"), redirect("listed", team="y"))),
        pool("empty"),
    ]
    keys = [
        attrs.evolve(key("near"), cidrs=("10.0.0.0/8",)),
        attrs.evolve(key("late"), expires_at=NOW),
        attrs.evolve(key("turned"), previous=secret_of("before"), previous_until=NOW),
        key("other"),
        key("denied", team="x"),
        key("sent-on", team="y"),
    ]
    return table(pools, keys)


SECRETS = (None, "near", "late", "turned", "before", "other", "denied", "sent-on", "nobody")


@pytest.mark.parametrize("address", [INSIDE, OUTSIDE])
@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("alias", ["open", "listed", "ruled", "empty", "nothing"])
def test_what_a_table_said_it_says_again(alias: str, secret: str | None, address: str) -> None:
    """Let in or refused, for whatever reason: the record has neither the secret nor the address."""
    here = world()
    presented = None if secret is None else secret_of(secret)
    served = Served.begun("id", 0, here.position)
    served.alias = alias
    try:
        let_in = admit(here, alias, presented, NOW, address)
    except Refused as refused:
        served.outcome, served.reason, served.why = "refused", refused.reason.value, refused.why
        served.key_id, served.pool = refused.key_id, refused.pool
    else:
        served.ticket, served.pool = 1, let_in.pool.alias
        served.key_id = _id(let_in.key)
    assert is_decided(served)
    assert served_as(readmitted(here, Applicant.of(served), NOW)) == served_as(served)


def _id(known: Key | None) -> str | None:
    return None if known is None else known.key_id


def test_what_no_table_decided_is_not_asked_of_one() -> None:
    """A request that named no alias, one that was left before, one that met a bug."""
    served = Served.begun("id", 0, 1)
    assert not is_decided(served)
    served.alias = "open"
    assert not is_decided(served)
    served.reason = Reason.INTERNAL.value
    assert not is_decided(served)
    served.ticket = 1
    assert is_decided(served)
