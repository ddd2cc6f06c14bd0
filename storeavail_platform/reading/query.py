"""`storeavail query`: DuckDB SQL over every table, all countries under one name. Read-only, and it
works with the catalog down.

Tables are found by their pointers. Only those that the query names are opened. The connection has
no access to files, network, Python variables or its own settings; files that a user names beside
the tables are read before (`named_files.py`).
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyiceberg.expressions import AlwaysTrue, BooleanExpression

from storeavail_platform.domain.errors import (
    QueryRefused,
    StorageRefused,
    TableDamaged,
    WarehouseError,
    WarehouseMoved,
)
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.tables.views import VIEWS, View
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.standing import Standing
from storeavail_platform.reading.as_of import state_scan
from storeavail_platform.reading.damage import damaged_countries
from storeavail_platform.reading.datasets import committed_files, dataset_of, with_text_ids
from storeavail_platform.reading.exact import exact_columns, exact_schema
from storeavail_platform.reading.limits import (
    Limits,
    Room,
    interrupting,
    memory_bounded,
    too_large,
    too_many_rows,
    too_slow,
)
from storeavail_platform.reading.named_files import read_named
from storeavail_platform.reading.newest import (
    NEWEST_FACTS,
    NEWEST_SQL,
    NEWEST_WINDOWS,
    known_views,
    newest_windows,
    recent_name,
    windows_table,
)
from storeavail_platform.reading.statements import (
    asks_which_tables,
    described,
    may_compare,
    names_in,
    require_one_query,
)
from storeavail_platform.warehouse.iceberg import plain_text, rows_of

SETTINGS = (
    "enable_external_access = false",
    "python_enable_replacements = false",
    "TimeZone = 'UTC'",
    "lock_configuration = true",
)

logger = logging.getLogger(__name__)

BATCH_ROWS = 100_000
NO_LIMITS = Limits()
SPILLED = 10
"""How many times its memory a query may take on disk."""
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL_TABLES = "tables"
"""What `SHOW` is followed by where it lists."""


def query(
    runtime: Standing,
    sql: str,
    *,
    as_of: datetime | None = None,
    limits: Limits = NO_LIMITS,
    files: Mapping[str, str | Path] | None = None,
) -> pa.Table:
    """The result of one SELECT or EXPLAIN over the tables.

    No value is changed on the way: what Arrow does not hold whole (times of day, intervals, bits)
    is text, and the second of two columns `a` is `a_1`. `DESCRIBE` of a table and `SHOW TABLES`
    have a column `comment`. A country whose files are damaged is left out with a warning, as long
    as another has the tables.

    Args:
        as_of: the tables as they were then, as far as `retention.history` reaches.
        files: CSV and Parquet files that the statement may name, by their names in SQL.

    Raises:
        QueryRefused: not exactly one statement of these kinds, an unknown table or column, text
            compared with a number, a file that cannot be read, or another mistake.
        QueryStopped: a limit was reached.
        TableDamaged, WarehouseMoved: no country's files of these tables can be read.
    """
    started = time.monotonic()
    rows = read_named(files or {}, runtime.all_tables)
    read = _Read(runtime, sql, as_of, runtime.warehouse.countries())
    while True:
        try:
            return _with_comments(runtime, sql, _result(read, rows, limits, started))
        except _Damaged as damaged:
            read = read.without(damaged.countries)


@dataclass(frozen=True)
class _Read:
    """What a statement is to read: which tables of which countries, as of when."""

    runtime: Standing
    sql: str
    as_of: datetime | None
    countries: Sequence[str]

    @cached_property
    def views(self) -> list[View]:
        """The views that it names."""
        known = known_views(known_tables(self.runtime))
        if asks_which_tables(self.sql):
            return known
        return [view for view in known if view.name in names_in(self.sql)]

    @cached_property
    def tables(self) -> list[str]:
        """Names of the tables that it names, those that only its views read left out."""
        known = known_tables(self.runtime)
        return sorted(known if asks_which_tables(self.sql) else names_in(self.sql) & known)

    @cached_property
    def tables_read(self) -> list[str]:
        """Names of all tables that it reads."""
        return sorted({*self.tables, *(name for view in self.views for name in view.tables)})

    def without(self, damaged: Mapping[str, WarehouseError]) -> _Read:
        """The same without the countries whose files are damaged.

        Raises:
            WarehouseError: no other has these tables.
        """
        others = [code for code in self.countries if code not in damaged]
        has_others = any(
            self.runtime.warehouse.pointer(code, name)
            for code in others
            for name in self.tables_read
        )
        for code, error in damaged.items():
            if not has_others:
                raise error
            logger.warning("%s is left out of the result: %s", code, error)
        return replace(self, countries=others)


class _Damaged(Exception):
    """Tables of some of the countries cannot be read; why, by country."""

    def __init__(self, countries: Mapping[str, WarehouseError]) -> None:
        super().__init__()
        self.countries = countries


def _result(read: _Read, files: Mapping[str, pa.Table], limits: Limits, started: float) -> pa.Table:
    sql = read.sql
    with memory_bounded(limits.memory), _connected(limits) as connection:
        try:
            require_one_query(connection, sql)
            _register(connection, read, files)
            with interrupting(connection.interrupt, _left(limits, started)):
                relation = connection.sql(sql)
                relation, names, kinds = exact_columns(relation), relation.columns, relation.types
                reader = relation.to_arrow_reader(BATCH_ROWS)
                return _fetched(reader, exact_schema(reader.schema, names, kinds), limits)
        except duckdb.InterruptException:
            assert limits.timeout is not None, "nothing else interrupts"
            raise too_slow(limits.timeout) from None
        except (duckdb.OutOfMemoryException, MemoryError) as error:
            if limits.memory is None:
                raise QueryRefused(str(error)) from error
            raise too_large(limits.memory) from error
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if damaged := damaged_countries(read.runtime, read.countries, read.tables_read, error):
                raise _Damaged(damaged) from error
            known = {*known_names(read.runtime), *files}
            listed = ", ".join(sorted(known)) or "none yet: run a window first"
            raise QueryRefused(f"{error}\nTables: {listed}") from error
        except (ValueError, EOFError) as error:
            # what pyiceberg raises of a damaged list of files
            if damaged := damaged_countries(read.runtime, read.countries, read.tables_read, error):
                raise _Damaged(damaged) from error
            raise


@contextmanager
def _connected(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reaches nothing, and spills to a folder that goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="storeavail-query-") as folder,
        duckdb.connect(":memory:") as connection,
    ):
        escaped = folder.replace("'", "''")
        settings = [f"temp_directory = '{escaped}'"]
        if limits.memory is not None:
            settings += [
                f"memory_limit = '{limits.memory}B'",
                f"max_temp_directory_size = '{limits.memory * SPILLED}B'",
            ]
        for setting in (*settings, *SETTINGS):
            connection.execute(f"SET {setting}")
        yield connection


def _register(
    connection: duckdb.DuckDBPyConnection, read: _Read, files: Mapping[str, pa.Table]
) -> None:
    """Give the connection the tables and views that a statement may name."""
    tables: dict[str, ds.Dataset | pa.Table] = {
        **_datasets(read.runtime, read.tables, read.countries, read.as_of),
        **files,
    }
    for name, rows in tables.items():
        connection.register(name, rows)
    _add_views(connection, read, tables)
    if tables and may_compare(read.sql):
        from storeavail_platform.reading.comparisons import refuse_numbers_for_text

        refuse_numbers_for_text(read.sql, {name: rows.schema for name, rows in tables.items()})


def _add_views(
    connection: duckdb.DuckDBPyConnection, read: _Read, tables: dict[str, ds.Dataset | pa.Table]
) -> None:
    """Give the connection the views that a statement names, and what they read."""
    if any(view.reads_newest for view in read.views):
        newest = newest_windows(read.runtime, read.countries, read.as_of)
        found = _datasets(
            read.runtime, [STORE_AVAILABILITY.name], read.countries, read.as_of, windows=newest
        )
        connection.register(NEWEST_FACTS, found[STORE_AVAILABILITY.name])
        connection.register(NEWEST_WINDOWS, windows_table(newest))
    for view in read.views:
        for name, rows in _recent(read, view).items():
            connection.register(recent_name(name), rows)
    others = {
        name
        for view in read.views
        if not view.reads_newest
        for name in view.tables
        if name not in view.recent
    }
    missing = sorted(others - tables.keys())
    for name, rows in _datasets(read.runtime, missing, read.countries, read.as_of).items():
        connection.register(name, rows)
    for view in read.views:
        recent = {name: recent_name(name) for name in view.recent}
        connection.execute(f"CREATE TEMP VIEW {view.name} AS {view.sql(NEWEST_SQL, recent)}")
        tables[view.name] = connection.table(view.name).limit(0).to_arrow_table()


def _recent(read: _Read, view: View) -> dict[str, ds.Dataset]:
    """The last days of the tables of which a view reads these alone, by the tables' names."""
    if not view.recent:
        return {}
    newest = newest_windows(read.runtime, read.countries, read.as_of)
    since = min((window.start for window in newest.values()), default=EPOCH) - view.days * DAY
    return _datasets(read.runtime, view.recent, read.countries, read.as_of, since=max(since, EPOCH))


