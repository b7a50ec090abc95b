"""Whether a failed attempt may be followed by another."""

import pytest

from engine.errors import Failure
from engine.fallback import matches, tries_again_on_embedded, tries_again_on_failure, tries_again_on_status
from engine.snapshot import Fallback
from tests.engine.tables import provider

PLAIN, OURS = provider("a"), provider("a", credential="env:KEY")


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
    off = Fallback(enabled=False, on_status=(5, 4), on_rate_limit=True)
    assert not any(tries_again_on_status(off, status, OURS) for status in range(100, 600))
    assert not any(tries_again_on_embedded(off, status) for status in range(400, 600))
    assert not any(tries_again_on_failure(off, failure) for failure in Failure)


def test_a_status_is_tried_again_where_it_is_listed() -> None:
    """FB-3: a listed status is followed by another attempt, any other is the client's."""
    on = Fallback(enabled=True, on_status=(5, 429))
    tried = [status for status in (200, 401, 404, 429, 500, 503) if tries_again_on_status(on, status, PLAIN)]
    assert tried == [429, 500, 503]
    assert not tries_again_on_status(Fallback(enabled=True, on_rate_limit=True), 429, PLAIN)


def test_a_credential_that_is_refused_is_not_the_clients_fault() -> None:
    """DEF-71: 401 and 403 go on where the gateway sent its own credential, and are the client's where it did not."""
    on = Fallback(enabled=True)
    assert [status for status in range(400, 600) if tries_again_on_status(on, status, OURS)] == [401, 403]
    assert not any(tries_again_on_status(on, status, PLAIN) for status in range(400, 600))


@pytest.mark.parametrize(
    ("fallback", "tried"),
    [
        (Fallback(enabled=True), []),
        (Fallback(enabled=True, on_rate_limit=True), [429]),
        (Fallback(enabled=True, on_status=(50,)), [500, 502]),
        (Fallback(enabled=True, on_status=(4,)), [400, 429]),
    ],
)
def test_an_embedded_error_is_tried_again_as_its_status_is(fallback: Fallback, tried: list[int]) -> None:
    """FB-12, FB-13: where the pattern lists it, and a 429 also where rate limits fall back."""
    assert [status for status in (400, 429, 500, 502) if tries_again_on_embedded(fallback, status)] == tried


SWITCHES = {
    "on_connect_error": Failure.CONNECT,
    "on_timeout": Failure.TIMEOUT,
    "on_maybe_executed": Failure.BROKEN,
}


@pytest.mark.parametrize("off", SWITCHES)
def test_each_kind_of_failure_has_its_own_switch(off: str) -> None:
    """FB-4, FB-5, DEF-41: a switch that is off stops its kind and no other; all are on unless said."""
    fallback = Fallback(enabled=True, **{off: False})
    assert [failure for failure in Failure if not tries_again_on_failure(fallback, failure)] == [SWITCHES[off]]


@pytest.mark.parametrize("failure", list(Failure))
def test_a_failure_is_tried_again_whatever_the_statuses(failure: Failure) -> None:
    """FB-4, FB-5: a timeout and every broken connection go on to the next provider regardless of `on_status`."""
    assert tries_again_on_failure(Fallback(enabled=True), failure)
