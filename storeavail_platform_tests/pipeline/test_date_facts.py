"""How much of the past a local date is made of, in rows of the files that are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import pytest

from storeavail_platform.domain.tables.relations import SUSPECT_WINDOWS
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.pipeline.date_facts import add_date_facts
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.warehouse.engine import Session
from storeavail_platform_tests.domain.tables.facts import DAY, Row, fact, fact_files

DATE = date(2026, 11, 23)
NOON = Window.parse("2026-11-23T1500")
"""In Sao Paulo."""


def at(day: int, status: str, store: int = 1) -> Row:
    """A store at noon, so many days before the date."""
    return fact(store, Window(NOON.start - day * DAY), status)


@contextmanager
def known(
    rows: Sequence[Row], folder: Path, part: Callable[[datetime], object] = datetime.date
) -> Iterator[Session]:
    """A session that knows what the date is made of."""
    with DuckDBEngine(LocalStorage(folder)).session() as session:
        session.add_table("suspect_windows", SUSPECT_WINDOWS.empty_table())
        add_date_facts(session, DATE, list(fact_files(rows, folder, part)))
        yield session


def count(session: Session, relation: str) -> int:
    (found,) = session.rows(f"SELECT COUNT(*) AS rows FROM {relation}")
    return int(found["rows"])


@pytest.mark.parametrize(
    ("evening", "earlier"),
    [("available", 0), ("rogue", 0), ("missing", 2 * 7), ("closed", 2 * 7)],
)
def test_days_before_are_read_where_an_outage_reaches_back(
    evening: str, earlier: int, tmp_path: Path
) -> None:
    """An outage that began on the date or the evening before needs none of them; an older one
    needs them, and of them its own store's rows.
    """
    others = [at(back, "available", store=2) for back in range(9)]
    rows = [at(0, "missing"), at(1, evening), *(at(back, "closed") for back in range(2, 9))]
    with known([*rows, *others], tmp_path) as session:
        assert count(session, "earlier_rows") == earlier
        assert count(session, "earlier_availability") == earlier / 2
        stores = session.rows("SELECT DISTINCT store_id FROM earlier_availability")
        assert [row["store_id"] for row in stores] == (["1"] if earlier else [])


def test_names_are_read_from_the_windows_that_have_them(tmp_path: Path) -> None:
    """Nearly all stores are named by the last window: the files of the others are not read for
    it.
    """
    windows = [NOON.next(number) for number in range(10)]
    rows = [fact(store, window, "available") for window in windows for store in (1, 2)]
    gone = [fact(3, windows[4], "available")]
    with known([*rows, *gone], tmp_path, part=lambda start: start) as session:
        starts = session.rows("SELECT DISTINCT window_start FROM named_rows ORDER BY 1")
        assert [row["window_start"] for row in starts] == [windows[4].start, windows[9].start]
        assert count(session, "date_names") == 3
