"""Predicates over replayed decisions."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.predicate import Malformed, parse
from projections.tally import Refusals, Tally
from projections.traffic import Verdict

TALLY = Tally(
    requests=12,
    attempts=Counter({("chat", "a"): 6, ("chat", "b"): 2, ("mini", "b"): 2}),
    refused=Counter(
        {
            Refusals("chat", "team", Verdict("pool", "rate_limit")): 3,
            Refusals("mini", None, Verdict("access", "unauthenticated")): 1,
        }
    ),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('share(provider="b") > 0.39', True),
        ('share(provider="b") >= 0.4', True),
        ('share(provider="b") > 0.4', False),
        ('share(provider="b", pool="chat") == 0.25', True),
        ('share(provider="none") == 0', True),
        ('share(provider="b", pool="none") == 0', True),
        ('refused(scope="pool", alias="chat") > 2', True),
        ('refused(scope="pool", alias="mini") > 0', False),
        ('refused(reason="unauthenticated") == 1 and requests() == 12', True),
        ("refused() == 4", True),
        ('refused(reason="rate_limit") == 3', True),
        ('refused(reason="pool_rate", scope="pool") == 3', True),
        ('refused(reason="provider_rate") == 0', True),
        ('refused(reason="rate_limit", scope="key") == 0', True),
        ('refused(key="team") != 3 or attempts() < 10', False),
        ('not attempts(pool="chat", provider="a") < 6', True),
        ("1 < refused() <= 4", True),
    ],
)
def test_what_it_says_is_asked_of_the_tally(text: str, holds: bool) -> None:
    assert parse(text).holds(TALLY) is holds


def test_its_measures_are_told_by_their_text() -> None:
    assert parse('share(provider="b") > 0.5 or refused() > 9').values(TALLY) == {
        'share(provider="b")': 0.4,
        "refused()": 4,
    }


@pytest.mark.parametrize(
    ("text", "column", "what", "valid"),
    [
        ("", 1, "no comparison", "share("),
        ("  refused(x='ä') > 1", 11, "no filter 'x'", "scope, reason, alias, key"),
        ("requests() > 'ä' or x > 1", 14, "no number", "a number"),
        ("'ä' > requests()", 1, "no number", "a number"),
        ("1 > requests() or attempts(provider='ää', by='x') > 1", 43, "no filter 'by'", "provider, pool"),
        ("share(", 6, "no comparison", "share("),
        ('share(provider="b")', 1, "no comparison", "comparisons by"),
        ('refused(scope="poool") > 0', 15, "no scope 'poool'", "access, key, pool, provider, upstream, circuits"),
        ('refused(reason="rate_limitt") > 0', 16, "no reason 'rate_limitt'", "rate_limit, "),
        ("latency() > 1", 1, "no measure 'latency'", "share(provider, pool)"),
        ('share(name="b") > 1', 7, "no filter 'name'", "provider, pool"),
        ('share("b") > 1', 1, "by name", "share(provider, pool)"),
        ("share(provider=3) > 1", 16, "is a text", 'provider="..."'),
        ("share(**x) > 1", 7, "no filter None", "provider, pool"),
        ('requests(pool="a") > 1', 10, "no filter 'pool'", "no filter at all"),
        ('refused() > "3"', 13, "no number", "a number"),
        ("refused() in 3", 1, "no comparison", "comparisons by"),
        ("refused() > True", 13, "no number", "a number"),
        ("__import__('os').system('true') > 0", 1, "no number", "a number"),
        ("(lambda: 1)() > 0", 1, "no number", "a number"),
        ("refused() > 1; print()", 14, "no comparison", "share("),
    ],
)
def test_what_is_no_predicate_is_refused_with_its_place(text: str, column: int, what: str, valid: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(text)
    assert what in caught.value.what
    assert valid in caught.value.valid
    assert caught.value.column == column


@given(st.text(max_size=200) | st.from_regex(r"(share|refused|not|and|\(|\)|>|[0-9.]|=|\"b\"| )+", fullmatch=True))
def test_any_text_is_a_predicate_or_malformed(text: str) -> None:
    try:
        held = parse(text).holds(TALLY)
    except Malformed:
        held = False
    assert held in {True, False}
