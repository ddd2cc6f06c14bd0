"""A damaged data file, told to whoever reads: which table, which windows, what helps."""

from __future__ import annotations

from collections.abc import Iterable

from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.catalog_errors import UNREADABLE
from storeavail_platform.warehouse.damage import damaged_files, is_whole


def tell_damage(runtime: Runtime, tables: Iterable[str], error: Exception) -> None:
    """Raise what a failed reading shows about the tables' files; nothing where all are whole.

    Raises:
        TableDamaged: names the table, the file, and the windows that it has rows of.
    """
    if not isinstance(error, UNREADABLE) and "Parquet" not in str(error):
        return
    for country in runtime.warehouse.countries():
        helps = (
            f"`storeavail recover --country {country}` brings back what can be"
            if country in runtime.platform.countries
            else f"{country} is not in {runtime.platform.origin}: put the file back from a"
            f" backup, or `storeavail remove-country {country}` removes the tables"
        )
        for name in sorted(tables):
            found = runtime.warehouse.load(country, name)
            if found is not None and (what := _damage(runtime, country, name, found)) is not None:
                raise TableDamaged(f"table {name} of {country}: {what}. {helps}") from error


def _damage(runtime: Runtime, country: str, name: str, table: IcebergTable) -> str | None:
    if not is_whole(table):
        return "a list of its data files is missing or damaged"
    folder = runtime.warehouse.location(country, name)
    return next(map(str, damaged_files(runtime.storage, table, folder)), None)
