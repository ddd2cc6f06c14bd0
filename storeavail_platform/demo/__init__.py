"""Simulated countries on this machine: a real PostgreSQL, a recorded index, a configuration. Only
`cli` imports this package.

`prepare` makes what is missing; `sources_running` runs the servers; `record_live` keeps the
recording going while schedules run.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from storeavail_platform.config import demo_config_path
from storeavail_platform.demo.api import address, api_running, free_port
from storeavail_platform.demo.configuration import configuration_text
from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.demo.fill import fill_country
from storeavail_platform.demo.postgres import SUPERUSER, data_folder, dsn, postgres_running
from storeavail_platform.demo.recording import record, record_live, unrecorded
from storeavail_platform.domain.windows import WINDOW_MINUTES, Window

__all__ = [
    "Demo",
    "Progress",
    "demo_home",
    "demo_running",
    "postgres_running",
    "prepare",
    "record_live",
    "sources_running",
]

WINDOWS_AN_HOUR = 60 // WINDOW_MINUTES
FIRST_WINDOW_BEFORE = timedelta(days=3)
"""How long before the first demo the partitions start. Later demos keep that day."""
CONFIG_NAME = "storeavail.yaml"
FILLED = ".postgres-filled-2"
"""Says that the databases are whole; numbered anew when what belongs into them changes."""
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Demo:
    """What `prepare` made sure of.

    Attributes:
        windows: the recorded windows, oldest first; the last one is in progress.
        made: databases and recordings that were missing.
    """

    home: Path
    config_path: Path
    countries: tuple[str, ...]
    windows: tuple[Window, ...]
    made: int


def demo_home() -> Path:
    """The demo's folder: `.storeavail/demo` below the working directory, or
    $STOREAVAIL_DEMO_HOME.
    """
    return demo_config_path().parent


def prepare(home: Path, now: datetime, hours: int = 4, progress: Progress | None = None) -> Demo:
    """Make what is missing of the demo: configuration, databases, recordings. What is there stays
    as it is.

    Args:
        now: the moment (UTC) up to which the index is recorded.
        hours: complete windows to record before the one in progress, in hours.
        progress: told how many databases and recordings are there, and how many there will be.

    Raises:
        SourceUnavailable: PostgreSQL does not start.
    """
    tell = progress or (lambda done, total: None)
    home.mkdir(parents=True, exist_ok=True)
    home = home.resolve()
    current = Window.containing(now)
    windows = [current.next(-back) for back in reversed(range(hours * WINDOWS_AN_HOUR + 1))]
    is_filled = (home / FILLED).exists() and data_folder(home).exists()
    missing = unrecorded(home, windows)
    to_make = len(missing) + (0 if is_filled else len(COUNTRIES))
    total = len(COUNTRIES) * (len(windows) + 1)
    done = total - to_make
    tell(done, total)
    if not is_filled:
        with postgres_running(home, create=True):
            for country in COUNTRIES.values():
                fill_country(dsn(home, SUPERUSER), dsn(home, country.database), country, now.date())
                done += 1
                tell(done, total)
        (home / FILLED).touch()
    for code, window in missing:
        record(home, code, window, now)
        done += 1
        tell(done, total)
    return Demo(
        home,
        _write_configuration(home, windows[0].start.date()),
        tuple(COUNTRIES),
        tuple(windows),
        to_make,
    )


@contextlib.contextmanager
def sources_running(home: Path) -> Iterator[None]:
    """PostgreSQL runs, and the API of the country that has one.

    Raises:
        ConfigError, SourceUnavailable: see `postgres_running`.
    """
    with postgres_running(home), api_running(home / CONFIG_NAME):
        yield


@contextlib.contextmanager
def demo_running(home: Path, now: datetime) -> Iterator[None]:
    """The demo's sources as a company's own would be: they run, and the index of the window
    in progress can be read.

    Raises:
        ConfigError, SourceUnavailable: see `postgres_running`.
    """
    with sources_running(home):
        for code, window in unrecorded(home, [Window.containing(now)]):
            record(home, code, window, now)
        yield


def _write_configuration(home: Path, first_day: date) -> Path:
    """The configuration file, unless it is there with the right connection strings (they change
    when the folder is moved).
    """
    path = home / CONFIG_NAME
    dsns = {code: dsn(home, country.database, country.role) for code, country in COUNTRIES.items()}
    analyst_dsns = {
        code: dsn(home, country.database, country.analyst_role)
        for code, country in COUNTRIES.items()
    }
    texts = (*dsns.values(), *analyst_dsns.values())
    if not (path.exists() and all(text in path.read_text(encoding="utf-8") for text in texts)):
        draft = path.with_suffix(f".{threading.get_ident()}.draft")
        draft.write_text(
            configuration_text(
                dsns, analyst_dsns, first_day - FIRST_WINDOW_BEFORE, address(free_port())
            ),
            encoding="utf-8",
        )
        draft.replace(path)
    return path
