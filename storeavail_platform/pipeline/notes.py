"""Notes of windows whose local dates are still to be rolled up: `roll_up/<country>/<window>/due`.

Written and forgotten by `local_dates.py`.
"""

from __future__ import annotations

from storeavail_platform.domain.windows import is_key
from storeavail_platform.storage.listing import belonging
from storeavail_platform.storage.local import Storage


def notes_of(country: str) -> str:
    """The folder of a country's notes."""
    return f"roll_up/{country}"


def noted_windows(storage: Storage, country: str) -> list[str]:
    """Keys of the windows whose dates are still to be rolled up."""
    return belonging(storage, notes_of(country), is_key, folders=True)
