"""What travels between a run and its step on a cluster: files below
`<staging>/<run>/<step>/<attempt>/`, in both directions JSON.

    step.json            the step to execute, and the configuration of the run that launched it
    events/000001.json   events of the step in order, a file a batch; the last one says so

Dagster's own serialisation makes only Dagster's own records of it: nothing that a cluster wrote is
ever unpickled. No attempt reads another's files. An attempt whose `step.json` is gone was given up,
and is not executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dagster import DagsterRun
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.retries import RetryMode
from dagster._serdes import deserialize_value, serialize_value
from pydantic import TypeAdapter

from storeavail_platform.storage.local import Storage

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext

STEP_FILE = "step.json"
LONGEST_BATCH = 20_000_000
"""Bytes of a file of events: a step writes its own of half a second."""
MOST_EVENTS = 10_000
"""Events of a file."""
DEEPEST = 60
"""Levels that events nest."""
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class RemoteStep:
    """A step to be executed on a cluster.

    Attributes:
        configuration: `Platform.dump()` of the run that launched it: the step works with exactly
            this.
        timeout_seconds: after this long the step ends itself, whoever launched it being gone.
        run, known_state, retry_mode: Dagster's own description of the run and of what happened
            before the step.
    """

    configuration: str
    timeout_seconds: float
    step_key: str
    run: DagsterRun
    run_config: dict[str, Any]
    known_state: KnownExecutionState
    retry_mode: RetryMode

    @classmethod
    def of(
        cls, context: StepExecutionContext, configuration: str, timeout_seconds: float
    ) -> RemoteStep:
        """The step of an execution context."""
        return cls(
            configuration=configuration,
            timeout_seconds=timeout_seconds,
            step_key=context.step.key,
            run=context.dagster_run,
            run_config=dict(context.run_config),
            known_state=context.get_known_state(),
            retry_mode=context.retry_mode,
        )

    def encode(self) -> bytes:
        return json.dumps(
            {
                "configuration": self.configuration,
                "timeout_seconds": self.timeout_seconds,
                "step_key": self.step_key,
                "run": serialize_value(self.run),
                "run_config": self.run_config,
                "known_state": serialize_value(self.known_state),
                "retry_mode": self.retry_mode.value,
            }
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> RemoteStep:
        fields = json.loads(data)
        return cls(
            configuration=fields["configuration"],
            timeout_seconds=fields["timeout_seconds"],
            step_key=fields["step_key"],
            run=deserialize_value(fields["run"], DagsterRun),
            run_config=fields["run_config"],
            known_state=deserialize_value(fields["known_state"], KnownExecutionState),
            retry_mode=RetryMode(fields["retry_mode"]),
        )


@dataclass(frozen=True)
class Batch:
    """Some of a step's events.

    `problem` is what kept the step from being executed as Dagster executes it; it is in the last
    batch.
    """

    events: Sequence[EventLogEntry]
    is_last: bool = False
    problem: str | None = None

    def encode(self) -> bytes:
        return json.dumps(
            {
                "events": serialize_value(list(self.events)),
                "is_last": self.is_last,
                "problem": self.problem,
            }
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        """What `encode` wrote; anything else raises some kind of error, and has no other effect."""
        if len(data) > LONGEST_BATCH:
            raise ValueError(f"it has {len(data):,} bytes, and at most {LONGEST_BATCH:,} are read")
        file = _FILE.validate_json(data)
        if (depth := _depth(file.events)) > DEEPEST:
            raise ValueError(f"its events nest {depth} levels, and at most {DEEPEST} are read")
        events = deserialize_value(file.events, list)
        if len(events) > MOST_EVENTS:
            raise ValueError(f"it has {len(events):,} events, and at most {MOST_EVENTS:,} are read")
        if not all(isinstance(event, EventLogEntry) for event in events):
            raise TypeError("it holds something else than events")
        return cls(events, file.is_last, file.problem)


@dataclass(frozen=True)
class _BatchFile:
    """A batch as its file has it, the events as Dagster writes them."""

    events: str
    is_last: bool
    problem: str | None = None


_FILE = TypeAdapter(_BatchFile)


def _depth(text: str) -> int:
    """How many levels JSON nests, however it is broken."""
    depth = deepest = 0
    for sign in re.findall(r"[\[\]{}]", _STRINGS.sub("", text)):
        depth += 1 if sign in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


class Staging:
    """One attempt's folder."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def write_step(self, step: RemoteStep) -> None:
        self.storage.replace(STEP_FILE, step.encode())

    def read_step(self) -> RemoteStep | None:
        """The step, or None where the attempt was given up."""
        data = self.storage.read(STEP_FILE)
        return None if data is None else RemoteStep.decode(data)

    def give_up(self) -> None:
        """Keep a step that has not begun from ever beginning."""
        self.storage.delete_tree("")

    def write_batch(self, number: int, batch: Batch) -> None:
        """Write a batch; they are numbered from 1."""
        self.storage.replace(_batch_name(number), batch.encode())

    def read_batch(self, number: int) -> bytes | None:
        """A batch as it was written, or None while it is not there.

        Raises:
            ValueError: it is longer than any that a step writes; it is not read.
        """
        size = self.storage.size(_batch_name(number))
        if size is not None and size > LONGEST_BATCH:
            raise ValueError(f"it has {size:,} bytes, and at most {LONGEST_BATCH:,} are read")
        return None if size is None else self.storage.read(_batch_name(number))


def _batch_name(number: int) -> str:
    return f"events/{number:06d}.json"
