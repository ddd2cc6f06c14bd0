"""Separate assets: rows from Python are committed by the IO manager as declared, window by window, after each window's run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from storeavail_platform.domain.errors import TableDeclarationError
from storeavail_platform.domain.tables import TABLES
from storeavail_platform.domain.tables.portable import check_separate
from storeavail_platform.domain.tables.separate import SEPARATE_TABLES
from storeavail_platform.domain.tables.table import Check, Column, Table
from storeavail_platform.domain.windows import Window, partition_key
from storeavail_platform.orchestration.assets.separate import Asset, separate_assets
from storeavail_platform.orchestration.build import SEPARATE_ASSETS, build_definitions
from storeavail_platform.orchestration.jobs import WINDOW_JOB
from storeavail_platform.pipeline.runtime import build_runtime
from storeavail_platform.upkeep.compaction import compact
from storeavail_platform_tests.orchestration.assets.conftest import ALL_TABLES, COUNTRY, FAILING_WINDOW, WINDOW, Materialised

RANKS = Table(
    name="store_ranks",
    description="Stores by id.",
    columns=(
        Column("store_id", "bigint", "The store.", nullable=False),
        Column("place", "int", "From 1."),
    ),
    key=("store_id",),
    inputs=("store_availability",),
    kinds=("python",),
)
PLACES = pa.schema([("store_id", pa.int64()), ("place", pa.int32())])
Rows = Callable[[pa.Table], Any]


def ranks(rows: pa.Table) -> pa.Table:
    ids = sorted(row["store_id"] for row in rows.to_pylist())
    return pa.Table.from_pylist([{"store_id": store, "place": place} for place, store in enumerate(ids, 1)], PLACES)


def definitions(materialised: Materialised, rows: Rows = ranks, table: Table = RANKS) -> dg.Definitions:
    """The platform's definitions with the separate asset, which gives what `rows` makes of the facts."""

    def make(asset: Asset) -> dg.AssetsDefinition:
        @asset()
        def store_ranks(store_availability: pa.Table) -> Any:
            return rows(store_availability)

        return store_ranks

    return build_definitions(materialised.platform, tables=ALL_TABLES, separate_tables=(table,), separate={table.name: make})


def run(
    materialised: Materialised, found: dg.Definitions, window: Window = WINDOW, job_name: str = "store_ranks_job"
) -> dg.ExecuteInProcessResult:
    job = found.resolve_job_def(job_name)
    return job.execute_in_process(
        partition_key=partition_key(COUNTRY, window), instance=materialised.instance, raise_on_error=False
    )


def reason(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    return error.to_string()


def test_rows_are_committed_window_by_window(materialised: Materialised) -> None:
    """With the platform's columns, schema and descriptions; a rerun replaces this window's rows and no other's."""
    found = definitions(materialised)
    first, second = run(materialised, found), run(materialised, found, FAILING_WINDOW)
    assert first.success
    (event,) = first.asset_materializations_for_node("store_ranks")
    assert event.metadata["dagster/row_count"].value == 7
    assert event.metadata["dagster/relation_identifier"].value == "storeavail_br.store_ranks"
    again = run(materialised, definitions(materialised, lambda rows: ranks(rows).slice(0, 2)))
    rows = materialised.world.query(
        "SELECT window_start, run_id, COUNT(*) AS n, MAX(place) AS last FROM store_ranks GROUP BY ALL ORDER BY ALL"
    )
    assert [(row["window_start"], row["run_id"], row["n"]) for row in rows] == [
        (WINDOW.start, again.run_id, 2),
        (FAILING_WINDOW.start, second.run_id, rows[1]["n"]),
    ]
    table = materialised.runtime.warehouse.load(COUNTRY, "store_ranks")
    assert table is not None
    assert [(field.name, field.doc) for field in table.schema().fields][:1] + [
        (field.name, field.doc) for field in table.schema().fields
    ][-2:] == [("country", "Country code, for example BR."), ("store_id", "The store."), ("place", "From 1.")]


def test_platform_columns_of_an_input_may_come_back(materialised: Materialised) -> None:
    """Rows that were read have country, window and run: they are given anew, not doubled."""
    result = run(
        materialised,
        definitions(
            materialised,
            lambda rows: rows.select(["country", "window_start", "run_id", "store_id"]).append_column(
                "place", pa.nulls(len(rows), pa.int32())
            ),
        ),
    )
    assert result.success, reason(result)
    assert materialised.world.query(
        f"SELECT DISTINCT run_id FROM store_ranks WHERE window_start = TIMESTAMPTZ '{WINDOW.start}'"
    ) == [{"run_id": result.run_id}]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (lambda rows: ranks(rows).drop_columns(["place"]), "place: declared int32, computed missing"),
        (lambda rows: ranks(rows).append_column("mood", pa.nulls(7, pa.string())), "mood: declared missing, computed string"),
        (lambda rows: ranks(rows).cast(pa.schema([("store_id", pa.int64()), ("place", pa.int64())])), "place: declared int32, computed int64"),
        (lambda rows: pa.concat_tables([ranks(rows), ranks(rows)]), "repeated_keys: 7"),
        (lambda rows: pa.table({"store_id": [None], "place": [1]}, PLACES), "null_values: 1"),
        (lambda rows: [1, 2], "gave a list; give a pyarrow Table or a Spark DataFrame"),
    ],
    ids=["missing", "other", "type", "key", "null", "list"],
)  # fmt: skip
def test_rows_that_are_not_as_declared_are_not_committed(materialised: Materialised, rows: Rows, told: str) -> None:
    """The failure names what differs; the table stays as it was, and it is not tried again."""
    assert run(materialised, definitions(materialised)).success
    before = materialised.runtime.warehouse.pointer(COUNTRY, "store_ranks")
    result = run(materialised, definitions(materialised, rows))
    assert not result.success
    assert told in reason(result)
    assert materialised.runtime.warehouse.pointer(COUNTRY, "store_ranks") == before
    assert not [event for event in result.all_events if event.is_step_up_for_retry]


