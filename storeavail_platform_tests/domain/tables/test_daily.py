"""Daily tables: the rule of an outage case by case, and random facts against a plain Python
recomputation, on both engines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.tables.daily import (
    DAILY_STORE_AVAILABILITY,
    ROLLED_UP,
    STORE_OUTAGES,
)
from storeavail_platform.domain.tables.relations import (
    COUNTRY_DATE,
    DAILY_RELATIONS,
    ROLL_UP,
    SUSPECT_WINDOWS,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.compute import check_contract, make, run_check
from storeavail_platform.pipeline.date_facts import add_date_facts, last_looked_at
from storeavail_platform.warehouse.engine import Engine, Session
from storeavail_platform_tests.domain.tables.facts import (
    DAY,
    Row,
    expected_days,
    expected_outages,
    fact,
    fact_files,
    random_facts,
    windows,
)

DATE = date(2026, 11, 23)
MORNING = "2026-11-23T1300"
"""10:00 in Sao Paulo."""
CHARACTERS = {"a": "available", "m": "missing", "r": "rogue", "u": "unknown", "c": "closed"}


@contextmanager
def rolled_up(
    engine: Engine,
    rows: Sequence[Row],
    day: date,
    folder: Path,
    *,
    is_provisional: bool = False,
    suspect: Collection[Window] = (),
) -> Iterator[Session]:
    """A session in which a date's tables are computed from facts in a file."""
    roll_up = {
        "local_date": day,
        "first_date": day - 7 * DAY,
        "before_date": day - 8 * DAY,
        "looked_until": last_looked_at(day),
        "is_provisional": is_provisional,
    }
    with engine.session() as session:
        starts = [{"window_start": window.start} for window in suspect]
        session.add_table("suspect_windows", pa.Table.from_pylist(starts, schema=SUSPECT_WINDOWS))
        add_date_facts(session, day, list(fact_files(rows, folder)))
        for name in ("date_causes", "earlier_incidents"):
            session.add_table(name, DAILY_RELATIONS[name].empty_table())
        session.add_table("country_date", country_date(day))
        session.add_table("roll_up", pa.Table.from_pylist([roll_up], schema=ROLL_UP))
        for table in ROLLED_UP:
            make(session, table)
            contract = check_contract(session, table)
            assert contract.passed, contract
            for check in table.checks:
                assert run_check(session, table, check).passed
        yield session


def country_date(day: date) -> pa.Table:
    """The windows of a date of UTC."""
    first, until = (datetime.combine(each, datetime.min.time(), UTC) for each in (day, day + DAY))
    row = {"local_date": day, "timezone": "UTC", "first_window": first, "until_window": until}
    return pa.Table.from_pylist([row], schema=COUNTRY_DATE)


def stored(session: Session, table: Table) -> list[Row]:
    order = ("store_id", "started_at") if table is STORE_OUTAGES else ("store_id",)
    return sorted(
        session.rows(f"SELECT * FROM {table.name}"),
        key=lambda row: tuple(row[name] for name in order),
    )


def story(text: str, first: str = MORNING, store: int = 1) -> list[Row]:
    """A store's windows, a character each: (a)vailable, (m)issing, (r)ogue, (u)nknown,
    (c)losed, (i)nactive, (g)ap; a dash is no row.
    """
    rows = []
    for window, character in zip(windows(first, len(text)), text, strict=True):
        if character == "i":
            rows.append(fact(store, window, "closed", reason="inactive"))
        elif character == "g":
            rows.append(fact(store, window, "unknown", reason="not_observed"))
        elif character != "-":
            rows.append(fact(store, window, CHARACTERS[character]))
    return rows


@pytest.mark.parametrize(
    ("text", "outages"),
    [
        ("aaaa", []),
        ("amma", [(1, 3)]),
        ("mmmm", [(0, None)]),
        ("amcma", [(1, 4)]),
        ("amuma", [(1, 4)]),
        ("amgma", [(1, 4)]),
        ("amccca", [(1, 5)]),
        ("amccc", [(1, None)]),
        ("amrma", [(1, 2), (3, 4)]),
        ("amama", [(1, 2), (3, 4)]),
        ("amiia", [(1, 2)]),
        ("amcia", [(1, 3)]),
        ("am--a", [(1, 2)]),
        ("amc-m", [(1, 3), (4, None)]),
        ("am---", [(1, 2)]),
        ("-m-m-", [(1, 2), (3, 4)]),
        ("uuccuu", []),
    ],
)
def test_an_outage_is_a_run_of_missing_windows(
    text: str, outages: list[tuple[int, int | None]], engine: Engine, tmp_path: Path
) -> None:
    """Closed, unknown and gap windows are skipped; available, rogue, inactive and having no row
    end it, at that window's start, as long as no window is suspect.
    """
    at = [window.start for window in windows(MORNING, len(text))]
    others = story("a" * len(text), store=2)
    with rolled_up(engine, [*story(text), *others], DATE, tmp_path) as session:
        found = stored(session, STORE_OUTAGES)
    assert [(row["started_at"], row["ended_at"]) for row in found] == [
        (at[start], None if end is None else at[end]) for start, end in outages
    ]
    assert all(row["store_id"] == "1" for row in found)


