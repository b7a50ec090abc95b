"""What is held against an exact model while wrk loads the gateway: tokens, requests in flight, positions.

Each witness writes into a value of its own, and tells nothing to the others.
"""

import json
import re
from collections.abc import Sequence

import attrs
import trio
from changes import BURST, RATE
from client import Client

STREAMS = 20
_IN_FLIGHT = re.compile(rb'^pointsman_pool_in_flight\{pool="held"\} ([\d.]+)$', re.MULTILINE)
_RETRIES = re.compile(rb'^pointsman_retries_total\{pool="chat"\} ([\d.]+)$', re.MULTILINE)
_SECOND = 10**9
_POLL_S = 0.004
_SAMPLE_S = 0.25
_POSITION_S = 0.02
_PATIENCE_S = 10


@attrs.define
class Tokens:
    """What a client that always asks got of a bucket, against what the bucket holds."""

    admitted: int = 0
    refused: int = 0
    failures: int = 0
    "Answers that are neither."
    compared: int = 0
    "Refusals at which the model's balance was certain, whatever the answers' way back took."
    drift: int = 0
    "The largest difference at any of them, in tokens; above 0: too many were let in."


async def saturate(port: int, until: trio.Event) -> Tokens:
    """Ask the pool `metered`, whose bucket is full, until told to stop and then once more with certainty.

    A refusal says that every token so far is spent: then the requests let in are burst + rate * time since the first,
    rounded down. The gateway read its clock between an answer's sending and receiving; where both ends of that give
    the same number, it is compared.
    """
    tokens, client = Tokens(), await Client.connect(port)
    first = await client.chat("metered")
    if first.status != 200:
        raise ValueError(f"not let in at the start: {first}")
    tokens.admitted, certain = 1, False
    while not (until.is_set() and certain):
        await trio.sleep(_POLL_S)
        answer = await client.chat("metered")
        if answer.status != 429:
            tokens.admitted += answer.status == 200
            tokens.failures += answer.status != 200
            continue
        tokens.refused += 1
        least = BURST + RATE * (answer.sent_at - first.received_at) // _SECOND
        most = BURST + RATE * (answer.received_at - first.sent_at) // _SECOND
        certain = least == most
        if certain:
            tokens.compared += 1
            tokens.drift = max(tokens.drift, tokens.admitted - least, key=abs)
    await client.aclose()
    return tokens


@attrs.define
class Held:
    """Streams held open, and what the gateway said of them."""

    samples: int = 0
    inexact: list[float] = attrs.field(factory=list)
    "What was read at the samples that were not exactly STREAMS."
    complete: int = 0
    "Streams that arrived whole."
    broken: list[str] = attrs.field(factory=list)
    left: float = -1.0
    "In flight after all had ended."


@attrs.define(eq=False)
class Streams:
    """Long answers of the pool `held`, read to their ends."""

    port: int
    tokens: int
    "Words in each."
    held: Held = attrs.field(factory=Held)

    async def hold(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Started once all have begun; returns once all have ended."""
        async with trio.open_nursery() as reading:
            begun = [trio.Event() for _ in range(STREAMS)]
            for one in begun:
                reading.start_soon(self._read, one)
            for one in begun:
                await one.wait()
            task_status.started()

    async def _read(self, begun: trio.Event) -> None:
        client = await Client.connect(self.port)
        answer = await client.chat("held", stream=True, on_head=begun)
        *events, last = [line for line in answer.body.split(b"\n") if line.startswith(b"data: ")]
        words = sum(_is_word(json.loads(event.removeprefix(b"data: "))) for event in events)
        if answer.status == 200 and last == b"data: [DONE]" and words == self.tokens:
            self.held.complete += 1
        else:
            self.held.broken.append(f"{answer.status}, {words} of {self.tokens} words, last {last.decode()}")
        await client.aclose()


def _is_word(chunk: dict[str, list[dict[str, dict[str, str]]]]) -> bool:
    return any(choice["delta"].get("content") for choice in chunk["choices"])


async def sample(control: int, held: Held) -> None:
    """Read the number in flight for ever."""
    client = await Client.connect(control)
    while True:
        found = await _metric(client, _IN_FLIGHT)
        held.samples += 1
        if found != STREAMS:
            held.inexact.append(found)
        await trio.sleep(_SAMPLE_S)


async def left_over(control: int) -> float:
    """The number in flight after the last stream has ended, once it is 0 or patience is over."""
    client, found = await Client.connect(control), -1.0
    with trio.move_on_after(_PATIENCE_S):
        while found:
            await trio.sleep(_POSITION_S)
            found = await _metric(client, _IN_FLIGHT)
    return found


async def retries(control: int) -> float:
    """Additional attempts of the pool under load since the start: failures that the clients did not see."""
    return await _metric(await Client.connect(control), _RETRIES)


async def _metric(client: Client, pattern: re.Pattern[bytes]) -> float:
    found = pattern.search((await client.get("/metrics")).body)
    return float(found[1]) if found else 0.0


@attrs.define
class Taken:
    """The file's contents that came into force, as the control port told."""

    positions: list[int] = attrs.field(factory=list)
    "One for each, the first one's before any change."
    seen_s: list[float] = attrs.field(factory=list)
    problems: Sequence[str] = ()
    "Why a content was refused, if one was."


async def follow(control: int, taken: Taken) -> None:
    """Look for ever at which position the file in force holds."""
    client = await Client.connect(control)
    while True:
        report = json.loads((await client.get("/health/ready")).body)
        file = report["file"]
        taken.problems = taken.problems or file["problems"]
        if not taken.positions or file["position"] != taken.positions[-1]:
            taken.positions.append(file["position"])
            taken.seen_s.append(trio.current_time())
        await trio.sleep(_POSITION_S)
