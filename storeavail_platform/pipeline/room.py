"""Room for the next window: what it needs by the size of the last ones, on the disks that it writes
to. A run that finds less goes on (an observation cannot be made later) and says so; one that fails
for it says it in one line.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from storeavail_platform.config import Platform, dagster_home
from storeavail_platform.domain.addresses import S3
from storeavail_platform.domain.errors import ConfigError, DiskFull, StoreAvailError, TablesFailed
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import INDEX, POSTGRES
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.room import (
    MEGABYTE,
    Disk,
    disk_full,
    disks_of,
    is_disk_full,
    size_text,
)

LEAST_NEED = 8 * MEGABYTE
"""What a window is taken to need at least, also where none has been landed yet."""
OF_A_LANDING = 10
"""What a window writes in all, in sizes of its landing: nine tables with their metadata, Dagster's
events (docs/operations.md, "What a day of one country costs")."""
WINDOWS_MEASURED = 4


def folders(platform: Platform) -> dict[str, Path]:
    """The folders of this machine that a window writes to, by what they are; a warehouse on S3 has
    no room that could be known.
    """
    found: dict[str, Path] = {}
    if not platform.warehouse.startswith(S3):
        found["the warehouse"] = Path(platform.warehouse)
    with contextlib.suppress(ConfigError):  # no home is named: a cluster's step has none
        found["Dagster's home"] = dagster_home(platform)
    with contextlib.suppress(FileNotFoundError):  # no temporary folder can be written to
        found["temporary files"] = Path(tempfile.gettempdir())
    return found


def disks(platform: Platform) -> list[Disk]:
    """The disks that a window writes to.

    Raises:
        OSError: one cannot be asked.
    """
    return disks_of(folders(platform))


def need_of(runtime: Runtime, country: str, window: Window) -> int:
    """Bytes that a window needs on a disk, by the largest landing of it and those before it; with a
    warehouse on S3 what it needs at least.

    Raises:
        StoreAvailError, OSError: the landing cannot be read.
    """
    if runtime.platform.warehouse.startswith(S3):
        return LEAST_NEED
    sizes = [
        sum(
            reading.size
            for source in (INDEX, POSTGRES)
            if (reading := runtime.landing.find(country, window.next(-back), source)) is not None
        )
        for back in range(WINDOWS_MEASURED)
    ]
    return max(LEAST_NEED, OF_A_LANDING * max(sizes))


def shortages(runtime: Runtime, country: str, window: Window) -> list[str]:
    """The disks that have less room than a window needs, in words.

    Raises:
        StoreAvailError, OSError: the landing, or a disk, cannot be read.
    """
    need = need_of(runtime, country, window)
    return [
        f"{disk} has {size_text(disk.free)} left, and a window of {country} needs {size_text(need)}"
        for disk in disks(runtime.platform)
        if disk.free < need
    ]


@contextlib.contextmanager
def room_watched(runtime: Runtime, country: str, window: Window, log: Log) -> Iterator[None]:
    """Say before a window what it lacks of room, and where it fails for it, that.

    Raises:
        DiskFull: in place of whatever else says that a disk is full.
    """
    try:
        short = shortages(runtime, country, window)
    except (StoreAvailError, OSError) as error:
        # whoever needs the landing says what is wrong with it
        log.info("the room for a window of %s is not known: %s", country, error)
        short = []
    for shortage in short:
        log.warning("%s. Make room: `df -h`", shortage)
    with disk_full_named(runtime.platform):
        yield


@contextlib.contextmanager
def disk_full_named(platform: Platform) -> Iterator[None]:
    """Say in one line that a disk is full, whichever library found out.

    Raises:
        DiskFull: in place of that library's error.
    """
    try:
        yield
    except TablesFailed:
        # says itself which tables failed, and why
        raise
    except Exception as error:
        if isinstance(error, DiskFull) or not is_disk_full(error, folders(platform).values()):
            raise
        raise disk_full(fullest(platform)) from error


def fullest(platform: Platform) -> str:
    """The disk with the least room, in words."""
    try:
        disk = min(disks(platform), key=lambda disk: disk.free, default=None)
    except OSError:
        disk = None
    return "a disk" if disk is None else f"{disk} with {size_text(disk.free)} left"
