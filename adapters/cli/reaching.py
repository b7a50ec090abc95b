"""Where a verb finds the admin API: a running gateway, or the database of one.

Law: one of the two is used, the one that was named: on the command line before the environment, a gateway before a
database; where none was, the gateway at the default address if there is one.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import attrs
import click
import trio
from click.core import ParameterSource

from adapters.cli.bearer import admin_token
from adapters.cli.gateway_client import AdminApi, connected
from adapters.cli.running import run
from adapters.cli.traffic import Traffic
from adapters.settings import DEFAULT_CONTROL, parse_address
from engine.errors import StartFailed

_LOOK_S: Final = 2.0
Command = Callable[..., Any]
Job: TypeAlias = Callable[[AdminApi], Awaitable[None]]


@attrs.frozen
class Where:
    gateway: str | None
    "The address of a control port, without a path."
    database: str | None = attrs.field(repr=False)
    token_file: Path
    vault_key_file: Path | None
    traffic: Traffic | None = None
    "For a database: where recorded traffic is; None: the verb asks for none."

    @property
    def has_corpus(self) -> bool:
        return self.traffic is not None and self.traffic.corpus is not None

    def work(self, job: Job, *, makes: bool = False, ends: bool = True) -> None:
        """Run a verb on the API. `makes`: a database that is not there is made. `ends`: it does so by itself."""
        run(partial(self._work, job, makes=makes), interrupted=int(ends))

    async def _work(self, job: Job, *, makes: bool) -> None:
        async with self.open(makes=makes) as api:
            await job(api)

    @asynccontextmanager
    async def open(self, *, makes: bool = False) -> AsyncIterator[AdminApi]:
        """Raises StartFailed."""
        if self.database is not None:
            from adapters.cli.offline import offline  # noqa: PLC0415 - the whole API, only where it runs here

            async with offline(self.database, self.vault_key_file, makes=makes, traffic=self.traffic) as api:
                yield api
            return
        gateway = self.gateway
        if gateway is None:
            gateway = await _at_the_default_address()
        token = admin_token(os.environ, self.token_file)
        async with connected(gateway, token) as http:
            yield AdminApi(http, f"The gateway at {gateway}")


def place_options(command: Command) -> Command:
    """Options that say where the API is; the command gets them as `where`."""

    @click.option("--gateway", envvar="POINTSMAN_GATEWAY", metavar="URL", help="A running gateway's control port.")
    @click.option(
        "--database", envvar="POINTSMAN_DATABASE", metavar="URL", help="A database, to work on without a gateway."
    )
    @click.option(
        "--admin-token-file",
        type=click.Path(path_type=Path),
        default="pointsman.admin-token",
        envvar="POINTSMAN_ADMIN_TOKEN_FILE",
        show_default=True,
        help="For a running gateway. POINTSMAN_ADMIN_TOKEN, if set, is the token itself.",
    )
    @click.option(
        "--vault-key-file",
        type=click.Path(path_type=Path),
        envvar="POINTSMAN_VAULT_KEY_FILE",
        help="For a database: the vault's key, by default beside a SQLite file, else pointsman.vault-key.",
    )
    @wraps(command)
    def with_place(
        *,
        gateway: str | None,
        database: str | None,
        admin_token_file: Path,
        vault_key_file: Path | None,
        **others: Any,
    ) -> Any:
        gateway, database = _one_of(gateway, database)
        return command(where=Where(gateway, database, admin_token_file, vault_key_file), **others)

    return with_place


def journal_option(command: Command) -> Command:
    """For verbs about recorded traffic. Stands below `place_options`."""

    @click.option(
        "--journal",
        envvar="POINTSMAN_JOURNAL",
        metavar="FILE",
        help="For a database: its gateway's journal, by default beside a SQLite file, else pointsman.journal.",
    )
    @wraps(command)
    def with_journal(*, journal: str | None, where: Where, **others: Any) -> Any:
        return command(where=attrs.evolve(where, traffic=Traffic(journal)), **others)

    return with_journal


def corpus_option(command: Command) -> Command:
    """For verbs that replay traffic: a saved one in place of the journal's. Stands below `place_options`."""

    @click.option(
        "--corpus",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="For a database: traffic that `journal save` has written, in place of the journal.",
    )
    @wraps(command)
    def with_corpus(*, corpus: Path | None, where: Where, **others: Any) -> Any:
        if corpus is not None and where.database is None:
            raise click.UsageError("--corpus is replayed here, on a database: give --database.")
        traffic = Traffic(None, corpus) if corpus is not None else where.traffic
        return command(where=attrs.evolve(where, traffic=traffic), **others)

    return with_corpus


def _one_of(gateway: str | None, database: str | None) -> tuple[str | None, str | None]:
    """What was said more plainly of the two, the other None. Raises UsageError."""
    source = click.get_current_context().get_parameter_source
    said = [source(name) is ParameterSource.COMMANDLINE for name in ("gateway", "database")]
    if all(said):
        raise click.UsageError("Give --gateway or --database, not both.")
    if said[1] or not gateway:
        return None, database or None
    return address_of(gateway), None


def address_of(text: str) -> str:
    """`http://HOST:PORT`, also from HOST:PORT. Raises UsageError."""
    scheme, mark, rest = text.rpartition("://")
    scheme, rest = scheme if mark else "http", rest.removesuffix("/")
    is_written_well = rest.isascii() and rest.isprintable() and not set("/?#@ ") & set(rest)
    if scheme in {"http", "https"} and rest and is_written_well and _has_good_port(f"//{rest}", needs=not mark):
        return f"{scheme}://{rest}"
    raise click.UsageError("--gateway is no address of a control port; valid: http://HOST:PORT, https://HOST:PORT.")


def _has_good_port(url: str, *, needs: bool) -> bool:
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port is not None or not needs


async def _at_the_default_address() -> str:
    """Raises StartFailed where nobody is there."""
    address = parse_address(DEFAULT_CONTROL)
    try:
        with trio.fail_after(_LOOK_S):
            await (await trio.open_tcp_stream(address.host, address.port)).aclose()
    except (OSError, trio.TooSlowError):
        raise StartFailed(
            f"No gateway answers at http://{address}: name another with --gateway URL (POINTSMAN_GATEWAY), or work on "
            "a database without a gateway with --database URL (POINTSMAN_DATABASE).",
            wrong_input=True,
        ) from None
    return f"http://{address}"
