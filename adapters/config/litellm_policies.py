"""Retries, cooldowns, timeouts and the strategy of a LiteLLM configuration, as they are for every pool.

Law: what LiteLLM does by itself without being told (two retries) is stated; its cooldowns and timeouts are not, and
Pointsman's own defaults hold there. `router_settings` comes before `litellm_settings`.
"""

from typing import Any, Final

import attrs

from adapters.config.litellm_source import Source

_RETRIES: Final = 2
_RETRIED: Final = (408, 409, 429, 5)
"""Statuses LiteLLM tries again after; 5 means 500 to 599."""
_STRATEGIES: Final = {
    "simple-shuffle": ("weighted_random", None),
    "least-busy": ("weighted_random", None),
    "latency-based-routing": ("least_latency", None),
    "cost-based-routing": ("cost", None),
    "usage-based-routing": ("weighted_random", "tokens are not counted; the least busy provider is chosen"),
    "usage-based-routing-v2": ("weighted_random", "tokens are not counted; the least busy provider is chosen"),
}
_KINDS: Final = {
    "BadRequestErrorRetries": 400,
    "AuthenticationErrorRetries": 401,
    "NotFoundErrorRetries": 404,
    "TimeoutErrorRetries": 408,
    "RateLimitErrorRetries": 429,
    "ServiceUnavailableErrorRetries": 503,
    "InternalServerErrorRetries": 5,
}


@attrs.frozen
class Policies:
    strategy: str
    is_least_busy: bool
    "Whether LiteLLM is told to ask the least busy, whatever its level."
    by_share: bool
    "Whether LiteLLM draws by weight, or by `rpm` or `tpm` where there is none."
    attempts: int
    on_status: tuple[int, ...]
    on_timeout: bool
    wait_ms: float
    circuit: dict[str, Any]
    timeouts: dict[str, float]
    strategy_place: Source
    retries_place: Source | None
    "Where the number of retries is stated."


def policies(router: Source, litellm: Source) -> Policies:
    strategy, by_share = _strategy(router)
    retries, place = _either(router, litellm, "num_retries", zero=True, whole=True)
    timeout, _ = _either(router, litellm, "timeout")
    older, _ = _either(litellm, router, "request_timeout")
    if timeout is not None and older is not None and timeout != older:
        litellm.drop("`timeout` says otherwise", "request_timeout")
    stream = router.number("stream_timeout")
    if stream is not None:
        router.tell(
            "kept for the time between two pieces of a body; until its head, `timeout` counts", "stream_timeout"
        )
    wait = router.number("retry_after", zero=True, most=3600) or 0
    if wait:
        router.tell("the wait is kept before every retry, where LiteLLM waits only if no other is free", "retry_after")
    attempts, statuses = _retry_policy(router, _RETRIES if retries is None else int(retries))
    return Policies(
        strategy=strategy,
        is_least_busy=router.take("routing_strategy") == "least-busy",
        by_share=by_share,
        attempts=attempts,
        on_status=statuses,
        on_timeout=408 in statuses,
        wait_ms=wait * 1000,
        circuit=_circuit(router, litellm),
        timeouts={
            name: seconds
            for name, seconds in (("first_byte_secs", timeout or older), ("idle_secs", stream))
            if seconds is not None
        },
        strategy_place=router,
        retries_place=place,
    )


def _strategy(router: Source) -> tuple[str, bool]:
    stated = router.text("routing_strategy")
    if stated is None:
        return "weighted_random", True
    strategy, note = _STRATEGIES.get(
        stated, ("weighted_random", "the importer does not know this strategy; the least busy provider is chosen")
    )
    if note is not None:
        router.drop(note, "routing_strategy")
    return strategy, stated == "simple-shuffle"


def _retry_policy(router: Source, retries: int) -> tuple[int, tuple[int, ...]]:
    """The most attempts, and the statuses after which there is another."""
    policy = router.within("retry_policy")
    counts = {name: policy.number(name, zero=True, whole=True, most=1000) for name in _KINDS}
    statuses = [status for status in _RETRIED if 0 not in [c for n, c in counts.items() if _KINDS[n] == status]]
    statuses += [_KINDS[name] for name, count in counts.items() if count and _KINDS[name] not in statuses]
    policy.leave({"ContentPolicyViolationErrorRetries": "an answer's status does not tell this kind of error"})
    stated = [int(count) for count in counts.values() if count]
    most = max([retries, *stated])
    if any(count != most for count in stated) or (stated and retries != most):
        router.tell(f"a pool has one number for all kinds of failure; the highest, {most}, is taken", "retry_policy")
    return min(most, 1000) + 1, tuple(sorted(statuses, reverse=True))


def _circuit(router: Source, litellm: Source) -> dict[str, Any]:
    fails, place = _either(router, litellm, "allowed_fails", zero=True, whole=True, most=1_000_000)
    cooldown, _ = _either(router, litellm, "cooldown_time", zero=True)
    circuit: dict[str, Any] = {}
    if fails is not None and place is not None:
        circuit["failures"] = int(fails) + 1
        place.tell("failures are counted in a row, where LiteLLM counts those of a minute", "allowed_fails")
    if cooldown:
        circuit["cooldown_secs"] = [cooldown]
    if router.flag("disable_cooldowns") or cooldown == 0:
        return {"enabled": False}
    return circuit


def _either(
    first: Source, second: Source, name: str, *, zero: bool = False, whole: bool = False, most: float = 2**32 - 1
) -> tuple[float | None, Source | None]:
    """A number that may stand in two places, and where it stands; the first one counts."""
    number, other = (source.number(name, zero=zero, whole=whole, most=most) for source in (first, second))
    if number is not None and other is not None and number != other:
        second.drop("it is stated otherwise where it counts more", name)
    if number is not None:
        return number, first
    return other, second if other is not None else None
