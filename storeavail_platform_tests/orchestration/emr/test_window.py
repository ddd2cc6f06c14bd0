"""Windows computed by steps on clusters, from the command to the tables on S3: the good case, a
lost cluster, and being ended early.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import dagster as dg
import orjson
import pytest

from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.daily import ROLLED_UP
from storeavail_platform.orchestration.assets.window import WINDOW_STEP
from storeavail_platform.orchestration.emr.code_zip import own_sha256
from storeavail_platform.orchestration.execute import INTERRUPTED
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform_tests.engines.test_spark_tables import spark_sql
from storeavail_platform_tests.orchestration.test_records import unrecorded
from storeavail_testing.company import DOCUMENTS, STATUSES, STORE_ROWS, WINDOW, Company
from storeavail_testing.spark import open_spark_engine
from storeavail_testing.spark_jars import s3a_settings
from storeavail_testing.waiting import wait_for

START_SECONDS = 60.0


@pytest.mark.long
def test_two_countries_and_one_without_its_cluster(
    company: Company, spark_settings: dict[str, str]
) -> None:
    """A lost cluster costs its country the tables until it is back, and nothing else: neither its
    observation nor the other country.

    The other country's sources are read on its cluster's executors.
    """
    company.add_country("BR", WINDOW, DOCUMENTS, STORE_ROWS, observe_from="cluster")
    lost = company.add_country("MX", WINDOW, DOCUMENTS, STORE_ROWS)
    company.emr.terminate_cluster(lost)
    result = company.command("run", "--window", WINDOW.key, check=False)
    assert result.returncode == 1, result.stdout
    assert "BR 2026-11-23T1300  availability" in result.stdout
    assert "no cluster named" in result.stdout
    assert statuses(company) == {("BR", status): count for status, count in STATUSES.items()}
    assert build_runtime(company.platform()).landing.find("MX", WINDOW, "online_index") is not None
    (company.folder / "index" / "MX" / f"{WINDOW.key}.ndjson").unlink()
    company.create_cluster("MX")
    company.command("run", "--country", "MX", "--window", WINDOW.key)
    assert statuses(company) == {
        (country, status): count for country in ("BR", "MX") for status, count in STATUSES.items()
    }
    assert_told_to_dagster(company)
    assert_read_by_spark(company, spark_settings)


def assert_told_to_dagster(company: Company) -> None:
    """What happened on the cluster is in the event log of the instance that launched it, as if
    it had happened there.
    """
    with dg.DagsterInstance.from_config(str(company.folder / "dagster")) as instance:
        (run,) = [
            run for run in instance.get_runs() if run.tags["dagster/partition/country"] == "BR"
        ]
        records = instance.get_records_for_run(run.run_id).records
        events = [record.event_log_entry for record in records]
        # usual rates are made of the dates before: there are none yet
        assert unrecorded(instance) == ["usual_rates:schema_and_key"]
    materialized = {
        event.asset_key.to_user_string(): event
        for event in (entry.dagster_event for entry in events)
        if event is not None and event.is_step_materialization and event.asset_key is not None
    }
    # what failed after the marker fails no run: it is in the log alone
    postponed = [entry.user_message for entry in events if int(entry.level) >= logging.ERROR]
    assert set(materialized) == {
        "observation",
        "availability_dashboard",
        *(table.name for table in (*TABLES, *ROLLED_UP)),
    }, postponed
    assert materialized["store_outages"].partition == f"BR|{WINDOW.start.date()}"
    stores = materialized["stores"]
    assert stores.partition == f"BR|{WINDOW.key}"
    metadata = stores.step_materialization_data.materialization.metadata
    assert metadata["dagster/row_count"].value == 20
    assert str(metadata["dagster/uri"].value).startswith("s3://")


def assert_read_by_spark(company: Company, spark_settings: dict[str, str]) -> None:
    """Analysts' Spark finds the tables on S3 through the metastore."""
    hadoop = {
        f"spark.hadoop.{name}": value
        for name, value in s3a_settings(company.emr.server.endpoint).items()
    }
    engine = open_spark_engine(
        build_runtime(company.platform()).storage, {**spark_settings, **hadoop}, "local[2]"
    )
    sql = (
        "SELECT status, COUNT(*) AS stores FROM lake.storeavail_br.store_availability GROUP BY"
        " status"
    )
    try:
        assert {
            row["status"]: row["stores"] for row in spark_sql(engine, company.metastore, sql)
        } == STATUSES
    finally:
        engine.stop()


def test_a_terminated_run_ends_its_step(company: Company) -> None:
    """The step's process is gone, EMR says CANCELLED, and nothing is committed by the run."""
    cluster = company.add_country("BR", WINDOW, DOCUMENTS, STORE_ROWS)
    run = start_run(company)
    pid = wait_for("the step's process", lambda: next(filter(None, pids(company, cluster)), None))
    wait_for("STEP_START in the event log", lambda: is_told(company, "STEP_START"))
    terminate(company, run)
    wait_for("the end of the step's process", lambda: not is_alive(pid))
    # of a window that was stopped nothing is told: it has not failed
    assert run.communicate(timeout=START_SECONDS)[0] == b""
    assert run.returncode == INTERRUPTED
    assert company.emr.steps(cluster)[0]["Status"]["State"] == "CANCELLED"
    warehouse = build_runtime(company.platform()).warehouse
    states = [state for table in TABLES for state in warehouse.states("BR", table.name)]
    assert [snapshot for state in states for snapshot in state.snapshots()] == [], (
        "there is no other run than this one"
    )
    with dg.DagsterInstance.from_config(str(company.folder / "dagster")) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]


