"""The composition root: plain constructor calls, read top to bottom.

Law: ports are bound, the store is opened and the configuration file is read and decided before anything is appended,
so a start that fails leaves the log as it was; a store that goes away later leaves the last table in force.

Longer than others because what is put together is seen in one place.
"""

import gc
import socket
import sys
from collections.abc import Mapping
from functools import partial

import attrs
import structlog
import trio

from adapters import clock
from adapters.admin_token import Tokens, own_token
from adapters.configuration import ConfigurationFile
from adapters.credentials_watch import CredentialsWatch
from adapters.http.admin.app import api
from adapters.http.admin.entrance import known
from adapters.http.asgi import Asgi
from adapters.http.control import Control
from adapters.http.inference import Inference
from adapters.http.server import Server, address_of, listen
from adapters.journal_opening import recording
from adapters.lifecycle import (
    State,
    StopSignals,
    log_turn,
    stop_when_asked,
)
from adapters.live.asyncapi import description
from adapters.live.events import EventTeller
from adapters.live.hub import LiveHub
from adapters.live.websocket import serve_live
from adapters.logs import LineWriter
from adapters.observe import Observer
from adapters.office import VERSION, Process, office_of
from adapters.poller import Poller
from adapters.replicating import keep_telling
from adapters.settings import ServeSettings
from adapters.starting import Beginning, beginning
from adapters.store import Replica
from adapters.store.cache_keeping import keep_cache
from adapters.sync_metrics import SyncMetrics
from adapters.upstream.forwarder import Forwarder
from adapters.upstream.transport import PooledTransport
from engine.names import Alias
from engine.runtime.caller_actor import CallerActor
from engine.runtime.follower import Look
from engine.runtime.forward import Forward
from engine.runtime.router import Router
from engine.runtime.timekeeper import Timekeeper
from engine.runtime.writer import Writer
from engine.snapshot import RoutingSnapshot
from projections import routing
from projections.live import LiveView

_log = structlog.get_logger("pointsman")


async def serve(settings: ServeSettings, environ: Mapping[str, str], lines: LineWriter | None) -> None:
    """Run the gateway until SIGINT or SIGTERM. Raises StartFailed, or a group with what ended the process."""
    asked = StopSignals()
    with (
        listen(settings.listen, option="--listen") as data_socket,
        listen(settings.control, option="--control") as control_socket,
        Poller() as poller,
    ):
        async with trio.open_nursery() as attending:
            await attending.start(asked.attend)
            await _serve(settings, environ, lines, data_socket, control_socket, poller, asked)
            attending.cancel_scope.cancel()


