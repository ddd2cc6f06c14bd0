"""Outages of real servers in the middle of windows: what is upstream goes on, nothing half read
is landed, and all is committed exactly once.
"""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from storeavail_platform.domain.errors import ObservationRefused
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.catch_up import LONGEST_PAUSE
from storeavail_platform.pipeline.observe import INDEX, POSTGRES, refuse_outside
from storeavail_platform.warehouse.catalog import COMMIT_ID
from storeavail_platform_tests.end_to_end.world import World, current_window, world
from storeavail_platform_tests.faults.made_up import Driven, failure, past
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.proxy import Fault, proxied
from storeavail_testing.waiting import wait_for

__all__ = ["world"]

COUNT = 300
STORES_SQL = f"""
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City', 'Brand', NULL, true FROM generate_series(1, {COUNT}) i;
INSERT INTO store_weekly_hours SELECT i, d, '00:00', '24:00' FROM generate_series(1, {COUNT}) i, generate_series(1, 7) d;
"""
DOCUMENTS: list[dict[str, Any]] = [
    {"store_id": str(i), "online": i % 3 != 0, "updated_at": datetime.now(UTC).isoformat()}
    for i in range(1, COUNT + 1)
]
COUNTS = [
    {"status": "available", "stores": COUNT - COUNT // 3},
    {"status": "missing", "stores": COUNT // 3},
]
STATUS_SQL = (
    "SELECT status, COUNT(*) AS stores FROM store_availability WHERE window_start = '{}' GROUP BY"
    " status ORDER BY status"
)
WAIT_SECONDS = 60.0


@pytest.fixture
def driven(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    """A country with stores that are always open, recorded in two windows.

    A commit is given up after two seconds.
    """
    index = world.record("BR", past(1), DOCUMENTS)
    world.record("BR", past(0), DOCUMENTS)
    world.add_country("BR", "America/Sao_Paulo", index, rows=STORES_SQL)
    configure(world, "commit_patience: 2s")
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test() as instance:
        yield Driven(world, instance)


def configure(world: World, *lines: str) -> None:
    world.config.write_text("".join(f"{line}\n" for line in lines) + world.config.read_text())


def statuses(driven: Driven, window: Window) -> list[dict[str, Any]]:
    return driven.world.query(STATUS_SQL.format(window.start.isoformat()))


def commits(driven: Driven, window: Window) -> dict[str, int]:
    """How many commits of a window each table has."""
    found = {}
    for table in TABLES:
        loaded = driven.runtime.warehouse.load("BR", table.name)
        summaries = [snapshot.summary for snapshot in loaded.snapshots()] if loaded else []
        ids = {
            s[COMMIT_ID]
            for s in summaries
            if s is not None and s.get("storeavail.window") == window.key
        }
        found[table.name] = len(ids)
    return found


def test_the_metastore_is_killed_and_comes_back(driven: Driven, metastore: HiveMetastore) -> None:
    """Observations go on, queries read the newest committed state; when it is back everything
    is committed without a human, exactly once.
    """
    configure(driven.world, f"catalog: {{type: hive, uri: '{metastore.uri}'}}")
    first, second = past(1), past(0)
    try:
        assert driven.window(first).success
        metastore.kill()
        failed = driven.window(second)
        assert not failed.success
        assert "Nothing is lost" in failure(failed)
        assert driven.runtime.landing.find("BR", second, POSTGRES) is not None
        assert statuses(driven, first) == COUNTS
        assert statuses(driven, second) == []
    finally:
        metastore.start()
    for _ in range(2):
        driven.clock.offset += LONGEST_PAUSE
        driven.catch_up()
    assert statuses(driven, second) == COUNTS
    assert set(commits(driven, second).values()) == {1}


def test_a_locked_sqlite_catalog_is_waited_for(driven: Driven) -> None:
    """A commit waits for whoever holds the file, and is made once."""
    assert driven.window(past(1)).success
    window, results = past(0), []
    lock = sqlite3.connect(driven.world.folder / "warehouse" / "catalog.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    thread = threading.Thread(target=lambda: results.append(driven.window(window).success))
    thread.start()
    written = (
        driven.world.folder
        / "warehouse"
        / "tables"
        / "storeavail_br"
        / "stores"
        / "data"
        / window.key
    )
    wait_for("the window's file", written.exists)
    lock.execute("ROLLBACK")
    thread.join(WAIT_SECONDS)
    assert results == [True]
    assert set(commits(driven, window).values()) == {1}


@pytest.mark.parametrize("fault", ["cut", "corrupt"])
@pytest.mark.parametrize(
    "share",
    [pytest.param(0.02, marks=pytest.mark.long), 0.5, pytest.param(0.98, marks=pytest.mark.long)],
)
def test_no_half_reading_of_postgresql_is_landed(
    driven: Driven, monkeypatch: pytest.MonkeyPatch, fault: str, share: float
) -> None:
    """A connection that is cut or corrupted anywhere fails the reading; whole, it is landed,
    and the rows are those of a calm day.
    """
    window = past(0)
    dsn = driven.world.environment["BR_DSN"]
    port = int(dsn.partition("port=")[2].split()[0])
    with proxied(port) as proxy:
        monkeypatch.setenv("BR_DSN", dsn.replace(f"port={port}", f"port={proxy.port}"))
        assert driven.window(past(1)).success
        at = int(proxy.carried * share)
        proxy.fault = Fault(cut_after=at) if fault == "cut" else Fault(corrupt_after=at)
        if driven.window(window).success:
            assert fault == "corrupt"
            return
        landed = driven.runtime.landing.find("BR", window, POSTGRES)
        assert landed is None
        proxy.fault = Fault()
        assert driven.window(window).success
    assert statuses(driven, window) == COUNTS


def test_elasticsearch_is_cut_off_and_killed(
    world: World, elasticsearch_server: ElasticsearchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it has sent by then, nothing is landed; a run that goes on until the deadline
    reads it whole when it is back.
    """
    world = replace(world, elasticsearch=elasticsearch_server)
    world.add_country("BR", "America/Sao_Paulo", world.index("BR", DOCUMENTS), rows=STORES_SQL)
    url = world.environment["BR_ES"]
    port = int(url.rsplit(":", 1)[1].strip("/"))
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    window = current_window()
    with dg.instance_for_test() as instance, proxied(port) as proxy:
        driven = Driven(world, instance)
        monkeypatch.setenv("BR_ES", url.replace(str(port), str(proxy.port)))
        for cut_after in (200, 2_000, 8_000):
            proxy.fault = Fault(cut_after=cut_after)
            assert not driven.window(window).success
            assert driven.runtime.landing.find("BR", window, INDEX) is None
        hold = threading.Event()
        proxy.fault = Fault(hold=hold)
        results: list[bool] = []
        thread = threading.Thread(
            target=lambda: results.append(driven.window(window, until_deadline=True).success)
        )
        thread.start()
        wait_for("a connection to Elasticsearch", lambda: proxy.open)
        elasticsearch_server.kill()
        proxy.fault = Fault()
        hold.set()
        elasticsearch_server.start()
        thread.join(WAIT_SECONDS * 2)
        if window == current_window():
            assert results == [True]
            assert statuses(driven, window) == COUNTS


def test_a_full_disk_loses_nothing(driven: Driven, tmp_path: Path) -> None:
    """The run fails and says so; nothing half written is trusted; with room again the window
    completes.
    """
    disk = tmp_path / "warehouse"
    disk.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small disk is made by mounting one, which needs root")
    try:
        filler = disk / "filler"
        assert driven.window(past(1)).success
        fill(filler)
        failed = driven.window(past(0))
        assert not failed.success
        assert "No space left" in failure(failed)
        assert statuses(driven, past(1)) == COUNTS
        filler.unlink()
        assert driven.window(past(0)).success
        assert statuses(driven, past(0)) == COUNTS
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_late_window_is_refused_and_a_clock_that_is_behind_too() -> None:
    """At the deadline's second it is still read, a second later not, and before its start never."""
    window, grace = past(0), timedelta(minutes=2)
    refuse_outside("BR", window, window.deadline(grace), grace)
    for moment in (
        window.deadline(grace) + timedelta(seconds=1),
        window.start - timedelta(seconds=1),
    ):
        with pytest.raises(ObservationRefused, match=window.key):
            refuse_outside("BR", window, moment, grace)
