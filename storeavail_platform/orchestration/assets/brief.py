"""The asset `morning_brief`: a page a country and local date, and its message, which the country's
alert sensor sends. What a brief is lies in `reading/brief.py`, what is made of it in
`dashboard/briefs.py`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from storeavail_platform.alerting import outbox
from storeavail_platform.dashboard.briefs import ReportMade, make_brief
from storeavail_platform.dashboard.values import make_value
from storeavail_platform.domain.errors import NotObserved
from storeavail_platform.domain.tables.causes import INCIDENTS
from storeavail_platform.domain.tables.daily import DAILY_STORE_AVAILABILITY, STORE_OUTAGES
from storeavail_platform.domain.tables.declarations import (
    AVAILABILITY_SUMMARY,
    EXPECTED_SCHEDULES,
    STORE_HOURS,
    WINDOW_QUALITY,
)
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.assets.daily import windows_of_date
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import date_of
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.reading.dates import DAY

BRIEF = "morning_brief"


class BriefConfig(dg.Config):
    """What becomes of a brief."""

    due_at: str | None = Field(
        default=None,
        description=(
            "When its message is due, like 2026-11-23T11:00:00+00:00 (the schedule says it);"
            " without, only the page is written."
        ),
    )


def brief_asset(partitions: dg.MultiPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset definition, over the grid of local dates."""
    by_date = (DAILY_STORE_AVAILABILITY.name, STORE_OUTAGES.name, INCIDENTS.name)
    by_window = (
        AVAILABILITY_SUMMARY.name,
        WINDOW_QUALITY.name,
        STORE_HOURS.name,
        EXPECTED_SCHEDULES.name,
    )

    @dg.asset(
        name=BRIEF,
        description=(
            "A country's local date for whoever looks after its stores: beside the same weekday of"
            " four weeks, incidents and their cost, what got better, what to do first. A page that"
            " is kept by date, and a message that comes once. The brief of a month's last date has"
            " the month's value report with it."
        ),
        deps=[
            *by_date,
            *(dg.AssetDep(name, partition_mapping=windows_of_date()) for name in by_window),
        ],
        partitions_def=partitions,
        output_required=False,
        group_name="dashboard",
        kinds={"html"},
        owners=describe.OWNERS,
        tags={"layer": "dashboard"},
        required_resource_keys={"runtime"},
    )
    def morning_brief(
        context: dg.AssetExecutionContext, config: BriefConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        runtime: Runtime = context.resources.runtime
        country, day = date_of(context)
        now = runtime.clock()
        with as_failures():
            due_at = now if config.due_at is None else datetime.fromisoformat(config.due_at)
            try:
                made = make_brief(runtime, country, day, now, due_at.astimezone(UTC))
            except NotObserved as error:
                # a country that begins has nothing to tell, and nothing is wrong
                context.log.info(str(error))
                return
            if config.due_at is not None:
                outbox.put(runtime.storage, country, made.due)
            metadata = report_metadata(made)
            if (day + DAY).day == 1:
                try:
                    value = make_value(runtime, country, day, now, due_at.astimezone(UTC))
                    metadata["value"] = report_metadata(value)["page"]
                    if config.due_at is not None:
                        outbox.put(runtime.storage, country, value.due)
                except NotObserved as error:
                    context.log.info(str(error))
            yield dg.MaterializeResult(asset_key=BRIEF, metadata=metadata)

    return morning_brief


def report_metadata(made: ReportMade) -> describe.Metadata:
    """What a report that was made tells."""
    address = made.uri if "://" in made.uri else f"file://{made.path}"
    return {
        "preview": dg.MetadataValue.md(made.text.plain()),
        "page": dg.MetadataValue.url(address),
        "dagster/uri": made.uri,
        "bytes": made.bytes,
        "write_seconds": made.seconds,
    }
