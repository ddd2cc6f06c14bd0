"""Whatever the statement: rows, or an error of the platform in words, within the limits."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest

from storeavail_platform.domain.errors import QueryRefused, QueryStopped
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.limits import Limits
from storeavail_platform.reading.query import query
from storeavail_testing.pages import fill, make_stores, runtime_in

STATEMENTS = 300
LIMITS = Limits(max_rows=10_000, timeout=timedelta(seconds=5), memory=50_000_000)
PIECES = (
    *[
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "BY",
        "ORDER",
        "LIMIT",
        "WITH",
        "RECURSIVE",
        "UNION",
        "ALL",
        "EXCEPT",
        "VALUES",
        "PIVOT",
    ],
    *[
        "UNPIVOT",
        "SUMMARIZE",
        "DESCRIBE",
        "SHOW",
        "EXPLAIN",
        "ANALYZE",
        "COPY",
        "ATTACH",
        "INSTALL",
        "LOAD",
        "PRAGMA",
        "SET",
    ],
    *[
        "CREATE",
        "TABLE",
        "INSERT",
        "INTO",
        "DELETE",
        "UPDATE",
        "DROP",
        "EXPORT",
        "IMPORT",
        "CALL",
        "CHECKPOINT",
        "VACUUM",
    ],
    *[
        "store_availability",
        "availability_summary",
        "store_id",
        "status",
        "1",
        "-1",
        "1e308",
        "NULL",
        "*",
        "(",
        ")",
        ",",
        ";",
    ],
    *[
        "'x'",
        '"x"',
        "$$x$$",
        "$1",
        "?",
        ":a",
        "[",
        "]",
        "{",
        "}",
        "::",
        "INTEGER",
        "DATE",
        "INTERVAL",
        "COUNT(*)",
        "SUM(1)",
        "LIST(1)",
    ],
    *[
        "read_csv('/etc/passwd')",
        "read_text('*')",
        "glob('/*')",
        "range(1000000000)",
        "getenv('HOME')",
    ],
    *[
        "error('x')",
        "repeat('x',100000)",
        "UNNEST(range(10))",
        "--",
        "/*",
        "*/",
        "\x00",
        "\u202e",
        "�",
        "é",
        "🙂",
    ],
)
"""Words of SQL, and what reaches for files, the environment, time and memory."""
KNOWN = (
    "",
    ";",
    "(" * 5_000,
    "SELECT " + "(" * 900 + "1" + ")" * 900,
    "SELECT " + "+".join(["1"] * 40_000),
    "SELECT '" + "x" * 200_000 + "'",
    "SELECT * FROM store_availability WHERE store_id IN (" + "'1'," * 20_000 + "'1')",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT COUNT(*) FROM t",
    "EXPLAIN ANALYZE DELETE FROM store_availability",
    "EXPLAIN (FORMAT json) COPY (SELECT 1) TO '.tmp/x'",
    "EXPLAIN EXPLAIN SELECT 1",
    "SELECT LIST(a.store_id) FROM store_availability a, store_availability b, range(1000)",
    "SELECT CAST(name AS INTEGER) FROM store_availability",
    "SELECT * FROM query('SELECT 1; DROP TABLE x')",
    "SELECT * FROM '.tmp/x.parquet'",
)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    made = runtime_in(tmp_path_factory.mktemp("any"))
    fill(made, "BR", make_stores(5, 1, {}), days=1)
    return made


def is_answered_in_words(runtime: Runtime, sql: str) -> bool:
    try:
        found = query(runtime, sql, limits=LIMITS)
    except (QueryRefused, QueryStopped) as error:
        said = str(error)
        return bool(said) and len(said) < 12_000 and "\x1b" not in said and "\0" not in said
    return found.num_rows <= LIMITS.max_rows if LIMITS.max_rows else False


@pytest.mark.parametrize("number", range(len(KNOWN)))
def test_known_trouble(runtime: Runtime, number: int) -> None:
    """Deep, long, endless, writing, explaining something that writes, reaching for files."""
    assert is_answered_in_words(runtime, KNOWN[number])


def test_words_in_any_order(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but rows or words; the working directory and its `.tmp` are as they were."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".tmp" / "kept").write_text("kept")
    source = random.Random(22)
    for _ in range(STATEMENTS):
        picked = [source.choice(PIECES) for _ in range(source.randint(1, 14))]
        sql = " ".join(["SELECT", *picked] if source.random() < 0.6 else picked)
        assert is_answered_in_words(runtime, sql), sql
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        ".tmp",
        ".tmp/kept",
    ]
