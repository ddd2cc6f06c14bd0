"""What the SQL of tables gives, found out on DuckDB without any row when the tables are loaded:
columns and types against the declaration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables.dialects import DIALECT
from storeavail_platform.domain.tables.portable import line_of
from storeavail_platform.domain.tables.queries import Query
from storeavail_platform.domain.tables.relations import DAILY_RELATIONS, RELATIONS
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.engines.duckdb import SETTINGS


def check_types(tables: Sequence[Table]) -> None:
    """Check that each table's SQL runs and gives the declared types, and that its checks run.

    Args:
        tables: inputs before what reads them; declarations that `tables.checking.check_tables` has
            admitted.

    Raises:
        TableDeclarationError: names file and line, the column, both types.
    """
    with duckdb.connect(":memory:") as connection:
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        for name, schema in {**RELATIONS, **DAILY_RELATIONS}.items():
            connection.from_arrow(schema.empty_table()).create(name)
        for table in tables:
            if table.function is not None:
                connection.from_arrow(table.computed_schema().empty_table()).create(table.name)
            else:
                place = f"tables/sql/{table.name}.sql"
                _run(connection, f"CREATE TABLE {table.name} AS {table.sql}", place)
                _check_columns(connection, table, place)
            for check in table.checks:
                place = f"{table.declared_at}: table {table.name}, check {check.name}"
                _run(connection, check.sql, place)
                answered = connection.sql(check.sql).limit(0).to_arrow_table().schema
                if (
                    answered.get_field_index("passed") < 0
                    or answered.field("passed").type != pa.bool_()
                ):
                    raise TableDeclarationError(
                        f"{place}: gives {', '.join(answered.names)}; it needs a boolean column"
                        " passed"
                    )


def check_query_types(queries: Sequence[Query]) -> None:
    """Check that each of the platform's own queries runs over the columns that it declares.

    Raises:
        TableDeclarationError: names file and line.
    """
    for query in queries:
        with duckdb.connect(":memory:") as connection:
            for name, schema in query.inputs.items():
                connection.from_arrow(schema.empty_table()).create(name)
            _run(connection, query.sql, f"tables/sql/{query.name}.sql")


def _run(connection: duckdb.DuckDBPyConnection, sql: str, place: str) -> None:
    try:
        connection.execute(sql).fetchall()
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        raise TableDeclarationError(
            f"{place}{f':{line[1]}' if line else ''}: {str(error).splitlines()[0]}"
        ) from error


def _check_columns(connection: duckdb.DuckDBPyConnection, table: Table, place: str) -> None:
    answered = connection.table(table.name).limit(0).to_arrow_table().schema
    for field in table.computed_schema():
        found = answered.field(field.name).type
        if found != field.type:
            raise TableDeclarationError(
                f"{place}:{_line(table.sql, field.name)}: column {field.name} is {found}; its"
                f" declaration says {field.type}. Write a CAST to the declared type"
            )


def _line(sql: str, column: str) -> int:
    """The line on which a column of the outermost SELECT is written; the first one where it has
    no text of its own.
    """
    statement = sqlglot.parse_one(sql, dialect=DIALECT)
    selects = statement.selects if isinstance(statement, exp.Query) else []
    return next((line_of(select) for select in selects if select.alias_or_name == column), 1)
