"""The recorded journal cannot be read: said as such, since the event log is another file."""

from pathlib import Path

from tests.http.admin.rig import desk


async def test_a_journal_that_cannot_be_read_is_told_apart_from_the_event_store(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with desk(records=folder / "a.journal") as here:
        folder.rename(tmp_path / "elsewhere")
        for path in ("/decisions/5", "/requests", "/state"):
            answer = await here.ask("GET", path)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            told = answer.json()["detail"]
            assert told.startswith("The journal cannot be read: "), path
            assert "there is no directory" in told
        folder.mkdir()
        assert (await here.ask("GET", "/decisions/5")).status_code == 404
