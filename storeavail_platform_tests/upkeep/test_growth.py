"""What a window costs does not grow with the windows before it: counted in objects, bytes and
names, not in seconds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storeavail_platform.config import load_text
from storeavail_platform.domain.addresses import plain
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY
from storeavail_platform.domain.tables.declarations import STORE_AVAILABILITY
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.catch_up import find_work
from storeavail_platform.pipeline.compute import baseline
from storeavail_platform.pipeline.events import RolledUp
from storeavail_platform.pipeline.local_dates import note_window
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.pipeline.window import follow_up
from storeavail_platform.reading.status import last_observed
from storeavail_platform.storage.local import LocalStorage, Name
from storeavail_platform.upkeep.compaction import compact
from storeavail_platform.upkeep.retention import expire_snapshots
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.landing import Landing
from storeavail_platform.warehouse.markers import Marker, Markers
from storeavail_platform_tests.domain.tables.facts import COUNTRY, commit_window, fact
from storeavail_platform_tests.upkeep.conftest import CONFIG, at
from storeavail_platform_tests.upkeep.test_retention import FIGURES

FIRST = Window.parse("2026-10-01T0000")
GOAL = 1.3
DAY_WINDOWS = 96
LOOKED_AT = 8
"""Commits after each night that are looked at together: one in so many merges the lists of
files.
"""


def commit(runtime: Runtime, table: Table, window: Window) -> None:
    """A window, or its local date, of two stores, that says little else."""
    partition = window.start.date() if table.is_daily else window
    row = {
        "window_start": window.start,
        "local_date": window.start.date(),
        "country": COUNTRY,
        "run_id": "run",
    }
    rows = pa.Table.from_pylist(
        [row | {"store_id": store} for store in ("1", "2")], schema=table.stored_schema()
    )
    path = runtime.warehouse.location(
        COUNTRY, table.name, "data", str(partition), window.key, "part-0.parquet"
    )
    with runtime.storage.open_output(path) as stream:
        pq.write_table(rows, stream)
    runtime.warehouse.commit(
        COUNTRY, table, partition, [WrittenFile(runtime.storage.path(path), 2, 1)], "run"
    )


def handled(runtime: Runtime, table: Table, window: Window) -> Counter[str]:
    """Objects and bytes of metadata that the commit of a window wrote, and these with the lists of
    files that it found.
    """
    folder = Path(runtime.storage.path(runtime.warehouse.location(COUNTRY, table.name, "metadata")))
    before = set(folder.iterdir())
    found = runtime.warehouse.load(COUNTRY, table.name)
    assert found is not None
    snapshot = found.current_snapshot()
    assert snapshot is not None
    lists = [snapshot.manifest_list, *(each.manifest_path for each in snapshot.manifests(found.io))]
    commit(runtime, table, window)
    made = set(folder.iterdir()) - before
    size = sum(path.stat().st_size for path in made)
    return Counter(
        written=len(made),
        bytes_written=size,
        objects=len(made) + len(lists),
        bytes=size + sum(Path(plain(path)).stat().st_size for path in lists),
    )


@pytest.mark.parametrize(
    "table", [STORE_AVAILABILITY, DAILY_STORE_AVAILABILITY], ids=lambda table: table.name
)
def test_a_commit_handles_as_much_metadata_after_days_as_after_hours(
    tmp_path: Path, table: Table
) -> None:
    """The windows up to the 32nd, after the first upkeep; those of the same hour a day on, and the
    last before that upkeep: at most 1.3 times as much, in objects and bytes. (Of the evening, what
    is written counts: the lists that are found name the day's files, and one commit in eight reads
    them.)
    """
    (tmp_path / "warehouse").mkdir()
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    night = 24
    early, evening, late = Counter[str](), Counter[str](), Counter[str]()
    looked_at = {
        **dict.fromkeys(range(night, night + LOOKED_AT), early),
        **dict.fromkeys(range(night + DAY_WINDOWS - LOOKED_AT, night + DAY_WINDOWS), evening),
        **dict.fromkeys(range(night + DAY_WINDOWS, night + DAY_WINDOWS + LOOKED_AT), late),
    }
    for number in range(night + DAY_WINDOWS + LOOKED_AT):
        window = FIRST.next(number)
        if number % DAY_WINDOWS == night:
            list(compact(runtime, COUNTRY, table, window.start))
            expire_snapshots(runtime, COUNTRY, table, at(timedelta(hours=1)))
        if number in looked_at:
            looked_at[number].update(handled(runtime, table, window))
        else:
            commit(runtime, table, window)
    for what in early:
        assert late[what] <= GOAL * early[what], (early, late)
    for what in ("written", "bytes_written"):
        assert evening[what] <= GOAL * early[what], (early, evening)


@pytest.mark.parametrize(
    "table", [STORE_AVAILABILITY, DAILY_STORE_AVAILABILITY], ids=lambda table: table.name
)
def test_a_commit_makes_four_files(tmp_path: Path, table: Table) -> None:
    """The rows, their list, the list of lists and the table's metadata: no Iceberg commit can be
    less. A date's rows that are replaced are in none of the lists.
    """
    (tmp_path / "warehouse").mkdir()
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    folder = Path(runtime.storage.path(runtime.warehouse.location(COUNTRY, table.name)))
    for number in range(3):
        before = set(folder.rglob("*.*"))
        commit(runtime, table, FIRST.next(number))
        made = set(folder.rglob("*.*")) - before - {folder / "current.json"}
    kinds = sorted(
        path.name.split("-")[0] if path.suffix == ".avro" else path.suffix for path in made
    )
    assert len(made) == 4, kinds
    assert kinds[:2] == [".json", ".parquet"]
    found = runtime.warehouse.load(COUNTRY, table.name)
    assert found is not None
    assert found.scan().to_arrow().num_rows == (2 if table.is_daily else 6)


class CountingStorage(LocalStorage):
    """Counts what is asked of it, and the names that listings give."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(root)
        self.asked = Counter[str]()

    def names(self, relative: str, *, after: str = "") -> list[Name]:
        found = super().names(relative, after=after)
        self.asked.update(lists=1, names=len(found))
        return found

    def read(self, relative: str) -> bytes | None:
        self.asked.update(reads=1)
        return super().read(relative)


