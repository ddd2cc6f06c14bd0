"""The window's tables as somebody would build them with dagster-aws alone: an asset and an EMR step
a table, through its own launcher.

Imported by the benchmark and by each of its steps on the stand-in cluster.
"""

from functools import cache
from pathlib import Path

import dagster as dg
from dagster_aws.emr import emr_pyspark_step_launcher

import storeavail_platform
from storeavail_platform.config import Platform
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.orchestration.partitions import partition_of, window_partitions
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window

JOB = "stock_window"
LAUNCHER = "pyspark_step_launcher"


@cache
def stock_job(
    configuration: str, cluster: str, bucket: str, code: str, region: str
) -> dg.JobDefinition:
    """The job: its steps run one after another, as they depend on each other.

    Args:
        configuration: what `Platform.dump` gives.
        cluster: id of the cluster.
        bucket: name of the bucket for what travels.
        code: address of the code zip.
    """
    platform = Platform.restore(configuration)
    runtime = build_runtime(platform)
    launcher = emr_pyspark_step_launcher.configured(
        {
            "cluster_id": cluster,
            "region_name": region,
            "staging_bucket": bucket,
            "s3_job_package_path": code,
            "local_job_package_path": str(Path(storeavail_platform.__file__).parent),
            "spark_config": {},
        }
    )
    names = {table.name for table in TABLES}
    return dg.Definitions(
        assets=[asset(table, names, window_partitions(platform)) for table in TABLES],
        jobs=[dg.define_asset_job(JOB, executor_def=dg.in_process_executor)],
        resources={
            "runtime": dg.ResourceDefinition.hardcoded_resource(runtime),
            LAUNCHER: launcher,
        },
    ).resolve_job_def(JOB)


def asset(
    table: Table, names: set[str], partitions: dg.MultiPartitionsDefinition
) -> dg.AssetsDefinition:
    """One table as an asset with a step of its own."""

    @dg.asset(
        name=table.name,
        deps=[name for name in table.inputs if name in names],
        partitions_def=partitions,
        required_resource_keys={"runtime", LAUNCHER},
    )
    def separate(context: dg.AssetExecutionContext) -> None:
        country, window = partition_of(context)
        tables = frozenset({table.name})
        run = WindowRun(country, window, context.run_id, tables, is_last=False)
        for _ in run_window(context.resources.runtime, run):
            pass

    return separate
