"""The one way through which the API changes anything.

Law: what is asked for is decided on the table that its conditions were looked at on, or not at all; what was asked for
once counts once; a change that changes nothing appends nothing (DELTA-7). The answer names the position at which the
change holds, and this gateway's next answer is of that position or a later one.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs
import trio
from litestar import Response

from adapters.http.admin.answers import etag_of, event_shown
from adapters.http.admin.conditions import Conditions
from adapters.http.admin.entrance import Who
from adapters.http.admin.office import Office
from adapters.http.admin.problems import Refusal
from adapters.http.admin.receipt import Receipt, warnings_of
from engine.commands import ChangeEntities, Command
from engine.destinations import sent_anew
from engine.errors import IdempotencyConflict, Outdated, Problem, Rejected, StoreUnavailable
from engine.events import EntityEvent, Event
from engine.names import CredentialId, Stream
from engine.runtime.writer import Repeatable, Written
from engine.snapshot import RoutingSnapshot
from projections.diff import differences

__all__ = ["Done", "Mutation", "Receipt", "Wish", "wish"]

_SOON_S: Final = 2.0
"""How long an answer waits for this gateway to read what it has written."""
_APPLIED_S: Final = 10.0
"""The same where the request asks for it (`Prefer: wait=applied`)."""

Place: TypeAlias = tuple[str | int, ...]
Where: TypeAlias = Callable[[Place], Place | None]
"""From a problem's place in a command to its place in the request's body; None: it only follows from another one."""


def _as_it_is(where: Place) -> Place:
    return where


@attrs.frozen
class Wish:
    """What a request comes to at a table."""

    command: Command
    secrets: Mapping[CredentialId, str] = attrs.field(factory=dict, repr=False)
    "For the vault, before anything is appended."
    where: Where = _as_it_is


def wish(*facts: EntityEvent, where: Where = _as_it_is, secrets: Mapping[CredentialId, str] | None = None) -> Wish:
    """That facts of the control plane hold."""
    return Wish(ChangeEntities(facts), secrets or {}, where)


Compose = Callable[[RoutingSnapshot], Wish]
"""Raises what the API raises: Refusal, Invalid."""


@attrs.frozen
class Done:
    """What became of a change."""

    written: Written
    about: Stream
    snapshot: RoutingSnapshot
    "The table it was decided on; of a repetition the present one."
    is_dry: bool = False
    is_applied: bool | None = None
    "None: nobody asked."


@attrs.frozen
class Mutation:
    """One request that changes something; the dependency `mutation` of its route."""

    office: Office
    who: Who
    conditions: Conditions
    dry_run: bool
    waits: bool
    repeatable: Repeatable | None

    async def make(
        self,
        compose: Compose,
        *,
        about: Stream,
        exists: Callable[[RoutingSnapshot], bool] = lambda _: True,
        status: int = 200,
        more: Mapping[str, Any] | None = None,
    ) -> Response[Any]:
        """`write` and `answer` in one."""
        done = await self.write(compose, about=about, exists=exists)
        return self.answer(done, status=status, more=more)

    async def write(
        self, compose: Compose, *, about: Stream, exists: Callable[[RoutingSnapshot], bool] = lambda _: True
    ) -> Done:
        """Make what `compose` wishes for hold. `about` is the entity whose ETag counts, `exists` whether it is there.

        Raises what `compose` and the writer raise, less Outdated: then it is composed and decided anew.
        """
        follower = self.office.follower
        if follower.is_stuck:
            raise Refusal(503, f"The event log cannot be understood: {follower.failing_since}.", {"retry-after": "10"})
        if self.dry_run:
            return await self._decided(compose, about, exists)
        async with self.office.writer.turn():
            done = await self._decided(compose, about, exists)
        return await self._followed(done)

    async def _decided(self, compose: Compose, about: Stream, exists: Callable[[RoutingSnapshot], bool]) -> Done:
        follower = self.office.follower
        earlier = await self._earlier()
        while earlier is None:
            snapshot = follower.snapshot
            self.conditions.check(snapshot, about, is_there=exists(snapshot))
            wished = compose(snapshot)
            known = snapshot.streams.get(about)
            versions = {about: 0 if known is None else known.version}
            try:
                written = await self._write(wished, versions)
            except Outdated:
                # Another gateway was quicker, perhaps with the same request.
                earlier = await self._earlier()
            except IdempotencyConflict:
                # Or it was the same request, which that one has decided on another table.
                earlier = await self._earlier()
                if earlier is None:
                    raise
            except Rejected as error:
                raise Rejected(_placed(error.problems, wished.where)) from None
            else:
                return Done(written, about, snapshot, is_dry=self.dry_run)
        return Done(earlier, about, follower.snapshot)

    async def _earlier(self) -> Written | None:
        return None if self.repeatable is None or self.dry_run else await self.office.writer.earlier(self.repeatable)

    async def _write(self, wished: Wish, versions: Mapping[Stream, int]) -> Written:
        writer, actor = self.office.writer, self.who.actor
        planned = await writer.planned(wished.command, actor=actor, versions=versions, allows=self._allows)
        if self.dry_run:
            return planned
        if not planned.events and self.office.follower.failing_since is not None:
            raise StoreUnavailable("whether it holds already cannot be told")
        if wished.secrets and planned.events:
            await self.office.vault.keep(wished.secrets)
        return await writer.write_now(
            wished.command,
            actor=actor,
            versions=versions,
            repeatable=self.repeatable,
            allows=self._allows,
            by=self.who.by,
        )

    def _allows(self, snapshot: RoutingSnapshot, events: tuple[Event, ...]) -> None:
        """Only admins say where a credential is sent, whichever route they say it by: who could, could read it there.

        Raises Refusal (403), naming the pool or the endpoint.
        """
        for stream in () if self.who.may("admin") else sent_anew(snapshot, events):
            self.who.needs("admin", f"To say where a credential is sent, as here for {stream},")

    async def _followed(self, done: Done) -> Done:
        if done.is_dry:
            return done
        with trio.move_on_after(_APPLIED_S if self.waits else _SOON_S) as waiting:
            await self.office.follower.applied(done.written.position)
            if self.waits:
                await self.office.settled()
        return attrs.evolve(done, is_applied=not waiting.cancelled_caught) if self.waits else done

    def answer(self, done: Done, *, status: int = 200, more: Mapping[str, Any] | None = None) -> Response[Any]:
        """The receipt. `more`: what a route tells beside it."""
        written = done.written
        headers = {"x-pointsman-position": str(written.position)}
        body: dict[str, Any] = {"position": written.position}
        if done.is_dry:
            body["dry_run"] = True
            body["events"] = [event_shown(event) for event in written.events]
            body["diff"] = _diff(done.snapshot, self.office.change(done.snapshot, written.events))
            headers["etag"] = etag_of(done.snapshot, done.about)
        else:
            now = self.office.follower.snapshot
            known = now.streams.get(done.about)
            if now.position >= written.position and (known is None or known.position <= written.position):
                headers["etag"] = etag_of(now, done.about)
            # Where others have changed it since, this change's own version is not told.
        told = dict(more or {})
        if not written.is_repeated:
            warnings = warnings_of(done.snapshot, written.events, self.office.change)
            if warnings:
                told["warnings"] = (*told.get("warnings", ()), *warnings)
        if written.is_repeated:
            body["is_repeated"] = True
        if done.is_applied is not None:
            body["is_applied"] = done.is_applied
            if done.is_applied:
                headers["preference-applied"] = "wait=applied"
            else:
                status = 202
        return Response({**body, **told}, status_code=status, headers=headers)


def _placed(problems: tuple[Problem, ...], where: Where) -> tuple[Problem, ...]:
    placed = [(problem, where(problem.where)) for problem in problems]
    told = tuple(attrs.evolve(problem, where=place) for problem, place in placed if place is not None)
    return told or problems


def _diff(before: RoutingSnapshot, after: RoutingSnapshot) -> list[dict[str, Any]]:
    return [attrs.asdict(one) for one in differences(before, after)]
