"""The IO manager `warehouse`: outputs of Dagster assets are committed to the Iceberg tables, inputs are read from them.

A fused step hands over files that its engine wrote (`Written`); the schema is recorded in the catalog and the window's rows are replaced in
one transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import dagster as dg
import pyarrow as pa

from storeavail_platform.assets.failures import as_failures
from storeavail_platform.assets.partitions import partition_of
from storeavail_platform.compute import Computed
from storeavail_platform.errors import WarehouseError
from storeavail_platform.runtime import Runtime
from storeavail_platform.warehouse.catalog import rows_of


@dataclass(frozen=True)
class Written:
    """A table's computed rows, as files that are not committed yet, and the run that computed them."""

    computed: Computed
    run_id: str


class WarehouseIOManager(dg.IOManager):
    """Commits `Written` values, and gives a partition's rows as an Arrow table."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def handle_output(self, context: dg.OutputContext, obj: Written) -> None:
        country, window = partition_of(context)
        table, files = obj.computed.table, obj.computed.files
        started = time.perf_counter()
        with as_failures():
            committed = self.runtime.warehouse.commit(country, table, window, files, obj.run_id)
        location = self.runtime.storage.uri(self.runtime.warehouse.location(country, table.name))
        context.add_output_metadata(
            {
                "dagster/row_count": obj.computed.rows,
                "dagster/uri": location,
                "dagster/relation_identifier": f"{self.runtime.country(country).namespace}.{table.name}",
                "snapshot_id": str(committed.snapshot_id),
                "bytes": sum(file.size for file in files),
                "compute_seconds": round(obj.computed.seconds, 3),
                "commit_seconds": round(time.perf_counter() - started, 3),
            }
        )

    def load_input(self, context: dg.InputContext) -> pa.Table:
        country, window = partition_of(context)
        name = context.asset_key.path[-1]
        with as_failures():
            found = self.runtime.warehouse.load(country, name)
            if found is None:
                raise WarehouseError(
                    f"table {name} of {country} has never been committed; run its asset for window {window} first"
                )
            return found.scan(row_filter=rows_of(window)).to_arrow()
