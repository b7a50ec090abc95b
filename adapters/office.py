"""The admin API's office, as the gateway and the command line have it: what it works with, put together once."""

from collections.abc import Awaitable, Callable, Mapping

from adapters import clock
from adapters.http.admin.office import Office
from adapters.store import Store
from adapters.submitting import loader
from engine.names import Digest
from engine.runtime.follower import Follower
from engine.runtime.writer import Writer
from projections import routing


def office_of(
    store: Store,
    follower: Follower,
    writer: Writer,
    *,
    settled: Callable[[], Awaitable[None]],
    local_token: Digest | None,
    environ: Mapping[str, str],
    replica_id: str = "",
    is_strict: bool = False,
) -> Office:
    """`settled` returns once all actors run what they were sent; `local_token` is good whatever the log says. `environ`
    and `is_strict` are for configuration files that are sent to it.
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
        settled=settled,
        unix_us=clock.unix_us,
        new_secret=clock.new_secret,
        new_name=clock.new_request_id,
        replica_id=replica_id,
        local_token=local_token,
        load=loader(strict=is_strict, credential_id=store.vault.credential_id, environ=environ),
    )
