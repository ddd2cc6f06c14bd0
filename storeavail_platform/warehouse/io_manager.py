"""The IO manager `warehouse`: outputs of Dagster assets are committed to the Iceberg tables, inputs are read from them.

A fused step hands over files that its engine wrote (`Written`); the schema is recorded in the catalog and the window's rows are replaced in
one transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa

from storeavail_platform.assets.failures import as_failures
from storeavail_platform.assets.partitions import partition_of
from storeavail_platform.compute import Computed
from storeavail_platform.errors import WarehouseError
from storeavail_platform.runtime import Runtime
from storeavail_platform.warehouse.catalog import rows_of
from storeavail_platform.windows import Window


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
        # the warehouse has tried for minutes already
        with as_failures(retry=False):
            context.add_output_metadata(self.commit(country, window, obj))

    def commit(self, country: str, window: Window, written: Written) -> dict[str, Any]:
        """Commit a table's window; gives the metadata of its materialisation.

        Raises:
            WarehouseError: it could not be committed.
        """
        table, files = written.computed.table, written.computed.files
        started = time.perf_counter()
        committed = self.runtime.warehouse.commit(country, table, window, files, written.run_id)
        return {
            "dagster/row_count": written.computed.rows,
            "dagster/uri": self.runtime.storage.uri(self.runtime.warehouse.location(country, table.name)),
            "dagster/relation_identifier": f"{self.runtime.country(country).namespace}.{table.name}",
            "snapshot_id": str(committed.snapshot_id),
            "bytes": sum(file.size for file in files),
            "compute_seconds": round(written.computed.seconds, 3),
            "commit_seconds": round(time.perf_counter() - started, 3),
        }

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
