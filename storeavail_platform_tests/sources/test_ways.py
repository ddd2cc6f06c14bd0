"""Every schema of docs/schemas.md and the one of docs/sources.md, mapped by its queries as they
stand there, gives the hours that people mean by it.

A section's tables are filled by `ways/<section>.sql`. What is expected is written here in the
words of a sign at the door, and its open minutes are found on a wall clock, apart from the
platform.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storeavail_platform.config import Postgres, load_text
from storeavail_platform.config.values import Loading
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.domain.tables.harness import Inputs, computed
from storeavail_platform_tests.test_docs import page, section, sql_blocks
from storeavail_testing.postgres import PostgresServer

WAYS = Path(__file__).parent / "ways"
COUNTRY = "America/Sao_Paulo"
SCHEDULES = [
    table for table in TABLES if table.name in ("stores", "store_hours", "expected_schedules")
]
Interval = tuple[str, str]
Hours = Callable[[date], Sequence[Interval]]
"""The hours that belong to a date, as on a sign; an end at or before its start is the next day's."""


def daily(*intervals: Interval) -> Hours:
    return lambda day: intervals


def corner(day: date) -> list[Interval]:
    return [("10:00", "22:00")] if day.isoweekday() <= 5 else [("12:00", "02:00")]


def siesta(day: date) -> list[Interval]:
    return [] if day.isoweekday() == 7 else [("08:07", "12:00"), ("14:00", "18:30")]


def sundays_off(day: date) -> list[Interval]:
    return [] if day.isoweekday() == 7 else corner(day)


def weekend(day: date) -> list[Interval]:
    """From Friday 18:00 to Sunday 15:00."""
    return {5: [("18:00", "24:00")], 6: [("00:00", "24:00")], 7: [("00:00", "15:00")]}.get(
        day.isoweekday(), []
    )


def after_midnight(day: date) -> list[Interval]:
    """Saturday's 25:30 to 25:50, Sunday's 24:00 to 25:00."""
    return {7: [("01:30", "01:50")], 1: [("00:00", "01:00")]}.get(day.isoweekday(), [])


def moved_on(day: date) -> list[Interval]:
    if day <= date(2026, 11, 21):
        return [("20:00", "02:00")]
    return [("09:00", "21:00")] if day <= date(2026, 12, 24) else []


def on(hours: Hours, changed: Mapping[date, Sequence[Interval]]) -> Hours:
    return lambda day: changed[day] if day in changed else hours(day)


UNKNOWN = None  # has a row that makes no sense
ZONES = {"2": "America/New_York", "3": "Asia/Tokyo", "4": "UTC"}
"""Of the stores that are not in the country's."""
STORES: dict[str, Hours | None] = {
    "1": corner,
    "2": daily(("18:00", "03:00")),
    "3": siesta,
    "4": daily(("00:00", "24:00")),
    "5": daily(),
    "9": UNKNOWN,
}
UNSPLIT = {store: hours for store, hours in STORES.items() if store != "3"}
CHRISTMAS = date(2026, 12, 25)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Way:
    """A section of the page and what its stores' hours are.

    Attributes:
        page: whose section it is; of docs/sources.md "Another schema" alone.
        closed: moments in UTC between which a store is closed whatever its hours are.
        replaced: what the page says to write otherwise in the queries.
    """

    heading: str
    stores: Mapping[str, Hours | None] = field(default_factory=lambda: STORES)
    page: str = "schemas.md"
    closed: Mapping[str, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)
    replaced: tuple[str, str] = ("", "")

    @property
    def name(self) -> str:
        return re.sub(r"[^a-z0-9_]", "", self.heading.lower().replace(" ", "_"))


