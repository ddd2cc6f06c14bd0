"""What a text of SQL is: one statement that only reads, the names in it, and whether it compares
text with numbers. Nothing is run here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from storeavail_platform.domain.errors import QueryRefused

DIALECT = "duckdb"
LONGEST_STATEMENT = 100_000
"""Characters of a statement: planning a longer one takes its time before any limit of time acts."""
GAP = r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
"""Blanks and comments."""
EXPLAIN = re.compile(rf"{GAP}EXPLAIN\b{GAP}(?:ANALYZE\b{GAP})?", re.IGNORECASE | re.DOTALL)
OPTIONS = re.compile(rf"\([^()]*\){GAP}", re.DOTALL)
DESCRIBED = re.compile(
    rf'{GAP}(?:DESCRIBE|DESC|SHOW){GAP}"?(\w+)"?{GAP};?{GAP}\Z', re.IGNORECASE | re.DOTALL
)
"""DESCRIBE of a table, and SHOW TABLES."""
LISTING = re.compile(
    rf"\A{GAP}(?:SHOW|DESCRIBE{GAP};?{GAP}\Z|DESC{GAP};?{GAP}\Z)|\(\s*(?:SHOW|DESCRIBE)\b"
    r"|\b(?:information_schema|pg_catalog|sqlite_master|duckdb_\w+)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What asks which tables there are: all of them must be there to answer it."""
LITERALS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/""", re.DOTALL
)
WRITES = re.compile(
    r"[()]\s*(?:COPY\b.*?\bTO|INSERT\s.*?\bINTO|DELETE\s+FROM|UPDATE\b.*?\bSET|MERGE\s+INTO)\b",
    re.IGNORECASE | re.DOTALL,
)
"""What the WITH of a SELECT may hold and do: DuckDB lets it write to its folder for spilling."""

TABLE_TEXT = exp.DType.NVARCHAR
"""Stands for text that comes from a table: no function gives it, so that text that a query makes
itself, as `strftime` does, may be compared with numbers as before.
"""
COMPARISONS = (
    exp.EQ,
    exp.NEQ,
    exp.NullSafeEQ,
    exp.NullSafeNEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.In,
    exp.Between,
    exp.Nullif,
)


def require_one_query(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Let one statement through that only reads: SELECT in each of its forms (WITH, FROM first,
    VALUES, UNION, PIVOT, DESCRIBE, SHOW, SUMMARIZE), or EXPLAIN of one.

    Raises:
        QueryRefused: it is anything else.
        duckdb.ParserException: it is not SQL.
    """
    if len(sql) > LONGEST_STATEMENT:
        raise QueryRefused(
            f"the statement has {len(sql):,} characters, and at most {LONGEST_STATEMENT:,} are"
            " read: put lists of values into a file (--table NAME=FILE)"
        )
    try:
        sql.encode()
    except UnicodeEncodeError:
        raise QueryRefused("the statement is not text: it has bytes that are not UTF-8") from None
    statements = connection.extract_statements(sql)
    kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
    if len(statements) == 1 and EXPLAIN.match(statements[0].query):
        if not any(_is_select(connection, text) for text in _explained(statements[0].query)):
            raise QueryRefused("EXPLAIN is for a SELECT alone; this explains something else")
    elif not _is_select(connection, sql):
        raise QueryRefused(f"write exactly one SELECT or EXPLAIN; this is {kinds}")
    if WRITES.search(LITERALS.sub(" ", sql)):
        raise QueryRefused("write exactly one SELECT or EXPLAIN; this one also writes")


