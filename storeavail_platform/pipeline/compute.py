"""The computation of tables: landed relations in, each table's rows written as Parquet, its checks
judged. No catalog.

A table that fails fails itself and its descendants; the others go on.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from storeavail_platform.config import Country
from storeavail_platform.domain.errors import StoreAvailError, TableContractError, TableError
from storeavail_platform.domain.tables.relations import BASELINE, RELATIONS, WINDOW_SETTINGS
from storeavail_platform.domain.tables.table import Check, Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import Landed
from storeavail_platform.warehouse.engine import Session, WrittenFile
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.markers import Markers
from storeavail_platform.warehouse.trust import NO_VERDICTS, Trust, Verdicts

SCHEMA_AND_KEY = "schema_and_key"
LANDED_RELATIONS = (
    "raw_stores",
    "raw_store_hours",
    "raw_online_index",
    "raw_confirmation",
    "local_windows",
)
CLOCK_DIFFERENCE = timedelta(minutes=5)
"""How far the indexer's clock may be ahead; a document of a later time says nothing of it."""
BeforeTables = Mapping[str, Callable[[], Mapping[str, pa.Table] | None]]
"""By table, what is done for its relations just before it is computed."""
BASELINE_REACH = 96
"""Windows looked back for a good one.

After a day of suspect windows the new level counts as normal.
"""


@dataclass(frozen=True)
class CheckOutcome:
    """A check's verdict with its figures.

    A blocking one that failed kept the table from being committed.
    """

    table: str
    name: str
    passed: bool
    blocking: bool
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Computed:
    """A table's outcome: its files, or the error that kept it from having any.

    `seconds` is time on the engine.
    """

    table: Table
    checks: tuple[CheckOutcome, ...]
    files: tuple[WrittenFile, ...]
    seconds: float
    error: StoreAvailError | None = None

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def closure(tables: Sequence[Table], selected: Collection[str]) -> list[Table]:
    """The selected tables and everything they are computed from, in the order of `tables`."""
    needed = set(selected)
    for table in reversed(tables):
        if table.name in needed:
            needed.update(table.inputs)
    return [table for table in tables if table.name in needed]


def add_relations(
    session: Session, landing: Landing, markers: Markers, settings: Country, found: Landed
) -> None:
    """Make everything known to the session that a window's SQL may read besides tables; of
    `raw_confirmation` no row.
    """
    window, observation = found.window, found.observation
    for name in LANDED_RELATIONS:
        paths = landing.paths(observation.readings, name)
        session.add_files(name, RELATIONS[name], paths)
    session.add_table("observation", observation.relation())
    session.add_table("window_settings", window_settings(settings, window, observation.observed_at))
    verdicts = Trust(landing.storage).verdicts(settings.code)
    session.add_table("baseline", baseline(markers, settings.code, window, verdicts))


def window_settings(settings: Country, window: Window, observed_at: datetime | None) -> pa.Table:
    """The one-row relation `window_settings`."""
    row = {
        "country": settings.code,
        "window_start": window.start,
        "always_open": settings.without_hours == "always_open",
        "listed_drop": settings.suspect.listed_drop,
        "missing_rise": settings.suspect.missing_rise,
        "coverage_drop": settings.suspect.coverage_drop,
        "stale_before": None if observed_at is None else observed_at - settings.suspect.stale_after,
        "latest_update": None if observed_at is None else observed_at + CLOCK_DIFFERENCE,
        "several": settings.online_index.several,
    }
    return pa.Table.from_pylist([row], schema=WINDOW_SETTINGS)


def baseline(
    markers: Markers, country: str, window: Window, verdicts: Verdicts = NO_VERDICTS
) -> pa.Table:
    """The relation `baseline`: the last good window before this one, or no row."""
    for marker in itertools.islice(markers.latest(country, before=window), BASELINE_REACH):
        if verdicts.is_good(marker):
            figures = {
                name: getattr(marker.figures, name)
                for name in BASELINE.names
                if name != "window_start"
            }
            row = {"window_start": Window.parse(marker.window).start, **figures}
            return pa.Table.from_pylist([row], schema=BASELINE)
    return BASELINE.empty_table()


def compute(
    session: Session,
    tables: Sequence[Table],
    selected: Collection[str],
    constants: Mapping[str, Any],
    directory: Callable[[Table], str],
    relations: BeforeTables | None = None,
) -> Iterator[Computed]:
    """Compute the selected tables, one after another, from what the session knows.

    Args:
        tables: every table, inputs before what reads them.
        selected: names of those to check and write; what they are computed from is computed too.
        constants: values of the columns that the platform adds to each row, `country` first.
        directory: where a table's files go.
        relations: by table, what is done just before it is computed for the relations that it
            alone reads: it gives them where a function makes the table, or makes them known to the
            session.

    Yields:
        One `Computed` for each selected table, in order.
    """
    failed: set[str] = set()
    for table in closure(tables, selected):
        started = time.perf_counter()
        checks: list[CheckOutcome] = []
        files: list[WrittenFile] = []
        error: StoreAvailError | None = None
        try:
            if broken := [name for name in table.inputs if name in failed]:
                raise TableError(
                    f"table {table.name} was not computed because {', '.join(broken)} failed"
                )
            own = relations[table.name]() if relations and table.name in relations else None
            make(session, table, own)
            contract = check_contract(session, table)
            checks.append(contract)
            require(contract, table, constants)
            if table.name in selected:
                checks.extend(run_check(session, table, check) for check in table.checks)
                files = session.write(
                    table.name, table.stored_schema(), constants, table.order_by, directory(table)
                )
        except TableError as raised:
            failed.add(table.name)
            error = raised
        if table.name in selected:
            seconds = time.perf_counter() - started
            yield Computed(table, tuple(checks), tuple(files), seconds, error)


