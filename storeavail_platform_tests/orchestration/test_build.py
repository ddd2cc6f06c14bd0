"""What Dagster knows: the definitions load, every asset is described, lineage is whole, and a
table is added by one declaration.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.schema import create_schema

from storeavail_platform.alerting.failed_runs import cause_of
from storeavail_platform.dashboard.relations import SHOWN_COLUMNS
from storeavail_platform.domain.alert_kinds import Cause
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.causes import INCIDENTS, WINDOW_CAUSES
from storeavail_platform.domain.tables.daily import DAILY_TABLES
from storeavail_platform.domain.tables.lineage import column_lineage
from storeavail_platform.domain.tables.relations import GIVEN_RELATIONS, RELATIONS
from storeavail_platform.domain.tables.table import Table
from storeavail_platform.domain.windows import partition_key
from storeavail_platform.orchestration.assets.window import WINDOW_STEP
from storeavail_platform.orchestration.io_manager import WarehouseIOManager
from storeavail_platform.orchestration.partitions import window_partitions
from storeavail_platform.orchestration.resources import PlatformRuntime
from storeavail_platform.pipeline.compute import SCHEMA_AND_KEY
from storeavail_platform_tests.materialised import (
    AFTER_NUMBERS,
    BRAND_COUNTS,
    CAN_FAIL,
    COUNTRY,
    FAILING_WINDOW,
    NUMBERS,
    ONLINE,
    UNIQUE_IDS,
    WINDOW,
    Materialised,
)
from storeavail_platform_tests.test_docs import DOCS, PAGES, documented_commands, section

WORKSPACE = Path(__file__).parents[2] / "workspace.yaml"
OBSERVATION = "observation"
DASHBOARD = "availability_dashboard"
BRIEF = "morning_brief"
NAMES = {table.name for table in TABLES}
DAILY_NAMES = {table.name for table in DAILY_TABLES}
DATES = {
    "usual_rates": {"availability_summary", "window_causes", "stores"},
    "incidents": {"store_availability", "window_causes"},
    "store_outages": {"store_availability", "stores"},
    "daily_store_availability": {"store_availability", "stores"},
}
"""The window tables that each daily table is made of."""
ASSETS = """{ assetNodes {
  assetKey { path } description kinds isPartitioned groupName
  owners { ... on TeamAssetOwner { team } ... on UserAssetOwner { email } }
  tags { key value }
  dependencyKeys { path }
  metadataEntries { label ... on TableSchemaMetadataEntry { schema { columns { name type description constraints { nullable } } } } }
  hasAssetChecks
  assetMaterializations(limit: 1) {
    partition
    metadataEntries { label ... on TableColumnLineageMetadataEntry { lineage { columnName columnDeps { assetKey { path } columnName } } } }
  }
} }"""


@pytest.fixture(scope="module")
def nodes(materialised: Materialised) -> dict[str, dict[str, Any]]:
    """What the Dagster UI is told about each asset: the repository's workspace.yaml, loaded as
    `dagster-webserver` loads it.
    """
    with WorkspaceProcessContext(
        materialised.instance, WorkspaceFileTarget([str(WORKSPACE)])
    ) as process:
        context = process.create_request_context()
        assert not context.code_location_errors()
        assert [location.name for location in context.code_locations] == ["storeavail"]
        answer = asyncio.run(create_schema().execute_async(ASSETS, context_value=context))
    assert answer.errors is None, answer.errors
    return {node["assetKey"]["path"][-1]: node for node in answer.data["assetNodes"]}


def upstream(table: Table) -> set[str]:
    """The assets that a table's inputs are: other tables, and the observation for landed and
    settings; for a date, what its relations are rows of, and zones.
    """
    own = set(table.inputs) - GIVEN_RELATIONS
    if table.is_daily:
        return DATES[table.name] | (DAILY_NAMES & own)
    return {OBSERVATION if name in RELATIONS else name for name in own}


def test_definitions_load_by_module(
    materialised: Materialised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`storeavail_platform.definitions` alone, with the configuration that STOREAVAIL_CONFIG
    names, is everything.
    """
    monkeypatch.delitem(sys.modules, "storeavail_platform.definitions", raising=False)
    definitions = importlib.import_module("storeavail_platform.definitions").defs
    assert isinstance(definitions, dg.Definitions)
    dg.Definitions.validate_loadable(definitions)
    keys = definitions.resolve_all_asset_keys()
    assert {key.to_user_string() for key in keys} == {
        OBSERVATION,
        DASHBOARD,
        BRIEF,
        *NAMES,
        *DAILY_NAMES,
    }


