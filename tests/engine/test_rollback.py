"""An earlier table made to hold again: over any history, and what no rollback brings back."""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalogue import Ledger
from engine.commands import Account, ChangeEntities, DefineKey, RemoveKey, RollBack
from engine.decide import decide
from engine.definitions import define_key, define_pool
from engine.document import document_of
from engine.errors import Outdated
from engine.events import (
    CreditsBooked,
    CreditsCheckpointed,
    Event,
    FundsExhausted,
    FundsRestored,
    MemberAdded,
    PoolDefined,
    ProviderDefined,
    SourceReleased,
    TariffBegan,
    TariffDefined,
    TariffEnded,
    TokenDefined,
    UserDefined,
    UserRemoved,
    stream_of,
)
from engine.lasting import account_after
from engine.rollback import acting
from engine.snapshot import Key, RoutingSnapshot
from engine.tariffs import Phase
from projections import routing
from tests.engine.tables import key, recorded, secret_of
from tests.projections.any_events import some
from tests.projections.worlds import FIRST, content, decided, told, worlds

ACTORS = st.sampled_from(["token:ops", "file:a", "file:b", "sent:c"])
STAYS = {"tokens", "catalogue.token_ids", "catalogue.ledgers", "users"}
"""What is not as it was."""
OF_KEYS = {"keys", "callers", "global_keys", "pools"}
OF_NAMES = {"pools", "faults", "catalogue.models"}

Writing = tuple[Event, str]


def history() -> st.SearchStrategy[tuple[list[Writing], list[Writing]]]:
    """Events of all types before and after a position, with who wrote them."""

    def written(events: list[Event]) -> st.SearchStrategy[list[Writing]]:
        return st.lists(ACTORS, min_size=len(events), max_size=len(events)).map(
            lambda by: list(zip(events, by, strict=True))
        )

    return st.tuples(some(30).flatmap(written), some(30).flatmap(written))


def folded(table: RoutingSnapshot, written: Iterable[Writing]) -> RoutingSnapshot:
    for event, actor in written:
        table = routing.apply(table, attrs.evolve(recorded(table.position + 1, event), actor=actor))
    return table


def rolled_back(table: RoutingSnapshot, command: RollBack, actor: str = "token:ops") -> RoutingSnapshot:
    events = decide(table, command, source=actor, change=routing.change)
    return folded(table, [(event, acting(command, event, actor)) for event in events])


def comparable(table: RoutingSnapshot, *, beside: set[str] = frozenset()) -> dict[str, Any]:  # type: ignore[assignment]
    """What is in force, but for what stays as it is."""
    return {name: value for name, value in content(table).items() if name not in STAYS | beside}


def is_sound(table: RoutingSnapshot) -> bool:
    """Whether each model has its name and each secret its key, as wherever commands led."""
    there = table.catalogue
    models = [*there.deployments.values(), *there.composites.values()]
    secrets = [(one.key_id, digest) for one in table.keys.values() for digest in {one.digest, one.previous} - {None}]
    return all(there.models.get(one.alias) == one.model_id for one in models) and all(
        table.callers[digest].key_id == key_id if digest in table.callers else False for key_id, digest in secrets
    )


def people(table: RoutingSnapshot) -> dict[str, tuple[str, frozenset[str]]]:
    return {one.user_id: (one.name, one.groups) for one in table.users.values()}


def assert_money_stays(then: RoutingSnapshot, now: RoutingSnapshot, after: RoutingSnapshot) -> None:
    """Nobody's balance moves, and who has one stays; who comes back has what there was."""
    back = {user_id: ledger for user_id, ledger in then.catalogue.ledgers.items() if user_id not in now.users}
    assert dict(after.catalogue.ledgers) == {**now.catalogue.ledgers, **back}
    kept = {user_id: (now.users[user_id].name, frozenset()) for user_id in now.catalogue.ledgers}
    assert people(after) == {**kept, **people(then)}
    for user_id, user in after.users.items():
        assert user.is_funded == (now.users.get(user_id) or then.users[user_id]).is_funded


def entities(table: RoutingSnapshot) -> Iterator[str]:
    """The streams of all that is there, money and tokens aside."""
    yield "settings"
    yield from (f"pool:{alias}" for alias, pool in table.pools.items() if pool.grants is None)
    yield from (f"key:{key_id}" for key_id in table.keys)
    for section, facts in document_of(table).facts.items():
        if section not in {"tokens", "ledgers"}:
            yield from (stream_of(fact) for fact in facts if not stream_of(fact).startswith("ledger"))


