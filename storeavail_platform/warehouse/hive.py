"""pyiceberg's Hive catalog with bounded waiting. Nothing of the tables' meaning (`catalog.py`).

pyiceberg waits for ever for a metastore that accepts a connection and is silent, as one does whose
database is gone; of several addresses it uses only the first; and a commit that is killed leaves
its lock, which no metastore removes unless its compactor is switched on.
"""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType
from urllib.parse import urlparse

from hive_metastore.ThriftHiveMetastore import Client
from hive_metastore.ttypes import LockResponse, NoSuchLockException, ShowLocksRequest, UnlockRequest
from hive_metastore.ttypes import Table as HiveTable
from pyiceberg.catalog import METADATA_LOCATION, URI
from pyiceberg.catalog.hive import HiveCatalog, _HiveClient
from pyiceberg.table import Table
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportException

from storeavail_platform.warehouse.remembered import RememberingCatalog

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""How long the metastore may be silent.

Its calls take milliseconds; making a table's folder on S3 may take a few seconds.
"""
ANSWER_TIMEOUT = "answer-timeout"
"""Property of a catalog with another limit than `ANSWER_SECONDS`."""
ABANDONED_SECONDS = 60.0
"""How long nobody holds a lock who is alive: a commit has it for less than a second, and a
table has one writer.
"""
LOCK_LIFETIME = "lock-lifetime"
"""Property of a catalog with another limit than `ABANDONED_SECONDS`."""

logger = logging.getLogger(__name__)


class HiveMetastoreCatalog(RememberingCatalog, HiveCatalog):
    """`uri` is one `thrift://host:port`, or several separated by commas, of which the first that
    accepts a connection is used.

    Every method raises `ConnectionError` where no metastore accepts or answers in time.
    As pyiceberg's, it is for one thread at a time.
    """

    def _convert_hive_into_iceberg(self, table: HiveTable) -> Table:
        read = super()._convert_hive_into_iceberg
        location = table.parameters.get(METADATA_LOCATION)
        return self.remembered((table.dbName, table.tableName), location, lambda: read(table))

    @staticmethod
    def _create_hive_client(properties: dict[str, str]) -> _HiveClient:
        answer_seconds = float(properties.get(ANSWER_TIMEOUT, ANSWER_SECONDS))
        return MetastoreClient(properties[URI], answer_seconds)

    def _wait_for_lock(
        self, database_name: str, table_name: str, lockid: int, open_client: Client
    ) -> LockResponse:
        locks = open_client.show_locks(
            ShowLocksRequest(dbname=database_name, tablename=table_name)
        ).locks
        lifetime = float(self.properties.get(LOCK_LIFETIME, ABANDONED_SECONDS))
        now = max(lock.lastheartbeat for lock in locks)
        for lock in locks:
            if now - lock.lastheartbeat > lifetime * 1000:
                logger.warning(
                    "%s.%s was locked by a commit of %s that is gone; unlocking it",
                    database_name,
                    table_name,
                    lock.hostname,
                )
                with contextlib.suppress(NoSuchLockException):
                    open_client.unlock(UnlockRequest(lockid=lock.lockid))
        return super()._wait_for_lock(database_name, table_name, lockid, open_client)


class MetastoreClient(_HiveClient):
    """A client of a metastore while its context lasts: `with MetastoreClient(uri) as client`.

    A class and no generator: Thrift's errors cannot be changed, as `contextlib` does on the way.

    Raises:
        ConnectionError: no metastore accepts a connection, or the one that did is silent.
    """

    def __init__(self, uris: str, answer_seconds: float = ANSWER_SECONDS) -> None:
        """
        Args:
            uris: as the catalog's `uri`.
            answer_seconds: how long the metastore may be silent.
        """
        self._uris = uris.split(",")
        self._answer_seconds = answer_seconds
        super().__init__(self._uris[0])

    def __enter__(self) -> Client:
        refusals = []
        for uri in self._uris:
            address = urlparse(uri)
            socket = TSocket(address.hostname, address.port)
            socket.setTimeout(CONNECT_SECONDS * 1000)
            self._transport = TBufferedTransport(socket)
            try:
                self._transport.open()
            except TTransportException as error:
                refusals.append(str(error))
                continue
            socket.setTimeout(self._answer_seconds * 1000)
            return self._client()
        raise ConnectionError("; ".join(refusals))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if isinstance(error, TTransportException):
            raise ConnectionError(f"it accepts connections and does not answer: {error}") from error
