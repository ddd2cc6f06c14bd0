"""Dirty values for every column of both sources, seeded. Nothing here reads or judges them
(`test_fuzz.py`).

A case is a company of good stores and a handful of bad rows beside them. What is bad never names a
good store: two rows of one store are a real contradiction in the source, and the platform says so
(`duplicate store_id`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

GOOD_STORES = range(1, 13)
DIRTY_ROWS = 6
"""At most so many bad rows a relation and case."""
HUGE_CHARACTERS = 10_000_000

Row = tuple[Any, ...]
Schema = dict[str, str]

COLUMNS = {
    "stores": ("store_id", "name", "address", "city", "brand", "timezone", "is_active"),
    "store_weekly_hours": ("store_id", "weekday", "opens_at", "closes_at"),
    "store_special_hours": ("store_id", "business_date", "opens_at", "closes_at"),
}
TYPED: Schema = {
    "store_id": "bigint",
    "weekday": "smallint",
    "opens_at": "time",
    "closes_at": "time",
    "business_date": "date",
    "is_active": "boolean",
}
"""The default schema; other columns are text."""
AS_TEXT: Schema = {**TYPED, "store_id": "text", "is_active": "text"}
AS_FLOAT: Schema = {
    **TYPED,
    "store_id": "double precision",
    "weekday": "double precision",
    "is_active": "boolean",
}
SCHEMAS = {"typed": TYPED, "as_text": AS_TEXT, "as_float": AS_FLOAT, "bytes": TYPED}
"""Databases by name.