@settings(max_examples=400, deadline=None)
@given(history())
def test_a_rollback_leads_to_the_table_of_the_position(written: tuple[list[Writing], list[Writing]]) -> None:
    """Issue 5, item 6, over events of all types: whatever came since, and whoever wrote it."""
    before, since = written
    then = folded(routing.empty(), before)
    now = folded(then, since)
    after = rolled_back(now, RollBack(then, with_revoked_keys=True))
    beside = set() if is_sound(then) else {"callers", *OF_NAMES}
    assert comparable(after, beside=beside) == comparable(then, beside=beside)
    assert_money_stays(then, now, after)
    assert content(after)["tokens"] == content(now)["tokens"]
    for stream in entities(then):
        assert after.owner(stream) == then.owner(stream), stream
    if is_sound(then):
        again = decide(after, RollBack(then, with_revoked_keys=True), change=routing.change)
        assert again == (), "what is so already needs no event"


@settings(max_examples=200, deadline=None)
@given(history())
def test_no_secret_comes_to_life_unless_it_is_asked_for(written: tuple[list[Writing], list[Writing]]) -> None:
    """A rollback of the routing is no amnesty: what is revoked now opens nothing afterwards."""
    before, since = written
    then = folded(routing.empty(), before)
    now = folded(then, since)
    after = rolled_back(now, RollBack(then))
    beside = OF_KEYS if is_sound(then) else {*OF_KEYS, *OF_NAMES}
    assert comparable(after, beside=beside) == comparable(then, beside=beside)
    assert set(after.keys) == set(then.keys) & set(now.keys)
    for key_id, one in after.keys.items():
        old, present = then.keys[key_id], now.keys[key_id]
        assert (one.digest, one.previous, one.previous_until) == (
            present.digest,
            present.previous,
            present.previous_until,
        )
        ends = {old.expires_at, present.expires_at}
        assert one.expires_at == (min(ends - {None}) if ends != {None} else None)
        assert attrs.evolve(one, expires_at=None) == attrs.evolve(
            old, digest=one.digest, previous=one.previous, previous_until=one.previous_until, expires_at=None
        )
    gone = set(then.keys) - set(now.keys)
    assert not any(gone & (pool.keys or set()) for pool in after.pools.values())
    if is_sound(now):
        assert set(after.callers) <= set(now.callers)


@settings(max_examples=200, deadline=None)
@given(history())
def test_back_and_forth_is_where_it_was(written: tuple[list[Writing], list[Writing]]) -> None:
    """Rolled back to a position and then to the former head: the former table, ownership included."""
    before, since = written
    then = folded(routing.empty(), before)
    former = folded(then, since)
    back = rolled_back(former, RollBack(then, with_revoked_keys=True))
    went = set(former.users) - set(back.users)
    accounts = {user_id: Account(None, former.users[user_id].is_funded) for user_id in went}
    forth = rolled_back(back, RollBack(former, with_revoked_keys=True, accounts=accounts))
    beside = set() if is_sound(former) else {"callers", *OF_NAMES}
    assert comparable(forth, beside=beside) == comparable(former, beside=beside)
    came = set(then.users) - set(former.users)
    assert {name: one for name, one in people(forth).items() if name not in came} == people(former)
    for stream in entities(former):
        assert forth.owner(stream) == former.owner(stream), stream


@settings(max_examples=60, deadline=None)
@given(worlds(), worlds())
def test_any_table_that_commands_led_to_comes_back_whole(then: RoutingSnapshot, now: RoutingSnapshot) -> None:
    """Also into another log's table: nothing of the way between them is needed."""
    after = rolled_back(now, RollBack(then, with_revoked_keys=True))
    assert comparable(after) == comparable(then)
    assert_money_stays(then, now, after)


def chat(weight: int = 1) -> list[Event]:
    return [PoolDefined("chat", "priority", ("k",)), ProviderDefined("chat", "one", 0, "http://one/", weight=weight)]


def test_a_key_that_was_revoked_stays_so_unless_it_is_asked_for() -> None:
    """Neither the key nor its place in a list comes back by itself; and a rotated secret stays rotated away."""
    then = told(routing.empty(), [define_key(key("k")), define_key(key("r")), *chat()])
    rotated = Key("r", secret_of("new"), previous=secret_of("r"), previous_until=5, expires_at=9)
    now = decided(decided(then, RemoveKey("k")), DefineKey(rotated))
    assert now.pools["chat"].keys == frozenset()
    after = rolled_back(now, RollBack(then))
    assert after.pools["chat"].keys == frozenset()
    assert dict(after.keys) == {"r": rotated}
    whole = rolled_back(now, RollBack(then, with_revoked_keys=True))
    assert whole.pools["chat"].keys == {"k"}
    assert dict(whole.keys) == dict(then.keys)


