"""Results as text: every digit in CSV and JSON, JSON's own types, ISO dates; tables fit the
terminal they are drawn on.
"""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from storeavail_platform.reading.exact import exact_columns, exact_schema
from storeavail_platform.reading.formats.text import as_json, as_table, csv_lines

LARGEST = 2**127 - 1
CASES: list[tuple[str, Any, str]] = [
    ("NULL", None, ""),
    ("true", True, "True"),
    (f"{LARGEST}::HUGEINT", LARGEST, f"{LARGEST}"),
    ("SUM(9007199254740993::BIGINT)", 9007199254740993, "9007199254740993"),
    ("18446744073709551615::UBIGINT", 2**64 - 1, f"{2**64 - 1}"),
    ("1.10::DECIMAL(18, 2)", Decimal("1.10"), "1.10"),
    ("0.0000000001::DECIMAL(20, 10)", Decimal("0.0000000001"), "0.0000000001"),
    ("0.1::DOUBLE + 0.2::DOUBLE", Decimal("0.30000000000000004"), "0.30000000000000004"),
    ("'nan'::DOUBLE", None, "nan"),
    ("DATE '2026-11-23'", "2026-11-23", "2026-11-23"),
    ("DATE '0044-03-15 (BC)'", "0044-03-15 (BC)", "0044-03-15 (BC)"),
    ("DATE '12026-01-01'", "12026-01-01", "12026-01-01"),
    ("'infinity'::DATE", "infinity", "infinity"),
    (
        "TIMESTAMPTZ '2026-11-23 10:15:00.5+00'",
        "2026-11-23T10:15:00.500000Z",
        "2026-11-23T10:15:00.500000+00:00",
    ),
    ("TIMESTAMP '2026-11-23 10:15:00'", "2026-11-23T10:15:00", "2026-11-23T10:15:00"),
    (
        "'0044-03-15 (BC) 10:00:00'::TIMESTAMP",
        "0044-03-15 (BC) 10:00:00",
        "0044-03-15 (BC) 10:00:00",
    ),
    (
        "'2026-11-23 10:15:00.123456789'::TIMESTAMP_NS",
        "2026-11-23 10:15:00.123456789",
        "2026-11-23 10:15:00.123456789",
    ),
    ("[1, NULL]", [1, None], "[1,null]"),
    ("[DATE '0044-03-15 (BC)']", ["0044-03-15 (BC)"], '["0044-03-15 (BC)"]'),
    (
        "{'n': 1.50::DECIMAL(5, 2), 'd': [DATE '2026-11-23'], 't': 'x'}",
        {"n": Decimal("1.50"), "d": ["2026-11-23"], "t": "x"},
        '{"n":1.50,"d":["2026-11-23"],"t":"x"}',
    ),
    ("MAP {'a': 1, 'b': 2}", {"a": 1, "b": 2}, '{"a":1,"b":2}'),
    ("MAP {DATE '2026-11-23': [1::HUGEINT]}", {"2026-11-23": [1]}, '{"2026-11-23":[1]}'),
    (
        "'{\"a\": [1, 12345678901234567890123]}'::JSON",
        {"a": [1, 12345678901234567890123]},
        '{"a":[1,12345678901234567890123]}',
    ),
    ("'a'::ENUM('a', 'b')", "a", "a"),
    (
        "'123e4567-e89b-12d3-a456-426614174000'::UUID",
        "123e4567-e89b-12d3-a456-426614174000",
        "123e4567-e89b-12d3-a456-426614174000",
    ),
    ("'\\xAA\\x00b'::BLOB", "\\xAA\\x00b", "\\xAA\\x00b"),
    ("TIME '24:00:00'", "24:00:00", "24:00:00"),
    ("'007'", "007", "007"),
    ("'São Paulo'", "São Paulo", "São Paulo"),
    ("-5", -5, "-5"),
]
"""SQL, its value in JSON, its field in CSV."""


def result_of(sql: str) -> pa.Table:
    """As `query` gets it."""
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.sql(sql)
        found = exact_columns(relation).to_arrow_table()
        schema = exact_schema(found.schema, relation.columns, relation.types)
        return pa.Table.from_arrays(found.columns, schema=schema)


def read_json(data: bytes) -> Any:
    """Strictly, with every digit: NaN is no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(data, parse_float=Decimal, parse_constant=refuse)


@pytest.mark.parametrize(("expression", "value", "field"), CASES, ids=[case[0] for case in CASES])
def test_values(expression: str, value: Any, field: str) -> None:
    """JSON has numbers as numbers with every digit, nested values as its own; CSV the same as
    text.
    """
    result = result_of(f"SELECT {expression} AS value")
    (row,) = read_json(as_json(result))
    assert row == {"value": value}
    assert type(row["value"]) in (type(value), int, type(None))
    assert list(csv.reader(csv_lines(result))) == [["value"], [field] if field else []]


def test_headings_are_fields_too() -> None:
    """A name that a query gives may hold a separator, or be a formula."""
    (heading, _) = csv_lines(result_of('SELECT 1 AS "=1;2", 2 AS b'))
    assert heading == '"\'=1;2",b\n'


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-(2**127) + 1, 2**127 - 1), min_size=1, max_size=5))
def test_whole_numbers_keep_every_digit(numbers: list[int]) -> None:
    """Whatever a HUGEINT holds, in both formats."""
    listed = ", ".join(f"({number}::HUGEINT)" for number in numbers)
    result = result_of(f"FROM (VALUES {listed}) AS t(n)")
    assert [row["n"] for row in read_json(as_json(result))] == numbers
    assert [int(line) for line in list(csv_lines(result))[1:]] == numbers


def test_a_table_is_as_wide_as_it_must_be() -> None:
    """Nothing is cut or folded where nothing is narrow; numbers stand right, and may be rounded."""
    result = result_of(
        "SELECT repeat('x', 300) AS a, 0.123456::DOUBLE AS b, 1e-9::DOUBLE AS c, 1e300::DOUBLE AS d,"
        " 12.5::DECIMAL(5, 1) AS e"
    )
    _, heading, _, row, _ = as_table(result).splitlines()
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "x" * 300,
        "0.1235",
        "1e-09",
        "1e+300",
        "12.5",
    ]
    assert len(heading) == len(row)


def test_a_narrow_terminal_gets_a_line_a_value() -> None:
    """No line of the table is broken by the terminal: each row is lines of column and value."""
    result = result_of(
        "SELECT * FROM (VALUES (1, 'São Paulo'), (2, 'a' || chr(10) || 'b')) AS t(store_id, city)"
    )
    assert as_table(result, width=80).startswith("┏")
    assert as_table(result, width=20) == (
        "-- row 1\nstore_id  1\ncity      São Paulo\n"
        "-- row 2\nstore_id  2\ncity      a\n          b\n"
    )
    assert as_table(result.slice(0, 0), width=10) == "store_id\ncity\n(no rows)\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "cp437"])
def test_frames_are_what_the_terminal_has(encoding: str) -> None:
    """A terminal without box characters gets a table of ASCII, in line all the same."""
    drawn = as_table(result_of("SELECT 'x' AS a, 1 AS b"), width=80, encoding=encoding)
    assert drawn.encode(encoding).decode(encoding) == drawn
    assert len({cell_len(line) for line in drawn.splitlines()}) == 1


def test_control_characters_do_not_reach_a_terminal() -> None:
    """Nor in headings, nor in records."""
    result = result_of("SELECT chr(27) || '[2J' AS \"a\x1bb\"")
    assert "\x1b" not in as_table(result) + as_table(result, width=5)
