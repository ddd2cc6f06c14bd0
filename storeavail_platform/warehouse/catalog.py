"""The Iceberg tables: their schema in the catalog, the commit of a window's files, and reading them with or without the catalog.

Engines write Parquet; only this module commits. One namespace a country, one writer a country.

Beside each table lies a pointer, `tables/<namespace>/<table>/current.json`, that names the last committed metadata file. The newest metadata
file on disk is no proof of a commit, so readers follow the pointer when the catalog is down.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import ParamSpec, TypeVar
from urllib.parse import quote

import orjson
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchNamespaceError, NoSuchTableError, ValidationException
from pyiceberg.table import StaticTable
from pyiceberg.table import Table as IcebergTable
from sqlalchemy.exc import OperationalError
from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_delay, wait_random_exponential

from storeavail_platform.config import Platform
from storeavail_platform.domain.errors import CatalogUnavailable, CommitConflict, StorageUnavailable, WarehouseError
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import Storage
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.iceberg import iceberg_schema, partition_spec, properties_of, rows_of, widen
from storeavail_platform.warehouse.transaction import RememberingTransaction

COMMIT_TRIES = 2
CHANGE_TRIES = 3
COMMIT_ID = "storeavail.commit-id"
"""Snapshot property by which a commit is found whose answer was lost."""
PATIENCE = timedelta(minutes=2)
LONGEST_PAUSE_SECONDS = 10.0
CATALOG_DOWN = (OperationalError, ConnectionError, TimeoutError)
"""What the catalogs' clients raise when the catalog cannot be reached or is locked."""
SQLITE_LOCK_SECONDS = 60

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Committed:
    """The state of a table after a commit. `snapshot_id` is None while a table has never had a row."""

    snapshot_id: int | None
    sequence_number: int
    metadata_location: str


