"""The commands as a user meets them: exit codes, clear errors, and a query command that can
neither read nor write a file.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from storeavail_platform.commands.cli import main
from storeavail_platform.domain.errors import QueryRefused, WindowBusy
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.execute import HOST_TAG, heal_dead_runs
from storeavail_platform.orchestration.jobs import window_tags
from storeavail_platform.orchestration.launch import Work, launch
from storeavail_platform.orchestration.locks import country_lock, refuse_running
from storeavail_platform.orchestration.processes import RunProcess
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.query import query
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.postgres import PostgresServer

WINDOW = Window.parse("2026-11-23T1300")
HOSTILE = "</script>=cmd()"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> World:
    """One small country with one complete window."""
    made = World(tmp_path_factory.mktemp("commands"), postgres_server)
    rows = (
        f"INSERT INTO stores SELECT i, '{HOSTILE}', NULL, 'C', NULL, NULL, true FROM"
        " generate_series(1, 3) i;"
    )
    made.add_country(
        "BR",
        "America/Sao_Paulo",
        made.record("BR", WINDOW, [{"store_id": "1", "online": True}]),
        rows=rows,
    )
    made.command("run", "--window", WINDOW.key)
    return made


@pytest.fixture(scope="module")
def runtime(world: World) -> Runtime:
    return world.runtime()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/other.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "CREATE TABLE t AS SELECT 1",
        "DELETE FROM stores",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_a_query_cannot_read_or_write_a_file(runtime: Runtime, tmp_path: Path, sql: str) -> None:
    """Anything but one SELECT or EXPLAIN over the tables is refused, and no file is made."""
    with pytest.raises(QueryRefused):
        query(runtime, sql.format(folder=tmp_path))
    assert not list(tmp_path.iterdir())


def test_python_variables_are_not_tables(runtime: Runtime) -> None:
    """A query sees the warehouse's tables and nothing of the process."""
    secret_variable = [1]
    with pytest.raises(QueryRefused, match="secret_variable"):
        query(runtime, "SELECT * FROM secret_variable")
    assert secret_variable


def test_an_unknown_table_names_those_there_are(runtime: Runtime) -> None:
    """The error of a mistyped name lists the tables."""
    with pytest.raises(
        QueryRefused,
        match="Tables: availability_now, availability_summary, daily_store_availability",
    ):
        query(runtime, "SELECT * FROM store_availabilty")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", f'store_id,name\n1,"{HOSTILE}"\n'),
        ("json", f'[\n  {{\n    "store_id": "1",\n    "name": "{HOSTILE}"\n  }}\n]\n'),
    ],
)
def test_formats(world: World, form: str, expected: str) -> None:
    """CSV and JSON hold the values as they are, for programs."""
    sql = "SELECT store_id, name FROM store_availability WHERE store_id = '1'"
    result = CliRunner().invoke(
        main, ["query", "--config", str(world.config), "--format", form, sql]
    )
    assert (result.exit_code, result.stdout) == (0, expected)


def test_status_names_gaps_and_what_waits(world: World) -> None:
    """Windows after the first that nobody observed are gaps; the last complete one has its
    figures.
    """
    result = CliRunner().invoke(main, ["status", "--config", str(world.config), "--format", "json"])
    (country,) = json.loads(result.stdout)
    assert country["last_window"] == WINDOW.key
    assert country["observed_at"] == "2026-11-23T13:07:00+00:00"
    assert country["waiting"] == []
    assert WINDOW.key not in country["gaps"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--window", "2026-11-23T10:15"], 2, "write the UTC start like 2026-11-23T1015"),
        (["run", "--window", "2026-11-23T1010"], 2, "quarter hour"),
        (["run", "--select", "nothing"], 2, "store_availability"),
        (["run", "--country", "XX"], 1, "there is no country 'XX'"),
        (
            ["status", "--config", "/nonexistent.yaml"],
            1,
            "there is no configuration file /nonexistent.yaml",
        ),
    ],
)
def test_wrong_arguments_are_explained(
    world: World, arguments: list[str], code: int, message: str
) -> None:
    """A wrong command line exits with 2, anything else that is wrong with 1; each says what to
    write.
    """
    inputs = arguments if "--config" in arguments else [*arguments, "--config", str(world.config)]
    result = CliRunner().invoke(main, inputs)
    assert result.exit_code == code
    assert message in result.output


def test_every_command_has_help_with_an_example() -> None:
    """`--help` of each command shows an example."""
    for name in main.commands:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert "Example:" in result.output, name


