"""Hours (or a query) were wrong for three hours: the range is computed again with the hours as they
are now, stopped and gone on with; the index is what it was.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance

from storeavail_platform.commands.cli import main
from storeavail_platform.config import load_platform
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import ROLLED_UP
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.home import prepare_home
from storeavail_platform.orchestration.locks import country_lock
from storeavail_platform.orchestration.runs import UNFINISHED, of_country
from storeavail_platform.pipeline.observe import INDEX, POSTGRES, Observing
from storeavail_platform.pipeline.recompute import Progress, Recompute, settings_of, span
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform.storage.local import LocalStorage
from storeavail_platform_tests.end_to_end.world import COMMAND_SECONDS, World
from storeavail_testing.postgres import PostgresServer

BEFORE = Window.parse("2026-11-23T1245")
FIRST, LAST = Window.parse("2026-11-23T1300"), Window.parse("2026-11-23T1330")
AFTER = Window.parse("2026-11-23T1345")
WINDOWS, WRONG = span(BEFORE, AFTER), span(FIRST, LAST)
CODES = ("AR", "BR")
NOW = datetime(2026, 11, 24, tzinfo=UTC)
STORE_ROWS = """
INSERT INTO stores SELECT i, 'S' || i, NULL, 'C' || i % 2, 'B', NULL, true FROM generate_series(1, 12) i;
INSERT INTO store_weekly_hours SELECT i, 1, '08:00', '22:00' FROM generate_series(1, 12) i;
"""
HOURS = """
SELECT h.store_id, 'weekly' AS kind, h.weekday::int AS weekday, w.business_date,
       (EXTRACT(EPOCH FROM h.opens_at) / 60)::int + {} AS opens_minute,
       (EXTRACT(EPOCH FROM h.closes_at) / 60)::int AS closes_minute, false AS is_closed