def test_every_asset_is_described(nodes: dict[str, dict[str, Any]]) -> None:
    """Description, kinds, owners, tags, partitions: nothing in the UI is bare."""
    assert set(nodes) == {OBSERVATION, DASHBOARD, BRIEF, *NAMES, *DAILY_NAMES}
    for name, node in nodes.items():
        assert node["description"], name
        assert node["kinds"], name
        assert node["owners"] == [{"team": "store-operations"}], name
        assert node["groupName"] in {"landing", "window", "local_date", "dashboard"}, name
        assert {"key": "layer", "value": node["groupName"]} in node["tags"], name
        assert node["isPartitioned"], name
    for table in (*TABLES, *DAILY_TABLES):
        assert nodes[table.name]["description"] == table.description
        assert nodes[table.name]["hasAssetChecks"]


@pytest.mark.parametrize("table", [*TABLES, *DAILY_TABLES], ids=lambda table: table.name)
def test_column_schema_is_the_declaration(nodes: dict[str, dict[str, Any]], table: Table) -> None:
    """Each column with type, meaning and whether it may be NULL, the platform's own included."""
    (shown,) = [
        entry["schema"]
        for entry in nodes[table.name]["metadataEntries"]
        if entry["label"] == "dagster/column_schema"
    ]
    assert [
        tuple({**column, "constraints": column["constraints"]["nullable"]}.values())
        for column in shown["columns"]
    ] == [
        (column.name, column.type, column.description, column.nullable)
        for column in table.all_columns
    ]


def test_lineage_shows_every_edge(nodes: dict[str, dict[str, Any]]) -> None:
    """Every input of a declaration is an edge, and there is no other."""
    shown = {
        name: {key["path"][-1] for key in node["dependencyKeys"]} for name, node in nodes.items()
    }
    assert shown == {
        OBSERVATION: set(),
        DASHBOARD: {*SHOWN_COLUMNS, WINDOW_CAUSES.name, INCIDENTS.name},
        BRIEF: {
            "daily_store_availability",
            "store_outages",
            "incidents",
            "availability_summary",
            "window_quality",
            "store_hours",
            "expected_schedules",
        },
        **{table.name: upstream(table) for table in (*TABLES, *DAILY_TABLES)},
    }
    for source in ("stores", "store_hours", "online_index"):
        assert shown[source] == {OBSERVATION}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_materialisation_shows_column_lineage(
    nodes: dict[str, dict[str, Any]], table: Table
) -> None:
    """Each column's origins, as its SQL has them, are on the materialisation; landed columns
    belong to the observation.
    """
    (event,) = nodes[table.name]["assetMaterializations"]
    assert event["partition"] in {partition_key(COUNTRY, window) for window in ONLINE}
    (entries,) = [
        entry["lineage"]
        for entry in event["metadataEntries"]
        if entry["label"] == "dagster/column_lineage"
    ]
    shown = {
        entry["columnName"]: {
            (dep["assetKey"]["path"][-1], dep["columnName"]) for dep in entry["columnDeps"]
        }
        for entry in entries
    }
    assert shown == {
        column: {
            (OBSERVATION, f"{source}.{name}") if source in RELATIONS else (source, name)
            for source, name in origins
            if source not in GIVEN_RELATIONS
        }
        for column, origins in column_lineage(table, TABLES).items()
    }
    assert set(shown) == {column.name for column in table.columns}


def test_column_lineage_goes_back_to_the_landing(nodes: dict[str, dict[str, Any]]) -> None:
    """One chain by hand: the fact's is_online comes from the index, whose flag is what was
    landed.
    """

    def origins(table: str, column: str) -> set[tuple[str, str]]:
        (event,) = nodes[table]["assetMaterializations"]
        (entries,) = [
            entry["lineage"]
            for entry in event["metadataEntries"]
            if entry["label"] == "dagster/column_lineage"
        ]
        (deps,) = [entry["columnDeps"] for entry in entries if entry["columnName"] == column]
        return {(dep["assetKey"]["path"][-1], dep["columnName"]) for dep in deps}

    assert ("online_index", "is_online") in origins("store_availability", "is_online")
    assert origins("online_index", "is_online") == {
        ("observation", "raw_online_index.online"),
        ("observation", "window_settings.several"),
    }
    assert origins("availability_summary", "availability") == {
        ("store_availability", name)
        for name in ("available_minutes", "expected_minutes", "unknown_minutes")
    }