def test_an_input_that_was_never_committed(materialised: Materialised) -> None:
    """Named, with what to run first."""
    never = replace(RANKS, name="never_run")
    after = replace(RANKS, inputs=("never_run",))

    def make_never(asset: Asset) -> dg.AssetsDefinition:
        return asset()(lambda store_availability: ranks(store_availability))

    def make(asset: Asset) -> dg.AssetsDefinition:
        return asset()(lambda never_run: ranks(never_run))

    found = build_definitions(
        materialised.platform,
        tables=ALL_TABLES,
        separate_tables=(never, after),
        separate={"never_run": make_never, "store_ranks": make},
    )
    assert "table never_run of BR has never been committed; run its asset for 2026-11-23T1300 first" in reason(
        run(materialised, found)
    )


def test_dataframes_need_spark(materialised: Materialised) -> None:
    """An asset that takes Spark DataFrames says so where the engine is another."""

    def make(asset: Asset) -> dg.AssetsDefinition:
        @asset()
        def store_ranks(store_availability: DataFrame) -> Any:
            return store_availability

        return store_ranks

    found = build_definitions(materialised.platform, tables=ALL_TABLES, separate_tables=(RANKS,), separate={"store_ranks": make})
    assert "needs engine: spark" in reason(run(materialised, found))


def test_a_column_more(materialised: Materialised) -> None:
    """Rows from before have NULL in it."""
    before = replace(RANKS, name="noted_ranks")
    after = replace(before, columns=(*RANKS.columns, Column("note", "text", "A note.")))
    assert run(materialised, definitions(materialised, table=before), job_name="noted_ranks_job").success
    noted = definitions(materialised, lambda rows: ranks(rows).append_column("note", pa.array(["x"] * len(rows))), after)
    assert run(materialised, noted, FAILING_WINDOW, "noted_ranks_job").success
    rows = materialised.world.query("SELECT window_start, MAX(note) AS note FROM noted_ranks GROUP BY ALL ORDER BY ALL")
    assert [row["note"] for row in rows] == [None, "x"]


def test_it_runs_after_each_window(materialised: Materialised) -> None:
    """Its sensor asks for the partition of a window's run that has succeeded, once."""
    found = definitions(materialised)
    sensor = found.resolve_sensor_def("after_window_store_ranks_job")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    run_of_window = materialised.instance.get_run_by_id(materialised.completed.run_id)
    assert run_of_window is not None
    context = dg.build_run_status_sensor_context(
        sensor.name, materialised.completed.all_events[-1], materialised.instance, run_of_window
    )
    asked: Any = sensor(context)
    (request,) = asked
    assert (request.partition_key, request.run_key) == (f"{COUNTRY}|{WINDOW.key}", run_of_window.run_id)
    assert run_of_window.job_name == WINDOW_JOB


def test_it_is_kept_up(materialised: Materialised) -> None:
    """Upkeep works on a separate asset's table as on any other."""
    for window in (WINDOW, FAILING_WINDOW):
        assert run(materialised, definitions(materialised), window).success
    runtime = build_runtime(materialised.platform, tables=ALL_TABLES, separate_tables=(RANKS,))
    assert RANKS in runtime.all_tables
    assert sum(1 for _ in compact(runtime, COUNTRY, RANKS, WINDOW.start + timedelta(days=3))) == 1


def test_what_dagster_shows(materialised: Materialised) -> None:
    """Description, owners, kinds, column schema, and the edge to what it reads."""
    node = definitions(materialised).resolve_asset_graph().get(dg.AssetKey("store_ranks"))
    assert node.description == RANKS.description
    assert node.owners == ["team:store-operations"]
    assert node.kinds == {"iceberg", "python"}
    assert {key.to_user_string() for key in node.parent_keys} == {"store_availability"}
    assert [column.name for column in node.metadata["dagster/column_schema"].columns][-2:] == ["store_id", "place"]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (replace(RANKS, name="stores"), "the name is taken"),
        (replace(RANKS, inputs=("shops",)), "there is no window table 'shops' before it"),
        (replace(RANKS, inputs=("store_ranks",)), "there is no window table 'store_ranks' before it"),
        (replace(RANKS, key=("shop",)), "key or sort column 'shop' is not among its columns"),
        (replace(RANKS, sql_text="SELECT 1"), "has SQL or checks"),
        (replace(RANKS, checks=(Check("complete", "?", "SELECT TRUE AS passed"),)), "has SQL or checks"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused(table: Table, told: str) -> None:
    """When the definitions are loaded, with file and line."""
    with pytest.raises(TableDeclarationError, match=r"^assets/test_separate\.py:\d+: table ") as caught:
        check_separate((table,), TABLES)
    assert told in str(caught.value)


def test_declarations_and_assets_belong_together(materialised: Materialised) -> None:
    """One without the other is named."""
    with pytest.raises(TableDeclarationError, match="separate asset store_ranks: declare its table"):
        separate_assets(
            (RANKS,),
            {},
            dg.MultiPartitionsDefinition({"a": dg.StaticPartitionsDefinition(["x"]), "b": dg.StaticPartitionsDefinition(["y"])}),
        )
    assert {table.name for table in SEPARATE_TABLES} == set(SEPARATE_ASSETS)
