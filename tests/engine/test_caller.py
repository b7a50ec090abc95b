"""The keys' machine: what each limited key has in flight and has left."""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.caller import Admitted, CallerMessage, CallerState, Enter, Entry, Leave, step
from engine.limiter import Quota
from engine.snapshot import Limits

S = 10**9
GRANTED, RATE, FULL = Entry.GRANTED, Entry.RATE, Entry.FULL


def enter(state: CallerState, ticket: int, limits: Limits, *, at: int = 0, position: int = 1, key: str = "k") -> Entry:
    (admitted,) = step(state, Enter(ticket, at, key, limits, position))
    assert admitted.ticket == ticket
    return admitted.entry


def leave(state: CallerState, ticket: int, *, at: int = 0, spent: bool = True) -> None:
    assert step(state, Leave(ticket, at, spent)) == ()


def active(state: CallerState) -> dict[str, int]:
    return {key_id: key.active for key_id, key in state.keys.items() if key.active}


def test_a_key_is_refused_at_its_limit_and_let_in_after_a_leave() -> None:
    """CL-1, CL-3: limit 2: two enter, the third is refused at once; one leaves, the next enters."""
    state = CallerState()
    assert [enter(state, ticket, Limits(2)) for ticket in (1, 2, 3)] == [GRANTED, GRANTED, FULL]
    leave(state, 1)
    assert enter(state, 4, Limits(2)) is GRANTED
    assert active(state) == {"k": 2}
    assert enter(CallerState(), 1, Limits(0)) is FULL


def test_keys_do_not_share_a_limit() -> None:
    """RL-3: each key has its own count and its own tokens."""
    state = CallerState()
    limits = Limits(1, 1, 1)
    assert [enter(state, 1, limits), enter(state, 2, limits, key="l")] == [GRANTED, GRANTED]


