"""What a change's answer warns of."""

import json

from engine.commands import DefineKey, DefinePool
from tests.engine.tables import key, pool, provider
from tests.http.admin.test_apply import with_loader


async def test_a_sent_documents_own_warnings_and_the_changes_stand_together() -> None:
    """CFG-11: an export that takes the last global key, beside what a file keeps in it."""
    async with with_loader() as here:
        writer = here.office.writer
        await writer.write(DefineKey(key("all", opens_all=True)), actor="me")
        await writer.write(DefinePool(pool("free", provider("a"))), actor="me")
        await writer.write(DefinePool(pool("filed", provider("a"), keys=frozenset())), actor="file:r.json")
        await here.office.follower.applied(await here.head())
        document = {"pointsman": 1, "keys": {}, "pools": {"free": {"providers": [{"name": "a", "url": "http://a/"}]}}}
        sent = {"name": "export.json", "content": json.dumps(document)}
        for path in ("/apply?dry_run=true", "/apply"):
            kept, opened = (await here.done("POST", path, sent))["warnings"]
            assert kept == "pool:filed is managed by a file, and stays as it is"
            assert opened.startswith("1 pool asks for no key from here on, and so anybody may use: free.")
        assert len((await here.done("POST", "/apply", sent))["warnings"]) == 1
