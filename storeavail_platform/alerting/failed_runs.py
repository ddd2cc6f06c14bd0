"""Failed runs as the alerts see them: which country and window, in whose words, of what likely cause. No Dagster here; `sensors.py` reads it.

`run_failures` leaves a note a failed run below `alerts/notes/<country>/`, and the country's sensor takes it into its state: whoever writes
the state is alone, and a failure that comes while the storage is down is noted later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter

from storeavail_platform.alerting.alerts import Cause
from storeavail_platform.domain.errors import (
    CatalogLost,
    CatalogUnavailable,
    ClusterUnavailable,
    CommitConflict,
    ConfigError,
    LandingDamaged,
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
from storeavail_platform.domain.text import inert
from storeavail_platform.storage.json_files import decode
from storeavail_platform.storage.local import Storage

PLATFORM = "platform"
"""Stands for the country of runs that belong to none."""

CAUSES: dict[str, Cause] = {
    kind.__name__: cause
    for kind, cause in (
        (SourceUnavailable, Cause.SOURCE_UNREACHABLE),
        (NotObserved, Cause.SOURCE_UNREACHABLE),
        (SourceRejected, Cause.SOURCE_REFUSED),
        (ObservationRefused, Cause.OBSERVATION_TOO_LATE),
        (LandingDamaged, Cause.LANDING_DAMAGED),
        (TableContractError, Cause.TABLE_CONTRACT_BROKEN),
        (TableDeclarationError, Cause.TABLE_CONTRACT_BROKEN),
        (SchemaChangeRefused, Cause.TABLE_CONTRACT_BROKEN),
        (CatalogUnavailable, Cause.CATALOG_UNREACHABLE),
        (CatalogLost, Cause.CATALOG_LOST),
        (TableDamaged, Cause.TABLE_DAMAGED),
        (WarehouseMoved, Cause.CONFIGURATION_WRONG),
        (StorageUnavailable, Cause.STORAGE_UNREACHABLE),
        (StorageRefused, Cause.STORAGE_UNREACHABLE),
        (WarehouseError, Cause.STORAGE_UNREACHABLE),
        (CommitConflict, Cause.COMMIT_CONFLICT),
        (ClusterUnavailable, Cause.CLUSTER_LOST),
        (StepFailed, Cause.STEP_FAILED),
        (ConfigError, Cause.CONFIGURATION_WRONG),
    )
}
"""Likely cause by the name of the platform's error."""
WORDS_FIRST = (
    ("No space left on device", Cause.DISK_FULL),
    ("database or disk is full", Cause.DISK_FULL),
    ("cannot be understood", Cause.STATE_DAMAGED),
)
"""Likely cause by words of the message, which tell more than an error's name where that is general."""
GENERAL = {StorageUnavailable.__name__, CatalogUnavailable.__name__, WarehouseError.__name__}
WORDS = (("its SQL and its declaration disagree", Cause.TABLE_CONTRACT_BROKEN), ("database is locked", Cause.CATALOG_UNREACHABLE))
"""Likely cause by words of the message, where no error of the platform tells."""


@dataclass(frozen=True)
class FailedRun:
    """A run that failed.

    Attributes:
        country: code, or `platform`.
        window: key, or None for a run of no window.
        failed_at: UTC.
        message: the failing step's own words, made inert.
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


def cause_of(error: str, message: str) -> Cause:
    """The likely cause of a failure, by the name of the exception and what it said."""
    for words, cause in WORDS_FIRST if error not in CAUSES or error in GENERAL else ():
        if words in message:
            return cause
    return CAUSES.get(error) or next((cause for words, cause in WORDS if words in message), Cause.UNKNOWN)


def cause_outside_steps(message: str) -> Cause:
    """The likely cause of a run that ended without a failing step: its process was killed, never started, or took too long."""
    return next((cause for words, cause in (*WORDS_FIRST, *WORDS) if words in message), Cause.RUN_LOST)


class FailureNotes:
    """Notes on failed runs that no country's sensor has taken in yet."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def add(self, failed: FailedRun) -> None:
        note = replace(failed, message=inert(failed.message))
        self.storage.create(f"{_folder(failed.country)}/{failed.run_id}/note.json", NOTE.dump_json(note))

    def waiting(self, country: str) -> list[FailedRun]:
        """The notes on a country's runs, oldest failure first.

        Raises:
            WarehouseError: a note cannot be understood.
        """
        found = []
        for run_id in self.storage.names(_folder(country)):
            path = f"{_folder(country)}/{run_id}/note.json"
            data = self.storage.read(path)
            if data is not None:
                advice = f"look at run {run_id} in the Dagster UI, then remove the note's folder"
                found.append(decode(NOTE, data, f"note {self.storage.path(path)}", advice))
        return sorted(found, key=lambda failed: failed.failed_at)

    def remove(self, failed: FailedRun) -> None:
        self.storage.delete_tree(f"{_folder(failed.country)}/{failed.run_id}")


def _folder(country: str) -> str:
    return f"alerts/notes/{country}"
