"""What SQL the tables may use: what Spark 3.5 (ANSI, UTC) and DuckDB answer alike. Checked when tables are loaded, with file and line.

Also what follows from reading the SQL: which relations it uses, and which column comes from which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope, traverse_scope

from storeavail_platform.errors import TableDeclarationError
from storeavail_platform.tables.relations import RELATIONS
from storeavail_platform.tables.table import Table

DIALECT = "spark"

REFUSED_WORDS: Mapping[str, str] = {
    "dayofweek|weekday\\s*\\(|day_of_week|isodow|extract|date_part": "computes weekdays or parts of dates differently; join local_windows",
    "at\\s+time\\s+zone|from_utc_timestamp|to_utc_timestamp|timezone\\s*\\(": "computes local time; join local_windows",
    "epoch|unix_timestamp|date_format|strftime|datediff|date_diff|date_add|date_sub|date_trunc|interval": (
        "computes with dates differently; give the value from Python in a relation"
    ),
    "current_date|current_timestamp|now\\s*\\(|today\\s*\\(|random|rand\\s*\\(|uuid": "differs from run to run; give the value from Python",
    "concat|concat_ws": "treats NULL differently; use ||",
    "nvl|ifnull": "is on one engine only; use COALESCE",
    "shiftleft|shiftright|<<|>>": "is on one engine only; use POW(2, n) or a bit given from Python",
    "div": "is on one engine only; use FLOOR(CAST(a AS DOUBLE) / b) cast to BIGINT",
    "//": "is on one engine only; use FLOOR(CAST(a AS DOUBLE) / b) cast to BIGINT",
    "regexp_replace|regexp_extract|regexp_matches|rlike|similar": "differs in syntax and meaning; use TRANSLATE, LIKE or SUBSTRING from 1",
    "split|substring_index": "counts from 0 on one engine and from 1 on the other",
    "sequence|explode|unnest|generate_series|range\\s*\\(": "is on one engine only; join a relation given from Python",
    "any_value|array_agg|first\\s*\\(|last\\s*\\(|arbitrary": "depends on order and treats NULL differently; use MIN or MAX",
    "hash|md5|sha|sha2": "gives other values on the other engine",
    "qualify": "is not in Spark 3.5; use a subquery",
    "left\\s+anti|left\\s+semi": "is on one engine only; write ANTI JOIN or SEMI JOIN",
    "decimal|numeric": "has other precision rules on the other engine; use BIGINT or DOUBLE",
    "\\^": "is power on one engine and exclusive or on the other; use POW",
    "timestamp\\s+'": "reads an offset differently; give the value from Python in a relation",
}
"""Pattern of words, and why they are refused with what to write instead."""


@cache
def check_portable(sql: str, name: str) -> exp.Expression:
    """The parsed statement, when both engines answer it alike.

    Args:
        name: the table, for the message.

    Raises:
        TableDeclarationError: names file, line, the word, why, and what to write instead.
    """
    bare = _without_text(sql)
    for pattern, reason in REFUSED_WORDS.items():
        found = re.search(rf"(?<![\w])({pattern})(?![\w])" if pattern[0].isalpha() else f"({pattern})", bare, re.IGNORECASE)
        if found:
            raise _error(name, bare, found.start(), f"{found.group(1).strip()!r} {reason}")
    if (quote := bare.find('"')) >= 0:
        raise _error(name, bare, quote, "double quotes are text on one engine and a name on the other; write names without quotes")
    try:
        statements = sqlglot.parse(sql, dialect=DIALECT)
    except SqlglotError as error:
        raise TableDeclarationError(f"{_file(name)}: is not SQL that both engines read: {error}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise TableDeclarationError(f"{_file(name)}: write exactly one SELECT")
    (statement,) = statements
    for order in statement.find_all(exp.Ordered):
        if not re.search(r"nulls\s+(first|last)", bare, re.IGNORECASE):
            raise _error(name, bare, bare.lower().find("order by"), f"ORDER BY {order.this} needs NULLS FIRST or NULLS LAST")
    for cast in statement.find_all(exp.Cast):
        if cast.to.is_type("int", "smallint", "tinyint", "bigint") and isinstance(cast.this, exp.Literal) and "." in cast.this.name:
            raise _error(name, bare, bare.find(cast.this.name), "casts of fractions to whole numbers round differently; use FLOOR first")
    return statement


def check_tables(tables: Sequence[Table]) -> None:
    """Check declarations together: names, inputs, order, keys, and that each SQL is portable and reads what the table declares.

    Raises:
        TableDeclarationError: names the table, its file and what is wrong.
    """
    known: set[str] = set(RELATIONS)
    names = {table.name for table in tables}
    for table in tables:
        if table.name in known:
            raise TableDeclarationError(f"table {table.name}: the name is taken")
        columns = [column.name for column in table.all_columns]
        repeated = {name for name in columns if columns.count(name) > 1}
        if repeated:
            raise TableDeclarationError(f"table {table.name}: column {sorted(repeated)[0]} is declared twice (the platform adds some itself)")
        for column in (*table.key, *table.sort_by):
            if column not in columns:
                raise TableDeclarationError(f"table {table.name}: key or sort column {column!r} is not among its columns")
        for name in table.inputs:
            if name in names and name not in known:
                what = "itself" if name == table.name else f"{name}, which is declared after it: a cycle, or the wrong order"
                raise TableDeclarationError(f"table {table.name}: reads {what}")
            if name not in known:
                raise TableDeclarationError(f"table {table.name}: there is no input {name!r} (there are: {', '.join(sorted(known))})")
        read = relations_read(table)
        if read != set(table.inputs):
            undeclared, unused = sorted(read - set(table.inputs)), sorted(set(table.inputs) - read)
            parts = [f"reads {', '.join(undeclared)} without declaring it"] * bool(undeclared) + [f"declares {', '.join(unused)} without reading it"] * bool(unused)
            raise TableDeclarationError(f"{_file(table.name)}: {'; '.join(parts)}")
        given = [column.alias_or_name for column in check_portable(table.sql, table.name).selects]
        declared = [column.name for column in table.columns]
        if given != declared:
            raise TableDeclarationError(
                f"{_file(table.name)}: gives the columns {', '.join(given)}; its declaration says {', '.join(declared)}"
            )
        known.add(table.name)


def relations_read(table: Table) -> set[str]:
    """The relations that a table's SQL reads, common table expressions left out."""
    statement = check_portable(table.sql, table.name)
    return {
        source.name
        for scope in traverse_scope(statement)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }


