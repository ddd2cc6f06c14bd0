"""Local dates: which of them a window changes, and their roll-up from the committed facts into the daily tables. No Dagster.

A date's rows follow from the facts alone, in whatever order windows were computed. Windows whose dates are still to be rolled up are noted
below `roll_up/<country>/` of the warehouse before their marker is written, so that a roll-up that fails or is killed is made up for by the
next one.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import StaticTable

from storeavail_platform.domain.errors import TableContractError, TableError
from storeavail_platform.domain.hours import local_start, zones
from storeavail_platform.domain.tables.daily import DAILY_TABLES, STORE_OUTAGES
from storeavail_platform.domain.tables.relations import DAY_AVAILABILITY, RECENT_AVAILABILITY, ROLL_UP
from storeavail_platform.domain.tables.table import Table, arrow_schema
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window
from storeavail_platform.pipeline.compute import CheckOutcome, check_contract, closure, run_check
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.catalog import Committed
from storeavail_platform.warehouse.engine import Session, WrittenFile
from storeavail_platform.warehouse.iceberg import rows_of

DAY = timedelta(days=1)
LOOK_BACK = 7 * DAY
"""How far before a date the start of its outages is looked for, and how far after it their end."""
EASTERNMOST = timedelta(hours=14)
WESTERNMOST = timedelta(hours=12)
"""A local date starts up to 14 hours before UTC's, and ends up to 12 hours after it."""
FACTS = "store_availability"
STORES = "stores"
WINDOW_ROWS = pa.schema([field for field in RECENT_AVAILABILITY if field.name != "missing_minutes"])
OUTAGE_ROWS = arrow_schema(
    tuple(c for c in STORE_OUTAGES.all_columns if c.name in ("local_date", "store_id", "started_at", "ended_at"))
)
CHANGED_OUTAGES = """
SELECT DISTINCT o.local_date
FROM outage_rows o
CROSS JOIN changed_window w
LEFT JOIN window_rows f ON f.store_id = o.store_id AND f.window_start = w.window_start
WHERE o.started_at <= w.window_start
  AND (o.ended_at IS NULL OR o.ended_at >= w.window_start)
  -- what the window says now is not what the outage was decided by
  AND COALESCE(o.ended_at = w.window_start, FALSE)
    <> (f.store_id IS NULL OR f.status IN ('available', 'rogue') OR COALESCE(f.reason, '') = 'inactive')
"""


@dataclass(frozen=True)
class RolledUp:
    """A committed table of a local date. `compute_seconds` is time on the engine."""

    country: str
    local_date: date
    table: Table
    is_provisional: bool
    checks: tuple[CheckOutcome, ...]
    files: tuple[WrittenFile, ...]
    committed: Committed
    compute_seconds: float
    commit_seconds: float

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def roll_up(
    runtime: Runtime, country: str, local_dates: Iterable[date], run_id: str, *, tables: Collection[str] = ()
) -> Iterator[RolledUp]:
    """Compute and commit local dates from the facts as last committed. A date without any facts keeps what it has and gives nothing.

    Args:
        tables: names of the daily tables to commit; empty for all of them.

    Yields:
        Each table of each date, once it is committed.

    Raises:
        TableError: the rows break the declaration, or the engine cannot compute them; nothing of that table and date was committed.
        WarehouseError: the facts cannot be read, or the commit failed.
    """
    selected = set(tables) or {table.name for table in DAILY_TABLES}
    facts = runtime.warehouse.load(country, FACTS)
    for local_date in sorted(set(local_dates)) if facts is not None else ():
        assert facts is not None
        with runtime.engine.session() as session:
            provisional = _add_relations(session, runtime, country, facts, local_date)
            if provisional is None:
                continue
            for table in closure(DAILY_TABLES, selected):
                started = time.perf_counter()
                session.create(table.name, table.sql)
                if table.name not in selected:
                    continue
                checks = _checked(session, country, table, local_date)
                files = session.write(
                    table.name,
                    table.stored_schema(),
                    {"country": country, "local_date": local_date, "run_id": run_id},
                    table.order_by,
                    # one run rolls a date up several times where it computes several windows
                    runtime.warehouse.location(country, table.name, "data", local_date.isoformat(), run_id, uuid.uuid4().hex),
                )
                computed = time.perf_counter()
                committed = runtime.warehouse.commit(country, table, local_date, files, run_id)
                yield RolledUp(
                    country,
                    local_date,
                    table,
                    provisional,
                    checks,
                    tuple(files),
                    committed,
                    compute_seconds=computed - started,
                    commit_seconds=time.perf_counter() - computed,
                )


