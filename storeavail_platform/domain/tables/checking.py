"""Checks of declarations when they are loaded: names, inputs, order, and that each SQL reads and
gives what its table declares.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from sqlglot import exp

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables.dialects import (
    DIALECT,
)
from storeavail_platform.domain.tables.lineage import (
    input_relations,
    input_types,
    relations_of,
    relations_read,
    typed,
)
from storeavail_platform.domain.tables.portable import (
    check_portable,
    line_of,
    parsed,
    sql_error,
    sql_file,
)
from storeavail_platform.domain.tables.queries import Query
from storeavail_platform.domain.tables.relations import DAILY_RELATIONS, RELATIONS
from storeavail_platform.domain.tables.table import ARROW_TYPES, CHECK_NAMES, Function, Table


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
        if table.function is None:
            _check_statement(table, tables[:number])
        else:
            _check_function(table, table.function, tables[:number])
        for check in table.checks:
            statement = parsed(
                check.sql, f"{table.declared_at}: table {table.name}, check {check.name}"
            )
            if unknown := sorted(relations_of(statement) - known):
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
        read = relations_of(check_portable(query.sql, query.name))
        if odd := sorted(read ^ query.inputs.keys()):
            raise TableDeclarationError(
                f"{sql_file(query.name)}: {', '.join(odd)} is read and not declared, or declared"
                " and not read (tables/queries.py)"
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


def _check_function(table: Table, function: Function, tables: Sequence[Table]) -> None:
    """The table's function reads what is declared, and columns that there are."""
    if odd := sorted(set(table.inputs) ^ function.reads.keys()):
        raise _wrong(
            table,
            f"its function reads {', '.join(odd)} without declaring it, or the other way round",
        )
    for name, columns in input_types(table, tables):
        if unknown := sorted(set(function.reads[name]) - {column for column, _ in columns}):
            raise _wrong(table, f"its function reads {', '.join(unknown)}, which {name} has not")


def _check_statement(table: Table, tables: Sequence[Table]) -> None:
    """The table's SQL reads what is declared, gives the declared columns, and does not compute
    with dates.
    """
    place, statement = sql_file(table.name), check_portable(table.sql, table.name)
    read, declared = relations_read(table), set(table.inputs)
    if undeclared := sorted(read - declared):
        lines = [
            line_of(node) for node in statement.find_all(exp.Table) if node.name == undeclared[0]
        ]
        raise sql_error(
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
        line = line_of(statement.selects[min(first, len(selected) - 1)])
        message = (
            f"gives the columns {', '.join(selected)}; its declaration says {', '.join(wanted)}"
            f" ({table.declared_at})"
        )
        raise sql_error(place, line, message)
    for node in typed(table.sql, place, input_types(table, tables)).find_all(
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
            raise sql_error(place, line_of(node), f"{node.sql(dialect=DIALECT)}: {message}")
