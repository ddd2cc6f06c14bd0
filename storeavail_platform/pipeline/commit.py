"""Has the warehouse (`warehouse/catalog.py`) commit a computed table's files, for the work and its
events. What a commit is, is not said here.
"""

from __future__ import annotations

import time
from datetime import date, timedelta

from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.compute import Computed
from storeavail_platform.pipeline.events import TableCommitted
from storeavail_platform.pipeline.runtime import Runtime


def commit(
    runtime: Runtime,
    country: str,
    partition: Window | date,
    computed: Computed,
    run_id: str,
    patience: timedelta | None = None,
) -> TableCommitted:
    """Replace the partition's rows by those of the files, in one transaction.

    Args:
        patience: how long it is tried; None: as long as every commit.

    Raises:
        WarehouseError: it could not be committed for as long as it was tried.
    """
    started = time.perf_counter()
    state = runtime.warehouse.commit(
        country, computed.table, partition, computed.files, run_id, patience
    )
    return TableCommitted(country, partition, computed, state, time.perf_counter() - started)