def note_window(runtime: Runtime, country: str, window: Window) -> None:
    """Note that a window's facts have changed, before its marker says that it is complete."""
    runtime.storage.replace(f"{_noted(country)}/{window.key}/due", b"")


def noted_windows(storage: Storage, country: str) -> list[str]:
    """Keys of the windows whose dates are still to be rolled up."""
    return sorted(storage.names(_noted(country)))


def roll_up_noted(runtime: Runtime, country: str, run_id: str) -> Iterator[RolledUp]:
    """Roll up every date that noted windows have changed, and forget the notes once all of them are done.

    Yields, raises: as `roll_up`; a date whose rows fail leaves the others going on. After an error all notes stay.
    """
    windows = [Window.parse(key) for key in noted_windows(runtime.storage, country)]
    whole, outages_only = set[date](), set[date]()
    for window in windows:
        touched, others = changed_dates(runtime, country, window)
        whole |= touched
        outages_only |= others
    work: list[tuple[date, tuple[str, ...]]] = [(day, ()) for day in sorted(whole, reverse=True)]
    work += [(day, (STORE_OUTAGES.name,)) for day in sorted(outages_only - whole)]
    problems: list[TableError] = []
    for local_date, tables in work:
        try:
            yield from roll_up(runtime, country, [local_date], run_id, tables=tables)
        except TableError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    for window in windows:
        runtime.storage.delete_tree(f"{_noted(country)}/{window.key}")


def changed_dates(runtime: Runtime, country: str, window: Window) -> tuple[set[date], set[date]]:
    """The local dates that a window's facts are part of, and the other dates whose outages they can have changed.

    These are dates before whose outages the window ends, or no longer ends, and all later dates that are rolled up already.
    """
    touched = {local_start(window, runtime.country(country).timezone)[0]}
    facts = runtime.warehouse.load(country, FACTS)
    outages, days = (runtime.warehouse.load(country, table.name) for table in DAILY_TABLES)
    if facts is None:
        return touched, set()
    with runtime.engine.session() as session:
        session.add_table("changed_window", pa.table({"window_start": pa.array([window.start], pa.timestamp("us", tz="UTC"))}))
        session.add_files("window_rows", WINDOW_ROWS, _paths(facts, rows_of(window)))
        rows = session.rows(
            "SELECT DISTINCT f.local_date FROM window_rows f JOIN changed_window w ON w.window_start = f.window_start"
        )
        touched |= {row["local_date"] for row in rows}
        others = set[date]()
        if outages is not None:
            before = _between("local_date", min(touched) - LOOK_BACK, max(touched) - DAY)
            session.add_files("outage_rows", OUTAGE_ROWS, _paths(outages, before))
            found = {row["local_date"] for row in session.rows(CHANGED_OUTAGES)}
            others |= {local_date for local_date in found if window.start < _looked_until(local_date)}
    if days is not None:
        after = _between("local_date", min(touched) + DAY, max(touched) + LOOK_BACK + DAY)
        others |= {_partition(task.file.partition[0]) for task in days.scan(row_filter=after).plan_files()}
    return touched, others - touched


