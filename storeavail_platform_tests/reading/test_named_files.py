"""Files that a user names: any separator, exact values, ids as they are written; mistakes in words."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.reading.named_files import named_files, read_named


def read(path: Path) -> pa.Table:
    return read_named({"contacts": path}, TABLES)["contacts"]


def column(folder: Path, *values: str) -> list[Any]:
    """What a column of these values is read as; a second one keeps empty lines apart."""
    path = folder / "one.csv"
    path.write_text("value,row\n" + "".join(f"{value},x\n" for value in values))
    found: list[Any] = read(path)["value"].to_pylist()
    return found


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_any_separator(tmp_path: Path, separator: str, start: str) -> None:
    """Found in the heading; quotes and line ends inside a field are part of it."""
    path = tmp_path / "contacts.csv"
    lines = [["code", "owner, name", "n"], ["007", '"A;B\n""C"""', "1"], ["", '""', "2"]]
    text = "\r\n".join(separator.join(line) for line in lines).replace(
        "owner, name", '"owner, name"'
    )
    path.write_bytes((start + text).encode())
    assert read(path).to_pylist() == [
        {"code": "007", "owner, name": 'A;B\n"C"', "n": 1},
        {"code": None, "owner, name": "", "n": 2},
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "0", ""], [1, -2, 0, None]),
        (["1", "007"], ["1", "007"]),
        (["-0", "1"], ["-0", "1"]),
        (["+5511999999999"], ["+5511999999999"]),
        (["12345678901234567890"], ["12345678901234567890"]),
        (["1.5", "2"], [1.5, 2.0]),
        (["1.1234567"], ["1.1234567"]),
        (["1e3"], ["1e3"]),
        (["2026-11-23"], [date(2026, 11, 23)]),
        (["2026-02-30"], ["2026-02-30"]),
        (["true", "FALSE"], [True, False]),
        (["NULL", "nan"], ["NULL", "nan"]),
        (["", ""], [None, None]),
    ],
)
def test_a_type_is_taken_only_where_it_writes_the_same(
    tmp_path: Path, values: list[str], expected: list[Any]
) -> None:
    """Leading zeros, long numbers and anything doubtful stay text."""
    assert column(tmp_path, *values) == expected


def test_what_is_text_in_the_tables_is_text(tmp_path: Path) -> None:
    """So that a join by such a column compares text with text."""
    path = tmp_path / "cities.csv"
    path.write_text("city,brand,n\n7,8,9\n")
    assert read(path).to_pylist() == [{"city": "7", "brand": "8", "n": 9}]


def test_names_of_columns(tmp_path: Path) -> None:
    """Repeated ones are told apart, one without a name is named by its place."""
    path = tmp_path / "names.csv"
    path.write_text("a,a,,b \n1,2,3,4\n")
    assert read(path).column_names == ["a", "a_1", "column_3", "b"]


def test_parquet(tmp_path: Path) -> None:
    """With the types that it has."""
    rows = pa.table({"code": ["007"], "n": pa.array([1], pa.int16())})
    pq.write_table(rows, tmp_path / "contacts.parquet")
    assert read(tmp_path / "contacts.parquet").equals(rows)


@pytest.mark.parametrize(
    ("name", "file", "data", "said"),
    [
        ("stores", "a.csv", b"a\n1\n", "stores is the platform's own table"),
        ("Stores", "a.csv", b"a\n1\n", "Stores is the platform's own table"),
        ("my stores", "a.csv", b"a\n1\n", "'my stores' is no name for a table"),
        ("a", "a.xlsx", b"PK", r"is none of \.csv, .*save a spreadsheet as CSV in UTF-8"),
        ("a", "a.csv", "é".encode("latin-1"), r"is not UTF-8 \(at byte 0\)"),
        ("a", "a.csv", b"", "it has no heading line"),
        ("a", "a.csv", b"a,b\n1\n", "cannot be read: .*Expected 2 columns, got 1"),
        ("a", "a.parquet", b"PAR1", "a.parquet cannot be read"),
        ("a", "gone.csv", None, "No such file"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, name: str, file: str, data: bytes | None, said: str
) -> None:
    """With the file and what to do."""
    if data is not None:
        (tmp_path / file).write_bytes(data)
    with pytest.raises(QueryRefused, match=said):
        read_named({name: tmp_path / file}, TABLES)


def test_as_written_on_a_command_line() -> None:
    """`name=file`, each name once."""
    assert named_files(["a=x=y.csv", "b=z.csv"]) == {"a": "x=y.csv", "b": "z.csv"}
    for wrong in (["contacts.csv"], ["a="], ["a=x.csv", "a=y.csv"]):
        with pytest.raises(QueryRefused):
            named_files(wrong)
