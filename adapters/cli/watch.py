"""`pointsman watch`: the live stream of a running gateway, in the terminal or as JSON lines.

Law: a gateway that goes and comes back is followed on, from the last `seq` that was told; what is said of that goes to
standard error. A gateway that was never reached, or does not want us, ends it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
import click
import trio

from adapters.cli.bearer import VARIABLE, admin_token
from adapters.cli.live_stream import Gone, Wanted, follow
from adapters.cli.reaching import address_of
from adapters.cli.running import run
from adapters.live.messages import Heartbeat, ResyncRequired, decode
from adapters.settings import DEFAULT_CONTROL, Address
from projections.live import Delta, Snapshot, apply
from projections.live_facts import EventTold
from projections.phrases import printable

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_EVENTS: Final = 5
"""Of the configuration, below the table."""
_PORTS: Final = {"http": 80, "https": 443}

Show = Callable[[str, Snapshot | None], None]
"""A message as it came, and the state with it."""


@click.command()
@click.option(
    "--gateway",
    "--control",
    "gateway",
    default=f"http://{DEFAULT_CONTROL}",
    envvar=["POINTSMAN_GATEWAY", "POINTSMAN_CONTROL"],
    metavar="URL",
    show_default=True,
    help="A running gateway's control port.",
)
@click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    default="pointsman.admin-token",
    envvar="POINTSMAN_ADMIN_TOKEN_FILE",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print each message as a line of JSON.")
@click.option("--pool", "pools", multiple=True, metavar="ALIAS", help="Watch this pool alone; may be repeated.")
@click.option("--once", is_flag=True, help="Show the state as it is now, and end.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many messages.")
def watch(
    *, gateway: str, admin_token_file: Path, as_json: bool, pools: tuple[str, ...], once: bool, count: int | None
) -> None:
    """Watch the live routing state of a running gateway, until Ctrl-C."""
    # Not an option: a command line is there for everybody to see.
    token = os.environ.get(VARIABLE)
    nobody = _wanted(gateway, pools)

    async def program() -> None:
        wanted = attrs.evolve(nobody, bearer=admin_token({VARIABLE: token} if token else {}, admin_token_file))
        with _plain_text() if as_json else _screen(wanted.url) as show:
            await _watch(wanted, show, 1 if once else count)

    run(program)


def _wanted(gateway: str, pools: tuple[str, ...]) -> Wanted:
    """Without a token. Raises UsageError."""
    url = urlsplit(address_of(gateway))
    control = Address(url.hostname or "", url.port or _PORTS[url.scheme])
    return Wanted(control, b"", pools, is_secure=url.scheme == "https")


async def _watch(wanted: Wanted, show: Show, count: int | None) -> None:
    watching = _Watching(show, count, wanted.pools)
    pause_s = _FIRST_PAUSE_S
    while True:
        taken = watching.taken
        try:
            return await follow(attrs.evolve(wanted, since=watching.seq), watching.take)
        except Gone as gone:
            if not watching.taken:
                raise
            pause_s = _FIRST_PAUSE_S if watching.taken > taken else min(2 * pause_s, _LONGEST_PAUSE_S)
            click.echo(f"{gone} Trying again in {pause_s:g} s, from seq {watching.seq}.", err=True)
        await trio.sleep(pause_s)


@attrs.define
class _Watching:
    """What was told so far."""

    _show: Show
    _count: int | None
    _pools: tuple[str, ...] = ()
    taken: int = 0
    "Messages."
    seq: int | None = None
    "Up to which everything was told."
    _state: Snapshot | None = None

    def take(self, text: str) -> bool:
        """Whether it is enough. Raises ValueError for what is no message, or does not follow."""
        message = decode(text)
        if message is None:
            return False
        self.taken += 1
        if isinstance(message, ResyncRequired):
            click.echo(f"The gateway begins anew: {message.detail}", err=True)
        else:
            self.seq = message.seq
            if self._state is None and isinstance(message, Snapshot):
                self._miss(message)
            self._state = _folded(self._state, message)
        self._show(text, self._state)
        return self.taken == self._count

    def _miss(self, first: Snapshot) -> None:
        for alias in self._pools:
            if alias not in first.pools:
                click.echo(printable(f"There is no pool {alias!r} at position {first.position}."), err=True)


def _folded(state: Snapshot | None, message: Snapshot | Delta | Heartbeat) -> Snapshot | None:
    if isinstance(message, Snapshot):
        return message
    if state is None:
        return None
    return apply(state, message) if isinstance(message, Delta) else attrs.evolve(state, seq=message.seq)


@contextmanager
def _plain_text() -> Iterator[Show]:
    yield lambda text, _: click.echo(text)


@contextmanager
def _screen(gateway: str) -> Iterator[Show]:
    from rich.console import Console  # noqa: PLC0415 - programs that read JSON do not pay for it
    from rich.live import Live  # noqa: PLC0415 - as above

    from adapters.cli.live_table import live_table  # noqa: PLC0415 - as above

    console = Console()
    events = deque[EventTold](maxlen=_EVENTS)
    with ExitStack() as ending:
        if not console.is_terminal:
            # As `tables` prints: what is read by lines has none folded.
            console.width = 10_000
            # Into a file goes the last table alone, and rich leaves its last line open.
            ending.callback(console.line)
        screen = ending.enter_context(Live(console=console, auto_refresh=False))

        def show(text: str, state: Snapshot | None) -> None:
            message = decode(text)
            if isinstance(message, Delta):
                events.extend(message.events)
            if state is not None:
                screen.update(live_table(state, events, gateway), refresh=True)

        yield show
