"""What the policies of a pool, a provider or a key must satisfy, each by itself.

Law: as `engine.checks`, which asks these: total, and every problem of a value, at its own path. NaN passes nowhere.
"""

import math
import re
from collections.abc import Iterator, Mapping

from engine.errors import Problem
from engine.limiter import rate_of
from engine.snapshot import Affinity, CircuitPolicy, Fallback, Limits, Timeouts

Path = tuple[str | int, ...]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A header's name (RFC 9110, 5.6.2)."""
UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
"""What no header's value may have."""
FRAMING = {"connection", "content-length", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
"""Headers that are the connection's, not the message's."""
MOST = 2**32 - 1
"""The largest number, so that what is made of it, nanoseconds for instance, stays a number."""
_WAITING = f"seconds above 0, at most {MOST}"


def limit_problems(where: Path, limits: Limits) -> Iterator[Problem]:
    if limits.max_concurrent is not None and limits.max_concurrent < 0:
        yield Problem((*where, "max_concurrent"), f"{limits.max_concurrent} is negative", "a whole number, 0 or more")
    rate = limits.requests_per_second
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        yield Problem((*where, "requests_per_second"), f"{rate} is no rate", "a number above 0, e.g. 0.5")
    if limits.burst is not None and limits.burst < 1:
        yield Problem((*where, "burst"), f"{limits.burst} lets nothing through", "a whole number, 1 or more")


def limit_differences(limits: Limits, others: Limits) -> Iterator[str]:
    """Each field in which two valid limits are not the same limit, with both values: these first, then the others'.

    A burst that is stated is the same as one that its rate alone gives.
    """
    rate, other = rate_of(limits), rate_of(others)
    same = {
        "max_concurrent": limits.max_concurrent == others.max_concurrent,
        "requests_per_second": limits.requests_per_second == others.requests_per_second,
        "burst": rate == other or limits.burst == others.burst,
    }
    for name, is_same in same.items():
        if not is_same:
            here, there = (_told(getattr(one, name)) for one in (limits, others))
            yield f"{name} {here}, not {there}"


def fallback_problems(where: Path, fallback: Fallback) -> Iterator[Problem]:
    if fallback.max_attempts is not None and fallback.max_attempts < 1:
        yield Problem((*where, "max_attempts"), f"{fallback.max_attempts} attempts serve nobody", "1 or more")
    yield from _patterns((*where, "on_status"), fallback.on_status)
    backoff = fallback.backoff
    if backoff is not None:
        for name, value, least in (
            ("initial_ms", backoff.initial_ms, 0.0),
            ("max_ms", backoff.max_ms, 0.0),
            ("factor", backoff.factor, 1.0),
        ):
            if not least <= value <= MOST:
                yield Problem((*where, "backoff", name), f"{value} is out of range", f"a number, {least:g} to {MOST}")
        if backoff.jitter not in {"full", "none"}:
            yield Problem((*where, "backoff", "jitter"), f"{backoff.jitter!r} is unknown", "full or none")
    total = fallback.max_total_backoff_ms
    if total is not None and not 0 <= total <= MOST:
        yield Problem((*where, "max_total_backoff_ms"), f"{total} is no time", f"milliseconds, 0 to {MOST}")


def header_problems(where: Path, headers: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in headers.items():
        if TOKEN.fullmatch(name) is None or name.lower() in FRAMING:
            yield Problem((*where, name), "cannot be set on a response", "an HTTP header name that frames nothing")
        if UNPRINTABLE.search(value):
            yield Problem((*where, name), "the value has a control character", "printable characters")


def circuit_problems(where: Path, circuit: CircuitPolicy) -> Iterator[Problem]:
    if circuit.failures < 1:
        yield Problem((*where, "failures"), f"{circuit.failures} failures never happen", "a whole number, 1 or more")
    yield from _patterns((*where, "open_on_status"), circuit.open_on_status)
    if not circuit.cooldowns_s:
        yield Problem((*where, "cooldowns_s"), "an empty list, so no circuit would ever close", "at least one time")
    for place, cooldown in enumerate(circuit.cooldowns_s):
        if not _is_waiting_time(cooldown):
            yield Problem((*where, "cooldowns_s", place), f"{cooldown} is no waiting time", _WAITING)
    longest = circuit.max_retry_after_s
    if not 0 <= longest <= MOST:
        yield Problem((*where, "max_retry_after_s"), f"{longest} is no time", f"seconds, 0 to {MOST}")


def timeout_problems(where: Path, timeouts: Timeouts) -> Iterator[Problem]:
    """Each by itself; and the whole is not shorter than a part that is stated in the same place."""
    stated = {
        "connect_s": timeouts.connect_s,
        "first_byte_s": timeouts.first_byte_s,
        "idle_s": timeouts.idle_s,
        "total_s": timeouts.total_s,
    }
    for name, timeout in stated.items():
        if timeout is not None and not _is_waiting_time(timeout):
            yield Problem((*where, name), f"{timeout} is no waiting time", _WAITING)
    parts = [part for part in (timeouts.connect_s, timeouts.first_byte_s) if part is not None]
    total = timeouts.total_s
    if total is not None and any(part > total for part in parts):
        what = f"{total:g} s are over before a part of them, which has {max(parts):g} s"
        yield Problem((*where, "total_s"), what, "at least the times for connecting and for the first byte")


def affinity_problems(where: Path, affinity: Affinity) -> Iterator[Problem]:
    header = affinity.header
    if header is not None and (TOKEN.fullmatch(header) is None or header != header.lower()):
        yield Problem((*where, "header"), f"{header!r} names no header", "an HTTP header name in lower case")
    if affinity.max_load_percent < 100:
        what = f"{affinity.max_load_percent} is less than a provider's share"
        yield Problem((*where, "max_load_percent"), what, "a whole number, 100 or more")


def _patterns(where: Path, patterns: tuple[int, ...]) -> Iterator[Problem]:
    for place, pattern in enumerate(patterns):
        if not 1 <= pattern <= 599:
            yield Problem((*where, place), f"{pattern} matches no status", "1 to 599 (FB-2)")


def _told(value: float | None) -> str:
    return "none" if value is None else f"{value:.15g}"


def _is_waiting_time(seconds: float) -> bool:
    return 0 < seconds <= MOST
