"""The admin API's office, as the gateway and the command line have it: what it works with, put together once."""

from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata
from typing import Any, Final

import attrs
import trio

from adapters import clock
from adapters.http.admin.office import Office, RecordedJournal
from adapters.store import Store
from adapters.submitting import loader
from engine.names import Digest
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from projections import routing

VERSION: Final = metadata.version("pointsman")


@attrs.frozen(kw_only=True)
class Process:
    """What the process tells of itself that answers."""

    report: Callable[[], tuple[bool, Mapping[str, Any]]]
    "Whether it wants requests, and how its table stands to the log and the file."
    settled: Callable[[], Awaitable[None]]
    "Returns once all actors run what they were sent."
    local_token: Digest | None = attrs.field(repr=False)
    "Good whatever the log says."
    draining: trio.Event
    replica_id: str = ""
    address: str = ""


def office_of(
    store: Store,
    follower: Follower,
    writer: Writer,
    process: Process,
    *,
    environ: Mapping[str, str],
    is_strict: bool = False,
    journal: RecordedJournal | None = None,
    why_no_journal: str | None = None,
) -> Office:
    """`environ` and `is_strict` are for configuration files that are sent to it; `why_no_journal`: where there is none,
    the reason, unless it was not wanted.
    """
    return Office(
        writer=writer,
        follower=follower,
        log=store.log,
        vault=store.vault,
        fold=routing.fold,
        change=routing.change,
        empty=routing.empty,
        replicas=store.replicas.all,
        settled=process.settled,
        unix_us=clock.unix_us,
        new_secret=clock.new_secret,
        new_name=clock.new_request_id,
        replica_id=process.replica_id,
        local_token=process.local_token,
        report=process.report,
        address=process.address,
        version=VERSION,
        started_us=clock.unix_us(),
        draining=process.draining,
        journal=journal,
        why_no_journal=why_no_journal,
        load=loader(strict=is_strict, credential_id=store.vault.credential_id, environ=environ),
    )
