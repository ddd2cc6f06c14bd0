"""Failed runs as the alerts see them: whose, in whose words, of what likely cause. No Dagster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storeavail_platform.domain import errors
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.storage.room import FULL_PHRASES, IO_ERROR

PLATFORM = "platform"
"""Stands for the country of runs that belong to none."""

CAUSES: dict[str, Cause] = {
    kind.__name__: cause
    for kind, cause in (
        (errors.SourceUnavailable, Cause.SOURCE_UNREACHABLE),
        (errors.NothingUsable, Cause.NOTHING_USABLE),
        (errors.NotObserved, Cause.SOURCE_UNREACHABLE),
        (errors.SourceRejected, Cause.SOURCE_REFUSED),
        (errors.ClockWrong, Cause.CLOCK_WRONG),
        (errors.ObservationRefused, Cause.OBSERVATION_TOO_LATE),
        (errors.LandingDamaged, Cause.LANDING_DAMAGED),
        (errors.TableContractError, Cause.TABLE_CONTRACT_BROKEN),
        (errors.TableDeclarationError, Cause.TABLE_CONTRACT_BROKEN),
        (errors.SchemaChangeRefused, Cause.TABLE_CONTRACT_BROKEN),
        (errors.CatalogUnavailable, Cause.CATALOG_UNREACHABLE),
        (errors.CatalogLost, Cause.CATALOG_LOST),
        (errors.TableDamaged, Cause.TABLE_DAMAGED),
        (errors.WarehouseMoved, Cause.CONFIGURATION_WRONG),
        (errors.DiskFull, Cause.DISK_FULL),
        (errors.StorageUnavailable, Cause.STORAGE_UNREACHABLE),
        (errors.StorageRefused, Cause.STORAGE_UNREACHABLE),
        (errors.WarehouseError, Cause.STORAGE_UNREACHABLE),
        (errors.CommitConflict, Cause.COMMIT_CONFLICT),
        (errors.ClusterUnavailable, Cause.CLUSTER_LOST),
        (errors.StepFailed, Cause.STEP_FAILED),
        (errors.ConfigError, Cause.CONFIGURATION_WRONG),
        (errors.LayoutRefused, Cause.CONFIGURATION_WRONG),
    )
}
"""Likely cause by the name of the platform's error."""
TELLING_PHRASES = (
    *((phrase, Cause.DISK_FULL) for phrase in FULL_PHRASES),
    ("cannot be understood", Cause.STATE_DAMAGED),
)
"""Likely cause by a phrase of the message: more telling than an error's name that is general."""
GENERAL = {"StorageUnavailable", "CatalogUnavailable", "WarehouseError"}
OTHER_PHRASES = (
    ("and its declaration disagree", Cause.TABLE_CONTRACT_BROKEN),
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
