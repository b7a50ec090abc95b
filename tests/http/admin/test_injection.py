"""Text that means something to a database, a log, a header or a terminal, in every field that takes text."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from structlog.testing import capture_logs

from adapters.store import open_store
from projections import routing
from tests.http.admin.rig import NOW_US, desk
from tests.http.admin.samples import CHANGES, WORLD, Sample

ATTEMPTS = (
    "'; DROP TABLE events; --",
    '" OR "1"="1',
    "a\r\nx-injected: yes",
    "\x1b[31mred\x07",
    "\u0000",
    "\ud800",
    "%s%n{0}${jndi:ldap://h/x}",
    "../../etc/passwd",
    "\u202e\u2028",
)


def variations(value: Any, attempt: str) -> Iterator[Any]:
    """A body with the attempt in the place of each of its texts, and of each of its fields' names."""
    if isinstance(value, str):
        yield attempt
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from ([*value[:place], other, *value[place + 1 :]] for other in variations(one, attempt))
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from ({**value, name: other} for other in variations(one, attempt))
        yield {**value, attempt: "x"}


def requests(sample: Sample) -> Iterator[Sample]:
    for attempt in ATTEMPTS:
        for body in variations(sample.body, attempt):
            yield Sample(sample.method, sample.path, json.dumps(body).encode())
        head, _, last = sample.path.rpartition("/")
        path = f"{head}/{quote(attempt, errors='surrogatepass')}"
        yield Sample(sample.method, path, None if sample.body is None else json.dumps(sample.body).encode())
        if last == "u":
            yield Sample("GET", f"/users?after={quote(attempt, errors='surrogatepass')}")


async def test_text_is_text(tmp_path: Path) -> None:
    """It is kept as it is or refused, writes no header and no line of a log, and the log is whole afterwards."""
    database = f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"
    async with (
        open_store(database, environ={}, clock_us=itertools.count(NOW_US).__next__) as store,
        desk(store.log, vault=store.vault) as here,
    ):
        for sample in WORLD:
            await here.done(sample.method, sample.path, sample.body)
        statuses = []
        with capture_logs() as logged:
            for sample in (*WORLD, *CHANGES):
                if sample.method == "DELETE":
                    continue
                for attempt in requests(sample):
                    answer = await here.ask(attempt.method, attempt.path, attempt.body)
                    assert answer.status_code in {200, 400, 404, 422}, (attempt, answer.text)
                    assert "x-injected" not in answer.headers
                    assert all(character >= " " for character in answer.text), attempt
                    statuses.append(answer.status_code)
        assert logged == []
        assert {200, 404, 422} <= set(statuses)
        again = routing.empty()
        again, _ = routing.fold(again, await here.log.read(0, 5000))
        assert await here.log.verify() == again.position == here.snapshot.position
        assert again == here.snapshot
