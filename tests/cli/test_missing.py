"""What the command line says of a record that is not whole, and when that is a failure."""

from typing import Any

import pytest

from adapters.cli.plan import _Gates
from adapters.cli.self_check import warn_of_missing

WHOLE = {"dropped_entries": 0, "dropped_requests": 0, "unreadable_blocks": 0, "gaps": 0}


def test_what_is_missing_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_missing(WHOLE)
    assert capsys.readouterr() == ("", "")
    warn_of_missing({"dropped_entries": 340, "dropped_requests": 12, "unreadable_blocks": 0, "gaps": 1})
    told = "12 requests lost, 340 steps of the actors lost, 1 gaps between blocks"
    assert capsys.readouterr() == ("", f"warning: the record of this window is not whole: {told}\n")


@pytest.mark.parametrize(
    ("missing", "most", "told"),
    [
        ({"dropped_requests": 12}, None, None),
        ({"dropped_requests": 12}, 12, None),
        ({"dropped_requests": 12}, 11, "12 requests are missing: more than 11 (--max-missing)."),
        ({"unreadable_blocks": 1}, 99, "Nobody knows how many requests are missing (--max-missing): 1 blocks that "),
        ({"gaps": 2}, 99, "Nobody knows how many requests are missing (--max-missing): 2 gaps between blocks."),
    ],
)
def test_it_fails_the_gate_that_is_asked_for_only(missing: dict[str, Any], most: int | None, told: str | None) -> None:
    traffic = {"shifts": [], "newly_refused": [], "unanswerable": {**WHOLE, **missing}}
    passed = list(_Gates(None, None, most).passed(traffic))
    assert len(passed) == (told is not None)
    assert told is None or passed[0].startswith(told)
