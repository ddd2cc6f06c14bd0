"""Local dates: which of them a window changes, and their roll-up from the committed facts.

A date's rows follow from the facts alone, in whatever order windows were computed. Windows whose
dates are still to be rolled up are noted below `roll_up/<country>/` of the warehouse before their
marker is written, so that a roll-up that fails or is killed is made up for by the next one.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyiceberg.expressions import And, EqualTo, Reference
from pyiceberg.expressions.literals import literal
from pyiceberg.table import StaticTable

from storeavail_platform.domain.errors import StoreAvailError, TableError
from storeavail_platform.domain.hours import local_start, zones
from storeavail_platform.domain.tables.causes import INCIDENTS, USUAL_RATES, WINDOW_CAUSES
from storeavail_platform.domain.tables.daily import (
    DAILY_STORE_AVAILABILITY,
    ROLLED_UP,
    STORE_OUTAGES,
)
from storeavail_platform.domain.tables.declarations import (
    STORE_AVAILABILITY,
    STORES,
    WINDOW_QUALITY,
)
from storeavail_platform.domain.tables.queries import (
    CAUSE_ROWS,
    CHANGED_INCIDENTS,
    CHANGED_OUTAGES,
    CHANGED_WINDOW,
    DATE_BOUNDS,
    DATE_ZONES,
    INCIDENT_ROWS,
    OUTAGE_ROWS,
    QUALITY_ROWS,
    WINDOW_DATES,
    WINDOW_ROWS,
    WINDOW_STORES,
    WINDOWS_JUDGED_SUSPECT,
)
from storeavail_platform.domain.tables.relations import (
    COUNTRY_DATE,
    DATE_CAUSES,
    EARLIER_INCIDENTS,
    ROLL_UP,
    SUSPECT_WINDOWS,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import WINDOW_LENGTH, Window, is_key
from storeavail_platform.pipeline.commit import commit
from storeavail_platform.pipeline.compute import compute
from storeavail_platform.pipeline.date_facts import (
    DAY,
    LOOK_BACK,
    add_date_facts,
    first_looked_at,
    last_looked_at,
)
from storeavail_platform.pipeline.events import RolledUp
from storeavail_platform.pipeline.files import (
    dates_from_to,
    from_until,
    not_ended_before,
    planned_paths,
    window_files,
)
from storeavail_platform.pipeline.rates import make_rates, midnight
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.listing import belonging
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.engine import Session
from storeavail_platform.warehouse.iceberg import data_files, partition_date, rows_of
from storeavail_platform.warehouse.trust import Trust


@dataclass(frozen=True)
class _Roll:
    """A date being rolled up: the country's facts as last committed, and the run that asks."""

    runtime: Runtime
    country: str
    run_id: str
    facts: StaticTable
    local_date: date

    def directory(self, table: Table) -> str:
        # one run rolls a date up several times where it computes several windows
        parts = ("data", self.local_date.isoformat(), self.run_id, uuid.uuid4().hex)
        return self.runtime.warehouse.location(self.country, table.name, *parts)


def roll_up(
    runtime: Runtime,
    country: str,
    local_dates: Iterable[date],
    run_id: str,
    *,
    tables: Collection[str] = (),
) -> Iterator[RolledUp]:
    """Compute and commit local dates from the facts as last committed.

    A date without any facts keeps what it has and gives nothing.

    Args:
        tables: names of the daily tables to commit; empty for those that windows change.

    Yields:
        Each table of each date, once it is committed.

    Raises:
        TableError: the rows break the declaration, or the engine cannot compute them; nothing of
            that table and date was committed.
        WarehouseError: the facts cannot be read, or the commit failed.
    """
    selected = set(tables) or {table.name for table in ROLLED_UP}
    facts = runtime.warehouse.load(country, STORE_AVAILABILITY.name)
    if facts is None:
        return
    for local_date in sorted(set(local_dates)):
        has_facts = True
        if rolled := selected - {USUAL_RATES.name}:
            with runtime.engine.session() as session:
                roll = _Roll(runtime, country, run_id, facts, local_date)
                has_facts = False
                for event in _rolled(session, roll, rolled):
                    has_facts = True
                    yield event
        if has_facts and USUAL_RATES.name in selected:
            yield from make_rates(runtime, country, local_date, run_id)


