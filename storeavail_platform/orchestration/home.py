"""Dagster's home on one machine: its settings, which are the platform's, and its databases.

Whatever of the platform starts on a home makes it: commands, the demo's UI, and a code server whose
home has no `dagster.yaml`. Ticks of the future are forgotten then (`future_ticks.py`). Dagster
itself takes a home without settings in silence, with neither run monitoring nor the limit of one
run a country; a daemon that began so is told of until it is restarted. `python -m
storeavail_platform.orchestration.home` makes the home before Dagster starts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import dagster as dg
import yaml
from sqlalchemy.exc import SQLAlchemyError

from storeavail_platform.config import DAGSTER_HOME_VARIABLE, Platform, dagster_home, load_platform
from storeavail_platform.domain.clock import utc_now
from storeavail_platform.domain.errors import HomeDamaged, StoreAvailError
from storeavail_platform.orchestration.assets import observation
from storeavail_platform.orchestration.disk_watch import look_at_disks
from storeavail_platform.orchestration.future_ticks import forget_future_ticks
from storeavail_platform.orchestration.home_storage import SETTINGS, open_home
from storeavail_platform.orchestration.runs import COUNTRY_TAG
from storeavail_platform.pipeline.room import disk_full_named

LOST = (
    "Dagster's home {home} was lost: made anew with the platform's settings. Windows and tables are"
    " as they were; what Dagster's pages showed of earlier runs is gone\n"
)
FUTURE = (
    "Dagster had ticks of the future, which a clock that was fast has left: {names}. They are"
    " forgotten; restart Dagster's daemon, which remembers them\n"
)
TEMPORARY = (
    f"{DAGSTER_HOME_VARIABLE} is not set: this Dagster has a home for the moment, beside that which"
    " `storeavail run` uses, without the platform's alerts, run monitoring and limit of one run a"
    " country. `storeavail up` starts Dagster on the configuration's own home\n"
)
RESTART = (
    f"The platform's settings are in its {SETTINGS} now; restart Dagster's daemon and webserver,"
    " which read it when they start"
)
MOVED_MODULE = (
    "storeavail_platform.orchestration.run_launcher",
    "storeavail_platform.automation.run_launcher",
)
"""What a home of 0.2.0 calls a module, and the name that every release knows."""
UNUSABLE = (
    OSError,
    SQLAlchemyError,
    sqlite3.Error,
    yaml.YAMLError,
    UnicodeError,
    dg.DagsterInvariantViolationError,
    dg.DagsterInvalidConfigError,
)
"""What Dagster raises over a home that cannot be used."""
SLOW_POLL = ("\n  poll_interval_seconds: 30\n", "\n  poll_interval_seconds: 10\n")
"""How often run monitoring looked for dead runs until 0.2.0, and does now."""
LIMIT_OF_BEFORE = re.compile(r"^( *)- key: country$", re.MULTILINE)
QUEUE = """
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    dequeue_interval_seconds: 1
"""
"""How often the queue is looked at, which homes of 0.2.0 do not say."""
BOTH_LIMITS = (
    rf"\1- key: {COUNTRY_TAG}\n\1  value:\n\1    applyLimitPerUniqueValue: true\n\1  limit: 1\n"
    r"\1- key: country"
)
"""One run a country at a time, by the tag of this release and by that of 0.1.0, whose runs have
no other.
"""


def prepare_home(platform: Platform) -> Path:
    """Dagster's home for this configuration, with the local `dagster.yaml` in it unless there is
    one, and its databases made.

    Dagster makes its SQLite tables at first use, and processes that do so at once get in each
    other's way: here one does it for all.
    """
    home = dagster_home(platform)
    if write_missing_settings(home):
        if (Path(platform.warehouse) / "windows").is_dir():
            sys.stderr.write(LOST.format(home=home))
    else:
        bring_up_to_date(home / SETTINGS)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open_home(home) as instance:
            instance.get_run_records(limit=1)
            instance.get_latest_materialization_event(observation.KEY)
            if names := forget_future_ticks(instance, utc_now()):
                sys.stderr.write(FUTURE.format(names=", ".join(names)))
    return home


@contextlib.contextmanager
def home_errors(platform: Platform) -> Iterator[None]:
    """Have what is wrong with Dagster's home said in a line.

    Raises:
        DiskFull: a disk has no room.
        HomeDamaged: it cannot be read or written, its settings are wrong, a database is damaged.
    """
    try:
        with disk_full_named(platform):
            yield
    except UNUSABLE as error:
        home = dagster_home(platform)
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise HomeDamaged(
            f"Dagster's home {home} cannot be used ({type(error).__name__}: {said}): check this"
            " user's rights in it, or put it aside: it is made anew by the next command. No window,"
            " table or alert is in it"
        ) from error


def bring_up_to_date(settings: Path) -> None:
    """Bring the `dagster.yaml` of an earlier release up to date.

    Whatever else is in it stays, and the release before goes on with it.
    """
    text = settings.read_text(encoding="utf-8")
    renamed = text.replace(*MOVED_MODULE).replace(*SLOW_POLL)
    if COUNTRY_TAG not in renamed:
        renamed = LIMIT_OF_BEFORE.sub(BOTH_LIMITS, renamed)
    if "WatchedRunLauncher" in renamed and "run_coordinator:" not in renamed:
        renamed = renamed.rstrip("\n") + "\n" + QUEUE
    if renamed != text:
        draft = settings.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(renamed, encoding="utf-8")
        draft.replace(settings)


def write_missing_settings(home: Path) -> bool:
    """Write the platform's settings into a home that has none. Whether it had none."""
    settings = home / SETTINGS
    if settings.exists():
        return False
    home.mkdir(parents=True, exist_ok=True)
    draft = settings.with_suffix(f".{os.getpid()}.draft")
    draft.write_bytes((files("storeavail_platform.orchestration") / SETTINGS).read_bytes())
    draft.replace(settings)
    return True


def prepare_code_server_home() -> None:
    """Write the platform's settings where this process' $DAGSTER_HOME has none, and say so; say
    too where there is no such variable, so that Dagster runs on a home for the moment.

    The daemon that began on it has read none; `missing_settings` tells of that.
    """
    chosen = os.environ.get(DAGSTER_HOME_VARIABLE)
    if not chosen:
        sys.stderr.write(TEMPORARY)
    elif write_missing_settings(Path(chosen)):
        sys.stderr.write(f"{chosen} had no {SETTINGS}: {RESTART}\n")


def missing_settings(instance: dg.DagsterInstance) -> str | None:
    """What of its home's settings Dagster runs without, because it began before they were there,
    in words; None: nothing.
    """
    queue = instance.get_concurrency_config().run_queue_config
    limits = () if queue is None else queue.tag_concurrency_limits
    is_limited = any(limit.get("key") == COUNTRY_TAG for limit in limits)
    settings = Path(instance.root_directory) / SETTINGS
    if is_limited or not settings.exists() or COUNTRY_TAG not in settings.read_text():
        return None
    return (
        "Dagster's daemon runs without run monitoring and without the limit of one run a country:"
        f" it began on a home that was lost or new, {instance.root_directory}. {RESTART}"
    )


def main() -> None:
    """Make the home, or say in a line why not; a full disk is told of, since nothing that begins on
    it could.
    """
    try:
        platform = load_platform()
        look_at_disks(platform)
        with home_errors(platform):
            home = prepare_home(platform)
    except StoreAvailError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"{home}\n")


if __name__ == "__main__":
    main()
