"""Whatever ids, types, zones and hours a PostgreSQL has, the default queries and the SQL of the
schedules give what plain Python makes of the same rows.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.config import Postgres
from storeavail_platform.domain.hours import SpecialHours, WeeklyHours, expected_schedule, zones
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.engines.duckdb import DuckDBEngine
from storeavail_platform.sources.postgres import PostgresSource
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.domain.tables.harness import Inputs, computed
from storeavail_testing.postgres import PostgresServer

SEEDS = 20
STORES = 40
COUNTRY = "America/Santiago"
SCHEDULES = [
    table for table in TABLES if table.name in ("stores", "store_hours", "expected_schedules")
]
NIGHTS = [datetime(2026, 4, 5, 3), datetime(2026, 9, 6, 4), datetime(2026, 11, 1, 6)]
"""Around them clocks change in Chile and in New York, UTC."""
FLAGS: dict[str, dict[str | None, bool | None]] = {
    "boolean": {"true": True, "false": False, None: True},
    "smallint": {"1": True, "0": False, None: True, "2": None},
    "numeric(3,1)": {"1": True, "0": False, None: True, "0.5": None},
    "text": {"true": True, " N ": False, "off": False, "Y": True, None: True, "": None, "S": None},
    "char(1)": {"t": True, "0": False, None: True, "?": None},
}
"""Values of each type, and what they say; None: nothing."""
WEEKDAYS: dict[str, list[str | None]] = {
    "smallint": ["0", "8", None],
    "integer": ["-1", "8", None],
    "bigint": ["9999999999", None],
    "numeric": ["1.5", "0.5", "7.2"],
    "real": ["3.5"],
}
"""Types of the weekday, with values that are none."""
TIMES = ("time", "time(0)", "interval")


@dataclass(frozen=True)
class Store:
    """A row of `stores` as it is written, and what it means."""

    source_id: str | None
    store_id: str | None
    zone: str | None
    timezone: str | None
    flag: str | None
    is_active: bool | None


@dataclass(frozen=True)
class Hours:
    """A row of hours as it is written: of a weekday, or of a date."""

    source_id: str | None
    day: str | None
    opens: str | None
    closes: str | None


def bigint(dice: random.Random) -> tuple[str, str]:
    number = dice.choice([dice.randrange(-50, 50), dice.randrange(-(2**63), 2**63)])
    return str(number), str(number)


def numeric(dice: random.Random) -> tuple[str, str]:
    """Beyond 2^63 too, and with zeros after the point, which do not count."""
    number = dice.choice([dice.randrange(-50, 50), dice.randrange(-(10**30), 10**30)])
    return f"{number}{dice.choice(['', '.0', '.000'])}", str(number)


def code(dice: random.Random) -> tuple[str, str]:
    """Zeros and case tell stores apart, blanks around do not."""
    text = dice.choice(["", "0", "00"]) + "".join(
        dice.choice("aAbB017-é") for _ in range(dice.choice([1, 2, 12]))
    )
    return dice.choice(["", "", " "]) + text + dice.choice(["", "", "  "]), text


def any_uuid(dice: random.Random) -> tuple[str, str]:
    text = str(uuid.UUID(int=dice.getrandbits(128)))
    return dice.choice([text, text.upper()]), text


IDS = {
    "bigint": bigint,
    "numeric": numeric,
    "text": code,
    "varchar(40)": code,
    "uuid": any_uuid,
    "character varying": any_uuid,
}
"""Types of the id: how one is written, and which text it is."""


def zone(dice: random.Random) -> tuple[str | None, str | None]:
    """A zone as people spell it, and its own name; None: no such zone."""
    if dice.random() < 0.4:
        return dice.choice([None, "", " ", "\t\n"]), COUNTRY
    name = dice.choice([*zones(), "America/New_York", "Asia/Kathmandu", "Mars/Olympus"])
    spelled = dice.choice([name, name.lower(), name.upper(), name.swapcase()])
    blanks = ["", "", " ", "\t", "\r\n"]
    return dice.choice(blanks) + spelled + dice.choice(blanks), name if name in zones() else None


def time_of_day(dice: random.Random) -> str | None:
    if dice.random() < 0.1:
        return dice.choice([None, "24:00:00", "00:00:00"])
    seconds = dice.choice([dice.randrange(96) * 900, dice.randrange(1440) * 60, dice.randrange(86_400)])  # fmt: skip
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def minute(text: str | None) -> int | None:
    """Minutes after midnight, rounded up."""
    if text is None:
        return None
    hours, minutes, seconds = (int(number) for number in text.split(":"))
    return hours * 60 + minutes + (seconds > 0)


class Company:
    """A random company: its types, and its rows."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        start = dice.choice([*NIGHTS, datetime(2026, 1, 1) + timedelta(days=dice.randrange(365))])
        start += timedelta(minutes=15 * dice.randrange(-16, 96))
        self.window = Window.containing(start.replace(tzinfo=UTC))
        self.id_type = list(IDS)[seed % len(IDS)]
        self.flag_type = list(FLAGS)[seed % len(FLAGS)]
        self.weekday_type = dice.choice(list(WEEKDAYS))
        self.time_type = dice.choice(TIMES)
        self.stores = [self._store() for _ in range(STORES)]
        self.stores += dice.sample(self.stores, 2)
        self.weekly = [hours for store in self.stores for hours in self._weekly(store)]
        self.special = [hours for store in self.stores for hours in self._special(store)]

    def _store(self) -> Store:
        dice = self.dice
        source_id, store_id = (None, None) if dice.random() < 0.05 else IDS[self.id_type](dice)
        spelled, timezone = zone(dice)
        flags = FLAGS[self.flag_type]
        flag = dice.choice([next(iter(flags)), dice.choice(list(flags))])
        return Store(source_id, store_id, spelled, timezone, flag, flags[flag])

    def _weekly(self, store: Store) -> list[Hours]:
        dice = self.dice
        if dice.random() < 0.15:
            return []
        days: list[str | None] = [
            str(day) for day in range(1, 8) for _ in range(dice.choice([1, 1, 2]))
        ]
        if dice.random() < 0.1:
            days.append(dice.choice(WEEKDAYS[self.weekday_type]))
        return [Hours(store.source_id, day, time_of_day(dice), time_of_day(dice)) for day in days]

    def _special(self, store: Store) -> list[Hours]:
        dice = self.dice
        found: list[Hours] = []
        while dice.random() < 0.4:
            day = self.window.start.date() + timedelta(days=dice.choice([-2, -1, -1, 0, 0, 1]))
            is_closed = dice.random() < 0.4
            ends = (None, None) if is_closed else (time_of_day(dice), time_of_day(dice))
            found.append(Hours(store.source_id, day.isoformat(), *ends))
        return found

    def fill(self, server: PostgresServer, database: str) -> str:
        dsn = server.create(
            database,
            f"""
            CREATE TABLE stores (store_id {self.id_type}, name text, city text, brand text,
              timezone {self.dice.choice(["text", "varchar(60)", "char(60)"])},
              is_active {self.flag_type});
            CREATE TABLE store_weekly_hours (store_id {self.id_type}, weekday {self.weekday_type},
              opens_at {self.time_type}, closes_at {self.time_type});
            CREATE TABLE store_special_hours (store_id {self.id_type}, business_date date,
              opens_at {self.time_type}, closes_at {self.time_type});
            """,
        )
        server.execute(
            database,
            "INSERT INTO stores(store_id, timezone, is_active) VALUES (%s, %s, %s)",
            [(store.source_id, store.zone, store.flag) for store in self.stores],
        )
        for table, rows in (("weekly", self.weekly), ("special", self.special)):
            server.execute(
                database,
                f"INSERT INTO store_{table}_hours VALUES (%s, %s, %s, %s)",
                [(row.source_id, row.day, row.opens, row.closes) for row in rows],
            )
        return dsn

    def expected(self) -> dict[str, tuple[Any, ...]]:
        """Mask, kind, date and minute of each store; None alone: it is unknown."""
        copies = Counter(store.store_id for store in self.stores)
        return {
            store.store_id: self._schedule(store, is_copied=copies[store.store_id] > 1)
            for store in self.stores
            if store.store_id is not None
        }

    def _schedule(self, store: Store, *, is_copied: bool) -> tuple[Any, ...]:
        if is_copied or store.timezone is None or store.is_active is None:
            return (None,)
        weekly = [
            WeeklyHours(weekday(row.day), minute(row.opens), minute(row.closes))
            for row in self.weekly
            if row.source_id == store.source_id
        ]
        special = [
            SpecialHours(date.fromisoformat(row.day), minute(row.opens), minute(row.closes))
            for row in self.special
            if row.source_id == store.source_id and row.day is not None
        ]
        rule = expected_schedule(self.window, store.timezone, weekly, special)
        mask = rule.open_mask if store.is_active else 0
        return (None,) if mask is None else (mask, rule.hours_kind, rule.local_date, rule.local_minute)  # fmt: skip


