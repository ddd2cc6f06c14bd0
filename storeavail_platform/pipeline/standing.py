"""The parts of the platform that say where countries stand, for commands that only look: neither an
engine nor a source, and no library of tables until one is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from storeavail_platform.config import Country, Platform
from storeavail_platform.storage.local import LocalStorage, Storage
from storeavail_platform.warehouse.layout import WarehouseStorage
from storeavail_platform.warehouse.markers import Markers
from storeavail_platform.warehouse.opening import Tables
from storeavail_platform.warehouse.readings import Readings

if TYPE_CHECKING:
    from storeavail_platform.domain.tables.table import Table


@dataclass(frozen=True)
class Standing:
    """What a look needs, made from a configuration by `build_standing`; nothing is connected before
    its first use.
    """

    platform: Platform
    storage: Storage
    landing: Readings
    warehouse: Tables
    markers: Markers

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """The window tables and those of local dates."""
        # their functions import what computes with arrays
        from storeavail_platform.domain.tables import TABLES
        from storeavail_platform.domain.tables.daily import DAILY_TABLES

        return (*TABLES, *DAILY_TABLES)

    def country(self, code: str) -> Country:
        return self.platform.country(code)


def build_standing(platform: Platform) -> Standing:
    """The parts for a configuration."""
    storage = open_storage(platform)
    return Standing(
        platform, storage, Readings(storage), Tables(platform, storage), Markers(storage)
    )


def open_storage(platform: Platform) -> Storage:
    """Where the configuration's warehouse lies; one of another layout is refused at its first
    use.
    """
    return WarehouseStorage(open_any_layout(platform))


def open_any_layout(platform: Platform) -> Storage:
    """The same whatever its layout is: for what brings it to another."""
    if platform.warehouse.startswith("s3://"):
        # boto3 takes long to import and most configurations do not need it
        from storeavail_platform.storage.s3 import S3Storage

        return S3Storage(platform.warehouse)
    return LocalStorage(platform.warehouse)