@pytest.mark.parametrize(
    ("text", "suspect", "outages"),
    [
        # its row is gone in a suspect window: nothing is over
        ("am-ma", "..s..", [(1, 4)]),
        ("am--ma", "..ss..", [(1, 5)]),
        ("am---", "..sss", [(1, None)]),
        # gone for good: the first window that is evidence says so
        ("am----", "..ss..", [(1, 4)]),
        ("am-c-m", "..s...", [(1, 4), (5, None)]),
        ("am-c-m", "..s.s.", [(1, None)]),
        # online, rogue or inactive in a suspect window: no evidence either
        ("amama", "..s..", [(1, 4)]),
        ("amaaa", "..ss.", [(1, 4)]),
        ("amaa", "..ss", [(1, None)]),
        ("amrma", "..s..", [(1, 4)]),
        ("amima", "..s..", [(1, 4)]),
        # missing in a suspect window counts as what it is
        ("amaa", ".s..", [(1, 2)]),
        ("aama", "s.ss", [(2, None)]),
        ("m-m-a", ".s...", [(0, 3)]),
    ],
)
def test_a_suspect_window_ends_no_outage(
    text: str,
    suspect: str,
    outages: list[tuple[int, int | None]],
    engine: Engine,
    tmp_path: Path,
) -> None:
    """An outage ends by evidence: online, inactive or without a row in a window that is not
    suspect (an s below the store's window).
    """
    span = windows(MORNING, len(text))
    marked = [window for window, mark in zip(span, suspect, strict=True) if mark == "s"]
    rows = [*story(text), *story("a" * len(text), store=2)]
    with rolled_up(engine, rows, DATE, tmp_path, suspect=marked) as session:
        found = stored(session, STORE_OUTAGES)
    starts = [window.start for window in span]
    assert [(row["started_at"], row["ended_at"]) for row in found] == [
        (starts[start], None if end is None else starts[end]) for start, end in outages
    ]
    assert found == expected_outages(rows, DATE, marked)


def test_a_window_that_nobody_computed_ends_nothing(engine: Engine, tmp_path: Path) -> None:
    """Where no store has a row there is no window; the outage goes on over it."""
    with rolled_up(
        engine, [*story("am--ma"), *story("aa--aa", store=2)], DATE, tmp_path
    ) as session:
        (outage,) = stored(session, STORE_OUTAGES)
    assert (outage["missed_minutes"], outage["started_at"]) == (30, windows(MORNING, 2)[1].start)


@pytest.mark.parametrize(
    ("days", "is_before"), [(0, False), (6, False), (7, False), (8, True), (9, True)]
)
def test_the_start_is_looked_for_over_seven_dates(
    days: int, is_before: bool, engine: Engine, tmp_path: Path
) -> None:
    """A start at most 7 dates before is found; an older one is said to be older, and its
    minutes are those of the 7 dates.
    """
    rows = [fact(1, windows(MORNING, 1)[0].next(-96 * back), "missing") for back in range(days + 1)]
    with rolled_up(engine, rows, DATE, tmp_path) as session:
        (outage,) = stored(session, STORE_OUTAGES)
    seen = min(days, 7)
    assert outage["is_started_before"] is is_before
    assert outage["started_at"] == windows(MORNING, 1)[0].start - seen * DAY
    assert (outage["missed_minutes"], outage["missed_minutes_total"]) == (15, 15 * (seen + 1))


def test_a_night_does_not_split_an_outage(engine: Engine, tmp_path: Path) -> None:
    """An evening and the next morning are one outage, on both dates, each with its own minutes;
    it ends on the second one.
    """
    rows = story("mm" + "c" * 40 + "mma", "2026-11-24T0100")
    with rolled_up(engine, rows, DATE, tmp_path) as session:
        (evening,) = stored(session, STORE_OUTAGES)
    with rolled_up(engine, rows, DATE + DAY, tmp_path) as session:
        (morning,) = stored(session, STORE_OUTAGES)
    assert evening["started_at"] == morning["started_at"] == datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert evening["ended_at"] == morning["ended_at"] == datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert (evening["missed_minutes"], evening["missed_minutes_total"]) == (30, 30)
    assert (morning["missed_minutes"], morning["missed_minutes_total"]) == (30, 60)


