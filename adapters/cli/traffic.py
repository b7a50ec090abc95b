"""Recorded traffic for verbs that work on a database: its gateway's journal, or a corpus that was saved of one.

Law: it is only read, also while a gateway writes it; a corpus is used with the log it was recorded on, and no other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from engine.errors import StartFailed

if TYPE_CHECKING:
    # Verbs that ask a gateway have these options, too, and start three times as fast without a store and an API.
    from adapters.http.admin.office import RecordedJournal
    from adapters.store import Store


@attrs.frozen
class Traffic:
    journal: str | None
    "Its file; None: where a gateway on the database has it; `off`: there is none."
    corpus: Path | None = None
    "Goes before the journal."

    @asynccontextmanager
    async def open(self, database: str, store: "Store") -> AsyncIterator["RecordedJournal | None"]:
        """Until the block ends; None where there is none. Raises StartFailed."""
        from adapters.store.corpus import open_corpus  # noqa: PLC0415 - as above
        from adapters.store.journal import open_journal  # noqa: PLC0415 - as above
        from adapters.store.journal_file import JournalRefused  # noqa: PLC0415 - as above

        try:
            if self.corpus is not None:
                corpus = await open_corpus(self.corpus)
                if await store.log.hash_at(corpus.position) != corpus.log_hash:
                    raise StartFailed(f"{self.corpus} was recorded on another log than {database}.", wrong_input=True)
                yield corpus
            elif self.journal == "off":
                yield None
            else:
                async with open_journal(self.file(database)) as journal:
                    yield journal
        except JournalRefused as refused:
            raise StartFailed(str(refused), wrong_input=True) from None

    def file(self, database: str) -> Path:
        """The journal's; where nobody said which, that of a gateway on the database."""
        from adapters.store.journal_file import JOURNAL, journal_beside  # noqa: PLC0415 - as above
        from adapters.store.urls import place_of  # noqa: PLC0415 - as above

        if self.journal is not None:
            return Path(self.journal)
        place = place_of(database)
        return journal_beside(place) if isinstance(place, Path) else JOURNAL
