"""For people who add a table: run its SQL on rows written by hand, on either engine.

Nothing here runs in production.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from storeavail_platform.domain.errors import TableContractError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.lineage import input_relations
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.pipeline.compute import check_contract, make
from storeavail_platform.warehouse.engine import Engine

Row = dict[str, Any]


def run_table(
    engine: Engine,
    table: Table,
    inputs: Mapping[str, Sequence[Row]],
    *,
    tables: Sequence[Table] = (*TABLES, *DAILY_TABLES),
) -> list[Row]:
    """The rows that a table's SQL or function makes of given rows, sorted by its key.

    Args:
        engine: DuckDB or Spark; the fixture `each_engine` of the tests gives each in turn.
        inputs: rows by input; a column that a row does not name is NULL, an input that is not named
            has no rows.
        tables: the declared tables among which the inputs are.

    Raises:
        TableContractError: the columns, types or keys are not as declared, or an input is unknown.
    """
    schemas = {
        **input_relations(table),
        **{other.name: other.computed_schema() for other in tables},
    }
    if unknown := sorted(set(inputs) - set(table.inputs)):
        raise TableContractError(
            f"table {table.name} does not read {', '.join(unknown)}; it reads"
            f" {', '.join(table.inputs)}"
        )
    with engine.session() as session:
        for name in table.inputs:
            rows = list(inputs.get(name, ()))
            if wrong := sorted(
                {column for row in rows for column in row} - set(schemas[name].names)
            ):
                raise TableContractError(
                    f"{name} has no column {', '.join(wrong)}; it has"
                    f" {', '.join(schemas[name].names)}"
                )
            session.add_table(name, pa.Table.from_pylist(rows, schema=schemas[name]))
        make(session, table)
        outcome = check_contract(session, table)
        if not outcome.passed:
            raise TableContractError(
                f"table {table.name}: {outcome.name} failed: {outcome.figures}"
            )
        found = session.rows(
            f"SELECT {', '.join(column.name for column in table.columns)} FROM {table.name}"
        )
    return sorted(
        found,
        key=lambda row: [(row[column] is None, str(row[column])) for column in table.key or row],
    )
