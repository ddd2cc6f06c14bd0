"""A pool of connections whose answers have a longest length, for both clients: they are built on
urllib3, and take an answer into memory whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from urllib3 import HTTPConnectionPool, HTTPHeaderDict

from storeavail_platform.sources.index_errors import TOO_LONG
from storeavail_platform.sources.limits import LONGEST_ANSWER, megabytes

PIECE = 2**20
TOO_LONG_STATUS = 413


@dataclass(frozen=True)
class Answer:
    """What the clients use of an answer."""

    status: int
    headers: HTTPHeaderDict
    data: bytes


class LimitedPool:
    """A pool that reads no more than `LONGEST_ANSWER` bytes of an answer.

    A longer one is given as an error of the kind `TOO_LONG`, so that neither client asks again.

    Attributes:
        headers: of the last answer; not every client gives them.
        received: bytes of all answers.
    """

    def __init__(self, pool: HTTPConnectionPool) -> None:
        self._pool = pool
        self.headers = HTTPHeaderDict()
        self.received = 0

    def urlopen(self, *arguments: Any, **options: Any) -> Answer:
        response = self._pool.urlopen(*arguments, **{**options, "preload_content": False})
        self.headers = response.headers
        pieces: list[bytes] = []
        length = 0
        try:
            for piece in response.stream(PIECE, decode_content=True):
                length += len(piece)
                self.received += len(piece)
                if length > LONGEST_ANSWER:
                    return _too_long(response.headers)
                pieces.append(piece)
            response.release_conn()
        finally:
            # a connection whose answer was not read whole cannot be used again; one that was
            # released is not touched
            response.close()
        return Answer(response.status, response.headers, b"".join(pieces))

    def close(self) -> None:
        self._pool.close()


def _too_long(headers: HTTPHeaderDict) -> Answer:
    reason = f"longer than {megabytes(LONGEST_ANSWER)}"
    kept = HTTPHeaderDict({"content-type": "application/json"})
    if product := headers.get("x-elastic-product"):
        kept["x-elastic-product"] = product
    body = orjson.dumps({"error": {"type": TOO_LONG, "reason": reason}})
    return Answer(TOO_LONG_STATUS, kept, body)
