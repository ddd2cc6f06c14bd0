"""The IO manager `warehouse`: committed rows of a partition for assets that ask for them.

Tables are committed by the work itself (`pipeline/commit.py`), whoever runs it: their schema is in
the catalog by the time that Dagster hands over here what was committed. Inputs are read by the
pointer, so that they can be had with the catalog down.
"""

from typing import Any

import dagster as dg
import pyarrow as pa

from storeavail_platform.domain.errors import TableDeclarationError, WarehouseError
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import window_or_date
from storeavail_platform.pipeline.events import TableCommitted
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.iceberg import rows_of


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Takes what was committed, and gives a partition's rows as an Arrow table."""

    runtime: dg.ResourceDependency[Runtime]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """A committed table is in the warehouse already; nothing else gets there.

        Raises:
            dg.Failure: an asset gave rows. Rows of the warehouse are those of declared tables.
        """
        if not isinstance(obj, TableCommitted):
            with as_failures(retry=False):
                raise TableDeclarationError(
                    f"asset {context.asset_key.to_user_string()} gave a {type(obj).__name__}: the "
                    "warehouse holds declared tables only; declare it in domain/tables "
                    "(docs/adding-an-asset.md), or give it another io_manager_key"
                )

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """A partition's committed rows, the platform's columns included.

        Raises:
            dg.Failure: the table has never been committed.
        """
        has_own = context.has_asset_partitions
        key = context.asset_partition_key if has_own else context.partition_key
        country, partition = window_or_date(key)
        name = context.asset_key.path[-1]
        with as_failures():
            found = self.runtime.warehouse.load(country, name)
            if found is None:
                raise WarehouseError(
                    f"table {name} of {country} has never been committed; run its asset for"
                    f" {partition} first"
                )
            return found.scan(row_filter=rows_of(partition)).to_arrow()
