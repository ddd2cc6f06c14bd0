"""pyiceberg's Hive catalog with bounded waiting. Nothing of the tables' meaning (`catalog.py`).

pyiceberg waits for ever for a metastore that accepts a connection and is silent, as one does whose database is gone, and of several
addresses it uses only the first.
"""

from __future__ import annotations

from urllib.parse import urlparse

from hive_metastore.ThriftHiveMetastore import Client
from pyiceberg.catalog import URI
from pyiceberg.catalog.hive import HiveCatalog, _HiveClient
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportException

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""How long the metastore may be silent. Its calls take milliseconds; making a table's folder on S3 may take a few seconds."""


class HiveMetastoreCatalog(HiveCatalog):
    """`uri` is one `thrift://host:port`, or several separated by commas, of which the first that accepts a connection is used.

    Every method raises `TTransportException` where no metastore accepts or answers in time. As pyiceberg's, it is for one thread at a time.
    """

    @staticmethod
    def _create_hive_client(properties: dict[str, str]) -> _HiveClient:
        return _Client(properties[URI])


class _Client(_HiveClient):
    def __enter__(self) -> Client:
        refusals = []
        for uri in self._uri.split(","):
            address = urlparse(uri)
            socket = TSocket(address.hostname, address.port)
            socket.setTimeout(CONNECT_SECONDS * 1000)
            self._transport = TBufferedTransport(socket)
            try:
                self._transport.open()
            except TTransportException as error:
                refusals.append(str(error))
                continue
            socket.setTimeout(ANSWER_SECONDS * 1000)
            return self._client()
        raise TTransportException(TTransportException.NOT_OPEN, "; ".join(refusals))
