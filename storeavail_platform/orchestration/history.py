"""Dagster's own storage kept small: what old runs and ticks have left there goes, what was made
stays.

`DagsterInstance.delete_run` would remove the materialisations and check records of a run too. So
here a run's other events are removed one layer below: its file with SQLite, its rows of
`event_logs` elsewhere. Runs themselves, a row each, stay as well. A process that has shown a run
before, and shows it again when its file is gone, has to be restarted to say that there is nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as db
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from storeavail_platform.orchestration.runs import country_of

KEPT = sorted(kind.value for kind in ASSET_EVENTS | ASSET_CHECK_EVENTS)
"""What tells which partitions were made, and how they were checked."""
STATUS_EVENTS = sorted(kind.value for kind in EVENT_TYPE_TO_PIPELINE_RUN_STATUS)
"""Every run has some; they go last, so that a run without them is done."""
RUNS_AT_ONCE = 100
FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
SQLITE_FILES = ("", "-wal", "-shm", "-journal")


@dataclass(frozen=True)
class Removed:
    """How many runs' events and logs were removed, and files of ticks."""

    runs: int
    tick_files: int

    def __bool__(self) -> bool:
        return bool(self.runs or self.tick_files)


def remove_history(
    instance: dg.DagsterInstance,
    before: datetime,
    countries: Collection[str | None],
    instigators: Collection[str],
) -> Removed:
    """Remove what runs that ended, and ticks that were, before a moment (UTC) have left.

    Safe to kill and to run twice at once: what is not removed then is by the next.

    Args:
        countries: whose runs; None stands for those that belong to no country.
        instigators: names of the schedules and sensors whose ticks.
    """
    runs, storage = 0, instance.event_log_storage
    # every storage of Dagster's own on a disk is one
    assert isinstance(storage, SqlEventLogStorage)
    for batch in old_runs(instance, storage, before, countries):
        for run_id in batch:
            instance.compute_log_manager.delete_logs(prefix=[run_id])
        remove_events(storage, batch)
        runs += len(batch)
    return Removed(runs, sum(remove_ticks(instance, before, name) for name in instigators))


def old_runs(
    instance: dg.DagsterInstance,
    storage: SqlEventLogStorage,
    before: datetime,
    countries: Collection[str | None],
) -> Iterator[Sequence[str]]:
    """Ids of the finished runs that still have events besides those that are kept, in batches."""
    events = SqlEventLogStorageTable.c
    query = (
        db.select(events.run_id)
        .where(events.dagster_event_type.in_(STATUS_EVENTS))
        .where(events.timestamp < before.astimezone(UTC).replace(tzinfo=None))
        .distinct()
    )
    with storage.index_connection() as connection:
        found = [row[0] for row in connection.execute(query)]
    for first in range(0, len(found), RUNS_AT_ONCE):
        records = instance.get_run_records(
            dg.RunsFilter(
                run_ids=found[first : first + RUNS_AT_ONCE],
                statuses=list(FINISHED),
                updated_before=before,
            )
        )
        own = [
            record.dagster_run.run_id
            for record in records
            if country_of(record.dagster_run.tags) in countries
        ]
        if own:
            yield own


def remove_events(storage: SqlEventLogStorage, run_ids: Sequence[str]) -> None:
    """Remove the events of runs, but for those that are kept."""
    if isinstance(storage, SqliteEventLogStorage):
        # beside the index, which has what is kept, each run has a file of its own
        for run_id in run_ids:
            for ending in SQLITE_FILES:
                Path(storage.path_for_shard(run_id) + ending).unlink(missing_ok=True)
    events = SqlEventLogStorageTable.c
    others = db.or_(events.dagster_event_type.is_(None), events.dagster_event_type.not_in(KEPT))
    with storage.index_connection() as connection:
        connection.execute(
            db.delete(SqlEventLogStorageTable).where(events.run_id.in_(run_ids)).where(others)
        )


def remove_ticks(instance: dg.DagsterInstance, before: datetime, name: str) -> int:
    """Remove the ticks of a schedule or sensor, and the files of their logs.

    Returns:
        How many files.
    """
    # an instance in memory has no ticks
    for state in instance.all_instigator_state() if instance.schedule_storage is not None else ():
        if state.instigator_name == name and state.selector_id is not None:
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, before.timestamp())
    manager, removed = instance.compute_log_manager, 0
    if isinstance(manager, LocalComputeLogManager):
        for file in Path(manager.get_captured_local_path(["x"], "x")).parent.glob(f"*/{name}/*"):
            # another upkeep may be at it too
            with contextlib.suppress(FileNotFoundError):
                if file.stat().st_mtime < before.timestamp():
                    file.unlink()
                    removed += 1
    return removed
