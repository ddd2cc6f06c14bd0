"""Results as text: CSV, JSON, and tables for people. Values are exact in all but tables, which
may round.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from storeavail_platform.reading.exact import rows_of
from storeavail_platform.reading.formats.csv_cells import guarded, quoted

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that a terminal obeys instead of showing them."""
NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
WIDEST = 1_000_000
"""Columns of a table that nothing cuts."""
PLAIN_FLOATS = (1e-4, 1e15)
"""Sizes that four places after the point show."""
LONGEST_PLAIN_NUMBER = 50
"""Digits up to which JSON has no exponent."""


def csv_lines(result: pa.Table) -> Iterator[str]:
    """The result as RFC 4180 CSV, moments in ISO 8601 UTC, NULL as empty, lists and structs as
    JSON; text that a spreadsheet would run gets an apostrophe (`csv_cells.py`).
    """
    yield ",".join(quoted(guarded(name)) for name in result.schema.names) + "\n"
    for row in rows_of(result):
        yield ",".join(map(_csv_field, row)) + "\n"


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    text = exact_text(value)
    return quoted(guarded(text) if isinstance(value, str | dict | list) else text)


def as_json(result: pa.Table) -> bytes:
    """The result as a JSON array of objects: numbers with every digit, moments in ISO 8601; NaN
    and infinity, which JSON has not, are null.
    """
    names = result.schema.names
    return orjson.dumps(
        [dict(zip(names, row, strict=True)) for row in rows_of(result)],
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
        default=_json_number,
    )


def _json_number(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not JSON")
    is_plain = abs(value.adjusted()) < LONGEST_PLAIN_NUMBER
    return orjson.Fragment(format(value, "f") if is_plain else str(value))


def exact_text(value: Any) -> str:
    """A value as text with every digit, moments in ISO 8601, lists and structs as JSON."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_UTC_Z, default=_json_number).decode()
    return str(value)


def as_table(result: pa.Table, *, width: int | None = None, encoding: str = "utf-8") -> str:
    """The result for people.

    Args:
        width: columns of a terminal; in one that is narrower than the table every row is drawn as
            lines of `column  value`. None: nothing is narrower.
        encoding: of the terminal; frames are ASCII where it has no others.
    """
    frame = box.HEAVY_HEAD if _has_frames(encoding) else box.ASCII
    drawn = RichTable(show_header=True, header_style="bold", box=frame)
    for name, kind in zip(result.schema.names, result.schema.types, strict=True):
        is_number = any(is_kind(kind) for is_kind in NUMBERS)
        drawn.add_column(Text(_shown(name)), justify="right" if is_number else "left")
    rows = [[_shown(_people_text(value)) for value in row] for row in rows_of(result)]
    for row in rows:
        drawn.add_row(*map(Text, row))
    console = Console(file=io.StringIO(), width=WIDEST, no_color=True)
    if width is not None and console.measure(drawn).maximum > width:
        return _as_records(result.schema.names, rows)
    console.print(drawn)
    output = console.file
    assert isinstance(output, io.StringIO)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines()) + "\n"


def _as_records(names: list[str], rows: list[list[str]]) -> str:
    labels = [_shown(name) for name in names]
    widest = max(map(cell_len, labels))
    lines = [] if rows else [*labels, "(no rows)"]
    for number, row in enumerate(rows, 1):
        lines.append(f"-- row {number}")
        for label, value in zip(labels, row, strict=True):
            pad = " " * (widest - cell_len(label) + 2)
            first, *others = value.split("\n")
            lines.append(f"{label}{pad}{first}".rstrip())
            lines += [" " * (widest + 2) + line for line in others]
    return "\n".join(lines) + "\n"


def _has_frames(encoding: str) -> bool:
    try:
        "┏━┓│".encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def _people_text(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        smallest, largest = PLAIN_FLOATS
        is_plain = value == 0 or smallest <= abs(value) < largest
        return f"{value:.4f}" if is_plain else f"{value:.6g}"
    return exact_text(value)
