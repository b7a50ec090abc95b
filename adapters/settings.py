"""What an operator sets when starting the gateway; one attrs value, built by the command line."""

from pathlib import Path

import attrs

DEFAULT_LISTEN = "127.0.0.1:8080"
DEFAULT_CONTROL = "127.0.0.1:8081"
DEFAULT_DATABASE = "sqlite+aiosqlite:///pointsman.db"


@attrs.frozen
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """`HOST:PORT` or `[IPV6]:PORT`; port 0 takes a free one. Raises ValueError with a sentence."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no address; valid: HOST:PORT such as 127.0.0.1:8080, port 0 to 65535")
    return Address(host, int(port))


@attrs.frozen
class JournalSettings:
    """Where decisions are recorded, and for how long."""

    file: Path | None = None
    "None: beside a SQLite database, else in the working directory."
    is_on: bool = True
    age_s: float = 24 * 3600
    "What is older is deleted."
    size_bytes: int = 1 << 30
    "What is more is deleted, the oldest first."


@attrs.frozen
class ServeSettings:
    listen: Address
    control: Address
    database: str = DEFAULT_DATABASE
    config: Path | None = None
    strict_config: bool = False
    watch: bool = True
    admin_token: str | None = attrs.field(default=None, repr=False)
    "None: taken from `admin_token_file`, which is made on first start."
    admin_token_file: Path = Path("pointsman.admin-token")
    cache: Path = Path("pointsman.cache.db")
    "Where the last table is kept for a start without the database; only where that is a server."
    catch_up_s: float = 10.0
    "How often the log is looked at without being told; 0: never."
    vault_key_file: Path | None = None
    "None: beside the database file, or in the working directory."
    drain_s: float = 30.0
    "How long running requests may take to end after the first signal to stop."
    journal: JournalSettings = JournalSettings()
