"""What people read in the Dagster UI: descriptions of assets and checks, metadata of what was made.

Everything follows from declarations (`domain/tables`) and events (`pipeline/events.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg

from storeavail_platform.dashboard import PageWritten, preview
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.declared import declarations
from storeavail_platform.domain.tables.lineage import column_lineage
from storeavail_platform.domain.tables.relations import DAILY_SOURCES, GIVEN_RELATIONS
from storeavail_platform.domain.tables.table import Column, Table
from storeavail_platform.pipeline.compute import SCHEMA_AND_KEY, CheckOutcome
from storeavail_platform.pipeline.events import RolledUp, TableCommitted
from storeavail_platform.pipeline.observe import Landed
from storeavail_platform.pipeline.runtime import Runtime

OBSERVATION = "observation"
DASHBOARD = "availability_dashboard"
OWNERS = ["team:store-operations"]
PACKAGE = Path(str(files("storeavail_platform")))

Metadata = dict[str, Any]

COSTS = frozenset(
    {
        "index_documents",
        "index_bytes",
        "index_milliseconds",
        "stores_bytes",
        "stores_milliseconds",
        "hours_bytes",
        "hours_milliseconds",
        "one_connection",
    }
)
"""What a reading says that it cost the company's index and database (`sources/`)."""


def table_asset(table: Table, tables: Sequence[Table]) -> Metadata:
    """The arguments that an `AssetOut` and an `AssetSpec` of a table have in common."""
    layer = "local_date" if table.is_daily else "window"
    return {
        "description": table.description,
        "group_name": layer,
        "kinds": {"iceberg", "sql" if table.function is None else "python", *table.kinds},
        "owners": list(table.owners),
        "tags": {"layer": layer},
        "metadata": {
            "dagster/column_schema": column_schema(table),
            "dagster/column_lineage": lineage(table, tables),
            "dagster/code_references": code_references(table),
            **(
                {"sql": dg.MetadataValue.md(f"```sql\n{table.sql}\n```")}
                if table.function is None
                else {"function": table.made_in}
            ),
        },
    }


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns, the platform's own included."""
    return dg.TableSchema(columns=[_column(column) for column in table.all_columns])


def _column(column: Column) -> dg.TableColumn:
    constraints = dg.TableColumnConstraints(nullable=column.nullable)
    return dg.TableColumn(
        column.name, column.type, description=column.description, constraints=constraints
    )


def lineage(table: Table, tables: Sequence[Table]) -> dg.TableColumnLineage:
    """Column lineage of a table: other tables, and the landing as `observation:
    relation.column`.
    """
    names = {other.name for other in tables}

    def origin(source: str, column: str) -> tuple[str, str] | None:
        if source in names:
            return source, column
        if table.is_daily:
            # the platform's own `roll_up` has no asset
            table_of = DAILY_SOURCES.get(source)
            return None if table_of is None else (table_of, column)
        if source in GIVEN_RELATIONS:
            # what was usual and open before comes by pointer: no asset waits for itself
            return None
        return OBSERVATION, f"{source}.{column}"

    return dg.TableColumnLineage(
        {
            column: _dependencies(origin, origins)
            for column, origins in column_lineage(table, tables).items()
        }
    )


def _dependencies(
    origin: Callable[[str, str], tuple[str, str] | None], origins: Sequence[tuple[str, str]]
) -> list[dg.TableColumnDep]:
    found = {known for source, column in origins if (known := origin(source, column)) is not None}
    return [
        dg.TableColumnDep(asset_key=asset, column_name=column) for asset, column in sorted(found)
    ]


def code_references(table: Table) -> dg.CodeReferencesMetadataValue:
    """Where the table is declared, and the SQL that makes it: the UI links to both."""
    folder = PACKAGE / "domain" / "tables"
    places = []
    if table.name in declarations():
        file, line = declarations()[table.name]
        places.append((folder / file, line, "declaration"))
    if table.function is not None:
        code = table.function.rows.__code__
        places.append((Path(code.co_filename), code.co_firstlineno, "function"))
    elif table.sql_text is None:
        places.append((folder / "sql" / f"{table.name}.sql", 1, "SQL"))
    return dg.CodeReferencesMetadataValue(
        code_references=[
            dg.LocalFileCodeReference(file_path=str(path), line_number=number, label=label)
            for path, number, label in places
        ]
    )


