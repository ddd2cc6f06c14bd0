"""Local time: what every engine is given, and what the opening-hours rule relies on.

The rule itself: `tables/test_opening_hours.py`.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from storeavail_platform.domain.hours import COUNTRY_ZONE, local_windows, zones
from storeavail_platform.domain.tables.relations import LOCAL_WINDOWS
from storeavail_platform.domain.windows import EARLIEST_YEAR, WINDOW_LENGTH, Window

WINDOW = Window.parse("2026-11-23T0115")


def test_zones_come_from_the_wheel_alone() -> None:
    """No folder of the operating system is searched for zones, so that every machine agrees;
    also where one was read before the package is imported.
    """
    code = (
        "import zoneinfo; zoneinfo.ZoneInfo('Asia/Kathmandu');"
        " import storeavail_platform; print(zoneinfo.TZPATH)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "()"


def test_local_windows_show_today_and_yesterday_of_every_zone() -> None:
    """Two rows a zone: the window's start as minutes after midnight of the local date and of
    the day before, with their weekdays.
    """
    table = local_windows(WINDOW, "America/Sao_Paulo")
    assert table.schema == LOCAL_WINDOWS
    rows = table.to_pylist()
    assert len(rows) == 2 * (len(zones()) + 1)
    sao_paulo = [tuple(row.values())[1:] for row in rows if row["timezone"] == "America/Sao_Paulo"]
    assert sao_paulo == [
        (date(2026, 11, 22), 7, 22 * 60 + 15),
        (date(2026, 11, 21), 6, 46 * 60 + 15),
    ]
    assert [tuple(row.values())[1:] for row in rows if row["timezone"] == COUNTRY_ZONE] == sao_paulo
    kathmandu = [tuple(row.values())[1:] for row in rows if row["timezone"] == "Asia/Kathmandu"]
    assert kathmandu == [(date(2026, 11, 23), 1, 7 * 60), (date(2026, 11, 22), 7, 31 * 60)]


def test_no_window_changes_its_offset_or_its_date() -> None:
    """Since the earliest supported year every zone changes its clocks on a quarter hour of UTC, to
    an offset of whole quarter hours.

    So a window has one offset and never crosses local midnight: the rule computes with its start
    alone. The one exception is a research station, on three nights that are past.
    """
    step, first, last = (
        timedelta(days=6),
        datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC),
        datetime(2032, 1, 1, tzinfo=UTC),
    )
    moments = [first + number * step for number in range((last - first) // step)]
    for name, zone in zones().items():
        offsets = [moment.astimezone(zone).utcoffset() for moment in moments]
        assert all(offset is not None and not offset % WINDOW_LENGTH for offset in offsets), name
        if name == "Antarctica/Casey":
            continue  # 00:01 local time in October of 2020, 2021 and 2022
        for moment, before, after in zip(moments, offsets, offsets[1:], strict=False):
            if before != after:
                change = _change(zone, moment, moment + step)
                assert not (change - first) % WINDOW_LENGTH, (
                    f"{name} changes its clocks at {change}"
                )


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The minute at which a zone's offset changes, by bisection."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) // 2
        middle -= timedelta(seconds=middle.second, microseconds=middle.microsecond)
        before, after = (
            (middle, after) if middle.astimezone(zone).utcoffset() == offset else (before, middle)
        )
    return after
