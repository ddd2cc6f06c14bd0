"""A country in this process whose catch-up is driven by hand: what its sensor asks for is
executed, tick after tick, without a daemon.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.build import build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB, window_tags
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.storage.local import Storage
from storeavail_platform_tests.end_to_end.world import World
from storeavail_testing.clock import SetClock


@dataclass
class Driven:
    """Runs of one country of a world, on an instance."""

    world: World
    instance: dg.DagsterInstance
    country: str = "BR"
    cursor: str | None = None
    clock: SetClock = field(default_factory=SetClock)
    storage: Storage | None = None
    """The warehouse's, where runs do not take the configured one."""

    @property
    def runtime(self) -> Runtime:
        return self.world.runtime()

    @property
    def definitions(self) -> dg.Definitions:
        # from the files, as a daemon that was restarted
        return build_definitions(self.runtime.platform, clock=self.clock, storage=self.storage)

    def window(self, window: Window, **config: Any) -> dg.ExecuteInProcessResult:
        """Run a window as a click in the UI does, with run configuration for `observation`."""
        return self.definitions.resolve_job_def(WINDOW_JOB).execute_in_process(
            partition_key=partition_key(self.country, window),
            instance=self.instance,
            tags=window_tags(self.country, window),
            run_config={"ops": {"observation": {"config": config}}} if config else None,
            raise_on_error=False,
        )

    def catch_up(self) -> list[dg.ExecuteInProcessResult]:
        """One tick of the sensor, and the runs that it asks for."""
        definitions = self.definitions
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=definitions
        )
        data = definitions.resolve_sensor_def(f"catch_up_{self.country.lower()}").evaluate_tick(
            context
        )
        self.cursor = data.cursor
        return [
            definitions.resolve_job_def(request.job_name or "").execute_in_process(
                partition_key=request.partition_key,
                instance=self.instance,
                tags=request.tags,
                run_config=request.run_config,
                raise_on_error=False,
            )
            for request in data.run_requests or []
        ]


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The words of the step that failed."""
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    said = data.user_failure_data
    return str(data.error if said is None else said.description)


def past(number: int) -> Window:
    """A window whose deadline has passed; the greater the number the older."""
    return Window.containing(datetime.now(UTC)).next(-2 - number)
