"""The value report over committed tables: months that are made with a known change, lost and
suspect windows among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_text
from storeavail_platform.dashboard.values import make_value
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.tables.daily import STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY, WINDOW_QUALITY
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.dates import windows_of
from storeavail_platform.reading.value import value_of
from storeavail_platform.reading.value_text import value_text
from storeavail_testing.pages import CONFIG, NOW, runtime_in, write

ZONE = "America/Sao_Paulo"
FIRST, OCTOBER = date(2026, 9, 3), date(2026, 10, 1)
"""28 dates of September, then October."""
LAST = date(2026, 10, 31)
EXPECTED = 1000
MISSED = {True: 40, False: 20}
"""Minutes missed in each window, of the baseline and of October: half of it."""
LENGTHS = {True: 60, False: 30}
BROKEN, GAPPED = date(2026, 10, 5), date(2026, 10, 6)
"""A date most of which was lost, and one with two lost windows."""
SUSPECT = Window(datetime(2026, 10, 7, 15, tzinfo=UTC))


def kind(window: Window, day: date) -> str:
    lost = 30 if day == BROKEN else 2 if day == GAPPED else 0
    if window in windows_of(day, ZONE)[:lost]:
        return "lost"
    return "suspect" if window == SUSPECT else "good"


def rows(table: Table) -> Iterator[dict[str, Any]]:
    """What windows and dates left in a table."""
    day = FIRST
    while day <= LAST:
        windows = windows_of(day, ZONE)
        of = {"country": "BR", "run_id": "made"}
        is_before = day < OCTOBER
        if table is STORE_OUTAGES:
            starts = {"often": windows[40], f"once {day}": windows[50]}
            if day == date(2026, 10, 7):
                starts["in a suspect window"] = SUSPECT
            for store, window in starts.items():
                yield of | {
                    "local_date": day,
                    "store_id": store,
                    "started_at": window.start,
                    "ended_at": window.start + timedelta(hours=2),
                    "missed_minutes": LENGTHS[is_before],
                    "missed_minutes_total": LENGTHS[is_before],
                    "is_started_before": False,
                }
        for window in windows if table is not STORE_OUTAGES else ():
            what, row = kind(window, day), of | {"window_start": window.start}
            if table is WINDOW_QUALITY:
                counts = ("stores", "stores_with_problem", "hours_with_problem")
                yield (
                    row
                    | dict.fromkeys((*counts, "documents_with_problem"), 0)
                    | {
                        "observed_at": None if what == "lost" else window.middle(),
                        "suspect": what == "suspect",
                    }
                )
            else:
                missing = {"good": MISSED[is_before], "suspect": EXPECTED, "lost": 0}[what]
                zero = dict.fromkeys(AVAILABILITY_SUMMARY.stored_schema().names[5:], 0)
                yield (
                    zero
                    | row
                    | {
                        "city": "City",
                        "brand": "Brand",
                        "expected_minutes": EXPECTED,
                        "missing_minutes": missing,
                        "unknown_minutes": EXPECTED if what == "lost" else 0,
                        "available_minutes": 0 if what == "lost" else EXPECTED - missing,
                    }
                )
        day += timedelta(days=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("value")
    runtime = runtime_in(made)
    (made / "platform.yaml").write_text(CONFIG)
    for table in (AVAILABILITY_SUMMARY, WINDOW_QUALITY, STORE_OUTAGES):
        found = pa.Table.from_pylist(list(rows(table)), schema=table.stored_schema())
        write(runtime, "BR", table, found)
    return made


@pytest.fixture(scope="module")
def runtime(folder: Path) -> Runtime:
    return build_runtime(load_text(CONFIG, base=folder, origin="test.yaml"))


def test_a_known_change_is_found_and_what_is_no_evidence_is_out(runtime: Runtime) -> None:
    """Half of what was missed: the other half is recovered, from the good windows alone, with a
    date that was mostly lost left out.
    """
    value = value_of(runtime, "BR", OCTOBER)
    assert (value.baseline[0].day, len(value.baseline)) == (FIRST, 28)
    assert (len(value.dates), value.left_out, value.left_windows) == (30, 1, 3)
    good = 30 * 96 - 3
    assert sum(each.known for each in value.dates) == good * EXPECTED
    assert sum(each.missing for each in value.dates) == good * MISSED[False]
    found = value.comparison
    assert found.recovered == pytest.approx(good * (MISSED[True] - MISSED[False]))
    assert found.low == pytest.approx(found.high, rel=0.01), "no date is unlike another"
    assert (found.missed_share.before, found.missed_share.after) == (0.04, 0.02)


def test_how_long_outages_last_and_how_often_they_come_again(runtime: Runtime) -> None:
    """Half as long; one of a date's two is of a store that had one the day before; one that began
    in a suspect window is none.
    """
    value = value_of(runtime, "BR", OCTOBER)
    assert sum(each.outages for each in value.dates) == 60
    length, repeats = value.comparison.outage_minutes, value.comparison.repeat_share
    assert (length.before, length.after) == (60.0, 30.0)
    assert repeats.before == pytest.approx(27 / 56)
    assert repeats.after == 0.5
    text = value_text(value).plain()
    assert "60 outages lasted 30 min of opening hours on the mean, in the baseline 60" in text
    assert "the bounds are a bootstrap over dates" in text


def test_the_baseline_is_kept_or_chosen(runtime: Runtime, folder: Path) -> None:
    """Once it was made it stays, whatever becomes of its windows; `reports.baseline` names other
    dates; without enough dates there is no report.
    """
    page = make_value(runtime, "BR", LAST, NOW, NOW)
    assert page.path.endswith("dashboard/BR/value/2026-10/index.html")
    assert page.due.key == "2026-10-value"
    kept = value_of(runtime, "BR", OCTOBER).baseline
    worse = [replace(each, missing=2 * each.missing) for each in kept]
    assert value_of(runtime, "BR", OCTOBER, worse).comparison.missed_share.before == 0.08
    own = CONFIG + "reports: {baseline: {first: 2026-09-03, last: 2026-09-12}}\n"
    chosen = build_runtime(load_text(own, base=folder, origin="test.yaml"))
    assert len(value_of(chosen, "BR", OCTOBER, worse).baseline) == 10
    with pytest.raises(NotObserved, match="0 complete dates in September 2026"):
        value_of(runtime, "BR", FIRST)
    with pytest.raises(NotObserved, match="CL has 0 complete dates for a baseline, and 28 are"):
        value_of(runtime, "CL", OCTOBER)


def test_the_command_prints_a_month(folder: Path) -> None:
    """`--month`; not beside a date."""
    arguments = ["brief", "--config", str(folder / "platform.yaml"), "--country", "BR"]
    printed = CliRunner().invoke(main, [*arguments, "--month", "2026-10"], obj=lambda: NOW)
    assert printed.exit_code == 0, printed.output
    assert "BR, October 2026: what it was worth" in printed.output
    assert "store-hours recovered beside the baseline (95 times of 100 between" in printed.output
    both = CliRunner().invoke(main, [*arguments, "--month", "2026-10", "--date", "2026-10-01"])
    assert both.exit_code == 2
