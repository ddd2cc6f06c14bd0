"""The warehouse's small JSON files: making of one what it holds, or saying what is wrong with it.

Releases share a warehouse (docs/adr/0010-layouts-and-releases.md). So a key that this release does
not know is ignored, and a missing one is its field's default; a field without a default is what
nobody can go on without.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from storeavail_platform.domain.errors import StoreAvailError, WarehouseError
from storeavail_platform.storage.local import Storage

SELDOM = ConfigDict(defer_build=True)
"""For what is read of files that are seldom there: how to check it is worked out when one is."""

T = TypeVar("T")


def read_json(
    storage: Storage, path: str, adapter: TypeAdapter[T], name: str, advice: str
) -> T | None:
    """What a file of a storage holds, or None where there is no such file.

    Args:
        name: what the file is.

    Raises:
        WarehouseError: see `decode`. The file is left as it is.
    """
    data = storage.read(path)
    return None if data is None else decode(adapter, data, f"{name} {storage.path(path)}", advice)


def decode(
    adapter: TypeAdapter[T],
    data: bytes,
    name: str,
    advice: str,
    *,
    error: type[StoreAvailError] = WarehouseError,
) -> T:
    """What a file's bytes hold.

    Args:
        name: what the file is, and where.

    Raises:
        WarehouseError, or `error`: it is not JSON, or lacks what is essential.
    """
    try:
        return adapter.validate_json(data)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise error(
            f"{name} cannot be understood ({place}: {first['msg']}): something other than the"
            f" platform wrote it; {advice}"
        ) from None
