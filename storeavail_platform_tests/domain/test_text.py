"""What is printed of a message: no control, no more than its limit, both ends of a long one."""

from __future__ import annotations

import pytest

from storeavail_platform.domain.errors import SourceRejected
from storeavail_platform.domain.text import LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07gone", "\\x1b[2J\\x1b]0;title\\x07gone"),
        ("one\rtwo\x08\x9b31m", "one\\rtwo\\x08\\x9b31m"),
        ("\u202egnp.exe\u2066 \ud800", "\\u202egnp.exe\\u2066 \\ud800"),
        ("two\n\tlines of São Paulo 🙂", "two\n\tlines of São Paulo 🙂"),
    ],
)
def test_a_message_moves_no_cursor(said: str, shown: str) -> None:
    """Whatever a server, a file or a name puts into it: control characters are written out."""
    assert str(SourceRejected(said)) == shown


def test_a_long_message_has_both_ends() -> None:
    """And says how much is between them."""
    said = str(SourceRejected("begins " + "x" * 2 * LONGEST_MESSAGE + " ends"))
    assert said.startswith("begins x")
    assert said.endswith("x ends")
    assert "... 10,012 characters are left out ..." in said
    assert len(said) < LONGEST_MESSAGE + 100
