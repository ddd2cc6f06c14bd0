"""A warehouse that the release before has written: this one reads it, brings it over, and goes on
where the other was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from storeavail_platform.domain.windows import Window
from storeavail_platform_tests.end_to_end.test_window import DOCUMENTS, STORE_ROWS, doc
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.release import NOW, HistoryMissing, Release, before

WINDOWS = [Window.parse("2026-11-23T1300").next(number) for number in range(8)]
"""Monday morning in Sao Paulo and Santiago, evening in Kolkata: every store's hours of that day."""
ZONES = {"BR": "America/Sao_Paulo", "CL": "America/Santiago", "IN": "Asia/Kolkata"}
GAP = WINDOWS[2]
OUT = 16
"""The store whose outage begins with the second window and goes on."""
# whenever this runs, nothing of these windows is too old to be kept
KEPT = "retention: {landing: 3650d, history: 3650d, facts: 3650d}\n"
MINUTES = ("expected", "available", "missing", "rogue", "unknown")
FACTS = (
    "SELECT country, window_start, store_id, status, reason, is_online, "
    f"{', '.join(f'{name}_minutes' for name in MINUTES)} FROM store_availability"
)
OUTAGES = "SELECT country, store_id, started_at FROM store_outages WHERE ended_at IS NULL"
SUMS = " UNION ALL ".join(
    f"SELECT country, '{table}' AS name,"
    f" {', '.join(f'SUM({name}_minutes) AS {name}' for name in MINUTES)} FROM {table} GROUP BY"
    " country"
    for table in ("store_availability", "daily_store_availability")
)
LAUNCHER = (
    "from dagster import DagsterInstance; print(type(DagsterInstance.get().run_launcher).__name__)"
)


@pytest.fixture(scope="module")
def release_before() -> Release:
    try:
        return before()
    except HistoryMissing as error:
        pytest.skip(f"the release before is not in this checkout's history: {error}")


@dataclass(frozen=True)
class Turn:
    """A release that has the warehouse for now."""

    release: Release
    world: World

    def command(self, *arguments: str) -> str:
        """What `storeavail` prints."""
        config = ("--config", str(self.world.config))
        return self._python("-m", self.release.cli, *arguments, *config)

    def run(self, windows: Sequence[Window], countries: Sequence[str]) -> None:
        """Run windows of each country one after another in its process, as `storeavail run`
        does one.
        """

        def country(code: str) -> None:
            request = {"country": code, "windows": [each.key for each in windows], "select": []}
            said = self._python("-m", self.release.execute, json.dumps(request)).splitlines()
            outcomes = [json.loads(line) for line in said]
            assert [outcome["window"] for outcome in outcomes] == request["windows"]
            assert [outcome["reason"] for outcome in outcomes] == [None] * len(windows)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(country, countries))

    def record_gap(self, country: str, window: Window) -> None:
        """As catch-up has it done, in a process of Dagster's own command."""
        config = {"country": country, "windows": [window.key]}
        path = self.world.folder / "gap.json"
        path.write_text(json.dumps({"ops": {"record_gaps": {"config": config}}}))
        job = ("-m", "storeavail_platform.definitions", "-j", "gaps", "-c", str(path))
        self._python("-m", "dagster", "job", "execute", *job)

    def status(self) -> dict[str, dict[str, Any]]:
        """What `storeavail status` says, by country."""
        return {
            one["country"]: one for one in json.loads(self.command("status", "--format", "json"))
        }

    def sums(self) -> list[dict[str, Any]]:
        """Every minute by country, as this release reads it: of the facts, and of the dates."""
        sql = f"{SUMS} ORDER BY country, name"
        rows: list[dict[str, Any]] = json.loads(self.command("query", "--format", "json", sql))
        # the release before writes sums as text
        return [row | {name: int(row[name]) for name in MINUTES} for row in rows]

    def run_launcher(self) -> str:
        """What Dagster's home makes of its run launcher: the daemon starts no run without it."""
        return self._python("-c", LAUNCHER).strip()

    def _python(self, *arguments: str) -> str:
        world = self.world
        environment = {
            **world.environment,
            "STOREAVAIL_CONFIG": str(world.config),
            "DAGSTER_HOME": str(world.folder / "warehouse" / "dagster"),
        }
        return self.release.python(*arguments, cwd=world.folder, environment=environment).stdout