def _rolled(session: Session, roll: _Roll, selected: Collection[str]) -> Iterator[RolledUp]:
    is_provisional = _add_relations(session, roll)
    if is_provisional is None:
        return
    constants = {
        "country": roll.country,
        "local_date": roll.local_date,
        "run_id": roll.run_id,
    }
    for computed in compute(session, ROLLED_UP, selected, constants, roll.directory):
        if computed.error is not None:
            raise computed.error
        done = commit(roll.runtime, roll.country, roll.local_date, computed, roll.run_id)
        yield RolledUp(
            done.country,
            done.partition,
            computed,
            done.state,
            done.commit_seconds,
            is_provisional=is_provisional,
        )


def note_window(runtime: Runtime, country: str, window: Window) -> None:
    """Note that a window's facts have changed, before its marker says that it is complete."""
    runtime.storage.replace(f"{_notes(country)}/{window.key}/due", b"")


def noted_windows(storage: Storage, country: str) -> list[str]:
    """Keys of the windows whose dates are still to be rolled up."""
    return belonging(storage, _notes(country), is_key, folders=True)


def roll_up_noted(runtime: Runtime, country: str, run_id: str) -> Iterator[RolledUp]:
    """Roll up every date that noted windows have changed, and forget the notes once all are done.

    Yields, raises: as `roll_up`; a date whose rows fail leaves the others going on. After an error
    all notes stay.
    """
    windows = [Window.parse(key) for key in noted_windows(runtime.storage, country)]
    whole, changed = set[date](), defaultdict[date, set[str]](set)
    for window in windows:
        touched, others = changed_dates(runtime, country, window)
        whole |= touched
        for day, names in others.items():
            changed[day] |= names
    work: list[tuple[date, Collection[str]]] = [(day, ()) for day in sorted(whole, reverse=True)]
    work += [(day, changed[day]) for day in sorted(changed.keys() - whole)]
    problems: list[StoreAvailError] = []
    for local_date, tables in work:
        try:
            yield from roll_up(runtime, country, [local_date], run_id, tables=tables)
        except TableError as error:
            problems.append(error)
    if problems:
        raise problems[0]
    for window in windows:
        runtime.storage.delete_tree(f"{_notes(country)}/{window.key}")


def changed_dates(
    runtime: Runtime, country: str, window: Window
) -> tuple[set[date], dict[date, set[str]]]:
    """The local dates that a window is part of, and of others the tables that it can have changed.

    These are outages and incidents of dates before that end with it, or no longer end with it, and
    the outages of all later dates that are rolled up already.
    """
    touched = {local_start(window, runtime.country(country).timezone)[0]}
    others = defaultdict[date, set[str]](set)
    facts = runtime.warehouse.load(country, STORE_AVAILABILITY.name)
    outages, days, incidents, causes = (
        runtime.warehouse.load(country, table.name)
        for table in (STORE_OUTAGES, DAILY_STORE_AVAILABILITY, INCIDENTS, WINDOW_CAUSES)
    )
    if facts is None:
        return touched, others
    # most dates have no outage and no incident that the window could end
    going_on = not_ended_before(window.start)
    with runtime.engine.session() as session:
        session.add_table("changed_window", _one_row(CHANGED_WINDOW, window.start))
        session.add_files("window_rows", WINDOW_ROWS, planned_paths(facts, rows_of(window)))
        touched |= {row["local_date"] for row in session.rows(WINDOW_DATES.sql)}
        if outages is not None:
            before = dates_from_to(min(touched) - LOOK_BACK, max(touched) - DAY)
            paths = planned_paths(outages, And(before, going_on))
            session.add_files("outage_rows", OUTAGE_ROWS, paths)
            _add_suspect_windows(session, runtime, country, window.start, window.next().start)
            for row in session.rows(CHANGED_OUTAGES.sql):
                if window.start < last_looked_at(row["local_date"]):
                    others[row["local_date"]].add(STORE_OUTAGES.name)
        before = dates_from_to(min(touched) - LOOK_BACK, min(touched) - DAY)
        if paths := planned_paths(incidents, And(before, going_on)):
            session.add_files("incident_rows", INCIDENT_ROWS, paths)
            session.add_files("cause_rows", CAUSE_ROWS, planned_paths(causes, rows_of(window)))
            for row in session.rows(CHANGED_INCIDENTS.sql):
                # an outage names its incident
                others[row["local_date"]] |= {INCIDENTS.name, STORE_OUTAGES.name}
    if days is not None:
        after = dates_from_to(min(touched) + DAY, max(touched) + LOOK_BACK + DAY)
        for file in data_files(days.scan(row_filter=after)):
            others[partition_date(file.partition[0])].add(STORE_OUTAGES.name)
    return touched, {day: tables for day, tables in others.items() if day not in touched}


