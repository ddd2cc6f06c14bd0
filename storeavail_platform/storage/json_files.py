"""The small JSON files of alerts and silences: decoding them, or saying what is wrong with them."""

from __future__ import annotations

from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from storeavail_platform.domain.errors import WarehouseError

T = TypeVar("T")


def decode(adapter: TypeAdapter[T], data: bytes, name: str, advice: str) -> T:
    """What a file holds.

    Args:
        name: what the file is, and where.
        advice: what to do about a damaged one.

    Raises:
        WarehouseError: it cannot be understood.
    """
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "as a whole"
        raise WarehouseError(
            f"{name} cannot be understood ({place}: {first['msg']}): something other than the platform wrote it; {advice}"
        ) from None