class Warehouse:
    """The tables of all countries.

    Methods that reach the catalog raise `CatalogUnavailable` where it does not answer.
    """

    def __init__(self, platform: Platform, storage: Storage, *, patience: timedelta = PATIENCE) -> None:
        """
        Args:
            patience: how long a commit is tried while the catalog or the storage cannot be reached.
        """
        self.platform = platform
        self.storage = storage
        self.patience = patience

    @cached_property
    def catalog(self) -> Catalog:
        """The configured catalog, connected at first use."""
        config = self.platform.catalog
        with self.errors():
            if config.type == "hive":
                from storeavail_platform.warehouse.hive import HiveMetastoreCatalog

                return HiveMetastoreCatalog(
                    "storeavail", uri=config.uri, warehouse=self.storage.uri("tables"), **self.storage.file_io
                )
            from pyiceberg.catalog.sql import SqlCatalog

            path = self.storage.path("catalog.db")
            return SqlCatalog(
                "storeavail",
                uri=f"sqlite:///{quote(path)}?timeout={SQLITE_LOCK_SECONDS}",
                warehouse=self.storage.uri("tables"),
            )

    def has_namespace(self, country: str) -> bool:
        """Whether the catalog has the country's namespace."""
        with self.errors():
            return self.catalog.namespace_exists(self.platform.country(country).namespace)

    def location(self, country: str, table: str, *parts: str) -> str:
        """A path of the storage below a table."""
        return "/".join(("tables", self.platform.country(country).namespace, table, *parts))

    def ensure(self, country: str, table: Table) -> IcebergTable:
        """The table in the catalog, made or widened by nullable columns where its declaration asks for it.

        Raises:
            SchemaChangeRefused: a column would have to be removed or change its type.
        """
        namespace = self.platform.country(country).namespace
        with self.errors():
            try:
                found = self.catalog.load_table((namespace, table.name))
            except NoSuchTableError:
                # Its own place, because the metastore's default would be on whichever cluster made it first.
                self.catalog.create_namespace_if_not_exists(namespace, {"location": self.storage.uri("tables", namespace)})
                return self.catalog.create_table_if_not_exists(
                    (namespace, table.name),
                    schema=iceberg_schema(table),
                    location=self.storage.uri(self.location(country, table.name)),
                    partition_spec=partition_spec(table),
                    properties=properties_of(table),
                )
            return widen(found, table)

    def commit(self, country: str, table: Table, part: Window | date, files: Sequence[WrittenFile], run_id: str) -> Committed:
        """Replace the rows of a window, or of a local date, by those in `files`, in one transaction, and move the pointer.

        While the catalog or the storage cannot be reached it is tried again for as long as `patience` says.

        Raises:
            CatalogUnavailable, StorageUnavailable: they could not be reached for so long. The files stay; the window can be run again.
            CommitConflict: another writer got in between twice. The files stay; nothing was changed.
            SchemaChangeRefused: see `ensure`.
        """
        commit = uuid.uuid4().hex
        committed = self.patiently(self._commit, country, table, part, files, run_id, commit)
        self.patiently(self._point, country, table.name, committed)
        return committed

    def patiently(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `do` gives, tried again while the catalog or the storage cannot be reached, for as long as `patience` says."""
        trying = Retrying(
            retry=retry_if_exception_type((CatalogUnavailable, StorageUnavailable)),
            stop=stop_after_delay(self.patience),
            wait=wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE_SECONDS),
            before_sleep=before_sleep_log(logger, logging.WARNING),
            reraise=True,
        )
        return trying(do, *args, **kwargs)

    def _commit(
        self, country: str, table: Table, part: Window | date, files: Sequence[WrittenFile], run_id: str, commit: str
    ) -> Committed:
        kind = "window" if isinstance(part, Window) else "local-date"
        properties = {"dagster.run-id": run_id, f"storeavail.{kind}": str(part), COMMIT_ID: commit}
        paths = [file.path for file in files if file.rows]
        for attempt in range(1, COMMIT_TRIES + 1):
            try:
                found = self.ensure(country, table)
                if any(
                    snapshot.summary is not None and snapshot.summary.get(COMMIT_ID) == commit for snapshot in found.snapshots()
                ):
                    # the catalog took it and its answer was lost
                    break
                with self.errors(), RememberingTransaction(found) as transaction:
                    transaction.delete(rows_of(part), snapshot_properties=properties)
                    if paths:
                        transaction.add_files(paths, snapshot_properties=properties, check_duplicate_files=False)
                break
            except (CommitFailedException, ValidationException) as error:
                if attempt == COMMIT_TRIES:
                    raise CommitConflict(
                        f"table {table.name} of {country}: {kind} {part} could not be committed because another writer changed the "
                        f"table {COMMIT_TRIES} times meanwhile ({error}); is a second platform writing to the same warehouse?"
                    ) from error
        return _state(found)

    def change(self, country: str, table: str, change: Callable[[IcebergTable], bool]) -> bool:
        """Let upkeep change a table in the catalog, and move the pointer. Whether there is such a table and it was changed.

        Args:
            change: changes the table as loaded, in one commit; False where it needs nothing. It is called again where another writer
                committed in between.

        Raises:
            CommitConflict: that happened each time.
        """
        for attempt in range(1, CHANGE_TRIES + 1):
            with self.errors():
                try:
                    found = self.catalog.load_table((self.platform.country(country).namespace, table))
                except (NoSuchTableError, NoSuchNamespaceError):
                    return False
                try:
                    if not change(found):
                        return False
                except (CommitFailedException, ValidationException) as error:
                    if attempt == CHANGE_TRIES:
                        raise CommitConflict(
                            f"upkeep of table {table} of {country} gave way to windows that were committed meanwhile, {CHANGE_TRIES} times "
                            f"({error}); nothing was changed, the next upkeep does it"
                        ) from error
                    continue
                self._follow(country, table, found)
            return True
        raise AssertionError("the last attempt returns or raises")

    def states(self, country: str, table: str) -> list[IcebergTable]:
        """The table as the catalog has it, and as its pointer names it: nothing that either refers to may be removed."""
        found: list[IcebergTable] = []
        with self.errors():
            try:
                found.append(self.catalog.load_table((self.platform.country(country).namespace, table)))
            except (NoSuchTableError, NoSuchNamespaceError):
                return []
        pointed = self.load(country, table)
        return found if pointed is None or pointed.metadata_location == found[0].metadata_location else [*found, pointed]

    def pointer(self, country: str, table: str) -> Committed | None:
        """The last committed state, read beside the table: needs no catalog. None where nothing was ever committed."""
        data = self.storage.read(self.location(country, table, "current.json"))
        return None if data is None else Committed(**orjson.loads(data))

    def load(self, country: str, table: str) -> StaticTable | None:
        """The table as last committed, found by its pointer: needs no catalog. None where nothing was ever committed."""
        state = self.pointer(country, table)
        if state is None:
            return None
        with self.errors():
            return StaticTable.from_metadata(state.metadata_location, properties=self.storage.file_io)

    def _point(self, country: str, table: str, committed: Committed) -> None:
        before = self.pointer(country, table)
        if before is None or before.sequence_number <= committed.sequence_number:
            self.storage.replace(self.location(country, table, "current.json"), orjson.dumps(asdict(committed)))

    def _follow(self, country: str, table: str, found: IcebergTable) -> None:
        """Move the pointer until the catalog has nothing newer: a window that is committed meanwhile may have moved it just before."""
        pointed = None
        while pointed != found.refresh().metadata_location:
            pointed = found.metadata_location
            self._point(country, table, _state(found))

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What pyiceberg and pyarrow raise, as the platform's errors."""
        config = self.platform.catalog
        place = config.uri if config.type == "hive" else self.storage.path("catalog.db")
        try:
            yield
        except CATALOG_DOWN as error:
            raise CatalogUnavailable(
                f"the catalog at {place} does not answer ({type(error).__name__}: {error}). Nothing is lost: the observation is landed and "
                "the window is computed again when the catalog is back; check the metastore, its network, or who holds the SQLite file"
            ) from error
        except _metastore_refusal() as error:
            raise WarehouseError(f"the metastore at {place} refused: {getattr(error, 'message', None) or error}") from error
        except (FileNotFoundError, PermissionError) as error:
            raise WarehouseError(
                f"the tables at {self.storage.uri('tables')}: {error}; see what the role or user may do there"
            ) from error
        except OSError as error:
            raise StorageUnavailable(f"the tables at {self.storage.uri('tables')} cannot be reached: {error}") from error


def _metastore_refusal() -> type[Exception]:
    # asked for only where something failed: Thrift is not imported while all is well
    from thrift.Thrift import TException

    refusal: type[Exception] = TException
    return refusal


def _state(table: IcebergTable) -> Committed:
    snapshot = table.current_snapshot()
    return Committed(
        snapshot_id=None if snapshot is None else snapshot.snapshot_id,
        sequence_number=snapshot.sequence_number if snapshot is not None and snapshot.sequence_number is not None else 0,
        metadata_location=table.metadata_location,
    )
