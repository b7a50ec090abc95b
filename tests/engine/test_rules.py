"""Which rule decides."""

import pytest

from engine.rules import first_match
from tests.engine.tables import deny, pool, redirect

BATCH_DENY, BATCH_AWAY = deny(purpose="batch"), redirect("other", purpose="batch")
FREE_BATCH, EVERYONE = deny(purpose="batch", tier="free"), deny()


@pytest.mark.parametrize(
    ("rules", "labels", "matching"),
    [
        ((BATCH_DENY, BATCH_AWAY), {"purpose": "batch"}, BATCH_DENY),
        ((BATCH_AWAY, BATCH_DENY), {"purpose": "batch"}, BATCH_AWAY),
        ((BATCH_DENY, BATCH_AWAY), {"purpose": "realtime"}, None),
        ((FREE_BATCH,), {"purpose": "batch"}, None),
        ((FREE_BATCH,), {"purpose": "batch", "tier": "free", "team": "x"}, FREE_BATCH),
        ((FREE_BATCH, BATCH_AWAY), {"purpose": "batch", "tier": "paid"}, BATCH_AWAY),
        ((EVERYONE,), {}, EVERYONE),
        ((EVERYONE,), {"purpose": "batch"}, EVERYONE),
        ((BATCH_DENY,), {}, None),
        ((deny(purpose=""),), {}, None),
        ((), {"purpose": "batch"}, None),
    ],
)
def test_the_first_rule_all_of_whose_pairs_match_decides(
    rules: tuple[object, ...], labels: dict[str, str], matching: object
) -> None:
    """RULE-1, RULE-2, RULE-9: order decides, a missing label is no match, an empty condition matches everyone."""
    assert first_match(pool("chat", rules=rules), labels) is matching