def column_lineage(table: Table, tables: Sequence[Table]) -> dict[str, list[tuple[str, str]]]:
    """For each of a table's own columns, the (relation, column) pairs that its value comes from."""
    schemas = {name: tuple(schema.names) for name, schema in RELATIONS.items()}
    schemas |= {other.name: tuple(column.name for column in other.columns) for other in tables}
    read = tuple((name, schemas[name]) for name in table.inputs)
    return _lineage(table.sql, tuple(column.name for column in table.columns), read)


@cache
def _lineage(sql: str, columns: tuple[str, ...], read: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, list[tuple[str, str]]]:
    schema = {name: dict.fromkeys(names, "string") for name, names in read}
    scope = build_scope(qualify(sqlglot.parse_one(sql, dialect=DIALECT), schema=schema, dialect=DIALECT, identify=False))
    origins: dict[str, list[tuple[str, str]]] = {}
    for column in columns:
        leaves = [node for node in lineage(column, sql, schema=schema, scope=scope, dialect=DIALECT).walk() if isinstance(node.expression, exp.Table)]
        origins[column] = sorted({(leaf.expression.name, leaf.name.rsplit(".", 1)[-1]) for leaf in leaves})
    return origins


def _without_text(sql: str) -> str:
    """The SQL with comments and text literals blanked, positions kept; the quotes stay."""
    return re.sub(r"--[^\n]*|'[^']*'", lambda found: re.sub(r"[^\n']", " ", found.group()), sql)


def _file(name: str) -> str:
    return f"tables/sql/{name}.sql"


def _error(name: str, sql: str, position: int, message: str) -> TableDeclarationError:
    line = sql.count("\n", 0, max(position, 0)) + 1
    return TableDeclarationError(f"{_file(name)}:{line}: {message}")