def found(world: World) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Status, reason and minutes by country, window and store."""
    rows = [tuple(row.values()) for row in world.query(FACTS)]
    assert len({row[:3] for row in rows}) == len(rows)
    return {row[:3]: row[3:] for row in rows}


def started(world: World) -> dict[str, Any]:
    """When the outage of `OUT` that goes on began, by country."""
    rows = [row for row in world.query(OUTAGES) if str(row["store_id"]) == str(OUT)]
    assert len({row["country"] for row in rows}) == len(rows)
    return {row["country"]: row["started_at"] for row in rows}


def company(world: World, countries: Sequence[str], more: str = "") -> None:
    """Countries with every kind of bad row, and an outage."""
    for code in countries:
        for number, window in enumerate(WINDOWS):
            documents = [each for each in DOCUMENTS if each["store_id"] != str(OUT)]
            if window != GAP:
                index = world.record(code, window, [*documents, doc(str(OUT), number == 0)])
        world.add_country(code, ZONES[code], index, rows=STORE_ROWS)
    world.config.write_text(world.config.read_text() + KEPT + more)


@pytest.fixture
def of_before(world: World, release_before: Release) -> Turn:
    return Turn(release_before, world)


@pytest.fixture
def of_now(world: World) -> Turn:
    return Turn(NOW, world)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_warehouse_of_before_is_brought_over(world: World, of_before: Turn, of_now: Turn) -> None:
    """Until then windows are observed and their computation is refused with the command that
    helps; after it minutes of every store and window are equal, an outage goes on, and the window
    that was observed is computed. The release before refuses what was brought over.
    """
    company(world, ["BR"])
    of_before.run(WINDOWS[:2], ["BR"])
    first = found(world)
    assert {key[1] for key in first} == {window.start for window in WINDOWS[:2]}
    assert started(world) == {"BR": WINDOWS[1].start}
    sums = of_before.sums()
    assert of_now.sums() == sums

    refused = world.command("run", "--window", WINDOWS[3].key, check=False)
    assert refused.returncode == 1
    assert "`storeavail migrate` brings it over" in refused.stdout + refused.stderr
    assert WINDOWS[3].key in of_now.status()["BR"]["waiting"]
    assert found(world) == first

    assert "store_availability: brought over" in of_now.command("migrate")
    assert found(world) == first
    assert of_now.sums() == sums
    of_now.run([WINDOWS[0], WINDOWS[3]], ["BR"])
    second = found(world)
    assert {key: second[key] for key in first} == first
    assert {key[1] for key in second} - {key[1] for key in first} == {WINDOWS[3].start}
    assert started(world) == {"BR": WINDOWS[1].start}
    with pytest.raises(
        AssertionError,
        match=r"marker .* cannot be understood|store_id is string and would become long",
    ):
        of_before.run([WINDOWS[4]], ["BR"])
    assert found(world) == second
    assert of_before.run_launcher() == of_now.run_launcher() == "WatchedRunLauncher"


@pytest.fixture(params=["sql", pytest.param("hive", marks=pytest.mark.metastore)])
def catalog(request: pytest.FixtureRequest) -> Iterator[str]:
    """The configuration's line of the catalog."""
    if request.param == "sql":
        yield ""
        return
    metastore: HiveMetastore = request.getfixturevalue("metastore")
    yield f"catalog: {{type: hive, uri: '{metastore.uri}'}}\n"


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_three_countries_are_brought_over(
    world: World, of_before: Turn, of_now: Turn, catalog: str
) -> None:
    """With a gap, a compacted day, a silence, an open outage and its Dagster home: what was known
    is as it was, and this release goes on.
    """
    codes = list(ZONES)
    company(world, codes, catalog)
    opened = dict.fromkeys(codes, WINDOWS[1].start)
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def same_and_more(*windows: Window) -> None:
        """What was known is as it was; all countries have these windows besides; the outages go
        on.
        """
        rows = found(world)
        assert {key: rows[key] for key in known} == known
        assert {key[:2] for key in set(rows) - set(known)} == {
            (code, window.start) for code in codes for window in windows
        }
        known.update(rows)
        assert started(world) == opened

    of_before.run(WINDOWS[:2], codes)
    of_before.record_gap("BR", GAP)
    of_before.command("run", "--country", "BR", "--window", WINDOWS[1].key)
    of_before.command("silence", "BR", "--for", "7d", "--reason", "going forward")
    gap = {key: row for key, row in found(world).items() if key[1] == GAP.start}
    assert {row[1] for row in gap.values()} >= {"not_observed"}
    known |= gap
    assert "compacted" in of_before.command("maintain")
    same_and_more(*WINDOWS[:2])
    status, sums = of_before.status(), of_before.sums()

    of_now.command("migrate")
    same_and_more()
    assert of_now.sums() == sums
    for code, other in of_now.status().items():
        for name in ("last_window", "observed_at", "availability", "waiting", "gaps", "silences"):
            assert status[code][name] == other[name], (code, name)
    assert json.loads((world.folder / "warehouse" / "warehouse.json").read_text()) == {"layout": 2}

    # a home as this release makes one, with the runs of before
    (world.folder / "warehouse" / "dagster" / "dagster.yaml").unlink()
    of_now.run([WINDOWS[0], WINDOWS[3]], codes)
    of_now.command("run", "--country", "BR", "--window", WINDOWS[1].key)
    same_and_more(WINDOWS[3])
    assert "compacted" in of_now.command("maintain")
    of_now.run([WINDOWS[4]], codes)
    same_and_more(WINDOWS[4])
    of_now.command("dashboard")
    assert "ended the silence" in of_now.command("silence", "BR", "--end")
    assert of_now.status()["BR"]["silences"] == []
    assert of_now.run_launcher() == "WatchedRunLauncher"
