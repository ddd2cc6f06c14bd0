"""Markers on S3: whoever asks for windows after one gets these and no others, in as few requests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform.storage.s3 import S3Storage
from storeavail_platform.warehouse.markers import AT_ONCE, Figures, Marker, Markers
from storeavail_testing.s3 import S3Server

FIRST = Window.parse("2026-11-20T2300")
PAGE = 5
"""Names that S3 gives in an answer; it gives a thousand, which is ten days of windows."""


@pytest.fixture
def storage(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(PAGE))
    return S3Storage(f"{s3.create_bucket()}/warehouse")


def answers(storage: S3Storage) -> list[int]:
    """Grows by how many names each answer to a listing has."""
    found: list[int] = []

    def count(parsed: dict[str, Any], **_: object) -> None:
        found.append(len(parsed.get("Contents", ())))

    storage.client.meta.events.register("after-call.s3.ListObjectsV2", count)
    return found


def test_windows_after_one_are_asked_for_from_there(storage: S3Storage) -> None:
    """`complete(after=)` gives later windows alone, over midnight too, and is as many answers as
    these need, however many windows there were before; the window itself need not be complete.
    """
    markers = Markers(storage)
    keys = [FIRST.next(number).key for number in range(4 * PAGE)]
    for key in keys:
        storage.replace(f"windows/BR/{key}.json", b"{}")
    # another country's, whose code begins alike
    storage.replace(f"windows/BRX/{keys[-1]}.json", b"{}")
    listed = answers(storage)
    assert markers.complete("BR", after=keys[-3]) == keys[-2:]
    assert listed == [2]
    listed.clear()
    assert markers.complete("BR", after=keys[-PAGE - 2]) == keys[-PAGE - 1 :]
    assert listed == [PAGE, 1]
    listed.clear()
    assert markers.complete("BR", after=keys[-1]) == []
    assert listed == [0]
    listed.clear()
    markers.remove("BR", Window.parse(keys[-3]))
    assert markers.complete("BR", after=keys[-3]) == keys[-2:]
    assert listed == [2]
    listed.clear()
    assert markers.complete("BR") == [*keys[:-3], *keys[-2:]]
    assert listed == [PAGE, PAGE, PAGE, PAGE - 1]


def test_the_newest_window_is_found_without_a_listing(storage: S3Storage) -> None:
    """The window before is asked for by its key; across a gap little is listed."""
    markers = Markers(storage)
    for number in range(4 * PAGE):
        key = FIRST.next(number).key
        storage.replace(f"windows/BR/{key}.json", MARKER % (key.encode(), number))
    listed = answers(storage)
    newest = next(markers.latest("BR", before=FIRST.next(4 * PAGE)))
    assert (newest.run_id, listed) == (f"run-{4 * PAGE - 1}", [])
    newest = next(markers.latest("BR", before=FIRST.next(4 * PAGE + 2)))
    assert newest.run_id == f"run-{4 * PAGE - 1}"
    assert len(listed) == 1
    assert listed[0] < 4


MARKER = b"""{"country": "BR", "window": "%s", "run_id": "run-%d", "observed_at": null,
"completed_at": "2026-11-21T00:07:00+00:00", "tables": {}, "figures": {"expected_minutes": 0,
"available_minutes": 0, "missing_minutes": 0, "unknown_minutes": 0, "rogue_minutes": 0,
"stores_missing": 0, "stores_rogue": 0, "suspect": false}}"""


def test_markers_since_a_moment_come_in_order(tmp_path: Path) -> None:
    """From the window that has the moment on, oldest first, however many are read at once."""
    markers = Markers(LocalStorage(tmp_path))
    windows = [FIRST.next(number) for number in range(2 * AT_ONCE + 3)]
    figures = Figures(0, 0, 0, 0, 0, 0, 0, suspect=False)
    for window in windows:
        markers.write(Marker("BR", window.key, "run", None, window.end, figures, {}))
    found = markers.since("BR", windows[2].start + timedelta(minutes=14))
    assert [marker.window for marker in found] == [window.key for window in windows[2:]]
    assert markers.since("BR", windows[-1].end) == []
