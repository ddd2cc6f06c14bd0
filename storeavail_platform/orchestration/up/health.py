"""Whether all of it is well: every process runs, Dagster's daemon moves, the definitions are
loaded, no country is late.

Dagster's own check takes a daemon for alive that died a minute ago.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import orjson
from dagster._core.workspace.context import WorkspaceProcessContext

from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.domain.text import neutralised
from storeavail_platform.orchestration.processes import PROCESS_TAG, RunProcess
from storeavail_platform.orchestration.up.supervisor import CHILDREN_FILE
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.status import last_observed, lateness

DAEMON_QUIET = timedelta(seconds=100)
"""A daemon says every 30 s that it moves; one that waits for a slow disk may miss two."""


@dataclass(frozen=True)
class TreeHealth:
    """What is known of the tree.

    Attributes:
        problems: what is wrong, in words; empty: nothing.
        countries: each country's last complete window, or None.
    """

    problems: list[str]
    countries: Mapping[str, str | None] = field(default_factory=dict)

    def dump(self) -> bytes:
        content = {"ok": not self.problems, "problems": self.problems, "countries": self.countries}
        return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def tree_health(
    runtime: Runtime, context: WorkspaceProcessContext, folder: Path, now: datetime
) -> TreeHealth:
    """How the tree and its countries are at `now` (UTC).

    Args:
        folder: where the supervisor says what runs.
    """
    problems = [
        *children_gone(folder),
        *daemons_quiet(context.instance, now),
        *not_loaded(context),
    ]
    countries = {}
    for code in runtime.platform.served:
        try:
            marker = last_observed(runtime, code, now)
        except StoreAvailError as error:
            problems.append(f"{code}: {error}")
            continue
        countries[code] = None if marker is None else marker.window
        late = lateness(runtime, code, None if marker is None else marker.observed_at, now)
        problems += [] if late is None else [f"{code} is late: {late}"]
    return TreeHealth(problems, countries)


def children_gone(folder: Path) -> Iterator[str]:
    """Processes of the tree that do not run."""
    try:
        children = orjson.loads((folder / CHILDREN_FILE).read_bytes())
    except FileNotFoundError:
        return
    for name, text in children.items():
        process = None if text is None else RunProcess.of({PROCESS_TAG: text})
        if process is None or process.is_gone:
            yield f"{name} does not run; it is being started again"


def daemons_quiet(instance: dg.DagsterInstance, now: datetime) -> Iterator[str]:
    """Dagster's daemons that have not said for long that they move."""
    beats = instance.get_daemon_heartbeats()
    for kind in sorted(instance.get_required_daemon_types()):
        beat = beats.get(kind)
        if beat is None:
            yield f"Dagster's {kind} has not begun"
        elif (quiet := now - datetime.fromtimestamp(beat.timestamp, UTC)) > DAEMON_QUIET:
            yield f"Dagster's {kind} has not moved for {quiet.total_seconds():.0f} s"


def not_loaded(context: WorkspaceProcessContext) -> Iterator[str]:
    """Why the definitions are not loaded."""
    for error in context.create_request_context().code_location_errors():
        yield f"the definitions are not loaded: {neutralised(error.message)}"
