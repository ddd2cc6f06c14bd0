"""Waiting in tests ends by what is found, by an error, or by its time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storeavail_testing.waiting import wait_for


def test_it_is_asked_until_something_is_found() -> None:
    """What is found is given; nothing is asked after that."""
    answers: Iterator[object] = iter([None, False, [], "found", "never asked for"])
    assert wait_for("an answer", lambda: next(answers)) == "found"
    assert next(answers) == "never asked for"


def test_its_end_names_what_was_waited_for() -> None:
    """It is looked for once even without time; the error says for what, how long, and what was
    there instead.
    """
    with pytest.raises(
        TimeoutError, match=r"waited 0 s in vain: a second cluster; the last look found \[\]"
    ):
        wait_for("a second cluster", list, seconds=0)


def test_what_goes_wrong_meanwhile_ends_it() -> None:
    """A server that has ended is not waited for."""
    with pytest.raises(ZeroDivisionError):
        wait_for("a number", lambda: 1 / 0)
