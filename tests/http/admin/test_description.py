"""The API against its own description, by schemathesis, over loopback."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.http.admin.rig import TOKEN, desk
from tests.http.admin.samples import WORLD
from tests.http.admin.test_every_change import routes

EXAMPLES = 8
"""Of requests for each route."""
METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE")


@contextmanager
def served() -> Iterator[str]:
    """The base address of an API with one of everything, run by a thread of its own."""
    told: Queue[tuple[str, trio.lowlevel.TrioToken, trio.Event]] = Queue()

    async def run() -> None:
        over = trio.Event()
        async with desk(records=True) as here:
            for sample in WORLD:
                await here.done(sample.method, sample.path, sample.body)
            await here.serve(50)
            told.put((str(here.client.base_url).rstrip("/"), trio.lowlevel.current_trio_token(), over))
            await over.wait()

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    base, token, over = told.get(timeout=30)
    try:
        yield base
    finally:
        trio.from_thread.run_sync(over.set, trio_token=token)
        thread.join(30)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def description(base: str) -> Any:
    return schemathesis.openapi.from_url(f"{base}/schema/openapi.json")


def test_it_describes_every_route(description: Any) -> None:
    """OpenAPI 3.1: each with a name of its own, its errors as problems, and the token it asks for."""
    raw = description.raw_schema
    assert raw["openapi"].startswith("3.1")
    assert raw["components"]["securitySchemes"]["bearer"] == {"type": "http", "scheme": "bearer"}
    names = []
    for method, template, _ in routes(*METHODS):
        path = "/admin/v1" + re.sub(r":\w+}", "}", template)
        route = raw["paths"][path][method.lower()]
        names.append(route["operationId"])
        assert route["description"], (method, template)
        for status in ("401", "403", "503"):
            assert list(route["responses"][status]["content"]) == ["application/problem+json"], (method, template)
        if method in {"PUT", "PATCH", "DELETE"} and "idempotency-key" in str(route["parameters"]).lower():
            assert {"dry_run", "If-Match", "Prefer"} <= {one["name"] for one in route["parameters"]}
    assert len(names) == len(set(names))
    assert raw["components"]["schemas"]["Endpoint"]["properties"]["api_key"]["writeOnly"] is True


def test_it_does_what_it_says(description: Any, base: str) -> None:
    """No 5xx, and no answer that the description does not have, for requests that fit it and requests that do not."""
    load_all_checks()
    # What fits the description may still make no sense, which is a 422; and a good bearer is good beside any other
    # token (`test_entrance` has those that are not).
    unwanted = [CHECKS.get_one(name) for name in ("positive_data_acceptance", "ignored_auth")]
    asked = []
    for result in description.get_all_operations():
        operation = result.ok()
        if "stream" in operation.path:
            continue  # it does not end

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def conforms(case: Any) -> None:
            answer = case.call(base_url=base, headers={"authorization": f"Bearer {TOKEN}"})
            case.validate_response(answer, excluded_checks=unwanted)
            asked.append(answer.status_code)

        conforms()
    assert len(asked) >= EXAMPLES * 40
    assert {200, 404, 422} <= set(asked)
    assert max(asked) < 500
