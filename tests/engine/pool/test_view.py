"""What observers see of a pool."""

import attrs

from engine.pool.view import PoolView, ProviderView, view
from engine.snapshot import Fallback, Strategy
from tests.engine.pool.conversation import Conversation
from tests.engine.tables import deny, pool, provider


def test_a_view_tells_the_whole_pool() -> None:
    """LB-15, WS-1: providers with weight, limit and active count, draining ones too, and the pool's own facts."""
    a, b = provider("a", weight=3, limit=5), attrs.evolve(provider("b"), credential="env:SECRET")
    talk = Conversation(pool("chat", a, b, strategy=Strategy.PRIORITY))
    talk.acquire(1)
    talk.reconfigure(
        pool(
            "chat",
            b,
            limit=9,
            keys=frozenset({"k"}),
            strategy=Strategy.PRIORITY,
            fallback=Fallback(enabled=True),
            rules=(deny(),),
        )
    )
    talk.acquire(2)
    talk.retry(1)
    talk.retry(1)
    seen = view(talk.state)
    assert seen == PoolView(
        alias="chat",
        position=2,
        strategy="priority",
        active=2,
        limit=9,
        fallback=True,
        rules=1,
        keys=1,
        providers=(ProviderView("b", "http://b.example/v1/", 1, 1, None),),
    )
    assert "SECRET" not in repr(seen)


def test_a_draining_provider_is_marked() -> None:
    """ADOPT-3: seen until its last request ends."""
    talk = Conversation(pool("chat", provider("a", weight=3, limit=5)))
    talk.acquire(1)
    talk.reconfigure(pool("chat"))
    seen = view(talk.state)
    assert seen is not None
    assert seen.keys is None
    assert seen.providers == (ProviderView("a", "http://a.example/v1/", 3, 1, 5, draining=True),)
    talk.finish(1)
    ended = view(talk.state)
    assert ended is not None
    assert ended.providers == ()


def test_a_pool_that_is_gone_is_not_seen() -> None:
    """ADOPT-9: also while its last request ends."""
    talk = Conversation(pool("chat", provider("a")))
    talk.acquire(1)
    talk.reconfigure(None)
    assert view(talk.state) is None
    assert view(Conversation().state) is None


def test_a_view_is_a_value() -> None:
    """WS-1: what was seen does not change under the observer."""
    talk = Conversation(pool("chat", provider("a")))
    before = view(talk.state)
    changes = talk.state.changes
    talk.acquire(1)
    assert before is not None
    assert before.active == before.providers[0].active == 0
    assert talk.state.changes > changes
