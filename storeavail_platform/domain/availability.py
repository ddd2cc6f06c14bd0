"""The two shares that everything is judged by: once in Python, once in SQL.

    availability = available / (expected - unknown) minutes: unknown is not down
    coverage     = 1 - unknown / expected minutes

Nothing (None, NULL) where the divisor is 0. Minutes are added up first and divided last; shares
are never averaged. What runs in the browser has the same in `dashboard/static/sums.js`.
"""

from __future__ import annotations

_KNOWN = "NULLIF(CAST(expected_minutes - unknown_minutes AS DOUBLE), 0)"
_EXPECTED = "NULLIF(CAST(expected_minutes AS DOUBLE), 0)"
AVAILABILITY_SQL = f"(CAST(available_minutes AS DOUBLE) / {_KNOWN})"
"""Over a relation with these columns; DuckDB and Spark answer alike."""
COVERAGE_SQL = f"(1 - CAST(unknown_minutes AS DOUBLE) / {_EXPECTED})"
"""The same for coverage."""


def availability(*, available: int, expected: int, unknown: int) -> float | None:
    """The share 0..1 of the known expected minutes that stores were available; None: none known."""
    known = expected - unknown
    return available / known if known else None


def coverage(*, expected: int, unknown: int) -> float | None:
    """The share 0..1 of the expected minutes that is known; None where none was expected."""
    return 1 - unknown / expected if expected else None
