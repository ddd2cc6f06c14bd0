"""Whether a statement compares a table's text with a number.

Imported where one may (`statements.py`): sqlglot takes long to import.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from storeavail_platform.domain.errors import QueryRefused
from storeavail_platform.reading.statements import EXPLAIN

DIALECT = "duckdb"
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
