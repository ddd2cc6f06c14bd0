"""Small JSON files: reading them, or saying what is wrong with them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.storage.local import Storage

T = TypeVar("T")


def read_json(storage: Storage, path: str, adapter: TypeAdapter[T], name: str, advice: str) -> T | None:
    """What a file holds, or None where there is no such file.

    Args:
        name: what the file is.
        advice: what to do about a damaged one.

    Raises:
        WarehouseError: it cannot be understood. It is left as it is.
    """
    data = storage.read(path)
    try:
        return None if data is None else adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise WarehouseError(
            f"{name} {storage.path(path)} cannot be understood ({place}: {first['msg']}): "
            f"something other than the platform wrote it; {advice}"
        ) from None