async def _serve(  # noqa: PLR0915 - constructor calls, read top to bottom
    settings: ServeSettings,
    environ: Mapping[str, str],
    lines: LineWriter | None,
    data_socket: socket.socket,
    control_socket: socket.socket,
    poller: Poller,
    asked: StopSignals,
) -> None:
    started_us = clock.unix_us()
    syncs = SyncMetrics(clock_us=clock.unix_us)
    timekeeper: Timekeeper

    def on_look(look: Look) -> None:
        syncs.looked(look)
        if "tariff" in look.oldest and syncs.is_following:
            timekeeper.ring()

    run_id = clock.new_request_id()
    record = partial(recording, process=run_id, clock=clock.monotonic_ns, unix_us=clock.unix_us)
    async with (
        beginning(settings, environ, clock_us=clock.unix_us, on_look=on_look) as begun,
        record(settings.journal, settings.database) as recorder,
    ):
        store, follower = begun.store, begun.follower
        writer = Writer(store.log, follower, new_id=clock.new_id, change=routing.change)
        timekeeper = Timekeeper(writer, unix_us=clock.unix_us)
        syncs.is_following = True
        file = ConfigurationFile.of(settings, writer, store.vault, environ)
        loaded = await file.read_first(follower.snapshot) if file is not None else None

        journal = recorder.journal
        observer = Observer(lines, journal)
        transport = PooledTransport(poller=poller, clock=clock.monotonic_ns)
        forwarder = Forwarder(transport, resolve=store.vault.resolve)
        callers = CallerActor(clock=clock.monotonic_ns, journal=journal)
        async with trio.open_nursery() as running:
            router = Router(
                running,
                follower.snapshot,
                clock=clock.monotonic_ns,
                seed=clock.new_seed,
                journal=journal,
                on_turn=log_turn,
            )
            state = State(router, follower, file, store.sync, callers, syncs, started_us, recorder.report)
            teller = EventTeller(
                store.log, present=lambda: follower.snapshot, applied=follower.applied, fold=routing.fold
            )
            live = LiveHub(LiveView(seq=started_us), sample=state.sample, events=teller)
            credentials = CredentialsWatch(store.vault)
            store.sync.watch(credentials.synced)
            follower.prepare = credentials.prepare
            observer.watch(
                position=lambda: router.snapshot.position,
                views=state.views,
                keys=callers.standing,
                journal=recorder.metrics,
                sync=lambda: syncs.collect(
                    state=store.sync.status.state.value,
                    reconnects=store.sync.status.reconnects,
                    faults=len(router.snapshot.faults),
                ),
            )

            def publish(snapshot: RoutingSnapshot, touched: frozenset[Alias]) -> None:
                transport.limits.max_idle_per_host = snapshot.settings.max_idle_per_host
                transport.limits.idle_timeout_s = snapshot.settings.idle_timeout_s
                router.apply(snapshot, touched)
                live.ring()
                # Another process may have put them into the vault.
                credentials.changed(snapshot, touched)

            replica = Replica(run_id, str(address_of(control_socket)), VERSION, 0)
            publish(follower.snapshot, frozenset(follower.snapshot.pools))
            parts = (poller, transport, callers, live, recorder, timekeeper, credentials)
            for part in parts:
                running.start_soon(part.run)
            running.start_soon(follower.run, publish)
            if lines is not None:
                running.start_soon(lines.run)
            _let_know(running, begun, replica)
            if file is not None:
                if loaded is not None:
                    await file.begin(loaded, follower)
                if settings.watch:
                    running.start_soon(file.follow)

            # Decisions are known by their tickets, also to clients that still have one of the process before: fewer
            # requests come in a microsecond than one.
            first = clock.unix_us()
            forward = Forward(
                router, callers, forwarder, clock=clock.monotonic_ns, unix_s=clock.unix_s, first_ticket=first
            )
            inference = Inference(
                forward,
                router,
                observer,
                clock=clock.monotonic_ns,
                new_id=clock.new_request_id,
                unix_s=clock.unix_s,
                is_ready=state.is_ready,
            )
            own = await own_token(settings.admin_token, settings.admin_token_file, writer)
            process = Process(
                report=state.report,
                settled=router.settled,
                local_token=own,
                draining=asked.first,
                replica_id=replica.replica_id,
                address=replica.address,
            )
            office = office_of(
                store,
                follower,
                writer,
                process,
                environ=environ,
                is_strict=settings.strict_config,
                journal=recorder.reader,
                why_no_journal=recorder.why if settings.journal.is_on else None,
            )
            control = Control(
                observer,
                Tokens(own, snapshot=lambda: follower.snapshot, unix_s=clock.unix_s),
                status=state.report,
                serve_live=partial(serve_live, hub=live),
                stream_schema=description,
                admin=Asgi(api(office)),
                admits=lambda headers: known(office, headers) is not None,
            )
            data_server = Server(inference, poller=poller, clock=clock.monotonic_ns)
            control_server = Server(control, poller=poller, clock=clock.monotonic_ns, body_bound=control.body_bound)
            running.start_soon(control_server.serve, control_socket)
            running.start_soon(stop_when_asked, asked, state, data_server, settings.drain_s)
            _log.info(
                "listening",
                data=str(address_of(data_socket)),
                control=str(address_of(control_socket)),
                position=router.snapshot.position,
                pools=len(router.snapshot.pools),
            )
            _settle()
            await data_server.serve(data_socket)
            running.cancel_scope.cancel()
        await recorder.finish()
        await transport.aclose()


def _let_know(running: trio.Nursery, begun: Beginning, replica: Replica) -> None:
    """Tell the other gateways, and the next run, what is in force here."""
    store, follower = begun.store, begun.follower
    telling = partial(
        keep_telling,
        store.replicas,
        replica=lambda: attrs.evolve(replica, position=follower.snapshot.position),
        applied=follower.applied,
    )
    running.start_soon(telling)
    if begun.cache is None:
        return
    keeping = partial(
        keep_cache,
        begun.cache,
        applied=follower.applied,
        snapshot=lambda: follower.snapshot,
        hash_at=store.log.hash_at,
        sealed=lambda: store.vault.sealed,
        saved=begun.cached,
    )
    running.start_soon(keeping)


def _settle() -> None:
    """Set the interpreter up for one busy thread among idle ones.

    All that stays for the process's life goes out of the garbage collector's sight: requests free their objects by
    reference counts, and going through everything else for them cost 7 % of throughput. And the threads that store
    and read a configuration change may keep the event loop waiting for half a millisecond at a time, not for five.
    """
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
