"""`pointsman serve`: the gateway itself."""

import os
from functools import partial
from pathlib import Path

import click

from adapters.cli.quantities import AgeType, SizeType
from adapters.cli.running import AddressType, run
from adapters.settings import DEFAULT_CONTROL, DEFAULT_DATABASE, DEFAULT_LISTEN, Address, JournalSettings, ServeSettings


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="POINTSMAN_CONFIG",
    help="Configuration file: .json, .yaml or .toml. Without it, the table is what the log says.",
)
@click.option(
    "--listen",
    type=AddressType(),
    default=DEFAULT_LISTEN,
    envvar="POINTSMAN_LISTEN",
    show_default=True,
    help="The data port: inference requests.",
)
@click.option(
    "--control",
    type=AddressType(),
    default=DEFAULT_CONTROL,
    envvar="POINTSMAN_CONTROL",
    show_default=True,
    help="The control port: metrics and the live stream.",
)
@click.option(
    "--database",
    default=DEFAULT_DATABASE,
    envvar="POINTSMAN_DATABASE",
    show_default=True,
    help="Where the event log and the vault are; memory: keeps nothing.",
)
@click.option("--strict-config", is_flag=True, envvar="POINTSMAN_STRICT_CONFIG", help="Unknown keys are errors.")
@click.option("--watch/--no-watch", default=True, envvar="POINTSMAN_WATCH", help="Follow changes of the file.")
@click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    default="pointsman.admin-token",
    envvar="POINTSMAN_ADMIN_TOKEN_FILE",
    show_default=True,
    help="Made on first start. POINTSMAN_ADMIN_TOKEN, if set, is the token itself.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    default="pointsman.cache.db",
    envvar="POINTSMAN_CACHE",
    show_default=True,
    help="With PostgreSQL: a local copy of the last table, to start from while the database is away.",
)
@click.option(
    "--catch-up-seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    envvar="POINTSMAN_CATCH_UP_SECONDS",
    show_default=True,
    help="With PostgreSQL: how often to look at the log without being notified; 0 never does.",
)
@click.option(
    "--vault-key-file",
    type=click.Path(path_type=Path),
    envvar="POINTSMAN_VAULT_KEY_FILE",
    help="The vault's key. Default: beside a SQLite file, else pointsman.vault-key. POINTSMAN_VAULT_KEY overrides it.",
)
@click.option(
    "--journal",
    envvar="POINTSMAN_JOURNAL",
    metavar="FILE|off",
    help="Where decisions are recorded. Default: beside a SQLite file, NAME.journal, else pointsman.journal.",
)
@click.option(
    "--journal-age",
    type=AgeType(),
    default="24h",
    envvar="POINTSMAN_JOURNAL_AGE",
    show_default=True,
    help="What is older is deleted.",
)
@click.option(
    "--journal-size",
    type=SizeType(),
    default="1GiB",
    envvar="POINTSMAN_JOURNAL_SIZE",
    show_default=True,
    help="What is more is deleted, the oldest first.",
)
@click.option(
    "--drain-seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    envvar="POINTSMAN_DRAIN_SECONDS",
    show_default=True,
    help="How long running requests may take to end after the first SIGINT or SIGTERM.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    envvar="POINTSMAN_LOG_LEVEL",
    show_default=True,
)
def serve(
    *,
    config: Path | None,
    listen: Address,
    control: Address,
    database: str,
    strict_config: bool,
    watch: bool,
    admin_token_file: Path,
    cache: Path,
    catch_up_seconds: float,
    vault_key_file: Path | None,
    journal: str | None,
    journal_age: float,
    journal_size: int,
    drain_seconds: float,
    log_level: str,
) -> None:
    """Run the gateway until SIGINT or SIGTERM."""
    from adapters import main  # noqa: PLC0415 - the server, only where it runs
    from adapters.logs import configure_logs, writes_requests  # noqa: PLC0415 - as above

    lines = configure_logs(log_level)
    settings = ServeSettings(
        listen=listen,
        control=control,
        database=database,
        config=config,
        strict_config=strict_config,
        watch=watch,
        admin_token=os.environ.get("POINTSMAN_ADMIN_TOKEN") or None,
        admin_token_file=admin_token_file,
        cache=cache,
        catch_up_s=catch_up_seconds,
        vault_key_file=vault_key_file,
        drain_s=drain_seconds,
        journal=JournalSettings(
            file=Path(journal) if journal and journal != "off" else None,
            is_on=journal != "off",
            age_s=journal_age,
            size_bytes=journal_size,
        ),
    )
    try:
        run(partial(main.serve, settings, os.environ, lines if writes_requests(log_level) else None))
    finally:
        lines.close()