def test_a_table_is_added_by_one_declaration(materialised: Materialised) -> None:
    """A declaration and its SQL give the asset, its schema, lineage and check, and rows that
    analysts can query.
    """
    graph = materialised.definitions.resolve_asset_graph()
    node = graph.get(dg.AssetKey(BRAND_COUNTS.name))
    assert node.description == BRAND_COUNTS.description
    assert {key.to_user_string() for key in node.parent_keys} == {"store_availability"}
    assert [column.name for column in node.metadata["dagster/column_schema"].columns] == [
        column.name for column in BRAND_COUNTS.all_columns
    ]
    checks = {
        evaluation.check_name: evaluation
        for evaluation in materialised.completed.get_asset_check_evaluations()
        if evaluation.asset_key.to_user_string() == BRAND_COUNTS.name
    }
    assert set(checks) == {SCHEMA_AND_KEY, "complete"}
    assert all(evaluation.passed for evaluation in checks.values())
    assert checks["complete"].metadata["brands"].value == 3
    (event,) = [
        event
        for event in materialised.completed.asset_materializations_for_node(WINDOW_STEP)
        if event.asset_key.to_user_string() == BRAND_COUNTS.name
    ]
    assert event.metadata["dagster/row_count"].value == 3
    lineage: Any = event.metadata["dagster/column_lineage"].value
    assert lineage.deps_by_column["available"] == [
        dg.TableColumnDep(asset_key="store_availability", column_name="status")
    ]
    rows = materialised.world.query(
        "SELECT country, brand, available, run_id FROM brand_counts WHERE window_start ="
        " TIMESTAMPTZ '2026-11-23 13:00:00Z' ORDER BY brand"
    )
    run_id = materialised.completed.run_id
    assert [tuple(row.values()) for row in rows] == [
        (COUNTRY, "Brand 0", 2, run_id),
        (COUNTRY, "Brand 1", 3, run_id),
        (COUNTRY, None, 0, run_id),
    ]


def test_a_failing_quality_check_publishes(materialised: Materialised) -> None:
    """A store in a zone that does not exist: the check warns with its figures, the rows are
    there, the window is complete.
    """
    (check,) = [
        evaluation
        for evaluation in materialised.completed.get_asset_check_evaluations()
        if (evaluation.asset_key.to_user_string(), evaluation.check_name) == ("stores", "quality")
    ]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["with_problem"].value == 1
    assert materialised.completed.success
    problems = materialised.world.query("SELECT DISTINCT problem FROM stores WHERE store_id = '7'")
    assert problems == [{"problem": "unknown timezone"}]
    assert materialised.runtime.markers.read(COUNTRY, WINDOW) is not None


def test_a_failing_table_fails_itself_and_its_descendants_alone(materialised: Materialised) -> None:
    """SQL that stops and keys that repeat keep a table and what reads it back; every other one
    is committed, and the run says why.
    """
    result = materialised.failed
    assert not result.success
    committed = {
        event.asset_key.to_user_string()
        for event in result.asset_materializations_for_node(WINDOW_STEP)
    }
    assert committed == {*NAMES, BRAND_COUNTS.name}
    for table in CAN_FAIL:
        starts = materialised.world.query(f"SELECT DISTINCT window_start FROM {table.name}")
        assert starts == [{"window_start": WINDOW.start}], table.name
    window = f"window_start = TIMESTAMPTZ '{FAILING_WINDOW.start.isoformat()}'"
    counts = materialised.world.query(
        f"SELECT status, COUNT(*) AS n FROM store_availability WHERE {window} GROUP BY ALL ORDER"
        " BY ALL"
    )
    assert [tuple(row.values()) for row in counts] == [
        ("available", 2),
        ("missing", 4),
        ("rogue", 1),
        ("unknown", 1),
    ]
    data = result.failure_data_for_node(WINDOW_STEP)
    assert data is not None
    assert data.user_failure_data is not None
    reason = str(data.user_failure_data.description)
    assert "numbers: DuckDB could not compute it" in reason
    assert "table after_numbers was not computed because numbers failed" in reason
    refused = "table unique_ids of BR 2026-11-23T1315 was not committed: schema_and_key failed"
    assert refused in reason
    # alerts know it by its words: the run's error has a general name
    of_table = reason[reason.index(refused) :]
    assert cause_of("TablesFailed", of_table) is Cause.TABLE_CONTRACT_BROKEN


def test_a_blocking_check_is_visible(materialised: Materialised) -> None:
    """The check that kept a table back is an error with its figures; a table that was never
    computed has no verdict.
    """
    evaluations = {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation
        for evaluation in materialised.failed.get_asset_check_evaluations()
    }
    check = evaluations[UNIQUE_IDS.name, SCHEMA_AND_KEY]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert {name: value.value for name, value in check.metadata.items()} == {
        "row_count": 5,
        "repeated_keys": 1,
        "null_values": 0,
    }
    assert not {NUMBERS.name, AFTER_NUMBERS.name} & {asset for asset, _ in evaluations}


