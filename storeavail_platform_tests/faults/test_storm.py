"""Windows of several countries through a storm of faults: at its end nothing is lost, and no row
differs from a calm day's.

Every window is complete or a recorded gap; every committed row equals what a run without faults
gives on the same landings.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from elasticsearch import helpers

from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import ROLLED_UP
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.execute import heal_dead_runs
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.observe import POSTGRES as STORES_SOURCE
from storeavail_platform.reading.status import unfinished
from storeavail_platform_tests.end_to_end.killed import SHIFT
from storeavail_platform_tests.end_to_end.world import MAPPINGS, World
from storeavail_platform_tests.faults.made_up import Driven
from storeavail_platform_tests.faults.shifted_runs import CLOCK, use_shifted_runs
from storeavail_platform_tests.faults.storm import (
    DISK,
    ELASTICSEARCH,
    KILL_POINTS,
    METASTORE,
    POSTGRES,
    RUN,
    Servers,
    Trouble,
    schedule,
)
from storeavail_testing.clock import SetClock
from storeavail_testing.elasticsearch import ElasticsearchServer
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import CACHE, service_folder
from storeavail_testing.proxy import proxied

ZONES = {"SBR": "America/Sao_Paulo", "SCL": "America/Santiago", "SJP": "Asia/Tokyo"}
STORE_COUNT = 40
ROWS = f"""
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City ' || i % 5, 'Brand ' || i % 3, NULL, i % 11 > 0 FROM generate_series(1, {STORE_COUNT}) i;
INSERT INTO store_weekly_hours
  SELECT i, d, make_time(i % 12, 0, 0), make_time(12 + i % 12, 30, 0) FROM generate_series(1, {STORE_COUNT}) i, generate_series(1, 7) d WHERE i % 7 > 0;
"""
DISK_SIZE = "256m"
CALM_WINDOWS = 12
"""After the storm all has to be made up for in so many windows; catch-up rests for half an hour
at most.
"""
CATCH_UP_MINUTES = (4, 6)
"""When catch-up is given a tick, in the window after. Dagster's daemon gives it one a minute."""
FIGURES = CACHE / "reliability.json"
NAMES = [table.name for table in (*TABLES, *ROLLED_UP)]


@dataclass
class Storm:
    """Countries with live sources behind proxies, and the clock."""

    world: World
    servers: Servers
    clock: SetClock
    postgres: PostgresServer
    elasticsearch: ElasticsearchServer
    countries: dict[str, Driven]
    struck: Counter[str] = field(default_factory=Counter)
    failed_runs: int = 0
    under_way: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    def rage(self, first: Window, troubles: Sequence[Sequence[Trouble]]) -> int:
        """Run a window of every country after another, with what strikes in each, and catch-up
        between them; then calm windows until nothing is unfinished. Gives the number of windows.
        """
        for number, begun in enumerate(troubles):
            self.pass_window(number, first.next(number), begun)
        self.lift(sys.maxsize)
        for number in range(len(troubles), len(troubles) + CALM_WINDOWS):
            now = self.clock()
            if not any(
                window
                for code, driven in self.countries.items()
                for window in unfinished(driven.runtime, code, now)
            ):
                return number
            self.pass_window(number, first.next(number), [])
        raise AssertionError(
            f"{CALM_WINDOWS} windows after the storm there are still unfinished ones"
        )

    def pass_window(self, number: int, window: Window, begun: Sequence[Trouble]) -> None:
        self.change(number)
        self.clock.set(window.middle())
        for trouble in begun:
            self.struck[str(trouble)] += 1
            self.under_way.append((number + trouble.windows, self.servers.strike(trouble)))
        on_runs = {trouble.country: trouble for trouble in begun if trouble.target == RUN}
        for code in self.countries:
            self.run(code, window, on_runs.get(code))
        self.lift(number)
        # a scheduled run goes on until the deadline: what is over by now leaves time for another
        # try
        for code in self.countries:
            if code not in on_runs:
                self.run(code, window, None)
        for minutes in CATCH_UP_MINUTES:
            self.clock.set(window.end + timedelta(minutes=minutes))
            for driven in self.countries.values():
                self.count(driven.catch_up())

    def lift(self, number: int) -> None:
        """End what lasts until a window."""
        while due := [trouble for trouble in self.under_way if trouble[0] <= number]:
            self.under_way.remove(due[0])
            due[0][1]()

    def run(self, code: str, window: Window, trouble: Trouble | None) -> None:
        """Run a country's window unless it is complete."""
        driven = self.countries[code]
        if driven.runtime.markers.read(code, window) is not None:
            return
        if trouble is None:
            self.count([driven.window(window)])
        elif trouble.what == "killed":
            point, path = KILL_POINTS[trouble.position % len(KILL_POINTS)]
            request = json.dumps({"country": code, "windows": [window.key], "select": []})
            arguments = [point, path, request]
            ended = subprocess.run(
                [sys.executable, "-m", "storeavail_platform_tests.end_to_end.killed", *arguments],
                env={
                    **os.environ,
                    "STOREAVAIL_CONFIG": str(self.world.config),
                    SHIFT: str(self.clock.offset.total_seconds()),
                },
                capture_output=True,
                check=False,
                timeout=120,
            )
            # another trouble may have failed the run before it came to its point
            assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr.decode()[-2000:]
            self.failed_runs += 1
            # what run monitoring does in the daemon
            heal_dead_runs(driven.instance, code)

    def change(self, number: int) -> None:
        """Give both sources of each country other values, as far as they are up."""
        for code in self.countries:
            with contextlib.suppress(Exception), self.elasticsearch.client() as client:
                documents = (
                    {"_index": index_name(code), "_id": i, "store_id": str(i), "online": (i * 7 + number) % 5 > 0, "updated_at": self.clock().isoformat()}
                    for i in range(1, STORE_COUNT + 1)
                )  # fmt: skip
                helpers.bulk(
                    client.options(max_retries=0, request_timeout=5), documents, refresh=True
                )
            with contextlib.suppress(Exception):
                self.postgres.execute(
                    f"storm_{code.lower()}",
                    f"UPDATE stores SET name = 'Store ' || store_id || ', {number}'",
                )

    def count(self, results: Sequence[dg.ExecuteInProcessResult]) -> None:
        self.failed_runs += sum(not result.success for result in results)


