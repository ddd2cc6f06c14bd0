"""What an engine is. It turns landed files and SQL into Parquet files; it never commits
(`warehouse/catalog.py` does).

A session knows relations by name: landed Parquet, small Arrow tables, and results of SQL over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from storeavail_platform.domain.source import Split
from storeavail_platform.warehouse.landed_files import LandedSplit


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file that an engine wrote: its address (path or `s3://`), rows, size in bytes."""

    path: str
    rows: int
    size: int


class Session(Protocol):
    """One window's work on an engine.

    SQL is of the portable kind that `tables/portable.py` admits.
    """

    def add_files(self, name: str, schema: pa.Schema, paths: Sequence[str]) -> None:
        """Make Parquet files known as relation `name`. No files: an empty relation of this schema.

        A column that a file lacks is NULL for its rows: another release wrote it. Columns that the
        schema does not name are left out.
        """

    def add_table(self, name: str, table: pa.Table) -> None:
        """Make a small Arrow table known as relation `name`."""

    def create(self, name: str, sql: str) -> None:
        """Run a SELECT once and keep its rows as relation `name`."""

    def schema(self, name: str) -> pa.Schema:
        """The column names and types of a relation, timestamps as UTC microseconds."""

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The result of a SELECT as plain Python values. For a few rows only."""

    def table(self, sql: str) -> pa.Table:
        """The result of a SELECT as Arrow, timestamps as UTC microseconds. For what fits into the
        memory of this process.
        """

    def write(
        self,
        name: str,
        schema: pa.Schema,
        constants: Mapping[str, Any],
        order_by: Iterable[str],
        directory: str,
    ) -> list[WrittenFile]:
        """Write a relation as Parquet below `directory`, with `constants` as further columns, in
        the schema's column order and types.

        Rows are sorted by `order_by`, NULLs last. Timestamps are microseconds, UTC.
        """


class Engine(Protocol):
    """Opens sessions. `name` is `duckdb` or `spark`."""

    @property
    def name(self) -> str: ...

    def session(self, rows: int | None = None) -> AbstractContextManager[Session]:
        """A session of its own.

        Args:
            rows: about how many rows it is going to read, where that is known: what is spent on a
                query is sized to them.
        """

    def land_splits(
        self, land: Callable[[Split], LandedSplit], splits: Sequence[Split]
    ) -> Sequence[LandedSplit]:
        """Land splits of a source where the engine computes (`observe_from: cluster`)."""
