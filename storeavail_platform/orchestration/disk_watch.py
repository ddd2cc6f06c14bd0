"""The look at this machine's disks every twenty seconds, in a thread of each code server.

Not a sensor: with Dagster's storage on a disk that is full no tick begins, and nobody would be
told. Whatever else starts on a home looks once (`home.py`).
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import threading
from pathlib import Path

from storeavail_platform.alerting.channels import LOGGER, open_channels
from storeavail_platform.alerting.disk_watch import DiskWatch
from storeavail_platform.config import Aws, Platform, dagster_home
from storeavail_platform.domain.errors import ConfigError, StoreAvailError
from storeavail_platform.pipeline.runtime import build_runtime

SECONDS = 20.0


def watch_disks(platform: Platform) -> None:
    """Look at the disks until this process ends; a run's process has a code server that does."""
    if multiprocessing.parent_process() is None:
        threading.Thread(target=_watch, args=(platform,), name="disks", daemon=True).start()


def look_at_disks(platform: Platform) -> list[str]:
    """Look once, and tell what is due. Keys of the alerts that are true."""
    return _look(disk_watch(platform), logging.getLogger(LOGGER))


def disk_watch(platform: Platform) -> DiskWatch:
    home: Path | None = None
    with contextlib.suppress(ConfigError):  # a code server without a home of its own
        home = dagster_home(platform)
    return DiskWatch(build_runtime(platform), home)


def _watch(platform: Platform) -> None:
    watch, logger, pause = disk_watch(platform), logging.getLogger(LOGGER), threading.Event()
    while True:
        _look(watch, logger)
        pause.wait(SECONDS)


def _look(watch: DiskWatch, logger: logging.Logger) -> list[str]:
    platform = watch.runtime.platform
    try:
        channels = open_channels(platform.alerts, Aws(), logger)
        return watch.look(watch.runtime.clock(), channels, logger)
    except (StoreAvailError, OSError) as error:
        logger.error("the room on the disks is not known: %s", error)
        return []
