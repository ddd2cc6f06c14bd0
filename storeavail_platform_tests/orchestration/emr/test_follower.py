"""Following a submitted step: its events, its last word, and every way in which it ends without
one.
"""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import dagster as dg
import pytest
from botocore.stub import Stubber
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.objects import StepFailureData, StepSuccessData

from storeavail_platform.config import Emr
from storeavail_platform.domain.errors import ClusterUnavailable, StepFailed
from storeavail_platform.orchestration.emr.clusters import ClusterStep
from storeavail_platform.orchestration.emr.command import RELEASE_VARIABLE, command
from storeavail_platform.orchestration.emr.follower import Follower, Pace
from storeavail_platform.orchestration.emr.staging import (
    LONGEST_BATCH,
    MOST_EVENTS,
    Batch,
    Staging,
)
from storeavail_platform.storage.local import LocalStorage

RUN, STEP, PARTITION = "run-1", "availability_window", "BR|2026-11-23T1300"
POLL_SECONDS = 0.01
untyped: Any = SimpleNamespace(
    EventLogEntry=EventLogEntry,
    StepFailureData=StepFailureData,
    StepMaterializationData=StepMaterializationData,
    StepSuccessData=StepSuccessData,
)
"""Dagster's own records, whose constructors have no types."""


class Cluster:
    """A stubbed EMR and an attempt's folder, and the follower of its step."""

    def __init__(
        self, folder: Path, client: Any, stubber: Stubber, instance: dg.DagsterInstance
    ) -> None:
        self.folder = folder
        self.stubber = stubber
        self.staging = Staging(LocalStorage(folder))
        self.instance = instance
        context: Any = SimpleNamespace(
            run_id=RUN,
            step=SimpleNamespace(key=STEP),
            partition_key=PARTITION,
            instance=instance,
            log=logging.getLogger("test"),
        )
        step = ClusterStep(client, "BR", "j-1", "s-1", "s3://bucket/logs/j-1/steps/s-1/")
        self.follower = Follower(context, step, self.staging, timeout=60, pace=Pace(POLL_SECONDS))

    def is_in(self, *states: str, reason: str = "") -> None:
        """What EMR will say of the step, one state a poll."""
        for state in states:
            self.stubber.add_response(
                "describe_step",
                {"Step": {"Status": {"State": state, "StateChangeReason": {"Message": reason}}}},
            )

    def cluster_is(self, state: str, reason: str = "") -> None:
        status = {"State": state, "StateChangeReason": {"Message": reason}}
        self.stubber.add_response("describe_cluster", {"Cluster": {"Id": "j-1", "Status": status}})

    def kinds(self) -> list[str]:
        return [event.event_type_value for event in self.follower.events()]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    client = boto3.client(
        "emr", region_name="sa-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stubber, dg.DagsterInstance.ephemeral() as instance:
        yield Cluster(tmp_path, client, stubber, instance)


def entry(kind: str, *, run: str = RUN, step: str = STEP) -> EventLogEntry:
    data = {
        "STEP_SUCCESS": untyped.StepSuccessData(1.0),
        "STEP_FAILURE": untyped.StepFailureData(None, None),
    }.get(kind)
    return logged(
        "",
        run,
        step,
        dg.DagsterEvent(
            event_type_value=kind, job_name="window", step_key=step, event_specific_data=data
        ),
    )


def materialized(asset: str, partition: str) -> EventLogEntry:
    data = untyped.StepMaterializationData(dg.AssetMaterialization(asset, partition=partition), [])
    return logged(
        "",
        event=dg.DagsterEvent(
            event_type_value="ASSET_MATERIALIZATION",
            job_name="window",
            step_key=STEP,
            event_specific_data=data,
        ),
    )


def logged(
    text: str, run: str = RUN, step: str = STEP, event: dg.DagsterEvent | None = None
) -> EventLogEntry:
    made: EventLogEntry = untyped.EventLogEntry(
        error_info=None,
        level=20,
        user_message=text,
        run_id=run,
        timestamp=time.time(),
        step_key=step,
        dagster_event=event,
    )
    return made


def test_events_come_while_the_step_runs_and_its_last_word_ends_it(cluster: Cluster) -> None:
    """The first batch is given before there is a second one; nothing waits for EMR to say
    COMPLETED.
    """
    cluster.is_in("PENDING", "RUNNING", "RUNNING")
    cluster.staging.write_batch(1, Batch([logged("begun"), entry("STEP_START")]))
    events = cluster.follower.events()
    assert next(events).event_type_value == "STEP_START"
    cluster.staging.write_batch(2, Batch([entry("STEP_SUCCESS")], is_last=True))
    assert [event.event_type_value for event in events] == ["STEP_SUCCESS"]
    kept = [record.event_log_entry for record in cluster.instance.get_records_for_run(RUN).records]
    assert [record.user_message for record in kept if not record.is_dagster_event] == ["begun"]
    assert cluster.follower.has_ended


def test_a_step_that_waits_is_told_now_and_then(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Its state, how long it has been waiting for, and where to look: also what shows run
    monitoring that the run is alive.
    """
    caplog.set_level(logging.INFO, logger="test")
    cluster.follower.pace = Pace(POLL_SECONDS, report_seconds=0.0)
    cluster.is_in("PENDING", "COMPLETED")
    cluster.staging.write_batch(1, Batch([entry("STEP_SUCCESS")], is_last=False))
    events = cluster.follower.events()
    assert next(events).event_type_value == "STEP_SUCCESS"
    cluster.cluster_is("WAITING")
    with pytest.raises(StepFailed):
        next(events)
    assert caplog.messages == []
    cluster.is_in("PENDING", "RUNNING", "COMPLETED")
    cluster.cluster_is("WAITING")
    with pytest.raises(StepFailed):
        list(cluster.follower.events())
    assert [message.partition(" since ")[0] for message in caplog.messages] == [
        "PENDING",
        "RUNNING",
    ]
    assert "cluster j-1" in caplog.messages[0]


@pytest.mark.parametrize(
    ("release", "code"),
    [("", "s3://b/app/code.zip"), ("c0ffee", "s3://b/app/releases/c0ffee/code.zip")],
)
def test_a_step_runs_the_code_of_its_launcher(
    monkeypatch: pytest.MonkeyPatch, release: str, code: str
) -> None:
    """An image's runs give their own release to their steps, whatever is current meanwhile;
    without a release it is `emr.code`. Either way the step is told what it has to hash to.
    """
    monkeypatch.setenv(RELEASE_VARIABLE, release)
    emr = Emr.model_validate(
        {"cluster": {"id": "j-1"}, "staging": "s3://b/staging", "code": "s3://b/app/code.zip"}
    )
    tokens = command(emr, "main.py", "s3://b/staging/1", "abc")
    assert tokens[-3:] == ["s3://b/staging/1", code, "abc"]
    assert "--py-files" not in tokens, "Python would look into it before it was compared"


def test_throttling_and_outages_of_emr_are_waited_out(cluster: Cluster) -> None:
    """A state that EMR does not tell now ends nothing; the events come all the same."""
    for code, status in (("ThrottlingException", 400), ("InternalServerError", 500)):
        cluster.stubber.add_client_error(
            "describe_step", code, "Rate exceeded", http_status_code=status
        )
    cluster.staging.write_batch(1, Batch([entry("STEP_START")]))
    cluster.is_in("RUNNING")
    events = cluster.follower.events()
    assert next(events).event_type_value == "STEP_START"
    cluster.staging.write_batch(2, Batch([entry("STEP_SUCCESS")], is_last=True))
    assert next(events).event_type_value == "STEP_SUCCESS"


def test_a_failed_dagster_step_is_told_by_its_events(cluster: Cluster) -> None:
    """A step that failed as Dagster steps do is no error of the launcher, whatever EMR makes of
    the exit code.
    """
    cluster.is_in("FAILED")
    cluster.staging.write_batch(1, Batch([entry("STEP_FAILURE")], is_last=True))
    assert cluster.kinds() == ["STEP_FAILURE"]


@pytest.mark.parametrize(
    ("state", "live", "error", "said"),
    [
        (
            "FAILED",
            "WAITING",
            StepFailed,
            r"failed before its program began \(FAILED \(exit 127\)\)",
        ),
        (
            "COMPLETED",
            "WAITING",
            StepFailed,
            r"ended as COMPLETED .*last events are missing \(0 files",
        ),
        ("CANCELLED", "RUNNING", StepFailed, r"cancelled by someone else"),
        (
            "CANCELLED",
            "TERMINATED_WITH_ERRORS",
            ClusterUnavailable,
            r"cluster j-1 is TERMINATED_WITH_ERRORS: spot instances",
        ),
        ("INTERRUPTED", "TERMINATING", ClusterUnavailable, r"the cluster was lost"),
    ],
)
def test_a_step_that_ends_without_a_word(
    cluster: Cluster, state: str, live: str, error: type[Exception], said: str
) -> None:
    """What happened is told apart, with cluster id, step id, state, reason, and where the logs
    are.
    """
    cluster.is_in("RUNNING", state, reason="exit 127")
    cluster.cluster_is(
        live, "spot instances were taken back" if live == "TERMINATED_WITH_ERRORS" else ""
    )
    with pytest.raises(error, match=said) as raised:
        cluster.kinds()
    for phrase in ("s-1", "j-1", "(BR)", state, "exit 127", "s3://bucket/logs/j-1/steps/s-1/"):
        assert phrase in str(raised.value)
    assert cluster.follower.has_ended


def test_a_step_that_stops_in_the_middle(cluster: Cluster) -> None:
    """What it told until then is kept; that its last events are missing is an error of its own."""
    cluster.is_in("FAILED")
    cluster.cluster_is("WAITING")
    cluster.staging.write_batch(1, Batch([entry("STEP_START")]))
    events = cluster.follower.events()
    assert next(events).event_type_value == "STEP_START"
    with pytest.raises(StepFailed, match=r"last events are missing \(1 files"):
        next(events)


def test_a_problem_outside_the_step_is_told(cluster: Cluster) -> None:
    """What kept the cluster's program from executing the step reaches the run's log."""
    cluster.is_in("RUNNING")
    cluster.staging.write_batch(1, Batch([], is_last=True, problem="ConfigError: another version"))
    with pytest.raises(
        StepFailed, match="could not be executed on the cluster: ConfigError: another version"
    ):
        cluster.kinds()


def test_a_step_that_takes_too_long(cluster: Cluster) -> None:
    """The setting is named, and the step is not taken for ended: the launcher cancels it."""
    cluster.is_in("RUNNING")
    cluster.follower.timeout = 0.0
    with pytest.raises(StepFailed, match=r"emr\.step_timeout.*it was RUNNING"):
        cluster.kinds()
    assert not cluster.follower.has_ended


class Planted:
    """A pickle that leaves a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_a_planted_pickle_is_not_executed(cluster: Cluster, tmp_path: Path) -> None:
    """Nothing that a cluster wrote is unpickled, under whichever name it lies in the attempt's
    folder.
    """
    mark = tmp_path / "executed"
    planted = pickle.dumps(Planted(mark))
    for name in ("events.pkl", "step_run_ref.pkl", "events/000001.json"):
        cluster.staging.storage.replace(name, planted)
    cluster.is_in("RUNNING")
    with pytest.raises(StepFailed, match=r"events of step s-1 .* cannot be read"):
        cluster.kinds()
    assert not mark.exists()
    pickle.loads(planted)
    assert mark.exists()


def nested(levels: int) -> bytes:
    events = "[" * levels + "]" * levels
    return json.dumps({"events": events, "is_last": True}).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b" " * (LONGEST_BATCH + 1), "bytes, and at most 20,000,000"),
        (nested(61), "nest 61 levels, and at most 60"),
        (nested(100_000), "nest 100000 levels"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"events": "[]", "is_last": "perhaps"}', "cannot be read"),
        (b'{"events": "[]", "is_last": true, "problem": {"a": 1}}', "cannot be read"),
        (b"[]", "cannot be read"),
        (Batch([logged("x")] * (MOST_EVENTS + 1)).encode(), "10,001 events, and at most 10,000"),
    ],
    ids=["long", "deep", "deeper", "deepest", "last", "problem", "list", "many"],
)
def test_a_batch_is_bounded(cluster: Cluster, data: bytes, said: str) -> None:
    """In bytes, which are not even read, in events, in levels, in what its fields are."""
    cluster.is_in("RUNNING")
    cluster.staging.storage.replace("events/000001.json", data)
    with pytest.raises(StepFailed, match=said):
        cluster.kinds()
    assert not cluster.instance.get_records_for_run(RUN).records


