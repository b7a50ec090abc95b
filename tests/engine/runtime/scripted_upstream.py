"""Providers in memory: an `engine.ports.Upstream` that answers as its script says."""

import math
from collections import defaultdict
from collections.abc import Sequence

import attrs
import trio

from engine.errors import Failure, Refused, UpstreamFailed
from engine.ports import Headers, Request
from engine.snapshot import Provider, Timeouts

Piece = bytes | float | Failure
"What comes of a body, for how many seconds nothing does, or how it breaks."


@attrs.frozen
class Reply:
    """One answer of a provider: its status, then its body."""

    status: int = 200
    body: Sequence[Piece] = (b"hello ", b"world")
    headers: Headers = ()
    told_s: float | None = None
    "Retry-After."
    after_s: float = 0
    "Until its head comes."


Scripted = Reply | Failure | Refused


@attrs.define(eq=False)
class ScriptedAnswer:
    """An `engine.ports.UpstreamAnswer`. Each piece takes a checkpoint to come."""

    provider: str
    status: int
    _rest: list[Piece]
    headers: Headers = ()
    retry_after_ns: int | None = None
    closed: int = 0

    async def receive(self, patience_s: float = math.inf) -> bytes:
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(patience_s):
            while self._rest and isinstance(self._rest[0], float):
                await trio.sleep(self._rest[0])
                del self._rest[0]
            return self._next()
        raise UpstreamFailed(Failure.TIMEOUT)

    def receive_nowait(self) -> bytes | None:
        """What has arrived: all but a break, which has yet to happen."""
        return None if self._rest and not isinstance(self._rest[0], bytes) else self._next()

    async def aclose(self) -> None:
        self.closed += 1

    def _next(self) -> bytes:
        assert not self.closed, "read after it was closed"
        piece = self._rest.pop(0) if self._rest else b""
        if isinstance(piece, Failure):
            raise UpstreamFailed(piece)
        assert isinstance(piece, bytes)
        return piece


class ScriptedUpstream:
    """Each provider plays its list; the last entry repeats; without one it answers 200."""

    def __init__(self, **script: Sequence[Scripted]) -> None:
        self._script = script
        self._played: dict[str, int] = defaultdict(int)
        self.sent: list[str] = []
        "The names of the providers that were asked, in order."
        self.timeouts: list[Timeouts] = []
        "What each of them was given."
        self.answers: list[ScriptedAnswer] = []
        self.gate: trio.Event | None = None
        "Where set, answers wait for it."

    async def send(self, provider: Provider, request: Request, timeouts: Timeouts) -> ScriptedAnswer:
        del request
        self.sent.append(provider.name)
        self.timeouts.append(timeouts)
        await trio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()
        plays = self._script.get(provider.name, (Reply(),))
        play = plays[min(self._played[provider.name], len(plays) - 1)]
        self._played[provider.name] += 1
        match play:
            case Failure():
                raise UpstreamFailed(play)
            case Refused():
                raise play
            case Reply():
                await trio.sleep(play.after_s)
                told_ns = None if play.told_s is None else int(play.told_s * 10**9)
                answer = ScriptedAnswer(provider.name, play.status, list(play.body), play.headers, told_ns)
                self.answers.append(answer)
                return answer
