"""The platform's parts put together for one configuration, shared by runs and commands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from storeavail_platform.config import MAX_PARTITIONS, Platform
from storeavail_platform.domain.clock import Clock, utc_now
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.domain.source import Source
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.pipeline.standing import Standing
from storeavail_platform.pipeline.standing import open_any_layout as open_any_layout
from storeavail_platform.pipeline.standing import open_storage as open_storage
from storeavail_platform.sources import open_index, open_stores
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.catalog import Warehouse
from storeavail_platform.warehouse.engine import Engine
from storeavail_platform.warehouse.landed_files import LandSplits, in_threads
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.layout import WarehouseStorage
from storeavail_platform.warehouse.markers import Markers


@dataclass(frozen=True)
class Runtime(Standing):
    """What a run needs, made from a configuration by `build_runtime`; nothing is connected
    before its first use.
    """

    landing: Landing
    warehouse: Warehouse
    tables: tuple[Table, ...]
    engine: Engine
    clock: Clock = utc_now

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """The window tables and those of local dates."""
        return (*self.tables, *DAILY_TABLES)

    def index_source(self, code: str) -> Source:
        self.platform.refuse_unserved(code)
        return open_index(self.country(code), self.clock)

    def stores_source(self, code: str) -> Source:
        self.platform.refuse_unserved(code)
        return open_stores(self.country(code), self.clock)

    def land_splits(self, code: str) -> LandSplits:
        """Where a country's sources are read: in this process, or on its cluster's executors."""
        return (
            self.engine.land_splits if self.country(code).observe_from == "cluster" else in_threads
        )

    def confirm_splits(self) -> LandSplits:
        """Where the API for a second opinion is asked: beside the engine, all partitions at
        once.
        """
        if self.engine.name == "spark":
            return self.engine.land_splits
        return partial(in_threads, readers=MAX_PARTITIONS)


def build_runtime(
    platform: Platform,
    *,
    tables: tuple[Table, ...] = TABLES,
    clock: Clock = utc_now,
    storage: Storage | None = None,
) -> Runtime:
    """The parts for a configuration.

    Args:
        storage: the warehouse's files; by default where the configuration says.

    Raises:
        ConfigError: the configuration asks for a part that is not installed.
    """
    storage = open_storage(platform) if storage is None else WarehouseStorage(storage)
    return Runtime(
        platform=platform,
        tables=tables,
        storage=storage,
        landing=Landing(storage, clock=clock),
        warehouse=Warehouse(platform, storage, patience=platform.commit_patience),
        markers=Markers(storage),
        engine=open_engine(platform, storage),
        clock=clock,
    )


def open_engine(platform: Platform, storage: Storage) -> Engine:
    if platform.engine == "spark":
        try:
            from storeavail_platform.engines.spark import SparkEngine
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"engine: 'spark' needs {error.name}: install storeavail-platform[spark]"
            ) from error
        # on a cluster spark-submit has chosen the master
        return SparkEngine(storage, master=None if platform.execution == "emr" else "local[*]")
    from storeavail_platform.engines.duckdb import DuckDBEngine

    return DuckDBEngine(storage)