def _left(limits: Limits, started: float) -> timedelta | None:
    """The time that planning has left to the query.

    Raises:
        QueryStopped: none.
    """
    if limits.timeout is None:
        return None
    left = limits.timeout - timedelta(seconds=time.monotonic() - started)
    if left <= timedelta(0):
        raise too_slow(limits.timeout)
    return left


def _fetched(reader: pa.RecordBatchReader, schema: pa.Schema, limits: Limits) -> pa.Table:
    batches, rows, room = [], 0, Room(limits.memory)
    for batch in reader:
        batches.append(batch)
        rows += batch.num_rows
        room.take(batch.nbytes)
        if limits.max_rows is not None and rows > limits.max_rows:
            raise too_many_rows(limits.max_rows)
    found = pa.Table.from_batches(batches, reader.schema)
    return pa.Table.from_arrays(found.columns, schema=schema)


def _with_comments(runtime: Standing, sql: str, result: pa.Table) -> pa.Table:
    """What the declarations say beside what DuckDB knows of a table, or of all."""
    name = described(sql)
    there: tuple[Table | View, ...] = (*runtime.all_tables, *VIEWS)
    declared = {each.name: each for each in there}
    if name == ALL_TABLES and result.column_names == ["name"]:
        recent = [recent_name(table) for view in VIEWS for table in view.recent]
        helpers = pa.array([NEWEST_FACTS, NEWEST_WINDOWS, *recent])
        result = result.filter(pc.invert(pc.is_in(result["name"], value_set=helpers)))
        comments = [
            declared[one].description if one in declared else None
            for one in result["name"].to_pylist()
        ]
        return result.append_column("comment", pa.array(comments, pa.string()))
    if name not in declared or result.column_names[:3] != ["column_name", "column_type", "null"]:
        return result
    columns = {column.name: column for column in declared[name].all_columns}
    found = [columns.get(column) for column in result["column_name"].to_pylist()]
    nullable = ["YES" if column is None or column.nullable else "NO" for column in found]
    comments = [None if column is None else column.description for column in found]
    return result.set_column(2, "null", pa.array(nullable, pa.string())).append_column(
        "comment", pa.array(comments, pa.string())
    )


