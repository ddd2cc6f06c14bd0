"""Listing folders: the names that belong there, and a warning that names whatever else lies there.

An editor's backup, a folder where a file is meant, a wrong name: none of it is the platform's, and
none of it stops anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache

from storeavail_platform.storage.local import Storage

logger = logging.getLogger(__name__)


def belonging(
    storage: Storage,
    folder: str,
    belongs: Callable[[str], bool],
    *,
    folders: bool,
    after: str = "",
) -> list[str]:
    """The names below a folder that are meant to be there, sorted; others are passed over.

    Args:
        belongs: whether a name is one that the platform gives there.
        folders: whether they are folders, or files.
        after: only names greater than this.
    """
    found = []
    for name in storage.names(folder, after=after):
        if belongs(name) and (name.is_folder if folders else name.is_file):
            found.append(str(name))
        else:
            pass_over(
                storage.path(folder, name),
                f"it is no {'folder' if folders else 'file'} with a name that belongs there; remove"
                " it",
            )
    return found


@lru_cache(maxsize=4096)
def pass_over(path: str, why: str) -> None:
    """Warn of a file that is left aside: once a process, however often it is come across."""
    logger.warning("%s is passed over: %s", path, why)
