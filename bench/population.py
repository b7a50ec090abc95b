"""A control plane of the size that is aimed at, as the events that made it: `scale.py` measures what it costs.

10,000 models, 100,000 keys, 20,000 users, 1,000 groups with members and grants, tariffs, rules; then what happens to
them over the years: bookings, rotated keys, members that come and go, prices and limits that change.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

from engine.events import (
    NIL,
    ComponentDefined,
    CompositeDefined,
    CreditsBooked,
    DeploymentDefined,
    EndpointDefined,
    Event,
    FundsRestored,
    GrantAdded,
    GrantRemoved,
    GroupDefined,
    KeyDefined,
    MemberAdded,
    MemberRemoved,
    TariffDefined,
    TrafficRuleDefined,
    UserDefined,
)
from engine.pool.draw import draw

ENDPOINTS, DEPLOYMENTS, COMPOSITES = 1_000, 9_000, 1_000
USERS, GROUPS, KEYS = 20_000, 1_000, 100_000
MEMBERSHIPS, GRANTS, TARIFFS, RULES = 60_000, 20_000, 5_000, 1_000
_PURPOSES = ("realtime", "realtime", "batch", "playground")


class Draws:
    """Whole numbers that look like chance, one after the other, the same for one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def __call__(self, below: int) -> int:
        """Uniform in [0, below)."""
        self._count += 1
        return draw(self._seed, self._count, below)


def secret_of(number: int, rotation: int = 0) -> bytes:
    """The digest of a key's secret."""
    return sha256(f"secret-{number}-{rotation}".encode()).digest()


def alias_of(model: int) -> str:
    return f"model-{model}" if model < DEPLOYMENTS else f"composite-{model}"


def events(count: int) -> Iterator[Event]:
    """So many, always the same."""
    return islice(_all(), count)


def endpoint(number: int, version: int = 0) -> EndpointDefined:
    return EndpointDefined(f"endpoint-{number}", f"https://e{number}.example/v{version + 1}", "env:PROVIDER_KEY")


def deployment(model: int, capacity: int = 8) -> DeploymentDefined:
    endpoint_id = f"endpoint-{model % ENDPOINTS}"
    return DeploymentDefined(f"m{model}", alias_of(model), f"real/{model}", endpoint_id, capacity, 2.5)


def key(number: int, rotation: int = 0) -> KeyDefined:
    return KeyDefined(
        f"key-{number}",
        secret_of(number, rotation).hex(),
        opens_all_pools=False,
        labels={"team": f"team-{number % 50}"},
        requests_per_second=5.0,
        user_id=f"user-{number % USERS}",
        purpose=_PURPOSES[number % 4],
        previous_digest=secret_of(number, rotation - 1).hex() if rotation else None,
        previous_until=2_000_000_000 if rotation else None,
    )


def _all() -> Iterator[Event]:
    dice = Draws(7)
    yield from _models(dice)
    yield from _people(dice)
    sequences = dict.fromkeys(range(USERS), 1)
    rotations: dict[int, int] = {}
    while True:
        kind = dice(100)
        if kind < 60:
            user = dice(USERS)
            sequences[user] += 1
            yield CreditsBooked(f"user-{user}", sequences[user], "usage", f"0.{dice(10_000):04}")
        elif kind < 80:
            number = dice(KEYS)
            rotations[number] = rotations.get(number, 0) + 1
            yield key(number, rotations[number])
        elif kind < 90:
            group_id, user_id = f"group-{dice(GROUPS)}", f"user-{dice(USERS)}"
            yield (MemberAdded if dice(2) else MemberRemoved)(group_id, user_id)
        elif kind < 95:
            yield deployment(dice(DEPLOYMENTS), 1 + dice(64))
        elif kind < 97:
            group_id, model_id = f"group-{dice(GROUPS)}", f"m{dice(DEPLOYMENTS)}"
            yield (GrantAdded if dice(2) else GrantRemoved)(group_id, model_id)
        elif kind < 99:
            yield _tariff(dice(TARIFFS), f"0.{dice(1000):04}")
        else:
            yield endpoint(dice(ENDPOINTS), dice(3))


def _tariff(number: int, price: str) -> TariffDefined:
    return TariffDefined(f"tariff-{number}", f"m{number}", price, price)


def _models(dice: Draws) -> Iterator[Event]:
    for number in range(ENDPOINTS):
        yield endpoint(number)
    for model in range(DEPLOYMENTS):
        yield deployment(model)
    for model in range(DEPLOYMENTS, DEPLOYMENTS + COMPOSITES):
        yield CompositeDefined(f"m{model}", alias_of(model), max_concurrent=100)
        for place in range(3):
            component = f"m{(model * 7 + place * 1_009) % DEPLOYMENTS}"
            yield ComponentDefined(f"m{model}", component, 1 + place, place)
    for model in range(RULES):
        yield TrafficRuleDefined(f"m{model}", "batch", "redirect", f"m{dice(DEPLOYMENTS - RULES) + RULES}")
    for number in range(TARIFFS):
        yield _tariff(number, "0.0001")


def _people(dice: Draws) -> Iterator[Event]:
    for number in range(GROUPS):
        yield GroupDefined(f"group-{number}", f"team {number}")
    for number in range(USERS):
        yield UserDefined(f"user-{number}", f"user {number}")
        yield CreditsBooked(f"user-{number}", 1, "purchase", "1000000")
        yield FundsRestored(f"user-{number}")
    for number in range(MEMBERSHIPS):
        yield MemberAdded(f"group-{dice(GROUPS)}", f"user-{number % USERS}")
    for number in range(GRANTS):
        group_id = NIL if number % 100 == 0 else f"group-{dice(GROUPS)}"
        yield GrantAdded(group_id, f"m{number % (DEPLOYMENTS + COMPOSITES)}")
    for number in range(KEYS):
        yield key(number)