def weekday(text: str | None) -> int | None:
    number = None if text is None else Decimal(text)
    return int(number) if number is not None and number == int(number) else None


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_postgres_is_read_as_plain_python_reads_it(
    postgres_server: PostgresServer, tmp_path: Path, seed: int
) -> None:
    """Every store's open minutes, whatever its id, its types and the spelling of its zone; a row
    that makes no sense makes its store unknown, and is there.
    """
    company = Company(seed)
    dsn = company.fill(postgres_server, f"any_{seed}")
    postgres = PostgresSource(Postgres.model_validate({"dsn": dsn}), COUNTRY)
    with postgres.open(company.window) as snapshot:
        raw = {
            split.relation: [row for batch in postgres.read(split) for row in batch.to_pylist()]
            for split in snapshot.splits
        }
    inputs = Inputs(company.window, COUNTRY, stores=raw["raw_stores"], hours=raw["raw_store_hours"])
    with computed(DuckDBEngine(LocalStorage(tmp_path)), inputs, SCHEDULES) as session:
        found = session.rows("SELECT * FROM expected_schedules")
        stores = session.rows("SELECT store_id FROM stores")
    assert {
        row["store_id"]: (None,)
        if row["open_mask"] is None
        else (row["open_mask"], row["hours_kind"], row["local_date"], row["local_minute"])
        for row in found
    } == company.expected()
    assert Counter(row["store_id"] for row in stores) == Counter(
        store.store_id for store in company.stores
    )


def test_the_companies_differ() -> None:
    """Each type of id and of flag is tried, and every kind of answer is among the expected."""
    companies = [Company(seed) for seed in range(SEEDS)]
    assert {company.id_type for company in companies} == set(IDS)
    assert {company.flag_type for company in companies} == set(FLAGS)
    assert len({company.weekday_type for company in companies}) == len(WEEKDAYS)
    answers = [answer for company in companies for answer in company.expected().values()]
    masks = [answer[0] for answer in answers]
    assert {answer[1] for answer in answers if len(answer) > 1} == {"weekly", "special", "none"}
    assert min(masks.count(None), masks.count(0), masks.count(2**15 - 1)) > len(masks) / 20
    assert sum(mask not in (None, 0, 2**15 - 1) for mask in masks) > 5