def make(session: Session, table: Table, relations: Mapping[str, pa.Table] | None = None) -> None:
    """Make a table's rows known to the session, by its SQL or by its function.

    Args:
        relations: inputs of the function that the session does not know.

    Raises:
        TableError: the engine cannot compute them.
    """
    if table.function is None:
        session.create(table.name, table.sql)
        return
    inputs = {
        name: (
            relations[name].select(columns)
            if relations and name in relations
            else session.table(f"SELECT {', '.join(columns)} FROM {name}")
        )
        for name, columns in table.function.reads.items()
    }
    session.add_table(table.name, table.function.rows(inputs, table.computed_schema()))


def computed_in_thread(thread: Executor, results: Iterator[Computed]) -> Iterator[Computed]:
    """The same results, each computed in a thread while the one before it is used.

    A commit waits for catalog and storage, not for a core.
    """
    coming = thread.submit(next, results, None)
    while (result := coming.result()) is not None:
        coming = thread.submit(next, results, None)
        yield result


def check_contract(session: Session, table: Table) -> CheckOutcome:
    """`schema_and_key`: the computed columns and types are the declared ones; keys are unique
    and set among rows without a problem.
    """
    expected, actual = table.computed_schema(), session.schema(table.name)
    differences = [
        f"{name}: declared {_type(expected, name)}, computed {_type(actual, name)}"
        for name in dict.fromkeys([*expected.names, *actual.names])
        if _type(expected, name) != _type(actual, name)
    ]
    if differences:
        return CheckOutcome(table.name, SCHEMA_AND_KEY, False, True, {"differences": differences})
    row = session.rows(contract_sql(table))[0]
    return CheckOutcome(
        table.name, SCHEMA_AND_KEY, row["repeated_keys"] == 0 and row["null_values"] == 0, True, row
    )


def contract_sql(table: Table) -> str:
    """One row: `row_count`, `repeated_keys`, `null_values` (rows with NULL in a column declared
    as never NULL); in one pass over the rows.
    """
    good = "CASE WHEN problem IS NULL THEN 1 ELSE 0 END" if table.has_problem else "1"
    required = [column.name for column in table.columns if not column.nullable]
    nulls = " OR ".join(f"{name} IS NULL" for name in required) or "FALSE"
    group = f" GROUP BY {', '.join(table.key)}" if table.key else ""
    return (
        "SELECT CAST(COALESCE(SUM(row_count), 0) AS BIGINT) AS row_count, CAST(COALESCE(SUM(CASE"
        " WHEN good_rows > 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS repeated_keys,"
        " CAST(COALESCE(SUM(null_values), 0) AS BIGINT) AS null_values FROM (SELECT COUNT(*) AS"
        f" row_count, SUM({good}) AS good_rows, SUM(CASE WHEN {nulls} THEN 1 ELSE 0 END) AS"
        f" null_values FROM {table.name}{group}) counted"
    )


def run_check(session: Session, table: Table, check: Check) -> CheckOutcome:
    """A declared check: its SQL's one row, `passed` and figures. NULL has not passed.

    Raises:
        TableError: it gives no row, or several.
    """
    rows = session.rows(check.sql)
    if len(rows) != 1:
        raise TableError(
            f"table {table.name}: check {check.name} gives {len(rows)} rows; write its SQL so that"
            " it always gives one"
        )
    (row,) = rows
    passed = bool(row.pop("passed"))
    return CheckOutcome(table.name, check.name, passed, False, row)


def require(outcome: CheckOutcome, table: Table, constants: Mapping[str, Any]) -> None:
    """Raise where a blocking check failed.

    Raises:
        TableContractError: with the check's figures, and the rows' country and window or date.
    """
    if not outcome.passed:
        figures = ", ".join(f"{name}: {value}" for name, value in outcome.figures.items())
        start = constants.get("window_start")
        partition = constants["local_date"] if start is None else Window(start)
        raise TableContractError(
            f"table {table.name} of {constants['country']} {partition} was not committed: "
            f"{outcome.name} failed ({figures}); its rows and its declaration disagree, "
            f"see {table.made_in} ({table.declared_at})"
        )


def _type(schema: pa.Schema, name: str) -> str:
    index = schema.get_field_index(name)
    return "missing" if index < 0 else str(schema.field(index).type)
