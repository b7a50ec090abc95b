"""What `pointsman demo` says once it is ready: where everything is, and what to type next.

Law: every line that is to be typed works as it stands, from the folder that the demo was started in.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.cli.demo_routes import PEOPLE_KEY
from adapters.settings import Address


def welcome(
    listen: Address, control: Address, state: Path, simulators: Mapping[str, Address], moved: Sequence[str]
) -> str:
    """`moved`: the usual ports that simulators could not have, and whose they would be."""
    pointsman = command()
    body = '{"model": "fast", "messages": [{"role": "user", "content": "Hello"}]}'
    curl = (
        f"curl -si http://{listen}/v1/chat/completions -H 'Authorization: Bearer {PEOPLE_KEY}'"
        f" -H 'Content-Type: application/json' -d '{body}'"
    )
    token = f"--admin-token-file {state / 'admin-token'}"
    places = ", ".join(f"{name} {address}" for name, address in simulators.items())
    elsewhere = f"\n            (in use by others: {', '.join(moved)})" if moved else ""
    return f"""
Pointsman is ready.

  address   http://{listen}/v1     (OpenAI SDK: base_url; Anthropic SDK: the same without /v1)
  key       {PEOPLE_KEY}
  models    fast, careful, renamed
  providers {places}{elsewhere}
  page      http://{control}/     (it asks for the token in {state / "admin-token"})

  {curl}

Why did it go where it went? Its answer's x-request-id names it:

  {pointsman} explain REQUEST_ID --gateway http://{control} {token}

Change {state / "routes.json"} while it runs (what becomes of it is said here), and look on:

  {pointsman} watch --gateway http://{control} {token}
  {pointsman} log --database sqlite+aiosqlite:///{state / "pointsman.db"}
  {pointsman} show --database sqlite+aiosqlite:///{state / "pointsman.db"}

Ctrl-C stops all of it."""


def command() -> Path:
    """The command beside this interpreter, as one would type it here."""
    beside = Path(sys.executable).with_name("pointsman")
    return beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside
