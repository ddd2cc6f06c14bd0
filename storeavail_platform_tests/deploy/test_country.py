"""A new country, from the command that scaffolds it to its first committed window: production's
Dagster, a code server that goes on running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from storeavail_deploy.country import plan_add
from storeavail_deploy.entries import (
    with_code_location,
    with_country,
    without_code_location,
    without_country,
)
from storeavail_deploy.environment import ROOT
from storeavail_deploy.scaffold import country_block, database_sql, next_steps

from storeavail_platform.config import CONFIG_VARIABLE, load_platform, load_text
from storeavail_platform.config.platform import COUNTRIES_VARIABLE
from storeavail_platform.domain.errors import ConfigError
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.runs import COUNTRY_TAG
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform_tests.deploy.test_jenkins import understood
from storeavail_platform_tests.end_to_end.world import World, world
from storeavail_testing.company import DOCUMENTS, STORE_ROWS, WINDOW
from storeavail_testing.postgres import PACKAGE, PASSWORD, PostgresServer
from storeavail_testing.processes import free_port
from storeavail_testing.waiting import wait_for

__all__ = ["world"]

READER_PASSWORD = "battery staple"
OWN_USER = {"user": "dagster_cl", "password": READER_PASSWORD}
"""As whom the code server of CL is in Dagster's database."""
WINDOW_SECONDS = 120.0
EMR = """\
# production
warehouse: s3://bucket/warehouse
catalog: {type: hive, uri: 'thrift://metastore:9083'}
engine: spark
execution: emr

countries:
    # the first one
    BR:
        timezone: America/Sao_Paulo
        aws: {region: sa-east-1}
        postgres: {dsn: 'aws:br/dsn'}
        online_index: {url: 'aws:br/url', index: stores}
        emr: {cluster: {name: br}, staging: s3://bucket/br, code: s3://bucket/br/code.zip}  # its own code

# at the end
alerts: {repeat: 2h}
"""


def environment(world: World, home: Path) -> dict[str, str]:
    """What every process of Dagster has."""
    return {
        **world.environment,
        **{
            name: value
            for name, value in os.environ.items()
            if name.startswith("DAGSTER_POSTGRES_")
        },
        CONFIG_VARIABLE: str(world.config),
        "DAGSTER_HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(home),
    }


def code_server(port: int) -> list[str]:
    """The command of a country's code server."""
    address = ["-h", "127.0.0.1", "-p", str(port)]
    return ["dagster", "code-server", "start", *address, "-m", "storeavail_platform.definitions"]


