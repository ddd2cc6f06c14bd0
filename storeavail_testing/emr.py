"""A stand-in EMR: moto's API, and an agent that really runs `spark-submit` for the steps that are
submitted.

The agent takes pending steps, as many at once as the cluster's `StepConcurrencyLevel`, runs each
command in an environment of its own (nothing of the launcher's), and marks PENDING, RUNNING,
COMPLETED, FAILED, CANCELLED. As on EMR, `s3://` is a file system of Spark's, by
`spark-defaults.conf`; a step's output is kept as `<LogUri>/<cluster>/steps/<step>/stderr.gz`, here
at once.

Known gaps, against the real EMR:
- Spark runs as `local[2]` in one process instead of on YARN: containers, executors' Python and
  memory limits are not tried.
- S3 is Hadoop's S3A instead of EMRFS.
- `ExecutionRoleArn` is accepted and forgotten, and there are no instance profiles: rights are not
  tried.
- `cancel_steps` is ours (moto has none), and knows TERMINATE_PROCESS only.
- Steps are taken as they come whatever the cluster's state; nothing throttles; `FailureDetails` is
  never there.
- Clusters are there at once, with the release's Python and packages being those of the test's own
  virtual environment.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from moto.core.responses import ActionResult
from moto.emr.models import emr_backends
from moto.emr.responses import ElasticMapReduceResponse
from storeavail_deploy.environment import CLUSTER_PYTHON

from storeavail_testing.s3 import REGION, S3Server
from storeavail_testing.spark_jars import PYSPARK_JARS, s3a_jars, s3a_settings

RESPONSES: Any = ElasticMapReduceResponse
LIVE = ("RUNNING", "WAITING")
POLL_SECONDS = 0.1
DRIVER_MEMORY = "768m"
RELEASE = "emr-7.14.0"
LOG4J = """
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


