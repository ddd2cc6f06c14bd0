"""Checks of declared tables when they are loaded: that their SQL is portable, and reads and gives
what they declare.

What is portable is data in `dialects.py`. Also here, what follows from reading the SQL: which
relations it uses, and which column comes from which.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import lineage
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope, traverse_scope

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables.dialects import (
    BEFORE_PARENTHESIS,
    DIALECT,
    FUNCTIONS,
    REFUSED_SIGNS,
    REFUSED_WORDS,
    trap,
)
from storeavail_platform.domain.tables.queries import Query
from storeavail_platform.domain.tables.relations import DAILY_RELATIONS, RELATIONS
from storeavail_platform.domain.tables.table import ARROW_TYPES, CHECK_NAMES, Table

SQL_TYPES: Mapping[pa.DataType, str] = {
    arrow: "timestamp" if name == "timestamptz" else name for name, arrow in ARROW_TYPES.items()
}


def check_portable(sql: str, name: str) -> exp.Query:
    """The parsed statement, when both engines answer it alike.

    Args:
        name: the table, for the message.

    Raises:
        TableDeclarationError: names file, line, the word, why, and what to write instead.
    """
    return _checked(sql, _file(name))


@cache
def _checked(sql: str, place: str) -> exp.Query:
    try:
        tokens = sqlglot.tokenize(sql, read=DIALECT)
        bare = _without_text(sql, tokens)
        _check_refused(bare, place)
        _check_functions(tokens, place)
        statements = sqlglot.parse(sql, dialect=DIALECT)
    except SqlglotError as error:
        where: dict[str, Any] = next(iter(getattr(error, "errors", ())), {})
        reason = where.get("description") or str(error)
        raise _error(
            place, where.get("line") or 1, f"is not SQL that both engines read: {reason}"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise _error(place, 1, "write exactly one SELECT")
    statement = statements[0]
    orders = [found.start() for found in re.finditer(r"(?i)\border\s+by\b", bare)]
    if len(list(statement.find_all(exp.Ordered))) > len(
        re.findall(r"(?i)\bnulls\s+(?:first|last)\b", bare)
    ):
        raise _error(
            place,
            bare.count("\n", 0, orders[0]) + 1,
            "every expression of ORDER BY needs NULLS FIRST or NULLS LAST",
        )
    for node in statement.walk():
        if message := trap(node):
            reason = (
                message
                if isinstance(node, exp.Select)
                else f"{node.sql(dialect=DIALECT)}: {message}"
            )
            raise _error(place, _line(node), reason)
    return statement


def _check_refused(bare: str, place: str) -> None:
    patterns = [
        (rf"(?<!\w)(?:{pattern})(?!\w)", reason) for pattern, reason in REFUSED_WORDS.items()
    ]
    for pattern, reason in (*patterns, *REFUSED_SIGNS.items()):
        if found := re.search(pattern, bare, re.IGNORECASE):
            raise _error(place, bare.count("\n", 0, found.start()) + 1, f"{found.group()} {reason}")


def _check_functions(tokens: Sequence[Token], place: str) -> None:
    for token, following in itertools.pairwise(tokens):
        word = token.text.upper()
        is_name = word.replace("_", "").isalnum() and token.token_type not in (
            TokenType.STRING,
            TokenType.NUMBER,
        )
        if (
            following.token_type == TokenType.L_PAREN
            and is_name
            and word not in FUNCTIONS | BEFORE_PARENTHESIS
        ):
            message = (
                f"{token.text}() is not known to answer alike on both engines; use one of"
                f" {', '.join(sorted(FUNCTIONS))}"
            )
            raise _error(place, token.line, message)


def check_tables(tables: Sequence[Table]) -> None:
    """Check declarations together: names, inputs, order, keys, and that each SQL is portable and
    reads what the table declares.

    Raises:
        TableDeclarationError: names the table, its file and what is wrong.
    """
    taken: set[str] = {*RELATIONS, *DAILY_RELATIONS}
    names = {table.name for table in tables}
    for number, table in enumerate(tables):
        known = {
            *input_relations(table),
            *(other.name for other in tables[:number] if other.is_daily == table.is_daily),
        }
        _check_names(table, taken)
        for name in table.inputs:
            if name in names and name not in known:
                what = (
                    "itself"
                    if name == table.name
                    else f"{name}, which is declared after it: a cycle, or the wrong order"
                )
                raise _wrong(table, f"reads {what}")
            if name not in known:
                raise _wrong(
                    table, f"there is no input {name!r} (there are: {', '.join(sorted(known))})"
                )
        taken.add(table.name)
        known.add(table.name)
        _check_statement(table, tables[:number])
        for check in table.checks:
            statement = _checked(
                check.sql, f"{table.declared_at}: table {table.name}, check {check.name}"
            )
            if unknown := sorted(_relations(statement) - known):
                raise _wrong(
                    table,
                    f"check {check.name}: reads {', '.join(unknown)}, which is not computed"
                    " before it",
                )


def check_queries(queries: Sequence[Query]) -> None:
    """Check that each of the platform's own queries is portable and reads what it declares.

    Raises:
        TableDeclarationError: names the file, and what is wrong.
    """
    for query in queries:
        read = _relations(check_portable(query.sql, query.name))
        if odd := sorted(read ^ query.inputs.keys()):
            raise TableDeclarationError(
                f"{_file(query.name)}: {', '.join(odd)} is read and not declared, or declared and"
                " not read (tables/queries.py)"
            )


def _check_names(table: Table, taken: Collection[str]) -> None:
    if table.name in taken:
        raise _wrong(table, "the name is taken")
    columns = [column.name for column in table.all_columns]
    if repeated := sorted(name for name in columns if columns.count(name) > 1):
        raise _wrong(
            table, f"column {repeated[0]} is declared twice (the platform adds some itself)"
        )
    for declared in table.all_columns:
        if declared.type not in ARROW_TYPES:
            raise _wrong(
                table,
                f"column {declared.name} has the type {declared.type!r}; there are"
                f" {', '.join(ARROW_TYPES)}",
            )
    _check_check_names(table)
    for column in (*table.key, *table.sort_by):
        if column not in columns:
            raise _wrong(table, f"key or sort column {column!r} is not among its columns")


def _check_check_names(table: Table) -> None:
    """Each check has one of the names that there are, and no other check of the table has it."""
    names = [check.name for check in table.checks]
    if wrong := [name for name in names if name not in CHECK_NAMES]:
        raise _wrong(
            table, f"a check is named {wrong[0]!r}; name it one of {', '.join(CHECK_NAMES)}"
        )
    if repeated := [name for name in names if names.count(name) > 1]:
        raise _wrong(
            table, f"two checks are named {repeated[0]!r}: make one of them, with figures of both"
        )


def _wrong(table: Table, message: str) -> TableDeclarationError:
    return TableDeclarationError(f"{table.declared_at}: table {table.name}: {message}")


def input_relations(table: Table) -> Mapping[str, pa.Schema]:
    """The relations besides other tables that a table of its kind can read."""
    return DAILY_RELATIONS if table.is_daily else RELATIONS


def _check_statement(table: Table, tables: Sequence[Table]) -> None:
    """The table's SQL reads what is declared, gives the declared columns, and does not compute
    with dates.
    """
    place, statement = _file(table.name), check_portable(table.sql, table.name)
    read, declared = relations_read(table), set(table.inputs)
    if undeclared := sorted(read - declared):
        lines = [
            _line(node) for node in statement.find_all(exp.Table) if node.name == undeclared[0]
        ]
        raise _error(
            place,
            min(lines),
            f"reads {', '.join(undeclared)} without declaring it as an input ({table.declared_at})",
        )
    if unused := sorted(declared - read):
        raise TableDeclarationError(
            f"{table.declared_at}: {place} declares the input {', '.join(unused)} without"
            " reading it"
        )
    selected, wanted = statement.named_selects, [column.name for column in table.columns]
    if selected != wanted:
        first = next(
            number
            for number, pair in enumerate(itertools.zip_longest(selected, wanted))
            if pair[0] != pair[1]
        )
        line = _line(statement.selects[min(first, len(selected) - 1)])
        message = (
            f"gives the columns {', '.join(selected)}; its declaration says {', '.join(wanted)}"
            f" ({table.declared_at})"
        )
        raise _error(place, line, message)
    for node in _typed(table.sql, place, _input_types(table, tables)).find_all(
        exp.Add, exp.Sub, exp.Mul
    ):
        if any(
            operand.is_type(*exp.DataType.TEMPORAL_TYPES)
            for operand in (node.this, node.expression)
        ):
            message = (
                "computes with dates differently on the other engine; give the value from Python in"
                " a relation"
            )
            raise _error(place, _line(node), f"{node.sql(dialect=DIALECT)}: {message}")


def relations_read(table: Table) -> set[str]:
    """The relations that a table's SQL reads, common table expressions left out."""
    return _relations(check_portable(table.sql, table.name))