FROM store_weekly_hours h JOIN stores s USING (store_id)
JOIN local_windows w ON w.weekday = h.weekday AND w.timezone = 'America/Sao_Paulo'
WHERE h.store_id <= {}
"""
RIGHT, TOO_LATE = HOURS.format(0, 12), HOURS.format(8 * 60, 5)
"""The query, and one that opens stores eight hours late and forgets most of them."""
COMMAND = [sys.executable, "-m", "storeavail_platform.commands.cli"]
RANGE = ("run", "--from", FIRST.key, "--to", LAST.key)


def documents(window: Window) -> list[dict[str, Any]]:
    """Store 1 is always offline, 2 since before the range, 3 begins in it and goes on, 4 is in it."""
    number = WINDOWS.index(window)
    offline = {1, *([2] if number > 0 else []), *([3] if number > 1 else [])}
    offline |= {4} if number == 2 else set()
    return [{"store_id": str(i), "online": i not in offline} for i in range(1, 13)]


@dataclass(frozen=True)
class Company:
    """AR had the right query all the time, BR the wrong one from FIRST to LAST; its warehouse can
    be put back as it was then.
    """

    world: World
    pristine: Path

    def write_query(self, sql: str, code: str = "BR") -> None:
        (self.world.folder / f"{code}.sql").write_text(sql)

    def restore(self) -> None:
        shutil.rmtree(self.world.folder / "warehouse")
        shutil.copytree(self.pristine, self.world.folder / "warehouse")
        self.write_query(RIGHT)

    def facts(self, code: str) -> list[dict[str, Any]]:
        """Every row of a country, without what differs between runs and countries."""
        found: list[dict[str, Any]] = []
        for table in (*TABLES, *ROLLED_UP):
            more = ", stores_read_at" if table.name == "window_quality" else ""
            found += [
                {"table": table.name, **row}
                for row in self.world.query(
                    f"SELECT * EXCLUDE (country, run_id{more}) FROM {table.name}"
                    f" WHERE country = '{code}' ORDER BY ALL"
                )
            ]
        return found


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Company]:
    """The company, its windows computed without Dagster: many, in a second or two."""
    folder = tmp_path_factory.mktemp("recompute")
    world = World(folder, postgres_server)
    company = Company(world, folder / "pristine")
    for code in CODES:
        for window in WINDOWS:
            index = world.record(code, window, documents(window))
        company.write_query(RIGHT, code)
        world.add_country(code, "America/Sao_Paulo", index, rows=STORE_ROWS)
    text = world.config.read_text()
    for code in CODES:
        text = text.replace(f"env:{code}_DSN", f"env:{code}_DSN, hours_query: ./{code}.sql")
    world.config.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.environment.items():
            patch.setenv(name, value)
        for number, window in enumerate(WINDOWS):
            company.write_query(TOO_LATE if window in WRONG else RIGHT)
            runtime = build_runtime(load_platform(str(world.config)))
            for code in CODES:
                run = WindowRun(
                    code,
                    window,
                    f"first-{number}",
                    frozenset(table.name for table in TABLES),
                    is_last=number == len(WINDOWS) - 1,
                )
                for _ in run_window(runtime, run, observing=Observing(timedelta(minutes=2))):
                    pass
        prepare_home(runtime.platform)
        shutil.copytree(folder / "warehouse", company.pristine)
        yield company


@pytest.fixture
def company(made: Company) -> Company:
    made.restore()
    return made


def test_a_wrong_query_of_three_hours(company: Company) -> None:
    """Run again as landed the rows are the wrong ones again; read again they are those of a
    warehouse that had the right query all the time, outages, dates and baselines too.
    """
    wrong = company.facts("BR")
    assert wrong != company.facts("AR")
    said = company.world.command(*RANGE, "--country", "BR").stdout
    assert company.facts("BR") == wrong
    assert said.count("from what was landed at") == len(WRONG) + 1
    assert "read again" not in said
    said = company.world.command(*RANGE, "--country", "BR", "--reread").stdout
    assert company.facts("BR") == company.facts("AR")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "after"]
    assert all("stores and hours read again at" in line for line in lines[:3])
    # the window after it was judged by the wrong ones
    assert lines[3].startswith(f"after it  BR {AFTER}  availability")
    landing = company.world.runtime().landing
    for window in WRONG:
        readings = [landing.find("BR", window, source) for source in (INDEX, POSTGRES)]
        assert [reading and reading.reread for reading in readings] == [0, 1]
    assert not list((company.world.folder / "warehouse/dagster/recompute").iterdir())


def test_a_range_that_was_stopped_goes_on(company: Company) -> None:
    """SIGTERM in the middle ends the country's process and the run in it, and says how far it came.
    The same command does what is left; under another query it begins again. Whoever waits for the
    country has its turn between two windows.
    """
    home = company.world.folder / "warehouse" / "dagster"
    environment = {**os.environ, **company.world.environment, "PYTHONUNBUFFERED": "1"}
    command = [*COMMAND, *RANGE, "--reread", "--country", "BR"]
    with DagsterInstance.from_config(str(home)) as instance:
        with subprocess.Popen(
            [*command, "--config", str(company.world.config)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            first = process.stdout.readline()
            with country_lock(home, instance, "BR", BEFORE):
                said = process.stderr.readline()
                while "waits behind" not in said:
                    said += process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            printed, said = process.communicate(timeout=COMMAND_SECONDS)
        assert first.startswith(f"1 of 3  BR {FIRST}")
        assert process.returncode == 1
        done = 1 + printed.count(" of 3  BR")
        assert f"stopped: {done} of 3 windows are done" in said
        assert "Traceback" not in said
        assert not instance.get_runs(of_country("BR", UNFINISHED))
        said = company.world.command(*RANGE, "--reread", "--country", "BR").stdout
        # where all three are done, those that were judged by them follow
        following = FIRST.next(done + printed.count("after it  BR"))
        assert f"BR {following}  goes on: the windows before it were done" in said
        assert said.count(" of 3  BR") == 3 - done
        assert company.facts("BR") == company.facts("AR")


def test_a_query_that_is_mended_again_begins_the_range_again(
    company: Company,
) -> None:
    """What was computed by another query, or begun `--anew`, is not gone on with."""
    progress = Progress(LocalStorage(company.world.folder / "warehouse" / "dagster"))

    def asked(*, begun: Window = FIRST) -> Recompute:
        runtime = company.world.runtime()
        return Recompute(
            "BR", FIRST.key, LAST.key, (), True, settings_of(runtime.country("BR")), NOW, begun.key
        )

    progress.write(asked(begun=LAST))
    assert progress.begin(asked(), anew=False).next == LAST.key
    company.write_query(TOO_LATE)
    assert progress.begin(asked(), anew=False).next == FIRST.key
    progress.write(asked(begun=LAST))
    assert progress.begin(asked(), anew=True).next == FIRST.key


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", FIRST.key], "a range has both ends"),
        (["--from", LAST.key, "--to", FIRST.key], "is before --from"),
        (["--from", FIRST.key, "--to", "2099-01-01T0000"], "has not begun: the window in progress"),
        (["--from", FIRST.key, "--to", LAST.key, "--window", FIRST.key], "either --window"),
        (["--anew"], "--anew is for a range"),
        (["--reread", "--select", "stores"], "add --select observation"),
    ],
)
def test_what_contradicts_itself_is_refused(options: list[str], said: str) -> None:
    """Nothing begins where the command line is wrong: exit code 2."""
    result = CliRunner().invoke(main, ["run", *options])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