def known_names(runtime: Standing) -> set[str]:
    """Names of the tables that any country has committed, and of the views over them."""
    tables = known_tables(runtime)
    return tables | {view.name for view in known_views(tables)}


def known_tables(runtime: Standing) -> set[str]:
    """Names of the tables that any country has committed, of those that may be read.

    Raises:
        StorageRefused: none of them may.
    """
    found, refused = set[str](), list[StorageRefused]()
    for country in runtime.warehouse.countries():
        try:
            found |= committed_tables(runtime, country)
        except StorageRefused as error:
            refused.append(error)
    if refused and not found:
        raise refused[0]
    return found


def committed_tables(runtime: Standing, country: str) -> set[str]:
    """Names of the tables that a country has committed, damaged ones among them."""

    def is_committed(name: str) -> bool:
        try:
            return runtime.warehouse.pointer(country, name) is not None
        except TableDamaged:
            # whoever reads it is told
            return True

    return {name for name in runtime.warehouse.names(country) if is_committed(name)}


def _datasets(
    runtime: Standing,
    names: Sequence[str],
    countries: Sequence[str],
    as_of: datetime | None,
    *,
    windows: Mapping[str, Window] | None = None,
    since: datetime | None = None,
) -> dict[str, ds.Dataset]:
    """All countries' committed rows of tables, as datasets whose files are read only as far as a
    query's filters reach.

    Columns that a country's older files lack are NULL.

    Args:
        windows: only the rows of these, by country; nothing of a country that is not there.
        since: only files that have windows of this moment or later.

    Raises:
        QueryRefused: `as_of` lies before what is kept of a table's history.
        _Damaged: tables of some countries cannot be opened, or may not be.
    """
    schemas = defaultdict[str, list[pa.Schema]](list)
    paths = defaultdict[str, list[str]](list)
    damaged: dict[str, WarehouseError] = {}
    for country in countries:
        try:
            for name in names:
                found = runtime.warehouse.load(country, name)
                if found is not None:
                    schemas[name].append(with_text_ids(plain_text(found.schema().as_arrow())))
                    if windows is not None and country not in windows:
                        continue
                    rows: BooleanExpression | str = AlwaysTrue()
                    if windows is not None:
                        rows = rows_of(windows[country])
                    elif since is not None:
                        rows = f"window_start >= '{since.isoformat()}'"
                    scan = state_scan(found, f"{name} of {country}", as_of, row_filter=rows)
                    paths[name] += [] if scan is None else committed_files(scan)
        except (TableDamaged, WarehouseMoved, StorageRefused) as error:
            damaged[country] = error
    if damaged:
        raise _Damaged(damaged)
    return {
        name: dataset_of(runtime.storage, pa.unify_schemas(schemas[name]), paths[name])
        for name in schemas
    }
