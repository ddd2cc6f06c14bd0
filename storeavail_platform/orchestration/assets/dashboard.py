"""The asset `availability_dashboard`: a page a country, written in the run of each window after its dates, and by hand.

What the pages are lies in `dashboard/`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from storeavail_platform.config import Platform
from storeavail_platform.dashboard import PageWritten, preview, write_country_page, write_overview
from storeavail_platform.dashboard.tables import TABLES
from storeavail_platform.domain.errors import StoreAvailError
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import COUNTRY
from storeavail_platform.pipeline.runtime import Runtime

KEY = dg.AssetKey("availability_dashboard")


def dashboard_asset(platform: Platform) -> dg.AssetsDefinition:
    """The asset definition, partitioned by country."""

    @dg.asset(
        key=KEY,
        description=(
            "A self-contained HTML page of a country, and its summary for the page of all countries. It is written after every window; "
            "opening it needs no server and no network."
        ),
        deps=[dg.AssetDep(name, partition_mapping=dg.MultiToSingleDimensionPartitionMapping(COUNTRY)) for name in TABLES],
        partitions_def=dg.StaticPartitionsDefinition(list(platform.countries)),
        group_name="dashboard",
        kinds={"html"},
        owners=["team:store-operations"],
        tags={"layer": "dashboard"},
        required_resource_keys={"runtime"},
    )
    def availability_dashboard(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with as_failures():
            return dg.MaterializeResult(metadata=metadata(write_pages(context.resources.runtime, context.partition_key)))

    return availability_dashboard


def write_pages(runtime: Runtime, country: str) -> PageWritten:
    """Write a country's page, and the page of all countries from what each has left; gives the former.

    Raises:
        NotObserved: the country has no complete window.
        WarehouseError: the tables cannot be read, or the page not written.
    """
    now = datetime.now(UTC)
    page = write_country_page(runtime, country, now)
    write_overview(runtime, now)
    return page


def write_pages_after(runtime: Runtime, country: str, context: dg.AssetExecutionContext | dg.OpExecutionContext) -> None:
    """Write the pages in a window's own run, and tell Dagster. The window is complete, so that an error is logged and does not fail its run."""
    try:
        page = write_pages(runtime, country)
    except (StoreAvailError, OSError) as error:
        context.log.error(f"{error}. The window is complete; the page of {country} is written after its next one")
        return
    context.log_event(dg.AssetMaterialization(KEY, partition=country, metadata=metadata(page)))


def metadata(page: PageWritten) -> Mapping[str, Any]:
    """What a materialisation of the page tells."""
    address = page.uri if "://" in page.uri else f"file://{page.path}"
    return {
        "preview": dg.MetadataValue.md(preview(page.summary or {})),
        "page": dg.MetadataValue.url(address),
        "dagster/uri": page.uri,
        "bytes": page.bytes,
        "write_seconds": page.seconds,
    }
