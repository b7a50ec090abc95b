"""Blocks to store: one with everything that a block may have, and any number of plain ones."""

from adapters.codec.journal_codec import Packed, notes_chunk, served_chunk
from engine.caller import Admitted, Enter, Entry, Leave
from engine.checkpoint import KeptBucket, KeptJourney, KeptKey, KeptMeter, KeptPool, KeptSlot
from engine.errors import Failure
from engine.limiter import Quota
from engine.pool.circuit import Cause, Circuit
from engine.pool.decision import Decision, Verdict
from engine.pool.messages import (
    Acquire,
    Answered,
    Finish,
    Kind,
    Leased,
    Outcome,
    Reconfigure,
    Refusal,
    Refused,
    Retry,
    Tick,
)
from engine.recording import Attempted, Block, Served, Started, Usage
from engine.runtime.journal import Note
from engine.snapshot import DEFAULT_TIMEOUTS, Limits, Pool, Provider, Strategy, Timeouts
from tests.projections.recorded import Recorded

S = 10**9
UNIX_US = 1_750_000_000_000_000
_A = Provider("a", "http://a.example/", deployment="big", limits=Limits(2, 0.5, 4), timeouts=Timeouts(1.5))
_FAILED = Outcome(Kind.FAILED, 503, Failure.BROKEN, 2 * S, 7)
_QUOTA = Quota(5, 4, 200_000_000)
_ROWS = tuple((f"p{number}", 1, number, verdict, 2**40) for number, verdict in enumerate(Verdict))
_CAUSES = (("p3", (Cause(6, S, "503"), Cause(7, 2 * S, "connect"))),)


def _decision(ticket: int, chosen: str | None) -> Decision:
    return Decision(ticket, 3, 5 * S, 1, Strategy.COST, 2**64 - 1, _ROWS, (2**63, 0), ("p0", "p1"), chosen, _CAUSES)


def _lease(ticket: int, chosen: str | None = "a") -> Leased:
    return Leased(ticket, _A, 1, 3, DEFAULT_TIMEOUTS, True, _decision(ticket, chosen))


def _notes() -> tuple[Note, ...]:
    told = (
        ("chat", Started(2**64 - 1), ()),
        ("chat", Reconfigure(Pool("chat", (_A,)), 3, S), ()),
        (None, Enter(9, 5 * S, "k", Limits(1, 2.5, 3), 3), (Admitted(9, Entry.GRANTED, None, _QUOTA),)),
        ("chat", Acquire(9, 5 * S, 2**64 - 1), (_lease(9),)),
        # What no row has once for both: the answer is of another time, or comes with another.
        ("chat", Acquire(9, 6 * S), (_lease(9),)),
        ("chat", Acquire(10, 5 * S), (_lease(9), Refused(10, Refusal.POOL_RATE, 7 * S, _QUOTA))),
        ("chat", Retry(9, 5 * S, _FAILED), (Refused(9, Refusal.EXHAUSTED, None, None, _decision(9, None)),)),
        ("chat", Retry(9, 5 * S, _FAILED), ()),
        ("chat", Answered(9, 5 * S), ()),
        ("chat", Tick(6 * S), (Refused(9, Refusal.EXHAUSTED, 8 * S, None, None, Refusal.NO_PROVIDERS),)),
        ("chat", Finish(9, 6 * S, Outcome(Kind.SUCCEEDED, 200, None, None, 5)), ()),
        ("chat", Finish(10, 6 * S, Outcome(Kind.ABANDONED)), (_lease(9),)),
        ("chat", Reconfigure(None, 4, 7 * S), ()),
        (None, Enter(11, 7 * S, "k", Limits(), 3), (Admitted(11, Entry.RATE, 9 * S),)),
        (None, Leave(9, 7 * S, True), ()),
    )
    return tuple(Note(seq, *one) for seq, one in enumerate(told, 41))


def _pool() -> KeptPool:
    circuit = Circuit(2 * S, 3, 1, 9, S, True, (Cause(6, S, "503"),))
    bucket = KeptBucket("2", str(10**25), 4, str(10**30))
    return KeptPool(
        seed=2**64 - 1,
        position=3,
        defined_at=2,
        is_gone=False,
        bucket=bucket,
        draws=17,
        retries=3,
        budgets_exhausted=1,
        slots=(KeptSlot(), KeptSlot(1, KeptMeter(2, bucket, 1, 1), 5, S, circuit, circuit, True, 4)),
        draining=(KeptSlot(1, None, provider=_A, chosen=8),),
        gone=("z",),
        journeys={
            9: KeptJourney(1, 2, 2**64 - 1, {0: 1, -1: 2}, None, 5, "env:A"),
            8: KeptJourney(None, 1, None, {}, 9 * S, 0, None),
        },
        refused={"pool_rate": 6},
    )


def _served() -> tuple[Served, ...]:
    attempts = (Attempted("a", 5 * S, 7, 503, "broken"), Attempted("b", 6 * S, 8, None, "connect"))
    return (
        Served("id-1", 9, 5 * S, S, "chat", "chat", "k", 3, 200, "complete", None, None, None, attempts, Usage(3, 4)),
        Served("id-2", None, 5 * S, S, None, None, None, 3, 404, "refused", "model_not_found", "pool", "why"),
        Served("id-3", 12, 5 * S, S, "chat", "chat", None, 3, None, "client", attempts=attempts[:1]),
    )


def everything() -> tuple[Packed, Block]:
    """A block with each kind of entry, answer, request and state, and what is read of it."""
    notes, served = _notes(), _served()
    states = (
        {"chat": _pool()},
        {"big": KeptMeter(None, None, 2, 3)},
        {"k": KeptKey(Limits(1, 2.5, 3), 3, None, 1, (9,))},
    )
    chunks = [notes_chunk(notes[:7]), notes_chunk(notes[7:])]
    packed = Packed(
        *("a-run", 5, 41, UNIX_US, 4 * S, 8 * S, *states),
        chunks=[chunk for chunk, _ in chunks],
        served=[served_chunk(served)],
        entries=len(notes),
        requests=len(served),
        tickets=[tickets for _, tickets in chunks],
        request_ids=[one.request_id for one in served],
        aliases=["chat"],
        dropped=6,
        dropped_requests=7,
    )
    entries = tuple(note.entry() for note in notes)
    return packed, Block("a-run", 41, UNIX_US, 4 * S, 8 * S, 6, 7, *states, entries, served)


def packed_of(recorded: Recorded, number: int, *, steps: int = 20, process: str = "a-run") -> tuple[Packed, Block]:
    """The next block of a world, as the recorder would pack it."""
    recorded.go_on(steps)
    begun, first = recorded.begun, recorded.first
    notes = tuple(recorded.journal._notes)
    block = recorded.block()
    chunk, tickets = notes_chunk(notes)
    packed = Packed(
        process,
        number,
        first,
        UNIX_US + begun // 1000,
        begun,
        block.until,
        block.pools,
        block.meters,
        block.keys,
        chunks=[chunk],
        entries=len(notes),
        tickets=[tickets],
        aliases=sorted({note.alias for note in notes if note.alias is not None}),
    )
    return packed, block