def test_files_entities_are_put_back_in_their_place() -> None:
    """An incident is mostly a bad file: what it had changed is as it was and its own, and both are actors."""
    then = folded(routing.empty(), [(event, "file:routes.json") for event in chat(weight=1)])
    now = folded(then, [(chat(weight=9)[1], "file:routes.json"), (define_key(key("k")), "token:ops")])
    command = RollBack(then)
    events = decide(now, command, source="token:ops", change=routing.change)
    assert [(type(event).__name__, acting(command, event, "token:ops")) for event in events] == [
        ("ProviderDefined", "token:ops for file:routes.json"),
        ("KeyRemoved", "token:ops"),
    ]
    after = rolled_back(now, command)
    assert after.pools["chat"].providers[0].weight == 1
    assert after.streams["pool:chat"].source == "file:routes.json"


def test_what_has_changed_hands_alone_goes_back() -> None:
    """The same pool, released by its file and stated again by a token: the file's again, and so is the release gone."""
    pools = [(event, "file:a") for event in chat()]
    then = folded(routing.empty(), pools)
    pool = define_pool(then.pools["chat"])
    now = folded(then, [(SourceReleased("file:a"), "token:ops"), (pool, "token:ops")])
    assert now.owner("pool:chat") is None
    after = rolled_back(now, RollBack(then))
    assert (after.owner("pool:chat"), content(after)) == ("file:a", content(then))
    back = rolled_back(after, RollBack(now))
    assert (back.owner("pool:chat"), back.released) == (None, {"file:a"})
    assert back.streams["pool:chat"].source == "token:ops"


def test_booked_money_is_a_fact() -> None:
    """A user who came since stays with the ledger and nothing else; one who went comes back with what was left."""
    then = told(routing.empty(), [*FIRST, CreditsBooked("u1", 1, "purchase", "10"), FundsRestored("u1")])
    since = [
        UserDefined("u2", "Bob"),
        MemberAdded("g1", "u2"),
        CreditsBooked("u2", 1, "purchase", "3"),
        FundsRestored("u2"),
        CreditsBooked("u1", 2, "usage", "10"),
        FundsExhausted("u1"),
    ]
    now = told(then, [*since, UserRemoved("u1")])
    account = account_after(Account(then.catalogue.ledgers["u1"], True), since[4:])
    after = rolled_back(now, RollBack(then, accounts={"u1": account}))
    assert after.catalogue.ledgers["u1"] == Ledger(account.ledger.balance if account.ledger else None, 2)  # type: ignore[arg-type]
    assert (after.users["u1"].is_funded, after.users["u1"].groups) == (False, {"g1"})
    assert (after.users["u2"].is_funded, after.users["u2"].groups, after.catalogue.ledgers["u2"].seq) == (
        True,
        set(),
        1,
    )
    checkpoint = account_after(Account(None, False), [CreditsCheckpointed("u", "2.5", 7), FundsRestored("u")])
    assert (checkpoint.ledger, checkpoint.is_funded) == (Ledger(checkpoint.ledger.balance, 7), True)  # type: ignore[union-attr]
    assert account_after(Account(None, False), []) == Account(None, False)


@pytest.mark.parametrize(
    ("at_us", "phase"), [(None, Phase.WAITING), (4, Phase.WAITING), (5, Phase.CURRENT), (9, Phase.ENDED)]
)
@pytest.mark.parametrize("turns", [[], [TariffBegan("t")], [TariffBegan("t"), TariffEnded("t")]])
def test_time_is_not_rolled_back(at_us: int | None, phase: Phase, turns: list[Event]) -> None:
    """SYNC-5: a model is not free for a moment since its tariff is to wait that has begun long ago."""
    then = told(routing.empty(), [*FIRST, TariffDefined("t", "m3", "1", "1", 5, 9)])
    now = told(then, [*turns, TariffDefined("t", "m3", "2", "2", 5, 9)])
    tariff = rolled_back(now, RollBack(then, at_us=at_us)).catalogue.tariffs["t"]
    assert (tariff.phase, tariff.defined) == (phase, then.catalogue.tariffs["t"].defined)


def test_tokens_stay_as_they_are() -> None:
    """Who rolls back is not locked out, and a token that was revoked is not good again."""
    then = told(routing.empty(), [TokenDefined("old", "aa" * 32, "admin"), UserDefined("u")])
    now = told(routing.empty(), [TokenDefined("mine", "bb" * 32, "admin")])
    after = rolled_back(now, RollBack(then))
    assert [one.token_id for one in after.tokens.values()] == ["mine"]
    assert set(after.users) == {"u"}


def test_a_rollback_may_be_meant_for_one_table_only() -> None:
    """Where something has come in between, it is told, and nothing is planned."""
    now = decided(routing.empty(), ChangeEntities((UserDefined("u"),)))
    with pytest.raises(Outdated) as caught:
        decide(now, RollBack(routing.empty(), expected=7), change=routing.change)
    assert (caught.value.expected, caught.value.actual) == (7, now.position)
    assert decide(now, RollBack(routing.empty(), expected=now.position), change=routing.change) != ()
    assert decide(now, RollBack(now), change=routing.change) == ()
