"""Every error that the platform raises on purpose, and nothing else.

    StoreAvailError
    ├── ConfigError              the configuration is wrong; nothing was started
    ├── SourceError              PostgreSQL or the online index
    │   ├── SourceUnavailable    down, slow, half an answer: may pass
    │   │   └── NothingUsable    it answered without one usable store id: taken for broken
    │   └── SourceRejected       wrong password, missing table or field: stays until changed
    ├── ClockWrong               this machine's clock is not that of its sources: nothing observed
    ├── ObservationRefused       too early or late: a live index cannot be read for the past
    ├── NotObserved              nothing was landed for the window
    ├── NeverObserved            the window is a recorded gap, and stays one
    ├── LandingDamaged           a landed file is missing or differs from its manifest
    ├── TableError
    │   ├── TableDeclarationError   a Table or its SQL file is wrong; raised at load
    │   ├── TableContractError      rows break the declared schema or key; nothing committed
    │   └── TablesFailed            some of a window's tables failed; others are committed
    ├── WarehouseError
    │   ├── CatalogUnavailable   the catalog does not answer: may pass, nothing is lost
    │   ├── StorageRefused       a right is missing to read, list or write the warehouse's files
    │   ├── StorageUnavailable   the files of the warehouse cannot be reached: may pass
    │   ├── DiskFull             no room on a disk of this machine: may pass, nothing is lost
    │   ├── CommitConflict       another writer changed the table twice: may pass
    │   ├── CatalogLost          lacks a table that is there, is older, or damaged: `recover`
    │   ├── TableDamaged         a file of a table is missing or is not what it was: `recover`
    │   ├── MarkerDamaged        a window's marker cannot be understood: `recover`
    │   ├── WarehouseMoved       the tables were written at another path: files name paths
    │   ├── SchemaChangeRefused  the declared schema cannot be reached by adding nullable columns
    │   └── LayoutRefused        a layout that this release neither reads nor writes
    ├── StepError                a step on a country's cluster
    │   ├── ClusterUnavailable   no live cluster, or it was lost: may pass
    │   └── StepFailed           the cluster rejected, failed or cancelled the step
    ├── HomeDamaged              Dagster's home cannot be used, or its databases are damaged
    ├── BackupRunning            a backup copies these files: upkeep and removals wait for it
    ├── WarehouseHeld            a `storeavail up` that is alive has the warehouse
    ├── WindowBusy               the window is being computed by a run that is alive
    ├── ChannelFailed            an alert could not be delivered: it is tried again
    ├── DeploymentFailed         AWS refused storeavail-deploy something, or did not answer
    ├── QueryRefused             not exactly one SELECT or EXPLAIN, or the engine refused it
    ├── QueryStopped             a query came to its limit of rows, time or memory
    ├── OutputRefused            a file for a result is there already, or cannot be written
    └── AuditFailed              an analyst's access could not be noted; nothing was given

`may_pass` is what decides about retries: an error that can go away by itself is tried again, any
other stops at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from storeavail_platform.domain.text import shown


class StoreAvailError(Exception):
    """Base class. The message names the thing, the place, the likely cause and what to do, and no
    secret; it can be printed on a terminal.
    """

    may_pass: bool = False

    def __str__(self) -> str:
        return shown(super().__str__())


class ConfigError(StoreAvailError):
    """The configuration is wrong. The message lists every mistake with its path."""


class SourceError(StoreAvailError):
    """A source could not be read."""


class SourceUnavailable(SourceError):
    """The source is down, slow, or gave half an answer. Trying again may help."""

    may_pass = True


class NothingUsable(SourceUnavailable):
    """The source answered, and no row of it names a store. Absent evidence is no evidence of
    absence: nothing was landed, and it is tried again like a source that is down.
    """


class SourceRejected(SourceError):
    """The source answered, and says that the request is wrong. Trying again cannot help."""


class ClockWrong(StoreAvailError):
    """This machine's clock and that of a source are too far apart. Nothing was observed, and no gap
    was recorded: by this clock nobody knows which window it is.

    Attributes:
        offset: by how much the clock is in advance of the witness.
    """

    def __init__(self, message: str, offset: timedelta) -> None:
        super().__init__(message)
        self.offset = offset


class ObservationRefused(StoreAvailError):
    """The time for observing the window has passed, or has not come."""


class NotObserved(StoreAvailError):
    """No complete observation was landed for the window."""


class NeverObserved(StoreAvailError):
    """Windows that nobody observed until their deadline: recorded as gaps, and gaps for ever."""


class LandingDamaged(StoreAvailError):
    """A landed file is missing, or its size or checksum differs from the manifest."""


class TableError(StoreAvailError):
    """A table's declaration or its rows are wrong."""


