"""What assets share: the partition grids country x 15-minute window and country x local date, and
the key of their launcher.

Nothing here lists partition keys: with years of windows that takes seconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

from storeavail_platform.config import Platform
from storeavail_platform.domain.windows import KEY_FORMAT, Window

COUNTRY = "country"
WINDOW = "window"
LOCAL_DATE = "local_date"
STEP_LAUNCHER = "step_launcher"
"""Key of the resource that runs steps on the cluster of their partition's country."""


def window_partitions(platform: Platform) -> dg.MultiPartitionsDefinition:
    """Country x window from `partitions_start` to the window in progress (`end_offset=1`)."""
    return dg.MultiPartitionsDefinition(
        {
            COUNTRY: dg.StaticPartitionsDefinition(list(platform.countries)),
            WINDOW: dg.TimeWindowPartitionsDefinition(
                start=_midnight(platform.partitions_start),
                fmt=KEY_FORMAT,
                cron_schedule="*/15 * * * *",
                end_offset=1,
                timezone="UTC",
            ),
        }
    )


def date_partitions(platform: Platform) -> dg.MultiPartitionsDefinition:
    """Country x local date, to the date that begins first anywhere: UTC's tomorrow
    (`end_offset=2`).
    """
    return dg.MultiPartitionsDefinition(
        {
            COUNTRY: dg.StaticPartitionsDefinition(list(platform.countries)),
            # in the west the first window still belongs to the date before
            LOCAL_DATE: dg.DailyPartitionsDefinition(
                start_date=_midnight(platform.partitions_start) - timedelta(days=1), end_offset=2
            ),
        }
    )


def partition_of(
    context: dg.AssetExecutionContext | dg.OutputContext | dg.InputContext,
) -> tuple[str, Window]:
    """The country and window that a step or an IO manager works on."""
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise TypeError(f"partition key {key!r} is not of the country x window grid")
    return key.keys_by_dimension[COUNTRY], Window.parse(key.keys_by_dimension[WINDOW])


def date_of(context: dg.AssetExecutionContext) -> tuple[str, date]:
    """The country and local date that a step works on."""
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise TypeError(f"partition key {key!r} is not of the country x local date grid")
    return key.keys_by_dimension[COUNTRY], date.fromisoformat(key.keys_by_dimension[LOCAL_DATE])


def window_or_date(key: str) -> tuple[str, Window | date]:
    """The country, and the window or local date, of a partition key of either grid."""
    keys = key.keys_by_dimension if isinstance(key, dg.MultiPartitionKey) else {}
    if WINDOW in keys:
        return keys[COUNTRY], Window.parse(keys[WINDOW])
    if LOCAL_DATE in keys:
        return keys[COUNTRY], date.fromisoformat(keys[LOCAL_DATE])
    raise TypeError(
        f"partition key {key!r} is neither of the country x window nor of the country x local date"
        " grid"
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
