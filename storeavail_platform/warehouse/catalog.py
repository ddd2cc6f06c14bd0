"""The commit of a window's files to the Iceberg tables. How tables are opened is `opening.py`.

Engines write Parquet; only this module commits. One namespace a country, one writer a country.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import ParamSpec, TypeVar

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table as IcebergTable
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import (
    CatalogUnavailable,
    CommitConflict,
    DiskFull,
    StorageUnavailable,
    TableDamaged,
)
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.catalog_errors import reason
from storeavail_platform.warehouse.damage import is_whole
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.iceberg import widen
from storeavail_platform.warehouse.opening import Tables, state_of
from storeavail_platform.warehouse.pointers import Committed as Committed
from storeavail_platform.warehouse.replacing import replace_rows

COMMIT_TRIES = 2
CHANGE_TRIES = 3
COMMIT_ID = "storeavail.commit-id"
"""Snapshot property by which a commit is found whose answer was lost."""
PATIENCE = timedelta(minutes=2)
LONGEST_PAUSE_SECONDS = 10.0

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Warehouse(Tables):
    """The tables of all countries: opening them, and committing to them.

    Methods that reach the catalog raise `CatalogUnavailable` where it does not answer.
    """

    def __init__(
        self,
        platform: Platform,
        storage: Storage,
        *,
        patience: timedelta = PATIENCE,
        catalog: Catalog | None = None,
    ) -> None:
        """
        Args:
            patience: how long a commit is tried while the catalog or the storage cannot be reached.
            catalog: by default the configured one.
        """
        super().__init__(platform, storage, catalog=catalog)
        self.patience = patience

    def ensure(self, country: str, table: Table) -> IcebergTable:
        """The table in the catalog, made or widened by nullable columns where its declaration asks
        for it.

        Raises:
            SchemaChangeRefused: a column would have to be removed or change its type.
            CatalogLost, TableDamaged, WarehouseMoved: see `open_table`; or windows were committed
                to a table that is not there any more.
        """
        found = self.open_table(country, table.name)
        if found is None:
            self._refuse_making_anew(country, table.name)
            return self.make(country, table)
        with self.errors():
            return widen(found, table)

    def commit(
        self,
        country: str,
        table: Table,
        partition: Window | date,
        files: Sequence[WrittenFile],
        run_id: str,
        patience: timedelta | None = None,
    ) -> Committed:
        """Replace the rows of a window, or of a local date, by those in `files`, in one
        transaction, and move the pointer.

        While the catalog or the storage cannot be reached it is tried again for as long as
        `patience` says, by default the warehouse's own.

        Raises:
            CatalogUnavailable, StorageUnavailable: they could not be reached for so long. The files
                stay; the window can be run again.
            CommitConflict: another writer got in between twice. The files stay; nothing was
                changed.
            SchemaChangeRefused, CatalogLost, TableDamaged, WarehouseMoved: see `ensure`.
        """
        commit = uuid.uuid4().hex
        trying = self._trying(self.patience if patience is None else patience)
        committed = trying(self._commit, country, table, partition, files, run_id, commit)
        trying(self._point, country, table.name, committed)
        return committed

    def retry_while_down(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `do` gives, tried again while the catalog or the storage cannot be reached, for
        as long as `patience` says.
        """
        return self._trying(self.patience)(do, *args, **kwargs)

    def _trying(self, patience: timedelta) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type((CatalogUnavailable, StorageUnavailable, DiskFull)),
            stop=stop_after_delay(patience),
            wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
            before_sleep=before_sleep_log(logger, logging.WARNING),
            reraise=True,
        )

    def _commit(
        self,
        country: str,
        table: Table,
        partition: Window | date,
        files: Sequence[WrittenFile],
        run_id: str,
        commit: str,
    ) -> Committed:
        kind = "window" if isinstance(partition, Window) else "local-date"
        properties = {
            "dagster.run-id": run_id,
            f"storeavail.{kind}": str(partition),
            COMMIT_ID: commit,
        }
        paths = [file.path for file in files if file.rows]
        for attempt in range(1, COMMIT_TRIES + 1):
            try:
                found = self.ensure(country, table)
                if any(
                    snapshot.summary is not None and snapshot.summary.get(COMMIT_ID) == commit
                    for snapshot in found.snapshots()
                ):
                    # the catalog took it and its answer was lost
                    break
                with self.errors(), self._damage_told(country, found):
                    replace_rows(found, partition, paths, properties)
                break
            except (CommitFailedException, ValidationException) as error:
                if attempt == COMMIT_TRIES:
                    raise CommitConflict(
                        f"table {table.name} of {country}: {kind} {partition} could not be"
                        " committed because another writer changed the table"
                        f" {COMMIT_TRIES} times meanwhile ({error}); is a second platform writing"
                        " to the same warehouse?"
                    ) from error
        return state_of(found)

    def change(self, country: str, table: str, change: Callable[[IcebergTable], bool]) -> bool:
        """Let upkeep change a table in the catalog, and move the pointer. Whether there is such a
        table and it was changed.

        Args:
            change: changes the table as loaded, in one commit; False where it needs nothing. It is
                called again where another writer committed in between.

        Raises:
            CommitConflict: that happened each time.
            CatalogLost, TableDamaged, WarehouseMoved: see `open_table`.
        """
        for attempt in range(1, CHANGE_TRIES + 1):
            found = self.open_table(country, table)
            if found is None:
                return False
            with self.errors():
                # a pointer that lags behind must not name what upkeep is about to forget
                self._point(country, table, state_of(found))
                try:
                    with self._damage_told(country, found):
                        is_changed = change(found)
                    if not is_changed:
                        return False
                except (CommitFailedException, ValidationException) as error:
                    if attempt == CHANGE_TRIES:
                        raise CommitConflict(
                            f"upkeep of table {table} of {country} gave way to windows that were"
                            f" committed meanwhile, {CHANGE_TRIES} times ({error}); nothing was"
                            " changed, the next upkeep does it"
                        ) from error
                    continue
                self._follow(country, table, found)
            return True
        raise AssertionError("the last attempt returns or raises")

    def states(self, country: str, table: str) -> list[IcebergTable]:
        """The table as the catalog has it, and as its pointer names it: nothing that either refers
        to may be removed.

        Raises:
            CatalogLost, TableDamaged, WarehouseMoved: see `open_table`.
        """
        found = self.open_table(country, table)
        if found is None:
            return []
        pointed = self.load(country, table)
        if pointed is None or pointed.metadata_location == found.metadata_location:
            return [found]
        return [found, pointed]

    @contextlib.contextmanager
    def _damage_told(self, country: str, table: IcebergTable) -> Iterator[None]:
        """Raise what reading a damaged list of files raises as `TableDamaged`; pyiceberg has no
        error of its own for it.
        """
        try:
            yield
        except (ValueError, EOFError) as error:
            if is_whole(table):
                raise
            raise TableDamaged(
                f"table {table.name()[-1]} of {country}: a list of its data files is damaged"
                f" ({reason(error)}). `storeavail recover --country {country}` goes back to its"
                " last whole state and runs the windows after it again from the landing"
            ) from error

    def _point(self, country: str, table: str, committed: Committed) -> None:
        self.pointers.advance(self.location(country, table), committed)

    def _follow(self, country: str, table: str, found: IcebergTable) -> None:
        """Move the pointer until the catalog has nothing newer: a window that is committed
        meanwhile may have moved it just before.
        """
        pointed = None
        while pointed != found.refresh().metadata_location:
            pointed = found.metadata_location
            self._point(country, table, state_of(found))
