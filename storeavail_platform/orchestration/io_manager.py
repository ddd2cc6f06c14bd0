"""The IO manager `warehouse`: outputs of Dagster assets are committed to the Iceberg tables, inputs are read from them.

The fused step hands over files that its engine wrote (`Written`). A separate asset hands over its rows, as an Arrow table or a Spark
DataFrame; they are held against the table's declaration (`tables/separate.py`) and written here. Either way the schema is recorded in the
catalog and the partition's rows are replaced in one transaction.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa

from storeavail_platform.domain.errors import TableContractError, TableDeclarationError, WarehouseError
from storeavail_platform.domain.tables.table import DAILY_COLUMNS, PLATFORM_COLUMNS, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import part_of
from storeavail_platform.pipeline.compute import Computed, check_contract
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.iceberg import rows_of

GIVEN_BY_PLATFORM = {column.name for column in (*PLATFORM_COLUMNS, *DAILY_COLUMNS)}
"""Columns that rows may have from the tables they were computed from; the platform gives its own."""


@dataclass(frozen=True)
class Written:
    """A table's computed rows, as files that are not committed yet, and the run that computed them."""

    computed: Computed
    run_id: str


class WarehouseIOManager(dg.IOManager):
    """Commits what assets give, and gives a partition's rows as an Arrow table or a Spark DataFrame."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Commit a `Written`, an Arrow table or a Spark DataFrame.

        Raises:
            dg.Failure: the rows are not as declared, or could not be committed.
        """
        country, part = part_of(context.partition_key)
        # the warehouse has tried for minutes already
        with as_failures(retry=False):
            written = obj if isinstance(obj, Written) else self.write(country, part, self._declared(context), obj, context.run_id)
            context.add_output_metadata(self.commit(country, part, written))

    def write(self, country: str, part: Window | date, table: Table, rows: Any, run_id: str) -> Written:
        """Write the rows of a separate asset as Parquet, once they are as declared. Columns that the platform gives are left out of them.

        Raises:
            TableContractError: a column is missing, of another type or not declared; a key is repeated; a NULL where there may be none.
        """
        started = time.perf_counter()
        with self._session(table, rows) as session:
            contract = check_contract(session, table)
            if not contract.passed:
                figures = ", ".join(f"{name}: {value}" for name, value in contract.figures.items())
                raise TableContractError(
                    f"table {table.name} of {country} {part} was not committed: what its asset gave is not what tables/separate.py "
                    f"declares ({figures})"
                )
            constants = {"country": country, "run_id": run_id, **_partition_column(part)}
            directory = self.runtime.warehouse.location(country, table.name, "data", str(part), run_id, uuid.uuid4().hex[:8])
            files = session.write(table.name, table.stored_schema(), constants, table.order_by, directory)
        return Written(Computed(table, (contract,), tuple(files), time.perf_counter() - started), run_id)

    def commit(self, country: str, part: Window | date, written: Written) -> dict[str, Any]:
        """Commit a table's partition; gives the metadata of its materialisation.

        Raises:
            WarehouseError: it could not be committed.
        """
        table, files = written.computed.table, written.computed.files
        started = time.perf_counter()
        committed = self.runtime.warehouse.commit(country, table, part, files, written.run_id)
        return {
            "dagster/row_count": written.computed.rows,
            "dagster/uri": self.runtime.storage.uri(self.runtime.warehouse.location(country, table.name)),
            "dagster/relation_identifier": f"{self.runtime.country(country).namespace}.{table.name}",
            "snapshot_id": str(committed.snapshot_id),
            "bytes": sum(file.size for file in files),
            "compute_seconds": round(written.computed.seconds, 3),
            "commit_seconds": round(time.perf_counter() - started, 3),
        }

    def load_input(self, context: dg.InputContext) -> Any:
        """A partition's rows: a Spark DataFrame where the asset's function says so, else an Arrow table. They are found by the pointer.

        Raises:
            dg.Failure: the table has never been committed.
        """
        country, part = part_of(context.asset_partition_key if context.has_asset_partitions else context.partition_key)
        name = context.asset_key.path[-1]
        with as_failures():
            found = self.runtime.warehouse.load(country, name)
            if found is None:
                raise WarehouseError(f"table {name} of {country} has never been committed; run its asset for {part} first")
            scan = found.scan(row_filter=rows_of(part))
            if not _is_spark(context.dagster_type.typing_type):
                return scan.to_arrow()
            from storeavail_platform.engines.spark import read_rows

            paths = [task.file.file_path for task in scan.plan_files()]
            ((column, value),) = _partition_column(part).items()
            with self.runtime.engine.session() as session:
                return read_rows(session, found.schema().as_arrow(), paths, column, value)

    def _declared(self, context: dg.OutputContext) -> Table:
        name = context.asset_key.path[-1]
        found = next((table for table in self.runtime.separate_tables if table.name == name), None)
        if found is None:
            raise TableDeclarationError(f"asset {name} gives rows, and its table is not declared in tables/separate.py")
        return found

    @contextlib.contextmanager
    def _session(self, table: Table, rows: Any) -> Iterator[Session]:
        """A session that knows the rows by the table's name."""
        if isinstance(rows, pa.Table):
            from storeavail_platform.engines.duckdb import DuckDBEngine

            with DuckDBEngine(self.runtime.storage).session() as session:
                session.add_table(table.name, rows.select([name for name in rows.schema.names if name not in GIVEN_BY_PLATFORM]))
                yield session
        elif _is_spark(type(rows)):
            from storeavail_platform.engines.spark import session_of

            yield session_of(rows.drop(*GIVEN_BY_PLATFORM), table.name, self.runtime.storage)
        else:
            raise TableContractError(
                f"asset {table.name} gave a {type(rows).__name__}; give a pyarrow Table or a Spark DataFrame with the declared columns"
            )


def _is_spark(kind: Any) -> bool:
    """Whether a type is Spark's, found out without importing it."""
    return str(getattr(kind, "__module__", "")).startswith("pyspark.")


def _partition_column(part: Window | date) -> dict[str, Any]:
    return {"window_start": part.start} if isinstance(part, Window) else {"local_date": part}
