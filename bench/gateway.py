"""The gateway as a process, as users start it: a configuration file that is watched, a database, a log on disk."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from nginx import free_ports, until_open


@attrs.frozen
class Gateway:
    data: int
    "Port that serves requests."
    control: int
    "Port that tells how it is."
    routes: Path
    "The configuration file it watches."


@contextmanager
def gateway(
    folder: Path,
    document: Mapping[str, Any] | None,
    *,
    database: str = "sqlite+aiosqlite:///bench.db",
    environ: Mapping[str, str] | None = None,
) -> Iterator[Gateway]:
    """A gateway in a folder, with a configuration if one is given, until the block ends."""
    routes = folder / "routes.json"
    port, control = free_ports(2)
    arguments = [
        *("--database", database, "--listen", f"127.0.0.1:{port}", "--control", f"127.0.0.1:{control}"),
    ]
    if document is not None:
        routes.write_text(json.dumps(document))
        arguments += ["--config", "routes.json"]
    with (folder / "gateway.log").open("wb") as log:
        command = [sys.executable, "-m", "pointsman", "serve", *arguments]
        process = subprocess.Popen(command, cwd=folder, stderr=log, env={**os.environ, **(environ or {})})
    try:
        until_open(port, process, "the gateway")
        yield Gateway(port, control, routes)
    finally:
        process.terminate()
        process.wait()