def column_lineage(
    table: Table, tables: Sequence[Table]
) -> Mapping[str, Sequence[tuple[str, str]]]:
    """For each of a table's own columns, the (relation, column) pairs that its value comes from."""
    return _lineage(
        table.sql,
        _file(table.name),
        tuple(column.name for column in table.columns),
        _input_types(table, tables),
    )


def _relations(statement: exp.Query) -> set[str]:
    sources = (source for scope in traverse_scope(statement) for source in scope.sources.values())
    return {source.name for source in sources if isinstance(source, exp.Table)}


InputTypes = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def _input_types(table: Table, tables: Sequence[Table]) -> InputTypes:
    """The columns and types of what a table reads, as a value that can be a key of a cache."""
    schemas = {
        **input_relations(table),
        **{other.name: other.computed_schema() for other in tables},
    }
    return tuple(
        (name, tuple((field.name, SQL_TYPES[field.type]) for field in schemas[name]))
        for name in table.inputs
    )


@cache
def _typed(sql: str, place: str, inputs: InputTypes) -> exp.Query:
    """The statement with every column's relation and every expression's type found."""
    schema: dict[str, object] = {name: dict(columns) for name, columns in inputs}
    try:
        qualified = qualify(
            _checked(sql, place).copy(), schema=schema, dialect=DIALECT, identify=False
        )
        return annotate_types(qualified, schema=schema, dialect=DIALECT)
    except SqlglotError as error:
        reason = re.search(r"Line: (\d+)|Unknown column: (\w+)", str(error))
        named = [
            _line(node)
            for node in _checked(sql, place).find_all(exp.Column)
            if reason and node.name == reason[2]
        ]
        raise _error(
            place, int(reason[1]) if reason and reason[1] else min(named, default=1), str(error)
        ) from error