def _is_select(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        (statement,) = connection.extract_statements(sql)
        if statement.type != duckdb.StatementType.MULTI:
            return bool(statement.type == duckdb.StatementType.SELECT)
        # PIVOT, and whatever has one in it: only a query can be another one's table
        body = re.sub(rf";{GAP}\Z", "", statement.query, flags=re.DOTALL)
        (wrapped,) = connection.extract_statements(f"SELECT * FROM (\n{body}\n)")
    except (duckdb.Error, ValueError):
        return False
    return bool(wrapped.type == duckdb.StatementType.MULTI)


def _explained(sql: str) -> Iterator[str]:
    """What an EXPLAIN may be of: what follows the word, with and without options in brackets."""
    text = EXPLAIN.sub("", sql, count=1)
    yield text
    yield OPTIONS.sub("", text, count=1) if OPTIONS.match(text) else text


def names_in(sql: str) -> set[str]:
    """Every word of a statement, in lower case: whichever is a table's name may stand for it."""
    return {name.lower() for name in re.findall(r"\w+", sql)}


def asks_which_tables(sql: str) -> bool:
    """Whether a statement may list tables without naming them."""
    return LISTING.search(sql) is not None


def described(sql: str) -> str | None:
    """The name, in lower case, that a bare `DESCRIBE name` or `SHOW name` is about."""
    found = DESCRIBED.match(sql)
    return found[1].lower() if found else None


def refuse_numbers_for_text(sql: str, schemas: Mapping[str, pa.Schema]) -> None:
    """Stop a comparison of a table's text with a number.

    DuckDB would cast the text, and '007' would be 7 in silence.

    Args:
        schemas: of the tables that the statement may name.

    Raises:
        QueryRefused: names the column and how to write it.
    """
    text = EXPLAIN.sub("", sql, count=1)
    texts = {
        field.name
        for schema in schemas.values()
        for field in schema
        if _sql_type(field.type) == TABLE_TEXT
    }
    texts -= {
        field.name
        for schema in schemas.values()
        for field in schema
        if _sql_type(field.type) != TABLE_TEXT
    }
    try:
        comparisons = list(_comparisons(text, schemas))
    except (SqlglotError, RecursionError, ValueError):
        _refuse_by_words(text, texts)
        return
    for sides in comparisons:
        column = next((side for side in sides if _is_table_text(side, texts)), None)
        number = next((side for side in sides if _is_number(side)), None)
        if column is not None and number is not None:
            raise QueryRefused(_advice(column.sql(DIALECT, identify=False), number.sql(DIALECT)))


def _comparisons(sql: str, schemas: Mapping[str, pa.Schema]) -> Iterator[tuple[exp.Expr, ...]]:
    """The sides of each comparison, typed as far as sqlglot sees through the statement."""
    # half a second of imports that only this needs
    from sqlglot.optimizer.annotate_types import annotate_types
    from sqlglot.optimizer.qualify import qualify

    typed: dict[str, object] = {
        name.lower(): {
            field.name.lower(): exp.DataType.build(_sql_type(field.type)) for field in schema
        }
        for name, schema in schemas.items()
    }
    tree = sqlglot.parse_one(sql, dialect=DIALECT)
    tree = qualify(
        tree,
        schema=typed,
        dialect=DIALECT,
        validate_qualify_columns=False,
        quote_identifiers=False,
        identify=False,
    )
    tree = annotate_types(tree, schema=typed, dialect=DIALECT)
    for node in tree.find_all(*COMPARISONS):
        yield from _sides(tuple(node.iter_expressions()))
    for case in tree.find_all(exp.Case):
        if case.this is not None:
            yield from ((case.this, branch.this) for branch in case.args["ifs"])


def _sides(sides: tuple[exp.Expr, ...]) -> Iterator[tuple[exp.Expr, ...]]:
    """Rows that are compared, column by column; else what is compared itself."""
    if all(isinstance(side, exp.Tuple) for side in sides):
        yield from zip(*(side.expressions for side in sides), strict=False)
    else:
        yield sides


def _is_table_text(side: exp.Expr, texts: Iterable[str]) -> bool:
    if side.type is not None and side.type.this == TABLE_TEXT:
        # what JSON in text holds has types of its own
        return not isinstance(side, exp.JSONExtract)
    # sqlglot does not see through every form; a name that is text in every table tells all the same
    is_unknown = side.type is None or side.type.this == exp.DType.UNKNOWN
    return isinstance(side, exp.Column) and is_unknown and side.name.lower() in texts


def _is_number(side: exp.Expr) -> bool:
    kind = side.type
    if kind is None and isinstance(side, exp.Subquery | exp.Select):
        selects = side.selects
        kind = selects[0].type if selects else None
    return kind is not None and kind.this in exp.DataType.NUMERIC_TYPES


def _refuse_by_words(sql: str, texts: Iterable[str]) -> None:
    for column in sorted(texts):
        found = re.search(
            rf'\b{column}"?\s*(?:=|<>|!=|<=?|>=?|\bIN\s*\()\s*(-?\d[\d.]*)', sql, re.IGNORECASE
        )
        if found is not None:
            raise QueryRefused(_advice(column, found[1]))


def _advice(column: str, number: str) -> str:
    is_literal = re.fullmatch(r"-?\d[\d.]*", number) is not None
    wanted = f"'{number}'" if is_literal else f"CAST({number} AS VARCHAR)"
    name = column.rpartition(".")[2] if is_literal else column
    return (
        f"{name} is text: write {name} = {wanted}, not {number} (compared as a number, '007' would"
        f" be 7). To compare numbers all the same, write CAST({name} AS BIGINT)"
    )


@cache
def _sql_type(kind: Any) -> exp.DType:
    """What a column of Arrow's is to sqlglot, as far as comparing goes."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return TABLE_TEXT
    if pa.types.is_integer(kind):
        return exp.DType.BIGINT
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return exp.DType.DOUBLE
    if pa.types.is_boolean(kind):
        return exp.DType.BOOLEAN
    return exp.DType.UNKNOWN
