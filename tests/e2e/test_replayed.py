"""Every decision of a gateway's run, computed again."""

from pathlib import Path

from tests.e2e.replaying import PROMPT, SECRET, UPSTREAM_SECRET, Traffic, document, recomputed
from tests.e2e.running import gateway, simulators

REQUESTS, CHANGES = 3000, 20


async def test_every_decision_of_a_run_comes_out_again(tmp_path: Path) -> None:
    """Issue 5: with failures, cancellations and changes of the configuration, from what is on disk alone; and neither a
    prompt nor a secret is there.
    """
    async with simulators("north", "south", "east", tokens=2, tokens_per_second=0) as providers:
        urls = {one.name: one.url for one in providers}
        async with gateway(tmp_path, document(0, urls)) as running:
            traffic = Traffic(running, urls, REQUESTS, CHANGES)
            await traffic.run()
            status = (await running.status())["journal"]
    assert status == {"state": "writing", "problem": None, "dropped": 0}
    found = await recomputed(tmp_path / "pointsman.db", keep=True)
    assert found.mismatch is None
    assert found.decisions == found.recorded > REQUESTS // 2
    assert found.span is not None
    assert found.entries == found.span.entries
    assert (found.span.dropped, found.span.dropped_requests, found.span.unreadable) == (0, 0, 0)
    # Who left so soon that the gateway had not read the request has sent none.
    assert traffic.sent - traffic.left <= found.span.requests <= traffic.sent
    assert found.kinds["Reconfigured"] >= CHANGES
    kinds = {"Started", "Acquire", "Retry", "Tick", "Finish", "Enter", "Leave", "Granted", "Refused"}
    assert found.kinds.keys() >= kinds
    assert found.outcomes.keys() >= {"complete", "refused", "client"}
    assert traffic.left > REQUESTS // 50
    kept = b"".join([*found.plain, *(path.read_bytes() for path in tmp_path.glob("pointsman.db.journal*"))])
    assert len(kept) > 100 * REQUESTS
    for secret in (PROMPT, SECRET, UPSTREAM_SECRET, "sk-free", running.token):
        assert secret.encode() not in kept