def test_a_step_that_tells_for_ever_is_ended(cluster: Cluster) -> None:
    """Its time is looked at between its batches too, not only when there is none."""

    class Endless(Staging):
        """Always has one more."""

        def read_batch(self, number: int) -> bytes | None:
            return Batch([logged(f"event {number}")]).encode()

    follower = Follower(
        cluster.follower.context,
        cluster.follower.step,
        Endless(cluster.staging.storage),
        timeout=0.2,
        pace=Pace(POLL_SECONDS),
    )
    cluster.is_in("RUNNING")
    with pytest.raises(StepFailed, match=r"longer than 0 s \(emr\.step_timeout\)"):
        list(follower.events())


def test_a_window_tells_of_the_dates_it_has_rolled_up(cluster: Cluster) -> None:
    """Partitions of the daily tables of its own country are events of the window's step."""
    cluster.is_in("RUNNING")
    batch = [
        materialized("stores", PARTITION),
        materialized("store_outages", "BR|2026-11-23"),
        entry("STEP_SUCCESS"),
    ]
    cluster.staging.write_batch(1, Batch(batch, is_last=True))
    assert cluster.kinds() == ["ASSET_MATERIALIZATION", "ASSET_MATERIALIZATION", "STEP_SUCCESS"]


@pytest.mark.parametrize(
    "forged",
    [
        entry("STEP_SUCCESS", run="run-2"),
        entry("STEP_SUCCESS", step="observation"),
        entry("PIPELINE_SUCCESS"),
        materialized("stores", "BR|2026-11-23T1315"),
        materialized("stores", "BR|2026-11-23"),
        materialized("store_outages", "CL|2026-11-23"),
    ],
)
def test_a_cluster_speaks_for_its_own_step_only(cluster: Cluster, forged: EventLogEntry) -> None:
    """An event of another run, step, partition or country, or of the run as a whole, is
    refused, and not stored.
    """
    cluster.is_in("RUNNING")
    cluster.staging.write_batch(1, Batch([forged], is_last=True))
    with pytest.raises(StepFailed, match="refused an event"):
        cluster.kinds()
    assert not cluster.instance.get_records_for_run("run-2").records
    assert not cluster.instance.get_records_for_run(RUN).records
