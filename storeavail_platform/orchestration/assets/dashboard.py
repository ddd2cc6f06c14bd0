"""The asset `availability_dashboard`: a page a country, written in each window's run, and by hand.

What the pages are lies in `dashboard/`.
"""

from collections.abc import Iterator

import dagster as dg

from storeavail_platform.config import Platform
from storeavail_platform.dashboard import PageWritten, write_country_page, write_overview
from storeavail_platform.dashboard.relations import SHOWN_COLUMNS
from storeavail_platform.domain.tables.causes import INCIDENTS, WINDOW_CAUSES
from storeavail_platform.orchestration import describe
from storeavail_platform.orchestration.failures import as_failures
from storeavail_platform.orchestration.partitions import COUNTRY
from storeavail_platform.orchestration.translate import Own, translate
from storeavail_platform.pipeline.runtime import Runtime
from storeavail_platform.pipeline.window import AfterCommit

KEY = dg.AssetKey(describe.DASHBOARD)


def dashboard_asset(platform: Platform) -> dg.AssetsDefinition:
    """The asset definition, partitioned by country."""
    by_country = dg.MultiToSingleDimensionPartitionMapping(COUNTRY)

    @dg.asset(
        key=KEY,
        description=(
            "A self-contained HTML page of a country, and its summary for the page of all"
            " countries. It is written after every window; opening it needs no server and no"
            " network."
        ),
        deps=[
            dg.AssetDep(name, partition_mapping=by_country)
            for name in (*SHOWN_COLUMNS, WINDOW_CAUSES.name, INCIDENTS.name)
        ],
        partitions_def=dg.StaticPartitionsDefinition(list(platform.countries)),
        group_name="dashboard",
        kinds={"html"},
        owners=describe.OWNERS,
        tags={"layer": "dashboard"},
        required_resource_keys={"runtime"},
    )
    def availability_dashboard(context: dg.AssetExecutionContext) -> Iterator[Own]:
        runtime: Runtime = context.resources.runtime
        with as_failures():
            pages = write_pages(runtime)(context.partition_key)
            yield from translate(pages, context, runtime, own={describe.DASHBOARD})

    return availability_dashboard


def write_pages(runtime: Runtime) -> AfterCommit:
    """Writes a country's page, and the page of all countries from what each has left.

    Raises, when it is called:
        NotObserved: the country has no complete window.
        WarehouseError: the tables cannot be read, or the page not written.
    """

    def write(country: str) -> Iterator[PageWritten]:
        now = runtime.clock()
        yield write_country_page(runtime, country, now)
        # told by then: what is wrong with other countries' figures leaves this page as it is
        write_overview(runtime, now)

    return write