class TableDeclarationError(TableError):
    """A Table or its SQL file is wrong. Raised when the tables are loaded."""


class TableContractError(TableError):
    """Computed rows break the declared schema or key. Nothing of the table was committed."""


class TablesFailed(TableError):
    """Some of a window's tables failed. The others are committed; the window is not complete."""

    def __init__(self, tables: Sequence[str], reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.tables = tuple(tables)


class WarehouseError(StoreAvailError):
    """The warehouse could not be read or written."""


class CatalogUnavailable(WarehouseError):
    """The catalog does not answer. Landed observations are safe; the commit is repeated later."""

    may_pass = True


class StorageUnavailable(WarehouseError):
    """S3 does not answer, or slows its callers down for longer than we go on trying."""

    may_pass = True


class DiskFull(WarehouseError):
    """A disk of this machine is full: the warehouse's, Dagster's home, or that of temporary files.

    Nothing half written counts.
    """

    may_pass = True


class StorageRefused(WarehouseError):
    """S3, or the system where it is a folder, says that a right is missing. Trying again cannot
    help.
    """


class CommitConflict(WarehouseError):
    """Another writer changed the table while this window was being committed, twice in a row."""

    may_pass = True


class CatalogLost(WarehouseError):
    """The catalog is lost, emptied, damaged, or older than the tables.

    Nothing was written; `storeavail recover` helps.
    """


class TableDamaged(WarehouseError):
    """A table's pointer, metadata or data is missing or damaged.

    `storeavail recover` brings back what can be.
    """


class MarkerDamaged(WarehouseError):
    """A window's marker cannot be understood. `storeavail recover` makes it again."""


class WarehouseMoved(WarehouseError):
    """The tables were written at another path than the configured warehouse.

    Nothing was written.
    """


class SchemaChangeRefused(WarehouseError):
    """The table in the catalog differs from its declaration by more than nullable columns of
    one of them.
    """


class LayoutRefused(WarehouseError):
    """The warehouse has a layout that this release neither reads nor writes.

    Nothing was changed.
    """


class StepError(StoreAvailError):
    """A step could not be run on the country's cluster.

    The observation is landed; nothing is lost.
    """


class ClusterUnavailable(StepError):
    """The country has no live cluster, or lost it while the step ran."""

    may_pass = True


class StepFailed(StepError):
    """The cluster rejected, failed or cancelled the step. The message says where its logs are."""


class HomeDamaged(StoreAvailError):
    """Dagster's home cannot be used, or a file of it is damaged. No window or table is in it."""


class BackupRunning(StoreAvailError):
    """A backup copies these files. The message says until when it holds them."""


class WarehouseHeld(StoreAvailError):
    """A warehouse has one `storeavail up`. The message names the process that is there."""


class WindowBusy(StoreAvailError):
    """The window is being computed by another run that is alive."""


class ChannelFailed(StoreAvailError):
    """A channel did not take an alert. The message names the channel, never its address."""

    may_pass = True


class DeploymentFailed(StoreAvailError):
    """AWS refused a change or a question of a deployment, or did not answer.

    The same command, run again, completes what is missing.
    """


class QueryRefused(StoreAvailError):
    """The query is not exactly one SELECT or EXPLAIN, or the query engine refused it."""


class QueryStopped(StoreAvailError):
    """A query came to its limit of rows, time or memory, or its result to that of a format.

    Nothing of its result is given: half a result reads like a whole one.
    """


class OutputRefused(StoreAvailError):
    """A result was not written: the file is there already, or cannot be made."""


class AuditFailed(StoreAvailError):
    """An analyst's access could not be noted in the audit log. Nothing was given."""