class EmrStandIn:
    """Clusters of an `S3Server`'s moto, and the agent of all of them.

    Args:
        folder: for Spark's settings and scratch files.
        spark: further settings of `spark-defaults.conf`.
    """

    def __init__(self, folder: Path, server: S3Server, spark: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.server = server
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.agent = threading.Thread(target=self._serve, name="emr-agent", daemon=True)
        jars = ":".join(map(str, s3a_jars()))
        settings = {
            "spark.driver.memory": DRIVER_MEMORY,
            "spark.driver.extraClassPath": jars,
            "spark.executor.extraClassPath": jars,
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
            "spark.ui.enabled": "false",
            "spark.local.dir": str(folder / "scratch"),
            # EMR's own committer renames nothing; this is the nearest that Hadoop has
            "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
            "spark.hadoop.fs.s3a.directory.marker.retention": "keep",
            **{
                f"spark.hadoop.{name}": value
                for name, value in s3a_settings(server.endpoint).items()
            },
            **(spark or {}),
        }
        (folder / "spark-defaults.conf").write_text(
            "".join(f"{name} {value}\n" for name, value in settings.items())
        )
        (folder / "log4j2.properties").write_text(LOG4J)
        (folder / "aws-config").touch()
        self.emr: Any = boto3.client(
            "emr",
            endpoint_url=server.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            region_name=REGION,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a step's process has: the cluster's own."""
        return {
            **self.server.environment,
            # S3A warns at length of a file that is not a regular one
            "AWS_CONFIG_FILE": str(self.folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "aws-config"),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "SPARK_HOME": str(PYSPARK_JARS.parent),
            "SPARK_CONF_DIR": str(self.folder),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }

    def start(self) -> None:
        stand_in = self

        def cancel_steps(response: ElasticMapReduceResponse) -> ActionResult:
            return ActionResult(
                {
                    "CancelStepsInfoList": [
                        stand_in.cancel(step) for step in response._get_param("StepIds")
                    ]
                }
            )

        RESPONSES.cancel_steps = cancel_steps
        # moto's clusters are the process's: what is there is another test's
        self._cancel_all()
        self.agent.start()

    def stop(self) -> None:
        """End the agent and every step: one that goes on would write into the next one's
        metastore.
        """
        self.stopping.set()
        self.agent.join()
        self._cancel_all()
        del RESPONSES.cancel_steps

    def create_cluster(
        self, name: str, *, log_uri: str, concurrency: int = 2, tags: dict[str, str] | None = None
    ) -> str:
        """A cluster that is waiting for steps; its id."""
        answer = self.emr.run_job_flow(
            Name=name,
            LogUri=log_uri,
            ReleaseLabel=RELEASE,
            Instances={
                "KeepJobFlowAliveWhenNoSteps": True,
                "InstanceCount": 1,
                "MasterInstanceType": "m5.xlarge",
            },
            StepConcurrencyLevel=concurrency,
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )
        return str(answer["JobFlowId"])

    def terminate_cluster(self, cluster: str) -> None:
        """Lose a cluster with its steps."""
        self.emr.terminate_job_flows(JobFlowIds=[cluster])

    def steps(self, cluster: str) -> list[dict[str, Any]]:
        """The steps of a cluster as EMR lists them."""
        found: list[dict[str, Any]] = self.emr.list_steps(ClusterId=cluster)["Steps"]
        return found

    def pid(self, step: str) -> int | None:
        """The process group of a step that has been started."""
        process = self.processes.get(step)
        return None if process is None else process.pid

    def cancel(self, step_id: str) -> dict[str, str]:
        """What the API's `cancel_steps` does with one step."""
        with self.lock:
            for _, step in self._known():
                if step.id == step_id and step.state in ("PENDING", "RUNNING"):
                    _end(step, "CANCELLED", "Cancelled by user")
                    self._kill(step_id)
                    return {"StepId": step_id, "Status": "SUBMITTED"}
        return {
            "StepId": step_id,
            "Status": "FAILED",
            "Reason": "step is not in a state that can be cancelled",
        }

    def _cancel_all(self) -> None:
        for step in [step.id for _, step in self._known()]:
            self.cancel(step)

    def _known(self) -> Iterator[tuple[Any, Any]]:
        for account in list(emr_backends.values()):
            for backend in list(account.values()):
                for cluster in list(backend.clusters.values()):
                    for step in list(cluster.steps):
                        yield cluster, step

    def _serve(self) -> None:
        while not self.stopping.wait(POLL_SECONDS):
            with self.lock:
                for cluster, step in self._known():
                    self._look_at(cluster, step)

    def _look_at(self, cluster: Any, step: Any) -> None:
        process = self.processes.get(step.id)
        if step.state not in ("PENDING", "RUNNING"):
            return
        if cluster.state not in LIVE:
            _end(step, "CANCELLED", "Job terminated")
            self._kill(step.id)
        elif process is None:
            step.state = "PENDING"
            running = [
                other
                for other in cluster.steps
                if other.state == "RUNNING" and other.id in self.processes
            ]
            if len(running) < cluster.step_concurrency_level:
                step.state = "RUNNING"
                step.start_date_time = datetime.now(UTC)
                self.processes[step.id] = self._run(cluster, step)
        elif process.poll() is not None:
            self._keep_log(cluster, step)
            is_good = process.returncode == 0
            _end(
                step,
                "COMPLETED" if is_good else "FAILED",
                "" if is_good else f"exit code {process.returncode}",
            )

    def _run(self, cluster: Any, step: Any) -> subprocess.Popen[bytes]:
        """Start the step's command: spark-submit of this environment, on this machine instead
        of YARN.
        """
        command = [
            re.sub("^/usr/lib/spark/", f"{PYSPARK_JARS.parent}/", step.args[0]),
            *step.args[1:],
        ]
        # where bootstrap.sh would have put the packages
        command = [word.replace(f"={CLUSTER_PYTHON}", f"={sys.executable}") for word in command]
        if "--master" in command:
            command[command.index("--master") + 1] = "local[2]"
        home = self.folder / step.id
        home.mkdir()
        with (home / "stderr").open("wb") as log:
            return subprocess.Popen(
                command,
                env=self.environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _kill(self, step: str) -> None:
        process = self.processes.get(step)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _keep_log(self, cluster: Any, step: Any) -> None:
        if cluster.log_uri:
            bucket, _, prefix = cluster.log_uri.removeprefix("s3://").partition("/")
            key = "/".join(
                filter(None, (prefix.strip("/"), cluster.id, "steps", step.id, "stderr.gz"))
            )
            s3 = boto3.client(
                "s3",
                endpoint_url=self.server.endpoint,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
                region_name=REGION,
            )
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=gzip.compress((self.folder / step.id / "stderr").read_bytes()),
            )


def _end(step: Any, state: str, reason: str) -> None:
    step.state = state
    step.last_state_change_reason = reason
    step.end_date_time = datetime.now(UTC)
