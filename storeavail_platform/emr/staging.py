"""What travels between a run and its step on a cluster: files on S3 below `<staging>/<run>/<step>/<attempt>/`.

    step.json            the step to execute, and the configuration of the run that launched it
    events/000001.json   events of the step, in order, a file a batch
    done.json            how many batches there are: written last

Everything is JSON in Dagster's own serialisation. Nothing that a cluster wrote is ever unpickled, and no attempt reads another's files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import DagsterRun
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.external_step import step_context_to_step_run_ref
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._serdes import deserialize_value, serialize_value

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext
    from mypy_boto3_s3 import S3Client

STEP = "step.json"
EVENTS = "events/"
DONE = "done.json"


@dataclass(frozen=True)
class RemoteStep:
    """A step to be executed on a cluster.

    Attributes:
        configuration: `Platform.dump()` of the run that launched it: the step works with exactly this.
        run, known_state, retry_mode: Dagster's own description of the run and of what happened before the step.
    """

    configuration: str
    step_key: str
    run: DagsterRun
    run_config: dict[str, Any]
    known_state: KnownExecutionState | None
    retry_mode: RetryMode

    @classmethod
    def of(cls, context: StepExecutionContext, configuration: str) -> RemoteStep:
        """The step of an execution context."""
        reference = step_context_to_step_run_ref(context)
        return cls(
            configuration=configuration,
            step_key=reference.step_key,
            run=reference.dagster_run,
            run_config=dict(reference.run_config),
            known_state=reference.known_state,
            retry_mode=reference.retry_mode,
        )

    def encode(self) -> bytes:
        return json.dumps(
            {
                "configuration": self.configuration,
                "step_key": self.step_key,
                "run": serialize_value(self.run),
                "run_config": self.run_config,
                "known_state": serialize_value(self.known_state),
                "retry_mode": serialize_value(self.retry_mode),
            }
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> RemoteStep:
        fields = json.loads(data)
        return cls(
            configuration=fields["configuration"],
            step_key=fields["step_key"],
            run=deserialize_value(fields["run"], DagsterRun),
            run_config=fields["run_config"],
            known_state=deserialize_value(fields["known_state"], KnownExecutionState) if fields["known_state"] != "null" else None,
            retry_mode=deserialize_value(fields["retry_mode"], RetryMode),
        )


class Staging:
    """One attempt's folder on S3."""

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix.strip("/")

    def uri(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}/{name}"

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=data)

    def get(self, name: str) -> bytes | None:
        """A file's bytes, or None while it is not there."""
        try:
            return self.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}")["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def write_events(self, number: int, events: Sequence[EventLogEntry]) -> None:
        """Write a batch of events; batches are numbered from 1."""
        self.put(f"{EVENTS}{number:06d}.json", serialize_value(list(events)).encode())

    def read_events(self, after: int) -> Iterator[tuple[int, Sequence[EventLogEntry]]]:
        """Batches with a number above `after`, in order, up to the first that is not there yet."""
        number = after + 1
        while (data := self.get(f"{EVENTS}{number:06d}.json")) is not None:
            yield number, deserialize_value(data.decode(), list)
            number += 1

    def finish(self, batches: int) -> None:
        """Say that all events are written."""
        self.put(DONE, json.dumps({"batches": batches}).encode())

    def batches(self) -> int | None:
        """How many batches the step wrote in all, or None while it has not finished."""
        data = self.get(DONE)
        return None if data is None else int(json.loads(data)["batches"])