def index_name(code: str) -> str:
    return f"storm_{code.lower()}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A disk of the warehouse's own, where this user may mount one."""
    disk = tmp_path / "warehouse"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    yield disk if mounted else None
    if mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def clock() -> SetClock:
    """Of the platform, and of the storage of Dagster's runs."""
    CLOCK.set(datetime.now(UTC))
    return CLOCK


@contextlib.contextmanager
def company(
    tmp_path: Path,
    codes: Sequence[str],
    servers: tuple[ElasticsearchServer, HiveMetastore],
    disk: Path | None,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Storm]:
    """Live sources of their own behind proxies, tables in a real metastore."""
    elasticsearch, metastore = servers
    with service_folder("storm") as folder, contextlib.ExitStack() as stack:
        postgres = PostgresServer(folder)
        postgres.start()
        stack.callback(postgres.kill)
        world = World(tmp_path, postgres, elasticsearch)
        before_metastore = stack.enter_context(proxied(metastore.port))
        proxies = {(METASTORE, code): before_metastore for code in codes}
        for code in codes:
            dsn = postgres.create(f"storm_{code.lower()}")
            postgres.execute(f"storm_{code.lower()}", ROWS)
            elasticsearch.fill(index_name(code), [], shards=2, mappings=MAPPINGS)
            proxies[POSTGRES, code] = stack.enter_context(proxied(postgres.port))
            proxies[ELASTICSEARCH, code] = stack.enter_context(proxied(elasticsearch.port))
            world.environment[f"{code}_DSN"] = dsn.replace(
                str(postgres.port), str(proxies[POSTGRES, code].port)
            )
            world.environment[f"{code}_ES"] = (
                f"http://127.0.0.1:{proxies[ELASTICSEARCH, code].port}"
            )
        head = (
            "catalog: {type: hive, uri:"
            f" 'thrift://127.0.0.1:{before_metastore.port}'}}\ncommit_patience: 2s\n"
        )
        world.config.write_text(head + configuration(codes))
        for name, value in {**world.environment, "DAGSTER_HOME": str(tmp_path / "dagster")}.items():
            monkeypatch.setenv(name, value)
        home = prepare_home(world.runtime().platform)
        use_shifted_runs(home)
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        struck = Servers(
            {POSTGRES: postgres, ELASTICSEARCH: elasticsearch, METASTORE: metastore}, proxies, disk
        )
        countries = {code: Driven(world, instance, code, clock=clock) for code in codes}
        storm = Storm(world, struck, clock, postgres, elasticsearch, countries)
        # the servers are other tests' too
        stack.callback(storm.lift, sys.maxsize)
        yield storm


def configuration(codes: Sequence[str]) -> str:
    countries = "\n".join(
        f"  {code}: {{timezone: {ZONES[code]}, postgres: {{dsn: env:{code}_DSN}}, online_index: {{url: env:{code}_ES, index: {index_name(code)}, request_timeout: 10s}}}}"
        for code in codes
    )  # fmt: skip
    return f"warehouse: ./warehouse\npartitions_start: 2026-01-01\ncountries:\n{countries}\n"


