"""What window assets share: the partition grid country x 15-minute window, and the key of their launcher.

Nothing here lists partition keys: with years of windows that takes seconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import dagster as dg

from storeavail_platform.config import Platform
from storeavail_platform.windows import KEY_FORMAT, Window

COUNTRY = "country"
WINDOW = "window"
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


def partition_of(context: dg.AssetExecutionContext | dg.OutputContext | dg.InputContext) -> tuple[str, Window]:
    """The country and window that a step or an IO manager works on."""
    key = context.partition_key
    if not isinstance(key, dg.MultiPartitionKey):
        raise TypeError(f"partition key {key!r} is not of the country x window grid")
    return key.keys_by_dimension[COUNTRY], Window.parse(key.keys_by_dimension[WINDOW])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
