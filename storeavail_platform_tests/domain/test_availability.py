"""The two shares, in Python.

That SQL and the page give the same: `tables/test_macros.py`, `dashboard/test_figures.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storeavail_platform.domain.availability import availability, coverage
from storeavail_platform.warehouse.markers import Figures, Marker

CASES = {
    "nothing expected": (0, 0, 0),
    "all unknown": (0, 15, 15),
    "all missing": (0, 15, 0),
    "all available": (15, 15, 0),
    "unknown is not down": (10, 15, 5),
    "a third": (1, 3, 0),
    "a third of what is known": (1, 7, 4),
    "a country's month": (1_234_567_891, 4_320_000_007, 12_345),
}
"""Available, expected and unknown minutes."""
SHARES = {
    "nothing expected": (None, None),
    "all unknown": (None, 0.0),
    "all missing": (0.0, 1.0),
    "all available": (1.0, 1.0),
    "unknown is not down": (1.0, 1 - 5 / 15),
}


@pytest.mark.parametrize("case", SHARES)
def test_shares_of_minutes(case: str) -> None:
    """Nothing where the divisor is 0: no availability of what is unknown, no coverage of
    nothing.
    """
    available, expected, unknown = CASES[case]
    shares = (
        availability(available=available, expected=expected, unknown=unknown),
        coverage(expected=expected, unknown=unknown),
    )
    assert shares == SHARES[case]


@pytest.mark.parametrize("case", SHARES)
def test_a_markers_figures_have_the_shares(case: str) -> None:
    """What status, alerts and outcomes of runs show of a window is the same."""
    available, expected, unknown = CASES[case]
    figures = Figures(
        expected_minutes=expected,
        available_minutes=available,
        missing_minutes=expected - available - unknown,
        unknown_minutes=unknown,
        rogue_minutes=0,
        stores_missing=0,
        stores_rogue=0,
        listed=None,
        missing_share=None,
        suspect=False,
        suspect_reason=None,
    )
    now = datetime(2026, 11, 23, tzinfo=UTC)
    marker = Marker("BR", "2026-11-23T0000", "run", now, now, figures, {})
    assert (marker.figures.availability, marker.figures.coverage) == SHARES[case]
