"""A damaged data file, told to whoever reads: which table, which windows, what helps."""

from __future__ import annotations

from collections.abc import Iterable

from storeavail_platform.domain.errors import TableDamaged
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.damage import damaged_files


def tell_damage(runtime: Runtime, tables: Iterable[str], error: Exception) -> None:
    """Raise what a failed reading shows about the tables' files; nothing where all are whole.

    Raises:
        TableDamaged: names the table, the file, and the windows that it has rows of.
    """
    if not isinstance(error, FileNotFoundError) and "Parquet" not in str(error):
        return
    for country in runtime.warehouse.countries():
        for name in sorted(tables):
            found = runtime.warehouse.load(country, name)
            folder = runtime.warehouse.location(country, name)
            for file in damaged_files(runtime.storage, found, folder) if found is not None else ():
                raise TableDamaged(
                    f"table {name} of {country}: {file}. `storeavail recover --country {country}`"
                    " brings back what can be"
                ) from error
