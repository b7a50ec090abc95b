"""A script, performed on a connection.

Law: the k-th token of a stream, from 0, is due at a fixed time after the headers (`ttft + k / tokens_per_second`), so
delays do not add up; every event is one write; the request is settled before the write, or the cut, by which the client
sees its end.
"""

from collections.abc import Callable
from functools import partial

import trio

from adapters.simulator.connection import ClientGone, Connection
from adapters.simulator.record import Ended, Received
from adapters.simulator.script import Script


async def play(connection: Connection, script: Script, received: Received, settle: Callable[[Ended], None]) -> None:
    """Answer, or do what the settings say instead; `settle` has heard how it ended."""
    settings = script.settings
    if settings.refuse:
        settle(Ended.REFUSED)
        await connection.cut("close")
        return
    act = partial(_act, connection, script, received, settle)
    ended = await (connection.watched(act) if script.waits else act())
    settle(ended)
    if ended is Ended.CUT:
        await connection.cut(settings.cut_by)


async def _act(connection: Connection, script: Script, received: Received, settle: Callable[[Ended], None]) -> Ended:
    if script.settings.hang:
        await trio.sleep_forever()
    if script.settings.latency:
        await trio.sleep(script.settings.latency)
    received.status = script.status
    try:
        if script.events is None:
            return await _whole(connection, script, settle)
        return await _stream(connection, script, received, settle)
    except ClientGone:
        return Ended.CLIENT_GONE


async def _whole(connection: Connection, script: Script, settle: Callable[[Ended], None]) -> Ended:
    size = script.settings.cut_after_bytes
    if 0 <= size < len(script.body):
        await connection.send_part(script.status, script.headers, script.body, size)
        return Ended.CUT
    settle(Ended.ANSWERED)
    await connection.send_whole(script.status, script.headers, script.body)
    return Ended.ANSWERED


async def _stream(connection: Connection, script: Script, received: Received, settle: Callable[[Ended], None]) -> Ended:
    settings = script.settings
    await connection.send_head(script.status, script.headers)
    due = trio.current_time() + settings.ttft
    pause = 1 / settings.tokens_per_second if settings.tokens_per_second else 0.0
    events = script.events or iter(())
    event = next(events, None)
    while event is not None:
        if received.events == settings.cut_after_events:
            return Ended.CUT
        if event.token:
            if due > trio.current_time():
                await trio.sleep_until(due)
            due += pause
        following = next(events, None)
        received.events += 1
        # The end of the body travels with the last event: clients of these protocols leave at `[DONE]`.
        last = following is None and received.events != settings.cut_after_events
        if last:
            settle(Ended.ANSWERED)
        await connection.send_data(event.data, last=last)
        event = following
    return Ended.CUT if received.events == settings.cut_after_events else Ended.ANSWERED
