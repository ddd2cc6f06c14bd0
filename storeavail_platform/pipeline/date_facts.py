"""What a local date's outages and days are made of: the facts of its windows, of later ones, and of
earlier ones only as far as its outages reach back.

Nearly every outage begins on its date or the evening before. What is older is read where one began
before that, and then only rows of its store are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

import pyarrow as pa

from storeavail_platform.domain.tables.queries import (
    DATE_NAMES_OF,
    DATE_STORES_OF,
    EARLIER_AVAILABILITY_OF,
    EARLIER_ROWS,
    LONG_OUTAGES,
    NAMED_ROWS,
    NAMED_WINDOWS,
    OUTAGE_BOUNDS_OF,
    RECENT_WINDOWS_OF,
    ROLLED_DATE,
)
from storeavail_platform.domain.tables.relations import DAY_AVAILABILITY, RECENT_AVAILABILITY
from storeavail_platform.pipeline.files import WindowFile
from storeavail_platform.warehouse.engine import Session

DAY = timedelta(days=1)
LOOK_BACK = 7 * DAY
"""How far before a date the start of its outages is looked for, and how far after it their end."""
EASTERNMOST = timedelta(hours=14)
WESTERNMOST = timedelta(hours=12)
"""A local date starts up to 14 hours before UTC's, and ends up to 12 hours after it."""


def first_looked_at(local_date: date) -> datetime:
    """The first window (UTC) that a date's outages can be made of."""
    return _begins(local_date - LOOK_BACK - DAY)


def last_looked_at(local_date: date) -> datetime:
    """The first window that is left out of the search for the end of a date's outages."""
    return datetime.combine(local_date + DAY + LOOK_BACK, time_of_day(), UTC)


def add_date_facts(session: Session, local_date: date, files: Sequence[WindowFile]) -> None:
    """Make known to the session, which knows `suspect_windows`: `day_availability`,
    `recent_availability`, `earlier_availability`, `recent_windows`, `outage_bounds`, `date_names`
    and `date_stores`.

    Args:
        files: the facts' files of all that is looked at.
    """
    begins, ends = _begins(local_date), _begins(local_date) + EASTERNMOST + DAY + WESTERNMOST
    until = last_looked_at(local_date)
    session.add_files("day_availability", DAY_AVAILABILITY, _reaching(files, begins, ends))
    session.add_files("recent_availability", RECENT_AVAILABILITY, _reaching(files, begins, until))
    session.add_table(
        "rolled_date", pa.Table.from_pylist([{"local_date": local_date}], schema=ROLLED_DATE)
    )
    session.create("date_stores", DATE_STORES_OF.sql)
    named = [row["named_at"].astimezone(UTC) for row in session.rows(NAMED_WINDOWS.sql)]
    naming = [
        file.path for file in files if any(file.first <= start <= file.last for start in named)
    ]
    session.add_files("named_rows", NAMED_ROWS, naming)
    session.create("date_names", DATE_NAMES_OF.sql)
    session.create("outage_bounds", OUTAGE_BOUNDS_OF.sql)
    (long,) = session.rows(LONG_OUTAGES.sql)
    earlier = [file.path for file in files if file.last < begins] if long["stores"] else []
    session.add_files("earlier_rows", EARLIER_ROWS, earlier)
    session.create("earlier_availability", EARLIER_AVAILABILITY_OF.sql)
    session.create("recent_windows", RECENT_WINDOWS_OF.sql)


def _reaching(files: Sequence[WindowFile], first: datetime, until: datetime) -> Sequence[str]:
    return [file.path for file in files if file.reaches(first, until)]


def _begins(local_date: date) -> datetime:
    """When a date begins where it begins first."""
    return datetime.combine(local_date, time_of_day(), UTC) - EASTERNMOST