@contextmanager
def running(command: list[str], env: Mapping[str, str], log: Path) -> Iterator[None]:
    """A process of Dagster's, which ends its own children when it is ended."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(command[0])), *command[1:]],
            env=env,
            stdout=output,
            stderr=output,
            # Dagster ends its children by SIGINT, which a job in a shell's background ignores
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def deploy(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storeavail_deploy.cli", "--config", str(world.config), *arguments],
        env={**world.environment, "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def run_psql(server: PostgresServer, database: str, sql: str, **variables: str) -> None:
    """Run SQL as a database's owner does, with the password (and more) as variables."""
    settings = {"ON_ERROR_STOP": "1", "password": READER_PASSWORD, **variables}
    subprocess.run(
        [
            str(PACKAGE / "pginstall18" / "bin" / "psql"),
            server.dsn(database),
            *(f"--set={name}={value}" for name, value in settings.items()),
            "-q",
        ],
        input=sql,
        text=True,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def home(tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A $DAGSTER_HOME as the image has it, with a PostgreSQL of its own."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    name = f"dagster_{tmp_path.name}".lower().replace("-", "_")
    postgres_server.create(name, "SELECT 1")
    server = {
        "HOST": "127.0.0.1",
        "PORT": str(postgres_server.port),
        "DB": name,
        "USER": "postgres",
        "PASSWORD": PASSWORD,
    }
    for key, value in server.items():
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{key}", value)
    return folder


def test_dagsters_settings_are_loaded_with_postgresql(home: Path) -> None:
    """Every storage is PostgreSQL; one run a country at a time; runs are watched; nothing is
    reported to anybody.
    """
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.run_storage, PostgresRunStorage)
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        assert isinstance(instance.schedule_storage, PostgresScheduleStorage)
        limits = instance.get_concurrency_config().run_queue_config
        assert limits is not None
        assert [dict(limit) for limit in limits.tag_concurrency_limits] == [
            {"key": COUNTRY_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        ]
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert instance.get_runs() == []


@pytest.mark.long
def test_a_country_from_its_scaffold_to_its_first_window(
    world: World,
    home: Path,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The command writes a whole block and checks; the reloaded code server, which went on running,
    has a running schedule and computes a window.

    The country's database is read by the role of the printed SQL, which can read these tables and
    do nothing else; Dagster's own database is written by a user that cannot speak for another
    country.
    """
    world.add_country(
        "BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS), rows=STORE_ROWS
    )
    database = f"chile_{tmp_path.name}".lower().replace("-", "_")
    postgres_server.create(database)
    postgres_server.execute(database, STORE_ROWS)
    sql = database_sql("CL")
    run_psql(postgres_server, database, sql)
    dsn = postgres_server.dsn(database, user="storeavail_cl", password=READER_PASSWORD)
    world.record("CL", WINDOW, DOCUMENTS)

    port = free_port()
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: all}}\n"
    )
    env = {**environment(world, home), "CL_POSTGRES_DSN": dsn}
    server = code_server(port)
    with ExitStack() as stack:
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        instance = stack.enter_context(dg.DagsterInstance.from_config(str(home)))
        own = as_own_user(postgres_server, env)
        stack.enter_context(running(server, own, tmp_path / "code-server.log"))
        health = [sys.executable, "-m", "storeavail_deploy.healthy", str(port)]
        wait_for(
            "a healthy code server",
            lambda: subprocess.run(health, env=env, capture_output=True).returncode == 0,
        )
        process = stack.enter_context(
            WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)]))
        )
        assert scheduled(process) == {"br"}

        added = deploy(world, "country", "add", "CL", "--timezone", "America/Santiago")
        assert added.returncode == 1, "its secrets are not there yet"
        assert sql in added.stdout
        assert "CL_POSTGRES_DSN: the environment variable is not set" in added.stdout + added.stderr
        # this country's index is a recorded one
        text = world.config.read_text()
        block = yaml.safe_load(text)["countries"]["CL"]
        assert block["postgres"] == {"dsn": "env:CL_POSTGRES_DSN"}
        (line,) = [line for line in text.splitlines() if "CL_ES_URL" in line]
        world.config.write_text(text.replace(line.strip(), "online_index: {path: ./index/CL}"))
        world.environment["CL_POSTGRES_DSN"] = dsn
        checked = deploy(world, "country", "add", "CL", "--timezone", "America/Santiago")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert checked.stdout.startswith("nothing to do")

        process.reload_code_location("all")
        assert scheduled(process) == {"br", "cl"}
        stack.enter_context(
            running(["dagster-daemon", "run", "-w", str(workspace)], env, tmp_path / "daemon.log")
        )
        launch(env, workspace, "CL")
        markers = world.runtime().markers
        marker = wait_for(
            "the window's marker", lambda: markers.read("CL", WINDOW), seconds=WINDOW_SECONDS
        )
        assert marker.figures.stores_missing == 1
        run = instance.get_run_by_id(marker.run_id)
        assert run is not None
        assert run.tags["dagster/partition/country"] == "CL"
        wait_for("the run's end", lambda: has_succeeded(instance, run.run_id))
        assert_speaks_for_itself_alone(
            instance, run.run_id, postgres_server.dsn(env["DAGSTER_POSTGRES_DB"], **OWN_USER)
        )
    with (
        psycopg2.connect(dsn) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.Error, match=r"permission denied|read-only"),
    ):
        cursor.execute("SET default_transaction_read_only = off; DELETE FROM stores")


def as_own_user(server: PostgresServer, env: Mapping[str, str]) -> dict[str, str]:
    """The environment with CL's own user of Dagster's database, which is made; a second time
    changes nothing.
    """
    sql = (ROOT / "deploy" / "dagster_country.sql").read_text()
    for _ in range(2):
        run_psql(server, env["DAGSTER_POSTGRES_DB"], sql, country="cl")
    return {**env, **{f"DAGSTER_POSTGRES_{key.upper()}": own for key, own in OWN_USER.items()}}


def has_succeeded(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status == dg.DagsterRunStatus.SUCCESS


def assert_speaks_for_itself_alone(instance: dg.DagsterInstance, own: str, dsn: str) -> None:
    """A country's user of Dagster's database asks for no run, ends none of another country, adds
    no event to it, and changes neither schedules nor tables; nor by a temporary table.
    """
    job = dg.define_asset_job("others")
    other = instance.create_run_for_job(
        dg.Definitions(assets=[dg.AssetSpec("a")], jobs=[job]).resolve_job_def("others"),
        tags={"dagster/partition/country": "BR"},
        status=dg.DagsterRunStatus.STARTED,
    ).run_id
    event = "INSERT INTO event_logs (run_id, event, timestamp) VALUES (%s, '{}', now())"
    tag = "INSERT INTO run_tags (run_id, key, value) VALUES (%s, %s, 'CL')"
    denied = [
        ("INSERT INTO runs (run_id) VALUES ('x')", ()),
        (event, (other,)),
        (tag, (other, "a")),
        (tag, (other, "dagster/partition/country")),
        ("DELETE FROM runs", ()),
        ("UPDATE instigators SET status = 'STOPPED'", ()),
        ("UPDATE jobs SET status = 'STOPPED'", ()),
        ("INSERT INTO bulk_actions (key, status, timestamp) VALUES ('x', 'REQUESTED', now())", ()),
        ("CREATE TABLE x (a int)", ()),
        ("DROP TABLE daemon_heartbeats", ()),
    ]
    without_effect = [
        ("UPDATE runs SET status = 'CANCELED' WHERE run_id = %s", (other,)),
        ("DELETE FROM event_logs WHERE run_id = %s", (other,)),
        ("UPDATE run_tags SET value = 'CL' WHERE run_id = %s", (other,)),
        ("UPDATE run_tags SET value = 'BR' WHERE key = 'dagster/partition/country'", ()),
    ]
    with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for statement, values in denied:
            with pytest.raises(psycopg2.Error, match=r"permission denied|row-level|must be owner"):
                cursor.execute(statement, values)
        for statement, values in without_effect:
            cursor.execute(statement, values)
            assert cursor.rowcount == 0, statement
        cursor.execute(event, (own,))
        assert cursor.rowcount == 1
        # a table of its own, of the name that says whose a run is
        cursor.execute(
            "CREATE TEMP TABLE run_tags AS SELECT %s AS run_id,"
            " 'dagster/partition/country' AS key, 'CL' AS value",
            (other,),
        )
        cursor.execute("UPDATE runs SET status = 'CANCELED' WHERE run_id = %s", (other,))
        assert cursor.rowcount == 0


def scheduled(process: WorkspaceProcessContext) -> set[str]:
    """The countries, in small letters, whose schedules the code location has.

    Each of them runs without a click.
    """
    (location,) = process.create_request_context().code_locations
    (repository,) = location.get_repositories().values()
    found = repository.get_schedules()
    assert {schedule.default_status.name for schedule in found} == {"RUNNING"}
    return {schedule.name.rpartition("_")[2] for schedule in found}


def launch(env: Mapping[str, str], workspace: Path, country: str) -> None:
    """Ask for a run as the UI does: it is queued, and the daemon has the code server start it."""
    tags = {
        "dagster/partition": f"{country}|{WINDOW.key}",
        "dagster/partition/country": country,
        "dagster/partition/window": WINDOW.key,
    }
    command = [
        "job",
        "launch",
        "-w",
        str(workspace),
        "-l",
        "all",
        "-j",
        "window",
        "--tags",
        json.dumps(tags),
    ]
    subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), *command],
        env=env,
        check=True,
        capture_output=True,
        timeout=120,
    )


def test_a_code_server_without_its_code_is_not_healthy(tmp_path: Path) -> None:
    """It answers Dagster's own health check; ours tells what kept its code from being loaded."""
    port = free_port()
    env = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        CONFIG_VARIABLE: str(tmp_path / "gone.yaml"),
    }
    server = code_server(port)

    def problem() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "storeavail_deploy.healthy", str(port)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        return done.stderr

    assert "does not answer" in problem()
    with running(server, env, tmp_path / "code-server.log"):
        wait_for("an answer of the server", lambda: "does not answer" not in problem())
        output_text = problem()
    assert "its code could not be loaded" in output_text
    assert "gone.yaml" in output_text


def test_a_block_is_added_without_touching_the_rest(tmp_path: Path) -> None:
    """After the last country, indented as the others are, comments kept; on clusters it names
    its own places, secrets, region and Python.
    """
    platform = load_text(EMR, base=tmp_path, origin="prod.yaml")
    block = country_block(platform, "CL", "America/Santiago")
    changed = with_country(EMR, block, "prod.yaml", str(tmp_path))
    lines = changed.splitlines()
    added = [line for line in lines if line not in EMR.splitlines()]
    assert [line for line in lines if line not in added] == EMR.splitlines()
    assert (
        lines.index("    CL:")
        == next(i for i, line in enumerate(lines) if "its own code" in line) + 1
    )
    country = load_text(changed, base=tmp_path, origin="prod.yaml").country("CL")
    assert country.aws.region == "sa-east-1"
    assert country.emr is not None
    assert (country.emr.cluster.name, country.emr.code) == (
        "storeavail-cl",
        "s3://bucket/cl/app/code.zip",
    )
    assert country.emr.spark == {"spark.pyspark.python": "/opt/storeavail/env/bin/python"}
    assert str(country.postgres.dsn) == "aws:storeavail/cl/postgres"
    assert without_country(changed, "CL", "prod.yaml", str(tmp_path)) == EMR


@pytest.mark.parametrize(
    ("code", "timezone", "output_text"),
    [
        ("cl", "America/Santiago", "is not a country code"),
        ("CL", "America/Santiagu", "did you mean 'America/Santiago'"),
        ("BR", "America/Sao_Paulo", "BR"),
    ],
)
def test_a_wrong_country_is_refused_before_anything_is_written(
    tmp_path: Path, code: str, timezone: str, output_text: str
) -> None:
    """The message is the configuration's own."""
    platform = load_text(EMR, base=tmp_path, origin="prod.yaml")
    with pytest.raises(ConfigError, match=output_text):
        with_country(EMR, country_block(platform, code, timezone), "prod.yaml", str(tmp_path))


def test_countries_in_braces_are_left_to_people(tmp_path: Path) -> None:
    """The block is shown; nothing is written."""
    text = (
        "countries: {BR: {timezone: UTC, postgres: {dsn: 'env:D'}, online_index: {path:"
        " ./x.ndjson}}}"
    )
    block = country_block(load_text(text, base=tmp_path, origin="x.yaml"), "CL", "America/Santiago")
    with pytest.raises(ConfigError, match=r"(?s)add this to it by hand.*CL:"):
        with_country(text, block, "x.yaml", str(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("countries: {{BR: {0}, CL: {0}}}", "by hand"),
        ("countries:\n  CL: {0}\n", "countries"),
        ("countries:\n  BR: {0}\n  CL: {0}\nreports: {{scheduled: [{1}]}}\n", "CL"),
        ("countries:\n  BR: &it {0}\n  CL: *it\n", "by hand"),
    ],
    ids=["braces", "the only one", "named elsewhere", "an alias"],
)
def test_a_country_that_cannot_be_taken_out_stays(tmp_path: Path, text: str, said: str) -> None:
    """What would not be the same configuration without it is left to people."""
    country = "{timezone: UTC, postgres: {dsn: 'env:D'}, online_index: {path: ./x.ndjson}}"
    report = "{name: daily, country: CL, cron: '0 8 * * *', channels: [log]}"
    with pytest.raises(ConfigError, match=said):
        without_country(text.format(country, report), "CL", "x.yaml", str(tmp_path))


def test_a_dry_run_writes_nothing(world: World) -> None:
    """It shows the block, and exits with 3."""
    world.add_country("BR", "America/Sao_Paulo", world.record("BR", WINDOW, DOCUMENTS))
    before = world.config.read_text()
    done = deploy(world, "--dry-run", "country", "add", "CL", "--timezone", "America/Santiago")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "CL_POSTGRES_DSN" in done.stdout
    assert world.config.read_text() == before


ENTRY = "grpc_server: {host: code-br, port: 4000, location_name: br}"


@pytest.mark.parametrize(
    "text",
    [
        (ROOT / "deploy" / "workspace.yaml").read_text(),
        f"load_from:\n- {ENTRY}\n",
        f"load_from:\n    - {ENTRY}  # the first\n\n# more\n",
        f"load_from:\n  - {ENTRY}\nother: 1",
    ],
)
def test_the_workspace_gets_one_entry_a_country(text: str) -> None:
    """With the host name that compose.country.yaml gives the code server, however the list is
    indented; a second time changes nothing.
    """
    once = with_code_location(text, "CL", "workspace.yaml")
    assert [line for line in text.splitlines() if line not in once.splitlines()] == []
    servers = [entry["grpc_server"] for entry in yaml.safe_load(once)["load_from"]]
    assert servers == [
        {"host": f"code-{name}", "port": 4000, "location_name": name} for name in ("br", "cl")
    ]
    assert with_code_location(once, "CL", "workspace.yaml") == once
    gone = without_code_location(once, "CL", "workspace.yaml")
    assert gone.rstrip() == text.rstrip()
    assert without_code_location(gone, "CL", "workspace.yaml") == gone
    # Dagster reads no empty list
    with pytest.raises(ConfigError, match="by hand"):
        without_code_location(gone, "BR", "workspace.yaml")


@pytest.mark.parametrize(
    "text", ["load_from: []\n", f"load_from: [{ENTRY}]\n", "", "- a\n", "load_from:\n  - {a: [}\n"]
)
def test_a_workspace_of_another_shape_is_left_to_people(text: str) -> None:
    """The entry is shown; nothing is made that Dagster could not read."""
    with pytest.raises(ConfigError, match=r"(?s)^workspace.yaml: .*by hand.*location_name: cl"):
        with_code_location(text, "CL", "workspace.yaml")


def test_places_that_hold_one_another_are_refused(tmp_path: Path) -> None:
    """A warehouse that is a whole bucket holds every other place; that is said before anything
    is written.
    """
    text = EMR.replace("s3://bucket/warehouse", "s3://bucket")
    (tmp_path / "prod.yaml").write_text(text.replace("s3://bucket/br", "s3://other/br"))
    with pytest.raises(ConfigError, match="hold one another"):
        plan_add(load_platform(str(tmp_path / "prod.yaml")), "CL", "America/Santiago", None)
    assert "CL" not in (tmp_path / "prod.yaml").read_text()


def test_the_printed_commands_are_there(tmp_path: Path) -> None:
    """Each `storeavail-deploy` line of the next steps is a command line that is understood."""
    steps = next_steps(load_text(EMR, base=tmp_path, origin="prod.yaml"), "CL")
    lines = [step.partition("#")[0] for step in steps if step.startswith("storeavail-deploy")]
    tokens = [line.split()[1:] for line in lines]
    for each in tokens:
        understood([*each])
    # what other countries' roles have changes with the configuration
    assert ["--config", "prod.yaml", "--all", "roles", "apply"] in tokens


def test_a_code_location_limited_to_some_countries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schedules and sensors of these alone; another country is refused where its sources would
    be read; what is not there is a mistake.
    """
    country = "{{timezone: UTC, postgres: {{dsn: 'env:D'}}, online_index: {{path: ./{0}.ndjson}}}}"
    text = "countries:\n" + "".join(
        f"  {code}: {country.format(code)}\n" for code in ("BR", "CL", "MX")
    )
    (tmp_path / "s.yaml").write_text(text)
    monkeypatch.setenv(COUNTRIES_VARIABLE, "cl, MX")
    platform = load_platform(str(tmp_path / "s.yaml"))
    assert platform.served == ("CL", "MX")
    definitions: Any = build_definitions(platform)
    repository = definitions.get_repository_def()
    assert {schedule.name.rpartition("_")[2] for schedule in repository.schedule_defs} == {
        "cl",
        "mx",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        *(f"{kind}_{code}" for kind in ("alerts", "catch_up") for code in ("cl", "mx")),
        "run_failures",
    }
    with pytest.raises(ConfigError, match=r"serves CL, MX only \(STOREAVAIL_COUNTRIES\)"):
        build_runtime(platform).stores_source("BR")
    monkeypatch.setenv(COUNTRIES_VARIABLE, "BR,AR")
    with pytest.raises(
        ConfigError,
        match=r"STOREAVAIL_COUNTRIES names AR, not of .*s\.yaml \(countries: BR, CL, MX\)",
    ):
        load_platform(str(tmp_path / "s.yaml"))