def test_a_key_without_a_token_is_told_when_one_comes() -> None:
    """RL-3, RL-4: the refusal says what is left, and when asking again helps."""
    state = CallerState()
    limits = Limits(None, 2, 2)
    told = [step(state, Enter(ticket, 0, "k", limits, 1)) for ticket in (1, 2, 3)]
    assert told == [
        (Admitted(1, GRANTED, None, Quota(2, 1, S // 2)),),
        (Admitted(2, GRANTED, None, Quota(2, 0, S)),),
        (Admitted(3, RATE, S // 2, Quota(2, 0, S)),),
    ]
    assert enter(state, 3, limits, at=S // 2 - 1) is RATE
    assert enter(state, 3, limits, at=S // 2) is GRANTED


def test_a_refused_request_spends_no_token() -> None:
    """ORDER-2, DEF-28: refused here for its count, or in its pool: the token is there again."""
    state = CallerState()
    limits = Limits(1, 1, 2)
    assert [enter(state, 1, limits), enter(state, 2, limits), enter(state, 3, limits)] == [GRANTED, FULL, FULL]
    leave(state, 2, spent=False)
    assert state.keys["k"].active == 1
    leave(state, 1, spent=False)
    assert [enter(state, 4, limits), active(state)] == [GRANTED, {"k": 1}]
    leave(state, 4)
    assert enter(state, 5, limits) is GRANTED
    leave(state, 5)
    assert enter(state, 6, limits) is RATE


def test_a_lowered_limit_cancels_nothing() -> None:
    """CL-5, ADOPT-5: nobody enters until enough have left."""
    state = CallerState()
    for ticket in (1, 2, 3):
        enter(state, ticket, Limits(5))
    assert enter(state, 4, Limits(2), position=2) is FULL
    leave(state, 1)
    assert enter(state, 5, Limits(2), position=2) is FULL
    leave(state, 2)
    assert enter(state, 6, Limits(2), position=2) is GRANTED


def test_the_newest_snapshots_limits_hold() -> None:
    """ADOPT-5, ORDER-5: a request that began under an older one does not bring its limits back."""
    state = CallerState()
    assert enter(state, 1, Limits(1), position=5) is GRANTED
    assert enter(state, 2, Limits(9), position=4) is FULL
    assert enter(state, 3, Limits(2), position=6) is GRANTED


def test_a_changed_rate_keeps_the_balance() -> None:
    """RL-7, DEF-8: cut to the new burst; another limit of the same key does not refill it."""
    state = CallerState()
    assert [enter(state, ticket, Limits(None, 1, 3)) for ticket in (1, 2)] == [GRANTED, GRANTED]
    assert enter(state, 3, Limits(7, 1, 3), position=2) is GRANTED
    assert enter(state, 4, Limits(7, 1, 9), position=3) is RATE
    assert [enter(state, ticket, Limits(7, 1, 1), position=4, at=9 * S) for ticket in (5, 6)] == [GRANTED, RATE]


def test_asked_twice_nothing_is_taken_twice() -> None:
    """CL-2: the first answer stands."""
    state = CallerState()
    assert [enter(state, 1, Limits(2, 1, 2)) for _ in range(5)] == [GRANTED] * 5
    assert active(state) == {"k": 1}
    leave(state, 1)
    leave(state, 1)
    leave(state, 99)
    assert enter(state, 2, Limits(2, 1, 2)) is GRANTED


def test_a_key_that_is_as_good_as_new_is_forgotten() -> None:
    """RL-3: what is kept is what matters: nothing in flight and a full bucket is nothing."""
    state = CallerState()
    enter(state, 1, Limits(1))
    enter(state, 2, Limits(None, 1, 1), key="l")
    leave(state, 1)
    assert state.keys.keys() == {"l"}
    leave(state, 2, at=S - 1)
    assert state.keys.keys() == {"l"}
    enter(state, 3, Limits(None, 1, 1), key="l", at=S)
    leave(state, 3, at=2 * S)
    assert (state.keys, state.tickets) == ({}, {})


TICKETS, KEYS, WAITS = st.integers(1, 6), st.sampled_from(["k", "l"]), st.sampled_from([0, 0, 1, S // 3, S])
LIMITS = [Limits(), Limits(2), Limits(None, 2.9, 3), Limits(1, 0.5), Limits(2, 1, 2), Limits(0)]
HAPPENINGS = st.one_of(
    st.tuples(st.just("enter"), TICKETS, KEYS, WAITS, st.integers(0, 1)),
    st.tuples(st.just("leave"), TICKETS, st.booleans(), WAITS, st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(HAPPENINGS, max_size=40), st.integers(0, 5))
def test_counts_and_tokens_are_a_models_whatever_comes(
    happenings: list[tuple[str, int, Any, int, int]], which: int
) -> None:
    """CL-3, CL-5, RL-1, RL-7: with duplicate, late and unknown tickets, as in a model of a set and fractions.

    A change of rate loses less than one unit of a nanosecond, which at these rates is no token in any step here: so
    limits are the same throughout, and only the position moves.
    """
    limits, state, inside = LIMITS[which], CallerState(), dict[int, str]()
    rate = None if limits.requests_per_second is None else Fraction(str(limits.requests_per_second)) / S
    burst = Fraction(limits.burst or max(1, int(limits.requests_per_second or 0)))
    tokens = {"k": burst, "l": burst}
    at, position, recorded = 0, 1, list[tuple[CallerMessage, tuple[Admitted, ...]]]()
    for kind, ticket, key, wait, newer in happenings:
        at, position = at + wait, position + newer
        if rate is not None:
            tokens = {one: min(burst, left + rate * wait) for one, left in tokens.items()}
        message: CallerMessage
        if kind == "leave":
            message = Leave(ticket, at, spent := bool(key))
            left = inside.pop(ticket, None)
            if left is not None and not spent:
                tokens[left] = min(burst, tokens[left] + 1)
            expected = None
        else:
            message = Enter(ticket, at, key, limits, position)
            count = list(inside.values()).count(key)
            if ticket in inside:
                expected = GRANTED
            elif rate is not None and tokens[key] < 1:
                expected = RATE
            elif limits.max_concurrent is not None and count >= limits.max_concurrent:
                expected = FULL
            else:
                expected = GRANTED
                inside[ticket] = key
                tokens[key] -= 1
        answers = step(state, message)
        recorded.append((message, answers))
        assert [one.entry for one in answers] == ([] if expected is None else [expected])
        assert state.tickets == inside
        assert active(state) == {one: list(inside.values()).count(one) for one in set(inside.values())}
    again = CallerState()
    assert [step(again, message) for message, _ in recorded] == [answers for _, answers in recorded]
