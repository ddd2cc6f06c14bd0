"""A damaged data file, told to whoever reads: which table, which windows, what helps."""

from __future__ import annotations

from collections.abc import Iterable

from pyiceberg.table import Table as IcebergTable

from storeavail_platform.domain.errors import TableDamaged, WarehouseError, WarehouseMoved
from storeavail_platform.pipeline.standing import Standing
from storeavail_platform.warehouse.catalog_errors import UNREADABLE
from storeavail_platform.warehouse.damage import damaged_files, is_whole


def damaged_countries(
    runtime: Standing, countries: Iterable[str], tables: Iterable[str], error: Exception
) -> dict[str, WarehouseError]:
    """What a failed reading shows about the tables' files: by country the first that is damaged,
    with its windows. Empty where all are whole.
    """
    found: dict[str, WarehouseError] = {}
    if not isinstance(error, UNREADABLE) and "Parquet" not in str(error):
        return found
    for country in countries:
        helps = (
            f"`storeavail recover --country {country}` brings back what can be"
            if country in runtime.platform.countries
            else f"{country} is not in {runtime.platform.origin}: put the file back from a"
            f" backup, or `storeavail remove-country {country}` removes the tables"
        )
        for name in sorted(tables):
            try:
                table = runtime.warehouse.load(country, name)
            except (TableDamaged, WarehouseMoved) as problem:
                found.setdefault(country, problem)
                continue
            if table is not None and (what := _damage(runtime, country, name, table)) is not None:
                damage = TableDamaged(f"table {name} of {country}: {what}. {helps}")
                found.setdefault(country, damage)
    return found


def _damage(runtime: Standing, country: str, name: str, table: IcebergTable) -> str | None:
    if not is_whole(table):
        return "a list of its data files is missing or damaged"
    folder = runtime.warehouse.location(country, name)
    return next(map(str, damaged_files(runtime.storage, table, folder)), None)
