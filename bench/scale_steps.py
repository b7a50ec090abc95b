"""Single steps of a gateway that has a large table: an event folded at its head, a request admitted."""

import statistics
import time
from collections.abc import Iterator
from typing import Any, Final

import attrs
import population

from engine import events
from engine.access import admit
from engine.errors import Refused
from engine.events import Event, Recorded
from engine.snapshot import RoutingSnapshot
from projections import routing

EACH: Final = 100
"""Events of each type."""
REQUESTS: Final = 100_000
AT: Final = 1_800_000_000


def events_us(snapshot: RoutingSnapshot) -> dict[str, Any]:
    """Milliseconds of processor time an event takes, over all types alike, each folded at the head by itself."""
    found: dict[str, list[float]] = {}
    for event in _sample(population.Draws(11)):
        recorded = Recorded(snapshot.position + 1, event, "0" * 32, "bench", 0)
        begun = time.process_time_ns()
        routing.fold(snapshot, (recorded,))
        found.setdefault(type(event).__name__, []).append((time.process_time_ns() - begun) / 1e6)
    every = sorted(took for some in found.values() for took in some)
    return {
        "one event at the head, p50 ms": statistics.median(every),
        "one event at the head, p99 ms": every[int(len(every) * 0.99)],
        "by type, p50 ms": {name: statistics.median(some) for name, some in found.items()},
        "by type, p99 ms": {name: sorted(some)[int(len(some) * 0.99)] for name, some in found.items()},
    }


def access_us(snapshot: RoutingSnapshot) -> dict[str, float]:
    """Microseconds an `admit` takes: of callers chosen at random, half of them for a model they may use."""
    dice = population.Draws(13)
    reachable: dict[str, list[str]] = {}
    for alias, pool in snapshot.pools.items():
        for group_id in pool.grants.groups if pool.grants is not None else ():
            reachable.setdefault(group_id, []).append(alias)
    asked = []
    keys = list(snapshot.keys.values())
    while len(asked) < REQUESTS:
        key = keys[dice(len(keys))]
        mine = [alias for group in snapshot.users[key.user_id or ""].groups for alias in reachable.get(group, ())]
        alias = mine[dice(len(mine))] if mine and dice(2) else population.alias_of(dice(10_000))
        asked.append((alias, key.digest))
    admitted, hundreds = 0, []
    for start in range(0, REQUESTS, 100):
        begun = time.process_time_ns()
        for alias, digest in asked[start : start + 100]:
            try:
                admit(snapshot, alias, digest, AT, "192.0.2.1")
            except Refused:
                continue
            admitted += 1
        hundreds.append((time.process_time_ns() - begun) / 100_000)
    return {
        "access decision, mean µs": statistics.mean(hundreds),
        "access decision, p99 of means of 100, µs": sorted(hundreds)[int(len(hundreds) * 0.99)],
        "access decision, admitted share": admitted / REQUESTS,
    }


def _sample(dice: population.Draws) -> Iterator[Event]:
    """Some of every type that the control plane has."""
    for _ in range(EACH):
        yield population.endpoint(dice(1000), 9)
        yield events.EndpointRemoved(f"endpoint-{dice(1000)}")
        yield population.deployment(dice(9000), 99)
        yield attrs.evolve(population.deployment(dice(9000)), alias=f"renamed-{dice(9000)}")
        yield events.DeploymentRemoved(f"m{dice(9000)}")
        composite = f"m{9000 + dice(1000)}"
        yield events.CompositeDefined(composite, population.alias_of(int(composite[1:])), "priority")
        yield events.CompositeRemoved(composite)
        yield events.ComponentDefined(composite, f"m{dice(9000)}", 9, 9)
        yield events.ComponentRemoved(composite, f"m{(int(composite[1:]) * 7) % 9000}")
        yield events.TrafficRuleDefined(f"m{dice(9000)}", "batch", "deny")
        yield events.TrafficRuleRemoved(f"m{dice(1000)}", "batch")
        user, group, tariff = f"user-{dice(20_000)}", f"group-{dice(1000)}", f"tariff-{dice(5000)}"
        yield events.UserDefined(user, "another name")
        yield events.UserRemoved(user)
        yield events.GroupDefined(group, "another name")
        yield events.GroupRemoved(group)
        yield events.MemberAdded(group, user)
        yield events.MemberRemoved(group, user)
        yield events.GrantAdded(group, composite)
        yield events.GrantRemoved(group, f"m{dice(9000)}")
        yield events.CreditsBooked(user, 10_000, "usage", "1.5")
        yield events.CreditsCheckpointed(user, "1.5", 10_000)
        yield events.FundsExhausted(user)
        yield events.FundsRestored(user)
        yield events.TariffDefined(tariff, f"m{dice(9000)}", "1", "2", 1)
        yield events.TariffBegan(tariff)
        yield events.TariffEnded(tariff)
        yield events.TariffRemoved(tariff)
        yield events.EscalationChanged(tuple(population.alias_of(dice(9000)) for _ in range(3)))
        yield events.TokenDefined("token", "00" * 32, "read")
        yield events.TokenRemoved("token")
        yield events.SourceReleased("file:a")
        yield events.SourceClaimed("file:a")
        yield population.key(dice(100_000), 999)
        yield events.KeyRemoved(f"key-{dice(100_000)}")
        yield events.PoolDefined("own", "priority", None)
        yield events.PoolRemoved("own")
        yield events.ProviderDefined("own", "p", 0, "http://p.example/")
        yield events.ProviderRemoved("own", "p")
        yield events.RuleDefined("own", 0, {}, "deny")
        yield events.RuleRemoved("own", 0)
        yield events.SettingsChanged(strict_mode=True, max_idle_per_host=1, idle_timeout_s=1.0)
    for _ in range(3):
        yield events.BatchDefaultChanged(50)
