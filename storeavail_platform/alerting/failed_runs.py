"""Failed runs as the alerts see them: which country and window, in whose words, of what likely
cause. No Dagster here; `sensors.py` reads it.

`run_failures` leaves a note a failed run below `alerts/notes/<country>/`, and the country's sensor
takes it into its state: whoever writes the state is alone, and a failure that comes while the
storage is down is noted later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from storeavail_platform.alerting.alerts import Cause
from storeavail_platform.domain.errors import (
    CatalogLost,
    CatalogUnavailable,
    ClockWrong,
    ClusterUnavailable,
    CommitConflict,
    ConfigError,
    DiskFull,
    LandingDamaged,
    LayoutRefused,
    NothingUsable,
    NotObserved,
    ObservationRefused,
    SchemaChangeRefused,
    SourceRejected,
    SourceUnavailable,
    StepFailed,
    StorageRefused,
    StorageUnavailable,
    TableContractError,
    TableDamaged,
    TableDeclarationError,
    WarehouseError,
    WarehouseMoved,
)
from storeavail_platform.domain.text import neutralised
from storeavail_platform.storage.json_files import read_json
from storeavail_platform.storage.listing import belonging
from storeavail_platform.storage.local import Storage
from storeavail_platform.storage.room import FULL_PHRASES, IO_ERROR

PLATFORM = "platform"
"""Stands for the country of runs that belong to none."""

CAUSES: dict[str, Cause] = {
    kind.__name__: cause
    for kind, cause in (
        (SourceUnavailable, Cause.SOURCE_UNREACHABLE),
        (NothingUsable, Cause.NOTHING_USABLE),
        (NotObserved, Cause.SOURCE_UNREACHABLE),
        (SourceRejected, Cause.SOURCE_REFUSED),
        (ClockWrong, Cause.CLOCK_WRONG),
        (ObservationRefused, Cause.OBSERVATION_TOO_LATE),
        (LandingDamaged, Cause.LANDING_DAMAGED),
        (TableContractError, Cause.TABLE_CONTRACT_BROKEN),
        (TableDeclarationError, Cause.TABLE_CONTRACT_BROKEN),
        (SchemaChangeRefused, Cause.TABLE_CONTRACT_BROKEN),
        (CatalogUnavailable, Cause.CATALOG_UNREACHABLE),
        (CatalogLost, Cause.CATALOG_LOST),
        (TableDamaged, Cause.TABLE_DAMAGED),
        (WarehouseMoved, Cause.CONFIGURATION_WRONG),
        (DiskFull, Cause.DISK_FULL),
        (StorageUnavailable, Cause.STORAGE_UNREACHABLE),
        (StorageRefused, Cause.STORAGE_UNREACHABLE),
        (WarehouseError, Cause.STORAGE_UNREACHABLE),
        (CommitConflict, Cause.COMMIT_CONFLICT),
        (ClusterUnavailable, Cause.CLUSTER_LOST),
        (StepFailed, Cause.STEP_FAILED),
        (ConfigError, Cause.CONFIGURATION_WRONG),
        (LayoutRefused, Cause.CONFIGURATION_WRONG),
    )
}
"""Likely cause by the name of the platform's error."""
TELLING_PHRASES = (
    *((phrase, Cause.DISK_FULL) for phrase in FULL_PHRASES),
    ("cannot be understood", Cause.STATE_DAMAGED),
)
"""Likely cause by a phrase of the message: more telling than an error's name that is general."""
GENERAL = {StorageUnavailable.__name__, CatalogUnavailable.__name__, WarehouseError.__name__}
OTHER_PHRASES = (
    ("its SQL and its declaration disagree", Cause.TABLE_CONTRACT_BROKEN),
    (IO_ERROR, Cause.DISK_FULL),
    ("database is locked", Cause.CATALOG_UNREACHABLE),
)
"""Likely cause by a phrase of the message, where no error of the platform tells."""


@dataclass(frozen=True)
class FailedRun:
    """A run that failed.

    Attributes:
        country: code, or `platform`.
        window: key, or None for a run of no window.
        failed_at: UTC.
        message: the failing step's own words, neutralised.
    """

    run_id: str
    job: str
    country: str
    window: str | None
    failed_at: datetime
    cause: Cause
    message: str

    @property
    def task(self) -> tuple[str, str | None]:
        """What has to be made up for: the newest failure of a task stands for all."""
        return self.job, self.window


NOTE = TypeAdapter(FailedRun)


def cause_of(error: str | None, message: str) -> Cause:
    """The likely cause of a failure.

    Args:
        error: the exception's name; None where no step failed: the process was killed, never
            started, or took too long.
        message: what it said.
    """
    named = CAUSES.get(error or "")
    telling = _by_phrase(TELLING_PHRASES, message) if named is None or error in GENERAL else None
    other = Cause.RUN_LOST if error is None else Cause.UNKNOWN
    return telling or named or _by_phrase(OTHER_PHRASES, message) or other


def _by_phrase(phrases: Sequence[tuple[str, Cause]], message: str) -> Cause | None:
    return next((cause for phrase, cause in phrases if phrase in message), None)


def add_note(storage: Storage, failed: FailedRun) -> None:
    note = replace(failed, message=neutralised(failed.message))
    storage.create(f"{_folder(failed.country)}/{failed.run_id}/note.json", NOTE.dump_json(note))


def waiting_notes(storage: Storage, country: str) -> list[FailedRun]:
    """The notes that the country's sensor has not taken in yet, oldest failure first.

    Raises:
        WarehouseError: a note cannot be understood, or speaks for another country or run.
    """
    runs = belonging(storage, _folder(country), bool, folders=True)
    notes = [_read_note(storage, country, run_id) for run_id in runs]
    return sorted((note for note in notes if note is not None), key=lambda failed: failed.failed_at)


def _read_note(storage: Storage, country: str, run_id: str) -> FailedRun | None:
    advice = f"look at run {run_id} in the Dagster UI, then remove the note's folder"
    path = f"{_folder(country)}/{run_id}/note.json"
    note = read_json(storage, path, NOTE, "note", advice)
    if note is not None and (note.country, note.run_id) != (country, run_id):
        raise WarehouseError(
            f"note {storage.path(path)} cannot be understood (it speaks for another country or"
            f" run): something other than the platform wrote it; {advice}"
        )
    return note


def remove_note(storage: Storage, failed: FailedRun) -> None:
    storage.delete_tree(f"{_folder(failed.country)}/{failed.run_id}")


def _folder(country: str) -> str:
    return f"alerts/notes/{country}"