def test_names_are_those_of_the_last_window_that_has_them(engine: Engine, tmp_path: Path) -> None:
    """A store that lost its row keeps its name; one renamed during the date has the later name."""
    first, second, third = windows(MORNING, 3)
    rows = [
        fact(1, first, "missing", name="Old"),
        fact(1, second, "missing", name="New", city=None),
        fact(1, third, "missing", name=None, city=None, brand=None),
    ]
    with rolled_up(engine, rows, DATE, tmp_path) as session:
        for table in (STORE_OUTAGES, DAILY_STORE_AVAILABILITY):
            (row,) = stored(session, table)
            assert (row["name"], row["city"], row["brand"]) == ("New", None, "Brand")


SPANS: list[tuple[str, date, Sequence[str]]] = [
    (
        "2026-11-14T0000",
        date(2026, 11, 23),
        ["America/Sao_Paulo", "America/Noronha", "America/Rio_Branco"],
    ),
    # clocks go forward at midnight, then back; Lord Howe by half an hour
    ("2018-10-26T0000", date(2018, 11, 4), ["America/Sao_Paulo", "America/Manaus"]),
    (
        "2018-02-08T0000",
        date(2018, 2, 17),
        ["America/Sao_Paulo", "Pacific/Kiritimati", "Pacific/Midway"],
    ),
    ("2026-03-26T0000", date(2026, 4, 5), ["Australia/Lord_Howe", "Australia/Sydney"]),
]


@pytest.mark.parametrize(("first", "day", "zones"), SPANS, ids=[first for first, _, _ in SPANS])
def test_random_facts_give_what_plain_python_gives(
    first: str, day: date, zones: Sequence[str], engine: Engine, tmp_path: Path
) -> None:
    """Days of 23, 24 and 25 hours, several zones, gaps, and stores that come and go: every
    figure of three dates.
    """
    span = windows(first, 96 * 14)
    rows = list(random_facts(Random(first), span, zones, stores=12))
    suspect = [window for window in span if Random(window.key).random() < 0.15]
    for number in range(-1, 2):
        date_ = day + number * DAY
        with rolled_up(
            engine, rows, date_, tmp_path, is_provisional=number > 0, suspect=suspect
        ) as session:
            assert stored(session, STORE_OUTAGES) == expected_outages(rows, date_, suspect)
            days = stored(session, DAILY_STORE_AVAILABILITY)
        for row, wanted in zip(
            days, expected_days(rows, date_, suspect, is_provisional=number > 0), strict=True
        ):
            assert row == wanted | {
                name: pytest.approx(wanted[name])
                for name in ("availability", "coverage")
                if wanted[name] is not None
            }
        assert any(row["missing_minutes"] for row in days)


def test_both_engines_give_the_same_days(engines: tuple[Engine, Engine], tmp_path: Path) -> None:
    """The same facts, the same rows of both tables, and files of the same content."""
    rows = list(
        random_facts(
            Random(7),
            windows("2026-11-14T0000", 96 * 11),
            ["America/Sao_Paulo", "America/Noronha"],
            stores=40,
        )
    )
    found: list[dict[str, Any]] = []
    for engine in engines:
        with rolled_up(engine, rows, DATE, tmp_path) as session:
            constants = {"country": "BR", "local_date": DATE, "run_id": "run"}
            written = {
                table.name: session.write(
                    table.name,
                    table.stored_schema(),
                    constants,
                    table.order_by,
                    f"{engine.name}/{table.name}",
                )
                for table in (STORE_OUTAGES, DAILY_STORE_AVAILABILITY)
            }
        tables = {
            name: (
                pa.concat_tables(pq.ParquetFile(file.path).read() for file in files).sort_by(
                    "store_id"
                )
            )
            for name, files in written.items()
        }
        found.append({name: sorted(table.to_pylist(), key=str) for name, table in tables.items()})
    assert found[0] == found[1]
    assert len(found[0]["store_outages"]) > 20


def test_hours_of_a_date_differ_with_the_clock(engine: Engine, tmp_path: Path) -> None:
    """A date on which clocks go forward has 92 windows, one on which they go back 100."""
    for first, day, count in (
        ("2018-11-03T0000", date(2018, 11, 4), 92),
        ("2018-02-16T0000", date(2018, 2, 17), 100),
    ):
        rows = [fact(1, window, "available") for window in windows(first, 4 * 24 * 4)]
        with rolled_up(engine, rows, day, tmp_path) as session:
            (row,) = stored(session, DAILY_STORE_AVAILABILITY)
        assert (row["window_count"], row["expected_minutes"], row["availability"]) == (
            count,
            15 * count,
            1.0,
        )
        assert row["last_online_at"] - row["first_online_at"] == (count - 1) * timedelta(minutes=15)
