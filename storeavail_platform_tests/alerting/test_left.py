"""Alerts of a country that was taken out of the configuration: told that they end, once, and
forgotten.
"""

from __future__ import annotations

import logging
from pathlib import Path

from storeavail_platform.alerting.watch import Tick, WatchResult, look_at_platform
from storeavail_platform.config import load_text
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform_tests.alerting.alert_world import FIRST, AlertWorld, at

LATER = at("12:00")


def without_br(world: AlertWorld) -> Runtime:
    """The same warehouse, BR taken out of the file."""
    lines = [
        line for line in world.config.read_text().splitlines() if not line.strip().startswith("BR:")
    ]
    return build_runtime(
        load_text("\n".join(lines), base=world.config.parent, origin=str(world.config))
    )


def look(runtime: Runtime, world: AlertWorld) -> WatchResult:
    log = logging.getLogger("test")
    heard = [world.recorder.channel]
    return look_at_platform(
        runtime, Tick(LATER, heard, world.failed_since, lambda failed: False, log)
    )


def test_open_alerts_end_in_words(tmp_path: Path) -> None:
    """Who was told that they began is told that they are over and why; a channel that is down
    is told later, nobody twice.
    """
    world = AlertWorld(tmp_path)
    world.complete(FIRST)
    world.look(at("10:50"))
    assert world.recorder.take()
    runtime = without_br(world)
    world.recorder.is_down = True
    look(runtime, world)
    world.recorder.is_down = False
    assert look(runtime, world).delivered == ["recorder"]
    (message,) = world.recorder.messages
    assert (
        "BR is not in the configuration any more: its alerts end, and nobody looks after it"
        in message.body
    )
    assert "freshness_fail" in message.body
    assert runtime.storage.read("alerts/BR.json") is None
    look(runtime, world)
    assert len(world.recorder.messages) == 1


def test_a_country_without_alerts_is_forgotten_quietly(tmp_path: Path) -> None:
    """Nobody is told anything; countries that are configured keep their state."""
    world = AlertWorld(tmp_path)
    for country in ("BR", "CL"):
        world.complete(FIRST, country=country)
        world.look(at("10:10"), country=country)
    runtime = without_br(world)
    look(runtime, world)
    assert world.recorder.messages == []
    assert runtime.storage.read("alerts/BR.json") is None
    assert runtime.storage.read("alerts/CL.json") is not None