def check_specs(tables: Sequence[Table]) -> list[dg.AssetCheckSpec]:
    """`schema_and_key` for every table, and its declared checks."""
    specs = []
    for table in tables:
        specs.append(
            dg.AssetCheckSpec(
                SCHEMA_AND_KEY,
                asset=table.name,
                description=(
                    "Columns and types are the declared ones; keys are set and unique among "
                    "rows without a problem. A failure keeps the table from being committed."
                ),
                blocking=True,
            )
        )
        specs += [
            dg.AssetCheckSpec(check.name, asset=table.name, description=check.description)
            for check in table.checks
        ]
    return specs


def check(outcome: CheckOutcome) -> Metadata:
    """A check's result: an error where it blocked the commit, a warning where rows are
    published.
    """
    severity = dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN
    return {
        "asset_key": dg.AssetKey(outcome.table),
        "check_name": outcome.name,
        "passed": outcome.passed,
        "severity": severity,
        "metadata": {
            name: dg.MetadataValue.json(value) if isinstance(value, list) else _plain(value)
            for name, value in outcome.figures.items()
            if value is not None
        },
    }


def _plain(value: Any) -> dg.MetadataValue[Any]:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    return (
        dg.MetadataValue.float(value)
        if isinstance(value, float)
        else dg.MetadataValue.text(str(value))
    )


def landed(runtime: Runtime, event: Landed) -> Metadata:
    """What a materialisation of `observation` tells; a gap has none."""
    found = event.observation
    index, stores = found.index, found.stores
    counts = ("observed_minute", "listed", "online")
    return {
        "observed_at": str(found.observed_at),
        **{name: index.details[name] for name in counts},
        "stores_read_at": str(stores.read_at),
        "stores_read_again": stores.reread,
        "stores_rows": stores.rows("raw_stores"),
        "hours_rows": stores.rows("raw_store_hours"),
        # what the reading cost the company's servers
        **{
            name: count
            for reading in (index, stores)
            for name, count in reading.details.items()
            if name in COSTS
        },
        "stores_delay_seconds": (stores.read_at - index.read_at).total_seconds(),
        "landing_delay_seconds": (index.landed_at - index.read_at).total_seconds(),
        "bytes": index.size + stores.size,
        "dagster/uri": runtime.storage.uri("landing", event.country, event.window.key),
    }


def committed(runtime: Runtime, event: TableCommitted) -> Metadata:
    """What a materialisation of a table tells."""
    table, computed = event.table, event.computed
    location = runtime.warehouse.location(event.country, table.name)
    tables = DAILY_TABLES if table.is_daily else runtime.tables
    return {
        "dagster/row_count": computed.rows,
        "dagster/uri": runtime.storage.uri(location),
        "dagster/relation_identifier": f"{runtime.country(event.country).namespace}.{table.name}",
        "dagster/column_lineage": lineage(table, tables),
        "snapshot_id": str(event.state.snapshot_id),
        "bytes": sum(file.size for file in computed.files),
        "compute_seconds": round(computed.seconds, 3),
        "commit_seconds": round(event.commit_seconds, 3),
    }


def rolled_up(runtime: Runtime, event: RolledUp) -> Metadata:
    """The same for a local date."""
    return {**committed(runtime, event), "is_provisional": event.is_provisional}


def page(event: PageWritten) -> Metadata:
    """What a materialisation of the page tells."""
    address = event.uri if "://" in event.uri else f"file://{event.path}"
    return {
        "preview": dg.MetadataValue.md(preview(event.summary or {})),
        "page": dg.MetadataValue.url(address),
        "dagster/uri": event.uri,
        "bytes": event.bytes,
        "write_seconds": event.seconds,
    }
