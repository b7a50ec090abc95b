"""Whether a failed attempt may be followed by another."""

import pytest

from engine.errors import Failure
from engine.fallback import matches, tries_again_on_failure, tries_again_on_status
from engine.snapshot import Fallback


@pytest.mark.parametrize(
    ("patterns", "matching", "others"),
    [
        ((5, 429), (500, 502, 503, 599, 429), (400, 404, 200, 600, 428)),
        ((50, 52), (500, 509, 520, 529), (499, 510, 519, 530, 200)),
        ((0,), (), (100, 200, 404, 500, 599)),
        ((2, 404), (200, 204, 299, 404), (199, 300, 403)),
        ((9,), (900, 999), (100, 599)),
        ((10,), (100, 109), (110, 1000, 200)),
        ((99,), (990, 999), (199, 989)),
        ((100,), (100,), (101, 1000)),
        ((), (), (200, 429, 500)),
    ],
)
def test_a_pattern_is_a_class_a_decade_or_a_status(
    patterns: tuple[int, ...], matching: tuple[int, ...], others: tuple[int, ...]
) -> None:
    """FB-2: below 10 a class, below 100 a decade, else exactly one status; any status may be listed."""
    assert [status for status in matching if not matches(patterns, status)] == []
    assert [status for status in others if matches(patterns, status)] == []


def test_nothing_is_tried_again_unless_fallback_is_on() -> None:
    """FB-1: off, the first outcome is final, whatever the patterns say."""
    off = Fallback(enabled=False, on_status=(5, 429), on_rate_limit=True)
    assert not any(tries_again_on_status(off, status) for status in range(100, 600))
    assert not any(tries_again_on_failure(off, failure) for failure in Failure)


def test_a_status_is_tried_again_where_it_is_listed() -> None:
    """FB-3: a listed status is followed by another attempt, any other is the client's."""
    on = Fallback(enabled=True, on_status=(5, 429))
    assert [status for status in (200, 404, 429, 500, 503) if tries_again_on_status(on, status)] == [429, 500, 503]
    assert not tries_again_on_status(Fallback(enabled=True), 500)


@pytest.mark.parametrize("failure", list(Failure))
def test_a_failure_is_tried_again_whatever_the_statuses(failure: Failure) -> None:
    """FB-4, FB-5: a timeout and every broken connection go on to the next provider regardless of `on_status`."""
    assert tries_again_on_failure(Fallback(enabled=True), failure)