def test_a_window_with_a_failed_table_is_not_complete(materialised: Materialised) -> None:
    """No marker, although each of its tables has been committed for another window: it is run
    again, and no figure of it counts.
    """
    assert materialised.completed.success
    assert materialised.runtime.markers.complete(COUNTRY) == [WINDOW.key]


def test_an_ordinary_asset_reads_a_window_table(materialised: Materialised) -> None:
    """`AssetIn` on the same partitions gives the partition's rows as an Arrow table, and no
    other window's.
    """
    partitions = window_partitions(materialised.platform)

    @dg.asset(partitions_def=partitions, ins={"store_availability": dg.AssetIn()})
    def available_stores(store_availability: pa.Table) -> dg.MaterializeResult[None]:
        ids = [
            row["store_id"]
            for row in store_availability.to_pylist()
            if row["status"] == "available"
        ]
        return dg.MaterializeResult(
            metadata={"ids": ids, "windows": len(store_availability["window_start"].unique())}
        )

    job = dg.define_asset_job("downstream", selection=[available_stores])
    added = dg.Definitions.merge(
        materialised.definitions, dg.Definitions(assets=[available_stores], jobs=[job])
    )
    for window, stores in ONLINE.items():
        result = added.resolve_job_def("downstream").execute_in_process(
            partition_key=partition_key(COUNTRY, window), instance=materialised.instance
        )
        (event,) = result.asset_materializations_for_node("available_stores")
        assert event.metadata["ids"].value == [str(store) for store in stores]
        assert event.metadata["windows"].value == 1


def test_metadata_is_documented(materialised: Materialised) -> None:
    """docs/tables.md explains each key that materialisations carry, and no other."""
    text = section((DOCS / "tables.md").read_text(encoding="utf-8"), "## Metadata")
    rows = dict(re.findall(r"^\| `([\w/]+)` \| `?(\w+)`? \|", text, re.MULTILINE))
    carried: dict[str, set[str]] = {
        OBSERVATION: set(),
        DASHBOARD: set(),
        "tables": set(),
        "dates": set(),
    }
    for node in (OBSERVATION, WINDOW_STEP):
        for event in materialised.completed.asset_materializations_for_node(node):
            name = event.asset_key.to_user_string()
            kind = "dates" if name in DAILY_NAMES else name if name in carried else "tables"
            carried[kind] |= set(event.metadata)
    assert {key for key, of in rows.items() if of in {OBSERVATION, "all"}} == carried[OBSERVATION]
    assert {key for key, of in rows.items() if of in {"tables", "all"}} == carried["tables"]
    assert {key for key, of in rows.items() if of in {"tables", "dates", "all"}} == carried["dates"]
    assert {key for key, of in rows.items() if of in {DASHBOARD, "all"}} == carried[DASHBOARD]


def test_documented_queries_run(materialised: Materialised) -> None:
    """Every `storeavail query` of the documentation is answered."""
    queries = [
        tokens[-1] for path in PAGES for tokens in documented_commands(path) if tokens[0] == "query"
    ]
    assert len(queries) > 3
    for sql in queries:
        materialised.world.query(sql)


def test_an_asset_of_its_own_reads_committed_rows(materialised: Materialised) -> None:
    """docs/adding-an-asset.md, followed: an ordinary asset gets a partition's rows from the IO
    manager.
    """
    page = (DOCS / "adding-an-asset.md").read_text(encoding="utf-8")
    (code,) = re.findall(
        r"^```python storeavail_platform/orchestration/assets/city_ranking.py\n(.*?)^```",
        page,
        re.DOTALL | re.MULTILINE,
    )
    names: dict[str, Any] = {}
    exec(code, names)
    runtime = materialised.runtime
    asset = names["city_ranking_asset"](window_partitions(runtime.platform))
    source = dg.AssetSpec(
        "availability_summary", partitions_def=window_partitions(runtime.platform)
    )
    result = dg.materialize(
        [asset, source],
        partition_key=partition_key(COUNTRY, WINDOW),
        resources={"warehouse": WarehouseIOManager(runtime=PlatformRuntime.of(runtime))},
    )
    (event,) = result.asset_materializations_for_node("city_ranking")
    (worst,) = [event.metadata["worst"].value]
    assert worst == [{"city": "City", "missing_minutes_sum": 15}]