`bytes` is one without an encoding, which takes and gives any bytes as text.
"""

TEXTS: Sequence[str | None] = (
    None,
    "",
    " ",
    "\n",
    "\t",
    '"',
    "''",
    ",",
    "\\N",
    "\\.",
    "NULL",
    "NaN",
    "t",
    "0x1",
    "1e3",
    "1.0.0",
    "+5",
    "-5",
    " 50",
    "50 ",
    "٣",
    "²",
    "99999999999999999999",
    "9223372036854775808",
    "\u202egnp.erots",
    "\ufeffname",
    "e\u0301",
    "\x01\x1f\x7f",
    "💥" * 50,
    "</script><script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE stores; --",
    "${jndi:ldap://x}",
    "../../etc/passwd",
    "America/Sao_Paulo",
    "America/Nowhere",
    "Etc/GMT+14",
    "UTC\x00"[:3],
)
NUMBERS = (0, -1, 13, 2**15 - 1, 2**31 - 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, -(2**63))
FLOATS = (float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 5e-324, 100.5, -0.0)
TIMES = (None, "00:00", "24:00", "23:59:59.999999", "00:00:00.000001", "12:00")
DATES = (
    None,
    "infinity",
    "-infinity",
    "4713-01-01 BC",
    "5874897-12-31",
    "0001-01-01",
    "9999-12-31",
    "2026-11-23",
    "2026-11-22",
)
MOMENTS: Sequence[Any] = (
    *(
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "yesterday",
    ),
    *(
        "9" * 400,
        "٣",
        "²",
        "1e400",
        -62_135_596_800_001,
        253_402_300_800_000,
        1e300,
        10**18,
        -1,
        0,
        True,
        [],
        ["a", "b"],
        {},
    ),
)
JSON_VALUES: Sequence[Any] = (
    *(
        True,
        False,
        [],
        {},
        {"a": {"b": [None]}},
        [101, 102],
        ["101", None],
        "\ud800",
        "a\x00b",
        "true ",
        "TRUE",
        "yes",
    ),
    *(1.5, -0.0, 1e308, 2**63, 2**64 - 1, -(2**63), "NaN", "null", "101.0", "1e2", "0x65", "٣"),
)
BROKEN_LINES = (
    b'{"store_id": ',
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b"1",
    b'{"store_id": NaN}',
    b'{"store_id": 1e999}',
    b'{"store_id": "\xc3\x28"}',
    b"[" * 5_000,
)


@dataclass(frozen=True)
class Case:
    """What both sources hold.

    Attributes:
        schema: name of the database it is for.
        rows: bad rows by table, after the good ones of `good_rows`.
        lines: the index as newline-delimited JSON.
        spoils: whether a value was put in that a source itself can refuse, so that the window may
            fail with a clear error.
    """

    seed: int
    schema: str
    rows: dict[str, list[Row]]
    lines: bytes
    spoils: bool


def good_rows() -> dict[str, list[Row]]:
    """The good stores: open around the clock, except each third without hours, in two zones."""
    return {
        "stores": [
            (
                i,
                f"Store {i}",
                f"Street {i}",
                f"City {i % 3}",
                f"Brand {i % 2}",
                "America/Manaus" if i % 2 else None,
                True,
            )
            for i in GOOD_STORES
        ],
        "store_weekly_hours": [
            (i, day, "00:00", "24:00") for i in GOOD_STORES for day in range(1, 8) if i % 3
        ],
        "store_special_hours": [(i, "2026-11-23", None, None) for i in GOOD_STORES if i % 5 == 0],
    }


def good_documents() -> list[bytes]:
    """What the index lists of the good stores: each fourth is offline."""
    return [
        json.dumps(
            {"store_id": str(i), "online": i % 4 > 0, "updated_at": "2026-11-23T13:05:00Z"}
        ).encode()
        for i in GOOD_STORES
    ]


def clean_case(schema: str) -> Case:
    """The good stores alone."""
    return Case(-1, schema, {table: [] for table in COLUMNS}, b"\n".join(good_documents()), False)


def dirty_case(seed: int) -> Case:
    """The bad rows of a seed."""
    chance = random.Random(seed)
    schema = chance.choices(list(SCHEMAS), weights=(6, 2, 2, 1))[0]
    types, spoils = SCHEMAS[schema], schema == "bytes"
    huge = chance.random() < 0.02

    def value(column: str) -> Any:
        kind = types.get(column, "text")
        if chance.random() < 0.3:
            return bad_id(column)
        if kind == "text" and column == "is_active":
            return chance.choice(("true", "f", "1", "maybe", "", None))
        if kind == "text":
            return "x" * HUGE_CHARACTERS if huge and column == "name" else chance.choice(TEXTS)
        if kind == "bigint":
            return chance.choice(NUMBERS)
        if kind == "smallint":
            return chance.choice((None, 0, 1, 7, 8, -1, 2**15 - 1, -(2**15)))
        if kind == "double precision":
            return chance.choice(FLOATS)
        if kind == "date":
            return chance.choice(DATES)
        return chance.choice((None, True, False)) if kind == "boolean" else chance.choice(TIMES)

    def bad_id(column: str) -> Any:
        """Stores that are listed twice in the source, hours of no store: by an id beyond the
        good ones.
        """
        return chance.choice((None, 100, 101, 102)) if column == "store_id" else None

    def rows(table: str) -> list[Row]:
        made = [
            tuple(value(column) for column in COLUMNS[table])
            for _ in range(chance.randint(0, DIRTY_ROWS))
        ]
        # a copy of a bad row is the usual duplicate
        return made + ([chance.choice(made)] if made and chance.random() < 0.3 else [])

    def document() -> bytes:
        bad: dict[str, Any] = {
            "store_id": chance.choice((*TEXTS, *NUMBERS, *JSON_VALUES, 100, "100")),
            "online": chance.choice((True, False, "true", None, *JSON_VALUES)),
            "updated_at": chance.choice((None, *MOMENTS)),
        }
        if huge:
            bad[chance.choice(list(bad))] = "x" * HUGE_CHARACTERS
        if chance.random() < 0.3:
            del bad[chance.choice(list(bad))]
        return json.dumps(bad).encode()

    documents = [document() for _ in range(chance.randint(0, DIRTY_ROWS))]
    if chance.random() < 0.05:
        documents.append(chance.choice(BROKEN_LINES))
        spoils = True
    lines = [*good_documents(), *documents]
    chance.shuffle(lines)
    tables = {table: rows(table) for table in COLUMNS}
    return Case(seed, schema, tables, b"\n".join(lines), spoils or may_spoil(schema, tables, lines))


def may_spoil(schema: str, tables: dict[str, list[Row]], lines: Sequence[bytes]) -> bool:
    """Whether PostgreSQL cannot cast a value to what the platform reads, or a line has what
    JSON has not.
    """
    flags = {row[-1] for row in tables["stores"]} if schema == "as_text" else set()
    weekdays = [row[1] for row in tables["store_weekly_hours"]] if schema == "as_float" else []
    surrogate = any(b"\\ud800" in line for line in lines)
    return bool(flags & {"maybe", ""}) or any(day is not None for day in weekdays) or surrogate


def column_type(schema: str) -> Callable[[str], str]:
    """The type of a column in a database."""
    return lambda column: SCHEMAS[schema].get(column, "text")


def create_tables(schema: str) -> str:
    """The SQL that makes the three tables of a database."""
    kind = column_type(schema)
    return ";".join(
        f"CREATE TABLE {table} ({', '.join(f'{column} {kind(column)}' for column in columns)})"
        for table, columns in COLUMNS.items()
    )


OBSERVED_AT = datetime(2026, 11, 23, 13, 7, tzinfo=UTC)
