"""Cost of one decision, and of computing it again: `make bench-machine`.

The pool machine by itself, without trio, HTTP or a clock: one `Acquire` and one `Finish`, with the decision record and
the making of both messages, while 32 other requests are in flight. Medians of several rounds, in microseconds of
processor time on one core; they hold for the machine they were taken on.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table

from engine.pool.draw import mixed
from engine.pool.machine import step
from engine.pool.messages import Acquire, Finish, Kind, Leased, Message, Outcome, Reconfigure, Retry
from engine.pool.meter import Meters
from engine.pool.state import PoolState
from engine.recording import Block
from engine.runtime.journal import Journal
from engine.snapshot import Fallback, Limits, Pool, Provider, Strategy
from projections.replay import Definitions, Replay

ROUNDS = 9
REQUESTS = 5_000
IN_FLIGHT = 32
SIZES = (3, 8, 64)
TARGETS_US = {8: 8.0, 64: 40.0}
RECORDED = 5_000
SEED = 7
RESULTS = Path(__file__).parent / "results"

_SECOND = 10**9
_BETWEEN_NS = 100_000
_RECORDED_NS = 50_000_000
"""Between two messages of the recording: long enough for circuits to open and to close again."""
_AMPLE = Limits(max_concurrent=10_000, requests_per_second=1e6, burst=1_000_000)
"""Limits that are looked at and never refuse."""
_SUCCESSES = tuple(Outcome(Kind.SUCCEEDED, 200, latency_ns=4_000_000 + 70_000 * number) for number in range(16))


def pool(size: int, *, strategy: Strategy = Strategy.WEIGHTED_RANDOM, limits: Limits = Limits()) -> Pool:  # noqa: B008 - frozen
    """A pool of so many providers of weights 1 to 3; limits are the pool's and each provider's."""
    providers = tuple(
        Provider(f"p{number}", f"http://p{number}.example/", weight=1 + number % 3, limits=limits, cost=number % 4)
        for number in range(size)
    )
    is_limited = limits != Limits()
    fallback = Fallback(enabled=is_limited, on_status=(429, 5), on_rate_limit=is_limited)
    return Pool(
        "chat", providers, strategy=strategy, limits=attrs.evolve(limits, max_concurrent=None), fallback=fallback
    )


VARIANTS: dict[str, Callable[[int], Pool]] = {
    "weighted_random": pool,
    "weighted_random, limits of pool and providers, fallback": partial(pool, limits=_AMPLE),
    **{one.value: partial(pool, strategy=one) for one in Strategy if one is not Strategy.WEIGHTED_RANDOM},
}


def decide(definition: Pool) -> float:
    """Microseconds an acquire and a finish take together, once."""
    state = PoolState(definition.alias, SEED, Meters())
    step(state, Reconfigure(definition, 1, _SECOND))
    at, has_sessions = _SECOND, definition.strategy is Strategy.CONSISTENT_HASH
    for ticket in range(IN_FLIGHT):
        step(state, Acquire(ticket, at))
    begun = time.process_time_ns()
    for ticket in range(IN_FLIGHT, IN_FLIGHT + REQUESTS):
        at += _BETWEEN_NS
        step(state, Acquire(ticket, at, ticket * 0x9E3779B97F4A7C15 if has_sessions else None))
        step(state, Finish(ticket - IN_FLIGHT, at, _SUCCESSES[ticket % 16]))
    spent = time.process_time_ns() - begun
    if len(state.journeys) != IN_FLIGHT:
        raise AssertionError(f"{len(state.journeys)} requests are in flight instead of {IN_FLIGHT}")
    return spent / REQUESTS / 1000


def record() -> tuple[Block, Definitions]:
    """Two pools under way, the journal on: one request in eight fails once, one message in fifty is a change."""
    journal, meters = Journal(), Meters()
    table: dict[tuple[str, int], Pool] = {}
    states: dict[str, PoolState] = {}
    held: dict[str, list[int]] = {"chat": [], "mini": []}

    def tell(alias: str, message: Message) -> bool:
        answers = step(states[alias], message)
        journal.note(alias, message, answers)
        return bool(answers) and isinstance(answers[0], Leased)

    def define(alias: str, number: int, at: int) -> None:
        strategy = tuple(Strategy)[number % len(Strategy)]
        table[alias, number] = attrs.evolve(pool(8, strategy=strategy, limits=_AMPLE), alias=alias)
        tell(alias, Reconfigure(table[alias, number], number, at))

    for alias in held:
        journal.begin_pool(alias, SEED)
        states[alias] = PoolState(alias, SEED, meters)
        define(alias, 1, _SECOND)
    for ticket in range(1, RECORDED):
        at, chance = _SECOND + ticket * _RECORDED_NS, mixed(ticket)
        alias = "chat" if chance % 3 else "mini"
        if chance % 50 == 0:
            define(alias, ticket, at)
        elif len(held[alias]) < IN_FLIGHT:
            if tell(alias, Acquire(ticket, at)):
                held[alias].append(ticket)
        elif chance % 8 == 0:
            tell(alias, Retry(held[alias][0], at, Outcome(Kind.FAILED, status=500)))
        else:
            tell(alias, Finish(held[alias].pop(0), at, _SUCCESSES[ticket % 16]))
    entries = tuple(note.entry() for note in journal.take().notes)
    kept = journal.close()
    return Block("bench", 1, 0, 0, 0, 0, 0, kept.pools, kept.meters, kept.keys, entries, ()), lambda *at: table[at]


def replay(block: Block, definitions: Definitions) -> float:
    """Journal entries computed again and compared, a second."""
    again = Replay(definitions)
    begun = time.process_time_ns()
    again.enter(block)
    for entry in block.entries:
        mismatch = again.take(entry)
        if mismatch is not None:
            raise AssertionError(str(mismatch))
    return len(block.entries) * _SECOND / (time.process_time_ns() - begun)


def main() -> None:
    rounds: dict[str, dict[int, list[float]]] = {name: {size: [] for size in SIZES} for name in VARIANTS}
    block, definitions = record()
    replays: list[float] = []
    for _ in range(ROUNDS):
        # By turns, so that a disturbance of the machine meets all of them.
        for name, make in VARIANTS.items():
            for size in SIZES:
                rounds[name][size].append(decide(make(size)))
        replays.append(replay(block, definitions))
    result = {
        "python": platform.python_version(),
        "machine": f"{os.cpu_count()} cores",
        "targets_us": TARGETS_US,
        "decide_us": {name: dict(_medians(sizes)) for name, sizes in rounds.items()},
        "rounds_us": rounds,
        "replay_entries_per_s": statistics.median(replays),
        "replay_rounds": replays,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "machine.json").write_text(json.dumps(result, indent=2) + "\n")
    show(rounds, statistics.median(replays), len(block.entries))


def _medians(sizes: dict[int, list[float]]) -> Iterator[tuple[int, float]]:
    for size, found in sizes.items():
        yield size, statistics.median(found)


def show(rounds: dict[str, dict[int, list[float]]], replayed: float, entries: int) -> None:
    table = Table(title=f"µs for an acquire and a finish, medians of {ROUNDS} rounds of {REQUESTS:,}")
    table.add_column("pool")
    for size in SIZES:
        table.add_column(f"{size} providers", justify="right")
    for name, sizes in rounds.items():
        cells = (
            f"{'[red]' if found > TARGETS_US.get(size, found) else ''}{found:.2f}" for size, found in _medians(sizes)
        )
        table.add_row(name, *cells)
    table.add_section()
    table.add_row("target", *(f"{TARGETS_US[size]:.0f}" if size in TARGETS_US else "" for size in SIZES))
    console = Console()
    console.print(table)
    console.print(f"replay: {replayed:,.0f} entries/s computed again and compared ({entries:,} entries, pools of 8)")


if __name__ == "__main__":
    main()
