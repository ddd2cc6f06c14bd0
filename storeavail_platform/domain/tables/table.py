"""What a table is: a declaration, a SQL file or a function, and the checks its rows must pass. No
Dagster, no engine.

Declaring a table is all that it takes to add one: the fused step, the schema in the catalog,
checks, lineage, metadata and the analysts' views all follow from the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import Literal, get_args

import pyarrow as pa

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables.declared import place_of
from storeavail_platform.domain.tables.macros import expanded

ColumnType = Literal["text", "bigint", "int", "double", "boolean", "date", "timestamptz"]
ARROW_TYPES: dict[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}
CheckName = Literal["complete", "quality"]
CHECK_NAMES: tuple[CheckName, ...] = get_args(CheckName)


@dataclass(frozen=True)
class Column:
    """A column: its name, type, what it means (with its unit), and whether it may be NULL."""

    name: str
    type: ColumnType
    description: str
    nullable: bool = True


PLATFORM_COLUMNS = (
    Column("country", "text", "Country code, for example BR.", nullable=False),
    Column("window_start", "timestamptz", "Start of the 15-minute window, UTC.", nullable=False),
    Column("run_id", "text", "Dagster run that computed the row.", nullable=False),
)
"""What the platform adds in front of every window table's own columns."""
DAILY_COLUMNS = (
    PLATFORM_COLUMNS[0],
    Column("local_date", "date", "Date on the store's wall clock.", nullable=False),
    Column("run_id", "text", "Dagster run that computed the row.", nullable=False),
)
"""The same for a table of local dates."""


@dataclass(frozen=True)
class Check:
    """A declared check beside `schema_and_key`, which every table has.

    `sql` is a portable SELECT over the table and any of the window's relations. It gives one row: a
    boolean column `passed` and any further columns, which become the check's metadata.
    """

    name: CheckName
    description: str
    sql: str


@dataclass(frozen=True)
class Function:
    """A pure function that makes a table's rows where SQL cannot say it. It runs in the process
    that drives the engine, so that its inputs are small: counts, not stores.

    Attributes:
        rows: from the inputs by name, and the schema of the table's own columns, to its rows.
        reads: the columns that it is given of each input.
    """

    rows: Callable[[Mapping[str, pa.Table], pa.Schema], pa.Table]
    reads: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """A table whose rows are replaced window by window, or local date by local date.

    Attributes:
        name: of the table, its SQL file (`tables/sql/<name>.sql`), its asset and its Iceberg table.
        description: what one row is, for people.
        columns: its own columns, in order.
        key: columns that identify a row among the rows without a `problem`.
        inputs: other tables, and the landed or given relations (`relations.py`), that the SQL
            or the function reads.
        checks: declared checks; a failure is shown and told, the rows are published.
        sort_by: order of the rows in the files; the key where it is empty.
        owners, kinds: shown in Dagster.
        is_daily: its rows belong to a local date instead of a window.
        sql_text: the SQL itself, for tables declared outside the package; otherwise read from the
            file.
        function: what makes the rows instead of SQL.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    inputs: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    sort_by: tuple[str, ...] = ()
    owners: tuple[str, ...] = ("team:store-operations",)
    kinds: tuple[str, ...] = ()
    sql_text: str | None = field(default=None, repr=False)
    is_daily: bool = False
    function: Function | None = field(default=None, repr=False)

    @property
    def declared_at(self) -> str:
        """File and line of the declaration, for messages."""
        return place_of(self.name)

    @property
    def made_in(self) -> str:
        """The file that its rows are made in, for messages."""
        if self.function is None:
            return f"tables/sql/{self.name}.sql"
        return f"{self.function.rows.__module__}.{self.function.rows.__name__}"

    @cached_property
    def sql(self) -> str:
        """The SELECT that computes the table, its macros (`macros.py`) written out.

        Raises:
            TableDeclarationError: there is no SQL file of this name.
        """
        if self.sql_text is not None:
            return expanded(self.sql_text)
        try:
            return read_sql(self.name)
        except FileNotFoundError:
            raise TableDeclarationError(
                f"{self.declared_at}: table {self.name}: there is no SQL file"
                f" tables/sql/{self.name}.sql"
            ) from None

    @property
    def all_columns(self) -> tuple[Column, ...]:
        return (*(DAILY_COLUMNS if self.is_daily else PLATFORM_COLUMNS), *self.columns)

    @property
    def order_by(self) -> tuple[str, ...]:
        return self.sort_by or self.key

    @property
    def has_problem(self) -> bool:
        """Whether rows can carry a `problem` (they are then left out of the key)."""
        return any(column.name == "problem" for column in self.columns)

    def computed_schema(self) -> pa.Schema:
        """What the SQL must give: the table's own columns."""
        return arrow_schema(self.columns)

    def stored_schema(self) -> pa.Schema:
        """What is written and catalogued: the platform's columns and the table's own."""
        return arrow_schema(self.all_columns)


def read_sql(name: str) -> str:
    """The text of `sql/<name>.sql` with its macros expanded, also from a zip.

    Raises:
        FileNotFoundError: there is no such file.
    """
    resource = files("storeavail_platform.domain.tables") / "sql" / f"{name}.sql"
    return expanded(resource.read_text(encoding="utf-8"))


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Arrow schema of columns; every field is nullable as far as Arrow is concerned (`nullable`
    is checked, not stored).
    """
    return pa.schema([pa.field(column.name, ARROW_TYPES[column.type]) for column in columns])