@cache
def _lineage(
    sql: str, place: str, columns: tuple[str, ...], inputs: InputTypes
) -> Mapping[str, Sequence[tuple[str, str]]]:
    schema = {name: dict(types) for name, types in inputs}
    scope = build_scope(_typed(sql, place, inputs))
    # All columns at once, over the statement as it is: thirty times as fast as one by one.
    roots = lineage(
        None, sql, schema=schema, scope=scope, dialect=DIALECT, trim_selects=False, copy=False
    )
    origins: dict[str, Sequence[tuple[str, str]]] = {}
    for column in columns:
        leaves = [node for node in roots[column].walk() if isinstance(node.expression, exp.Table)]
        origins[column] = sorted(
            {(leaf.expression.name, leaf.name.rsplit(".", 1)[-1]) for leaf in leaves}
        )
    return origins


def _without_text(sql: str, tokens: Sequence[Token]) -> str:
    """The SQL with comments and the insides of text literals blanked, positions kept."""
    characters = [character if character == "\n" else " " for character in sql]
    for token in tokens:
        ends = (
            (token.start, token.end)
            if token.token_type == TokenType.STRING
            else range(token.start, token.end + 1)
        )
        for position in ends:
            characters[position] = sql[position]
    return "".join(characters)


def _line(node: exp.Expr) -> int:
    """The line at which a node starts, as far as what it holds knows it."""
    return min((inner.meta["line"] for inner in node.walk() if "line" in inner.meta), default=1)


def _file(name: str) -> str:
    return f"tables/sql/{name}.sql"


def _error(place: str, line: int, message: str) -> TableDeclarationError:
    return TableDeclarationError(f"{place}:{line}: {message}")