def _add_relations(session: Session, roll: _Roll) -> bool | None:
    """Make the relations of a date known to the session.

    Returns:
        Whether the date is provisional; None where it has no facts.
    """
    local_date = roll.local_date
    first, until = first_looked_at(local_date), last_looked_at(local_date)
    _add_suspect_windows(session, roll.runtime, roll.country, first, until)
    add_date_facts(session, local_date, window_files(roll.facts, first, until))
    _add_incidents(session, roll)
    (bounds,) = session.rows(DATE_BOUNDS.sql)
    last: datetime | None = bounds["last_window"]
    if last is None:
        return None
    timezones = _zones_of(session, roll, Window(last.astimezone(UTC)))
    ends = max(_end(local_date, zone) for zone in timezones)
    is_provisional = bool(bounds["newest_window"] + WINDOW_LENGTH < ends)
    row = {
        "local_date": local_date,
        "first_date": local_date - LOOK_BACK,
        "before_date": local_date - LOOK_BACK - DAY,
        "looked_until": until,
        "is_provisional": is_provisional,
    }
    session.add_table("roll_up", pa.Table.from_pylist([row], schema=ROLL_UP))
    return is_provisional


def _add_incidents(session: Session, roll: _Roll) -> None:
    """Make known to the session what incidents, and the causes of outages, are made of."""
    local_date, load = roll.local_date, roll.runtime.warehouse.load
    zone = roll.runtime.country(roll.country).timezone
    first, until = midnight(local_date, zone), midnight(local_date + DAY, zone)
    causes = planned_paths(
        load(roll.country, WINDOW_CAUSES.name), from_until(first, until + LOOK_BACK)
    )
    session.add_files("date_causes", DATE_CAUSES, causes)
    before = dates_from_to(local_date - LOOK_BACK - DAY, local_date - DAY)
    earlier = planned_paths(load(roll.country, INCIDENTS.name), before)
    session.add_files("earlier_incidents", EARLIER_INCIDENTS, earlier)
    row = {
        "local_date": local_date,
        "timezone": zone,
        "first_window": first,
        "until_window": until,
    }
    session.add_table("country_date", pa.Table.from_pylist([row], schema=COUNTRY_DATE))


def _add_suspect_windows(
    session: Session, runtime: Runtime, country: str, first: datetime, until: datetime
) -> None:
    """Make the relation `suspect_windows` of a time known to the session: what was judged, and
    over it what people said since.
    """
    quality = runtime.warehouse.load(country, WINDOW_QUALITY.name)
    # the suspect ones by the files' own figures: nearly all files are left out
    wanted = And(from_until(first, until), EqualTo(term=Reference("suspect"), value=literal(True)))
    paths = planned_paths(quality, wanted)
    session.add_files("quality_rows", QUALITY_ROWS, paths)
    judged = session.rows(WINDOWS_JUDGED_SUSPECT.sql) if paths else []
    verdicts = Trust(runtime.storage).verdicts(country)
    keys = {Window(row["window_start"].astimezone(UTC)).key for row in judged}
    found = {key for key in keys if verdicts.suspicion(key, "suspect") is not None}
    if any(not verdict.is_trusted for verdict in verdicts.holding):
        count = (until - first) // WINDOW_LENGTH
        span = [Window.containing(first).next(number).key for number in range(count)]
        found |= set(verdicts.distrusted(span))
    rows = [{"window_start": Window.parse(key).start} for key in sorted(found)]
    session.add_table("suspect_windows", pa.Table.from_pylist(rows, schema=SUSPECT_WINDOWS))


def _zones_of(session: Session, roll: _Roll, window: Window) -> set[str]:
    """The country's zone and those of its stores in a window."""
    found = {roll.runtime.country(roll.country).timezone}
    stores = roll.runtime.warehouse.load(roll.country, STORES.name)
    if stores is not None:
        session.add_files("window_stores", WINDOW_STORES, planned_paths(stores, rows_of(window)))
        session.add_table("changed_window", _one_row(CHANGED_WINDOW, window.start))
        rows = session.rows(DATE_ZONES.sql)
        found |= {row["timezone"] for row in rows} & set(zones())
    return found


def _one_row(schema: pa.Schema, value: datetime | date) -> pa.Table:
    return pa.Table.from_pylist([{schema.names[0]: value}], schema=schema)


def _end(local_date: date, zone: str) -> datetime:
    """When a local date is over in a zone, UTC."""
    return datetime.combine(local_date + DAY, time_of_day(), ZoneInfo(zone)).astimezone(UTC)


def _notes(country: str) -> str:
    return f"roll_up/{country}"
