"""The demo's countries from no past: three days of windows, judged one after another."""

from __future__ import annotations

import pytest

from storeavail_testing.demo_causes import demo_days


@pytest.mark.long
@pytest.mark.parametrize("code", ["BR", "CL", "IN"])
def test_the_brand_that_goes_down_is_named(code: str) -> None:
    """In every window of its outages from the second on, and at most one other thing is in three
    days, the first of which have no history.
    """
    found = demo_days(code, 3)
    assert found.named == found.outage_windows
    assert len(found.false_openings) <= 1, found.false_openings
