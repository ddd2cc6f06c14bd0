"""A window on the stand-in EMR: the platform's one step, beside a step a table through
dagster-aws' own launcher. S3, metastore as in production.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.apart import apart
from storeavail_platform.config import Platform, dagster_home
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.windows import partition_key
from storeavail_platform.orchestration.assets.window import WINDOW_STEP
from storeavail_platform.orchestration.emr.code_zip import build_code_zip
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_testing.company import SPARK, WINDOW, Company
from storeavail_testing.emr import EmrStandIn
from storeavail_testing.metastore import HiveMetastore
from storeavail_testing.postgres import PostgresServer
from storeavail_testing.processes import service_folder
from storeavail_testing.s3 import REGION, S3Server
from storeavail_testing.spark import submitted

COUNTRY = "BR"
MASTER = "local[2]"
WARM_UP, MEASURED = 2, 2
STORE_ROWS = """
INSERT INTO stores SELECT i, 'Store ' || i, NULL, 'City ' || i % 50, 'Brand ' || i % 20, NULL, true FROM generate_series(1, {count}) i;
INSERT INTO store_weekly_hours SELECT i, d, '08:00', '22:00' FROM generate_series(1, {count}) i, generate_series(1, 7) d;
"""


def measure(stores: int, *, with_stock: bool = True) -> dict[str, Any]:
    """Seconds of a window of the platform by what they were spent on (`seconds`), their sum
    (`total`), its commits, the same step's work in a warm session (`warm`), Spark's own start
    (`start`), and the stock job's.
    """
    with ExitStack() as stack:
        company = stack.enter_context(running_company())
        # a country without Spark settings of its own
        SPARK.clear()
        documents = [
            {"store_id": str(i), "online": i % 20 != 0, "updated_at": "2026-11-23T13:05:00Z"}
            for i in range(1, stores + 1)
        ]
        cluster = company.add_country(COUNTRY, WINDOW, documents, STORE_ROWS.format(count=stores))
        # the first window makes the tables; neither side pays for that
        company.command("run", "--window", WINDOW.key)
        company.command("run", "--window", WINDOW.key)
        result = timed(company)
        dump, environment = company.platform().dump(), company.emr.environment
        result.update(apart(warm_step, dump, environment))
        if with_stock:
            result["stock"] = stock(company, cluster)
        return result


@contextmanager
def running_company() -> Iterator[Company]:
    """A company without countries, on servers of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        s3 = S3Server()
        s3.start()
        stack.callback(s3.stop)
        os.environ.update(s3.environment)
        postgres = PostgresServer(stack.enter_context(service_folder("bench-emr-postgres")))
        postgres.start()
        stack.callback(postgres.kill)
        metastore = HiveMetastore(
            stack.enter_context(service_folder("bench-metastore")), postgres, s3
        )
        metastore.start()
        stack.callback(metastore.kill)
        for name in ("stand-in", "company"):
            (folder / name).mkdir()
        emr = EmrStandIn(folder / "stand-in", s3)
        emr.start()
        stack.callback(emr.stop)
        os.environ["DAGSTER_HOME"] = str(folder / "dagster")
        build_code_zip(folder / "code.zip")
        company = Company(folder / "company", emr, postgres, metastore, s3.create_bucket())
        company.put(company.code, (folder / "code.zip").read_bytes())
        yield company


def timed(company: Company) -> dict[str, Any]:
    """Where the time of the newest run's step has gone, from submit to marker, by the events of
    its run.
    """
    runtime = build_runtime(company.platform())
    marker = runtime.markers.read(COUNTRY, WINDOW)
    assert marker is not None
    with dg.DagsterInstance.from_config(str(dagster_home(runtime.platform))) as instance:
        records = instance.all_logs(marker.run_id)
    names = {table.name for table in TABLES}
    # days and pages are made after the marker
    materialized = [
        m
        for r in records
        if (m := r.asset_materialization) is not None and m.asset_key.path[-1] in names
    ]
    computing, committing = (
        sum(float(str(m.metadata[name].value)) for m in materialized)
        for name in ("compute_seconds", "commit_seconds")
    )
    submitted = next(r.timestamp for r in records if "submitted as" in r.user_message)
    started = next(
        r.timestamp
        for r in records
        if r.step_key == WINDOW_STEP and r.is_dagster_event and r.get_dagster_event().is_step_start
    )
    until = marker.completed_at.timestamp()
    seconds = {
        "submit, spark-submit, Python and its imports": started - submitted,
        "compute: every table": computing,
        # a commit is done while the next table is computed
        "rest of Spark's start, landing registered, last commit, marker": (
            until - started - computing
        ),
    }
    return {"seconds": seconds, "total": until - submitted, "commits": committing}


def warm_step(dump: str, environment: Mapping[str, str]) -> dict[str, float]:
    """Seconds of Spark's own start with the cluster's settings, and of what the step does, from the
    landing to the marker, in a session that has done it before.
    """
    os.environ.update(environment)
    began = time.perf_counter()
    submitted({}, MASTER).range(1).count()
    start = time.perf_counter() - began
    runtime = build_runtime(Platform.restore(dump))
    tables = frozenset(table.name for table in runtime.tables)
    seconds = []
    for number in range(WARM_UP + MEASURED):
        began = time.perf_counter()
        run = WindowRun(COUNTRY, WINDOW, f"warm-{number}", tables, is_last=False)
        for _ in run_window(runtime, run):
            pass
        seconds.append(time.perf_counter() - began)
    return {"start": start, "warm": min(seconds[WARM_UP:])}


def stock(company: Company, cluster: str) -> float:
    """Seconds of the same tables by a step each through dagster-aws' own launcher."""
    configuration = company.platform().dump()
    code, bucket = company.code, company.bucket.removeprefix("s3://")
    arguments: Any = (configuration, cluster, bucket, code, REGION)
    job = dg.build_reconstructable_job("benchmarks.stock", "stock_job", arguments)
    with dg.DagsterInstance.from_config(os.environ["DAGSTER_HOME"]) as instance:
        started = time.perf_counter()
        result = dg.execute_job(
            job,
            instance=instance,
            tags={
                "dagster/partition": partition_key(COUNTRY, WINDOW),
                "dagster/partition/country": COUNTRY,
                "dagster/partition/window": WINDOW.key,
            },
            raise_on_error=True,
        )
        assert result.success
        assert len(
            {event.asset_key for event in result.all_events if event.is_step_materialization}
        ) == len(TABLES)
    return time.perf_counter() - started
