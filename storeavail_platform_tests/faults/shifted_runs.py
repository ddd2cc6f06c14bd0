"""Dagster's run storage on a clock that a test sets, named in `dagster.yaml` as any other one is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dagster import DagsterEvent
from dagster._core.storage.runs import SqliteRunStorage
from dagster._serdes import ConfigurableClassData

from storeavail_platform_tests.end_to_end.killed import SHIFT
from storeavail_testing.clock import SetClock

CLOCK = SetClock(timedelta(seconds=float(os.environ.get(SHIFT, "0"))))
"""What time it is for runs in this process."""


class ShiftedRunStorage(SqliteRunStorage):
    """Stamps runs by `CLOCK`, not by this machine's."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> ShiftedRunStorage:
        return cls.from_local(inst_data=inst_data, **config_value)

    def handle_run_event(
        self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None
    ) -> None:
        super().handle_run_event(run_id, event, CLOCK())


def use_shifted_runs(home: Path) -> None:
    """Have a Dagster home stamp its runs by `CLOCK`."""
    settings = home / "dagster.yaml"
    storage = (
        f"\nrun_storage:\n  module: {__name__}\n  class: {ShiftedRunStorage.__name__}\n"
        f"  config: {{base_dir: {home / 'history'}}}\n"
    )
    settings.write_text(settings.read_text() + storage)
