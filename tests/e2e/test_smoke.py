"""The main job, through real sockets and a real process."""

from pathlib import Path

from tests.e2e.running import client, gateway, simulators


async def test_a_request_goes_to_the_provider_its_alias_names(tmp_path: Path) -> None:
    """One POST through the gateway reaches the simulator and comes back with the decision's headers."""
    async with simulators("one") as (one,):
        document = {"targets": {"m": {"name": "one", "url": f"{one.url}/v1"}}}
        async with gateway(tmp_path, document) as running, client() as http:
            body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            answer = await http.post(f"{running.data}/v1/chat/completions", json=body)
            assert answer.status_code == 200
            assert answer.json()["choices"][0]["message"]["content"] == "one heard: hello"
            assert answer.headers["x-pointsman-provider"] == "one"
            assert answer.headers["x-pointsman-position"] == str((await running.status())["position"])
            assert await running.stop() == 0