def calm(storm: Storm, tmp_path: Path) -> World:
    """The same landings, each window computed without faults in the order in which it was
    completed: baselines depend on the order.
    """
    world = World(tmp_path / "calm", storm.postgres)
    world.folder.mkdir()
    world.config.write_text(configuration(list(storm.countries)))
    shutil.copytree(tmp_path / "warehouse" / "landing", world.folder / "warehouse" / "landing")
    with dg.instance_for_test() as instance:
        for code, driven in storm.countries.items():
            for marker in sorted(
                driven.runtime.markers.latest(code), key=lambda marker: marker.completed_at
            ):
                run = Driven(world, instance, code).window(Window.parse(marker.window))
                # a gap is computed, and its run fails
                assert run.success == (marker.observed_at is not None)
    return world


def rows(world: World, table: str) -> Counter[str]:
    """Every row of a table, without the run that wrote it."""
    return Counter(map(repr, world.query(f"SELECT * EXCLUDE (run_id) FROM {table}")))


def weather(storm: Storm, tmp_path: Path, troubles: Sequence[Sequence[Trouble]]) -> dict[str, Any]:
    """Let a storm rage, make up for it, and compare; gives the figures."""
    # all of it is over by this machine's clock: Dagster has no partitions of windows to come
    first = Window.containing(datetime.now(UTC)).next(-len(troubles) - CALM_WINDOWS - 1)
    windows = [first.next(number) for number in range(storm.rage(first, troubles))]
    gaps = 0
    for code, driven in storm.countries.items():
        assert driven.runtime.markers.complete(code) == [window.key for window in windows], (
            f"{code}: a window was lost"
        )
        for window in windows:
            index, stores = (
                driven.runtime.landing.find(code, window, source)
                for source in (INDEX, STORES_SOURCE)
            )
            assert index is not None
            assert stores is not None
            is_gap = not index.details["is_observed"]
            assert index.rows("raw_online_index") == (0 if is_gap else STORE_COUNT), (
                "half a reading was landed"
            )
            assert stores.rows("raw_stores") == STORE_COUNT, "half a reading was landed"
            gaps += is_gap
    expected = calm(storm, tmp_path)
    compared = 0
    for table in NAMES:
        wanted, found = rows(expected, table), rows(storm.world, table)
        assert found == wanted, (
            f"{table}: lost {list((wanted - found).elements())[:2]}, invented"
            f" {list((found - wanted).elements())[:2]}"
        )
        compared += found.total()
    return {
        "countries": len(storm.countries),
        "windows": len(windows) * len(storm.countries),
        "faults": storm.struck.total(),
        "kinds of faults": len(storm.struck),
        "runs failed or killed": storm.failed_runs,
        "recorded gaps": gaps,
        "calm windows until all was made up for": len(windows) - len(troubles),
        "rows compared": compared,
        "windows lost": 0,
        "rows lost": 0,
    }


def kinds_here(troubles: Sequence[Sequence[Trouble]], disk: Path | None) -> list[list[Trouble]]:
    """Without a disk of its own to fill, that one is left out; the figures count what struck."""
    return [
        [trouble for trouble in begun if trouble.target != DISK or disk is not None]
        for begun in troubles
    ]


SHORT = [
    [],
    [
        Trouble(POSTGRES, "killed while it answers", "SBR", 1, 1_500),
        Trouble(RUN, "absent", "SCL", 0, 0),
    ],
    [
        Trouble(METASTORE, "killed while it answers", "SBR", 1, 700),
        Trouble(RUN, "killed", "SCL", 0, 3),
    ],
    [Trouble(ELASTICSEARCH, "killed while it answers", "SCL", 0, 900)],
]


@pytest.mark.long
def test_a_short_storm(
    tmp_path: Path,
    elasticsearch_server: ElasticsearchServer,
    metastore: HiveMetastore,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every server is killed while it answers, a run is killed, another never comes: nothing is
    lost, and no row differs.
    """
    with company(
        tmp_path, ["SBR", "SCL"], (elasticsearch_server, metastore), None, clock, monkeypatch
    ) as storm:
        figures = weather(storm, tmp_path, SHORT)
    assert figures["recorded gaps"] >= 1
    assert figures["runs failed or killed"] >= 3


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1])
def test_a_storm_of_hours(
    seed: int,
    tmp_path: Path,
    small_disk: Path | None,
    elasticsearch_server: ElasticsearchServer,
    metastore: HiveMetastore,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three countries, 24 windows, every kind of fault: nothing is lost, and no row differs.

    The figures go to `.cache/reliability.json`.
    """
    troubles = kinds_here(schedule(seed, 24, list(ZONES)), small_disk)
    with company(
        tmp_path, list(ZONES), (elasticsearch_server, metastore), small_disk, clock, monkeypatch
    ) as storm:
        figures = weather(storm, tmp_path, troubles)
    FIGURES.write_text(
        json.dumps({"seed": seed, **figures, "faults by kind": storm.struck}, indent=2) + "\n"
    )
