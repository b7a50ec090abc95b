"""The keys' machine: how many requests each limited key has in flight."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.caller import CallerMessage, CallerState, Enter, Entry, Leave, step


def test_a_key_is_refused_at_its_limit_and_let_in_after_a_leave() -> None:
    """CL-1, CL-3: limit 2: two enter, the third is refused at once; one leaves, the next enters."""
    state = CallerState()
    assert [step(state, Enter(n, 0, "k", 2)) for n in (1, 2, 3)] == [Entry(1, True), Entry(2, True), Entry(3, False)]
    assert step(state, Leave(1, 0)) is None
    assert step(state, Enter(4, 0, "k", 2)) == Entry(4, granted=True)
    assert state.active == {"k": 2}


def test_keys_do_not_share_a_limit() -> None:
    """RL-3: each key has its own count."""
    state = CallerState()
    assert step(state, Enter(1, 0, "k", 1)) == Entry(1, granted=True)
    assert step(state, Enter(2, 0, "l", 1)) == Entry(2, granted=True)


def test_a_limit_is_the_one_asked_under() -> None:
    """CL-5, ADOPT-5: lowered below what runs, nothing is cancelled and nobody enters until enough have left."""
    state = CallerState()
    for ticket in (1, 2, 3):
        step(state, Enter(ticket, 0, "k", None))
    assert step(state, Enter(4, 0, "k", 2)) == Entry(4, granted=False)
    step(state, Leave(1, 0))
    assert step(state, Enter(5, 0, "k", 2)) == Entry(5, granted=False)
    step(state, Leave(2, 0))
    assert step(state, Enter(6, 0, "k", 2)) == Entry(6, granted=True)
    assert step(CallerState(), Enter(1, 0, "k", 0)) == Entry(1, granted=False)


TICKETS, KEYS = st.integers(1, 6), st.sampled_from(["k", "l"])
MESSAGES: st.SearchStrategy[CallerMessage] = st.one_of(
    st.builds(Enter, TICKETS, st.just(0), KEYS, st.sampled_from([None, 0, 1, 2])),
    st.builds(Leave, TICKETS, st.just(0)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(MESSAGES, max_size=40))
def test_counts_are_the_tickets_whatever_comes(messages: list[CallerMessage]) -> None:
    """CL-3, CL-5: any interleaving, with duplicate, late and unknown tickets, is as in a model that is a set."""
    state, inside = CallerState(), dict[int, str]()
    effects = []
    for message in messages:
        effect = step(state, message)
        effects.append(effect)
        if isinstance(message, Leave):
            assert effect is None
            inside.pop(message.ticket, None)
        else:
            count = list(inside.values()).count(message.key_id)
            fits = message.limit is None or count < message.limit
            assert effect == Entry(message.ticket, message.ticket in inside or fits)
            if effect.granted:
                inside.setdefault(message.ticket, message.key_id)
        assert state.tickets == inside
        assert state.active == {one: list(inside.values()).count(one) for one in set(inside.values())}
    again = CallerState()
    assert [step(again, message) for message in messages] == effects
