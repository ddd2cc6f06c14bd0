"""Finds out how a country is, from markers, landing and the last windows of
`availability_summary`; what of it is an alert says `evaluate.py`.

It works with the catalog down (the table is found by its pointer), reads only this country's files,
and only the last few windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import pyarrow as pa

from storeavail_platform.alerting.alerts import Cause
from storeavail_platform.alerting.evaluate import Health, Judgement, Observable, Observed
from storeavail_platform.alerting.failed_runs import FailedRun
from storeavail_platform.alerting.lost import GAP_LASTS
from storeavail_platform.alerting.notify import State
from storeavail_platform.domain.availability import availability
from storeavail_platform.domain.errors import WarehouseError
from storeavail_platform.domain.log import Log
from storeavail_platform.domain.text import neutralised
from storeavail_platform.domain.windows import Window
from storeavail_platform.pipeline.observe import INDEX
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.warehouse.trust import Trust

SUMMARY = "availability_summary"
SMALLEST_GROUP = 20
"""Stores that have to be expected and known in a window for a city's or brand's availability to
count: one store of five is no outage.
"""
SPARE_WINDOWS = 8
"""Windows looked at beyond twice what the rule needs, for those that are no evidence."""
FIRST_SEARCH = 96
"""Markers read in search of an observed one where none is known yet."""
LANDED_LOOKED_AT = 8
FAILED_RERUN_LASTS = timedelta(days=1)
GROUPS = ("city", "brand")
COLUMNS = (
    "stores_available",
    "stores_missing",
    "available_minutes",
    "expected_minutes",
    "unknown_minutes",
)


def gather(
    runtime: Runtime,
    country: str,
    now: datetime,
    state: State,
    *,
    log: Log,
) -> Health:
    """How a country is at `now` (UTC).

    Args:
        state: what is known from the last time.

    Raises:
        WarehouseError: markers or landing cannot be read.
        OSError: the same, of a folder.
    """
    rule = runtime.country(country).alerts.availability
    reach = 2 * max(rule.after, rule.resolve) + SPARE_WINDOWS
    first = Window.containing(now).next(-reach)
    markers = [
        marker
        for key in reversed(runtime.markers.complete(country, after=first.key))
        if (marker := runtime.markers.whole(country, Window.parse(key))) is not None
    ]
    observed = state.observed
    newest = next((marker for marker in markers if marker.observed_at is not None), None)
    if newest is None and observed is None:
        older = islice(
            runtime.markers.latest(country, before=Window.containing(now).next()), FIRST_SEARCH
        )
        newest = next((marker for marker in older if marker.observed_at is not None), None)
    if newest is not None and newest.observed_at is not None:
        observed = Observed(newest.window, newest.observed_at)
    verdicts = Trust(runtime.storage).verdicts(country)
    evidence = [marker for marker in markers if verdicts.is_good(marker)]
    # gaps between suspect windows are no end of them
    streak = list(takewhile(lambda marker: not verdicts.is_good(marker), markers))
    groups = known_groups(runtime, country, [marker.window for marker in evidence], log)
    landed = runtime.landing.windows(country, after=observed.window if observed else "")
    return Health(
        country=country,
        now=now,
        counted_from=(
            Window.parse(landed[0]).middle() if landed and observed is None else state.watched_since
        ),
        observed=observed,
        suspect_reason=None if newest is None else verdicts.suspicion_of(newest),
        suspect_from=next(
            (marker.window for marker in reversed(streak) if marker.observed_at is not None), None
        ),
        has_landed=any(
            runtime.landing.has(country, Window.parse(key), INDEX)
            for key in reversed(landed[-LANDED_LOOKED_AT:])
        ),
        failures=state.failures,
        gaps=state.seen.gaps,
        observable=still_observable(runtime, country, now),
        judgements={
            "": [
                Judgement(marker.window, marker.figures.availability)
                for marker in evidence
                if marker.figures.availability is not None
            ],
            **(groups or {}),
        },
        are_groups_known=groups is not None,
    )


def still_observable(runtime: Runtime, country: str, now: datetime) -> Observable | None:
    """The oldest window that is neither complete nor landed and may still be observed."""
    in_progress = Window.containing(now)
    for window in (in_progress.next(-1), in_progress):
        until = window.deadline(runtime.platform.observation_grace)
        if (
            now <= until
            and runtime.markers.whole(country, window) is None
            and not runtime.landing.has(country, window, INDEX)
        ):
            return Observable(window.key, until)
    return None


def known_groups(
    runtime: Runtime, country: str, windows: Sequence[str], log: Log
) -> dict[str, list[Judgement]] | None:
    """`group_judgements`, or None where the table cannot be read now: alerts about cities and
    brands then stay as they are.
    """
    try:
        return group_judgements(runtime, country, windows)
    except (WarehouseError, OSError, pa.ArrowException) as error:
        log.warning("cities and brands of %s cannot be judged now: %s", country, error)
        return None


def group_judgements(
    runtime: Runtime, country: str, windows: Sequence[str]
) -> dict[str, list[Judgement]]:
    """Judgements by `city NAME` and `brand NAME`, newest first, of windows in which a group was
    large enough.

    Args:
        windows: keys, newest first.
    """
    table = runtime.warehouse.load(country, SUMMARY) if windows else None
    if table is None:
        return {}
    first, last = (Window.parse(key).start.isoformat() for key in (windows[-1], windows[0]))
    rows = table.scan(
        row_filter=f"window_start >= '{first}' AND window_start <= '{last}'",
        selected_fields=("window_start", *GROUPS, *COLUMNS),
    ).to_arrow()
    found: dict[str, list[Judgement]] = {}
    for group in GROUPS:
        sums = rows.group_by([group, "window_start"]).aggregate(
            [(column, "sum") for column in COLUMNS]
        )
        for row in sums.sort_by([("window_start", "descending"), (group, "ascending")]).to_pylist():
            share = availability(
                available=row["available_minutes_sum"],
                expected=row["expected_minutes_sum"],
                unknown=row["unknown_minutes_sum"],
            )
            key = Window.containing(row["window_start"].astimezone(UTC)).key
            stores = row["stores_available_sum"] + row["stores_missing_sum"]
            if (
                row[group] is not None
                and key in windows
                and stores >= SMALLEST_GROUP
                and share is not None
            ):
                found.setdefault(f"{group} {neutralised(row[group])}", []).append(
                    Judgement(key, share)
                )
    return found


def still_failed(
    runtime: Runtime,
    country: str,
    failures: Sequence[FailedRun],
    now: datetime,
    succeeded_since: Callable[[FailedRun], bool],
) -> list[FailedRun]:
    """The newest failed run of each task, without those that were made up for, and those too old to
    be.

    A window's failure is over when the window was completed later; any other when a later run of
    the same job succeeded. A failed rerun of a window that is complete lost nothing: if its process
    was killed it is over at once, else after a day at the latest. What a window was lost by is kept
    for as long as the window is told of.
    """
    retention = (
        runtime.country(country).retention
        if country in runtime.platform.countries
        else runtime.platform.retention
    )
    newest: Mapping[tuple[str, str | None], FailedRun] = {
        failed.task: failed
        for failed in sorted(failures, key=lambda failed: failed.failed_at)
        if now - failed.failed_at < retention.landing
    }
    windows = [failed.window for failed in newest.values() if failed.window is not None]
    before = Window.parse(min(windows)).next(-1).key if windows else ""
    complete = set(runtime.markers.complete(country, after=before)) if windows else set()

    def is_over(failed: FailedRun) -> bool:
        if failed.window is None:
            return succeeded_since(failed)
        if failed.window not in complete:
            return False
        window = Window.parse(failed.window)
        marker = runtime.markers.whole(country, window)
        if marker is not None and marker.observed_at is None:
            return now - window.start >= GAP_LASTS
        if failed.cause is Cause.RUN_LOST:
            return True
        is_made_up_for = marker is not None and marker.completed_at > failed.failed_at
        return (
            is_made_up_for
            or now - failed.failed_at >= FAILED_RERUN_LASTS
            or succeeded_since(failed)
        )

    return [failed for failed in newest.values() if not is_over(failed)]
