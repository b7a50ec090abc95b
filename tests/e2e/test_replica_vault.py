"""A gateway that cannot read the vault when another has put a secret into it."""

from pathlib import Path

import httpx

from tests.e2e.running import client, gateway, simulators, until
from tests.postgres import OwnServer

ENVIRON = {"POINTSMAN_VAULT_KEY": "A" * 43 + "=", "POINTSMAN_ADMIN_TOKEN": "the-token-of-every-replica"}


async def test_a_read_of_the_vault_that_fails_is_made_again(tmp_path: Path) -> None:
    """SYNC-23, ERR-12: the provider is told to be without its credential once, and serves once the vault opens."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    with OwnServer() as server:
        database = server.make()
        await server.rows("CREATE ROLE weak LOGIN PASSWORD 'weak'")
        weak = server.url.set(username="weak", password="weak", database=database)
        of_weak = ("--database", weak.render_as_string(hide_password=False))
        of_strong = ("--database", server.url_of(database))
        async with (
            simulators("one") as (one,),
            client() as http,
            gateway(tmp_path / "a", None, *of_strong, environ=ENVIRON) as strong,
        ):
            await server.rows("GRANT ALL ON ALL TABLES IN SCHEMA public TO weak", database=database)
            async with gateway(tmp_path / "b", None, *of_weak, environ=ENVIRON) as second:
                await server.rows("REVOKE SELECT ON vault FROM weak", database=database)
                provider = {"name": "p", "url": f"{one.url}/v1", "api_key": "sk-upstream"}
                http.headers["authorization"] = f"Bearer {ENVIRON['POINTSMAN_ADMIN_TOKEN']}"
                made = await http.put(f"{strong.control}/admin/v1/pools/m", json={"providers": [provider]})
                assert made.is_success, made.text
                await second.at_position(made.json()["position"])
                await second.logged("the vault could not be read")
                assert (await asked(http, second.data)).status_code == 503
                await server.rows("GRANT SELECT ON vault TO weak", database=database)

                async def serves() -> bool:
                    return (await asked(http, second.data)).status_code == 200

                await until(serves)
                assert len(await second.logged("a provider has no credential")) == 1
                assert len(await second.logged("the vault could not be read")) == 1


async def asked(http: httpx.AsyncClient, data: str) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return await http.post(f"{data}/v1/chat/completions", json=body)
