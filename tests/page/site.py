"""A gateway at a fixed address with simulated providers behind it, for plain tests: a browser's API is no trio.

`careful` falls back from `east`, which each test may tell to fail, to `north`; a pool's name is markup, to show that it
is shown as text.
"""

import json
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import httpx

from tests.e2e.running import Gateway, gateway, simulators
from tests.e2e.sockets import background

MARKUP = "<b onclick=alert(1)>bold</b>"
NAMES = ("north", "south", "east")
PATIENCE_S = 20.0


@attrs.define(eq=False)
class Site:
    folder: Path
    options: tuple[str, ...]
    providers: Mapping[str, str]
    "Base addresses of the simulators by name."
    document: dict[str, Any]
    running: Gateway = attrs.field(init=False)
    http: httpx.Client = attrs.field(factory=partial(httpx.Client, trust_env=False, timeout=PATIENCE_S))
    _gateway: ExitStack = attrs.field(factory=ExitStack)

    @property
    def address(self) -> str:
        return self.running.control

    @property
    def token(self) -> str:
        return self.running.token

    def start(self) -> None:
        begun = background(partial(gateway, self.folder, self.document, *self.options))
        self.running = self._gateway.enter_context(begun)

    def stop(self) -> None:
        self._gateway.close()

    def tell(self, provider: str, **settings: Any) -> None:
        """Change how a simulated provider behaves."""
        answer = self.http.patch(f"{self.providers[provider]}/_simulator/settings", json=settings)
        assert answer.status_code == 200, answer.text

    def ask(self, alias: str, key: str | None = None) -> httpx.Response:
        """One chat request."""
        body = {"model": alias, "messages": [{"role": "user", "content": "Hello"}]}
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return self.http.post(f"{self.running.data}/v1/chat/completions", json=body, headers=headers)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the admin API."""
        headers = {"authorization": f"Bearer {self.token}"}
        answer = self.http.request(method, f"{self.address}/admin/v1{path}", headers=headers, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def write(self, document: dict[str, Any]) -> None:
        """Put another configuration file in the place of the one that is watched."""
        self.document = document
        beside = self.folder / "routes.new"
        beside.write_text(json.dumps(document))
        beside.replace(self.folder / "routes.json")

    def weigh(self, weight: int) -> None:
        """Change the file: another weight for `south` in the pool `chat`."""
        document = json.loads(json.dumps(self.document))
        document["targets"]["chat"]["providers"][1]["weight"] = weight
        self.write(document)


def document(providers: Mapping[str, str]) -> dict[str, Any]:
    north, south, east = ({"name": name, "url": f"{url}/v1"} for name, url in providers.items())
    fallback = {"enabled": True, "on_status": [5, 429]}
    limit = {"concurrency_limit": {"max_concurrent_requests": 8}}
    return {
        "targets": {
            "chat": {"providers": [{**north, "weight": 3, **limit}, {**south, "weight": 1}], "fallback": fallback},
            "careful": {"strategy": "priority", "providers": [{**east, **limit}, north], "fallback": fallback},
            "small": {"providers": [south], "rate_limit": {"requests_per_second": 0.001, "burst_size": 2}},
            MARKUP: {"providers": [south]},
        }
    }


@contextmanager
def site(
    folder: Path, document: Callable[[Mapping[str, str]], dict[str, Any]] = document, names: Sequence[str] = NAMES
) -> Iterator[Site]:
    """`document` makes the configuration from the providers' addresses."""
    with background(partial(simulators, *names)) as started:
        providers = {one.name: one.url for one in started}
        options = [word for name in ("--listen", "--control") for word in (name, f"127.0.0.1:{_free_port()}")]
        made = Site(folder, tuple(options), providers, document(providers))
        made.start()
        try:
            yield made
        finally:
            made.stop()
            made.http.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
