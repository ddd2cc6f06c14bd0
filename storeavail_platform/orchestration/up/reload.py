"""`python -m storeavail_platform.orchestration.up.reload SOCKET`: have a code server load its code
and the configuration anew. Runs that it has begun go on.
"""

from __future__ import annotations

import sys

from dagster._grpc.client import DagsterGrpcClient

SECONDS = 180
"""How long loading may take."""


def main(address: str) -> None:
    DagsterGrpcClient(socket=address).reload_code(timeout=SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
