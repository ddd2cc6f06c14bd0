"""A country's committed rows as DuckDB relations, found by pointer and no further back than a page
looks. No figures are made here.

Another country's tables are never opened: what is wrong with them cannot hurt this page.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
from pyiceberg.table import StaticTable

from storeavail_platform.dashboard.kept import KeptFile, KeptRows, Planned
from storeavail_platform.dashboard.relations import (
    RELATIONS,
    SHOWN_COLUMNS,
    Relation,
    first_day,
)
from storeavail_platform.domain.hours import tzdata_version
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.datasets import (
    committed_files,
    committed_partitions,
    dataset_of,
    told_as_damage,
)
from storeavail_platform.reading.query import SETTINGS

NEWEST = {"store_availability": "newest_stores", "stores": "rows_of_stores"}
"""Tables whose rows from the newest complete window on are read too, and what they are called."""
PLACES = "newest_places"
"""Address and IANA zone of each store in the newest window."""
SPARED = 8
"""So many files, and this part of a table's rows, a page reads again rather than keep all anew."""


@contextlib.contextmanager
def opened(runtime: Runtime, country: str, window: Window) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in which RELATIONS have the country's rows as far back as a page of a window
    looks, the newest window's rows are those of NEWEST, and its stores have PLACES.

    A table of which nothing was ever committed is there without rows.

    Raises:
        WarehouseError: the tables cannot be read, or do not give what a page asks.
    """
    with duckdb.connect(":memory:") as connection, told_as_damage(country, "its page"):
        for setting in SETTINGS:
            connection.execute(f"SET {setting}")
        _Opening(runtime, country, window, connection).register_all()
        yield connection


def schema_of(table: str) -> pa.Schema:
    """The columns that a page reads of a table, with the types of its declaration.

    Raises:
        KeyError: no such table is declared, or it has no such column.
    """
    declared = {each.name: each.stored_schema() for each in (*TABLES, *DAILY_TABLES)}
    return pa.schema([declared[table].field(name) for name in SHOWN_COLUMNS[table]])


def fetched(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> pa.Table:
    return connection.sql(sql, params=parameters).to_arrow_table()


@dataclass(frozen=True)
class _Opening:
    """The relations of a page being made known to a connection."""

    runtime: Runtime
    country: str
    window: Window
    connection: duckdb.DuckDBPyConnection

    @property
    def timezone(self) -> str:
        return self.runtime.country(self.country).timezone

    def register_all(self) -> None:
        self.connection.register("clock", self._clock())
        tables = {
            table: self.runtime.warehouse.load(self.country, table) for table in SHOWN_COLUMNS
        }
        planned = {table: self._planned(table, found) for table, found in tables.items()}
        for relation in RELATIONS:
            files = {
                day: paths
                for day, paths in planned[relation.table].items()
                if relation.is_of(day, self.window)
            }
            self.connection.register(relation.name, self._rows(relation, files))
        since = f"window_start >= '{self.window.start.isoformat()}'"
        for table, name in NEWEST.items():
            of = tables[table]
            self._view(
                name, table, [] if of is None else committed_files(of.scan(row_filter=since))
            )
        self.connection.execute(
            f"""CREATE TEMP TABLE {PLACES} AS
            SELECT store_id, MIN(address) AS address, MIN(timezone) AS timezone
            FROM {NEWEST["stores"]} WHERE window_start = $window GROUP BY store_id""",
            {"window": self.window.start},
        )

    def _planned(self, table: str, found: StaticTable | None) -> Planned:
        """The files that a page looks at, by the table's partitions: whole ones, so that they
        are the same ones all day.
        """
        if found is None:
            return {}
        first = first_day(table, self.window)
        column = "local_date" if "local_date" in SHOWN_COLUMNS[table] else "window_start"
        moment = datetime.combine(first, time_of_day(), UTC)
        value = first.isoformat() if column == "local_date" else moment.isoformat()
        return committed_partitions(found.scan(row_filter=f"{column} >= '{value}'"))

    def _rows(self, relation: Relation, planned: Planned) -> pa.Table:
        """A relation's rows: those that are kept, and what is made of the other files."""
        kept = self._kept(relation)
        found = kept.read()
        before = None if found is None else found.still_of(planned)
        files = {path: rows for of in planned.values() for path, rows in of.items()}
        known = set[str]().union(*(before.files.values() if before else ()))
        missing = {path: rows for path, rows in files.items() if path not in known}
        self._view("files", relation.table, sorted(missing))
        if len(missing) > SPARED or sum(missing.values()) > sum(files.values()) / SPARED:
            rows = self._together(relation, before)
            kept.write(KeptRows({day: of.keys() for day, of in planned.items()}, rows))
            return rows
        made = fetched(self.connection, relation.made)
        return pa.concat_tables([before.rows, made]) if before else made

    def _kept(self, relation: Relation) -> KeptFile:
        made_by = [relation.made, relation.together or "", str(schema_of(relation.table))]
        return KeptFile(
            self.runtime.storage,
            self.country,
            relation.name,
            [*made_by, self.timezone, tzdata_version()],
        )

    def _together(self, relation: Relation, before: KeptRows | None) -> pa.Table:
        """What is made of `files`, and rows of before, as few rows as can be."""
        sql = relation.made
        if before is not None:
            self.connection.register("before", before.rows)
            sql = f"SELECT * FROM before UNION ALL {sql}"
        if relation.together is not None:
            sql = f"WITH all_rows AS ({sql}) {relation.together}"
        return fetched(self.connection, sql)

    def _view(self, name: str, table: str, paths: Sequence[str]) -> None:
        """Make a view of files' rows that are of the country."""
        schema = schema_of(table)
        storage = self.runtime.storage
        rows = dataset_of(storage, schema, paths) if paths else schema.empty_table()
        is_own = duckdb.ColumnExpression("country") == duckdb.ConstantExpression(self.country)
        self.connection.from_arrow(rows).filter(is_own).create_view(name)

    def _clock(self) -> pa.Table:
        """The hour of the week, Monday 00:00 first, of all windows that a page looks at."""
        zone = ZoneInfo(self.timezone)
        start = datetime.combine(first_day("availability_summary", self.window), time_of_day(), UTC)
        count = (self.window.end - start) // WINDOW_LENGTH
        starts = [start + number * WINDOW_LENGTH for number in range(count)]
        local = [moment.astimezone(zone) for moment in starts]
        return pa.table(
            {
                "window_start": pa.array(starts, pa.timestamp("us", tz="UTC")),
                "hour": pa.array([each.weekday() * 24 + each.hour for each in local], pa.int32()),
            }
        )