def test_what_a_window_asks_of_markers_does_not_grow(tmp_path: Path) -> None:
    """Baseline, catch-up's look and `status`: as many requests and names at the 500th window as
    at the 30th; as many names by what follows a window.
    """
    (tmp_path / "warehouse").mkdir()
    storage = CountingStorage(tmp_path / "warehouse")
    runtime = build_runtime(load_text(CONFIG, base=tmp_path, origin="test.yaml"))
    runtime = Runtime(
        **{
            **vars(runtime),
            "storage": storage,
            "markers": Markers(storage),
            "landing": Landing(storage),
        }
    )

    def asked(window: Window) -> Counter[str]:
        storage.asked = Counter()
        now = window.middle()
        assert baseline(runtime.markers, COUNTRY, window).num_rows == 1
        find_work(runtime, COUNTRY, now, after=window.next(-3).key)
        assert last_observed(runtime, COUNTRY, now) is not None
        return storage.asked

    def complete(first: int, last: int) -> None:
        for number in range(first, last):
            window = FIRST.next(number)
            observed_at: datetime = window.middle()
            runtime.markers.write(
                Marker(COUNTRY, window.key, "run", observed_at, window.end, FIGURES, {})
            )

    def names_after(window: Window) -> int:
        rows = [fact(1, window, "available")]
        commit_window(runtime.engine, runtime.warehouse, window, rows, "run")
        note_window(runtime, COUNTRY, window)
        storage.asked = Counter()
        found = list(follow_up(replace(runtime, clock=window.middle), COUNTRY, "run", ()))
        assert {type(event) for event in found} == {RolledUp}
        return storage.asked["names"]

    complete(0, 30)
    early, names = asked(FIRST.next(30)), names_after(FIRST.next(30))
    complete(30, 500)
    late = asked(FIRST.next(500))
    assert late == early
    assert late["names"] < 10
    assert names_after(FIRST.next(500)) == names < 10


def test_the_newest_markers_are_found_across_a_long_silence(tmp_path: Path) -> None:
    """Newest first and each once, however far back they are."""
    markers = Markers(LocalStorage(tmp_path))
    numbers = [0, 5, 700, 6000, 6099, 6100, 6105]
    for number in numbers:
        window = FIRST.next(number)
        markers.write(Marker(COUNTRY, window.key, "run", window.middle(), window.end, FIGURES, {}))
    found = [marker.window for marker in markers.latest(COUNTRY, before=FIRST.next(6101))]
    assert found == [FIRST.next(number).key for number in reversed(numbers[:-1])]
    assert markers.complete(COUNTRY, after=FIRST.next(6100).key) == [FIRST.next(6105).key]
