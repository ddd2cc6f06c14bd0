"""What people are sent while a brand of the demo is down for its hour: one message when it begins and
one when it ends.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storeavail_platform.alerting.watch import Tick, look_at_country
from storeavail_platform.config import load_platform
from storeavail_platform.demo import postgres_running, prepare
from storeavail_platform.demo.countries import COUNTRIES
from storeavail_platform.demo.simulator import is_down
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.pipeline.observe import Observing
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.pipeline.window import WindowRun, run_window
from storeavail_platform_tests.alerting.alert_world import Recorder
from storeavail_testing.clock import SetClock

pytestmark = [pytest.mark.postgres, pytest.mark.long]

NOW = datetime(2026, 11, 23, 16, 3, 20, tzinfo=UTC)
NAMES = frozenset(table.name for table in TABLES)


def test_the_hour_of_a_brand_is_one_message_and_one_at_the_end(tmp_path: Path) -> None:
    """From no past on: nothing of the country, its cities and the brand besides; nothing of rows with
    problems, of which the demo has a few.
    """
    demo = prepare(tmp_path, NOW, hours=3)
    brazil = COUNTRIES["BR"]
    down = [window for window in demo.windows if is_down(brazil, window)]
    recorder, clock = Recorder(), SetClock()
    with postgres_running(demo.home):
        runtime = build_runtime(load_platform(str(demo.config_path)), clock=clock)
        how = Observing(runtime.platform.observation_grace)
        for window in demo.windows:
            clock.stop(window.middle() + timedelta(minutes=1))
            list(run_window(runtime, WindowRun("BR", window, window.key, NAMES), observing=how))
            now = window.middle() + timedelta(minutes=3)
            tick = Tick(
                now,
                [recorder.channel],
                lambda since: ([], since),
                lambda failed: False,
                logging.getLogger(),
            )
            look_at_country(runtime, "BR", tick)
    assert [message.subject.split(": ")[1] for message in recorder.messages] == [
        "1 new",
        "1 resolved",
    ]
    begun, ended = recorder.messages
    assert f"{brazil.down_brand}: " in begun.subject
    assert f"window: {down[0]}" in begun.body or f"window: {down[1]}" in begun.body
    assert f"window: {down[-1]}" in ended.body
