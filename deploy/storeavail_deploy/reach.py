"""Whether a Hive Metastore is reached from here, and if not, the likely cause in words. Its database is `metastore.py`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from thrift.Thrift import TException

from storeavail_platform.config import Platform
from storeavail_platform.warehouse.hive import CONNECT_SECONDS, MetastoreClient


@dataclass(frozen=True)
class Finding:
    """What was found of one thing: `ok` or `error`, and a sentence."""

    level: str
    what: str
    message: str


def check_metastore(platform: Platform) -> Iterator[Finding]:
    """Whether each address of `catalog.uri` is reached and answers; what is wrong with its likely cause."""
    if platform.catalog.type != "hive":
        yield Finding("error", "catalog", "catalog.type is sql: there is no metastore")
        return
    for uri in platform.catalog.uri.split(","):
        host, _, port = uri.removeprefix("thrift://").rpartition(":")
        yield _reached(host, int(port))


def _reached(host: str, port: int) -> Finding:
    """Resolve, connect, ask: the first that fails says where to look."""
    what = f"metastore {host}:{port}"
    try:
        addresses = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        cause = (
            "the name is wrong, or the peering does not resolve names of the other VPC (allow DNS resolution on both sides), or the private "
            "hosted zone is not associated with this VPC"
        )
        return Finding("error", what, f"its name does not resolve here ({error.strerror}): {cause}")
    shown = f"{host} is {', '.join(addresses)}"
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except TimeoutError:
        cause = f"no answer at all: a security group does not let this network in on {port}, or a route to the peering is missing on one side"
        return Finding("error", what, f"{shown}: {cause}; see `storeavail-deploy network plan`")
    except ConnectionRefusedError:
        return Finding(
            "error",
            what,
            f"{shown}: refused: the machine is reached and nothing listens there: start the metastore, or correct the port",
        )
    except OSError as error:
        return Finding(
            "error", what, f"{shown}: {error.strerror or error}: no route to it: the peering, or its route, is missing"
        )
    try:
        with MetastoreClient(f"thrift://{host}:{port}") as client:
            databases = list(client.get_all_databases())
    except (TException, OSError) as error:
        cause = (
            "it accepts connections and does not answer: its database is not reached, or its schema is missing "
            "(`storeavail-deploy metastore init`), or this is not a metastore"
        )
        return Finding("error", what, f"{shown}: {cause} ({type(error).__name__})")
    return Finding("ok", what, f"{shown}; {len(databases)} databases: {', '.join(databases)}")