def test_a_window_that_is_running_is_refused_by_its_run(tmp_path: Path) -> None:
    """While a run of the window is alive, another is refused and names it; a dead one is marked
    as failed by the next command.
    """
    with DagsterInstance.ephemeral() as instance:
        tags = {**window_tags("BR", WINDOW), HOST_TAG: socket.gethostname()}
        run = instance.add_run(
            DagsterRun(job_name="window", tags=tags, status=DagsterRunStatus.STARTED)
        )
        refuse_running(instance, "CL", WINDOW)
        refuse_running(instance, "BR", WINDOW.next())
        with pytest.raises(WindowBusy, match=f"already running as run {run.run_id}"):
            refuse_running(instance, "BR", WINDOW)
        with country_lock(tmp_path, instance, "BR", WINDOW):
            with (
                pytest.raises(WindowBusy, match=run.run_id),
                country_lock(tmp_path, instance, "BR", WINDOW),
            ):
                pass
            heal_dead_runs(instance, "BR")
        refuse_running(instance, "BR", WINDOW)
        assert [found.status for found in instance.get_runs()] == [DagsterRunStatus.FAILURE]


def test_a_command_that_waits_says_behind_which_run(world: World) -> None:
    """While another command holds the country, the line names its window and run; then the waiting
    one completes.
    """
    home = world.folder / "warehouse" / "dagster"
    other = WINDOW.next()
    with DagsterInstance.from_config(str(home)) as instance:
        tags = {**window_tags("BR", other), **RunProcess.own().tags}
        run = instance.add_run(
            DagsterRun(job_name="window", tags=tags, status=DagsterRunStatus.STARTED)
        )
        command = [sys.executable, "-m", "storeavail_platform.commands.cli", "run"]
        command += ["--window", WINDOW.key, "--config", str(world.config)]
        with country_lock(home, instance, "BR", other):
            process = subprocess.Popen(
                command,
                env={**os.environ, **world.environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr is not None
            said = next(line for line in process.stderr if "waits" in line)
        assert said == f"BR {WINDOW}  waits behind run {run.run_id} (window {other})\n"
        assert "availability" in process.communicate()[0]
        assert process.returncode == 0
        instance.report_run_canceled(run)


def test_a_run_of_before_the_machine_restarted_is_not_waited_for(world: World) -> None:
    """The runbook's command for its window is not refused: the run that a daemon had begun is ended
    first.
    """
    home = world.folder / "warehouse" / "dagster"
    with DagsterInstance.from_config(str(home)) as instance:
        before = replace(RunProcess.own(), boot="the-boot-before")
        tags = {**window_tags("BR", WINDOW), **before.tags}
        run = instance.add_run(
            DagsterRun(job_name="window", tags=tags, status=DagsterRunStatus.STARTED)
        )
        world.command("run", "--window", WINDOW.key)
        ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is DagsterRunStatus.FAILURE


def test_a_country_has_its_own_secrets_only(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of a country is begun without the `env:` secrets that only others refer to, and
    those of deployments; what nobody refers to, and what both do, stays.
    """
    made = World(tmp_path, postgres_server)
    for code in ("AR", "BR"):
        index = made.record(code, WINDOW, [{"store_id": "1", "online": True}])
        shared = ", alerts: {channels: [{apprise: env:SHARED}]}"
        own = f", deploy: {{metastore: {{dsn: env:{code}_METASTORE}}}}"
        made.add_country(code, "America/Sao_Paulo", index, more=shared + own)
    names = {"AR_DSN", "BR_DSN", "AR_METASTORE", "BR_METASTORE", "SHARED", "NOBODYS"}
    # what Python does first in each process: it notes what it was begun with, and ends
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, sys, json, os\n"
        "country = json.loads(sys.orig_argv[-1])['country']\n"
        f"pathlib.Path({str(tmp_path)!r}, country).write_text(' '.join(os.environ))\n"
        "os._exit(0)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in names:
        monkeypatch.setenv(name, made.environment.get(name, "secret"))
    launch(made.runtime().platform, [Work("AR", [WINDOW]), Work("BR", [WINDOW])])
    seen = {code: set((tmp_path / code).read_text().split()) & names for code in ("AR", "BR")}
    assert seen == {
        code: {f"{code}_DSN", f"{code}_METASTORE", "SHARED", "NOBODYS"} for code in ("AR", "BR")
    }


def test_a_dagster_home_of_an_earlier_release_goes_on(world: World) -> None:
    """0.2.0 gave a module a name of its own, and 0.1.0 limits a country's runs by its own tag
    alone: a run puts both right.

    The rest of the file stays, and the runs of before are found.
    """
    home = world.folder / "warehouse" / "dagster"
    settings = home / "dagster.yaml"
    now = settings.read_text()
    before = now.replace(
        "storeavail_platform.automation.run_launcher",
        "storeavail_platform.orchestration.run_launcher",
    )
    before = re.sub(r" *- key: dagster/partition/country\n(.*\n){3}", "", before)
    assert re.findall("- key: .*", before) == ["- key: country"]
    assert len(re.findall("- key: .*", now)) == 2
    assert "orchestration.run_launcher" in before
    settings.write_text(f"{before}# our own\n")
    world.command("run", "--window", WINDOW.key)
    assert settings.read_text() == f"{now}# our own\n"
    with DagsterInstance.from_config(str(home)) as instance:
        assert type(instance.run_launcher).__name__ == "WatchedRunLauncher"
        assert (
            len(instance.get_runs(RunsFilter(tags={"dagster/partition/window": WINDOW.key}))) >= 2
        )
