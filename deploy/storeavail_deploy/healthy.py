"""Health of a code server: `python -m storeavail_deploy.healthy [PORT]`. Exit code 0 where it has
loaded its code, 1 (and why) where it has not.

Dagster's own health check asks only whether the server answers, and it does with code that could
not be loaded.
"""

from __future__ import annotations

import sys

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import deserialize_value
from dagster_shared.error import SerializableErrorInfo

PORT = 4000


def problem(port: int) -> str | None:
    """What is wrong with the code server at a port of this machine, or None."""
    client = DagsterGrpcClient(port=port, host="127.0.0.1")
    try:
        answer = client.list_repositories()
    except DagsterUserCodeUnreachableError as error:
        return f"the code server at port {port} does not answer: {error}"
    loaded = deserialize_value(answer, (ListRepositoriesResponse, SerializableErrorInfo))
    if isinstance(loaded, ListRepositoriesResponse):
        return None
    while loaded.cause is not None:
        loaded = loaded.cause
    return f"its code could not be loaded: {loaded.message.strip()}"


if __name__ == "__main__":
    found = problem(int(sys.argv[1]) if len(sys.argv) > 1 else PORT)
    sys.exit(found)
