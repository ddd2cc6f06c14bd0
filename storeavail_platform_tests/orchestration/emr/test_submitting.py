"""What the launcher does around a step that is submitted or cancelled, where EMR does not
answer as it should.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster import MultiPartitionKey
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from moto.emr.models import emr_backends
from moto.emr.responses import ElasticMapReduceResponse

from storeavail_platform.config import Platform, load_text
from storeavail_platform.domain.errors import ClusterUnavailable, StepFailed
from storeavail_platform.domain.windows import Window
from storeavail_platform.orchestration.emr.clusters import StepStatus
from storeavail_platform.orchestration.emr.follower import cancel
from storeavail_platform.orchestration.emr.staging import Staging
from storeavail_platform.orchestration.emr.step_launcher import (
    OBSERVATION,
    CountryStepLauncher,
    consequences,
)
from storeavail_platform.storage.local import LocalStorage
from storeavail_testing.clock import SetClock
from storeavail_testing.s3 import S3Server

WINDOW = Window.parse("2026-11-23T1300")
CONFIG = """
countries:
  BR:
    timezone: America/Sao_Paulo
    postgres: {dsn: env:DSN}
    online_index: {path: index.ndjson}
    emr: {cluster: {id: CLUSTER}, staging: BUCKET/br/staging, code: BUCKET/app/code.zip}
"""


@dataclass
class Emr:
    """A country's cluster in the stand-in of AWS, which takes steps and runs none."""

    platform: Platform
    cluster: str
    monkeypatch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        backends = [region for account in emr_backends.values() for region in account.values()]
        (self.model,) = [
            backend.clusters[self.cluster]
            for backend in backends
            if self.cluster in backend.clusters
        ]

    def instead(self, operation: str, answer: Callable[[Callable[[], Any]], Any]) -> None:
        """Have EMR answer an operation on this cluster otherwise; its own answer is handed in.
        Whoever asks for other clusters, as threads of other tests do, is answered as ever.
        """
        own = getattr(ElasticMapReduceResponse, operation)

        def answered(response: ElasticMapReduceResponse) -> Any:
            asked = (response._get_param("ClusterId"), response._get_param("JobFlowId"))
            return answer(lambda: own(response)) if self.cluster in asked else own(response)

        self.monkeypatch.setattr(ElasticMapReduceResponse, operation, answered)


@pytest.fixture
def emr(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emr:
    instances: Any = {
        "KeepJobFlowAliveWhenNoSteps": True,
        "InstanceCount": 1,
        "MasterInstanceType": "m5.xlarge",
    }
    cluster = boto3.client("emr").run_job_flow(Name="br", Instances=instances)["JobFlowId"]
    text = CONFIG.replace("CLUSTER", cluster).replace("BUCKET", s3.create_bucket())
    return Emr(load_text(text, base=tmp_path, origin="test.yaml"), cluster, monkeypatch)


def context(step: str, *, until_deadline: bool = False) -> Any:
    """What the launcher reads of a step."""
    return SimpleNamespace(
        step=SimpleNamespace(key=step),
        partition_key=MultiPartitionKey({"country": "BR", "window": WINDOW.key}),
        run_config={"ops": {OBSERVATION: {"config": {"until_deadline": until_deadline}}}},
        run_id="run",
        dagster_run=dg.DagsterRun(job_name="window"),
        previous_attempt_count=0,
        retry_mode=RetryMode.DEFERRED,
        get_known_state=KnownExecutionState,
        log=logging.getLogger("test"),
    )


@pytest.mark.parametrize(
    ("step", "until_deadline", "minutes", "tries"),
    [
        (OBSERVATION, True, 1, 3),
        (OBSERVATION, False, 1, 1),
        (OBSERVATION, True, 120, 1),
        ("availability_window", True, 1, 1),
    ],
)
def test_a_scheduled_observation_waits_for_its_cluster(
    emr: Emr, step: str, until_deadline: bool, minutes: int, tries: int
) -> None:
    """Until the window's deadline, as it waits for its sources; anything else is tried again as
    a whole, or is over.
    """
    asked: list[str] = []

    def third_time_lucky(own: Callable[[], Any]) -> Any:
        emr.model.state = "WAITING" if len(asked) == 2 else "TERMINATED"
        asked.append(emr.model.state)
        return own()

    emr.instead("describe_cluster", third_time_lucky)
    clock = SetClock()
    clock.stop(WINDOW.start + timedelta(minutes=minutes))
    launcher = CountryStepLauncher(emr.platform, clock=clock, retry_seconds=0.0)
    of = context(step, until_deadline=until_deadline)
    if tries == 3:
        submitted, _ = launcher.submitted_in_time(of, emr.platform.country("BR"))
        assert [step.id for step in emr.model.steps] == [submitted.id]
    else:
        with pytest.raises(ClusterUnavailable, match="is TERMINATED"):
            launcher.submitted_in_time(of, emr.platform.country("BR"))
    assert len(asked) == tries


@pytest.mark.parametrize(
    ("step", "means"),
    [
        (OBSERVATION, "Nothing is landed: .* a gap"),
        ("availability_window", "The observation is landed"),
    ],
)
def test_what_a_lost_cluster_means_is_told(step: str, means: str) -> None:
    """An observation on a cluster is lost with it; a window that was landed is not."""
    with (
        pytest.raises(ClusterUnavailable, match=f"the cluster was lost. {means}"),
        consequences(context(step)),
    ):
        raise ClusterUnavailable("the cluster was lost")


@pytest.mark.parametrize("was_taken", [True, False])
def test_a_submit_whose_answer_is_lost(emr: Emr, was_taken: bool) -> None:
    """A step that EMR took all the same is followed, and no second one runs beside it; one that
    it did not take never begins.
    """

    def lose(own: Callable[[], Any]) -> Any:
        if was_taken:
            own()
        # a ConnectionResetError would be nearer, and is waited for until the read timeout
        raise RuntimeError("the answer is lost")

    emr.instead("add_job_flow_steps", lose)
    launcher, of = CountryStepLauncher(emr.platform), context("availability_window")
    if was_taken:
        step, staging = launcher.submit(of, emr.platform.country("BR"))
        assert [taken.id for taken in emr.model.steps] == [step.id]
        assert staging.read_step() is not None
    else:
        with pytest.raises(ClusterUnavailable):
            launcher.submit(of, emr.platform.country("BR"))
        assert emr.model.steps == []
        assert not [name for name in staged(emr.platform) if name.endswith("step.json")]


def staged(platform: Platform) -> list[str]:
    """Keys of the files that lie in a country's staging."""
    settings = platform.country("BR").emr
    assert settings is not None
    bucket = settings.staging.removeprefix("s3://").partition("/")[0]
    return [
        found["Key"]
        for found in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", ())
    ]


def test_cancelling_is_asked_again_until_emr_takes_it(tmp_path: Path) -> None:
    """A throttled call leaves no step computing and committing behind."""
    asked: list[str] = []

    def ask() -> None:
        asked.append("cancel")
        if len(asked) < 3:
            raise StepFailed("Rate exceeded")

    step: Any = SimpleNamespace(
        cancel=ask, status=lambda: StepStatus("CANCELLED" if len(asked) == 3 else "RUNNING", "")
    )
    cancel(context("availability_window"), step, Staging(LocalStorage(tmp_path)))
    assert asked == ["cancel"] * 3
