"""The step launcher: a Dagster step of a country runs as a step of that country's EMR cluster.

It extends dagster-aws' launcher by what that leaves out: the cluster and session of the partition's country, a runtime role, a poll every second
or two with backoff on throttling, events as they come, cancelling the EMR step when the run is terminated or its time is over, and reports
that say where to look. What travels is in `staging.py`, which cluster in `clusters.py`, the program on the cluster is `step_main.py`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from dagster import DagsterEvent, DagsterExecutionInterruptedError
from dagster._core.errors import raise_execution_interrupts
from dagster_aws.emr.pyspark_step_launcher import EmrPySparkStepLauncher

from storeavail_platform.assets.failures import as_failures
from storeavail_platform.assets.partitions import COUNTRY
from storeavail_platform.config import Country, Emr, Platform
from storeavail_platform.emr.clusters import find_cluster
from storeavail_platform.emr.sessions import country_session
from storeavail_platform.emr.staging import STEP, RemoteStep, Staging
from storeavail_platform.errors import ClusterUnavailable, StepFailed

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext
    from mypy_boto3_emr import EMRClient
