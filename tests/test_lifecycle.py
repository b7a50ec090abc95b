"""What the process does about itself."""

from typing import Any

from structlog.testing import capture_logs

from adapters.lifecycle import refresh_credentials
from engine.errors import StoreUnavailable


class AwayVault:
    async def refresh(self) -> None:
        raise StoreUnavailable("the database is locked")


async def test_a_store_that_is_away_does_not_end_the_gateway_over_a_credential() -> None:
    """House §8: the gateway goes on with the credentials it has, and says so."""
    vault: Any = AwayVault()
    with capture_logs() as logged:
        await refresh_credentials(vault)
    assert [line["problem"] for line in logged] == ["the database is locked"]
