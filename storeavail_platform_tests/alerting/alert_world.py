"""A country as its alerts see it: real markers, landed manifests and a real
`availability_summary` in a folder, without running windows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storeavail_platform.alerting.channels import About, Channel
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.messages import Message
from storeavail_platform.alerting.watch import Tick, WatchResult, look_at_country
from storeavail_platform.config import load_text
from storeavail_platform.domain.errors import ChannelFailed
from storeavail_platform.domain.tables.declarations import AVAILABILITY_SUMMARY
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime, build_runtime
from storeavail_platform.warehouse.engine import WrittenFile
from storeavail_platform.warehouse.markers import Figures, Marker

COUNTRY = "BR"
FIRST = Window.parse("2026-11-23T1000")
CONFIG = """
warehouse: ./warehouse
dagster_url: https://dagster.example.com/
dashboard_url: https://pages.example.com
alerts: {{channels: {channels}{alerts}}}
countries:
  BR: {{timezone: America/Sao_Paulo, postgres: {{dsn: "env:BR_DSN"}}, online_index: {{path: ./br.ndjson}}{more}}}
  CL: {{timezone: America/Santiago, postgres: {{dsn: "env:CL_DSN"}}, online_index: {{path: ./cl.ndjson}}}}
"""
Groups = Mapping[tuple[str | None, str | None], tuple[int, int]]
"""Stores available and missing by city and brand."""


@dataclass
class Recorder:
    """A channel that keeps what it was sent, or refuses it."""

    name: str = "recorder"
    messages: list[Message] = field(default_factory=list)
    is_down: bool = False

    @property
    def channel(self) -> Channel:
        return Channel(self.name, self.send, self.wants)

    def wants(self, about: About) -> bool:
        return True

    def send(self, message: Message) -> None:
        if self.is_down:
            raise ChannelFailed(f"channel {self.name}: is down")
        self.messages.append(message)

    def take(self) -> list[str]:
        """The subjects of the messages since the last call."""
        subjects = [message.subject for message in self.messages]
        self.messages.clear()
        return subjects


class AlertWorld:
    """A configuration in a folder, and what windows and runs leave behind."""

    def __init__(
        self, folder: Path, *, channels: str = "[log]", more: str = "", alerts: str = ""
    ) -> None:
        self.config = folder / "platform.yaml"
        of_alerts = f", {alerts}" if alerts else ""
        self.config.write_text(CONFIG.format(channels=channels, more=more, alerts=of_alerts))
        (folder / "warehouse").mkdir()
        self.runtime: Runtime = build_runtime(
            load_text(self.config.read_text(), base=folder, origin=str(self.config))
        )
        self.recorder = Recorder()
        self.failures: list[FailedRun] = []

    def complete(
        self,
        window: Window,
        availability: float = 1.0,
        *,
        country: str = COUNTRY,
        is_observed: bool = True,
        suspect_reason: str | None = None,
        completed_at: datetime | None = None,
        groups: Groups | None = None,
        **figures: float,
    ) -> None:
        """Make a window complete, as the last step of its run does."""
        if groups is None and is_observed and country == COUNTRY:
            missing = round(1000 * (1 - availability))
            groups = {(None, None): (1000 - missing, missing)}
        if groups:
            self.commit(window, groups)
        self.runtime.markers.write(
            marker(
                window,
                availability,
                country=country,
                is_observed=is_observed,
                suspect_reason=suspect_reason,
                completed_at=completed_at,
                **figures,
            )
        )

    def fail(self, failed: FailedRun) -> None:
        """A run that Dagster shows as failed."""
        self.failures.append(failed)

    def failed_since(self, since: datetime) -> tuple[list[FailedRun], datetime]:
        found = [failed for failed in self.failures if failed.failed_at >= since]
        return found, max([since, *(failed.failed_at for failed in found)])

    def commit(self, window: Window, groups: Groups) -> None:
        """Commit a window of `availability_summary`, each store expected for all of it."""
        schema = AVAILABILITY_SUMMARY.stored_schema()
        rows = [
            {
                **dict.fromkeys(schema.names, 0),
                "country": COUNTRY,
                "window_start": window.start,
                "run_id": "run",
                "city": city,
                "brand": brand,
                "stores_available": available,
                "stores_missing": missing,
                "expected_minutes": 15 * (available + missing),
                "available_minutes": 15 * available,
                "missing_minutes": 15 * missing,
            }
            for (city, brand), (available, missing) in groups.items()
        ]
        warehouse = self.runtime.warehouse
        path = warehouse.location(
            COUNTRY, AVAILABILITY_SUMMARY.name, "data", window.key, "run", "part-0.parquet"
        )
        with warehouse.storage.open_output(path) as stream:
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), stream)
        files = [WrittenFile(warehouse.storage.path(path), len(rows), 1)]
        warehouse.commit(COUNTRY, AVAILABILITY_SUMMARY, window, files, "run")

    def land(self, window: Window, country: str = COUNTRY) -> None:
        """Land the index of a window."""
        self.runtime.landing.record(
            country, window, INDEX, {"is_observed": True}, read_at=window.middle()
        )

    def look(
        self,
        now: datetime,
        *,
        runtime: Runtime | None = None,
        country: str = COUNTRY,
        channels: Sequence[Recorder] | None = None,
        is_running: bool = False,
        waits_behind: str | None = None,
        succeeded_since: Callable[[FailedRun], bool] = lambda failed: False,
    ) -> WatchResult:
        """What the country's sensor does in a tick."""
        heard = [self.recorder] if channels is None else channels
        return look_at_country(
            runtime or self.runtime,
            country,
            Tick(
                now,
                [each.channel for each in heard],
                self.failed_since,
                succeeded_since,
                logging.getLogger("test"),
                is_running,
                waits_behind,
            ),
        )


def marker(
    window: Window,
    availability: float = 1.0,
    *,
    country: str = COUNTRY,
    is_observed: bool = True,
    suspect_reason: str | None = None,
    completed_at: datetime | None = None,
    **figures: Any,
) -> Marker:
    """A complete window of 100 stores, as a run leaves it."""
    missing = round(1500 * (1 - availability))
    found = {
        "expected_minutes": 1500,
        "available_minutes": 1500 - missing if is_observed else 0,
        "missing_minutes": missing if is_observed else 0,
        "unknown_minutes": 0 if is_observed else 1500,
        "rogue_minutes": 0,
        "stores_missing": missing // 15,
        "stores_rogue": 0,
        "listed": 100,
        "active_stores": 100,
        "missing_share": 1 - availability,
        "coverage_without_edge": 1.0 if is_observed else 0.0,
        "stores_with_problem": 0,
        "hours_with_problem": 0,
        "documents_with_problem": 0,
        "suspect": suspect_reason is not None,
        "suspect_reason": suspect_reason,
    }
    return Marker(
        country,
        window.key,
        "run",
        window.middle() if is_observed else None,
        completed_at or window.middle() + timedelta(minutes=1),
        Figures(**{**found, **figures}),
        {},
    )


def at(text: str) -> datetime:
    """A moment of the day of the tests, `10:22`, UTC."""
    return datetime.fromisoformat(f"2026-11-23T{text}").replace(tzinfo=UTC)