WAYS_BY_EXAMPLE = [
    Way("Another schema", {**STORES, "6": daily(), "10": UNKNOWN}, page="sources.md"),
    Way("Periods as jsonb", {**UNSPLIT, "6": weekend}),
    Way("A column a weekday", {**UNSPLIT, "7": sundays_off}),
    Way("Arrays of times"),
    Way(
        "OpenStreetMap's opening_hours",
        {**STORES, "7": sundays_off, **dict.fromkeys(["91", "92", "93", "94", "95"], UNKNOWN)},
    ),
    Way("Weekdays otherwise"),
    Way("Hours with a validity", {**STORES, "8": moved_on}),
    Way("Times beyond 24:00", {**STORES, "6": after_midnight}),
    Way(
        "Closures",
        closed={
            "1": [
                (moment("2026-11-22T04:50"), moment("2026-11-22T12:00")),
                (moment("2026-12-25T13:00"), moment("2099-01-01T00:00")),
            ],
            "2": [(moment("2026-11-01T06:33"), moment("2026-11-01T06:40"))],
            "3": [(moment("2026-11-22T23:10"), moment("2026-11-22T23:12"))],
        },
    ),
    # not active, so that no minute is expected
    Way("Soft deletes", {**STORES, "6": daily()}),
    Way(
        "Holidays as a weekday",
        {
            **STORES,
            "1": on(corner, {CHRISTMAS: [("14:40", "01:00")]}),
            "2": on(daily(("18:00", "03:00")), {CHRISTMAS: []}),
            "3": on(siesta, {CHRISTMAS: []}),
            "4": on(daily(("00:00", "24:00")), {CHRISTMAS: []}),
            "7": on(sundays_off, {CHRISTMAS: [], date(2026, 11, 25): []}),
        },
    ),
    Way("Several services a store"),
    Way(
        "Several services a store",
        {**STORES, "1": daily(("12:05", "13:00"))},
        replaced=("delivery", "pickup"),
    ),
]
WINDOWS = {
    "2026-11-25T1500": "a weekday's noon",
    "2026-11-22T0445": "Saturday's night, until 2:00",
    "2026-11-22T0500": "and past it",
    "2026-11-22T2300": "Tokyo's Monday, opening at 8:07",
    "2026-11-01T0630": "New York's second 1:30: the clock went back",
    "2027-03-14T0700": "New York's 3:00, that 1:59 goes before: the clock went forward",
    "2026-12-25T1730": "Christmas, 14:30",
    "2026-12-26T0345": "and the night after it",
}


def open_mask(way: Way, store: str, window: Window) -> int | None:
    """Bit i for minute i of the window in which the store's sign says open."""
    hours = way.stores[store]
    if hours is UNKNOWN:
        return None
    mask = 0
    for bit in range(15):
        now = window.start + timedelta(minutes=bit)
        wall = now.astimezone(ZoneInfo(ZONES.get(store, COUNTRY))).replace(tzinfo=None)
        is_open = any(
            start <= wall < end
            for day in (wall.date(), wall.date() - timedelta(days=1))
            for start, end in (ends(day, interval) for interval in hours(day))
        )
        if is_open and not any(start <= now < end for start, end in way.closed.get(store, ())):
            mask |= 1 << bit
    return mask


def ends(day: date, interval: Interval) -> tuple[datetime, datetime]:
    """An interval of a date on the wall clock."""
    midnight = datetime(day.year, day.month, day.day)
    start, end = (
        midnight + timedelta(hours=int(text[:2]), minutes=int(text[3:])) for text in interval
    )
    return start, end if end > start else end + timedelta(days=1)


def mapped(dsn: str, folder: Path, stores_query: str, hours_query: str) -> PostgresSource:
    (folder / "stores.sql").write_text(stores_query)
    (folder / "hours.sql").write_text(hours_query)
    settings = {"dsn": dsn, "stores_query": "stores.sql", "hours_query": "hours.sql"}
    config = Postgres.model_validate(settings, context=Loading(base=str(folder)))
    return PostgresSource(config, COUNTRY)


def schedules(postgres: PostgresSource, folder: Path, window: Window) -> dict[str, dict[str, Any]]:
    """The schedule that the platform computes for each store."""
    with postgres.open(window) as snapshot:
        rows = {
            split.relation: [row for batch in postgres.read(split) for row in batch.to_pylist()]
            for split in snapshot.splits
        }
    inputs = Inputs(window, COUNTRY, stores=rows["raw_stores"], hours=rows["raw_store_hours"])
    with computed(DuckDBEngine(LocalStorage(folder)), inputs, SCHEDULES) as session:
        return {row["store_id"]: row for row in session.rows("SELECT * FROM expected_schedules")}


