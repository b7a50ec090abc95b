"""The command line on a PostgreSQL database, without a gateway."""

from tests.cli.calling import Command
from tests.postgres import Server


def test_entities_of_a_server_are_changed_and_read(pointsman: Command, postgres: Server, empty_database: str) -> None:
    """The tables are made on the first change; what was changed is in the log, which is verified there."""
    pointsman.environ["POINTSMAN_DATABASE"] = postgres.url_of(empty_database)
    secret = pointsman.done("keys", "create", "k").strip()
    pointsman.done("set", "users", "u", "name=U")
    assert [one["key_id"] for one in pointsman.told("get", "keys")] == ["k"]
    told = pointsman.told("verify")
    assert (told["intact"], told["position"]) == (True, 2)
    assert "user u was created" in pointsman.done("log")
    assert secret not in pointsman.done("export")