def test_a_step_that_takes_too_long_is_cancelled(company: Company) -> None:
    """When `step_timeout` is over the step is cancelled, and the reason names the setting and
    where to look.
    """
    company.step_timeout = "1s"
    cluster = company.add_country("BR", WINDOW, DOCUMENTS, STORE_ROWS)
    result = company.command("run", "--window", WINDOW.key, check=False)
    assert result.returncode == 1
    (step,) = company.emr.steps(cluster)
    for phrase in ("longer than 1 s (emr.step_timeout)", step["Id"], cluster, "logs: s3://"):
        assert phrase in " ".join(result.stdout.split()), result.stdout
    assert step["Status"]["State"] == "CANCELLED"
    pid = company.emr.pid(step["Id"])
    # what it had started is taken leave of by the system, a moment later
    wait_for("the end of the step's processes", lambda: pid is None or not is_alive(pid))


def test_code_that_is_not_the_launchers_is_not_loaded(company: Company) -> None:
    """A code zip that somebody replaced runs nothing of itself, on a cluster that Python would
    search it: the reason names both hashes, cluster and step, and the log is where it says.
    """
    cluster = company.add_country("BR", WINDOW, DOCUMENTS, STORE_ROWS)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        for name in ("sitecustomize", "boto3", "storeavail_platform"):
            archive.writestr(f"{name}.py", f"open({str(company.folder / 'ran')!r}, 'w')")
    company.put(company.code, other.getvalue())
    result = company.command("run", "--window", WINDOW.key, check=False)
    assert result.returncode == 1
    (step,) = company.emr.steps(cluster)
    said = " ".join(result.stdout.split())
    for phrase in (
        f"{company.code} was not loaded: its SHA-256 is",
        own_sha256(),
        step["Id"],
        cluster,
    ):
        assert phrase in said, result.stdout
    assert not (company.folder / "ran").exists()
    assert "was not loaded" in company.log(
        f"{company.bucket}/logs/{cluster}/steps/{step['Id']}/stderr.gz"
    )


def test_what_a_step_needs_is_checked(company: Company) -> None:
    """`storeavail check` finds the cluster, its code and the staging; each that is missing is
    an error of its own, with what to do.
    """
    cluster = company.add_country("BR", WINDOW, DOCUMENTS, STORE_ROWS)
    said = " ".join(company.command("check").stdout.split())
    for phrase in (
        f"ok cluster: {cluster} takes steps",
        f"ok code {company.code}: is there",
        f"staging {company.bucket}/BR/staging: can be",
    ):
        assert phrase in said, said
    company.emr.terminate_cluster(cluster)
    company.remove(company.code)
    result = company.command("check", check=False)
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    for phrase in (
        "error cluster: no cluster named",
        f"error code {company.code}:",
        "`storeavail-deploy app publish` puts it there",
    ):
        assert phrase in said, said


def statuses(company: Company) -> dict[tuple[str, str], int]:
    rows = company.query(
        "SELECT country, status, COUNT(*) AS stores FROM store_availability GROUP BY ALL"
    )
    return {(row["country"], row["status"]): row["stores"] for row in rows}


def start_run(company: Company) -> subprocess.Popen[bytes]:
    """The process in which a run of the window is executed."""
    request = orjson.dumps({"country": "BR", "windows": [WINDOW.key], "select": []}).decode()
    command = [sys.executable, "-m", "storeavail_platform.orchestration.execute", request]
    with Path(company.folder / "run.log").open("wb") as log:
        return subprocess.Popen(
            command, env=company.environment, stdout=subprocess.PIPE, stderr=log, cwd=company.folder
        )


def terminate(company: Company, run: subprocess.Popen[bytes]) -> None:
    """What Dagster does to a run that is terminated in its UI, or that monitoring ends: note
    it, and interrupt the run's process.
    """
    with dg.DagsterInstance.from_config(str(company.folder / "dagster")) as instance:
        (found,) = instance.get_runs()
        instance.report_run_canceling(found)
    run.send_signal(signal.SIGINT)


def is_told(company: Company, kind: str) -> bool:
    """Whether the step's event of this kind has reached the launching instance."""
    with dg.DagsterInstance.from_config(str(company.folder / "dagster")) as instance:
        for run in instance.get_runs():
            for record in instance.get_records_for_run(run.run_id).records:
                event = record.event_log_entry.dagster_event
                if (
                    event is not None
                    and event.step_key == WINDOW_STEP
                    and event.event_type_value == kind
                ):
                    return True
    return False


def pids(company: Company, cluster: str) -> list[int | None]:
    """The processes of a cluster's steps; None where it has not begun."""
    return [company.emr.pid(step["Id"]) for step in company.emr.steps(cluster)]


def is_alive(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True