@pytest.mark.parametrize(
    "way", WAYS_BY_EXAMPLE, ids=lambda way: "_".join([way.name, way.replaced[1]]).strip("_")
)
def test_the_queries_of_a_schema_give_its_hours(
    postgres_server: PostgresServer, tmp_path: Path, way: Way
) -> None:
    """Noon, nights over midnight, a holiday, clocks that change, to the minute; a store with a row
    that makes no sense is unknown, never closed.
    """
    level = "##" if way.page == "schemas.md" else "###"
    tables, *queries = sql_blocks(section(page(way.page), f"{level} {way.heading}"))
    rows = (WAYS / f"{way.name}.sql").read_text(encoding="utf-8")
    dsn = postgres_server.create(f"way_{way.name}", tables + rows)
    stores_query, hours_query = (query.replace(*way.replaced) for query in queries)
    postgres = mapped(dsn, tmp_path, stores_query, hours_query)
    for key, what in WINDOWS.items():
        window = Window.parse(key)
        found = schedules(postgres, tmp_path, window)
        expected = {store: open_mask(way, store, window) for store in way.stores}
        assert {store: row["open_mask"] for store, row in found.items()} == expected, what
        assert found["5"]["hours_kind"] in ("none", "special")


WEEKDAYS: Mapping[str, tuple[str, Sequence[str | None]]] = {
    "0 for Sunday": ("int", ["1", "2", "3", "4", "5", "6", "0"]),
    "0 for Monday": ("int", ["0", "1", "2", "3", "4", "5", "6"]),
    "1 for Sunday": ("int", ["2", "3", "4", "5", "6", "7", "1"]),
    "names in English": ("text", ["Monday", "tue", "WED", "Thurs", " fri ", "Saturday", "sunday"]),
    "names in Portuguese": (
        "text",
        ["segunda-feira", "Terça", "QUA", "quinta", "Sexta-feira", "SÁBADO", "dom"],
    ),
}


def weekday_expressions() -> dict[str, str]:
    text = section(page("schemas.md"), "## Weekdays otherwise")
    return dict(re.findall(r"^\| ([^|`]+) \| `([^`]+)` \|", text, re.MULTILINE))


@pytest.mark.parametrize("how", WEEKDAYS)
def test_weekdays_of_any_count_become_iso(postgres_server: PostgresServer, how: str) -> None:
    """Monday to Sunday are 1 to 7, and what is no day is not made one."""
    (expression,) = [sql for name, sql in weekday_expressions().items() if name.startswith(how)]
    kind, days = WEEKDAYS[how]
    none = ["-1", "8", "9", None] if kind == "int" else ["", "x", "8", None]
    with postgres_server.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {expression.replace('%', '%%')} FROM UNNEST(%s::{kind}[]) WITH ORDINALITY"
            " d(day, n) ORDER BY n",
            ([*days, *none],),
        )
        found = [row[0] for row in cursor.fetchall()]
    assert found[:7] == [1, 2, 3, 4, 5, 6, 7]
    assert not set(found[7:]) & set(range(1, 8))


def test_every_section_of_the_page_is_tried() -> None:
    """No schema is documented that no test runs, and no expression for weekdays."""
    headings = set(re.findall(r"^## (.+)$", page("schemas.md"), re.MULTILINE))
    assert headings == {
        *(way.heading for way in WAYS_BY_EXAMPLE if way.page == "schemas.md"),
        "Row level security",
    }
    assert len(weekday_expressions()) == len(WEEKDAYS)


def test_a_country_a_service_is_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The countries of the page load as they stand."""
    text = section(page("schemas.md"), "## Several services a store")
    (countries,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for name in re.findall(r"\w+\.sql", countries):
        (tmp_path / name).write_text("SELECT 1")
    configuration = f"warehouse: ./warehouse\n{countries}"
    platform = load_text(configuration, base=tmp_path, origin="test.yaml")
    assert sorted(platform.countries) == ["BRDELIV", "BRPICKUP"]
