"""Each route that changes something, in turn, on one world that has one of everything."""

import re

from adapters.http.admin.app import all_routes
from adapters.submitting import loader
from tests.http.admin.rig import desk
from tests.http.admin.samples import ASKING, CHANGES, OFFICE, WORLD, Sample


def routes(*methods: str) -> list[tuple[str, str, str]]:
    """The routes of some methods: method, path, scope."""
    found = [
        (method, path, route.opt["scope"])
        for route in all_routes()
        for method in sorted(route.http_methods)
        for path in sorted(route.paths)
    ]
    return [one for one in found if one[0] in methods]


def matches(template: str, sample: Sample) -> bool:
    pattern = re.sub(r"\{\w+:(str|path)\}", lambda found: ".+" if found[1] == "path" else "[^/]+", template)
    return re.fullmatch(pattern, sample.path) is not None


def test_every_route_that_changes_something_has_a_sample() -> None:
    """So that none is left out below."""
    missing = [
        (method, path)
        for method, path, _ in routes("PUT", "PATCH", "POST", "DELETE")
        if not any(sample.method == method and matches(path, sample) for sample in (*WORLD, *CHANGES, *OFFICE, *ASKING))
    ]
    assert missing == []


async def test_every_change_is_an_event_with_its_actor() -> None:
    """DELTA-7: a real change moves the position, once; a dry run and the same change again do not."""
    async with desk() as here:
        writer = await here.token("admin", "writer")
        for sample in (*WORLD, *CHANGES):
            before = await here.head()
            planned = await here.done(sample.method, sample.path + "?dry_run=true", sample.body, token=writer)
            assert (planned["position"], planned["dry_run"], await here.head()) == (before, True, before), sample
            assert planned["events"], sample
            assert planned["diff"] or "credits" in sample.path, sample
            answer = await here.ask(sample.method, sample.path, sample.body, token=writer)
            assert answer.status_code == 200, (sample, answer.text)
            position = answer.json()["position"]
            assert position == await here.head() == before + len(planned["events"]), sample
            assert answer.headers["x-pointsman-position"] == str(position)
            assert {one.actor for one in await here.log.read(before)} == {"token:writer"}
            assert here.snapshot.position == position, "what was written is read"
            if sample.method != "POST":
                again = await here.done(sample.method, sample.path, sample.body, token=writer)
                assert (again["position"], await here.head()) == (position, position), sample


async def test_what_is_planned_is_what_happens() -> None:
    """The events that a dry run tells are the ones that come, and none of them tells a secret."""
    async with desk() as here:
        for sample in (*WORLD, *CHANGES):
            before = await here.head()
            planned = await here.done(sample.method, sample.path + "?dry_run=1", sample.body)
            await here.done(sample.method, sample.path, sample.body)
            assert len(await here.log.read(before)) == len(planned["events"])
            assert "sk-upstream" not in str(planned)


async def test_keys_tokens_files_and_sources_leave_events_too() -> None:
    """DELTA-7: each moves the position, and its dry run does not."""
    load = loader(strict=False, credential_id=lambda _: "cred-1", environ={})
    async with desk(load=load) as here:
        await here.token("admin", "writer")
        for sample in OFFICE:
            before = await here.head()
            planned = await here.ask(sample.method, sample.path + "?dry_run=true", sample.body)
            assert planned.status_code == 200, (sample, planned.text)
            assert await here.head() == before, sample
            answer = await here.ask(sample.method, sample.path, sample.body)
            assert answer.status_code in {200, 201}, (sample, answer.text)
            assert answer.json()["position"] == await here.head() > before, sample