def _add_relations(session: Session, runtime: Runtime, country: str, facts: StaticTable, local_date: date) -> bool | None:
    """Make the relations of a date known to the session. Whether the date is provisional; None where it has no facts."""
    midnight = datetime.combine(local_date, clock(), UTC)
    before = local_date - LOOK_BACK - DAY
    until = _looked_until(local_date)
    recent = _from_until(midnight - LOOK_BACK - DAY - EASTERNMOST, until)
    day = _from_until(midnight - EASTERNMOST, midnight + DAY + WESTERNMOST)
    session.add_files("recent_availability", RECENT_AVAILABILITY, _paths(facts, recent))
    session.add_files("day_availability", DAY_AVAILABILITY, _paths(facts, day))
    found = session.rows(
        f"SELECT MAX(window_start) AS last_window FROM day_availability WHERE local_date = CAST('{local_date}' AS DATE)"
    )
    newest = session.rows("SELECT MAX(window_start) AS newest FROM recent_availability")[0]["newest"]
    last: datetime | None = found[0]["last_window"]
    if last is None:
        return None
    ends = (_end(local_date, zone) for zone in _zones_of(session, runtime, country, Window(last.astimezone(UTC))))
    row: dict[str, Any] = {
        "local_date": local_date,
        "first_date": local_date - LOOK_BACK,
        "before_date": before,
        "looked_until": until,
        "is_provisional": newest + WINDOW_LENGTH < max(ends),
    }
    session.add_table("roll_up", pa.Table.from_pylist([row], schema=ROLL_UP))
    return bool(row["is_provisional"])


def _zones_of(session: Session, runtime: Runtime, country: str, window: Window) -> set[str]:
    """The country's zone and those of its stores in a window."""
    found = {runtime.country(country).timezone}
    stores = runtime.warehouse.load(country, STORES)
    if stores is not None:
        schema = pa.schema([("window_start", pa.timestamp("us", tz="UTC")), ("timezone", pa.string())])
        session.add_files("date_stores", schema, _paths(stores, rows_of(window)))
        session.add_table("last_window", pa.table({"window_start": pa.array([window.start], pa.timestamp("us", tz="UTC"))}))
        rows = session.rows("SELECT DISTINCT s.timezone FROM date_stores s JOIN last_window w ON w.window_start = s.window_start")
        found |= {row["timezone"] for row in rows} & set(zones())
    return found


def _checked(session: Session, country: str, table: Table, local_date: date) -> tuple[CheckOutcome, ...]:
    """The table's checks.

    Raises:
        TableContractError: columns, types or keys are not the declared ones.
    """
    contract = check_contract(session, table)
    if not contract.passed:
        figures = ", ".join(f"{name}: {value}" for name, value in contract.figures.items())
        raise TableContractError(
            f"table {table.name} of {country} {local_date} was not committed: {contract.name} failed ({figures}); its SQL and its "
            f"declaration disagree, see tables/sql/{table.name}.sql and tables/daily.py"
        )
    return (contract, *(run_check(session, table, check.name, check.sql) for check in table.checks))


def _paths(table: StaticTable, row_filter: str | BooleanExpression) -> Sequence[str]:
    """The files that can hold such rows, as engines take them."""
    return [task.file.file_path.removeprefix("file://") for task in table.scan(row_filter=row_filter).plan_files()]


def _between(column: str, first: date, last: date) -> str:
    return f"{column} >= '{first}' AND {column} <= '{last}'"


def _from_until(first: datetime, until: datetime) -> str:
    return f"window_start >= '{first.isoformat()}' AND window_start < '{until.isoformat()}'"


def _partition(value: int | date) -> date:
    """The date of a partition: Iceberg counts days."""
    return value if isinstance(value, date) else date(1970, 1, 1) + value * DAY


def _looked_until(local_date: date) -> datetime:
    """The first window that is left out of the search for the end of a date's outages."""
    return datetime.combine(local_date + DAY + LOOK_BACK, clock(), UTC)


def _end(local_date: date, zone: str) -> datetime:
    """When a local date is over in a zone, UTC."""
    return datetime.combine(local_date + DAY, clock(), ZoneInfo(zone)).astimezone(UTC)


def _noted(country: str) -> str:
    return f"roll_up/{country}"
