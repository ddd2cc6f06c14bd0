"""The recorded index of the demo: one file a country and window, written once, never changed.

What is in it is `simulator.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.demo.simulator import documents, planned_observation
from storeavail_platform.domain.windows import OBSERVATION_MINUTE, Window

LIVE_LEAD = timedelta(minutes=1)
"""How long before the middle of a window its recording is made while schedules run: they fire
then, and have to find it.
"""
POLL_SECONDS = 10.0
STATUS: Mapping[Any, str] = {True: "OPEN", False: "CLOSED"}
"""Of a store that is online, and of one that is not."""


def recording_path(home: Path, code: str, window: Window) -> Path:
    """`index/BR/2026-11-23T1015.ndjson` below the demo's folder."""
    return home / "index" / code / f"{window.key}.ndjson"


def unrecorded(home: Path, windows: list[Window]) -> list[tuple[str, Window]]:
    """The countries and windows without a recording, oldest window first."""
    return [
        (code, window)
        for window in windows
        for code in COUNTRIES
        if not recording_path(home, code, window).exists()
    ]


def record(home: Path, code: str, window: Window, now: datetime) -> None:
    """Write a window's recording as it was when it was observed; for the window in progress that is
    `now` at the latest.

    A recording that is there already, also one that another process has just made, stays.
    """
    observed_at = min(planned_observation(code, window), now)
    path = recording_path(home, code, window)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.draft")
    try:
        draft.write_bytes(
            b"".join(
                orjson.dumps(_as_indexed(code, document), option=orjson.OPT_APPEND_NEWLINE)
                for document in documents(code, window, observed_at)
            )
        )
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _as_indexed(code: str, document: dict[str, Any]) -> dict[str, Any]:
    """A document as the country's index has it."""
    if not COUNTRIES[code].has_status or "online" not in document:
        return document
    online = document["online"]
    return document | {"listing": {"status": STATUS.get(online, online)}}


def record_live(
    home: Path, stop: threading.Event, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> None:
    """Record each window in progress a minute before its middle, until `stop` is set.

    It looks at the clock again and again instead of sleeping until the next window: the machine may
    have slept meanwhile.
    """
    while True:
        now = clock()
        window = Window.containing(now)
        if now >= window.start + timedelta(minutes=OBSERVATION_MINUTE) - LIVE_LEAD:
            for code, missing in unrecorded(home, [window]):
                record(home, code, missing, now)
        if stop.wait(POLL_SECONDS):
            return
