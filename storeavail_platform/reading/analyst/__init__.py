"""What notebooks import: the tables of all countries, SQL over them, time travel, and read-only raw
databases.

    from storeavail_platform import analyst

    analyst.tables(form="pandas")
    analyst.table("store_availability", country="BR", since="2026-11-23", form="pandas")
    analyst.sql("SELECT city, SUM(missing_minutes) FROM store_availability GROUP BY city")
    analyst.as_of(timedelta(hours=2)).sql("SELECT COUNT(*) FROM store_availability")
    analyst.raw.postgres("BR", "SELECT * FROM stores WHERE city = 'Recife'")
    analyst.raw.elasticsearch("BR", {"term": {"online": False}})

It works in Zeppelin, marimo and a plain shell. The configuration is found as everywhere
($STOREAVAIL_CONFIG, else the demo's), or named by `connect`. `form` is `arrow` (default), `pandas`
or `spark`. Every access is limited in rows and time (`max_rows`, `timeout`), and noted
(`audit.py`). This module only hands on; what it does is in `reading.py` and `databases.py`.
"""

from __future__ import annotations

from typing import Any

from storeavail_platform.config import load_platform
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.reading.analyst.databases import Raw
from storeavail_platform.reading.analyst.reading import Moment, Tables

__all__ = ["as_of", "columns", "connect", "raw", "sql", "table", "tables"]

_runtimes: list[Runtime] = []
"""The connected one, or none yet."""


def connect(config: str | None = None) -> None:
    """Use this configuration (file or `s3://` address) from now on; without one, look for it again.

    Raises:
        ConfigError: there is no such file, or it has mistakes.
    """
    _runtimes[:] = [build_runtime(load_platform(config))]


def _connected() -> Runtime:
    if not _runtimes:
        connect()
    return _runtimes[0]


raw = Raw(_connected)


def tables(**options: Any) -> Any:
    """A row a table: `name`, `description`, `columns`, `countries`, `part`.

    `tables(form=)`, see `Tables.tables`.
    """
    return Tables(_connected()).tables(**options)


def columns(name: str, **options: Any) -> Any:
    """A row a column of a table: `name`, `type`, `description`, `is_nullable`.

    `columns(name, form=)`, see `Tables.columns`.
    """
    return Tables(_connected()).columns(name, **options)


def table(name: str, **options: Any) -> Any:
    """A table's rows.

    `table(name, country=, since=, until=, columns=, form=, max_rows=, timeout=)`, see
    `Tables.table`.
    """
    return Tables(_connected()).table(name, **options)


def sql(text: str, **options: Any) -> Any:
    """The result of a SELECT over the tables.

    `sql(text, form=, max_rows=, timeout=, memory=, files=)`, see `Tables.sql`.
    """
    return Tables(_connected()).sql(text, **options)


def as_of(moment: Moment) -> Tables:
    """The tables as they were at a moment: has `table` and `sql` itself."""
    return Tables(_connected()).as_of(moment)
