"""Recorded traffic in a file of its own."""

from pathlib import Path

import pytest
import zstandard

from adapters.store import corpus
from adapters.store.corpus import open_corpus, save
from adapters.store.journal import open_journal
from adapters.store.journal_file import JournalRefused
from engine.recording import Block
from tests.store.test_journal import all_of, damage, written

HASH = bytes(range(32))


async def saved(folder: Path, count: int = 9) -> tuple[Path, list[Block]]:
    await written(folder / "a.journal", count)
    path = folder / "traffic.zst"
    async with open_journal(folder / "a.journal") as journal:
        assert await save(journal, path, None, None, position=7, log_hash=HASH) == count
        assert path.stat().st_mode & 0o777 == 0o600, "as the journal's own"
        return path, await all_of(journal)


async def test_what_was_saved_is_read_as_the_journal_reads_it(tmp_path: Path) -> None:
    """Issue 5: with the log it belongs to, the same blocks, the same spans, the same requests."""
    path, blocks = await saved(tmp_path)
    traffic = await open_corpus(path)
    assert (traffic.position, traffic.log_hash) == (7, HASH)
    assert [block async for block in traffic.read()] == blocks
    async with open_journal(tmp_path / "a.journal") as journal:
        since, until = blocks[3].unix_us, blocks[6].unix_us
        expected = [block async for block in journal.read(since, until)]
        assert [block async for block in traffic.read(since, until)] == expected
        assert await traffic.find("5") == await journal.find("5") != []
        assert await traffic.find("nobody") == []
        pools = {"mini", "chat", "nobody"}
        told = sorted([(one.first_seq, names) async for one, names in journal.back(pools, until)])
        assert [(one.first_seq, names) async for one, names in traffic.back(pools, until)] == told != []
        one, other = await traffic.span(), await journal.span()
        assert (one.first_us, one.last_us, one.blocks) == (other.first_us, other.last_us, other.blocks)
        assert (one.entries, one.requests, one.dropped) == (other.entries, other.requests, other.dropped)
    await traffic.flush()


async def test_only_what_is_asked_for_is_saved_and_nothing_is_overwritten_half_way(tmp_path: Path) -> None:
    path, blocks = await saved(tmp_path)
    part = tmp_path / "part.zst"
    async with open_journal(tmp_path / "a.journal") as journal:
        await save(journal, part, blocks[8].unix_us, None, position=7, log_hash=HASH)
        with pytest.raises(JournalRefused, match=r"cannot be written: .*[Nn]o such file or directory"):
            await save(journal, tmp_path / "no" / "where.zst", None, None, position=7, log_hash=HASH)
    assert [block async for block in (await open_corpus(part)).read()][-1] == blocks[8]
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.endswith(".part")) == []
    assert part.stat().st_size < path.stat().st_size


async def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 5: a torn tail is skipped, and said."""
    path, blocks = await saved(tmp_path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 30)
    assert [block async for block in (await open_corpus(path)).read()] == blocks[:-1]
    assert "the corpus was cut off; its last block is not read" in capsys.readouterr().out


async def test_a_damaged_block_of_the_journal_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    await written(tmp_path / "a.journal", 5)
    damage(tmp_path / "a.journal", "UPDATE content SET doc = zeroblob(400) WHERE id = 2")
    async with open_journal(tmp_path / "a.journal") as journal:
        assert await save(journal, tmp_path / "b.zst", None, None, position=7, log_hash=HASH) == 4
    assert len([block async for block in (await open_corpus(tmp_path / "b.zst")).read()]) == 4
    assert "is left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is none that pointsman has saved"),
        (b"what", "is none that pointsman has saved"),
        (zstandard.compress(b'["another program",1,1,""]'), "is none that pointsman has saved"),
        (zstandard.compress(b'["pointsman corpus",2,1,""]'), "has version 2, this version of pointsman knows 1"),
    ],
)
async def test_another_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(content)
    with pytest.raises(JournalRefused, match=sentence):
        await open_corpus(path)
    with pytest.raises(JournalRefused, match="No such file"):
        await open_corpus(tmp_path / "nothing.zst")
    assert corpus.VERSION == 1
