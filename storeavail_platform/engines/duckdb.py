"""The DuckDB engine: SQL in the process, rows handed over as Arrow, files written by pyarrow to
any storage.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.errors import TableError
from storeavail_platform.domain.source import Split
from storeavail_platform.storage.local import Storage
from storeavail_platform.storage.parquet import dictionary_columns
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.landed_files import LandedSplit, in_threads

BATCH_ROWS = 120_000
"""Rows of a row group, and what is in memory at once while a file is written."""
MEMORY_LIMIT = "4GB"
"""What one session may hold before it spills to disk.

A window of a million stores needs about 1 GB.
"""
SETTINGS = ("TimeZone = 'UTC'", "python_enable_replacements = false")
FEW_FILES = 8
GLOB_CHARACTERS = frozenset("*?[")


class DuckDBEngine:
    """Opens in-memory databases over a storage's files."""

    name = "duckdb"

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    @contextlib.contextmanager
    def session(self, rows: int | None = None) -> Iterator[DuckDBSession]:
        with (
            tempfile.TemporaryDirectory(prefix="storeavail-", ignore_cleanup_errors=True) as spill,
            duckdb.connect(
                ":memory:", config={"memory_limit": MEMORY_LIMIT, "temp_directory": spill}
            ) as connection,
        ):
            for setting in SETTINGS:
                connection.execute(f"SET {setting}")
            yield DuckDBSession(connection, self.storage)

    def land_splits(
        self, land: Callable[[Split], LandedSplit], splits: Sequence[Split]
    ) -> Sequence[LandedSplit]:
        return in_threads(land, splits)


class DuckDBSession:
    """One window's relations in a DuckDB database of their own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, storage: Storage) -> None:
        self.connection = connection
        self.storage = storage
        self._known: dict[tuple[str, ...], Mapping[str, int]] = {}

    def add_files(self, name: str, schema: pa.Schema, paths: Sequence[str]) -> None:
        if not paths:
            self.add_table(name, schema.empty_table())
            return
        filesystem = self.storage.filesystem
        if isinstance(filesystem, pafs.LocalFileSystem) and not any(
            GLOB_CHARACTERS & set(path) for path in paths
        ):
            # DuckDB's own reader: two thirds of the time, but it knows no other storage and takes
            # paths for patterns
            with table_errors(name):
                # what is registered would hide a view of its name
                self.connection.unregister(name)
                self.connection.execute(
                    f"CREATE OR REPLACE TEMP VIEW {name} AS {self._parquet(schema, list(paths))}"
                )
            return
        files = [plain(path) for path in paths]
        rows = ds.dataset(files, schema=schema, format="parquet", filesystem=filesystem)
        self.connection.register(name, rows)

    def _parquet(self, schema: pa.Schema, paths: list[str]) -> str:
        """A SELECT of the schema's columns of files, NULL where a file of another release lacks
        one. As text: as a relation it costs several times as much.
        """
        found = self._columns(tuple(paths))
        # by name costs half as much again where there are many files
        is_whole = all(found.get(name) == len(paths) for name in schema.names)
        columns = [
            f'"{name}"' if name in found else f'CAST(NULL AS {kind}) AS "{name}"'
            for name, kind in zip(schema.names, self._types(schema, is_whole), strict=True)
        ]
        files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        return (
            f"SELECT {', '.join(columns)} FROM"
            f" read_parquet([{files}], union_by_name = {not is_whole})"
        )

    def _columns(self, paths: tuple[str, ...]) -> Mapping[str, int]:
        """In how many of the files each column is, looked at once for the same files."""
        if paths not in self._known:
            self._known[paths] = self._counted(paths)
        return self._known[paths]

    def _counted(self, paths: Sequence[str]) -> Mapping[str, int]:
        """The same, looked at; of many files DuckDB looks faster."""
        if len(paths) > FEW_FILES:
            sql = "SELECT name, COUNT(*) FROM parquet_schema(?) GROUP BY name"
            return dict(self.connection.execute(sql, [list(paths)]).fetchall())
        try:
            return Counter(name for path in paths for name in pq.read_schema(path).names)
        except (OSError, pa.ArrowInvalid) as error:
            # as DuckDB itself says it of many files
            raise duckdb.IOException(str(error)) from error

    def _types(self, schema: pa.Schema, is_whole: bool) -> Sequence[Any]:
        """DuckDB's types of the columns, where one is asked for."""
        return schema.names if is_whole else self.connection.from_arrow(schema.empty_table()).types

    def add_table(self, name: str, table: pa.Table) -> None:
        self.connection.register(name, table)

    def create(self, name: str, sql: str) -> None:
        with table_errors(name):
            self.connection.execute(f"CREATE TEMP TABLE {name} AS {sql}")

    def schema(self, name: str) -> pa.Schema:
        return self.connection.sql(f"SELECT * FROM {name} LIMIT 0").to_arrow_table().schema

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(self.table(sql).to_pylist())

    def table(self, sql: str) -> pa.Table:
        """The result of a SELECT, however many rows it has."""
        with table_errors(sql):
            return self.connection.sql(sql).to_arrow_table()

    def write(
        self,
        name: str,
        schema: pa.Schema,
        constants: Mapping[str, Any],
        order_by: Iterable[str],
        directory: str,
    ) -> list[WrittenFile]:
        own = [column for column in schema.names if column not in constants]
        order = ", ".join(f"{column} ASC NULLS LAST" for column in order_by)
        select = f"SELECT {', '.join(own)} FROM {name}" + (f" ORDER BY {order}" if order else "")
        path = f"{directory}/part-0.parquet"
        rows = 0
        with table_errors(name):
            reader = self.connection.sql(select).to_arrow_reader(BATCH_ROWS)
            with (
                self.storage.open_output(path) as stream,
                pq.ParquetWriter(
                    stream, schema, compression="zstd", use_dictionary=dictionary_columns(schema)
                ) as writer,
            ):
                for batch in reader:
                    columns = [
                        (
                            pa.repeat(pa.scalar(constants[field.name], field.type), batch.num_rows)
                            if field.name in constants
                            else batch.column(field.name).cast(field.type)
                        )
                        for field in schema
                    ]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
                    rows += batch.num_rows
        return [WrittenFile(self.storage.path(path), rows, self.storage.size(path) or 0)]


@contextlib.contextmanager
def table_errors(what: str) -> Iterator[None]:
    """DuckDB's errors as the platform's, naming what was computed."""
    try:
        yield
    except duckdb.Error as error:
        raise TableError(f"{what}: DuckDB could not compute it: {error}") from error
